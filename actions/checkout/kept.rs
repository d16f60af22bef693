//! Copies of the user's tree that stay in the store between jobs. Making fifty thousand small files takes half a minute on an
//! ordinary disk, and removing them nearly as long; seeing that a copy is still what it was takes a fifth of a second.
//!
//! A copy is kept when its job's sandbox is gone, so that no process can still write to it. What the job changed, made or left
//! in it is removed first: by the kernel's own time of change, which a step cannot set. The next checkout takes the copy, brings
//! what is new or different in the user's tree, and removes what that tree does not have any more. See design 0006.

use crate::action::ActionError;
use crate::workspace::{Workspace, remove_tree};
use pawl_core::ports::RunFacts;
use pawl_data::digest_bytes;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Copies that are kept of one tree: as many as jobs usually run at once, and disks are not endless.
const COPIES: usize = 4;

/// Trees of which copies are kept; those that were used last.
const TREES: usize = 8;

/// Times of change are only as fine as the kernel's tick, ten milliseconds at most: what changed this short a time before it was
/// looked at may change again without a trace, and counts as unknown.
const TICK_NS: i128 = 20_000_000;

/// Names in the folder of a copy.
const FILES: &str = "files";
const LIST: &str = "list";

/// What changes whenever somebody touches a file or its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print {
    inode: u64,
    size: i64,
    mode: u32,
    owner: (u32, u32),
    changed_ns: i128,
}

impl Print {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino,
            size: stat.st_size,
            mode: stat.st_mode,
            owner: (stat.st_uid, stat.st_gid),
            changed_ns: i128::from(stat.st_ctime) * 1_000_000_000 + i128::from(stat.st_ctime_nsec),
        }
    }

    fn write(&self, text: &mut String) {
        let Self { inode, size, mode, owner: (user, group), changed_ns } = self;
        let _ = write!(text, "{inode} {size} {mode} {user} {group} {changed_ns} ");
    }

    fn read(words: &mut std::str::SplitN<'_, char>) -> Option<Self> {
        Some(Self {
            inode: words.next()?.parse().ok()?,
            size: words.next()?.parse().ok()?,
            mode: words.next()?.parse().ok()?,
            owner: (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
            changed_ns: words.next()?.parse().ok()?,
        })
    }

    fn is_settled(&self, noted_ns: i128) -> bool {
        self.changed_ns + TICK_NS < noted_ns
    }
}

/// A copied file: the copy and what it was made from, as both were then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) copy: Print,
    pub(super) source: Print,
}

impl Record {
    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        u64::try_from(self.copy.size).unwrap_or(0)
    }
}

/// What is known of a copy: its files and folders by their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) files: HashMap<String, Record>,
    /// Mode, user and group.
    pub(super) folders: HashMap<String, (u32, u32, u32)>,
}

impl Known {
    /// The tree's key, the time, and what is known. Each entry ends with a NUL byte, the only one that no path can hold.
    fn to_text(&self, key: &str, noted_ns: i128) -> String {
        let mut text = format!("{key}\0{noted_ns}\0");
        for (path, Record { copy, source }) in &self.files {
            text.push_str("f ");
            copy.write(&mut text);
            source.write(&mut text);
            let _ = write!(text, "{path}\0");
        }
        for (path, (mode, user, group)) in &self.folders {
            let _ = write!(text, "d {mode} {user} {group} {path}\0");
        }
        text
    }

    /// The key, and what is known for certain.
    fn from_text(text: &str) -> Option<(&str, Self)> {
        let mut entries = text.split('\0');
        let key = entries.next().filter(|key| is_key(key))?;
        let noted_ns: i128 = entries.next()?.parse().ok()?;
        let mut known = Self::default();
        for entry in entries.filter(|entry| !entry.is_empty()) {
            known.read(entry)?;
        }
        known.files.retain(|_, Record { copy, source }| {
            copy.is_settled(noted_ns) && source.is_settled(noted_ns)
        });
        Some((key, known))
    }

    fn read(&mut self, entry: &str) -> Option<()> {
        if let Some(file) = entry.strip_prefix("f ") {
            let mut words = file.splitn(13, ' ');
            let record =
                Record { copy: Print::read(&mut words)?, source: Print::read(&mut words)? };
            self.files.insert(words.next()?.to_owned(), record);
        } else {
            let mut words = entry.strip_prefix("d ")?.splitn(4, ' ');
            let mut number = || words.next()?.parse().ok();
            let attributes = (number()?, number()?, number()?);
            self.folders.insert(words.next()?.to_owned(), attributes);
        }
        Some(())
    }
}

fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn now_ns() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

/// The copies of one tree.
#[derive(Debug)]
pub(super) struct Shelf {
    key: String,
    folder: PathBuf,
}

impl Shelf {
    /// `None` where nothing is kept.
    pub(super) fn of(facts: &RunFacts) -> Option<Self> {
        if facts.trees.as_os_str().is_empty() {
            return None;
        }
        let key = digest_bytes(facts.source.as_os_str().as_encoded_bytes()).replace("sha256:", "");
        Some(Self { folder: facts.trees.join(&key), key })
    }

    /// Moves a kept copy into the empty workspace and tells what is known of it; nothing when there is none. `above` is a folder
    /// on the same file system that no sandbox sees; `wanted` are the paths that the tree has now.
    pub(super) fn take(
        &self,
        workspace: &Workspace,
        above: &Path,
        wanted: &HashSet<&str>,
    ) -> Result<Known, ActionError> {
        match self.try_take(workspace, above, wanted) {
            Ok(known) => Ok(known.unwrap_or_default()),
            Err(error) => {
                tracing::debug!(%error, "a kept copy could not be used");
                workspace.empty(".")?;
                Ok(Known::default())
            }
        }
    }

    fn try_take(
        &self,
        workspace: &Workspace,
        above: &Path,
        wanted: &HashSet<&str>,
    ) -> io::Result<Option<Known>> {
        let scratch = tempfile::Builder::new().prefix(".kept-").tempdir_in(above)?;
        let mine = scratch.path().join("copy");
        // Whoever moves a copy away has it for itself.
        if !copies(&self.folder).iter().any(|copy| fs::rename(copy, &mine).is_ok()) {
            return Ok(None);
        }
        let text = fs::read_to_string(mine.join(LIST))?;
        let (_, known) = Known::from_text(&text).ok_or(io::ErrorKind::InvalidData)?;
        let files = open(&mine.join(FILES))?;
        let mut folders = HashSet::from(["."]);
        wanted.iter().for_each(|path| note_folders(path, &mut folders));
        tidy(&files, "", &known, &|path, is_folder| match is_folder {
            true => folders.contains(path),
            false => wanted.contains(path),
        })?;
        let target = workspace.open_dir(".").map_err(io::Error::other)?;
        for name in names(&files)? {
            rustix::fs::renameat(&files, &name.0, &target, &name.0)?;
        }
        Ok(Some(known))
    }

    /// Notes beside the workspace what was copied, for [`keep`]. Nothing was, where the copy is not to be kept.
    pub(super) fn note(&self, workspace: &Workspace, mut known: Known) -> io::Result<()> {
        let Some(note) = note_of(workspace.root()).filter(|_| !known.files.is_empty()) else {
            return Ok(());
        };
        // Folders that hold only folders were made on the way to these.
        let mut above = HashSet::new();
        known.folders.keys().for_each(|path| note_folders(path, &mut above));
        for path in above.into_iter().map(str::to_owned).collect::<Vec<_>>() {
            let folder = workspace.open_dir(&path).map_err(io::Error::other)?;
            known.folders.insert(path, attributes(&rustix::fs::fstat(&folder)?));
        }
        fs::write(note, known.to_text(&self.key, now_ns()))
    }
}

fn note_folders<'a>(path: &'a str, folders: &mut HashSet<&'a str>) {
    let mut rest = path;
    while let Some((above, _)) = rest.rsplit_once('/') {
        if !folders.insert(above) {
            return;
        }
        rest = above;
    }
}

/// Where the note of a workspace lies: beside it, where no sandbox sees it.
fn note_of(workspace: &Path) -> Option<PathBuf> {
    let name = workspace.file_name()?.to_str()?;
    Some(workspace.with_file_name(format!(".copied-{name}")))
}

/// Keeps the copy in a workspace whose sandbox is gone, when a checkout noted one. What the job changed in it or left there is
/// removed, and of older copies all but a few.
///
/// # Errors
/// The file system's. The workspace may then be half removed, as it would be without this.
pub fn keep(workspace: &Path, trees: &Path) -> io::Result<()> {
    let Some(note) = note_of(workspace) else { return Ok(()) };
    let text = match fs::read_to_string(&note) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    fs::remove_file(&note)?;
    let (key, known) = Known::from_text(&text).ok_or(io::ErrorKind::InvalidData)?;
    tidy(&open(workspace)?, "", &known, &|_, _| true)?;
    let shelf = trees.join(key);
    fs::create_dir_all(&shelf)?;
    let half = tempfile::Builder::new().prefix(".half-").tempdir_in(&shelf)?;
    fs::write(half.path().join(LIST), text)?;
    fs::rename(workspace, half.path().join(FILES))?;
    let name = half.path().file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let whole = shelf.join(name.trim_start_matches(".half-"));
    fs::rename(half.keep(), whole)?;
    trim(&shelf, COPIES)?;
    trim(trees, TREES)
}

