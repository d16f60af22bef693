//! `pawl/dvc-push`: versions of data go to a remote.

use crate::action::{
    ActionError, Inputs, JobAction, JobContext, Manifest, built_in_manifest, succeeded,
};
use crate::versions::{repository, shown, targets, wait};
use pawl_core::ports::ActionOutcome;
use pawl_versions::{Progress, push, versions};
use serde_json::json;
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The action.
pub struct DvcPush;

impl JobAction for DvcPush {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn run(&self, context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
        let (repository, targets) = (repository(context)?, targets(inputs));
        let progress = Progress::default();
        let remote = inputs.get("remote");
        let pushed = wait(|| push(&repository, &targets, remote, &progress))?;
        (context.log)(format!("sent {} objects, {} were there", pushed.sent, pushed.present));
        let all = versions(&repository, &targets)?;
        let mut outcome = succeeded(json!({
            "sent": pushed.sent, "present": pushed.present,
            "versions": all.iter().map(shown).collect::<Vec<_>>(),
        }));
        outcome.outputs.insert("sent".to_owned(), pushed.sent.to_string());
        Ok(outcome)
    }
}
