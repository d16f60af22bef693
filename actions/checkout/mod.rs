//! `pawl/checkout`: the user's source tree, copied into the job's workspace.

mod git;

use crate::action::{
    ActionError, Inputs, Manifest, RunnerAction, RunnerContext, built_in_manifest, succeeded,
};
use crate::workspace::{MAX_FILES, Workspace, WorkspaceError};
use async_trait::async_trait;
use git::{Entry, Tree};
use pawl_core::ports::{ActionOutcome, RunFacts};
use std::fs::File;
use std::path::Path;
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The action.
pub struct Checkout;

/// What was brought.
#[derive(Debug, Default, PartialEq, Eq)]
struct Brought {
    commit: String,
    dirty: bool,
    files: usize,
    bytes: u64,
    /// Entries that are neither files nor links, such as submodules.
    skipped: Vec<String>,
}

#[async_trait]
impl RunnerAction for Checkout {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn run(
        &self,
        context: &RunnerContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError> {
        let workspace = context.workspace.clone();
        let facts = context.facts.clone();
        let path = workspace.relative(inputs.text("path"))?;
        let clean = inputs.flag("clean");
        let brought = tokio::task::spawn_blocking(move || bring(&facts, &workspace, &path, clean))
            .await
            .map_err(|error| ActionError::internal(format!("the copy ended: {error}")))??;
        (context.log)(summary(&brought));
        for path in &brought.skipped {
            (context.log)(format!("left out {path}: neither a file nor a link"));
        }
        Ok(outcome(&brought))
    }
}

fn summary(brought: &Brought) -> String {
    let from = if brought.commit.is_empty() {
        "a folder without commits".to_owned()
    } else {
        format!("commit {}", brought.commit)
    };
    let changes = if brought.dirty { ", with uncommitted changes" } else { "" };
    format!("brought {} files ({} bytes) of {from}{changes}", brought.files, brought.bytes)
}

fn outcome(brought: &Brought) -> ActionOutcome {
    let mut outcome = succeeded(serde_json::json!({
        "commit": brought.commit,
        "dirty": brought.dirty,
        "files": brought.files,
        "bytes": brought.bytes,
        "skipped": brought.skipped,
    }));
    outcome.outputs.insert("commit".to_owned(), brought.commit.clone());
    outcome.outputs.insert("dirty".to_owned(), brought.dirty.to_string());
    outcome.outputs.insert("files".to_owned(), brought.files.to_string());
    outcome
}

fn bring(
    facts: &RunFacts,
    workspace: &Workspace,
    path: &str,
    clean: bool,
) -> Result<Brought, ActionError> {
    if facts.source.as_os_str().is_empty() {
        return Err(ActionError::input(
            "there is no source tree to check out",
            "give the run one with --workspace",
        ));
    }
    let tree = Tree::open(&facts.source)?;
    let mut brought = Brought { commit: facts.commit.clone(), ..Brought::default() };
    if brought.commit.is_empty() {
        brought.commit = tree.head()?;
    }
    if clean {
        let above = workspace.root().parent().unwrap_or(Path::new("/"));
        let exported = tree.export(&brought.commit, above)?;
        let entries = git::walk(exported.path(), None)?;
        copy(exported.path(), &entries, workspace, path, &mut brought)?;
    } else {
        brought.dirty = tree.dirty()?;
        let entries = tree.entries(workspace.root())?;
        copy(&facts.source, &entries, workspace, path, &mut brought)?;
    }
    Ok(brought)
}

fn copy(
    source: &Path,
    entries: &[Entry],
    workspace: &Workspace,
    path: &str,
    brought: &mut Brought,
) -> Result<(), ActionError> {
    if entries.len() > MAX_FILES {
        return Err(ActionError::input(
            format!("the source tree holds more than {MAX_FILES} files"),
            "leave data and environments out with .gitignore",
        ));
    }
    let source = Workspace::open(source)?;
    for entry in entries {
        let to = format!("{path}/{}", entry.path);
        if let Some(target) = &entry.link {
            bring_link(workspace, path, &entry.path, target)?;
            brought.files += 1;
            continue;
        }
        match source.open_file(&entry.path) {
            Ok(file) => {
                brought.bytes += bring_file(workspace, &to, &file)?;
                brought.files += 1;
            }
            // Deleted, but not yet in the index: the working tree does not have it.
            Err(WorkspaceError::Missing(_)) => {}
            Err(WorkspaceError::NotAFile(_)) => brought.skipped.push(entry.path.clone()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn bring_link(
    workspace: &Workspace,
    folder: &str,
    path: &str,
    target: &str,
) -> Result<(), ActionError> {
    if crate::workspace::leads_out(path, target) {
        return Err(ActionError::input(
            format!("the link {path} leads out of the source tree, to {target}"),
            "replace it by a file, or leave it out with .gitignore",
        ));
    }
    Ok(workspace.link(&format!("{folder}/{path}"), target)?)
}

fn bring_file(workspace: &Workspace, to: &str, from: &File) -> Result<u64, ActionError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata =
        from.metadata().map_err(|error| ActionError::environment(format!("{to}: {error}"), ""))?;
    let executable = metadata.permissions().mode() & 0o100 != 0;
    workspace.write_with(to, if executable { 0o755 } else { 0o644 }, |target| {
        // A reflink shares the blocks until one side writes; where the file system has none, the bytes are copied.
        if rustix::fs::ioctl_ficlone(&*target, from).is_err() {
            let mut from = from;
            std::io::copy(&mut from, target)?;
        }
        Ok(())
    })?;
    Ok(metadata.len())
}

#[cfg(test)]
mod tests;