/// Whole copies in a folder, the one that was kept last first: the system still has it in memory.
fn copies(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let whole = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    let mut dated: Vec<(SystemTime, PathBuf)> = whole
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    dated.sort_by(|a, b| b.cmp(a));
    dated.into_iter().map(|(_, path)| path).collect()
}

fn trim(folder: &Path, most: usize) -> io::Result<()> {
    for old in copies(folder).into_iter().skip(most) {
        match fs::remove_dir_all(old) {
            // Another process took it or removes it, too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

fn open(folder: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(folder, FOLDER, Mode::empty())?)
}

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Removes everything that is not as it is known, or not wanted: `is_wanted` is asked with a path and whether it is a folder.
fn tidy(
    folder: &OwnedFd,
    path: &str,
    known: &Known,
    is_wanted: &dyn Fn(&str, bool) -> bool,
) -> io::Result<()> {
    for (name, kind) in names(folder)? {
        let is_left = match name.to_str() {
            Ok(text) => {
                let path = if path.is_empty() { text.to_owned() } else { format!("{path}/{text}") };
                is_left(folder, (&name, kind), &path, known, is_wanted)?
            }
            Err(_) => false,
        };
        if !is_left {
            remove_tree(folder, &name)?;
        }
    }
    Ok(())
}

/// Whether something stays. A folder that does is tidied.
fn is_left(
    folder: &OwnedFd,
    (name, kind): (&CStr, FileType),
    path: &str,
    known: &Known,
    is_wanted: &dyn Fn(&str, bool) -> bool,
) -> io::Result<bool> {
    let is_folder = kind == FileType::Directory;
    if !is_wanted(path, is_folder) {
        return Ok(false);
    }
    if !is_folder {
        let Some(record) = known.files.get(path) else { return Ok(false) };
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        return Ok(Print::of(&stat) == record.copy);
    }
    let inner = rustix::fs::openat(folder, name, FOLDER, Mode::empty())?;
    let is_known = known.folders.get(path) == Some(&attributes(&rustix::fs::fstat(&inner)?));
    // Access lists that a job set would hold for what the next one makes.
    if !is_known || rustix::fs::flistxattr(&inner, &mut [0_u8; 0]) != Ok(0) {
        return Ok(false);
    }
    tidy(&inner, path, known, is_wanted)?;
    Ok(true)
}

/// Mode, user and group of a folder.
pub(super) fn attributes(stat: &Stat) -> (u32, u32, u32) {
    (stat.st_mode, stat.st_uid, stat.st_gid)
}

/// What lies directly in a folder, with its kind.
fn names(folder: &OwnedFd) -> Result<Vec<(CString, FileType)>, Errno> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            // Not every file system tells.
            FileType::Unknown => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        found.push((name.to_owned(), kind));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Known, Print, Record, TICK_NS};

    fn record(changed_ns: i128) -> Record {
        let print = Print { inode: 7, size: 3, mode: 0o100_644, owner: (0, 1000), changed_ns };
        Record { copy: print, source: Print { inode: 8, ..print } }
    }

    #[test]
    fn a_note_is_read_as_it_was_written_except_what_had_just_changed() {
        let key = "ab".repeat(32);
        let mut known = Known::default();
        known.files.insert("a file\nwith all".to_owned(), record(-5));
        known.folders.insert(".".to_owned(), (0o40_755, 0, 1000));
        let noted_ns = TICK_NS + 100;
        let settled = known.clone();
        known.files.insert("new".to_owned(), record(100));
        let text = known.to_text(&key, noted_ns);
        assert_eq!(Known::from_text(&text), Some((key.as_str(), settled)));
    }

    #[test]
    fn a_note_that_is_cut_or_foreign_is_none() {
        let text = Known::default().to_text(&"ab".repeat(32), 5);
        assert!(Known::from_text(&text).is_some());
        assert_eq!(Known::from_text(&text.replace("ab", "..")), None);
        assert_eq!(Known::from_text(&format!("{text}f 1 2 3\0")), None);
        assert_eq!(Known::from_text(""), None);
    }
}
