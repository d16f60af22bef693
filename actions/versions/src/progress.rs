//! How far a command has come, for whoever shows it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts that only grow while a command runs. A total of 0 is not known yet.
#[derive(Debug, Default)]
pub struct Progress {
    files: AtomicU64,
    bytes: AtomicU64,
    all_files: AtomicU64,
    all_bytes: AtomicU64,
}

impl Progress {
    /// Files that are done and bytes that went through, each with its total.
    #[must_use]
    pub fn counts(&self) -> ([u64; 2], [u64; 2]) {
        (
            [self.files.load(Relaxed), self.all_files.load(Relaxed)],
            [self.bytes.load(Relaxed), self.all_bytes.load(Relaxed)],
        )
    }

    /// More is to be done.
    pub(crate) fn expect(&self, files: u64, bytes: u64) {
        self.all_files.fetch_add(files, Relaxed);
        self.all_bytes.fetch_add(bytes, Relaxed);
    }

    /// Bytes went through.
    pub(crate) fn pass(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// A file is done.
    pub(crate) fn finish_file(&self) {
        self.files.fetch_add(1, Relaxed);
    }
}
