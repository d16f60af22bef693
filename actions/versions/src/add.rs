//! `pawl data add`: a file or folder becomes a version.

use crate::VersionError;
use crate::cache::Cache;
use crate::digest::{Folding, Seen, see_bytes};
use crate::listing::Listing;
use crate::object::ObjectId;
use crate::path::folder_of;
use crate::pointer::{self, Facts};
use crate::progress::Progress;
use crate::repository::{Repository, Tracked};
use crate::tree::{Found, Rules, Standing, is_executable, look, walk};
use crate::{git, gitignore, parallel, status, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A version that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The file or folder, below the top of the repository.
    pub path: String,
    /// Its pointer.
    pub pointer: String,
    /// Its name in the cache.
    pub md5: String,
    /// Bytes; unknown when a part of a folder was replaced.
    pub size: Option<u64>,
    /// Files, for a folder.
    pub nfiles: Option<u64>,
}

/// What is to be done with one path.
struct Plan {
    /// The path that was named, below the root.
    path: String,
    /// The output that it is or lies in.
    known: Option<Tracked>,
    pointer: String,
    rules: Arc<Rules>,
    standing: Standing,
}

impl Plan {
    /// The path of the output.
    fn out(&self) -> &str {
        self.known.as_ref().map_or(&self.path, |known| &known.out.path)
    }

    /// What is below the output; empty for the output itself.
    fn below(&self) -> &str {
        self.path.get(self.out().len() + 1..).unwrap_or_default()
    }
}

/// Makes versions of files and folders: objects in the cache, a pointer beside each, and an entry in `.gitignore`.
///
/// # Errors
/// A path cannot become a version (input), before anything is written; files cannot be read or written (environment).
pub fn add(
    repository: &Repository,
    targets: &[PathBuf],
    progress: &Progress,
) -> Result<Vec<Added>, VersionError> {
    let held = repository.hold()?;
    let tracked = repository.tracked()?;
    let rules = repository.rules()?;
    let plans = targets
        .iter()
        .map(|target| plan(repository, &tracked, &rules, target))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(pair) = overlap(&plans) {
        let hint = "add them one after the other";
        return Err(VersionError::input(pair, "is named twice, or lies in another", hint));
    }
    let cache = repository.cache();
    let stored = plans
        .iter()
        .map(|plan| store(repository.root(), &cache, plan, progress))
        .collect::<Result<Vec<_>, _>>()?;
    cache.write_index()?;
    let mut added = Vec::new();
    for (plan, facts) in plans.iter().zip(stored) {
        write(repository, plan, &facts)?;
        added.push(Added {
            path: plan.out().to_owned(),
            pointer: plan.pointer.clone(),
            md5: facts.id.to_string(),
            size: facts.size,
            nfiles: facts.nfiles,
        });
    }
    drop(held);
    Ok(added)
}

fn overlap(plans: &[Plan]) -> Option<&str> {
    plans.iter().enumerate().find_map(|(at, plan)| {
        let meets = |other: &Plan| {
            plan.pointer == other.pointer || plan.out().starts_with(&format!("{}/", other.out()))
        };
        let others = plans.iter().enumerate().filter(|(other, _)| *other != at);
        others.map(|(_, other)| other).any(meets).then_some(plan.path.as_str())
    })
}

fn plan(
    repository: &Repository,
    tracked: &[Tracked],
    rules: &Arc<Rules>,
    target: &Path,
) -> Result<Plan, VersionError> {
    let refuse = |reason: &str, hint: &str| VersionError::input(target.display(), reason, hint);
    let path = repository.below_root(target)?;
    let name = path.rsplit('/').next().unwrap_or(&path);
    if name.ends_with(".dvc") || name == "dvc.yaml" || name == "dvc.lock" {
        return Err(refuse("is a file of DVC's own", "add the data that it is about"));
    }
    let root = repository.root();
    let standing = look(root, &path)?;
    let known = tracked
        .iter()
        .find(|known| known.out.path == path || path.starts_with(&format!("{}/", known.out.path)));
    let is_inside = known.is_some_and(|known| known.out.path != path);
    if matches!(standing, Standing::Nothing) && !is_inside {
        return Err(refuse("there is no such file or folder", "check the path"));
    }
    if let Some(stage) = known.and_then(|known| known.stage.as_ref()) {
        let reason = format!("is made by the stage {stage} of a pipeline");
        return Err(refuse(&reason, "run the stage instead"));
    }
    if let Some(inner) =
        tracked.iter().find(|known| known.out.path.starts_with(&format!("{path}/")))
    {
        let reason = format!("holds {:?}, which is a version of its own", inner.out.path);
        let hint = format!("remove {} first, or add the parts one by one", inner.file);
        return Err(refuse(&reason, &hint));
    }
    let is_folder = matches!(standing, Standing::Folder);
    let beside = rules.beside(root, &path, is_folder)?;
    let beside = beside.ok_or_else(|| refuse("is left out by .dvcignore", "change the pattern"))?;
    let out = known.map_or(path.as_str(), |known| &known.out.path);
    if git::is_tracked(root, out) {
        let hint = format!("give it to versions alone: git rm -r --cached '{out}'");
        return Err(refuse("is in git already", &hint));
    }
    let pointer = known.map_or_else(|| format!("{path}.dvc"), |known| known.file.clone());
    if git::is_ignored(root, &pointer) {
        let reason = format!("git ignores its pointer {pointer}");
        return Err(refuse(&reason, "change .gitignore, so that the pointer can be committed"));
    }
    crate::path::refuse_links(root, &pointer)?;
    Ok(Plan { path, known: known.cloned(), pointer, rules: beside, standing })
}

