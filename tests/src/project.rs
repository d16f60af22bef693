//! A project folder, a store and a home that vanish with the test.

use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// See the module.
#[derive(Debug)]
pub struct Project {
    /// Held for its end: it removes the folder.
    _top: TempDir,
    folder: PathBuf,
    store: PathBuf,
    home: PathBuf,
}

impl Default for Project {
    fn default() -> Self {
        Self::new()
    }
}

impl Project {
    /// An empty project.
    ///
    /// # Panics
    /// The machine has no room for temporary files.
    pub fn new() -> Self {
        let top =
            tempfile::Builder::new().prefix("pawl-test-").tempdir().expect("a temporary folder");
        // macOS and some systems reach their temporary folder through a link.
        let path = top.path().canonicalize().expect("the folder was just made");
        let (folder, home) = (path.join("project"), path.join("home"));
        for made in [&folder, &home] {
            std::fs::create_dir(made).expect("a new folder is empty");
        }
        Self { _top: top, folder, store: path.join("store"), home }
    }

    /// Writes a file of the project, with its folders.
    ///
    /// # Panics
    /// It cannot be written.
    #[must_use]
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.join(name);
        let parent = path.parent().expect("a file lies in a folder");
        std::fs::create_dir_all(parent).expect("the folder can be made");
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self
    }

    /// The project's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The store's folder; not made yet.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// The user's home.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Every file of the store that holds `needle` in its bytes, or in its name.
    ///
    /// # Panics
    /// A file cannot be read.
    pub fn store_files_with(&self, needle: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.store.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("the store can be read") {
                let entry = entry.expect("the store can be read");
                let (path, kind) =
                    (entry.path(), entry.file_type().expect("the store can be read"));
                let holds = kind.is_file() && {
                    let bytes = std::fs::read(&path).expect("the store can be read");
                    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
                };
                if holds || path.to_string_lossy().contains(needle) {
                    found.push(path.clone());
                }
                if kind.is_dir() {
                    folders.push(path);
                }
            }
        }
        found
    }
}
