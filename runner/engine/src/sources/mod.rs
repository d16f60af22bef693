//! Actions and workflows of other repositories: fetched once per commit, kept by commit, found by name.
//!
//! One bare repository under the store takes shallow fetches of single commits; the files of each are written once, read-only,
//! to a folder named by the commit, and held against their digest at every use. `pawl.lock` says which commit a name means.
//! Why it is built so: `docs/design/0002-action-sources.md`.

mod git;
mod refs;
mod tree;

use git::{Git, GitFault, Limits};
use pawl_core::lock::{LOCK_FILE, Lock, LockedAction, is_full_sha};
use refs::{Meaning, RemoteRef};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tree::TreeFault;

/// Time for a server to list its refs.
const LISTING: Duration = Duration::from_secs(60);

/// Time for one commit to come: a gigabyte over a slow line.
const FETCHING: Duration = Duration::from_secs(900);

/// Bytes of one fetch. The largest action repositories have some hundred MiB in one commit.
const FETCH_BYTES: u64 = 1 << 30;

/// For the history alone, without files: it only serves a warning or a better message.
const HISTORY: Limits = Limits { time: Duration::from_secs(60), bytes: 256 << 20 };

/// Where actions come from.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// Folder of this part of the store.
    pub folder: PathBuf,
    /// Address that `OWNER/REPO` is put after, such as GitHub's own: an `https`, `http`, `ssh` or `file` URL.
    pub server: String,
    /// Never speak with a server.
    pub offline: bool,
    /// Never change the lock.
    pub locked: bool,
    /// `OWNER/REPO[@REF]` and the folder, or bare repository, that stands for it. The first one that fits wins; one with the
    /// same reference goes before one without.
    pub overrides: Vec<(String, PathBuf)>,
    /// `PATH`, proxies and certificates for git.
    pub env: Vec<(String, String)>,
}

/// Files of a repository at one commit, or of a folder that stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTree {
    /// Its top folder. Read-only when it belongs to the store.
    pub folder: PathBuf,
    /// The commit; `None` for a plain folder.
    pub sha: Option<String>,
    /// What a person should know, such as a commit that no branch leads to.
    pub warnings: Vec<String>,
}

/// Why a source is not at hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// True when the machine or the network is to blame and not the workflow.
    pub is_environment: bool,
}

impl SourceError {
    fn input(message: String, hint: impl Into<String>) -> Self {
        Self { message, hint: hint.into(), is_environment: false }
    }

    fn environment(message: String, hint: impl Into<String>) -> Self {
        Self { message, hint: hint.into(), is_environment: true }
    }
}

impl From<io::Error> for SourceError {
    fn from(error: io::Error) -> Self {
        let hint = "check the permissions and the free space of the store";
        Self::environment(format!("cannot write the store of actions: {error}"), hint)
    }
}

/// The store of actions, and what is locked.
#[derive(Debug)]
pub struct Sources {
    settings: SourceSettings,
    git: Git,
    lock: Lock,
    /// Names that were asked for: what else the lock holds is not used.
    used: BTreeSet<String>,
    /// What servers said, once per repository and process.
    listings: HashMap<String, Vec<RemoteRef>>,
}

impl Sources {
    /// Nothing is made or asked before the first call.
    #[must_use]
    pub fn new(settings: SourceSettings, lock: Lock) -> Self {
        let git = Git { folder: settings.folder.join("git"), env: settings.env.clone() };
        Self { settings, git, lock, used: BTreeSet::new(), listings: HashMap::new() }
    }

    /// The lock as it is now: entries are added as names are resolved.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The lock without the entries that nobody asked for since this was made.
    pub fn pruned_lock(&self) -> Lock {
        let mut lock = self.lock.clone();
        lock.actions.retain(|name, _| self.used.contains(name));
        lock
    }

