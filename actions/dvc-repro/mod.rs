//! `pawl/dvc-repro`: the stages of a `dvc.yaml` that have changed.

use crate::action::{
    ActionError, Inputs, JobAction, JobContext, Manifest, built_in_manifest, succeeded,
};
use crate::versions::repository;
use pawl_core::ports::ActionOutcome;
use pawl_versions::{Did, Progress, Repro, ReproOptions, StageRun, repro};
use serde_json::{Value, json};
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The action.
pub struct DvcRepro;

impl JobAction for DvcRepro {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn run(&self, context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
        let folder = context.workspace.relative(inputs.text("folder"))?;
        let options = ReproOptions {
            targets: inputs.list("stages"),
            folder: if folder == "." { String::new() } else { folder },
            force: inputs.flag("force"),
            dry: inputs.flag("dry"),
        };
        let told = |line: &str| (context.log)(line.to_owned());
        let done = repro(&repository(context)?, &options, &told, &Progress::default())?;
        Ok(outcome(&done))
    }
}

fn outcome(done: &Repro) -> ActionOutcome {
    let changed: Vec<&str> = done
        .stages
        .iter()
        .filter(|run| run.did != Did::Nothing)
        .map(|run| run.stage.as_str())
        .collect();
    let mut outcome = succeeded(report(done));
    outcome.summary = summary(done);
    outcome.outputs.insert("changed".to_owned(), (!changed.is_empty()).to_string());
    outcome.outputs.insert("stages".to_owned(), changed.join(","));
    if let Some(failure) = &done.failed {
        outcome.success = false;
        outcome.reason = Some(format!(
            "the stage {} failed: {} ended with {}",
            failure.stage, failure.command, failure.ended
        ));
    }
    outcome
}

/// What was done, as reports and `pawl data repro --json` have it.
pub fn report(done: &Repro) -> Value {
    json!({ "stages": done.stages.iter().map(stage).collect::<Vec<_>>() })
}

fn stage(run: &StageRun) -> Value {
    let reasons = run.reasons.iter().map(|reason| {
        json!({
            "part": reason.part.as_str(), "name": reason.name, "change": reason.change.as_str(),
        })
    });
    json!({
        "stage": run.stage, "did": run.did.as_str(), "reasons": reasons.collect::<Vec<_>>(),
    })
}

/// A table of all stages. Names come from a file of the workspace, so that nothing in them may become markup.
fn summary(done: &Repro) -> String {
    let cell = |text: &str| text.replace(['|', '`', '\n', '\r', '<'], " ");
    let row = |run: &StageRun| {
        let reasons = run.reasons.iter().map(|reason| format!("`{}`", cell(&reason.to_string())));
        let (stage, reasons) = (cell(&run.stage), reasons.collect::<Vec<_>>().join(", "));
        format!("| `{stage}` | {} | {reasons} |\n", run.did.as_str())
    };
    let rows: String = done.stages.iter().map(row).collect();
    format!("| stage | | why |\n|---|---|---|\n{rows}")
}

#[cfg(test)]
mod tests;
