//! `pawl data diff` and `log`: versions of different commits beside each other.

use crate::VersionError;
use crate::cache::Cache;
use crate::git;
use crate::listing::Listing;
use crate::lock;
use crate::object::ObjectId;
use crate::path::folder_of;
use crate::pointer;
use crate::progress::Progress;
use crate::repository::{Repository, Tracked};
use crate::status::actual;
use crate::tree::{Standing, look};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What differs between two sides. Paths are below the top of the repository; a folder ends with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Only on the new side: path and digest.
    pub added: Vec<(String, String)>,
    /// Only on the old side.
    pub deleted: Vec<(String, String)>,
    /// On both, with the old and the new digest.
    pub modified: Vec<(String, [String; 2])>,
    /// The same content under another path: old path, new path, digest.
    pub renamed: Vec<(String, String, String)>,
    /// Folders whose files are not known, because their listing is not in the cache.
    pub unknown: Vec<String>,
}

/// A commit that changed versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its name in git.
    pub commit: String,
    /// Who wrote it.
    pub author: String,
    /// When, RFC 3339.
    pub time: String,
    /// The first line of its message.
    pub subject: String,
    /// What it changed: path, and the digest from then on; `None` when the version went.
    pub changes: Vec<(String, Option<String>)>,
}

/// The versions of one side.
#[derive(Default)]
struct Side {
    digests: BTreeMap<String, String>,
    unknown: Vec<String>,
}

/// Compares two commits, or one (`HEAD` when none is named) with the workspace.
///
/// # Errors
/// A revision is unknown or its pointers are wrong (input); git or files cannot be read (environment).
pub fn diff(
    repository: &Repository,
    old: Option<&str>,
    new: Option<&str>,
    progress: &Progress,
) -> Result<Difference, VersionError> {
    let root = repository.root();
    let cache = repository.cache();
    let before = match old {
        None if !git::has_head(root) => Side::default(),
        rev => {
            side_of(&cache, &tracked_at(repository, &git::commit(root, rev.unwrap_or("HEAD"))?)?)
        }
    };
    let after = match new {
        Some(rev) => side_of(&cache, &tracked_at(repository, &git::commit(root, rev)?)?),
        None => workspace(repository, progress)?,
    };
    Ok(compare(before, after))
}

fn compare(before: Side, after: Side) -> Difference {
    let mut found = Difference { unknown: before.unknown, ..Difference::default() };
    found.unknown.extend(after.unknown);
    found.unknown.sort();
    found.unknown.dedup();
    for (path, new) in &after.digests {
        match before.digests.get(path) {
            None => found.added.push((path.clone(), new.clone())),
            Some(old) if old != new => {
                found.modified.push((path.clone(), [old.clone(), new.clone()]));
            }
            Some(_) => {}
        }
    }
    let gone = before.digests.into_iter().filter(|(path, _)| !after.digests.contains_key(path));
    for (path, digest) in gone {
        match found.added.iter().position(|(_, new)| *new == digest) {
            Some(at) => {
                let (new, digest) = found.added.remove(at);
                found.renamed.push((path, new, digest));
            }
            None => found.deleted.push((path, digest)),
        }
    }
    found
}

/// The outputs of a commit.
pub(crate) fn tracked_at(
    repository: &Repository,
    commit: &str,
) -> Result<Vec<Tracked>, VersionError> {
    let root = repository.root();
    let mut all = Vec::new();
    for (object, file) in git::pointers_of(root, commit)? {
        let place = format!("{}:{file}", &commit[..12.min(commit.len())]);
        let text = git::text_of(root, &object).ok_or_else(|| {
            VersionError::input(&place, "is not UTF-8", "choose another revision")
        })?;
        let yaml = format!("{commit}:./{}", file.replace("dvc.lock", "dvc.yaml"));
        let is_lock = !file.ends_with(".dvc");
        let pipeline = is_lock.then(|| git::text_of(root, &yaml)).flatten();
        all.extend(outs_of(&text, &file, pipeline.as_deref())?);
    }
    Ok(all)
}

/// The paths, below the top of the repository, that the text of a `.dvc` file or of a `dvc.lock` gives versions to. `file` is its own
/// path, which decides how it is read and what its paths are relative to.
///
/// # Errors
/// The text is wrong, or a path leads out of the repository (input).
pub fn paths_of(text: &str, file: &str) -> Result<Vec<String>, VersionError> {
    Ok(outs_of(text, file, None)?.into_iter().map(|tracked| tracked.out.path).collect())
}

