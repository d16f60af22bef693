//! Versions of data in DVC's own formats, without Python: pointers (`.dvc`), lists of folders (`.dir`), `dvc.lock`, configuration,
//! caches and remotes, such that DVC itself reads what is written here and the other way round.
//!
//! Formats are pure; files, processes and networks are touched by the commands alone. Nothing here prints or reads the
//! environment.

mod error;
mod git;
mod init;
mod text;

pub use error::VersionError;
pub use init::{InitOptions, init};
