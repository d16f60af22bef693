//! A repository with versions: where things are, and what it tracks.

use crate::VersionError;
use crate::cache::Cache;
use crate::config::Config;
use crate::diff::outs_of;
use crate::document;
use crate::git;
use crate::path::{fault_below, is_absence, normal};
use crate::pointer::Out;
use crate::tree::{self, Rules};
use rustix::fs::{FlockOperation, flock};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for another command in the same repository; a person would look by then what it does.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// What the command line knows and this crate must not find out by itself.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// DVC's configuration files of the system and of the user, in this order; they need not exist.
    pub config_files: Vec<PathBuf>,
    /// Stands for `~` in settings.
    pub home: Option<PathBuf>,
    /// Variables of the environment, from which clients of clouds take their credentials.
    pub variables: BTreeMap<String, String>,
}

impl Surroundings {
    /// Those that the variables of an environment lead to, as DVC looks for them.
    #[must_use]
    pub fn of(variables: BTreeMap<String, String>) -> Self {
        let path =
            |name: &str| variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = path("HOME");
        let of_user = path("XDG_CONFIG_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| Some(home.as_ref()?.join(".config")));
        let folders = [
            Some(path("DVC_SYSTEM_CONFIG_DIR").unwrap_or_else(|| "/etc/xdg/dvc".into())),
            path("DVC_GLOBAL_CONFIG_DIR").or_else(|| Some(of_user?.join("dvc"))),
        ];
        let config_files = folders.into_iter().flatten().map(|folder| folder.join("config"));
        Self { config_files: config_files.collect(), home, variables }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Variables hold credentials.
        f.debug_struct("Surroundings")
            .field("config_files", &self.config_files)
            .finish_non_exhaustive()
    }
}

/// A repository with `.dvc`. Has no `Debug`: settings of remotes hold passwords.
pub struct Repository {
    pub(crate) root: PathBuf,
    pub(crate) config: Config,
    pub(crate) surroundings: Surroundings,
    /// The folder that relative paths of the caller mean, absolute.
    folder: PathBuf,
}

/// An output and who says what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tracked {
    /// The pointer or lock, below the root.
    pub(crate) file: String,
    /// The stage, when a pipeline makes it.
    pub(crate) stage: Option<String>,
    pub(crate) out: Out,
}

/// Held while a command changes something. DVC's own lock, so that the two never work at once.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "the lock goes when the file is closed")] File);

impl Repository {
    /// The repository around `folder`.
    ///
    /// # Errors
    /// There is none, or its settings are wrong (input); it cannot be read (environment).
    pub fn open(folder: &Path, surroundings: Surroundings) -> Result<Self, VersionError> {
        let folder = fs::canonicalize(folder).map_err(|error| VersionError::io(folder, &error))?;
        let root =
            folder.ancestors().find(|above| above.join(".dvc").is_dir()).ok_or_else(|| {
                let hint = "run `pawl data init` in the top folder of the git repository";
                VersionError::input(
                    folder.display(),
                    "is in no repository with versions (.dvc)",
                    hint,
                )
            })?;
        let root = root.to_owned();
        let mut config = Config::default();
        let own = ["config", "config.local"].map(|name| root.join(".dvc").join(name));
        for file in surroundings.config_files.iter().chain(&own) {
            match fs::read_to_string(file) {
                Ok(text) => config.merge(&text, file, surroundings.home.as_deref())?,
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(VersionError::io(file, &error)),
            }
        }
        Ok(Self { root, config, surroundings, folder })
    }

    /// The top folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the cache, which is laid out as a remote is.
    #[must_use]
    pub fn cache_folder(&self) -> PathBuf {
        self.cache().folder().to_owned()
    }

    /// The path below the root that a path of the caller's means.
    pub(crate) fn below_root(&self, path: &Path) -> Result<String, VersionError> {
        let refuse = |reason: &str| {
            let hint = "name a file or folder inside of the repository";
            VersionError::input(path.display(), reason, hint)
        };
        let full = normal(&self.folder.join(path));
        let below = full
            .strip_prefix(&self.root)
            .map_err(|_| refuse("leads out of the repository"))?
            .to_str()
            .ok_or_else(|| refuse("the name is not UTF-8"))?
            .to_owned();
        if below.is_empty() {
            return Err(refuse("is the repository itself"));
        }
        fault_below(&below).map_or(Ok(below.clone()), |fault| Err(refuse(fault)))
    }

