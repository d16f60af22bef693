//! GitHub's own actions that built-in ones answer: `actions/checkout`, the artifacts, the cache. Each of their documented
//! inputs is carried out, is of no effect here for a reason that stands beside it, or is refused by name.

use super::Planner;
use crate::diagnostic::Code;
use crate::expr::Template;
use crate::span::Spanned;
use crate::workflow::reader::{shorten, suggestion};
use crate::workflow::{Argument, Uses};
use indexmap::IndexMap;

/// How one of GitHub's actions is answered.
#[derive(Debug)]
pub(super) struct StandIn {
    /// As `uses:` names it, without the reference.
    action: &'static str,
    /// The built-in action's name after `pawl/`.
    pub(super) builtin: &'static str,
    /// Inputs that mean the same, with the built-in's name where it is another one.
    carried: &'static [(&'static str, &'static str)],
    /// Inputs that change nothing here.
    idle: &'static [&'static str],
    /// Inputs that GitHub's action has given up and does nothing for, and what it says of them.
    deprecated: &'static [(&'static str, &'static str)],
    /// Inputs that cannot be carried out, and what to do.
    refused: &'static [(&'static str, &'static str)],
    /// Values of the built-in's inputs where the call gives none and the two differ.
    defaults: &'static [(&'static str, &'static str)],
}

const CHECKOUT: StandIn = StandIn {
    action: "actions/checkout",
    builtin: "checkout",
    carried: &[
        ("repository", ""),
        ("ref", ""),
        ("token", ""),
        ("path", ""),
        ("clean", "tidy"),
        ("filter", ""),
        ("sparse-checkout", ""),
        ("sparse-checkout-cone-mode", ""),
        ("fetch-depth", ""),
        ("fetch-tags", ""),
        ("lfs", ""),
        ("submodules", ""),
        ("set-safe-directory", ""),
        ("github-server-url", ""),
    ],
    // No progress is shown; `reference` only saves network; the others belong to ssh-key.
    idle: &["show-progress", "reference", "ssh-known-hosts", "ssh-strict", "ssh-user"],
    deprecated: &[],
    refused: &[
        ("ssh-key", "give a token, or stand a clone in with --action OWNER/REPO=DIR"),
        (
            "persist-credentials",
            "no token is written to disk; give it to the step that pushes, by env",
        ),
    ],
    defaults: &[("tidy", "true")],
};

const UPLOAD: StandIn = StandIn {
    action: "actions/upload-artifact",
    builtin: "upload",
    carried: &[
        ("name", ""),
        ("path", ""),
        ("if-no-files-found", ""),
        ("retention-days", ""),
        ("overwrite", ""),
        ("include-hidden-files", ""),
        ("archive", ""),
    ],
    // Files are kept as they are; they are compressed, if at all, when somebody asks for the archive.
    idle: &["compression-level"],
    deprecated: &[],
    refused: &[],
    defaults: &[],
};

const DOWNLOAD: StandIn = StandIn {
    action: "actions/download-artifact",
    builtin: "download",
    carried: &[
        ("name", ""),
        ("artifact-ids", ""),
        ("path", ""),
        ("pattern", ""),
        ("merge-multiple", ""),
        ("repository", ""),
        ("run-id", ""),
        ("skip-decompress", ""),
    ],
    // The store asks for no token, and a damaged file is always an error.
    idle: &["github-token", "digest-mismatch"],
    deprecated: &[],
    refused: &[],
    defaults: &[],
};

const CACHE: StandIn = StandIn {
    action: "actions/cache",
    builtin: "cache",
    carried: &[
        ("path", ""),
        ("key", ""),
        ("restore-keys", ""),
        ("fail-on-cache-miss", ""),
        ("lookup-only", ""),
    ],
    idle: CACHE_IDLE,
    deprecated: &[(
        "save-always",
        "save-always does not work as intended and will be removed in a future release. A separate `actions/cache/restore` step \
         should be used instead.",
    )],
    refused: &[],
    defaults: &[],
};

const CACHE_RESTORE: StandIn = StandIn {
    action: "actions/cache/restore",
    builtin: "cache-restore",
    carried: CACHE.carried,
    idle: CACHE_IDLE,
    deprecated: &[],
    refused: &[],
    defaults: &[],
};

