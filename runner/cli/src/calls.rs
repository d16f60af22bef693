//! Workflows that jobs call: reading them from the project, or from the repositories that stand for remote ones.

use crate::files;
use indexmap::IndexMap;
use pawl_core::planner::{CallName, LoadedWorkflow, missing_workflows};
use pawl_core::workflow::{CalledWorkflow, Workflow, parse_called};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A called workflow of another repository: the top folder of that repository's files.
pub(crate) type Remote<'a> = dyn FnMut(&str, &str) -> Option<PathBuf> + 'a;

/// Reads every workflow that is called, and those that these call. What is not found is left to the planner, which says where
/// it is wanted. `remote` gives the folder that stands for `OWNER/REPO` at a reference.
pub(crate) fn load(
    workflow: &Workflow,
    project: &Path,
    remote: &mut Remote<'_>,
) -> IndexMap<CallName, LoadedWorkflow> {
    let mut loaded: IndexMap<CallName, LoadedWorkflow> = IndexMap::new();
    // A file calls others of its own repository.
    let mut tops: HashMap<String, PathBuf> =
        HashMap::from([(workflow.file.clone(), project.to_owned())]);
    let mut given_up: Vec<CallName> = Vec::new();
    loop {
        let is_new = |name: &CallName| !given_up.contains(name);
        let missing: Vec<CallName> =
            missing_workflows(workflow, &loaded).into_iter().filter(is_new).collect();
        if missing.is_empty() {
            return loaded;
        }
        for name in missing {
            match read(&name, &tops, remote) {
                Some((top, called)) => {
                    tops.insert(called.file.clone(), top);
                    loaded.insert(name, called);
                }
                None => given_up.push(name),
            }
        }
    }
}

fn read(
    (caller, uses): &CallName,
    tops: &HashMap<String, PathBuf>,
    remote: &mut Remote<'_>,
) -> Option<(PathBuf, LoadedWorkflow)> {
    let (top, path) = match parse_called(uses).ok()? {
        CalledWorkflow::Local(path) => (tops.get(caller)?.clone(), path),
        CalledWorkflow::Remote { repository, path, reference } => {
            (remote(&repository, &reference)?, path)
        }
    };
    let file = top.join(path).canonicalize().ok()?;
    // A link must not lead out of the repository: its content is not ours.
    if !file.starts_with(top.canonicalize().ok()?) {
        return None;
    }
    let text = files::read(&file).ok()?;
    Some((top, LoadedWorkflow { file: shown(&file), text }))
}

/// The path as the user would write it from here.
fn shown(file: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here.as_deref().and_then(|here| file.strip_prefix(here).ok());
    short.unwrap_or(file).display().to_string()
}
