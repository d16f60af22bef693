//! Triggers that hand out secrets, together with the code of a stranger.

use super::Subject;
use crate::diagnostic::Code;
use crate::span::Span;
use crate::workflow::{Step, StepAction, Uses};

const PRIVILEGED: [&str; 3] = ["pull_request_target", "workflow_run", "issue_comment"];

pub(super) fn lint(subject: &mut Subject<'_>) {
    let trigger = subject
        .workflow
        .triggers
        .iter()
        .find(|trigger| PRIVILEGED.contains(&trigger.event.as_str()));
    let Some(trigger) = trigger else { return };
    for step in subject.steps() {
        let Some(span) = checks_out_head(step) else { continue };
        let message = format!(
            "'{}' runs with the repository's secrets, and this step brings the stranger's code",
            trigger.event
        );
        let help = "use 'pull_request' for code of others, or check out the base alone";
        subject.reporter.add(Code::DangerousTrigger, span, message, Some(help.to_owned()));
    }
}

/// The place where a step names the head of the pull request as what to check out.
fn checks_out_head(step: &Step) -> Option<Span> {
    match &step.action {
        StepAction::Uses { uses, with } => {
            let checkout = match &uses.value {
                Uses::Remote { repository, .. } => {
                    repository.eq_ignore_ascii_case("actions/checkout")
                }
                Uses::Builtin(name) => name == "checkout",
                _ => false,
            };
            let names_head = |text: &str| text.contains("head") || text.contains("refs/pull/");
            with.iter()
                .filter(|(name, _)| checkout && matches!(name.as_str(), "ref" | "repository"))
                .find(|(_, argument)| names_head(argument.value.value.source()))
                .map(|(_, argument)| argument.value.span)
        }
        StepAction::Run { script, .. } => {
            let text = script.value.source();
            let brings =
                ["gh pr checkout", "github.event.pull_request.head.sha", "github.head_ref"]
                    .iter()
                    .any(|part| text.contains(part));
            (brings && (text.contains("git ") || text.contains("gh "))).then_some(script.span)
        }
        StepAction::Wait(_) | StepAction::WaitAll | StepAction::Cancel(_) => None,
    }
}
