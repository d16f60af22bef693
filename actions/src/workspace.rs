//! A job's workspace as the runner may touch it: its content is hostile, so nothing outside of it can be reached
//! through it. Links inside it are followed only while they stay inside.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most files that one listing gives: a workspace with more is a mistake (a virtual environment, a data lake), and
/// the list is held in memory.
pub const MAX_FILES: usize = 100_000;

/// Deepest folder that a listing enters; deeper ones only come from a loop or malice.
const MAX_DEPTH: usize = 64;

/// Deepest folder that is removed: each level keeps a descriptor open, and a process has a thousand of them.
const MAX_REMOVED_DEPTH: usize = 256;

/// How often an open is repeated when something else renames folders at the same moment (`EAGAIN`).
const MAX_RACES: usize = 16;

/// Why a path of the workspace could not be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// User: the path, or a link on it, leads out of the workspace.
    #[error("{0} leads out of the workspace")]
    Outside(String),
    /// User: there is nothing at the path.
    #[error("{0} is not in the workspace")]
    Missing(String),
    /// User: the path is a folder, a device, a pipe.
    #[error("{0} is not a regular file")]
    NotAFile(String),
    /// User: the file is larger than the caller can take.
    #[error("{path} is larger than {limit} bytes")]
    TooLarge {
        /// The path.
        path: String,
        /// The limit.
        limit: u64,
    },
    /// User: more files than [`MAX_FILES`], or folders deeper than 64.
    #[error("{0} holds too many files or folders")]
    TooMany(String),
    /// Environment: the disk is full, permission is missing.
    #[error("{path}: {source}")]
    Io {
        /// The path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// One file of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceFile {
    /// Path from the workspace's root, with `/`.
    pub path: String,
    /// Size in bytes when it was listed.
    pub size: u64,
    /// True when its owner may execute it.
    pub executable: bool,
}

/// A folder from which no path leads out.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    seen_as: Option<String>,
    dir: Arc<OwnedFd>,
}

