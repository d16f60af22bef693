//! One file of a version, for whoever reads it where it lies.

use crate::VersionError;
use crate::cache::open_file;
use crate::diff::tracked_at;
use crate::git;
use crate::object::ObjectId;
use crate::progress::Progress;
use crate::repository::{Repository, Tracked};
use crate::transfer::bring;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// A file of a version, in the cache and verified.
#[derive(Debug)]
pub struct Fetched {
    /// Its name in the workspace, without the folder.
    pub name: String,
    /// `md5:…`
    pub digest: String,
    /// Open for reading.
    pub file: File,
}

/// Opens the file that stands under `path` in a commit (or by the pointers of the workspace), though the workspace may have
/// another one there, or none. What the cache does not have comes from its remote first.
///
/// # Errors
/// `path` is no file of a version, the revision is unknown, the object is nowhere or damaged (input); the cache or the
/// remote cannot be read (environment).
pub async fn fetch(
    repository: &Repository,
    path: &Path,
    revision: Option<&str>,
    progress: &Progress,
) -> Result<Fetched, VersionError> {
    let held = repository.hold()?;
    let wanted = repository.below_root(path)?;
    let all = match revision {
        Some(name) => tracked_at(repository, &git::commit(repository.root(), name)?)?,
        None => repository.tracked()?,
    };
    let found = all.into_iter().find_map(|tracked| {
        let rest = wanted.strip_prefix(&tracked.out.path)?;
        let is_it = rest.is_empty() || rest.starts_with('/');
        is_it.then(|| (tracked, rest.trim_start_matches('/').to_owned()))
    });
    let (tracked, below) = found.ok_or_else(|| none(path, revision))?;
    let id = object(repository, &tracked, &below, path, progress).await?;
    let file = open_file(&repository.cache().path(&id))?;
    drop(held);
    let name = wanted.rsplit('/').next().unwrap_or_default().to_owned();
    Ok(Fetched { name, digest: format!("md5:{}", id.md5()), file })
}

/// The object of the file at `below` in an output, or of the output itself; it is in the cache then.
async fn object(
    repository: &Repository,
    tracked: &Tracked,
    below: &str,
    path: &Path,
    progress: &Progress,
) -> Result<ObjectId, VersionError> {
    let (cache, remote) = (repository.cache(), tracked.out.remote.as_deref());
    let own = tracked.out.id.clone().ok_or_else(|| none(path, None))?;
    let one = |id: &ObjectId| BTreeMap::from([(id.clone(), path.display().to_string())]);
    bring(repository, &cache, remote, one(&own), progress).await?;
    let id = match (own.is_folder, below) {
        (false, "") => own,
        (true, "") => {
            let hint = format!("name a file in it: {}/FILE", path.display());
            return Err(VersionError::input(path.display(), "is a folder", hint));
        }
        (true, below) => {
            let id = cache.listing(&own)?.files.remove(below).ok_or_else(|| none(path, None))?;
            bring(repository, &cache, remote, one(&id), progress).await?;
            id
        }
        (false, _) => return Err(none(path, None)),
    };
    cache.write_index()?;
    Ok(id)
}

fn none(path: &Path, revision: Option<&str>) -> VersionError {
    let reason = match revision {
        Some(name) => format!("has no version in {name}"),
        None => "has no version".to_owned(),
    };
    VersionError::input(path.display(), reason, "see `pawl data log` for those that there are")
}