/// The outputs that one file names.
pub(crate) fn outs_of(
    text: &str,
    file: &str,
    pipeline: Option<&str>,
) -> Result<Vec<Tracked>, VersionError> {
    let tracked = |stage, out| Tracked { file: file.to_owned(), stage, out };
    if file.ends_with(".dvc") {
        let outs = pointer::parse(text, file)?;
        return Ok(outs.into_iter().map(|out| tracked(None, out)).collect());
    }
    let outs = lock::parse(text, file, pipeline)?;
    Ok(outs.into_iter().map(|(stage, out)| tracked(Some(stage), out)).collect())
}

fn side_of(cache: &Cache, all: &[Tracked]) -> Side {
    let mut side = Side::default();
    for tracked in all {
        let Some(id) = &tracked.out.id else { continue };
        let path = &tracked.out.path;
        if !id.is_folder {
            side.digests.insert(path.clone(), id.to_string());
            continue;
        }
        match cache.listing(id) {
            Ok(listing) => add_folder(&mut side, path, id, &listing),
            Err(_) => {
                side.digests.insert(format!("{path}/"), id.to_string());
                side.unknown.push(format!("{path}/"));
            }
        }
    }
    side
}

fn add_folder(side: &mut Side, path: &str, id: &ObjectId, listing: &Listing) {
    side.digests.insert(format!("{path}/"), id.to_string());
    let files = listing.files.iter().map(|(below, id)| (format!("{path}/{below}"), id.to_string()));
    side.digests.extend(files);
}

fn workspace(repository: &Repository, progress: &Progress) -> Result<Side, VersionError> {
    let root = repository.root();
    let rules = repository.rules()?;
    let mut side = Side::default();
    for tracked in repository.tracked()? {
        let out = &tracked.out;
        let Some(id) = &out.id else { continue };
        let is_folder = match look(root, &out.path)? {
            Standing::Nothing => continue,
            Standing::Folder => true,
            Standing::File(_) => false,
        };
        let Some(beside) = rules.beside(root, &out.path, is_folder)? else { continue };
        let found = actual(root, &out.path, &beside, id.folding, progress)?;
        if is_folder {
            let prefix = out.path.len() + 1;
            let files =
                found.into_iter().map(|file| (file.found.path[prefix..].to_owned(), file.id));
            let listing = Listing { files: files.collect() };
            add_folder(&mut side, &out.path, &listing.id(id.folding), &listing);
        } else {
            side.digests
                .extend(found.into_iter().map(|file| (file.found.path, file.id.to_string())));
        }
    }
    Ok(side)
}

/// The newest `limit` commits that changed versions, of all outputs or of those that `targets` name.
///
/// # Errors
/// A target is wrong (input); git cannot be read (environment).
pub fn log(
    repository: &Repository,
    targets: &[PathBuf],
    limit: u32,
) -> Result<Vec<LogEntry>, VersionError> {
    let root = repository.root();
    let mut pathspecs = vec!["*.dvc".to_owned(), ":(glob)**/dvc.lock".to_owned()];
    if !targets.is_empty() {
        let paths = targets.iter().map(|target| repository.below_root(target));
        let paths = paths.collect::<Result<Vec<_>, _>>()?;
        pathspecs = paths.iter().flat_map(|path| pointers_for(path)).collect();
    }
    let mut entries = Vec::new();
    for [commit, author, time, subject] in git::history(root, limit, &pathspecs) {
        let now = digests_at(repository, &commit);
        let parent = git::commit(root, &format!("{commit}^"));
        let before = parent.map(|parent| digests_at(repository, &parent)).unwrap_or_default();
        let came = now.iter().filter(|(path, digest)| before.get(*path) != Some(*digest));
        let mut changes: Vec<_> =
            came.map(|(path, digest)| (path.clone(), Some(digest.clone()))).collect();
        let gone = before.into_keys().filter(|path| !now.contains_key(path));
        changes.extend(gone.map(|path| (path, None)));
        changes.sort();
        entries.push(LogEntry { commit, author, time, subject, changes });
    }
    Ok(entries)
}

/// Where the version of a path may be written down.
fn pointers_for(path: &str) -> Vec<String> {
    let mut all = vec![format!(":(literal){path}"), format!(":(literal){path}.dvc")];
    let mut folder = folder_of(path);
    loop {
        let lock =
            if folder.is_empty() { "dvc.lock".to_owned() } else { format!("{folder}/dvc.lock") };
        all.push(format!(":(literal){lock}"));
        if folder.is_empty() {
            return all;
        }
        folder = folder_of(folder);
    }
}

/// Digests of a commit's outputs. A commit whose pointers cannot be read shows none.
fn digests_at(repository: &Repository, commit: &str) -> BTreeMap<String, String> {
    let all = tracked_at(repository, commit).unwrap_or_default();
    let known = all.into_iter().filter_map(|tracked| {
        let id = tracked.out.id?;
        Some((tracked.out.path, id.to_string()))
    });
    known.collect()
}
