//! Repositories of tests, and DVC itself.

use pawl_versions::{Progress, Repository, Surroundings, add};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Where DVC is, made once.
pub(crate) fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/images/python-dvc.sh");
        let output = Command::new("sh").arg(script).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "DVC cannot be installed");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

/// A git repository with versions.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
}

impl Place {
    pub(crate) fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let place = Self { folder };
        place.git(&["init", "-q"]);
        place.git(&["config", "user.email", "a@example.org"]);
        place.git(&["config", "user.name", "A"]);
        place
    }

    pub(crate) fn git(&self, arguments: &[&str]) {
        let status =
            Command::new("git").current_dir(&self.folder).args(arguments).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    }

    pub(crate) fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    /// Runs DVC, which must succeed.
    pub(crate) fn dvc(&self, arguments: &[&str]) -> Output {
        let output = Command::new(tools().join("bin/dvc"))
            .current_dir(&self.folder)
            .args(arguments)
            .env("HOME", tools())
            .env("DVC_NO_ANALYTICS", "1")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "dvc {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    pub(crate) fn open(&self) -> Repository {
        let keys = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        let variables = keys.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Repository::open(&self.folder, Surroundings { variables, ..Surroundings::default() })
            .unwrap()
    }

    pub(crate) fn add(&self, paths: &[&str]) {
        let paths: Vec<_> = paths.iter().map(PathBuf::from).collect();
        add(&self.open(), &paths, &Progress::default()).unwrap();
    }

    /// A clone that has what git would have of this one, and nothing else.
    pub(crate) fn clone_to(&self, folder: PathBuf) -> Self {
        let clone = Self::new(folder);
        self.git(&["add", "-A"]);
        let listed = Command::new("git")
            .current_dir(&self.folder)
            .args(["ls-files", "-z"])
            .output()
            .unwrap();
        for path in
            String::from_utf8(listed.stdout).unwrap().split('\0').filter(|path| !path.is_empty())
        {
            let to = clone.folder.join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(self.folder.join(path), to).unwrap();
        }
        clone
    }

    /// Every file with its content, and that of objects with its mode. Git's own and scratch files are left out.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, (Vec<u8>, u32)> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![self.folder.clone()];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let below = path.strip_prefix(&self.folder).unwrap().to_str().unwrap().to_owned();
                if below == ".git" || below == ".dvc/tmp" || below == ".dvc/config" {
                    continue;
                }
                if path.is_dir() {
                    waiting.push(path);
                    continue;
                }
                let is_object = below.starts_with(".dvc/cache");
                let mode = if is_object {
                    path.metadata().unwrap().permissions().mode() & 0o777
                } else {
                    0
                };
                found.insert(below, (fs::read(&path).unwrap(), mode));
            }
        }
        found
    }
}

pub(crate) fn same(a: &Place, b: &Place) {
    let (left, right) = (a.snapshot(), b.snapshot());
    for path in left.keys().chain(right.keys()) {
        let (x, y) = (left.get(path), right.get(path));
        let text = |side: Option<&(Vec<u8>, u32)>| {
            side.map(|(bytes, mode)| {
                (String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned(), *mode)
            })
        };
        assert!(x == y, "{path:?}: {:?} against {:?}", text(x), text(y));
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}
