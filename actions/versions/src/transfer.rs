//! `pawl data push` and `pull`: objects between the cache and remotes.

use crate::VersionError;
use crate::cache::{Cache, Health};
use crate::checkout::{self, Changes, How};
use crate::object::ObjectId;
use crate::parallel;
use crate::progress::Progress;
use crate::remote::Remote;
use crate::repository::{Repository, Tracked};
use crate::status::{OutStatus, chosen, status};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pushed {
    /// Objects that went to a remote.
    pub sent: u64,
    /// Objects that were there already.
    pub present: u64,
}

/// What a pull did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pulled {
    /// Objects that came from a remote.
    pub fetched: u64,
    /// What changed in the workspace.
    pub changes: Changes,
    /// Outputs that are nowhere, when these are passed over.
    pub missing: Vec<String>,
}

/// Objects, and for messages a path that needs each.
type Needed = BTreeMap<ObjectId, String>;

/// Sends the objects of outputs to their remote: files first, the listing of a folder when all of its files are there.
///
/// # Errors
/// A pointer, target or setting is wrong, an object is damaged or nowhere (input); a remote cannot be written (environment).
pub async fn push(
    repository: &Repository,
    targets: &[PathBuf],
    remote: Option<&str>,
    progress: &Progress,
) -> Result<Pushed, VersionError> {
    let held = repository.hold()?;
    let cache = repository.cache();
    let mut pushed = Pushed::default();
    for (name, outs) in by_remote(chosen(repository, targets)?, remote, true) {
        let remote = Remote::open(repository, name.as_deref())?;
        let (listings, files) = needed(&cache, &outs)?;
        for needed in [files, listings] {
            let ids: Vec<_> = needed.keys().cloned().collect();
            let missing = remote.missing(&ids).await?;
            refuse_absent(&cache, &missing, &needed, &remote.name)?;
            expect(&cache, &missing, progress);
            remote.send(&missing, &cache, progress).await?;
            pushed.sent += missing.len() as u64;
            pushed.present += (ids.len() - missing.len()) as u64;
        }
    }
    drop(held);
    Ok(pushed)
}

/// Brings the objects of outputs into the cache, verifies every one of them, and puts the files in place. Nothing is put
/// when an object is damaged or missing.
///
/// # Errors
/// A pointer, target or setting is wrong, an object is nowhere, a file would be lost (input); a remote cannot be read or holds
/// damaged objects (environment).
pub async fn pull(
    repository: &Repository,
    targets: &[PathBuf],
    remote: Option<&str>,
    force: bool,
    progress: &Progress,
) -> Result<Pulled, VersionError> {
    let options = PullOptions { force, allow_missing: false };
    pull_with(repository, targets, remote, options, progress).await
}

/// How versions are pulled.
#[derive(Debug, Clone, Copy, Default)]
pub struct PullOptions {
    /// Files whose content is nowhere else may go.
    pub force: bool,
    /// Outputs that are nowhere are passed over.
    pub allow_missing: bool,
}

/// The same, in another way.
///
/// # Errors
/// As [`pull`].
pub async fn pull_with(
    repository: &Repository,
    targets: &[PathBuf],
    remote: Option<&str>,
    options: PullOptions,
    progress: &Progress,
) -> Result<Pulled, VersionError> {
    let held = repository.hold()?;
    let cache = repository.cache();
    let mut chosen = chosen(repository, targets)?;
    let mut pulled = Pulled::default();
    if options.allow_missing {
        // No stage has made them yet.
        chosen.retain(|tracked| tracked.out.id.is_some());
    }
    let mut outs = Vec::new();
    for (name, mut group) in by_remote(chosen, remote, false) {
        for is_listings in [true, false] {
            let needed = match is_listings {
                true => folders(&group),
                false => needed(&cache, &group)?.1,
            };
            let found = look_for(repository, &cache, name.as_deref(), &needed, progress).await?;
            pulled.fetched += found.fetched;
            match found.absent.first() {
                Some(id) if !options.allow_missing => {
                    return Err(nowhere(id, &needed, found.remote.as_deref()));
                }
                _ => pass_over(&mut group, &needed, &found.absent, &mut pulled.missing),
            }
        }
        outs.append(&mut group);
    }
    cache.write_index()?;
    pulled.missing.sort();
    let how = How { force: options.force, is_verified: true };
    pulled.changes = checkout::put(repository, &cache, &outs, how, progress)?;
    drop(held);
    Ok(pulled)
}

