//! `hashFiles` on a job's workspace, whose content is hostile. The algorithm is GitHub's: the SHA-256 of the digests of the
//! files, in the order in which its glob package finds them.

use pawl_core::file_patterns::FilePatterns;
use pawl_core::ids::{JobKey, StepPath};
use pawl_core::ports::JobFiles;
use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest time for one hash: GitHub's limit.
const TIME: Duration = Duration::from_secs(120);

/// Most files and folders that are looked at: more is a pattern that was meant otherwise.
const MAX_ENTRIES: usize = 500_000;

/// Times that an open is repeated when something else renames folders at the same moment.
const MAX_RACES: usize = 16;

/// Which question of which step: asked again, it gets the same answer, whatever the step has done meanwhile.
type Question = (JobKey, StepPath, Vec<String>);

/// The workspaces of a run.
#[derive(Debug)]
pub(crate) struct WorkspaceHashes {
    jobs: PathBuf,
    known: Mutex<HashMap<Question, Result<String, String>>>,
}

impl WorkspaceHashes {
    /// `jobs` is the folder of the jobs' workspaces.
    pub(crate) fn new(jobs: &Path) -> Self {
        Self { jobs: jobs.to_owned(), known: Mutex::default() }
    }
}

impl JobFiles for WorkspaceHashes {
    fn hash(
        &self,
        job: &JobKey,
        step: &StepPath,
        arguments: &[String],
        workspace: &str,
    ) -> Result<String, String> {
        let question = (job.clone(), step.clone(), arguments.to_vec());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = known.entry(question).or_insert_with(|| {
            let patterns = FilePatterns::new(arguments, workspace)?;
            hash(&self.jobs.join(&job.0), &patterns)
        });
        answer.clone()
    }
}

/// The digest in hex, or nothing when no file is meant.
fn hash(workspace: &Path, patterns: &FilePatterns) -> Result<String, String> {
    let end = Instant::now() + TIME;
    let mut digest = Sha256::new();
    let found = visit(workspace, patterns, &mut |path, file| {
        digest.update(digest_of(file, path, end)?);
        Ok(())
    })?;
    match found.files {
        0 => Ok(String::new()),
        _ => Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

/// What a search came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// Files that were meant.
    pub(crate) files: usize,
}

/// What is done with each file.
type Take<'a> = dyn FnMut(&[String], File) -> Result<(), String> + 'a;

/// Opens every file that is meant, in the order in which GitHub's glob package finds them.
pub(crate) fn visit(
    workspace: &Path,
    patterns: &FilePatterns,
    take: &mut Take<'_>,
) -> Result<Found, String> {
    let root = match rustix::fs::open(workspace, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(root) => root,
        Err(Errno::NOENT) => return Ok(Found { files: 0 }),
        Err(error) => return Err(format!("the workspace cannot be opened: {error}")),
    };
    let mut search =
        Search { root, patterns, take, files: 0, entries: 0, end: Instant::now() + TIME };
    for root in patterns.roots() {
        search.visit(&root, &mut Vec::new())?;
    }
    Ok(Found { files: search.files })
}

struct Search<'a, 't> {
    root: OwnedFd,
    patterns: &'a FilePatterns,
    take: &'a mut Take<'t>,
    files: usize,
    entries: usize,
    end: Instant,
}

impl Search<'_, '_> {
    /// Looks at a file or folder. `above` are the folders that it is in, to notice a loop of links.
    fn visit(&mut self, path: &[String], above: &mut Vec<(u64, u64)>) -> Result<(), String> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES || Instant::now() > self.end {
            return Err(format!(
                "it looks at too much: at most {MAX_ENTRIES} files and folders, and {} s",
                TIME.as_secs()
            ));
        }
        match self.folder(path)? {
            None if self.patterns.takes(path) => self.found(path),
            Some(folder) if self.patterns.may_hold(path) => {
                let facts = rustix::fs::fstat(&folder).map_err(|error| fault(path, error))?;
                let identity = (facts.st_dev, facts.st_ino);
                if above.contains(&identity) {
                    return Ok(());
                }
                above.push(identity);
                for name in names(&folder, path)? {
                    let inner: Vec<String> = path.iter().cloned().chain([name]).collect();
                    self.visit(&inner, above)?;
                }
                above.pop();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The folder at this path; `None` when there is something else, or nothing.
    fn folder(&self, path: &[String]) -> Result<Option<OwnedFd>, String> {
        let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        if !self.patterns.follows_links {
            flags |= OFlags::NOFOLLOW;
        }
        match self.open(path, flags) {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => Ok(None),
            // A link that leads out: what it is, is found out when it is wanted.
            Err(Errno::XDEV) => Ok(None),
            Err(error) => Err(fault(path, error)),
        }
    }

    fn open(&self, path: &[String], flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { ".".to_owned() } else { path.join("/") };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut races = 0;
        loop {
            match openat2(&self.root, &path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) if races < MAX_RACES => races += 1,
                result => return result,
            }
        }
    }

    fn found(&mut self, path: &[String]) -> Result<(), String> {
        // Not blocking: it may be a pipe.
        let file = match self.open(path, OFlags::RDONLY | OFlags::NONBLOCK) {
            Ok(file) => File::from(file),
            // Where patterns look for a file that is not there, there is none.
            Err(Errno::NOENT) if !self.is_link(path) => return Ok(()),
            Err(error) => return Err(fault(path, error)),
        };
        let facts = file.metadata().map_err(|error| format!("{}: {error}", path.join("/")))?;
        if facts.is_dir() {
            // A link to a folder, which is not followed.
            return Ok(());
        }
        if !facts.is_file() {
            return Err(format!("{} is not a regular file", path.join("/")));
        }
        self.files += 1;
        (self.take)(path, file)
    }

    fn is_link(&self, path: &[String]) -> bool {
        self.open(path, OFlags::PATH | OFlags::NOFOLLOW).is_ok()
    }
}

fn digest_of(mut file: File, path: &[String], end: Instant) -> Result<Vec<u8>, String> {
    let mut digest = Sha256::new();
    let mut chunk = vec![0_u8; 256 << 10];
    loop {
        let count =
            file.read(&mut chunk).map_err(|error| format!("{}: {error}", path.join("/")))?;
        if count == 0 {
            return Ok(digest.finalize().to_vec());
        }
        if Instant::now() > end {
            return Err(format!("it takes longer than {} s", TIME.as_secs()));
        }
        digest.update(&chunk[..count]);
    }
}

/// The names in a folder, sorted by their bytes as node reads them. One that is not UTF-8 cannot be written in a pattern.
fn names(folder: &OwnedFd, path: &[String]) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(|error| fault(path, error))? {
        let entry = entry.map_err(|error| fault(path, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
        if names.len() > MAX_ENTRIES {
            return Err(format!("{} holds too many files", path.join("/")));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn fault(path: &[String], error: Errno) -> String {
    let path = path.join("/");
    match error {
        Errno::XDEV => format!("{path} leads out of the workspace"),
        Errno::NOENT => format!("{path} is a link to nothing"),
        error => format!("{path}: {error}"),
    }
}

#[cfg(test)]
mod tests;
