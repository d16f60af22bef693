//! `pawl data gc`: the cache without what nobody refers to.

use crate::VersionError;
use crate::cache::Cache;
use crate::diff::outs_of;
use crate::digest::Folding;
use crate::git;
use crate::object::ObjectId;
use crate::path::is_absence;
use crate::repository::{Repository, Tracked};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What `gc` keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// What the workspace and any commit that git still reaches refer to.
    Commits,
    /// What the workspace refers to.
    Workspace,
}

/// What `gc` did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// Names of objects that went.
    pub removed: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that stay.
    pub kept: u64,
}

/// Removes objects that nothing refers to from the cache; without `for_real` it only says which.
///
/// # Errors
/// A pointer is wrong, or the listing of a folder is not in the cache, so that its files are not known (input); the cache cannot
/// be read or written (environment).
pub fn gc(repository: &Repository, keep: Keep, for_real: bool) -> Result<Collected, VersionError> {
    let held = repository.hold()?;
    let cache = repository.cache();
    let mut outs = repository.tracked()?;
    if keep == Keep::Commits {
        outs.extend(tracked_ever(repository)?);
    }
    let used = used(&cache, &outs)?;
    let mut collected = Collected::default();
    for (id, path) in stored(&cache)? {
        if used.contains(&id) {
            collected.kept += 1;
            continue;
        }
        let fault = |error| VersionError::io(&path, &error);
        collected.bytes += fs::symlink_metadata(&path).map_err(fault)?.len();
        if for_real {
            fs::remove_file(&path).map_err(fault)?;
        }
        collected.removed.push(id.to_string());
    }
    drop(held);
    Ok(collected)
}

/// The outputs of all commits, each pointer read once however many commits share it.
fn tracked_ever(repository: &Repository) -> Result<Vec<Tracked>, VersionError> {
    let root = repository.root();
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for commit in git::all_commits(root)? {
        for (object, file) in git::pointers_of(root, &commit)? {
            if !seen.insert((object.clone(), file.clone())) {
                continue;
            }
            let refuse = |reason: &str| {
                let place = format!("{}:{file}", &commit[..12.min(commit.len())]);
                let hint = "keep only what the workspace needs: --workspace";
                VersionError::input(place, reason, hint)
            };
            let text = git::text_of(root, &object).ok_or_else(|| refuse("is not UTF-8"))?;
            let outs = outs_of(&text, &file, None);
            all.extend(outs.map_err(|error| refuse(&error.to_string()))?);
        }
    }
    Ok(all)
}

/// Outputs and, for folders, their files.
fn used(cache: &Cache, outs: &[Tracked]) -> Result<BTreeSet<ObjectId>, VersionError> {
    let mut used = BTreeSet::new();
    for id in outs.iter().filter_map(|tracked| tracked.out.id.as_ref()) {
        if used.insert(id.clone()) && id.is_folder && cache.has(id) {
            used.extend(cache.listing(id)?.files.into_values());
        }
    }
    let missing = outs
        .iter()
        .find(|tracked| tracked.out.id.as_ref().is_some_and(|id| id.is_folder && !cache.has(id)));
    match missing {
        None => Ok(used),
        Some(tracked) => Err(VersionError::input(
            &tracked.file,
            format!(
                "the listing of {:?} is not in the cache, so that its files are not known",
                tracked.out.path
            ),
            "run `pawl data pull` there first, or keep only what the workspace needs: --workspace",
        )),
    }
}

/// Objects of the cache, of DVC 3 and of DVC 2.
fn stored(cache: &Cache) -> Result<Vec<(ObjectId, PathBuf)>, VersionError> {
    let mut all = Vec::new();
    for (folding, folder) in [
        (Folding::Raw, cache.folder().join("files/md5")),
        (Folding::Dos2Unix, cache.folder().to_owned()),
    ] {
        for first in names(&folder)? {
            if first.len() != 2 {
                continue;
            }
            for rest in names(&folder.join(&first))? {
                if let Some(id) = ObjectId::parse(&format!("{first}{rest}"), folding) {
                    all.push((id, folder.join(&first).join(&rest)));
                }
            }
        }
    }
    Ok(all)
}

/// Names in a folder; none when it is not there.
fn names(folder: &Path) -> Result<Vec<String>, VersionError> {
    let fault = |error| VersionError::io(folder, &error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        Err(error) => return Err(fault(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(fault)?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}
