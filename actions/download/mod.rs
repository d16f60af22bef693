//! `pawl/download`: a named artifact of the run comes back into a workspace.

use crate::action::{
    ActionError, Inputs, Manifest, RunnerAction, RunnerContext, built_in_manifest, succeeded,
};
use crate::model::digest;
use crate::upload::check_name;
use async_trait::async_trait;
use pawl_core::ports::ActionOutcome;
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The action.
pub struct Download;

#[async_trait]
impl RunnerAction for Download {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn run(
        &self,
        context: &RunnerContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError> {
        let folder = context.workspace.relative(inputs.text("path"))?;
        let files = match inputs.get("name") {
            Some(name) => bring(context, name, &folder).await?,
            None => bring_all(context, &folder).await?,
        };
        let mut outcome = succeeded(serde_json::json!({"path": folder, "files": files}));
        outcome.outputs.insert("files".to_owned(), files.to_string());
        outcome.outputs.insert("download-path".to_owned(), folder);
        Ok(outcome)
    }
}

async fn bring_all(context: &RunnerContext<'_>, folder: &str) -> Result<usize, ActionError> {
    let mut files = 0;
    for name in context.artifacts.names(&context.facts.run).await? {
        files += bring(context, &name, &format!("{folder}/{name}")).await?;
    }
    Ok(files)
}

async fn bring(
    context: &RunnerContext<'_>,
    name: &str,
    folder: &str,
) -> Result<usize, ActionError> {
    check_name(name)?;
    let run = &context.facts.run;
    let Some(files) = context.artifacts.find(run, name).await? else {
        let known = context.artifacts.names(run).await?;
        let hint = match known.as_slice() {
            [] => "no step of this run has uploaded anything yet".to_owned(),
            known => format!("this run has {}", known.join(", ")),
        };
        return Err(ActionError::input(format!("there is no artifact {name}"), hint));
    };
    for (path, expected) in &files {
        let bytes = context.objects.get(expected).await?;
        if digest(&bytes) != *expected {
            return Err(pawl_core::registry::RegistryError::Damaged(expected.clone()).into());
        }
        context.workspace.write(&format!("{folder}/{path}"), &bytes)?;
    }
    (context.log)(format!("brought {} files of {name} into {folder}", files.len()));
    Ok(files.len())
}

#[cfg(test)]
mod tests;
