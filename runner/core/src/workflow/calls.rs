//! A job that calls another workflow: `uses`, `with` and `secrets` of a job.

use super::availability;
use super::model::{Call, CallArgument, CallSecrets, CalledWorkflow};
use super::reader::{Fields, Reader, shorten};
use crate::diagnostic::Code;
use crate::span::Spanned;
use crate::yaml::{Kind, Node};
use indexmap::IndexMap;

/// Keys that a job has only when it runs steps itself.
pub(super) const KEYS_OF_STEPS: &[&str] = &[
    "runs-on",
    "steps",
    "container",
    "services",
    "env",
    "outputs",
    "defaults",
    "environment",
    "timeout-minutes",
    "cancel-timeout-minutes",
    "continue-on-error",
    "snapshot",
];

/// Folders that a called workflow may be in, at the top of its repository.
const FOLDERS: [&str; 2] = [".github/workflows/", ".pawl/workflows/"];

/// Reads the call of a job; `None` when it has no `uses`.
pub(crate) fn read(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Call> {
    let Some(entry) = fields.entry("uses") else {
        for key in ["with", "secrets"] {
            if let Some(entry) = fields.entry(key) {
                let message = format!("Unexpected value '{key}'");
                let help = "a job has it only beside 'uses'; a step has its own 'with'";
                reader.error_with_help(Code::UnknownKey, entry.key_span, message, help);
            }
        }
        return None;
    };
    // The first key that only one kind of job has decides which kind it is, as on GitHub.
    let others: Vec<_> = KEYS_OF_STEPS.iter().filter_map(|key| fields.entry(key)).collect();
    let has_steps = others.iter().any(|other| other.key_span.start < entry.key_span.start);
    let unexpected = if has_steps { vec![entry] } else { others };
    for other in unexpected {
        let message = format!("Unexpected value '{}'", other.key);
        let help = "a job with 'uses' runs another workflow and has none of its own";
        reader.error_with_help(Code::UnknownKey, other.key_span, message, help);
    }
    let with = fields.get("with").map(|node| arguments(reader, node, availability::JOB));
    let secrets = fields.get("secrets").map(|node| secrets(reader, node));
    let uses = reader.non_empty(&entry.value)?;
    let called = match parse_called(&uses.value) {
        Ok(called) => called,
        Err(reason) => {
            let message =
                format!("Invalid workflow reference '{}': {reason}", shorten(&uses.value));
            let help = "write './.github/workflows/FILE.yml' or 'OWNER/REPO/.github/workflows/FILE.yml@REF'";
            reader.error_with_help(Code::InvalidUses, uses.span, message, help);
            return None;
        }
    };
    Some(Call {
        uses: Spanned::new(called, uses.span),
        with: with.unwrap_or_default(),
        secrets: secrets.flatten().unwrap_or(CallSecrets::Named(IndexMap::new())),
    })
}

/// True when the job has the key `uses`, however wrong its value is.
pub(crate) fn is_call(fields: Fields<'_>) -> bool {
    fields.entry("uses").is_some()
}

fn arguments(
    reader: &mut Reader<'_>,
    node: &Node,
    allowed: availability::Allowed,
) -> IndexMap<String, CallArgument> {
    let mut arguments = IndexMap::new();
    if node.kind == Kind::Null {
        return arguments;
    }
    for entry in reader.entries(node) {
        if let Some(value) = reader.template(&entry.value, allowed) {
            let kind = entry.value.kind;
            let argument = CallArgument { name_span: entry.key_span, value, kind };
            arguments.insert(entry.key.clone(), argument);
        }
    }
    arguments
}

fn secrets(reader: &mut Reader<'_>, node: &Node) -> Option<CallSecrets> {
    if node.is_scalar() && node.kind != Kind::Null {
        if node.text == "inherit" {
            return Some(CallSecrets::Inherit);
        }
        reader.wrong_type(node, "'inherit' or a mapping of secrets");
        return None;
    }
    Some(CallSecrets::Named(arguments(reader, node, availability::CALL_SECRETS)))
}

/// What `uses:` of a job names.
///
/// # Errors
/// Why the text names no workflow, in GitHub's words.
pub fn parse_called(text: &str) -> Result<CalledWorkflow, String> {
    let in_folder = |path: &str| {
        let file = FOLDERS.iter().find_map(|folder| path.strip_prefix(folder));
        file.is_some_and(|file| {
            !file.contains('/') && (file.ends_with(".yml") || file.ends_with(".yaml"))
        })
    };
    let misplaced = || {
        "workflows must be defined at the top level of the .github/workflows/ directory".to_owned()
    };
    if let Some(path) = text.strip_prefix("./").or_else(|| text.strip_prefix("$/")) {
        if path.contains('@') {
            return Err("cannot specify version when calling local workflows".to_owned());
        }
        return match in_folder(path) {
            true => Ok(CalledWorkflow::Local(path.to_owned())),
            false => Err(misplaced()),
        };
    }
    let Some((place, reference)) = text.split_once('@') else {
        return Err(match !text.starts_with('.') && text.contains("/.github/workflows/") {
            true => "no version specified".to_owned(),
            false => "references to workflows must be prefixed with format 'owner/repository/' or './' for local workflows".to_owned(),
        });
    };
    let mut parts = place.splitn(3, '/');
    let (owner, repository, path) = (parts.next(), parts.next(), parts.next());
    let (Some(owner), Some(repository), Some(path)) = (owner, repository, path) else {
        return Err("references to workflows must be prefixed with format 'owner/repository/' or './' for local workflows".to_owned());
    };
    let plain = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if !plain(owner) || !plain(repository) || reference.is_empty() {
        return Err("references to workflows must be prefixed with format 'owner/repository/' or './' for local workflows".to_owned());
    }
    match in_folder(path) {
        true => Ok(CalledWorkflow::Remote {
            repository: format!("{owner}/{repository}"),
            path: path.to_owned(),
            reference: reference.to_owned(),
        }),
        false => Err(misplaced()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_called;
    use crate::workflow::CalledWorkflow;

    #[test]
    fn local_and_remote_workflows_are_told_apart() {
        let local = CalledWorkflow::Local(".github/workflows/a.yml".to_owned());
        assert_eq!(parse_called("./.github/workflows/a.yml"), Ok(local.clone()));
        assert_eq!(parse_called("$/.github/workflows/a.yml"), Ok(local));
        let remote = CalledWorkflow::Remote {
            repository: "o/r".to_owned(),
            path: ".github/workflows/a.yaml".to_owned(),
            reference: "v1/x".to_owned(),
        };
        assert_eq!(parse_called("o/r/.github/workflows/a.yaml@v1/x"), Ok(remote));
    }

    #[test]
    fn what_names_no_workflow_says_why() {
        for (text, reason) in [
            (
                "./a.yml",
                "workflows must be defined at the top level of the .github/workflows/ directory",
            ),
            (
                "./.github/workflows/x/a.yml",
                "workflows must be defined at the top level of the .github/workflows/ directory",
            ),
            ("./.github/workflows/a.yml@v1", "cannot specify version when calling local workflows"),
            ("o/r/.github/workflows/a.yml", "no version specified"),
            (
                "../.github/workflows/a.yml",
                "references to workflows must be prefixed with format 'owner/repository/' or './' for local workflows",
            ),
            (
                "o/r@v1",
                "references to workflows must be prefixed with format 'owner/repository/' or './' for local workflows",
            ),
            (
                "o/r/.github/workflows/a.yml@",
                "references to workflows must be prefixed with format 'owner/repository/' or './' for local workflows",
            ),
        ] {
            assert_eq!(parse_called(text), Err(reason.to_owned()), "{text}");
        }
    }
}
