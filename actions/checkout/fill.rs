//! Filling a workspace with the files of a tree: as many at once as there are cores, by reflink where the file system has
//! them. Nothing of the tree is linked to: a step may change its copy.

use super::git::Entry;
use super::kept::{Known, Print, Record, attributes};
use crate::action::ActionError;
use crate::workspace::{Workspace, WorkspaceError, leads_out};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Most threads: more do not make a disk faster.
const MAX_THREADS: usize = 8;

/// Files up to this size are read and written in one go each; larger ones are copied by the kernel.
const SMALL: u64 = 1 << 20;

/// What was brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) files: usize,
    pub(super) bytes: u64,
    /// Entries that are neither files nor links, such as submodules.
    pub(super) skipped: Vec<String>,
    /// How the copies looked when they were made.
    pub(super) copied: Known,
}

impl Filled {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.skipped.extend(other.skipped);
        self.copied.files.extend(other.copied.files);
        self.copied.folders.extend(other.copied.folders);
    }
}

/// What all threads of one filling share.
struct Work<'a> {
    source: &'a Workspace,
    target: &'a Workspace,
    /// Folder of the target.
    folder: &'a str,
    /// What the target holds already.
    known: &'a Known,
    /// The file system said that it has no reflinks.
    is_plain: AtomicBool,
}

/// Copies the entries, which are in order of their paths, into a folder of the workspace. A file that is there and `known`, and was
/// made from what the source still is, stays.
pub(super) fn fill(
    source: &Workspace,
    entries: &[Entry],
    target: &Workspace,
    folder: &str,
    known: &Known,
) -> Result<Filled, ActionError> {
    let mut folders: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        let above = entry.path.rsplit_once('/').map_or(".", |(above, _)| above);
        folders.entry(above).or_default().push(entry);
    }
    let folders: Vec<(&str, Vec<&Entry>)> = folders.into_iter().collect();
    let work = Work { source, target, folder, known, is_plain: AtomicBool::new(false) };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // A thread for a handful of files costs more than it brings.
    let threads = threads.min(MAX_THREADS).min(1 + entries.len() / 256);
    let next = AtomicUsize::new(0);
    let mut filled = Filled::default();
    std::thread::scope(|scope| {
        let worker = || {
            let mut part = Filled::default();
            while let Some((above, entries)) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
                fill_folder(&work, above, entries, &mut part)?;
            }
            Ok::<Filled, ActionError>(part)
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        for handle in handles {
            let broke_off = |_| ActionError::internal("copying broke off");
            filled.add(handle.join().map_err(broke_off)??);
        }
        Ok::<(), ActionError>(())
    })?;
    filled.skipped.sort();
    Ok(filled)
}

fn fill_folder(
    work: &Work<'_>,
    above: &str,
    entries: &[&Entry],
    filled: &mut Filled,
) -> Result<(), ActionError> {
    let from = match work.source.open_dir(above) {
        // Deleted with everything in it, but not yet in the index.
        Err(WorkspaceError::Missing(_)) => return Ok(()),
        opened => opened?,
    };
    let to = work.target.make_dir(&format!("{}/{above}", work.folder))?;
    let failed = |errno: Errno| ActionError::environment(format!("{above}: {errno}"), "");
    let stat = rustix::fs::fstat(&to).map_err(failed)?;
    filled.copied.folders.insert(above.to_owned(), attributes(&stat));
    let mut buffer = Vec::new();
    for entry in entries {
        let name = entry.path.rsplit_once('/').map_or(entry.path.as_str(), |(_, name)| name);
        if let Some(target) = &entry.link {
            bring_link(&to, name, &entry.path, target)?;
            filled.files += 1;
            continue;
        }
        if let Some(record) = work.known.files.get(&entry.path)
            && is_unchanged((&from, &to), name, record)
        {
            filled.files += 1;
            filled.bytes += record.size();
            filled.copied.files.insert(entry.path.clone(), *record);
            continue;
        }
        match bring_file(work, (&from, &to), name, &mut buffer) {
            Ok(Brought::File(record)) => {
                filled.files += 1;
                filled.bytes += record.size();
                filled.copied.files.insert(entry.path.clone(), record);
            }
            Ok(Brought::Nothing) => {}
            Ok(Brought::Other) => filled.skipped.push(entry.path.clone()),
            Err(error) => {
                return Err(ActionError::environment(format!("{}: {error}", entry.path), ""));
            }
        }
    }
    Ok(())
}

