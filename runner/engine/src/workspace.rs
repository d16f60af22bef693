//! Folders on the runner's host: one for each run, in it one for each job.

use crate::database::make_private_folder;
use pawl_core::ids::{JobKey, RunId};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fs, io::Write};

/// The folders of one run, under the store's `work` folder.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder {
    run: PathBuf,
    jobs: PathBuf,
}

impl RunFolder {
    /// The folder of this run. Nothing is made yet.
    pub(crate) fn new(work: &Path, run: &RunId) -> Self {
        let run = work.join(&run.0);
        Self { jobs: run.join("jobs"), run }
    }

    /// The folder of the jobs' workspaces.
    pub(crate) fn jobs(&self) -> &Path {
        &self.jobs
    }

    /// The workspace of a job, whether it exists or not.
    pub(crate) fn job(&self, job: &JobKey) -> PathBuf {
        self.jobs.join(job.file_name())
    }

    /// The folder with the socket that the actions of a job find artifacts and caches at.
    pub(crate) fn door(&self, job: &JobKey) -> PathBuf {
        self.run.join("doors").join(job.file_name())
    }

    /// Makes a job's workspace. With `keep`, what an earlier process left stays; else it is made empty.
    pub(crate) fn make_job(&self, job: &JobKey, keep: bool) -> Result<PathBuf> {
        let folder = self.job(job);
        if !keep && folder.symlink_metadata().is_ok() {
            fs::remove_dir_all(&folder)?;
        }
        make_private_folder(&self.run)?;
        fs::create_dir_all(&folder)?;
        // Steps may run as any user of their sandbox; others on this host are kept out by the run's folder above.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
        Ok(folder)
    }

    /// Writes the payload of the run's event for the steps of its jobs, at the first call.
    pub(crate) fn write_event(&self, payload: &serde_json::Value) -> Result<()> {
        let file = self.run.join("event.json");
        if file.exists() {
            return Ok(());
        }
        make_private_folder(&self.run)?;
        // Put in its place whole: a job that starts at the same time must not see half of it.
        let half = self.run.join("event.json.new");
        fs::write(&half, serde_json::to_vec_pretty(payload)?)?;
        // Steps may run as any user of their sandbox; others on this host are kept out by the run's folder.
        fs::set_permissions(&half, fs::Permissions::from_mode(0o644))?;
        fs::rename(half, file)
    }

    /// The run's random word, made at the first call. It is kept beside the workspaces, where no sandbox sees it.
    pub(crate) fn nonce(&self) -> Result<String> {
        let file = self.run.join("nonce");
        match fs::read_to_string(&file) {
            Ok(nonce) if nonce.len() == 32 => return Ok(nonce),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        make_private_folder(&self.run)?;
        let word = fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().replace('-', "");
        if word.len() != 32 {
            return Err(Error::other("the kernel gave no random word"));
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&file)?.write_all(word.as_bytes())?;
        Ok(word)
    }

    /// Removes everything of the run. Links are removed, never followed.
    pub(crate) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.run) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RunFolder;
    use pawl_core::ids::{JobKey, RunId};

    #[test]
    fn a_new_job_has_an_empty_folder_and_a_resumed_one_keeps_its_files() {
        let work = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(work.path(), &RunId("r".to_owned()));
        let job = JobKey("a~1".to_owned());
        let path = folder.make_job(&job, false).unwrap();
        std::fs::write(path.join("file"), "x").unwrap();
        assert_eq!(folder.make_job(&job, true).unwrap(), path);
        assert!(path.join("file").exists());
        folder.make_job(&job, false).unwrap();
        assert!(!path.join("file").exists());
    }

    #[test]
    fn removing_does_not_follow_links() {
        let work = tempfile::tempdir().unwrap();
        let precious = work.path().join("precious");
        std::fs::write(&precious, "x").unwrap();
        let folder = RunFolder::new(work.path(), &RunId("r".to_owned()));
        let path = folder.make_job(&JobKey("a".to_owned()), false).unwrap();
        std::os::unix::fs::symlink(work.path(), path.join("out")).unwrap();
        folder.remove().unwrap();
        folder.remove().unwrap();
        assert!(!path.exists() && precious.exists());
    }

    #[test]
    fn the_random_word_stays_the_same_and_differs_between_runs() {
        let work = tempfile::tempdir().unwrap();
        let one = RunFolder::new(work.path(), &RunId("r1".to_owned()));
        let two = RunFolder::new(work.path(), &RunId("r2".to_owned()));
        assert_eq!(one.nonce().unwrap(), one.nonce().unwrap());
        assert_ne!(one.nonce().unwrap(), two.nonce().unwrap());
    }
}
