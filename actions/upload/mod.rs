//! `pawl/upload`: files of the workspace become a named artifact of the run.

mod select;

use crate::action::{
    ActionError, Inputs, Manifest, RunnerAction, RunnerContext, built_in_manifest, succeeded,
};
use crate::model::digest;
use async_trait::async_trait;
use pawl_core::ports::ActionOutcome;
use select::Selected;
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// Largest file of an artifact: the object store takes a file as one block of memory.
const MAX_FILE: u64 = 512 * 1024 * 1024;

/// The action.
pub struct Upload;

#[async_trait]
impl RunnerAction for Upload {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn run(
        &self,
        context: &RunnerContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError> {
        let name = inputs.text("name");
        check_name(name)?;
        let selected = select::select(&context.workspace, inputs.text("path"))?;
        if selected.is_empty() {
            return Ok(nothing(context, inputs));
        }
        let mut files = Vec::with_capacity(selected.len());
        let mut bytes = 0;
        for Selected { path, inside } in selected {
            let content = context.workspace.read(&path, MAX_FILE)?;
            bytes += content.len() as u64;
            files.push((inside, context.objects.put(content).await?));
        }
        context.artifacts.save(&context.facts.run, name, &files).await?;
        (context.log)(format!("kept {} files ({bytes} bytes) as {name}", files.len()));
        Ok(outcome(name, &files, bytes))
    }
}

fn nothing(context: &RunnerContext<'_>, inputs: &Inputs) -> ActionOutcome {
    let message = format!("no file of the workspace matches {:?}", inputs.text("path"));
    let mut outcome = outcome(inputs.text("name"), &[], 0);
    match inputs.text("if-no-files-found") {
        "ignore" => {}
        "error" => {
            outcome.success = false;
            outcome.reason = Some(message);
        }
        _ => (context.log)(format!("warning: {message}; no artifact was made")),
    }
    outcome
}

fn outcome(name: &str, files: &[(String, String)], bytes: u64) -> ActionOutcome {
    let lines: Vec<String> = files.iter().map(|(path, hash)| format!("{hash} {path}\n")).collect();
    let whole = digest(lines.concat().as_bytes());
    let listed: Vec<_> = files
        .iter()
        .map(|(path, digest)| serde_json::json!({"path": path, "digest": digest}))
        .collect();
    let mut outcome = succeeded(
        serde_json::json!({"name": name, "digest": whole, "bytes": bytes, "files": listed}),
    );
    outcome.outputs.insert("files".to_owned(), files.len().to_string());
    outcome.outputs.insert("bytes".to_owned(), bytes.to_string());
    outcome.outputs.insert("artifact-digest".to_owned(), whole);
    outcome
}

/// An artifact's name is shown to people and becomes a folder's name on download.
pub(crate) fn check_name(name: &str) -> Result<(), ActionError> {
    let bad = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    if name.is_empty() || name.len() > 200 || name.contains(bad) || matches!(name, "." | "..") {
        return Err(ActionError::input(
            format!("{name:?} cannot be an artifact's name"),
            "use at most 200 characters, none of / \\ : * ? \" < > |",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
