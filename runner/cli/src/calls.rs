//! Workflows that jobs call: reading them from the project, or from the repositories that stand for remote ones.

use crate::files;
use indexmap::IndexMap;
use pawl_core::planner::{AbsentAction, CallName, LoadedWorkflow, missing_workflows};
use pawl_core::workflow::{CalledWorkflow, Workflow, parse_called};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A called workflow of another repository: the top folder of that repository's files, or why there is none.
pub(crate) type Remote<'a> = dyn FnMut(&str, &str) -> Result<PathBuf, AbsentAction> + 'a;

/// What became of the workflows that jobs call.
#[derive(Debug, Default)]
pub(crate) struct FoundWorkflows {
    pub(crate) loaded: IndexMap<CallName, LoadedWorkflow>,
    /// By `uses:` as written: why a repository did not come.
    pub(crate) absent: IndexMap<String, AbsentAction>,
}

/// Reads every workflow that is called, and those that these call. What is not found is left to the planner, which says where
/// it is wanted. `remote` gives the folder that stands for `OWNER/REPO` at a reference.
pub(crate) fn load(workflow: &Workflow, project: &Path, remote: &mut Remote<'_>) -> FoundWorkflows {
    let mut found = FoundWorkflows::default();
    // A file calls others of its own repository.
    let mut tops: HashMap<String, PathBuf> =
        HashMap::from([(workflow.file.clone(), project.to_owned())]);
    let mut given_up: Vec<CallName> = Vec::new();
    loop {
        let is_new = |name: &CallName| !given_up.contains(name);
        let missing: Vec<CallName> =
            missing_workflows(workflow, &found.loaded).into_iter().filter(is_new).collect();
        if missing.is_empty() {
            return found;
        }
        for name in missing {
            match read(&name, &tops, remote) {
                Ok((top, called)) => {
                    tops.insert(called.file.clone(), top);
                    found.loaded.insert(name, called);
                }
                Err(reason) => {
                    found.absent.extend(reason.map(|reason| (name.1.clone(), reason)));
                    given_up.push(name);
                }
            }
        }
    }
}

fn read(
    (caller, uses): &CallName,
    tops: &HashMap<String, PathBuf>,
    remote: &mut Remote<'_>,
) -> Result<(PathBuf, LoadedWorkflow), Option<AbsentAction>> {
    let (top, path) = match parse_called(uses).map_err(|_| None)? {
        CalledWorkflow::Local(path) => (tops.get(caller).ok_or(None)?.clone(), path),
        CalledWorkflow::Remote { repository, path, reference } => {
            (remote(&repository, &reference).map_err(Some)?, path)
        }
    };
    inside(&top, &path).map(|called| (top, called)).ok_or(None)
}

/// A file of the repository at `top`.
fn inside(top: &Path, path: &str) -> Option<LoadedWorkflow> {
    let file = top.join(path).canonicalize().ok()?;
    // A link must not lead out of the repository: its content is not ours.
    if !file.starts_with(top.canonicalize().ok()?) {
        return None;
    }
    let text = files::read(&file).ok()?;
    Some(LoadedWorkflow { file: shown(&file), text })
}

/// The path as the user would write it from here.
fn shown(file: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here.as_deref().and_then(|here| file.strip_prefix(here).ok());
    short.unwrap_or(file).display().to_string()
}