/// Takes out the outputs that need an absent object.
fn pass_over(
    group: &mut Vec<Tracked>,
    needed: &Needed,
    absent: &[ObjectId],
    missing: &mut Vec<String>,
) {
    let paths: Vec<&String> = absent.iter().filter_map(|id| needed.get(id)).collect();
    group.retain(|tracked| {
        let out = &tracked.out;
        let is_part = |path: &&String| path.starts_with(&format!("{}/", out.path));
        // Two outputs may share an object, and only one of them is named beside it.
        let is_own = out.id.as_ref().is_some_and(|id| absent.contains(id));
        let is_whole = !is_own && !paths.iter().any(|path| **path == out.path || is_part(path));
        if !is_whole {
            missing.push(out.path.clone());
        }
        is_whole
    });
}

/// Compares outputs with the workspace and with a remote.
///
/// # Errors
/// As [`status`] and [`push`].
pub async fn remote_status(
    repository: &Repository,
    targets: &[PathBuf],
    remote: &str,
    progress: &Progress,
) -> Result<Vec<OutStatus>, VersionError> {
    let mut all = status(repository, targets, progress)?;
    let cache = repository.cache();
    let mut missing_by_out: HashMap<String, Vec<String>> = HashMap::new();
    for (name, outs) in by_remote(chosen(repository, targets)?, Some(remote), true) {
        let remote = Remote::open(repository, name.as_deref())?;
        for out in outs {
            let (listings, files) = needed(&cache, std::slice::from_ref(&out))?;
            let needed: Needed = listings.into_iter().chain(files).collect();
            let ids: Vec<_> = needed.keys().cloned().collect();
            let missing = remote.missing(&ids).await?;
            let paths: BTreeSet<_> = missing.iter().filter_map(|id| needed.get(id)).collect();
            missing_by_out.insert(out.out.path, paths.into_iter().cloned().collect());
        }
    }
    for out in &mut all {
        out.missing = missing_by_out.remove(&out.path);
    }
    Ok(all)
}

/// Outputs by the remote that they belong to. One that is named leaves out those that belong to another.
fn by_remote(
    outs: Vec<Tracked>,
    named: Option<&str>,
    is_push: bool,
) -> BTreeMap<Option<String>, Vec<Tracked>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for tracked in outs {
        let out = &tracked.out;
        let is_moved = out.cached && (!is_push || (out.pushed && out.id.is_some()));
        let own = out.remote.clone();
        if is_moved && (named.is_none() || own.is_none() || own.as_deref() == named) {
            let name = own.or_else(|| named.map(str::to_owned));
            groups.entry(name).or_default().push(tracked);
        }
    }
    groups
}

fn folders(outs: &[Tracked]) -> Needed {
    let ids = outs.iter().filter_map(|tracked| Some((tracked.out.id.clone()?, &tracked.out.path)));
    ids.filter(|(id, _)| id.is_folder).map(|(id, path)| (id, path.clone())).collect()
}

/// The listings of outputs and the objects of their files.
fn needed(cache: &Cache, outs: &[Tracked]) -> Result<(Needed, Needed), VersionError> {
    let listings = folders(outs);
    let mut files = Needed::new();
    for tracked in outs {
        match &tracked.out.id {
            Some(id) if id.is_folder => {
                let listed = cache.listing(id)?.files.into_iter();
                files.extend(listed.map(|(path, id)| (id, format!("{}/{path}", tracked.out.path))));
            }
            Some(id) => {
                files.insert(id.clone(), tracked.out.path.clone());
            }
            None => {}
        }
    }
    Ok((listings, files))
}