/// Brings the bytes into the cache.
fn store(
    root: &Path,
    cache: &Cache,
    plan: &Plan,
    progress: &Progress,
) -> Result<Facts, VersionError> {
    if !plan.below().is_empty() {
        return store_part(root, cache, plan, progress);
    }
    if let Some(kept) = unchanged_legacy(root, plan, progress)? {
        return Ok(kept);
    }
    let known = plan.known.as_ref().and_then(|known| known.out.id.as_ref());
    let what = What { path: &plan.path, standing: &plan.standing, rules: &plan.rules };
    keep(root, cache, &what, known, progress)
}

/// A file or folder of the workspace that is to be kept.
pub(crate) struct What<'a> {
    /// Below the root.
    pub(crate) path: &'a str,
    /// What stands there, which is not nothing.
    pub(crate) standing: &'a Standing,
    /// The patterns beside it.
    pub(crate) rules: &'a Arc<Rules>,
}

/// Takes a file or folder into the cache. `known` is what it was before; what of it is as it was is only read.
pub(crate) fn keep(
    root: &Path,
    cache: &Cache,
    what: &What<'_>,
    known: Option<&ObjectId>,
    progress: &Progress,
) -> Result<Facts, VersionError> {
    let place = root.join(what.path);
    let known = known.filter(|id| id.folding == Folding::Raw);
    match what.standing {
        Standing::File(found) => {
            progress.expect(1, found.len());
            let likely = known.filter(|id| !id.is_folder);
            let seen = cache.keep_file(&place, found.len(), likely, progress)?;
            progress.finish_file();
            let isexec = is_executable(found);
            let id = ObjectId::file(seen.md5, Folding::Raw);
            Ok(Facts { id, size: Some(seen.size), nfiles: None, isexec })
        }
        _ => {
            let old = known.filter(|id| id.is_folder);
            // Without the old listing everything is new, which only takes longer.
            let old = old.and_then(|id| cache.listing(id).ok()).unwrap_or_default();
            let files = walk(root, what.path, what.rules)?;
            let (listing, size) = store_files(cache, &place, &files, &old, progress)?;
            keep_listing(cache, &listing, Some(size))
        }
    }
}

fn store_files(
    cache: &Cache,
    folder: &Path,
    files: &[Found],
    old: &Listing,
    progress: &Progress,
) -> Result<(Listing, u64), VersionError> {
    progress.expect(files.len() as u64, files.iter().map(|file| file.size).sum());
    let seen = parallel::map(files, |file| {
        let place = folder.join(&file.path);
        let seen = cache.keep_file(&place, file.size, old.files.get(&file.path), progress)?;
        progress.finish_file();
        Ok(seen)
    })?;
    let size = seen.iter().map(|seen| seen.size).sum();
    let id = |seen: Seen| ObjectId::file(seen.md5, Folding::Raw);
    let files = files.iter().zip(seen).map(|(file, seen)| (file.path.clone(), id(seen)));
    Ok((Listing { files: files.collect() }, size))
}

fn keep_listing(
    cache: &Cache,
    listing: &Listing,
    size: Option<u64>,
) -> Result<Facts, VersionError> {
    let bytes = listing.to_bytes();
    let seen = see_bytes(&bytes);
    let id = ObjectId::folder(seen.md5.clone(), Folding::Raw);
    cache.keep_bytes(&id, &bytes, &seen)?;
    Ok(Facts { id, size, nfiles: Some(listing.files.len() as u64), isexec: false })
}

