//! `pawl/dvc-pull`: versions of data come into the workspace.

use crate::action::{
    ActionError, Inputs, JobAction, JobContext, Manifest, built_in_manifest, succeeded,
};
use crate::versions::{repository, shown, targets, wait};
use pawl_core::ports::ActionOutcome;
use pawl_versions::{Progress, PullOptions, pull_with, versions};
use serde_json::json;
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The action.
pub struct DvcPull;

impl JobAction for DvcPull {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn run(&self, context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
        let (repository, targets) = (repository(context)?, targets(inputs));
        let progress = Progress::default();
        let options = PullOptions { force: false, allow_missing: inputs.flag("allow-missing") };
        let remote = inputs.get("remote");
        let pulled = wait(|| pull_with(&repository, &targets, remote, options, &progress))?;
        let mut all = versions(&repository, &targets)?;
        all.retain(|version| !pulled.missing.contains(&version.path));
        for version in &all {
            (context.log)(format!("{} is {}", version.path, version.digest));
        }
        let mut outcome = succeeded(json!({
            "fetched": pulled.fetched,
            "placed": pulled.changes.placed.len(),
            "removed": pulled.changes.removed.len(),
            "missing": pulled.missing,
            "versions": all.iter().map(shown).collect::<Vec<_>>(),
        }));
        let missing = pulled.missing.iter();
        outcome.warnings.extend(missing.map(|path| format!("{path} is in no cache and no remote")));
        outcome.outputs.insert("fetched".to_owned(), pulled.fetched.to_string());
        if let [only] = all.as_slice() {
            outcome.outputs.insert("digest".to_owned(), only.digest.clone());
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests;