    /// The cache of objects.
    pub(crate) fn cache(&self) -> Cache {
        let own = self.root.join(".dvc/cache");
        Cache::new(self.config.cache.clone().unwrap_or(own), &self.root, &self.config)
    }

    /// Keeps other commands, DVC's too, out of the repository while the answer lives.
    pub(crate) fn hold(&self) -> Result<Held, VersionError> {
        let folder = self.root.join(".dvc/tmp");
        fs::create_dir_all(&folder).map_err(|error| VersionError::io(&folder, &error))?;
        let path = folder.join("lock");
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|error| VersionError::io(&path, &error))?;
        let begun = Instant::now();
        while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if begun.elapsed() > LOCK_WAIT {
                let reason = format!("another command works in this repository: {error}");
                let hint = "wait for the other pawl or dvc, or end it";
                return Err(VersionError::environment(path.display(), reason, hint));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.cache().forget_scraps();
        Ok(Held(file))
    }

    /// The patterns of what is no data.
    pub(crate) fn rules(&self) -> Result<Arc<Rules>, VersionError> {
        Rules::of_root(&self.root)
    }

    /// All outputs of pointers and pipelines, sorted by path. Two that lie in each other are refused.
    pub(crate) fn tracked(&self) -> Result<Vec<Tracked>, VersionError> {
        let mut all = Vec::new();
        for file in self.files()? {
            let text = document::read_text(&self.root, &file)?;
            let yaml = file.replace("dvc.lock", "dvc.yaml");
            let has_pipeline = !file.ends_with(".dvc") && self.root.join(&yaml).is_file();
            let pipeline = has_pipeline.then(|| document::read_text(&self.root, &yaml));
            all.extend(outs_of(&text, &file, pipeline.transpose()?.as_deref())?);
        }
        in_order(all)
    }

    /// Pointers and locks: those that git has and those that it would take; all of them where there is no git.
    fn files(&self) -> Result<Vec<String>, VersionError> {
        let rules = self.rules()?;
        let is_ours = |name: &str| name == "dvc.lock" || (name.ends_with(".dvc") && name != ".dvc");
        let names = match git::is_there(&self.root) {
            true => git::files(&self.root, &["*.dvc", ":(glob)**/dvc.lock"])?,
            // In the container of a job, which need not have git: everything is looked at.
            false => tree::find(&self.root, &rules, &is_ours)?,
        };
        let mut nested = BTreeMap::new();
        let mut files = Vec::new();
        for name in names.into_iter().collect::<BTreeSet<_>>() {
            let place = self.root.join(&name);
            let is_file = fs::symlink_metadata(&place).is_ok_and(|found| found.is_file());
            if is_file
                && fault_below(&name).is_none()
                && !self.is_nested(&name, &mut nested)
                && rules.beside(&self.root, &name, false)?.is_some()
            {
                files.push(name);
            }
        }
        Ok(files)
    }

    /// True in a folder that is a repository with versions of its own.
    fn is_nested(&self, path: &str, known: &mut BTreeMap<String, bool>) -> bool {
        path.match_indices('/').any(|(at, _)| {
            let folder = &path[..at];
            *known
                .entry(folder.to_owned())
                .or_insert_with(|| self.root.join(folder).join(".dvc").is_dir())
        })
    }
}

fn in_order(mut all: Vec<Tracked>) -> Result<Vec<Tracked>, VersionError> {
    all.sort_by(|a, b| a.out.path.cmp(&b.out.path));
    let by_path: BTreeMap<&str, &Tracked> =
        all.iter().map(|tracked| (tracked.out.path.as_str(), tracked)).collect();
    let refuse = |inner: &Tracked, outer: &Tracked| {
        VersionError::input(
            format!("{}:{}", inner.file, inner.out.line),
            format!("{:?} lies in {:?} of {}", inner.out.path, outer.out.path, outer.file),
            "let one of the two go: remove its pointer, and add the other again",
        )
    };
    if let Some(pair) = all.windows(2).find(|pair| pair[0].out.path == pair[1].out.path) {
        return Err(refuse(&pair[1], &pair[0]));
    }
    for tracked in &all {
        for (at, _) in tracked.out.path.match_indices('/') {
            if let Some(outer) = by_path.get(&tracked.out.path[..at]) {
                return Err(refuse(tracked, outer));
            }
        }
    }
    Ok(all)
}