const CACHE_SAVE: StandIn = StandIn {
    action: "actions/cache/save",
    builtin: "cache-save",
    carried: &[("path", ""), ("key", "")],
    idle: CACHE_IDLE,
    deprecated: &[],
    refused: &[],
    defaults: &[],
};

/// Nothing is sent in pieces, and there is one operating system.
const CACHE_IDLE: &[&str] = &["upload-chunk-size", "enablecrossosarchive"];

const ALL: [&StandIn; 6] = [&CHECKOUT, &UPLOAD, &DOWNLOAD, &CACHE, &CACHE_RESTORE, &CACHE_SAVE];

/// True for a `uses:` that a built-in action answers unless the real ones are asked for.
pub fn is_answered(uses: &Uses) -> bool {
    of(uses).is_some()
}

/// What answers this action, if anything does.
pub(super) fn of(uses: &Uses) -> Option<&'static StandIn> {
    let Uses::Remote { repository, path, .. } = uses else { return None };
    let name = if path.is_empty() { repository.clone() } else { format!("{repository}/{path}") };
    ALL.into_iter().find(|stand_in| stand_in.action.eq_ignore_ascii_case(&name))
}

impl StandIn {
    /// The arguments of the built-in action.
    pub(super) fn arguments(
        &self,
        planner: &mut Planner<'_>,
        uses: &Spanned<Uses>,
        with: &IndexMap<String, Argument>,
    ) -> IndexMap<String, Argument> {
        let mut kept = IndexMap::new();
        for (name, argument) in with {
            let lower = name.to_ascii_lowercase();
            let carried = self.carried.iter().find(|(known, _)| known.eq_ignore_ascii_case(&lower));
            if let Some((known, other)) = carried {
                let name = if other.is_empty() { known } else { other };
                kept.insert((*name).to_owned(), spelled(argument));
            } else if let Some((_, help)) = self.refused.iter().find(|(known, _)| *known == lower) {
                self.refuse(planner, name, argument, help);
            } else if let Some((_, said)) =
                self.deprecated.iter().find(|(known, _)| *known == lower)
            {
                let message = format!("Input '{name}' has been deprecated with message: {said}");
                planner.reporter.warn(Code::UndeclaredInput, argument.name_span, message);
            } else if !self.idle.contains(&lower.as_str()) {
                self.stray(planner, name, argument);
            }
        }
        for (name, value) in self.defaults {
            if !kept.contains_key(*name) {
                let value = Spanned::new(Template::literal(value), uses.span);
                kept.insert((*name).to_owned(), Argument { name_span: uses.span, value });
            }
        }
        kept
    }

    fn refuse(&self, planner: &mut Planner<'_>, name: &str, argument: &Argument, help: &str) {
        let source = argument.value.value.source().trim();
        if source.is_empty() || source.eq_ignore_ascii_case("false") {
            return;
        }
        let message = format!("the input '{name}' of {} is not supported", self.action);
        let help = format!("{help}; or run the real action with --real-actions");
        planner.reporter.add(Code::NotSupported, argument.name_span, message, Some(help));
    }

    fn stray(&self, planner: &mut Planner<'_>, name: &str, argument: &Argument) {
        let mut names: Vec<&str> = self.carried.iter().map(|(known, _)| *known).collect();
        let named = self.deprecated.iter().chain(self.refused);
        names.extend(self.idle.iter().chain(named.map(|(known, _)| known)));
        let message = format!("'{}' declares no input '{}'", self.action, shorten(name));
        let help = Some(suggestion(name, &names));
        planner.reporter.add(Code::UndeclaredInput, argument.name_span, message, help);
    }
}

/// The argument, with `True` and the like as built-in actions write them: GitHub's actions take any case.
fn spelled(argument: &Argument) -> Argument {
    let template = &argument.value.value;
    let lower = template.source().trim().to_ascii_lowercase();
    let mut argument = argument.clone();
    if template.is_literal() && matches!(lower.as_str(), "true" | "false") {
        argument.value = Spanned::new(Template::literal(&lower), argument.value.span);
    }
    argument
}
