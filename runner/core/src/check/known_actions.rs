//! The commonest actions: majors that are too old to run, and inputs that they do not have.

use super::Subject;
use crate::diagnostic::Code;
use crate::workflow::reader::suggestion;
use crate::workflow::{StepAction, Uses};

/// Repository and the oldest major that GitHub's runners still start.
const OLDEST: &[(&str, u32)] = &[
    ("actions/cache", 4),
    ("actions/checkout", 4),
    ("actions/download-artifact", 4),
    ("actions/github-script", 7),
    ("actions/labeler", 5),
    ("actions/setup-go", 5),
    ("actions/setup-java", 4),
    ("actions/setup-node", 4),
    ("actions/setup-python", 5),
    ("actions/stale", 9),
    ("actions/upload-artifact", 4),
    ("docker/build-push-action", 5),
    ("docker/login-action", 3),
    ("docker/setup-buildx-action", 3),
];

/// Inputs of actions that Pawl answers itself or that most workflows have.
const INPUTS: &[(&str, &[&str])] = &[
    (
        "actions/cache",
        &[
            "path",
            "key",
            "restore-keys",
            "upload-chunk-size",
            "enableCrossOsArchive",
            "fail-on-cache-miss",
            "lookup-only",
            "save-always",
        ],
    ),
    (
        "actions/checkout",
        &[
            "repository",
            "ref",
            "token",
            "ssh-key",
            "ssh-known-hosts",
            "ssh-strict",
            "ssh-user",
            "persist-credentials",
            "path",
            "clean",
            "filter",
            "sparse-checkout",
            "sparse-checkout-cone-mode",
            "fetch-depth",
            "fetch-tags",
            "show-progress",
            "lfs",
            "submodules",
            "set-safe-directory",
            "github-server-url",
            "allow-unsafe-pr-checkout",
        ],
    ),
    (
        "actions/download-artifact",
        &[
            "name",
            "artifact-ids",
            "path",
            "pattern",
            "merge-multiple",
            "github-token",
            "repository",
            "run-id",
            "skip-decompress",
            "digest-mismatch",
        ],
    ),
    (
        "actions/setup-node",
        &[
            "always-auth",
            "node-version",
            "node-version-file",
            "architecture",
            "check-latest",
            "registry-url",
            "scope",
            "token",
            "cache",
            "package-manager-cache",
            "cache-dependency-path",
            "mirror",
            "mirror-token",
        ],
    ),
    (
        "actions/setup-python",
        &[
            "python-version",
            "python-version-file",
            "cache",
            "architecture",
            "check-latest",
            "token",
            "cache-dependency-path",
            "update-environment",
            "allow-prereleases",
            "freethreaded",
            "pip-version",
            "pip-install",
        ],
    ),
    (
        "actions/upload-artifact",
        &[
            "name",
            "path",
            "if-no-files-found",
            "retention-days",
            "compression-level",
            "overwrite",
            "include-hidden-files",
            "archive",
        ],
    ),
];

pub(super) fn lint(subject: &mut Subject<'_>) {
    for step in subject.steps() {
        let StepAction::Uses { uses, with } = &step.action else { continue };
        let Uses::Remote { repository, path, reference } = &uses.value else { continue };
        let of = |name: &str| path.is_empty() && name.eq_ignore_ascii_case(repository);
        let oldest = OLDEST.iter().find(|row| of(row.0)).map(|row| row.1);
        let major = major(reference);
        if let (Some(oldest), Some(major)) = (oldest, major)
            && major < oldest
        {
            let message = format!("'{repository}@{reference}' is too old for GitHub's runners");
            let help = format!("use '{repository}@v{oldest}' or a newer one");
            subject.reporter.add(Code::OutdatedAction, uses.span, message, Some(help));
            continue;
        }
        let Some((_, inputs)) = INPUTS.iter().find(|row| of(row.0)) else { continue };
        for (name, argument) in with {
            if !inputs.iter().any(|input| input.eq_ignore_ascii_case(name)) {
                let message = format!("'{repository}' has no input '{name}'");
                let help = Some(suggestion(name, inputs));
                subject.reporter.add(Code::UndeclaredInput, argument.name_span, message, help);
            }
        }
    }
}

/// The major version of `v4` or `v4.1.2`.
fn major(reference: &str) -> Option<u32> {
    reference.strip_prefix('v')?.split('.').next()?.parse().ok()
}
