//! Versions of data in DVC's own formats, without Python: pointers (`.dvc`), lists of folders (`.dir`), `dvc.lock`, configuration,
//! caches and remotes, such that DVC itself reads what is written here and the other way round.
//!
//! Formats are pure; files, processes and networks are touched by the commands alone. Nothing here prints or reads the
//! environment.

mod add;
mod cache;
mod checkout;
mod config;
mod diff;
mod digest;
mod document;
mod error;
mod fetch;
mod gc;
mod git;
mod gitignore;
mod index;
mod init;
mod listing;
mod lock;
mod object;
mod parallel;
mod path;
mod pointer;
mod progress;
mod remote;
mod repository;
mod repro;
mod scalar;
mod serve;
mod status;
mod text;
mod transfer;
mod tree;
mod version;

pub use add::{Added, add};
pub use checkout::{Changes, checkout};
pub use diff::{Difference, LogEntry, diff, log, paths_of};
pub use error::VersionError;
pub use fetch::{Fetched, fetch};
pub use gc::{Collected, Keep, gc};
pub use init::{InitOptions, init};
pub use progress::Progress;
pub use repository::{Repository, Surroundings};
pub use repro::{
    Change, Did, Failure, Part, Pipeline, Reason, Repro, ReproOptions, StageRun, pipeline, repro,
};
pub use serve::{ServeOptions, serve};
pub use status::{OutStatus, State, status};
pub use transfer::{PullOptions, Pulled, Pushed, pull, pull_with, push, remote_status};
pub use version::{Version, versions};
