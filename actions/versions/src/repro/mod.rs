//! `pawl/dvc-repro`: the stages of `dvc.yaml` that have changed run again, and `dvc.lock` says so, as with `dvc repro`.
//!
//! What a stage is (`pipeline`, `template`), which stages have changed (`decide`) and in which order they run (`order`) are
//! decided from values; `work` reads, runs and writes.

mod command;
mod decide;
mod emit;
mod lockfile;
mod order;
mod params;
mod pipeline;
mod project;
mod runs;
mod stage;
mod template;
mod value;
mod work;
mod yaml;

pub use decide::{Change, Part, Reason};

use crate::VersionError;
use crate::progress::Progress;
use crate::repository::Repository;
use project::{Maker, Project};
use work::{Ended, Work};

/// What is wanted of a pipeline.
#[derive(Debug, Clone, Default)]
pub struct ReproOptions {
    /// Stages, `FILE:STAGE`, files or pointers, and all that they need; all stages of one `dvc.yaml` when there are none.
    pub targets: Vec<String>,
    /// The folder of that `dvc.yaml`, below the top of the repository; empty for the top.
    pub folder: String,
    /// Run also what has not changed.
    pub force: bool,
    /// Only say what would run.
    pub dry: bool,
}

/// What was done with one stage or pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRun {
    /// What people call it.
    pub stage: String,
    /// What was done.
    pub did: Did,
    /// Why; nothing when nothing had changed.
    pub reasons: Vec<Reason>,
}

/// What can be done with a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// Nothing: it is as its lock says.
    Nothing,
    /// Its commands ran.
    Ran,
    /// It had read the same before: what it made then was taken from the cache.
    Restored,
    /// What lies there was recorded: for frozen stages and for pointers.
    Recorded,
    /// It would run.
    Due,
}

impl Did {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "unchanged",
            Self::Ran => "ran",
            Self::Restored => "restored",
            Self::Recorded => "recorded",
            Self::Due => "due",
        }
    }
}

/// What was done with a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repro {
    /// In the order in which they were looked at.
    pub stages: Vec<StageRun>,
    /// The command that ended it.
    pub failed: Option<Failure>,
}

/// A command that did not succeed. Later stages did not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The stage.
    pub stage: String,
    /// Its command.
    pub command: String,
    /// How it ended: its exit code, or the signal that ended it.
    pub ended: String,
}

/// Runs the stages that have changed, in this process's environment, and writes `dvc.lock` after each. `told` hears what is done.
///
/// # Errors
/// A file of the pipeline is wrong, what a stage needs is not there, an output would be lost (input); files cannot be read or
/// written, or there is no shell (environment). Stages that ran before it are recorded.
pub fn repro(
    repository: &Repository,
    options: &ReproOptions,
    told: &dyn Fn(&str),
    progress: &Progress,
) -> Result<Repro, VersionError> {
    let mut work = Work::begin(repository, told, progress)?;
    let project = Project::read(repository)?;
    let chosen = project.chosen(&options.targets, &options.folder)?;
    let mut result = Repro::default();
    for at in chosen {
        let maker = &project.makers[at];
        let ended = match maker {
            Maker::Stage(stage) => work.stage(&project, stage, options)?,
            Maker::Source(source) => work.source(source, options.dry)?,
        };
        let (did, reasons) = match ended {
            Ended::Done(did, reasons) => (did, reasons),
            Ended::Failed(failure) => {
                result.failed = Some(failure);
                return Ok(result);
            }
        };
        result.stages.push(StageRun { stage: maker.address(), did, reasons });
    }
    work.end()?;
    Ok(result)
}

/// What the pipelines of a repository are about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pipeline {
    /// The `dvc.yaml` files with stages, below the top.
    pub files: Vec<String>,
    /// Their stages, as people call them.
    pub stages: Vec<String>,
    /// Pointers.
    pub pointers: Vec<String>,
    /// The address of the remote that is meant when none is named.
    pub remote: Option<String>,
}

/// Reads all pipelines of a repository, and what there is besides.
///
/// # Errors
/// A file is wrong (input) or cannot be read (environment).
pub fn pipeline(repository: &Repository) -> Result<Pipeline, VersionError> {
    let project = Project::read(repository)?;
    let config = &repository.config;
    let remote = config.remote.as_ref().and_then(|name| config.remotes.get(name)?.get("url"));
    let mut found = Pipeline { remote: remote.cloned(), ..Pipeline::default() };
    for maker in &project.makers {
        match maker {
            Maker::Stage(stage) => {
                found.stages.push(maker.address());
                if !found.files.contains(&stage.file) {
                    found.files.push(stage.file.clone());
                }
            }
            Maker::Source(source) => found.pointers.push(source.file.clone()),
        }
    }
    Ok(found)
}
