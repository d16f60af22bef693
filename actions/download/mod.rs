//! `pawl/download`: a named artifact of the run comes back into a workspace.

use crate::action::{
    ActionError, Inputs, Manifest, RunnerAction, RunnerContext, built_in_manifest, succeeded,
};
use crate::upload::check_name;
use async_trait::async_trait;
use pawl_core::ports::ActionOutcome;
use pawl_core::registry::Artifact;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
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
        let folder = context.workspace.relative_without_home(inputs.text("path"))?;
        let wanted = wanted(context, inputs).await?;
        let one = inputs.get("name").is_some()
            || wanted.len() == 1 && inputs.get("artifact-ids").is_some();
        let is_flat = one || inputs.flag("merge-multiple");
        let mut files = 0;
        for artifact in &wanted {
            check_name(&artifact.name)?;
            let inner = format!("{folder}/{}", artifact.name);
            files += bring(context, artifact, if is_flat { &folder } else { &inner }).await?;
        }
        let mut outcome = succeeded(serde_json::json!({"path": folder, "files": files}));
        outcome.outputs.insert("files".to_owned(), files.to_string());
        outcome.outputs.insert("download-path".to_owned(), context.workspace.seen_path(&folder));
        Ok(outcome)
    }
}

/// The artifacts that the inputs name: one by its name, some by number or pattern, or all.
async fn wanted(
    context: &RunnerContext<'_>,
    inputs: &Inputs,
) -> Result<Vec<Artifact>, ActionError> {
    let repository = inputs.text("repository");
    let own = context.facts.github("repository");
    if !repository.is_empty() && !repository.eq_ignore_ascii_case(own) {
        return Err(ActionError::input(
            format!("the artifacts of {repository} are not in this store"),
            "artifacts are those of this store's own runs",
        ));
    }
    // GitHub's number of the run is not the store's name of it, but means the same run.
    let run = match inputs.text("run-id") {
        "" => context.facts.run.as_str(),
        id if id == context.facts.github("run_id") => context.facts.run.as_str(),
        other => other,
    };
    let all = context.artifacts.list(run).await?;
    if let Some(name) = inputs.get("name") {
        check_name(name)?;
        let found: Vec<Artifact> = all.iter().filter(|one| one.name == name).cloned().collect();
        return if found.is_empty() { Err(missing(name, &all)) } else { Ok(found) };
    }
    let ids = inputs.list("artifact-ids");
    if !ids.is_empty() {
        let find = |id: &String| {
            let found = all.iter().find(|one| one.id.to_string() == *id).cloned();
            found.ok_or_else(|| missing(&format!("with the number {id}"), &all))
        };
        return ids.iter().map(find).collect();
    }
    let Some(pattern) = inputs.get("pattern") else { return Ok(all) };
    let glob = globset::Glob::new(pattern).map_err(|error| {
        ActionError::input(format!("{pattern:?} is not a pattern: {}", error.kind()), "")
    })?;
    let matcher = glob.compile_matcher();
    Ok(all.into_iter().filter(|one| matcher.is_match(&one.name)).collect())
}

fn missing(name: &str, all: &[Artifact]) -> ActionError {
    let known: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
    let hint = match known.as_slice() {
        [] => "no step of this run has uploaded anything yet".to_owned(),
        known => format!("this run has {}", known.join(", ")),
    };
    ActionError::input(format!("there is no artifact {name}"), hint)
}

async fn bring(
    context: &RunnerContext<'_>,
    artifact: &Artifact,
    folder: &str,
) -> Result<usize, ActionError> {
    let files = context.artifacts.files(artifact).await?;
    for (path, expected) in &files {
        let mut object = context.objects.open(expected).await?;
        let mut hash = Sha256::new();
        let mut damaged = false;
        let copied = context.workspace.write_with(&format!("{folder}/{path}"), 0o644, |target| {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let count = object.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                hash.update(&buffer[..count]);
                target.write_all(&buffer[..count])?;
            }
            damaged = hex(&hash.finalize_reset()) != *expected;
            if damaged { Err(std::io::ErrorKind::InvalidData.into()) } else { Ok(()) }
        });
        if damaged {
            return Err(pawl_core::registry::RegistryError::Damaged(expected.clone()).into());
        }
        copied?;
    }
    (context.log)(format!("brought {} files of {} into {folder}", files.len(), artifact.name));
    Ok(files.len())
}

fn hex(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests;
