//! Folders of the workspace: their files, without what `.dvcignore` leaves out.

use crate::VersionError;
use crate::path::{is_absence, symbolic_link};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::fs::{self, DirEntry, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file with DVC's patterns.
const RULES: &str = ".dvcignore";

/// A file of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Below the folder that was walked, with `/`.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Somebody may run it.
    pub(crate) isexec: bool,
}

/// Patterns that hold in a folder: its own before those of the folders above.
pub(crate) struct Rules {
    above: Option<Arc<Self>>,
    /// The folder below the root.
    folder: String,
    matcher: Gitignore,
}

impl Rules {
    /// The patterns of the repository's top folder.
    pub(crate) fn of_root(root: &Path) -> Result<Arc<Self>, VersionError> {
        let matcher = read(root, "")?.unwrap_or_else(Gitignore::empty);
        Ok(Arc::new(Self { above: None, folder: String::new(), matcher }))
    }

    /// The patterns in `folder`, which lies in the folder of these.
    fn enter(self: &Arc<Self>, root: &Path, folder: &str) -> Result<Arc<Self>, VersionError> {
        if self.leaves_out(&format!("{folder}/{RULES}"), false) {
            return Ok(Arc::clone(self));
        }
        Ok(match read(root, folder)? {
            None => Arc::clone(self),
            Some(matcher) => {
                Arc::new(Self { above: Some(Arc::clone(self)), folder: folder.to_owned(), matcher })
            }
        })
    }

    /// True when `path` (below the root) is left out; the folders above it are not looked at.
    fn leaves_out(&self, path: &str, is_folder: bool) -> bool {
        let below = match self.folder.as_str() {
            "" => Some(path),
            folder => path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')),
        };
        let found = below.map_or(Match::None, |below| self.matcher.matched(below, is_folder));
        match found {
            Match::Ignore(_) => true,
            Match::Whitelist(_) => false,
            Match::None => {
                self.above.as_ref().is_some_and(|above| above.leaves_out(path, is_folder))
            }
        }
    }

    /// The patterns that hold beside `path`, or `None` when it, or a folder above it, is left out.
    pub(crate) fn beside(
        self: &Arc<Self>,
        root: &Path,
        path: &str,
        is_folder: bool,
    ) -> Result<Option<Arc<Self>>, VersionError> {
        let mut rules = Arc::clone(self);
        for (at, _) in path.match_indices('/') {
            let folder = &path[..at];
            if rules.leaves_out(folder, true) {
                return Ok(None);
            }
            rules = rules.enter(root, folder)?;
        }
        Ok((!rules.leaves_out(path, is_folder)).then_some(rules))
    }
}

fn read(root: &Path, folder: &str) -> Result<Option<Gitignore>, VersionError> {
    let path = root.join(folder).join(RULES);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(VersionError::io(&path, &error)),
    };
    let mut builder = GitignoreBuilder::new("");
    for (at, line) in text.lines().enumerate() {
        builder.add_line(None, line.trim()).map_err(|error| {
            let place = format!("{}:{}", path.display(), at + 1);
            VersionError::input(place, error, "write a pattern as in .gitignore")
        })?;
    }
    let built = builder.build();
    built.map(Some).map_err(|error| {
        VersionError::input(path.display(), error, "write patterns as in .gitignore")
    })
}

/// True when somebody may run the file.
pub(crate) fn is_executable(found: &Metadata) -> bool {
    found.permissions().mode() & 0o111 != 0
}

