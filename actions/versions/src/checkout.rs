//! `pawl data checkout`: the workspace becomes what the pointers say.

use crate::VersionError;
use crate::cache::{Cache, Health};
use crate::digest::Folding;
use crate::object::ObjectId;
use crate::parallel;
use crate::path::folder_of;
use crate::progress::Progress;
use crate::repository::{Repository, Tracked};
use crate::status::{Actual, actual, chosen};
use crate::tree::{Rules, Standing, look};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was done in the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Files that came or were replaced, below the top of the repository.
    pub placed: Vec<String>,
    /// Files that went.
    pub removed: Vec<String>,
}

/// A file to be placed.
struct Wanted {
    path: String,
    id: ObjectId,
    isexec: bool,
}

/// Everything that is to be done, known before any of it is.
#[derive(Default)]
struct Plan {
    folders: BTreeSet<String>,
    remove: Vec<String>,
    place: Vec<Wanted>,
    /// Files whose content is right and that nobody may run.
    make_executable: Vec<String>,
}

/// Puts files from the cache in place: those of all outputs, or those that `targets` name.
///
/// # Errors
/// A pointer or target is wrong, an object is missing, or a file would be lost that no cache has, unless `force` (input);
/// files cannot be read or written (environment).
pub fn checkout(
    repository: &Repository,
    targets: &[PathBuf],
    force: bool,
    progress: &Progress,
) -> Result<Changes, VersionError> {
    let held = repository.hold()?;
    let chosen = chosen(repository, targets)?;
    let cached: Vec<_> = chosen.into_iter().filter(|tracked| tracked.out.cached).collect();
    let cache = repository.cache();
    let how = How { force, is_verified: false };
    let changes = put(repository, &cache, &cached, how, progress)?;
    drop(held);
    Ok(changes)
}

/// The same for outputs that are chosen already, by whoever holds the repository. Objects that come into place are read and
/// compared before, unless `is_verified`.
pub(crate) fn put(
    repository: &Repository,
    cache: &Cache,
    outs: &[Tracked],
    how: How,
    progress: &Progress,
) -> Result<Changes, VersionError> {
    let rules = repository.rules()?;
    let mut plan = Plan::default();
    for tracked in outs {
        add_out(&mut plan, repository.root(), &rules, cache, tracked, how.force, progress)?;
    }
    parallel::map(&plan.place, |wanted| {
        let health = match cache.has(&wanted.id) {
            true if how.is_verified => Health::Whole,
            true => cache.verify(&wanted.id)?,
            false => Health::Missing,
        };
        let reason = match health {
            Health::Whole => return Ok(()),
            Health::Missing => format!("its object {} is not in the cache", wanted.id),
            Health::Damaged(reason) => format!("its object in the cache is damaged: {reason}"),
        };
        Err(VersionError::input(&wanted.path, reason, "run `pawl data pull`"))
    })?;
    carry_out(repository.root(), cache, plan)
}

/// How files are put in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// Files whose content is nowhere else may go.
    pub(crate) force: bool,
    /// All objects were read and compared a moment ago.
    pub(crate) is_verified: bool,
}

fn add_out(
    plan: &mut Plan,
    root: &Path,
    rules: &Arc<Rules>,
    cache: &Cache,
    tracked: &Tracked,
    force: bool,
    progress: &Progress,
) -> Result<(), VersionError> {
    let out = &tracked.out;
    let place = || format!("{}:{}", tracked.file, out.line);
    let id = out.id.as_ref().ok_or_else(|| {
        let reason = format!("{:?} has no version yet", out.path);
        VersionError::input(place(), reason, "run `pawl data add`, or the stage that makes it")
    })?;
    let is_folder = matches!(look(root, &out.path)?, Standing::Folder);
    let beside = rules.beside(root, &out.path, is_folder)?.ok_or_else(|| {
        let reason = format!("{:?} is left out by .dvcignore", out.path);
        VersionError::input(place(), reason, "change the pattern, or remove the pointer")
    })?;
    let wanted = wanted(cache, tracked, id)?;
    let found = actual(root, &out.path, &beside, id.folding, progress)?;
    let mut found: BTreeMap<&str, &Actual> =
        found.iter().map(|file| (file.found.path.as_str(), file)).collect();
    if id.is_folder {
        plan.folders.insert(out.path.clone());
    }
    for file in wanted {
        let Some(there) = found.remove(file.path.as_str()) else {
            plan.place.push(file);
            continue;
        };
        if there.id != file.id {
            refuse_loss(cache, there, force)?;
            plan.place.push(file);
        } else if file.isexec && !there.found.isexec {
            plan.make_executable.push(file.path);
        }
    }
    for (path, there) in found {
        refuse_loss(cache, there, force)?;
        plan.remove.push(path.to_owned());
    }
    Ok(())
}

