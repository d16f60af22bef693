//! A stage of a pipeline, with every name in it filled in.

use super::value::Node;

/// What a stage does, reads and makes.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    /// Its `dvc.yaml`, below the root.
    pub(crate) file: String,
    /// The line of its definition there.
    pub(crate) line: u64,
    /// Its name; those of a loop are called `name@item`.
    pub(crate) name: String,
    /// A text, or a list of texts.
    pub(crate) cmd: Node,
    /// The folder of its paths, and that it runs in, below the root.
    pub(crate) base: String,
    pub(crate) deps: Vec<Dep>,
    pub(crate) params: Vec<ParamFile>,
    pub(crate) outs: Vec<StageOut>,
    /// Its dependencies and command do not count.
    pub(crate) frozen: bool,
    /// It runs whenever it is asked for.
    pub(crate) always_changed: bool,
}

/// A file or folder that a stage reads.
#[derive(Debug, Clone)]
pub(crate) struct Dep {
    /// As `dvc.yaml` and `dvc.lock` have it.
    pub(crate) written: String,
    /// Below the root.
    pub(crate) path: String,
    pub(crate) line: u64,
}

/// A file of parameters.
#[derive(Debug, Clone)]
pub(crate) struct ParamFile {
    /// As `dvc.yaml` and `dvc.lock` have it.
    pub(crate) written: String,
    /// Below the root.
    pub(crate) path: String,
    pub(crate) line: u64,
    /// Names of values; none means the whole file.
    pub(crate) names: Vec<String>,
}

/// A file or folder that a stage makes.
#[derive(Debug, Clone)]
pub(crate) struct StageOut {
    /// As `dvc.yaml` and `dvc.lock` have it.
    pub(crate) written: String,
    /// Below the root.
    pub(crate) path: String,
    pub(crate) line: u64,
    /// It goes into the cache, and git leaves it alone.
    pub(crate) cached: bool,
    /// It stays where it is while the command runs.
    pub(crate) persist: bool,
    pub(crate) kind: OutKind,
}

/// Under which key of a stage an output is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutKind {
    Out,
    Metric,
    Plot,
}

impl Stage {
    /// What people call it: its name, with the file before it when that is not the top `dvc.yaml`.
    pub(crate) fn address(&self) -> String {
        match self.file.as_str() {
            "dvc.yaml" => self.name.clone(),
            file => format!("{file}:{}", self.name),
        }
    }

    /// The lock beside its `dvc.yaml`.
    pub(crate) fn lock(&self) -> String {
        let (stem, _) = self.file.rsplit_once('.').unwrap_or((&self.file, ""));
        format!("{stem}.lock")
    }

    /// The commands, one after the other: the items of a list, or the lines of a text.
    pub(crate) fn commands(&self) -> Vec<String> {
        match self.cmd.items() {
            Some(items) => items.iter().filter_map(Node::as_text).map(str::to_owned).collect(),
            None => self.cmd.as_text().unwrap_or_default().lines().map(str::to_owned).collect(),
        }
    }

    /// Without anything to compare, it always runs.
    pub(crate) fn is_callback(&self) -> bool {
        self.deps.is_empty() && self.params.is_empty() && self.outs.is_empty()
    }
}