/// The files below `folder` (itself below the root), sorted by path. `rules` are those beside the folder.
pub(crate) fn walk(
    root: &Path,
    folder: &str,
    rules: &Arc<Rules>,
) -> Result<Vec<Found>, VersionError> {
    let mut files = Vec::new();
    let mut waiting = vec![(folder.to_owned(), Arc::clone(rules))];
    while let Some((at, rules)) = waiting.pop() {
        let place = root.join(&at);
        let rules = rules.enter(root, &at)?;
        let entries = fs::read_dir(&place).map_err(|error| VersionError::io(&place, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| VersionError::io(&place, &error))?;
            let (path, kind) = named(&at, &entry)?;
            if is_private(&entry, kind.is_dir()) || rules.leaves_out(&path, kind.is_dir()) {
                continue;
            }
            if kind.is_dir() {
                // A repository of its own keeps its own versions.
                if !entry.path().join(".dvc").exists() {
                    waiting.push((path, Arc::clone(&rules)));
                }
                continue;
            }
            files.push(file(folder, &path, &entry, kind.is_symlink())?);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn named(folder: &str, entry: &DirEntry) -> Result<(String, fs::FileType), VersionError> {
    let name = entry.file_name();
    let name = name.to_str().ok_or_else(|| {
        let hint = "give the file a name in UTF-8, or leave it out in .dvcignore";
        VersionError::input(entry.path().display(), "the name is not UTF-8", hint)
    })?;
    let kind = entry.file_type().map_err(|error| VersionError::io(&entry.path(), &error))?;
    Ok((format!("{folder}/{name}"), kind))
}

/// What belongs to git, Mercurial and DVC themselves.
fn is_private(entry: &DirEntry, is_folder: bool) -> bool {
    let name = entry.file_name();
    name == ".git" || (is_folder && (name == ".hg" || name == ".dvc"))
}

fn file(folder: &str, path: &str, entry: &DirEntry, is_link: bool) -> Result<Found, VersionError> {
    let place = entry.path();
    if is_link {
        return Err(symbolic_link(&place));
    }
    let refuse = |reason: &str, hint: &str| VersionError::input(place.display(), reason, hint);
    if entry.file_name() == RULES {
        let hint = "move its patterns into a .dvcignore above the folder";
        return Err(refuse("patterns cannot lie inside of a folder that is a version", hint));
    }
    let found = entry.metadata().map_err(|error| VersionError::io(&place, &error))?;
    if !found.is_file() {
        let hint = "leave it out in .dvcignore, or remove it";
        return Err(refuse("is neither a file nor a folder", hint));
    }
    let path = path[folder.len() + 1..].to_owned();
    Ok(Found { path, size: found.len(), isexec: is_executable(&found) })
}

/// Files anywhere below the root whose names are wanted, sorted by path. Nothing is looked for in repositories of their own,
/// in what `.dvcignore` leaves out, or behind links.
pub(crate) fn find(
    root: &Path,
    rules: &Arc<Rules>,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, VersionError> {
    let mut files = Vec::new();
    let mut waiting = vec![(String::new(), Arc::clone(rules))];
    while let Some((at, rules)) = waiting.pop() {
        let place = root.join(&at);
        let rules = if at.is_empty() { rules } else { rules.enter(root, &at)? };
        let entries = fs::read_dir(&place).map_err(|error| VersionError::io(&place, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| VersionError::io(&place, &error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let kind = entry.file_type().map_err(|error| VersionError::io(&place, &error))?;
            let path = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
            if is_private(&entry, kind.is_dir()) || rules.leaves_out(&path, kind.is_dir()) {
                continue;
            }
            if kind.is_dir() && !entry.path().join(".dvc").exists() {
                waiting.push((path, Arc::clone(&rules)));
            } else if kind.is_file() && is_wanted(name) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What stands at a path of the workspace.
pub(crate) enum Standing {
    Nothing,
    File(Metadata),
    Folder,
}

/// Looks at `path` below the root. A link is refused, and so is what is neither file nor folder.
pub(crate) fn look(root: &Path, path: &str) -> Result<Standing, VersionError> {
    crate::path::refuse_links(root, path)?;
    let place: PathBuf = root.join(path);
    match fs::symlink_metadata(&place) {
        Ok(found) if found.is_file() => Ok(Standing::File(found)),
        Ok(found) if found.is_dir() => Ok(Standing::Folder),
        Ok(_) => {
            let hint = "leave it out in .dvcignore, or remove it";
            Err(VersionError::input(place.display(), "is neither a file nor a folder", hint))
        }
        Err(error) if is_absence(&error) => Ok(Standing::Nothing),
        Err(error) => Err(VersionError::io(&place, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Rules, walk};
    use std::fs;

    #[test]
    fn patterns_of_several_folders_hold_together() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/data/sub/.git")).unwrap();
        fs::write(root.join(".dvcignore"), "*.tmp\n  # comment\n/a/data/b\n").unwrap();
        fs::write(root.join("a/.dvcignore"), "!keep.tmp\nsub/c\n").unwrap();
        for path in ["x.tmp", "keep.tmp", "b", "sub/c", "sub/b", "sub/.git/config", "z"] {
            fs::write(root.join("a/data").join(path), "").unwrap();
        }
        let rules = Rules::of_root(root).unwrap();
        let beside = rules.beside(root, "a/data", true).unwrap().unwrap();
        let found = walk(root, "a/data", &beside).unwrap();
        let paths: Vec<_> = found.iter().map(|file| file.path.as_str()).collect();
        // `sub/c` has a slash, so that it is meant from its own folder on.
        assert_eq!(paths, ["keep.tmp", "sub/b", "sub/c", "z"]);
        assert!(rules.beside(root, "a/data/b", false).unwrap().is_none());
        std::os::unix::fs::symlink("z", root.join("a/data/link")).unwrap();
        let error = walk(root, "a/data", &beside).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
}
