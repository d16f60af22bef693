//! `pawl/upload`: files of the workspace become a named artifact of the run.

mod select;

use crate::action::{
    ActionError, Inputs, Manifest, RunnerAction, RunnerContext, built_in_manifest, succeeded,
};
use crate::model::digest;
use async_trait::async_trait;
use pawl_core::ports::ActionOutcome;
use pawl_core::registry::{Artifact, artifact_name_fault};
use select::Selected;
use std::os::fd::AsRawFd;
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// Longest time that an artifact can be asked to stay, days: GitHub's.
const MOST_DAYS: i64 = 400;

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
        let hidden = inputs.flag("include-hidden-files");
        let selected = select::select(&context.workspace, inputs.text("path"), hidden)?;
        let is_single = inputs.text("archive") == "false";
        let name = named(inputs, &selected, is_single)?;
        if selected.is_empty() {
            return Ok(nothing(inputs, &name));
        }
        let mut files = Vec::with_capacity(selected.len());
        let mut bytes = 0;
        for Selected { path, inside } in selected {
            let file = context.workspace.open_file(&path)?;
            bytes += file.metadata().map_or(0, |facts| facts.len());
            // By its descriptor: the path could be another file by now.
            let opened = format!("/proc/self/fd/{}", file.as_raw_fd());
            files.push((inside, context.objects.keep(opened.as_ref()).await?));
        }
        let artifact = kept(context, inputs, &name, files, bytes, is_single)?;
        let artifact = context.artifacts.save(&artifact, inputs.flag("overwrite")).await?;
        (context.log)(format!("kept {} files ({bytes} bytes) as {name}", artifact.files.len()));
        Ok(outcome(&artifact))
    }
}

/// The artifact's name: a single file that is not archived gives its own.
fn named(inputs: &Inputs, selected: &[Selected], is_single: bool) -> Result<String, ActionError> {
    let mut name = inputs.text("name").to_owned();
    if is_single {
        match selected {
            [] => {}
            [one] => name = one.inside.rsplit('/').next().unwrap_or(&one.inside).to_owned(),
            more => {
                return Err(ActionError::input(
                    format!("{} files match, but archive: false takes a single one", more.len()),
                    "name one file with `path`, or leave `archive` out",
                ));
            }
        }
    }
    check_name(&name)?;
    Ok(name)
}

fn kept(
    context: &RunnerContext<'_>,
    inputs: &Inputs,
    name: &str,
    files: Vec<(String, String)>,
    bytes: u64,
    is_single: bool,
) -> Result<Artifact, ActionError> {
    let days = match inputs.get("retention-days") {
        None => 0,
        Some(_) => inputs.integer("retention-days", 0..=MOST_DAYS)?,
    };
    let lines: Vec<String> = files.iter().map(|(path, hash)| format!("{hash} {path}\n")).collect();
    let now = context.clock.now_ms();
    Ok(Artifact {
        run: context.facts.run.clone(),
        name: name.to_owned(),
        blob: files.first().filter(|_| is_single).map(|(_, digest)| digest.clone()),
        media: if is_single { "application/octet-stream".to_owned() } else { String::new() },
        digest: digest(lines.concat().as_bytes()),
        bytes,
        created_ms: now,
        // 0 is GitHub's word for what is usual, and here artifacts stay.
        expires_ms: (days > 0).then(|| now + days * 86_400_000),
        maker: context.facts.step.clone(),
        files,
        ..Artifact::default()
    })
}

fn nothing(inputs: &Inputs, name: &str) -> ActionOutcome {
    let message = format!("no file of the workspace matches {:?}", inputs.text("path"));
    let digest = digest(b"");
    let mut outcome = outcome(&Artifact { name: name.to_owned(), digest, ..Artifact::default() });
    outcome.outputs.shift_remove("artifact-id");
    outcome.outputs.shift_remove("artifact-url");
    match inputs.text("if-no-files-found") {
        "ignore" => {}
        "error" => {
            outcome.success = false;
            outcome.reason = Some(message);
        }
        _ => outcome.warnings.push(format!("{message}; no artifact was made")),
    }
    outcome
}

fn outcome(artifact: &Artifact) -> ActionOutcome {
    let Artifact { name, digest, bytes, files, .. } = artifact;
    let listed: Vec<_> = files
        .iter()
        .map(|(path, digest)| serde_json::json!({"path": path, "digest": digest}))
        .collect();
    let mut outcome = succeeded(
        serde_json::json!({"name": name, "digest": digest, "bytes": bytes, "files": listed}),
    );
    let outputs = [
        ("files", files.len().to_string()),
        ("bytes", bytes.to_string()),
        ("artifact-digest", digest.clone()),
        ("artifact-id", artifact.id.to_string()),
        ("artifact-url", format!("pawl:artifact/{}/{}", artifact.run, artifact.id)),
    ];
    outcome.outputs.extend(outputs.map(|(name, value)| (name.to_owned(), value)));
    outcome
}

/// An artifact's name is shown to people and becomes a folder's name on download.
pub(crate) fn check_name(name: &str) -> Result<(), ActionError> {
    match artifact_name_fault(name) {
        None => Ok(()),
        Some(fault) => Err(ActionError::input(
            fault,
            "use at most 200 characters, none of / \\ : * ? \" < > |",
        )),
    }
}

#[cfg(test)]
mod tests;