fn bring_link(to: &OwnedFd, name: &str, path: &str, target: &str) -> Result<(), ActionError> {
    if leads_out(path, target) {
        return Err(ActionError::input(
            format!("the link {path} leads out of the source tree, to {target}"),
            "replace it by a file, or leave it out with .gitignore",
        ));
    }
    let link = || rustix::fs::symlinkat(target, to, name);
    let made = match link() {
        Err(Errno::EXIST) => rustix::fs::unlinkat(to, name, AtFlags::empty()).and_then(|()| link()),
        made => made,
    };
    made.map_err(|errno| ActionError::environment(format!("{path}: {errno}"), ""))
}

/// The copy and its source are both as they were when the copy was made.
fn is_unchanged((from, to): (&OwnedFd, &OwnedFd), name: &str, record: &Record) -> bool {
    let is = |folder: &OwnedFd, print: Print| {
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| Print::of(&stat) == print)
    };
    is(to, record.copy) && is(from, record.source)
}

enum Brought {
    /// A file, as it and its source are now.
    File(Record),
    /// The tree does not have it: deleted, but not yet in the index.
    Nothing,
    /// It is neither file nor link.
    Other,
}

fn bring_file(
    work: &Work<'_>,
    (from, to): (&OwnedFd, &OwnedFd),
    name: &str,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Brought> {
    // NONBLOCK: opening a pipe must not wait for its writer. It means nothing for a regular file.
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let source = match rustix::fs::openat(from, name, flags, Mode::empty()) {
        Ok(source) => File::from(source),
        Err(Errno::NOENT) => return Ok(Brought::Nothing),
        Err(Errno::LOOP | Errno::NXIO) => return Ok(Brought::Other),
        Err(errno) => return Err(errno.into()),
    };
    let stat = rustix::fs::fstat(&source)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(Brought::Other);
    }
    let mut target = File::from(create(to, name)?);
    copy(work, &source, &mut target, &stat, buffer)?;
    let mode = if stat.st_mode & 0o100 != 0 { 0o755 } else { 0o644 };
    rustix::fs::fchmod(&target, Mode::from_raw_mode(mode))?;
    rustix::fs::futimens(&target, &times(&stat))?;
    let copy = Print::of(&rustix::fs::fstat(&target)?);
    // As it was before it was read: whoever changes it meanwhile makes the copy an old one.
    Ok(Brought::File(Record { copy, source: Print::of(&stat) }))
}

/// A new file in the place of whatever file or link has its name.
fn create(to: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let make = || rustix::fs::openat(to, name, flags, Mode::from_raw_mode(0o600));
    match make() {
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(to, name, AtFlags::empty())?;
            make()
        }
        made => made,
    }
}

fn copy(
    work: &Work<'_>,
    source: &File,
    target: &mut File,
    stat: &Stat,
    buffer: &mut Vec<u8>,
) -> std::io::Result<()> {
    if !work.is_plain.load(Ordering::Relaxed) {
        // A reflink shares the blocks until one side writes.
        match rustix::fs::ioctl_ficlone(&*target, source) {
            Ok(()) => return Ok(()),
            Err(_) => work.is_plain.store(true, Ordering::Relaxed),
        }
    }
    let mut source = source;
    if u64::try_from(stat.st_size).is_ok_and(|size| size <= SMALL) {
        buffer.clear();
        source.take(SMALL + 1).read_to_end(buffer)?;
        target.write_all(buffer)?;
    }
    // What is left of a larger one, or of one that grew; by copy_file_range where the system has it.
    std::io::copy(&mut source, target).map(drop)
}

/// The times of the tree's file: git in the job then sees at a glance that it is unchanged.
fn times(stat: &Stat) -> Timestamps {
    let time =
        Timespec { tv_sec: stat.st_mtime, tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or(0) };
    Timestamps { last_access: time, last_modification: time }
}
