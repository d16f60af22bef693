//! Files of a workspace, whose content is hostile: no link is followed on the way, and only a regular file is opened.

use crate::coordinator::Coordinator;
use crate::drive::StepKey;
use pawl_core::matcher::{MAX_FILE, MatcherChange, path_inside, read_file};
use pawl_core::resolve;
use rustix::fs::{Mode, OFlags, openat};
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::{Path, PathBuf};

/// Opens a file below `root`.
fn open(root: &Path, relative: &str) -> Result<File> {
    let mut folder = rustix::fs::open(root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let parts: Vec<&str> = relative.split('/').filter(|part| !part.is_empty()).collect();
    let Some((name, folders)) = parts.split_last() else {
        return Err(Error::from(ErrorKind::NotFound));
    };
    if parts.contains(&"..") {
        return Err(Error::other("it leads out of the workspace"));
    }
    let within = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for part in folders {
        folder = openat(&folder, *part, within, Mode::empty())?;
    }
    // Not blocking: the step may have put a pipe there.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(&folder, *name, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(Error::other("it is not a regular file")),
    }
}

fn read_text(root: &Path, relative: &str) -> Result<String> {
    let mut bytes = Vec::new();
    open(root, relative)?.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_FILE {
        return Err(Error::other(format!("it is larger than {MAX_FILE} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Error::other("it is not UTF-8"))
}

impl Coordinator<'_> {
    /// Adds the problem matchers of a file to the step's, or removes them. An error is for the user.
    pub(crate) fn change_matchers(
        &mut self,
        key: &StepKey,
        path: &str,
        add: bool,
    ) -> std::result::Result<(), String> {
        let command = if add { "add-matcher" } else { "remove-matcher" };
        let fault = |reason: String| format!("{command}: cannot use '{path}': {reason}");
        let (root, relative) = self
            .place_of(key, path)
            .ok_or_else(|| fault("it is neither in the workspace nor in an action".to_owned()))?;
        let text = read_text(&root, &relative).map_err(|error| fault(error.to_string()))?;
        if self.scrubber.masker.finds(&text) {
            return Err(fault("it holds a secret".to_owned()));
        }
        let configs = read_file(&text).map_err(fault)?;
        let Some(live) = self.live.get_mut(key) else { return Ok(()) };
        for config in configs {
            live.reader.change_matchers(match add {
                true => MatcherChange::Add(config),
                false => MatcherChange::Remove(config.owner),
            });
        }
        Ok(())
    }

    /// Where a file that a step names is on this host: a folder that is ours, and the path below it.
    fn place_of(&self, key: &StepKey, path: &str) -> Option<(PathBuf, String)> {
        let plan = self.state.plan.as_ref()?;
        let scope = self.scope(plan);
        let job = self.state.jobs.get(&key.job)?;
        let workspace = scope.workspace_of(self.state.planned(job)?, job);
        if let Some(relative) = path_inside(&workspace, path, "") {
            return Some((self.folder.job(&key.job), relative));
        }
        let mounts = resolve::job(&scope, &key.job).ok()?.mounts;
        mounts
            .into_iter()
            .find_map(|(folder, seen)| Some((PathBuf::from(folder), path_inside(&seen, path, "")?)))
    }

    /// True when the job's workspace has this file.
    pub(crate) fn is_in_workspace(&self, key: &StepKey, file: &str) -> bool {
        open(&self.folder.job(&key.job), file).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{open, read_text};
    use std::os::unix::fs::symlink;

    #[test]
    fn files_are_read_and_what_leads_out_or_blocks_is_not() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path();
        std::fs::create_dir(path.join("a")).unwrap();
        std::fs::write(path.join("a/b"), "text").unwrap();
        std::fs::write(path.join("long"), "x".repeat(super::MAX_FILE + 1)).unwrap();
        symlink("/etc", path.join("etc")).unwrap();
        symlink("a/b", path.join("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path.join("pipe"), 0o600.into()).unwrap();
        assert_eq!(read_text(path, "a//b").unwrap(), "text");
        for name in ["etc/passwd", "link", "pipe", "a", "gone", "", "../x", "long"] {
            assert!(read_text(path, name).is_err(), "{name}");
        }
        assert!(open(path, "a/b").is_ok());
    }
}