impl Workspace {
    /// Opens the folder.
    ///
    /// # Errors
    /// `Io` when it is not a folder or cannot be opened.
    pub fn open(root: &Path) -> Result<Self, WorkspaceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(root, flags, Mode::empty())
            .map_err(|errno| io_error(&root.display().to_string(), errno))?;
        Ok(Self { root: root.to_owned(), seen_as: None, dir: Arc::new(dir) })
    }

    /// The same workspace, whose steps know it by another absolute path (`/github/workspace`): absolute paths
    /// that begin with it are taken as paths from the root.
    #[must_use]
    pub fn seen_as(mut self, path: &str) -> Self {
        self.seen_as = Some(path.trim_end_matches('/').to_owned());
        self
    }

    /// The folder's path on this host. Not safe to join hostile paths to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Brings a path into the form `a/b/c`, from the root; the root itself is `.`. Nothing is looked up.
    ///
    /// # Errors
    /// `Outside` for `..`, for an absolute path elsewhere, for a NUL byte.
    pub fn relative(&self, path: &str) -> Result<String, WorkspaceError> {
        let outside = || WorkspaceError::Outside(path.to_owned());
        let mut rest = path;
        if path.starts_with('/') {
            let root = self.root.to_str().unwrap_or("/");
            let known = self.seen_as.iter().map(String::as_str).chain([root]);
            rest = known
                .filter(|prefix| !prefix.is_empty())
                .find_map(|prefix| path.strip_prefix(prefix))
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
                .ok_or_else(outside)?;
        }
        let parts: Vec<&str> =
            rest.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") || rest.contains('\0') {
            return Err(outside());
        }
        Ok(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
    }

    /// The same for a path that a person gives, in which `~` is the home folder and not a name.
    ///
    /// # Errors
    /// As [`Workspace::relative`], and `Outside` for the home folder.
    pub fn relative_without_home(&self, path: &str) -> Result<String, WorkspaceError> {
        if path == "~" || path.starts_with("~/") {
            return Err(WorkspaceError::Outside(path.to_owned()));
        }
        self.relative(path)
    }

    /// A path in normal form as the job's steps know it, absolute.
    pub fn seen_path(&self, path: &str) -> String {
        let root = self.seen_as.clone().unwrap_or_else(|| self.root.display().to_string());
        if path == "." { root } else { format!("{root}/{path}") }
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// `Missing`, `Outside`, `NotAFile`, `Io`.
    pub fn open_file(&self, path: &str) -> Result<File, WorkspaceError> {
        let path = self.relative(path)?;
        // NONBLOCK: opening a pipe must not wait for its writer. It means nothing for a regular file.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = self.open_beneath(&path, flags).map_err(|errno| io_error(&path, errno))?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| io_error(&path, errno))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(WorkspaceError::NotAFile(path));
        }
        Ok(File::from(file))
    }

    /// Reads a whole file of at most `limit` bytes.
    ///
    /// # Errors
    /// Those of [`Workspace::open_file`], and `TooLarge`.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, WorkspaceError> {
        let file = self.open_file(path)?;
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| WorkspaceError::Io { path: path.to_owned(), source })?;
        if bytes.len() as u64 > limit {
            return Err(WorkspaceError::TooLarge { path: path.to_owned(), limit });
        }
        Ok(bytes)
    }

    /// True when there is a regular file at the path.
    ///
    /// # Errors
    /// `Outside`, `Io`.
    pub fn has_file(&self, path: &str) -> Result<bool, WorkspaceError> {
        match self.open_file(path) {
            Ok(_) => Ok(true),
            Err(WorkspaceError::Missing(_) | WorkspaceError::NotAFile(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes the folder and those above it. Being there already is fine.
    ///
    /// # Errors
    /// `Outside`, `Io`.
    pub fn create_dir(&self, path: &str) -> Result<(), WorkspaceError> {
        self.folder(&self.relative(path)?).map(drop)
    }

    /// Writes a file, with the folders above it: it appears whole or not at all. A link at the path is replaced, not
    /// followed.
    ///
    /// # Errors
    /// `Outside`, `Io`.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<(), WorkspaceError> {
        self.write_with(path, 0o644, |file| file.write_all(bytes))
    }

    /// Like [`Workspace::write`], with permission bits, from a function that fills the file.
    ///
    /// # Errors
    /// `Outside`, `Io`.
    pub fn write_with(
        &self,
        path: &str,
        mode: u32,
        fill: impl FnOnce(&mut File) -> std::io::Result<()>,
    ) -> Result<(), WorkspaceError> {
        let (folder, name, path) = self.place(path)?;
        let pending = format!(".{}.pawl-part", name.get(..name.len().min(200)).unwrap_or("file"));
        let failed = |errno: Errno| io_error(&path, errno);
        remove_if_there(&folder, &pending).map_err(failed)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&folder, &pending, flags, Mode::from_raw_mode(0o600))
            .map_err(failed)?;
        let mut file = File::from(fd);
        let filled = fill(&mut file).and_then(|()| {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            rustix::fs::renameat(&folder, &pending, &folder, &name)?;
            Ok(())
        });
        filled.map_err(|source| {
            // What is half-written goes; the first error is the one worth telling.
            let _ignored = remove_if_there(&folder, &pending);
            WorkspaceError::Io { path: path.clone(), source }
        })
    }

    /// Removes a file or link; nothing there is fine.
    ///
    /// # Errors
    /// `Outside`, `NotAFile` for a folder, `Io`.
    pub fn remove(&self, path: &str) -> Result<(), WorkspaceError> {
        let (folder, name, path) = self.place(path)?;
        remove_if_there(&folder, &name).map_err(|errno| io_error(&path, errno))
    }

    /// Makes a symbolic link at the path, in the place of whatever file or link is there.
    ///
    /// # Errors
    /// `Outside` when `target` leads out of the workspace as text; `Io`.
    pub fn link(&self, path: &str, target: &str) -> Result<(), WorkspaceError> {
        let (folder, name, path) = self.place(path)?;
        if leads_out(&path, target) {
            return Err(WorkspaceError::Outside(format!("{path} -> {target}")));
        }
        remove_if_there(&folder, &name).map_err(|errno| io_error(&path, errno))?;
        rustix::fs::symlinkat(target, &folder, &name).map_err(|errno| io_error(&path, errno))
    }

    /// Makes a symbolic link to anywhere, for whoever has the rights of its reader. Nothing of ours follows it.
    ///
    /// # Errors
    /// `Outside` for the path itself; `Io`.
    pub(crate) fn link_anywhere(&self, path: &str, target: &Path) -> Result<(), WorkspaceError> {
        let (folder, name, path) = self.place(path)?;
        remove_if_there(&folder, &name).map_err(|errno| io_error(&path, errno))?;
        rustix::fs::symlinkat(target, &folder, &name).map_err(|errno| io_error(&path, errno))
    }

    /// All regular files below a folder (or the one file at the path), in order of their paths. Links are not
    /// followed and not listed.
    ///
    /// # Errors
    /// `Missing`, `Outside`, `TooMany`, `Io`.
    pub fn files(&self, under: &str) -> Result<Vec<WorkspaceFile>, WorkspaceError> {
        let under = self.relative(under)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = self.open_beneath(&under, flags).map_err(|errno| io_error(&under, errno))?;
        let stat = rustix::fs::fstat(&fd).map_err(|errno| io_error(&under, errno))?;
        let mut found = Vec::new();
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => found.push(listed(under, &stat)),
            FileType::Directory => {
                let prefix = if under == "." { String::new() } else { format!("{under}/") };
                list(&fd, &prefix, 0, &mut found)?;
            }
            _ => return Err(WorkspaceError::NotAFile(under)),
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Opens a folder for work on what lies directly in it.
    ///
    /// # Errors
    /// `Missing`, `Outside`, `Io`.
    pub(crate) fn open_dir(&self, path: &str) -> Result<OwnedFd, WorkspaceError> {
        let path = self.relative(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        self.open_beneath(&path, flags).map_err(|errno| io_error(&path, errno))
    }

    /// Opens a folder, made with those above it when it is not there.
    ///
    /// # Errors
    /// `Outside`, `Io`.
    pub(crate) fn make_dir(&self, path: &str) -> Result<OwnedFd, WorkspaceError> {
        self.folder(&self.relative(path)?)
    }

    /// Moves a file or folder of this host to a path, in the place of whatever is there. Both must be on one file system.
    ///
    /// # Errors
    /// `Outside`, `Io`.
    pub(crate) fn adopt(&self, from: &Path, path: &str) -> Result<(), WorkspaceError> {
        let (folder, name, path) = self.place(path)?;
        let moved = CString::new(name.as_str())
            .map_err(|_| Errno::INVAL)
            .and_then(|name| remove_tree(&folder, &name))
            .and_then(|()| rustix::fs::renameat(rustix::fs::CWD, from, &folder, &name));
        moved.map_err(|errno| io_error(&path, errno))
    }

    /// True for a folder with nothing in it.
    ///
    /// # Errors
    /// `Missing`, `Outside`, `Io`.
    pub(crate) fn is_empty_dir(&self, path: &str) -> Result<bool, WorkspaceError> {
        let names = names(&self.open_dir(path)?).map_err(|errno| io_error(path, errno))?;
        Ok(names.is_empty())
    }

    /// Removes everything in a folder; one that is not there is fine. Links are removed, not followed.
    ///
    /// # Errors
    /// `Outside`, `Io`.
    pub(crate) fn empty(&self, path: &str) -> Result<(), WorkspaceError> {
        let folder = match self.open_dir(path) {
            Err(WorkspaceError::Missing(_)) => return Ok(()),
            opened => opened?,
        };
        let emptied = names(&folder)
            .and_then(|names| names.iter().try_for_each(|name| remove_tree(&folder, name)));
        emptied.map_err(|errno| io_error(path, errno))
    }

    /// The folder above the path (made if need be), the last name, and the normal form of the path.
    fn place(&self, path: &str) -> Result<(OwnedFd, String, String), WorkspaceError> {
        let path = self.relative(path)?;
        let (above, name) = path.rsplit_once('/').unwrap_or((".", &path));
        if name == "." {
            return Err(WorkspaceError::NotAFile(path));
        }
        Ok((self.folder(above)?, name.to_owned(), path))
    }

    /// Opens a folder in normal form and makes what is missing.
    fn folder(&self, path: &str) -> Result<OwnedFd, WorkspaceError> {
        let failed = |errno: Errno| io_error(path, errno);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match self.open_beneath(path, flags) {
            Err(Errno::NOENT) => {
                let (above, name) = path.rsplit_once('/').unwrap_or((".", path));
                let parent = self.folder(above)?;
                match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(failed(errno)),
                }
                self.open_beneath(path, flags).map_err(failed)
            }
            opened => opened.map_err(failed),
        }
    }

    fn open_beneath(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC;
        for _ in 0..MAX_RACES {
            match rustix::fs::openat2(&*self.dir, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN) => {}
                // Old kernels, and sandboxes whose filter does not know the call.
                Err(Errno::NOSYS | Errno::PERM) => return self.open_without_links(path, flags),
                opened => return opened,
            }
        }
        Err(Errno::AGAIN)
    }

    /// The stricter way for systems without `openat2`: no link is followed at all.
    fn open_without_links(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut at = rustix::fs::openat(
            &*self.dir,
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let parts: Vec<&str> = path.split('/').collect();
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            let here = if last {
                flags | OFlags::NOFOLLOW
            } else {
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
            };
            at = rustix::fs::openat(&at, *part, here, Mode::empty())?;
        }
        Ok(at)
    }
}

/// True when a link at `path` (normal form) with this target leads out of the root, judged by the text alone.
pub(crate) fn leads_out(path: &str, target: &str) -> bool {
    if target.starts_with('/') || target.contains('\0') || target.is_empty() {
        return true;
    }
    let mut depth = path.matches('/').count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn remove_if_there(folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    }
}

/// What lies directly in a folder.
fn names(folder: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

/// Removes whatever has this name, with everything below it. Nothing there is fine. Folders are kept open one by one on
/// the way down, so that nobody can put a link in the place of one.
pub(crate) fn remove_tree(folder: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    remove_tree_at(folder, name, 0)
}

fn remove_tree_at(folder: &OwnedFd, name: &CStr, depth: usize) -> Result<(), Errno> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    if depth >= MAX_REMOVED_DEPTH {
        return Err(Errno::LOOP);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inner = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    for below in names(&inner)? {
        remove_tree_at(&inner, &below, depth + 1)?;
    }
    drop(inner);
    match rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    }
}

fn listed(path: String, stat: &rustix::fs::Stat) -> WorkspaceFile {
    WorkspaceFile {
        path,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        executable: stat.st_mode & 0o100 != 0,
    }
}

fn list(
    folder: &OwnedFd,
    prefix: &str,
    depth: usize,
    found: &mut Vec<WorkspaceFile>,
) -> Result<(), WorkspaceError> {
    let failed = |errno: Errno| io_error(prefix, errno);
    for entry in Dir::read_from(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "." || name == ".." {
            continue;
        }
        if found.len() >= MAX_FILES || depth >= MAX_DEPTH {
            return Err(WorkspaceError::TooMany(prefix.to_owned()));
        }
        let stat = rustix::fs::statat(folder.as_fd(), entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed)?;
        let path = format!("{prefix}{name}");
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => found.push(listed(path, &stat)),
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let inner = rustix::fs::openat(folder, entry.file_name(), flags, Mode::empty())
                    .map_err(failed)?;
                list(&inner, &format!("{path}/"), depth + 1, found)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn io_error(path: &str, errno: Errno) -> WorkspaceError {
    match errno {
        Errno::NOENT => WorkspaceError::Missing(path.to_owned()),
        // XDEV: beneath refuses; LOOP: a magic or circular link, or any link in the strict way.
        Errno::XDEV | Errno::LOOP => WorkspaceError::Outside(path.to_owned()),
        Errno::NOTDIR | Errno::ISDIR | Errno::NXIO => WorkspaceError::NotAFile(path.to_owned()),
        errno => WorkspaceError::Io { path: path.to_owned(), source: errno.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::{Workspace, WorkspaceError, leads_out};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn workspace() -> (tempfile::TempDir, Workspace) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("work");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(folder.path().join("secret"), "s").unwrap();
        let workspace = Workspace::open(&root).unwrap();
        (folder, workspace)
    }

    #[test]
    fn what_is_written_is_read_back_with_its_mode() {
        let (_folder, work) = workspace();
        work.write("a/b/c.txt", b"hello").unwrap();
        assert_eq!(
            work.read("a/b/../b/c.txt", 9).unwrap_err().to_string(),
            "a/b/../b/c.txt leads out of the workspace"
        );
        assert_eq!(work.read("./a//b/c.txt", 5).unwrap(), b"hello");
        assert!(matches!(
            work.read("a/b/c.txt", 4),
            Err(WorkspaceError::TooLarge { limit: 4, .. })
        ));
        work.write_with("tool", 0o755, |_| Ok(())).unwrap();
        assert_eq!(
            std::fs::metadata(work.root().join("tool")).unwrap().permissions().mode() & 0o777,
            0o755
        );
        let files = work.files(".").unwrap();
        let listed: Vec<_> =
            files.iter().map(|f| (f.path.as_str(), f.size, f.executable)).collect();
        assert_eq!(listed, [("a/b/c.txt", 5, false), ("tool", 0, true)]);
    }

    #[test]
    fn nothing_outside_is_read_through_links() {
        let (folder, work) = workspace();
        symlink(folder.path().join("secret"), work.root().join("absolute")).unwrap();
        symlink("../secret", work.root().join("up")).unwrap();
        symlink("..", work.root().join("dir")).unwrap();
        for path in ["absolute", "up", "dir/secret", "../secret", "/etc/passwd"] {
            assert!(matches!(work.read(path, 9), Err(WorkspaceError::Outside(_))), "{path}");
        }
        assert!(matches!(work.write("dir/new", b"x"), Err(WorkspaceError::Outside(_))));
        assert!(!folder.path().join("new").exists());
        assert_eq!(work.files(".").unwrap(), []);
    }

    #[test]
    fn a_link_that_stays_inside_is_followed_and_a_write_replaces_it() {
        let (folder, work) = workspace();
        work.write("real", b"r").unwrap();
        symlink("real", work.root().join("alias")).unwrap();
        assert_eq!(work.read("alias", 9).unwrap(), b"r");
        symlink(folder.path().join("secret"), work.root().join("trap")).unwrap();
        work.write("trap", b"mine").unwrap();
        assert_eq!(std::fs::read(folder.path().join("secret")).unwrap(), b"s");
        assert_eq!(work.read("trap", 9).unwrap(), b"mine");
    }

    #[test]
    fn a_pipe_or_a_folder_is_not_a_file() {
        let (_folder, work) = workspace();
        let pipe = work.root().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        work.create_dir("d/e").unwrap();
        assert!(matches!(work.read("pipe", 9), Err(WorkspaceError::NotAFile(_))));
        assert!(matches!(work.read("d", 9), Err(WorkspaceError::NotAFile(_))));
        assert!(!work.has_file("d").unwrap());
        assert!(!work.has_file("nothing").unwrap());
        assert!(matches!(work.read("nothing", 9), Err(WorkspaceError::Missing(_))));
    }

    #[test]
    fn absolute_paths_of_the_sandbox_mean_the_same_file() {
        let (_folder, work) = workspace();
        let work = work.seen_as("/github/workspace/");
        work.write("/github/workspace/x", b"1").unwrap();
        assert_eq!(work.relative("/github/workspace").unwrap(), ".");
        assert!(work.has_file("x").unwrap());
        assert!(matches!(work.read("/github/workspaces/x", 9), Err(WorkspaceError::Outside(_))));
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let (_folder, work) = workspace();
        let failed = work.write_with("x", 0o644, |_| Err(std::io::Error::other("full")));
        assert!(matches!(failed, Err(WorkspaceError::Io { .. })));
        assert_eq!(work.files(".").unwrap(), []);
    }

    #[test]
    fn the_strict_way_refuses_every_link_and_reads_plain_files() {
        let (_folder, work) = workspace();
        work.write("a/b", b"x").unwrap();
        symlink("a", work.root().join("l")).unwrap();
        let flags = rustix::fs::OFlags::RDONLY;
        assert!(work.open_without_links("a/b", flags).is_ok());
        assert!(work.open_without_links("l/b", flags).is_err());
    }

    #[test]
    fn targets_are_judged_from_the_place_of_the_link() {
        assert!(!leads_out("a/b", "../c"));
        assert!(leads_out("a/b", "../../c"));
        assert!(leads_out("a", "/etc"));
        assert!(!leads_out("a", "b/../c"));
    }
}
