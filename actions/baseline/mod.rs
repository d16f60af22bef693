//! `pawl/baseline`: the model that an alias points at, as a file in the workspace.

use crate::action::{
    ActionError, Inputs, Manifest, RunnerAction, RunnerContext, built_in_manifest, succeeded,
};
use crate::model::Model;
use async_trait::async_trait;
use pawl_core::ports::ActionOutcome;
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The action.
pub struct Baseline;

#[async_trait]
impl RunnerAction for Baseline {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn run(
        &self,
        context: &RunnerContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError> {
        let (model, alias) = (inputs.text("model"), inputs.text("alias"));
        let path = inputs.text("path");
        let (mut version, mut digest) = (String::new(), String::new());
        let resolved = context.registry.resolve(model, alias).await?;
        let found = resolved.is_some();
        match resolved {
            None => {
                context.workspace.remove(path)?;
                (context.log)(format!("no version of {model} is {alias} yet"));
            }
            Some(baseline) => {
                let bytes = context.objects.get(&baseline.digest).await?;
                Model::from_bytes_with_digest(&bytes, &baseline.digest)?;
                context.workspace.write(path, &bytes)?;
                (context.log)(format!("{alias} of {model} is version {}", baseline.version));
                version = baseline.version.to_string();
                digest = baseline.digest;
            }
        }
        let mut outcome = succeeded(serde_json::json!({
            "model": model, "alias": alias, "found": found, "version": version, "digest": digest,
        }));
        outcome.outputs.insert("found".to_owned(), found.to_string());
        outcome.outputs.insert("version".to_owned(), version);
        outcome.outputs.insert("digest".to_owned(), digest);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests;
