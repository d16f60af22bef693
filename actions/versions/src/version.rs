//! Which versions belong to the workspace.

use crate::VersionError;
use crate::repository::Repository;
use crate::status::chosen;
use std::path::PathBuf;

/// The version of one output, as its pointer or lock names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Below the top of the repository, with `/`.
    pub path: String,
    /// `md5:…`, of a folder with `.dir` at its end.
    pub digest: String,
    /// Bytes in all, where the pointer says so.
    pub size: Option<u64>,
    /// Files, for a folder.
    pub nfiles: Option<u64>,
}

/// The versions that `targets` name, by output, pointer or a folder above them; all without a target. Outputs that have none yet
/// are left out.
///
/// # Errors
/// A pointer or target is wrong (input); files cannot be read (environment).
pub fn versions(
    repository: &Repository,
    targets: &[PathBuf],
) -> Result<Vec<Version>, VersionError> {
    let all = chosen(repository, targets)?.into_iter();
    let version = all.filter_map(|tracked| {
        let out = tracked.out;
        let digest = format!("md5:{}", out.id?);
        Some(Version { path: out.path, digest, size: out.size, nfiles: out.nfiles })
    });
    Ok(version.collect())
}
