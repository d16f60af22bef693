//! Which sha256 an object has: md5 names it, but whoever wants can make two files with one md5.

use crate::VersionError;
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The known pairs, one a line in a file that only grows.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    known: OnceLock<HashMap<String, String>>,
    new: Mutex<Vec<(String, String)>>,
}

impl Index {
    /// The pairs of the file at `path`, read when the first is asked for.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, known: OnceLock::new(), new: Mutex::new(Vec::new()) }
    }

    /// The sha256 of the object with this md5, if it was seen before.
    pub(crate) fn get(&self, md5: &str) -> Option<&str> {
        self.known().get(md5).map(String::as_str)
    }

    /// Takes note of a pair, for [`Index::write`].
    pub(crate) fn note(&self, md5: &str, sha256: &str) {
        if self.get(md5).is_none() {
            self.pending().push((md5.to_owned(), sha256.to_owned()));
        }
    }

    /// Adds what was noted to the file. One write: a line that a crash cut off is skipped by whoever reads.
    pub(crate) fn write(&self) -> Result<(), VersionError> {
        let new = std::mem::take(&mut *self.pending());
        if new.is_empty() {
            return Ok(());
        }
        let text: String = new.iter().map(|(md5, sha256)| format!("{md5} {sha256}\n")).collect();
        let fault = |error| VersionError::io(&self.path, &error);
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(fault)?;
        }
        let mut file =
            OpenOptions::new().create(true).append(true).open(&self.path).map_err(fault)?;
        file.write_all(text.as_bytes()).map_err(fault)
    }

    fn known(&self) -> &HashMap<String, String> {
        self.known.get_or_init(|| {
            // Without the file nothing is known yet, and md5 alone is compared.
            let text = fs::read_to_string(&self.path).unwrap_or_default();
            let pairs = text.lines().filter_map(|line| line.split_once(' '));
            pairs
                .filter(|(md5, sha256)| md5.len() == 32 && sha256.len() == 64)
                .map(|(md5, sha256)| (md5.to_owned(), sha256.to_owned()))
                .collect()
        })
    }

    fn pending(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.new.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