    /// The files that `repository` (`OWNER/REPO`) has at `reference`.
    ///
    /// # Errors
    /// There is no such repository or ref, the lock or `offline` forbids to ask, or git fails.
    pub fn tree(&mut self, repository: &str, reference: &str) -> Result<SourceTree, SourceError> {
        if let Some(place) = self.overridden(repository, reference) {
            return match is_bare(&place) {
                true => self.bare_tree(&place, repository, reference),
                false => Ok(SourceTree { folder: place, sha: None, warnings: Vec::new() }),
            };
        }
        let name = Lock::key(repository, reference);
        self.used.insert(name.clone());
        if let Some(entry) = self.lock.actions.get(&name).cloned() {
            let warnings = unreachable_warning(&name, &entry);
            return self.at_commit(repository, reference, &entry.sha, warnings);
        }
        if is_full_sha(reference) && self.is_stored(&reference.to_ascii_lowercase()) {
            return self.at_commit(repository, reference, &reference.to_ascii_lowercase(), vec![]);
        }
        self.may_resolve(&name)?;
        let url = self.url(repository);
        let (entry, mut warnings) = self.resolve(&url, repository, reference)?;
        let tree = self.at_commit(repository, reference, &entry.sha, Vec::new())?;
        warnings.extend(unreachable_warning(&name, &entry));
        warnings.extend(tree.warnings.clone());
        self.lock.actions.insert(name, entry);
        Ok(SourceTree { warnings, ..tree })
    }

    /// True when the files of this commit are in the store.
    pub fn is_stored(&self, sha: &str) -> bool {
        self.tree_folder(sha).is_dir()
    }

    /// Asks anew what `name` means the next time, although it is locked.
    pub fn forget(&mut self, name: &str) {
        self.lock.actions.remove(name);
    }

    fn may_resolve(&self, name: &str) -> Result<(), SourceError> {
        if self.settings.locked {
            let message = format!("{name} is not in {LOCK_FILE}, and --locked does not change it");
            return Err(SourceError::input(message, "write the lock with `pawl lock`"));
        }
        if self.settings.offline {
            let message = format!("{name} is not in {LOCK_FILE}, and --offline asks no server");
            let hint =
                "run `pawl lock` once with the network, or name a folder: --action OWNER/REPO=DIR";
            return Err(SourceError::input(message, hint));
        }
        Ok(())
    }

    // ------------------------------------------------------------ overrides

    fn overridden(&self, repository: &str, reference: &str) -> Option<PathBuf> {
        let with_reference = format!("{repository}@{reference}");
        let find = |wanted: &str| {
            let mut all = self.settings.overrides.iter();
            all.find(|(spec, _)| spec.eq_ignore_ascii_case(wanted)).map(|(_, place)| place.clone())
        };
        find(&with_reference).or_else(|| find(repository))
    }

    /// A bare repository on this machine: the same way as from a server, without one, and without the lock.
    fn bare_tree(
        &mut self,
        place: &Path,
        repository: &str,
        reference: &str,
    ) -> Result<SourceTree, SourceError> {
        let place = place.canonicalize()?;
        let url = format!("file://{}", place.display());
        let (entry, mut warnings) = self.resolve(&url, repository, reference)?;
        let name = Lock::key(repository, reference);
        warnings.extend(unreachable_warning(&name, &entry));
        self.fetch_into_store(&url, &name, &entry.sha, &mut warnings)?;
        let folder = self.tree_folder(&entry.sha);
        Ok(SourceTree { folder, sha: Some(entry.sha), warnings })
    }

    // ------------------------------------------------------------ names to commits

    fn url(&self, repository: &str) -> String {
        format!("{}/{repository}", self.settings.server.trim_end_matches('/'))
    }

    fn resolve(
        &mut self,
        url: &str,
        repository: &str,
        reference: &str,
    ) -> Result<(LockedAction, Vec<String>), SourceError> {
        let refs = self.listing(url, repository)?;
        match refs::meaning(&refs, reference) {
            Meaning::Ref { found, shadowed } => {
                let warning = shadowed.map(|other| {
                    format!(
                        "{repository} has both {} and {}, which differ; the first is taken",
                        found.name, other.name
                    )
                });
                let entry =
                    LockedAction { sha: found.sha, reference: Some(found.name), reachable: true };
                Ok((entry, warning.into_iter().collect()))
            }
            Meaning::Commit(sha) => {
                let is_tip = refs.iter().any(|known| known.sha == sha);
                // Where it cannot be told, nothing is said.
                let reachable = is_tip || self.history(url).is_none_or(|all| all.contains(&sha));
                Ok((LockedAction { sha, reference: None, reachable }, Vec::new()))
            }
            Meaning::Short(full) => Err(self.short(url, repository, reference, full)),
            Meaning::Nothing(close) => {
                let message = format!("{repository} has no branch or tag '{reference}'");
                let hint = match close.is_empty() {
                    true => format!("see which there are: git ls-remote {url}"),
                    false => format!("close to it: {}", close.join(", ")),
                };
                Err(SourceError::input(message, hint))
            }
        }
    }