/// The files of an output, with paths below the root.
fn wanted(cache: &Cache, tracked: &Tracked, id: &ObjectId) -> Result<Vec<Wanted>, VersionError> {
    let out = &tracked.out;
    if !id.is_folder {
        return Ok(vec![Wanted { path: out.path.clone(), id: id.clone(), isexec: out.isexec }]);
    }
    let files = cache.listing(id)?.files.into_iter();
    Ok(files
        .map(|(path, id)| Wanted { path: format!("{}/{path}", out.path), id, isexec: false })
        .collect())
}

/// Refuses to replace or remove a file whose content is nowhere else.
fn refuse_loss(cache: &Cache, there: &Actual, force: bool) -> Result<(), VersionError> {
    // A cache keeps contents under their raw md5; of text of DVC 2 the raw one is not known.
    let is_kept =
        cache.has(&there.id) || cache.has(&ObjectId::file(there.id.md5().to_owned(), Folding::Raw));
    if force || is_kept {
        return Ok(());
    }
    Err(VersionError::input(
        &there.found.path,
        "has a content that is in no cache and would be lost",
        "keep it with `pawl data add`, or let it go with --force",
    ))
}

fn carry_out(root: &Path, cache: &Cache, plan: Plan) -> Result<Changes, VersionError> {
    for path in &plan.remove {
        let place = root.join(path);
        fs::remove_file(&place).map_err(|error| VersionError::io(&place, &error))?;
        remove_empty_folders(root, folder_of(path), &plan.folders);
    }
    let parents = plan.place.iter().map(|wanted| folder_of(&wanted.path).to_owned());
    let folders: BTreeSet<_> = plan.folders.iter().cloned().chain(parents).collect();
    for folder in folders {
        let place = root.join(&folder);
        fs::create_dir_all(&place).map_err(|error| VersionError::io(&place, &error))?;
    }
    parallel::map(&plan.place, |wanted| {
        let place = root.join(&wanted.path);
        // An empty folder may stand where a file belongs; one with ignored files stays, and is told of.
        if fs::symlink_metadata(&place).is_ok_and(|found| found.is_dir()) {
            fs::remove_dir(&place).map_err(|error| VersionError::io(&place, &error))?;
        }
        cache.place(&wanted.id, &place, wanted.isexec)
    })?;
    for path in &plan.make_executable {
        let place = root.join(path);
        let fault = |error| VersionError::io(&place, &error);
        let mode = fs::metadata(&place).map_err(fault)?.permissions().mode();
        fs::set_permissions(&place, Permissions::from_mode(mode | 0o100)).map_err(fault)?;
    }
    let placed = plan.place.into_iter().map(|wanted| wanted.path).collect();
    Ok(Changes { placed, removed: plan.remove })
}

/// Removes folders that a removed file leaves empty, up to those that are wanted.
fn remove_empty_folders(root: &Path, folder: &str, wanted: &BTreeSet<String>) {
    let mut folder = folder;
    while !folder.is_empty()
        && !wanted.contains(folder)
        && fs::remove_dir(root.join(folder)).is_ok()
    {
        folder = folder_of(folder);
    }
}
