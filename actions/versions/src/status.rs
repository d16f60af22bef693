//! `pawl data status`: whether the workspace holds what the pointers say.

use crate::VersionError;
use crate::cache::open_file;
use crate::digest::{Folding, md5_from};
use crate::listing::Listing;
use crate::object::ObjectId;
use crate::parallel;
use crate::pointer::{Facts, Out};
use crate::progress::Progress;
use crate::repository::{Repository, Tracked};
use crate::tree::{Found, Rules, Standing, is_executable, look, walk};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How an output stands in the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is what its pointer says.
    Unchanged,
    /// It is there with another content.
    Modified,
    /// It is not there.
    Deleted,
}

impl State {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
        }
    }
}

/// An output and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutStatus {
    /// Below the top of the repository, with `/`.
    pub path: String,
    /// In the workspace.
    pub state: State,
    /// Paths below the top whose objects the remote lacks; `None` when no remote was asked.
    pub missing: Option<Vec<String>>,
}

/// A file of the workspace with its content.
pub(crate) struct Actual {
    pub(crate) found: Found,
    pub(crate) id: ObjectId,
}

/// Compares outputs with the workspace: all, or those that `targets` name.
///
/// # Errors
/// A pointer or target is wrong, a symbolic link stands in the way (input); files cannot be read (environment).
pub fn status(
    repository: &Repository,
    targets: &[PathBuf],
    progress: &Progress,
) -> Result<Vec<OutStatus>, VersionError> {
    let rules = repository.rules()?;
    let chosen = chosen(repository, targets)?;
    let compared = chosen.iter().map(|tracked| {
        let state = state(repository, &rules, &tracked.out, progress)?;
        Ok(OutStatus { path: tracked.out.path.clone(), state, missing: None })
    });
    compared.collect()
}

/// The outputs that `targets` name, by their own path or that of their pointer, each once; all without a target.
pub(crate) fn chosen(
    repository: &Repository,
    targets: &[PathBuf],
) -> Result<Vec<Tracked>, VersionError> {
    let mut all = repository.tracked()?;
    if targets.is_empty() {
        return Ok(all);
    }
    let mut wanted = Vec::new();
    for target in targets {
        let path = repository.below_root(target)?;
        let below = format!("{path}/");
        let is_meant = |tracked: &Tracked| {
            tracked.out.path == path || tracked.file == path || tracked.out.path.starts_with(&below)
        };
        if !all.iter().any(is_meant) {
            let hint = "name an output, its .dvc file, or a folder above outputs";
            return Err(VersionError::input(target.display(), "is no version here", hint));
        }
        wanted.push((path, below));
    }
    all.retain(|tracked| {
        wanted.iter().any(|(path, below)| {
            tracked.out.path == *path
                || tracked.file == *path
                || tracked.out.path.starts_with(below.as_str())
        })
    });
    Ok(all)
}

fn state(
    repository: &Repository,
    rules: &Arc<Rules>,
    out: &Out,
    progress: &Progress,
) -> Result<State, VersionError> {
    let root = repository.root();
    let standing = look(root, &out.path)?;
    let is_folder = matches!(standing, Standing::Folder);
    let Some(beside) = rules.beside(root, &out.path, is_folder)? else {
        return Ok(State::Deleted);
    };
    let Some(id) = &out.id else {
        let is_there = !matches!(standing, Standing::Nothing);
        return Ok(if is_there { State::Modified } else { State::Deleted });
    };
    let is_same = match standing {
        Standing::Nothing => return Ok(State::Deleted),
        Standing::File(_) if id.is_folder => false,
        Standing::Folder if !id.is_folder => false,
        // Lengths of text are not those that were hashed in DVC 2.
        Standing::File(found) if out.size.is_some_and(|size| size != found.len()) => false,
        Standing::File(found) => {
            progress.expect(1, found.len());
            hash(&root.join(&out.path), id.folding, progress)? == *id
        }
        Standing::Folder => {
            let files = walk(root, &out.path, &beside)?;
            let size: u64 = files.iter().map(|file| file.size).sum();
            let count = files.len() as u64;
            let may_be = out.size.is_none_or(|known| known == size)
                && out.nfiles.is_none_or(|known| known == count);
            may_be
                && listing_of(root, &out.path, files, id.folding, progress)?.id(id.folding) == *id
        }
    };
    Ok(if is_same { State::Unchanged } else { State::Modified })
}

/// What stands at a path, hashed; `None` when there is nothing. `rules` are those beside it.
pub(crate) fn measure(
    root: &Path,
    path: &str,
    rules: &Arc<Rules>,
    folding: Folding,
    progress: &Progress,
) -> Result<Option<Facts>, VersionError> {
    Ok(match look(root, path)? {
        Standing::Nothing => None,
        Standing::File(found) => {
            progress.expect(1, found.len());
            let id = hash(&root.join(path), folding, progress)?;
            Some(Facts { id, size: Some(found.len()), nfiles: None, isexec: is_executable(&found) })
        }
        Standing::Folder => {
            let files = walk(root, path, rules)?;
            let size = Some(files.iter().map(|file| file.size).sum());
            let nfiles = Some(files.len() as u64);
            let id = listing_of(root, path, files, folding, progress)?.id(folding);
            Some(Facts { id, size, nfiles, isexec: false })
        }
    })
}

/// Everything that stands at an output's path, hashed. Paths are below the root.
pub(crate) fn actual(
    root: &Path,
    path: &str,
    rules: &Arc<Rules>,
    folding: Folding,
    progress: &Progress,
) -> Result<Vec<Actual>, VersionError> {
    match look(root, path)? {
        Standing::Nothing => Ok(Vec::new()),
        Standing::File(found) => {
            progress.expect(1, found.len());
            let id = hash(&root.join(path), folding, progress)?;
            let isexec = is_executable(&found);
            let found = Found { path: path.to_owned(), size: found.len(), isexec };
            Ok(vec![Actual { found, id }])
        }
        Standing::Folder => {
            let mut files = walk(root, path, rules)?;
            files.iter_mut().for_each(|file| file.path = format!("{path}/{}", file.path));
            let ids = hash_all(root, &files, folding, progress)?;
            Ok(files.into_iter().zip(ids).map(|(found, id)| Actual { found, id }).collect())
        }
    }
}

fn listing_of(
    root: &Path,
    folder: &str,
    files: Vec<Found>,
    folding: Folding,
    progress: &Progress,
) -> Result<Listing, VersionError> {
    let ids = hash_all(&root.join(folder), &files, folding, progress)?;
    Ok(Listing { files: files.into_iter().map(|file| file.path).zip(ids).collect() })
}

fn hash_all(
    folder: &Path,
    files: &[Found],
    folding: Folding,
    progress: &Progress,
) -> Result<Vec<ObjectId>, VersionError> {
    progress.expect(files.len() as u64, files.iter().map(|file| file.size).sum());
    parallel::map(files, |file| hash(&folder.join(&file.path), folding, progress))
}

fn hash(path: &Path, folding: Folding, progress: &Progress) -> Result<ObjectId, VersionError> {
    let mut file = open_file(path)?;
    let read = md5_from(&mut file, folding, &|bytes| progress.pass(bytes));
    let (md5, _) = read.map_err(|error| VersionError::io(path, &error))?;
    progress.finish_file();
    Ok(ObjectId::file(md5, folding))
}