    fn short(
        &self,
        url: &str,
        repository: &str,
        reference: &str,
        tip: Option<String>,
    ) -> SourceError {
        let lower = reference.to_ascii_lowercase();
        let full = tip.or_else(|| {
            let history = self.history(url)?;
            history.into_iter().find(|sha| sha.starts_with(&lower))
        });
        let message = format!(
            "'{reference}' is a shortened commit id, which GitHub does not take: another commit may come to share it"
        );
        let hint = match full {
            Some(full) => format!("write the full one: {repository}@{full}"),
            None => "write all 40 digits of the commit".to_owned(),
        };
        SourceError::input(message, hint)
    }

    fn listing(&mut self, url: &str, repository: &str) -> Result<Vec<RemoteRef>, SourceError> {
        if let Some(known) = self.listings.get(url) {
            return Ok(known.clone());
        }
        let limits = Limits { time: LISTING, bytes: 64 << 20 };
        let arguments = ["ls-remote", "--quiet", "--heads", "--tags", "--", url];
        let listing = self
            .git
            .call(&arguments, None, protocol(url), limits)
            .map_err(|fault| unreachable_server(repository, url, &fault))?;
        let refs = refs::parse(&String::from_utf8_lossy(&listing));
        self.listings.insert(url.to_owned(), refs.clone());
        Ok(refs)
    }

    /// Every commit that a branch or tag leads to, without any file; `None` when the server or the limits do not allow it.
    fn history(&self, url: &str) -> Option<BTreeSet<String>> {
        let folder = self.settings.folder.join(format!("history-{}", std::process::id()));
        let git = Git { folder: folder.clone(), env: self.git.env.clone() };
        let clone = || {
            fs::create_dir_all(&self.settings.folder).ok()?;
            let place = folder.display().to_string();
            let arguments =
                ["clone", "--quiet", "--bare", "--template=", "--filter=tree:0", "--", url, &place];
            git.call(&arguments, None, protocol(url), HISTORY).ok()?;
            let listing = git.run(&["rev-list", "--all"], "", HISTORY).ok()?;
            let text = String::from_utf8(listing).ok()?;
            Some(text.lines().map(str::to_owned).collect())
        };
        let all = clone();
        // What is left is only a folder that the next call removes.
        let _ = fs::remove_dir_all(&folder);
        all
    }

    // ------------------------------------------------------------ commits to files

    fn tree_folder(&self, sha: &str) -> PathBuf {
        self.settings.folder.join("trees").join(sha)
    }

    fn at_commit(
        &self,
        repository: &str,
        reference: &str,
        sha: &str,
        mut warnings: Vec<String>,
    ) -> Result<SourceTree, SourceError> {
        let name = Lock::key(repository, reference);
        let folder = self.tree_folder(sha);
        if !folder.is_dir() || !tree::is_sound(&folder) {
            if self.settings.offline {
                let message =
                    format!("{name} ({sha}) is not in the store, and --offline asks no server");
                let hint = "fetch it once with the network: `pawl lock`";
                return Err(SourceError::input(message, hint));
            }
            self.fetch_into_store(&self.url(repository), &name, sha, &mut warnings)?;
        }
        Ok(SourceTree { folder, sha: Some(sha.to_owned()), warnings })
    }

    /// Fetches one commit and writes its files, unless another process has just done so.
    fn fetch_into_store(
        &self,
        url: &str,
        name: &str,
        sha: &str,
        warnings: &mut Vec<String>,
    ) -> Result<(), SourceError> {
        fs::create_dir_all(&self.settings.folder)?;
        // One fetch at a time: git's own lock files make a second one fail instead of wait.
        let guard = fs::File::create(self.settings.folder.join("lock"))?;
        guard.lock()?;
        let folder = self.tree_folder(sha);
        if folder.is_dir() {
            if tree::is_sound(&folder) {
                return Ok(());
            }
            warnings.push(format!("the stored files of {name} were changed and are written anew"));
            tree::remove(&folder)?;
        }
        self.git.init().map_err(|fault| broken_store(&fault))?;
        if !self.has_commit(sha) {
            self.fetch(url, name, sha)?;
        }
        let left_out =
            tree::extract(&self.git, sha, &folder).map_err(|fault| unsound(name, fault))?;
        warnings.extend(left_out.iter().map(|what| format!("{name}: left out: {what}")));
        Ok(())
    }

