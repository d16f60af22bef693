//! Actions of the same repository that are not there.

use crate::diagnostic::{Code, Diagnostic, Reporter};
use crate::workflow::reader::shorten;
use crate::workflow::{Job, StepAction, Uses, Workflow};

/// Steps that use a folder of this repository without an action in it. `is_there` says whether `./FOLDER` has one.
pub fn check_local_actions(
    workflow: &Workflow,
    is_there: &dyn Fn(&str) -> bool,
) -> Vec<Diagnostic> {
    let mut reporter = Reporter::new(&workflow.file);
    for job in workflow.jobs.iter().filter(|job| !brings_files(job)) {
        for step in &job.steps {
            let StepAction::Uses { uses, .. } = &step.action else { continue };
            let Uses::Local(folder) = &uses.value else { continue };
            if is_there(folder) {
                continue;
            }
            let message = format!("Unable to find an action in '{}'", shorten(folder));
            let help = "the path begins at the top of the repository, and leads to a folder with an action.yml".to_owned();
            reporter.add(Code::UnresolvedAction, uses.span, message, Some(help));
        }
    }
    reporter.finish()
}

/// A checkout of something else, or to somewhere else, may bring the folder.
fn brings_files(job: &Job) -> bool {
    job.steps.iter().any(|step| match &step.action {
        StepAction::Uses { with, .. } => {
            with.contains_key("path") || with.contains_key("repository")
        }
        _ => false,
    })
}