/// Refuses to push what is neither here nor there.
fn refuse_absent(
    cache: &Cache,
    missing: &[ObjectId],
    needed: &Needed,
    remote: &str,
) -> Result<(), VersionError> {
    match missing.iter().find(|id| !cache.has(id)) {
        None => Ok(()),
        Some(id) => Err(nowhere(id, needed, Some(remote))),
    }
}

fn nowhere(id: &ObjectId, needed: &Needed, remote: Option<&str>) -> VersionError {
    let path = needed.get(id).map_or("", String::as_str);
    let reason = match remote {
        Some(remote) => {
            format!("its object {id} is neither in the cache nor in the remote {remote:?}")
        }
        None => format!("its object {id} is not in the cache, and there is no default remote"),
    };
    VersionError::input(path, reason, "push it from where it was added")
}

fn expect(cache: &Cache, ids: &[ObjectId], progress: &Progress) {
    let sizes = ids.iter().filter_map(|id| cache.path(id).metadata().ok());
    progress.expect(ids.len() as u64, sizes.map(|found| found.len()).sum());
}

/// Verifies what the cache has of the objects and fetches the rest. A damaged object is fetched anew.
pub(crate) async fn bring(
    repository: &Repository,
    cache: &Cache,
    remote: Option<&str>,
    needed: Needed,
    progress: &Progress,
) -> Result<u64, VersionError> {
    let found = look_for(repository, cache, remote, &needed, progress).await?;
    match found.absent.first() {
        Some(id) => Err(nowhere(id, &needed, found.remote.as_deref())),
        None => Ok(found.fetched),
    }
}

/// What looking for objects gave.
struct Looked {
    /// Objects that came from the remote.
    fetched: u64,
    /// Those that are nowhere.
    absent: Vec<ObjectId>,
    /// The remote that was asked.
    remote: Option<String>,
}

async fn look_for(
    repository: &Repository,
    cache: &Cache,
    remote: Option<&str>,
    needed: &Needed,
    progress: &Progress,
) -> Result<Looked, VersionError> {
    let ids: Vec<_> = needed.keys().cloned().collect();
    let health = parallel::map(&ids, |id| cache.verify(id))?;
    let wanted: Vec<_> =
        ids.into_iter().zip(health).filter(|(_, found)| *found != Health::Whole).collect();
    if wanted.is_empty() {
        return Ok(Looked { fetched: 0, absent: Vec::new(), remote: None });
    }
    if remote.is_none() && repository.config.remote.is_none() {
        let damaged = wanted.iter().find_map(|(id, health)| match health {
            Health::Damaged(reason) => Some((id, reason)),
            _ => None,
        });
        return match damaged {
            Some((id, reason)) => Err(VersionError::input(
                cache.path(id).display(),
                format!("the object is damaged: {reason}"),
                "add the data again where its files are, or name a remote that has it",
            )),
            None => {
                let absent = wanted.into_iter().map(|(id, _)| id).collect();
                Ok(Looked { fetched: 0, absent, remote: None })
            }
        };
    }
    for (id, _) in wanted.iter().filter(|(_, health)| *health != Health::Missing) {
        let place = cache.path(id);
        std::fs::remove_file(&place).map_err(|error| VersionError::io(&place, &error))?;
    }
    let remote = Remote::open(repository, remote)?;
    let ids: Vec<_> = wanted.into_iter().map(|(id, _)| id).collect();
    progress.expect(ids.len() as u64, 0);
    let absent = remote.fetch(&ids, cache, progress).await?;
    let fetched = (ids.len() - absent.len()) as u64;
    Ok(Looked { fetched, absent, remote: Some(remote.name) })
}
