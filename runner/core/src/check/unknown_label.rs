//! Labels that look like one of GitHub's own machines and are none.

use super::Subject;
use crate::diagnostic::Code;
use crate::workflow::reader::suggestion;

const LABELS: &[&str] = &[
    "macos-13",
    "macos-13-large",
    "macos-13-xlarge",
    "macos-14",
    "macos-14-large",
    "macos-14-xlarge",
    "macos-15",
    "macos-15-intel",
    "macos-15-large",
    "macos-15-xlarge",
    "macos-26",
    "macos-26-large",
    "macos-26-xlarge",
    "macos-latest",
    "macos-latest-large",
    "macos-latest-xlarge",
    "ubuntu-22.04",
    "ubuntu-22.04-arm",
    "ubuntu-24.04",
    "ubuntu-24.04-arm",
    "ubuntu-latest",
    "ubuntu-slim",
    "windows-11-arm",
    "windows-2022",
    "windows-2025",
    "windows-2025-vs2026",
    "windows-latest",
];

pub(super) fn lint(subject: &mut Subject<'_>) {
    for job in &subject.workflow.jobs {
        for label in &job.runs_on.labels {
            let name = label.value.source().to_ascii_lowercase();
            let family = ["ubuntu-", "macos-", "windows-"].iter().any(|it| name.starts_with(it));
            let help = suggestion(&name, LABELS);
            let is_near = help.starts_with("did you mean");
            if !label.value.is_literal() || LABELS.contains(&name.as_str()) || !(family || is_near)
            {
                continue;
            }
            let message =
                format!("GitHub has no machine with the label '{}'", label.value.source());
            let help =
                if is_near { help } else { "map it to an image in the configuration".to_owned() };
            subject.reporter.add(Code::UnknownLabel, label.span, message, Some(help));
        }
    }
}
