//! Which stages are to run, from values alone.

use super::lockfile::Entry;
use super::stage::{OutKind, Stage};
use super::value::{Node, Pairs};
use crate::pointer::Facts;
use std::fmt;

/// Why a stage is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What has changed.
    pub part: Part,
    /// Its path or name; empty for the command.
    pub name: String,
    /// How it has changed.
    pub change: Change,
}

/// A part of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What it runs.
    Command,
    /// A file or folder that it reads.
    Dependency,
    /// A value of a file of parameters.
    Parameter,
    /// A file or folder that it makes.
    Output,
    /// The stage as a whole.
    Stage,
}

/// How a part has changed since the lock was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is another one.
    Modified,
    /// It is gone.
    Deleted,
    /// The lock does not know it.
    New,
    /// It is right, but the cache does not have it.
    NotInCache,
    /// The stage runs whenever it is asked for.
    Always,
    /// Whoever asked wants it to run.
    Forced,
}

impl Part {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Dependency => "dependency",
            Self::Parameter => "parameter",
            Self::Output => "output",
            Self::Stage => "stage",
        }
    }
}

impl Change {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Modified => "modified",
            Self::Deleted => "deleted",
            Self::New => "new",
            Self::NotInCache => "not in cache",
            Self::Always => "always changed",
            Self::Forced => "forced",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part.as_str())?;
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        write!(f, " {}", self.change.as_str())
    }
}

/// What the workspace and the cache hold of a stage, in the order of its own lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// `None` when it is not there.
    pub(crate) deps: Vec<Option<Facts>>,
    /// Those of the wanted values that there are; `None` when the file is not there.
    pub(crate) params: Vec<Option<Pairs>>,
    pub(crate) outs: Vec<SeenOut>,
}

/// An output as it stands.
#[derive(Debug, Clone)]
pub(crate) struct SeenOut {
    /// What lies in its place.
    pub(crate) here: Option<Facts>,
    /// The cache has all of what the lock says.
    pub(crate) is_kept: bool,
}

/// Why a stage is to run; nothing when it is as its lock says. As DVC decides.
pub(crate) fn reasons(stage: &Stage, entry: Option<&Entry>, seen: &Seen) -> Vec<Reason> {
    let mut all = Vec::new();
    if entry.is_some_and(|entry| entry.cmd != stage.cmd) {
        all.push(reason(Part::Command, "", Change::Modified));
    }
    if !stage.frozen {
        if stage.always_changed || stage.is_callback() {
            all.push(reason(Part::Stage, "", Change::Always));
        }
        all.extend(changed_deps(stage, entry, seen));
    }
    for (out, found) in stage.outs.iter().zip(&seen.outs) {
        let known = entry.and_then(|entry| entry.outs.get(&out.written)?.as_ref());
        let change = match (known, &found.here) {
            (Some(_), _) if out.cached && !found.is_kept => Some(Change::NotInCache),
            (_, None) => Some(Change::Deleted),
            (Some(known), Some(here)) if known.id == here.id => None,
            _ => Some(Change::Modified),
        };
        all.extend(change.map(|change| reason(Part::Output, &out.written, change)));
    }
    all
}

fn reason(part: Part, name: &str, change: Change) -> Reason {
    Reason { part, name: name.to_owned(), change }
}

/// What of the dependencies and parameters is not as the lock says.
pub(crate) fn changed_deps(stage: &Stage, entry: Option<&Entry>, seen: &Seen) -> Vec<Reason> {
    let mut all = Vec::new();
    for (dep, here) in stage.deps.iter().zip(&seen.deps) {
        let known = entry.and_then(|entry| entry.deps.get(&dep.written)?.as_ref());
        let change = match (known, here) {
            (_, None) => Some(Change::Deleted),
            (Some(known), Some(here)) if known.id == here.id => None,
            _ => Some(Change::Modified),
        };
        all.extend(change.map(|change| reason(Part::Dependency, &dep.written, change)));
    }
    for (file, here) in stage.params.iter().zip(&seen.params) {
        let known = entry.and_then(|entry| entry.params.get(&file.written));
        let whole = |change| reason(Part::Parameter, &file.written, change);
        match (known, here) {
            (_, None) => all.push(whole(Change::Deleted)),
            (None, Some(_)) => all.push(whole(Change::New)),
            (Some(known), Some(here)) => {
                let known = known.pairs().unwrap_or_default();
                let names = names(&file.names, here, known);
                let changed =
                    names.iter().filter_map(|name| Some((name, change(name, here, known)?)));
                all.extend(changed.map(|(name, change)| {
                    let name = format!("{}:{}", file.written, super::template::shown(name));
                    Reason { part: Part::Parameter, name, change }
                }));
            }
        }
    }
    all
}

/// The names that are compared: those that the stage lists, else all that there are and were.
fn names(listed: &[String], here: &[(Node, Node)], known: &[(Node, Node)]) -> Vec<Node> {
    if !listed.is_empty() {
        return listed.iter().map(Node::text).collect();
    }
    let mut all: Vec<Node> = Vec::new();
    for (name, _) in here.iter().chain(known) {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

fn change(name: &Node, here: &[(Node, Node)], known: &[(Node, Node)]) -> Option<Change> {
    let of = |pairs: &[(Node, Node)]| {
        pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    };
    match (of(here), of(known)) {
        (None, _) => Some(Change::Deleted),
        (Some(_), None) => Some(Change::New),
        (Some(here), Some(known)) => (here != known).then_some(Change::Modified),
    }
}

/// True when a run of this stage can be found again by what it read: it reads and makes something, and nothing of it stays from
/// one run to the next.
pub(crate) fn is_repeatable(stage: &Stage) -> bool {
    let reads = !stage.deps.is_empty() || !stage.params.is_empty();
    let forgets = stage.outs.iter().all(|out| !out.persist);
    !stage.always_changed && reads && !stage.outs.is_empty() && forgets
}

/// True when the outputs of a run may be kept for the next one that reads the same.
pub(crate) fn is_run_kept(stage: &Stage) -> bool {
    stage.outs.iter().all(|out| out.cached || out.kind != OutKind::Out) && is_repeatable(stage)
}