/// Replaces a part of a folder that is a version: what lay there goes, what lies there now comes.
fn store_part(
    root: &Path,
    cache: &Cache,
    plan: &Plan,
    progress: &Progress,
) -> Result<Facts, VersionError> {
    let refuse = |reason: &str| {
        let hint = format!("add the whole of {:?}", plan.out());
        VersionError::input(&plan.path, reason, hint)
    };
    let out = plan.known.as_ref().map(|known| &known.out);
    let old = out.and_then(|out| out.id.as_ref()).filter(|id| id.is_folder);
    let old = old.ok_or_else(|| refuse("lies in a version that is no folder"))?;
    if old.folding != Folding::Raw {
        return Err(refuse("lies in a version that DVC 2 made"));
    }
    let mut listing = cache.listing(old)?;
    let below = plan.below();
    let count = listing.files.len();
    let inside = format!("{below}/");
    listing.files.retain(|path, _| path != below && !path.starts_with(&inside));
    let has_removed = listing.files.len() != count;
    let place = root.join(&plan.path);
    let (new, size) = match &plan.standing {
        Standing::Nothing if !has_removed => return Err(refuse("there is no such file or folder")),
        Standing::Nothing => (Listing::default(), 0),
        Standing::File(found) => {
            progress.expect(1, found.len());
            let seen = cache.keep_file(&place, found.len(), None, progress)?;
            progress.finish_file();
            let id = ObjectId::file(seen.md5, Folding::Raw);
            (Listing { files: [(String::new(), id)].into() }, seen.size)
        }
        Standing::Folder => {
            let files = walk(root, &plan.path, &plan.rules)?;
            let part = store_files(cache, &place, &files, &Listing::default(), progress)?;
            // DVC keeps the part as a folder of its own, too.
            keep_listing(cache, &part.0, None)?;
            part
        }
    };
    for (path, id) in new.files {
        let full = if path.is_empty() { below.to_owned() } else { format!("{inside}{path}") };
        listing.files.insert(full, id);
    }
    // As DVC does: the size is known while files only come, or when nothing changed.
    let known = out.and_then(|out| out.size);
    let total = match known.filter(|known| *known > 0) {
        Some(known) if !has_removed => Some(known + size),
        _ if listing.id(Folding::Raw) == *old => known,
        _ => None,
    };
    keep_listing(cache, &listing, total)
}

/// A version of DVC 2 whose content is as it was stays one.
fn unchanged_legacy(
    root: &Path,
    plan: &Plan,
    progress: &Progress,
) -> Result<Option<Facts>, VersionError> {
    let Some(out) = plan.known.as_ref().map(|known| &known.out) else { return Ok(None) };
    let Some(id) = out.id.as_ref().filter(|id| id.folding == Folding::Dos2Unix) else {
        return Ok(None);
    };
    let found = status::actual(root, &plan.path, &plan.rules, Folding::Dos2Unix, progress)?;
    let is_same = match &plan.standing {
        Standing::File(_) => found.first().is_some_and(|file| file.id == *id),
        _ => {
            let prefix = plan.path.len() + 1;
            let files =
                found.into_iter().map(|file| (file.found.path[prefix..].to_owned(), file.id));
            Listing { files: files.collect() }.id(Folding::Dos2Unix) == *id
        }
    };
    let facts = Facts { id: id.clone(), size: out.size, nfiles: out.nfiles, isexec: out.isexec };
    Ok(is_same.then_some(facts))
}

/// Writes the entry in `.gitignore` and the pointer. When the second fails, the first is taken back.
fn write(repository: &Repository, plan: &Plan, facts: &Facts) -> Result<(), VersionError> {
    let root = repository.root();
    let out = plan.out();
    let name = out.rsplit('/').next().unwrap_or(out);
    let ignoring = Ignoring::of(root, out)?;
    ignoring.write()?;
    let updated = match &plan.known {
        None => None,
        Some(_) => {
            let text = crate::document::read_text(root, &plan.pointer)?;
            pointer::update(&text, facts)
        }
    };
    let content = updated.unwrap_or_else(|| pointer::write(facts, name));
    let place = root.join(&plan.pointer);
    if let Err(error) = text::replace(&place, &content) {
        ignoring.take_back();
        return Err(error);
    }
    match repository.config.autostage {
        true => git::stage(root, &[place, ignoring.path]),
        false => Ok(()),
    }
}

/// The `.gitignore` beside an output.
pub(crate) struct Ignoring {
    pub(crate) path: PathBuf,
    old: Option<String>,
    /// Its text with the output's entry; `None` when git ignores the output already.
    new: Option<String>,
}

impl Ignoring {
    /// The one beside `out`, which lies below the root.
    pub(crate) fn of(root: &Path, out: &str) -> Result<Self, VersionError> {
        let name = out.rsplit('/').next().unwrap_or(out);
        let path = root.join(folder_of(out)).join(".gitignore");
        crate::path::refuse_links(root, &format!("{}/.gitignore", folder_of(out)))?;
        let old = fs::read_to_string(&path).ok();
        let is_ignored = git::is_ignored_as_file(root, out);
        let new = (!is_ignored).then(|| gitignore::with_entry(old.as_deref().unwrap_or(""), name));
        Ok(Self { path, old, new: new.flatten() })
    }

    /// Writes the entry, if it is needed.
    pub(crate) fn write(&self) -> Result<(), VersionError> {
        self.new.as_ref().map_or(Ok(()), |text| text::replace(&self.path, text))
    }

    fn take_back(&self) {
        if self.new.is_some() {
            let undone = match &self.old {
                Some(old) => text::replace(&self.path, old),
                None => fs::remove_file(&self.path).map_err(|e| VersionError::io(&self.path, &e)),
            };
            // The first fault is the one to tell.
            drop(undone);
        }
    }
}