    fn has_commit(&self, sha: &str) -> bool {
        let limits = Limits { time: LISTING, bytes: 1 << 20 };
        let name = format!("refs/pawl/{sha}");
        self.git.run(&["rev-parse", "--verify", "--quiet", &name], "", limits).is_ok()
    }

    fn fetch(&self, url: &str, name: &str, sha: &str) -> Result<(), SourceError> {
        let refspec = format!("+{sha}:refs/pawl/{sha}");
        let arguments = [
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--",
            url,
            &refspec,
        ];
        let limits = Limits { time: FETCHING, bytes: FETCH_BYTES };
        match self.git.run(&arguments, protocol(url), limits) {
            Ok(_) => Ok(()),
            Err(GitFault::Failed(reason)) if is_unknown_commit(&reason) => {
                let message = format!("{name}: the repository does not have the commit {sha}");
                Err(SourceError::input(message, format!("look whether it still exists at {url}")))
            }
            Err(fault) => Err(unreachable_server(name, url, &fault)),
        }
    }
}

/// Removes a folder of the store with everything in it, read-only as its parts are.
///
/// # Errors
/// The disk refuses.
pub fn remove_folder(folder: &Path) -> io::Result<()> {
    tree::remove(folder)
}

/// True for a folder that is a repository without a work tree.
fn is_bare(folder: &Path) -> bool {
    folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir()
}

fn protocol(url: &str) -> &str {
    match url.split_once("://") {
        Some((scheme @ ("https" | "http" | "ssh" | "file"), _)) => scheme,
        // Nothing else is spoken: git then refuses with its own words.
        _ => "",
    }
}

fn unreachable_warning(name: &str, entry: &LockedAction) -> Vec<String> {
    if entry.reachable {
        return Vec::new();
    }
    vec![format!(
        "{name}: no branch and no tag of the repository leads to this commit; it may come from a fork (an impostor commit)"
    )]
}

fn is_unknown_commit(reason: &str) -> bool {
    ["not our ref", "did not send all necessary objects", "couldn't find remote ref"]
        .iter()
        .any(|words| reason.contains(words))
}

/// A server that does not answer, or has no such repository: GitHub tells the two apart no more than this.
fn unreachable_server(what: &str, url: &str, fault: &GitFault) -> SourceError {
    let message = format!("cannot fetch {what} from {url}: {fault}");
    let GitFault::Failed(reason) = fault else {
        let hint = match fault {
            GitFault::Missing(_) => "install git: apt-get install git",
            GitFault::TooLarge(_) => "name a folder that holds it: --action OWNER/REPO=DIR",
            _ => "check the network, and try again",
        };
        return SourceError::environment(message, hint);
    };
    let gone =
        ["not found", "does not exist", "not appear to be a git repository", "Authentication"]
            .iter()
            .any(|words| reason.contains(words))
            || reason.contains("could not read Username");
    match gone {
        true => SourceError::input(
            message,
            "check the repository's name; a private one needs a folder: --action OWNER/REPO=DIR",
        ),
        false => SourceError::environment(
            message,
            "check the network, or run with --offline what is locked and stored",
        ),
    }
}

fn broken_store(fault: &GitFault) -> SourceError {
    let hint = match fault {
        GitFault::Missing(_) => "install git: apt-get install git",
        _ => "check the permissions and the free space of the store",
    };
    SourceError::environment(format!("cannot make the store of actions: {fault}"), hint)
}

fn unsound(name: &str, fault: TreeFault) -> SourceError {
    match fault {
        TreeFault::Unsound(reason) => SourceError::input(
            format!("{name} is not taken: {reason}"),
            "look at the repository, and name another commit",
        ),
        TreeFault::Git(fault) => broken_store(&fault),
        TreeFault::Disk(error) => error.into(),
    }
}
