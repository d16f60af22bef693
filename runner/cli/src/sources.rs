//! Actions and called workflows of other repositories, as one command sees them: the settings, the project's lock file, and
//! what was found.

use crate::args::{SourceArgs, StoreArgs};
use crate::calls;
use crate::configuration;
use crate::error::CommandError;
use crate::files;
use crate::output::print_error;
use crate::settings::{pairs, store_folder};
use indexmap::IndexMap;
use pawl_core::lock::{LOCK_FILE, Lock, LockChange};
use pawl_core::plan::NodeRuntime;
use pawl_core::planner::{AbsentAction, LoadedAction, is_answered, missing_actions, node_wanted};
use pawl_core::workflow::{Uses, Workflow, uses_of};
use pawl_engine::node::{NodeSettings, provide};
use pawl_engine::sources::{SourceError, SourceSettings, Sources};
use std::path::{Path, PathBuf};

/// Where remote actions come from unless told otherwise: what `github.server_url` says, too.
const SERVER: &str = "https://github.com";

/// The variables that git needs of the user's own: how to find it, and the way through a proxy.
const GIT_VARIABLES: [&str; 10] = [
    "PATH",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "GIT_SSL_CAINFO",
    "SSL_CERT_FILE",
];

/// The sources of one project.
pub(crate) struct ProjectSources {
    sources: Sources,
    /// The lock as the file has it.
    before: Lock,
    file: PathBuf,
    project: PathBuf,
    has_overrides_of: Vec<String>,
    warned: Vec<String>,
    /// Built-in actions answer some of GitHub's own.
    has_answers: bool,
    node: NodeSettings,
}

/// What became of the actions that a workflow uses.
#[derive(Debug, Clone, Default)]
pub(crate) struct FoundActions {
    /// By `uses:` as written.
    pub(crate) loaded: IndexMap<String, LoadedAction>,
    /// Why the others are not at hand.
    pub(crate) absent: IndexMap<String, AbsentAction>,
    /// Node, when one of them needs it.
    pub(crate) node: Option<Result<NodeRuntime, AbsentAction>>,
}

impl FoundActions {
    /// Adds what another workflow uses.
    pub(crate) fn extend(&mut self, other: Self) {
        self.loaded.extend(other.loaded);
        self.absent.extend(other.absent);
        self.node = self.node.take().or(other.node);
    }
}

impl ProjectSources {
    /// Reads the project's lock. Nothing is fetched yet.
    ///
    /// # Errors
    /// The lock cannot be read, or an option is wrong.
    pub(crate) fn open(
        args: &SourceArgs,
        store: &StoreArgs,
        project: &Path,
    ) -> Result<Self, CommandError> {
        let config = configuration::load(Some(project))?.config;
        let offline = args.offline || config.offline.unwrap_or(false);
        let file = project.join(LOCK_FILE);
        let before = read_lock(&file)?;
        let overrides: Vec<(String, PathBuf)> = pairs("--action", &args.action)?
            .into_iter()
            .map(|(spec, place)| (spec, PathBuf::from(place)))
            .collect();
        let git_env = GIT_VARIABLES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .collect();
        let has_overrides_of = overrides.iter().map(|(spec, _)| spec.clone()).collect();
        let settings = SourceSettings {
            folder: store_folder(store.store.as_deref())?.join("actions"),
            server: args
                .actions_server
                .clone()
                .or_else(server_variable)
                .unwrap_or(SERVER.to_owned()),
            offline,
            locked: args.locked,
            overrides,
            env: git_env,
        };
        Ok(Self {
            sources: Sources::new(settings, before.clone()),
            before,
            file,
            project: project.to_owned(),
            has_overrides_of,
            warned: Vec::new(),
            has_answers: !args.real_actions && config.builtin_actions != Some(false),
            node: node_settings(offline, config.node.as_deref(), store)?,
        })
    }

    /// The actions that the workflow uses, and those that these use.
    ///
    /// # Errors
    /// The machine or the network is to blame. What the workflow is to blame for is in `absent`, for the planner to place.
    pub(crate) fn actions(&mut self, workflow: &Workflow) -> Result<FoundActions, CommandError> {
        let mut found = FoundActions::default();
        loop {
            let is_new = |uses: &String| !found.absent.contains_key(uses);
            let missing: Vec<String> =
                missing_actions(workflow, &found.loaded).into_iter().filter(is_new).collect();
            if missing.is_empty() {
                found.node = self.node(&found.loaded);
                return Ok(found);
            }
            for uses in missing {
                match self.action(&uses) {
                    Ok(action) => drop(found.loaded.insert(uses, action)),
                    Err(error) if error.is_environment => {
                        return Err(CommandError::environment(error.message, error.hint));
                    }
                    Err(error) => {
                        let absent = AbsentAction { message: error.message, help: error.hint };
                        found.absent.insert(uses, absent);
                    }
                }
            }
        }
    }

    /// The Node for actions in JavaScript, when there is one among these.
    fn node(
        &mut self,
        loaded: &IndexMap<String, LoadedAction>,
    ) -> Option<Result<NodeRuntime, AbsentAction>> {
        let wanted = loaded.iter().find_map(|(uses, action)| Some((uses, node_wanted(action)?)));
        let (uses, using) = wanted?;
        let provided = provide(&self.node);
        if let Ok(runtime) = &provided
            && major(&runtime.version) < major(&using)
        {
            let version = &runtime.version;
            print_error(&format!("warning: {uses} declares {using}; it runs with Node {version}"));
        }
        Some(provided.map_err(|error| AbsentAction { message: error.message, help: error.hint }))
    }

    fn action(&mut self, uses: &str) -> Result<LoadedAction, SourceError> {
        let folder = match uses_of(uses) {
            Some(uses @ Uses::Remote { .. }) if self.is_answered(&uses) => {
                return Err(absent(String::new(), ""));
            }
            Some(Uses::Remote { repository, path, reference }) => {
                self.remote(&repository, &reference)?.join(path)
            }
            _ => self.project.join(uses.strip_prefix("./").unwrap_or("")),
        };
        load(&folder, uses)
    }

    /// True for an action that a built-in answers, and for which nothing else was named.
    fn is_answered(&self, uses: &Uses) -> bool {
        let Uses::Remote { repository, reference, .. } = uses else { return false };
        self.has_answers && is_answered(uses) && !self.is_overridden(repository, reference)
    }

    fn is_overridden(&self, repository: &str, reference: &str) -> bool {
        let exact = format!("{repository}@{reference}");
        self.has_overrides_of
            .iter()
            .any(|spec| spec.eq_ignore_ascii_case(repository) || spec.eq_ignore_ascii_case(&exact))
    }

    /// Top folder of another repository's files.
    fn remote(&mut self, repository: &str, reference: &str) -> Result<PathBuf, SourceError> {
        let tree = self.sources.tree(repository, reference)?;
        for warning in tree.warnings {
            if !self.warned.contains(&warning) {
                print_error(&format!("warning: {warning}"));
                self.warned.push(warning);
            }
        }
        Ok(tree.folder)
    }

    /// The workflows that this one's jobs call, and those that these call. What is not at hand is left to the planner, which says
    /// where it is wanted.
    pub(crate) fn workflows(&mut self, workflow: &Workflow) -> calls::FoundWorkflows {
        let project = self.project.clone();
        calls::load(workflow, &project, &mut |repository, reference| {
            self.remote(repository, reference)
                .map_err(|error| AbsentAction { message: error.message, help: error.hint })
        })
    }

    /// Asks anew, the next time, what these names mean although they are locked; all of them when none is named.
    ///
    /// # Errors
    /// A name that the lock does not have.
    pub(crate) fn forget(&mut self, names: &[String]) -> Result<(), CommandError> {
        let known: Vec<String> = self.before.actions.keys().cloned().collect();
        for name in names {
            let is_meant = |key: &&String| {
                let repository = key.split('@').next().unwrap_or_default();
                key.eq_ignore_ascii_case(name) || repository.eq_ignore_ascii_case(name)
            };
            if !known.iter().any(|key| is_meant(&key)) {
                let message = format!("{LOCK_FILE} has no entry for {name}");
                return Err(CommandError::input(message, "name OWNER/REPO or OWNER/REPO@REF"));
            }
            known.iter().filter(is_meant).for_each(|key| self.sources.forget(key));
        }
        if names.is_empty() {
            known.iter().for_each(|key| self.sources.forget(key));
        }
        Ok(())
    }

    /// Writes entries that are new into the lock file, and tells of them; what nothing uses any more stays, because other
    /// workflows may.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn save(&mut self) -> Result<(), CommandError> {
        for change in self.save_added()? {
            print_error(&format!("{LOCK_FILE}: {change}"));
        }
        Ok(())
    }

    /// The same without a word; gives back what changed.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub(crate) fn save_added(&mut self) -> Result<Vec<LockChange>, CommandError> {
        let lock = self.sources.lock().clone();
        self.write(lock)
    }

    /// Writes the lock with only what was asked for; gives back what changed.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub(crate) fn save_pruned(&mut self) -> Result<Vec<LockChange>, CommandError> {
        let lock = self.sources.pruned_lock();
        self.write(lock)
    }

    fn write(&mut self, lock: Lock) -> Result<Vec<LockChange>, CommandError> {
        let changes = lock.changes_since(&self.before);
        if lock != self.before {
            std::fs::write(&self.file, lock.to_text()).map_err(|error| {
                CommandError::input(
                    format!("cannot write {}: {error}", self.file.display()),
                    "make the folder writable, or pin the actions by full commit ids",
                )
            })?;
            self.before = lock;
        }
        Ok(changes)
    }
}

/// Loads the actions of the project itself that the workflow uses, for commands that fetch nothing.
pub(crate) fn local_actions(workflow: &Workflow, project: &Path) -> IndexMap<String, LoadedAction> {
    let mut loaded: IndexMap<String, LoadedAction> = IndexMap::new();
    let mut given_up: Vec<String> = Vec::new();
    loop {
        let is_new = |uses: &String| !given_up.contains(uses);
        let missing: Vec<String> =
            missing_actions(workflow, &loaded).into_iter().filter(is_new).collect();
        if missing.is_empty() {
            return loaded;
        }
        for uses in missing {
            let place = uses.strip_prefix("./").map(|local| project.join(local));
            match place.and_then(|place| load(&place, &uses).ok()) {
                Some(action) => drop(loaded.insert(uses, action)),
                None => given_up.push(uses),
            }
        }
    }
}

/// Where Node may come from: `PAWL_NODE`, the configuration, or what this machine has.
///
/// # Errors
/// As [`store_folder`].
pub(crate) fn node_settings(
    offline: bool,
    named: Option<&str>,
    store: &StoreArgs,
) -> Result<NodeSettings, CommandError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Ok(NodeSettings {
        folder: store_folder(store.store.as_deref())?.join("node"),
        program: variable("PAWL_NODE").as_deref().or(named).map(PathBuf::from),
        offline,
        path: variable("PATH").unwrap_or_default(),
        home: variable("HOME").unwrap_or_else(|| "/".to_owned()),
    })
}

/// The number in `v24.1.0` or `node24`.
fn major(version: &str) -> u32 {
    let digits = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.split('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn server_variable() -> Option<String> {
    std::env::var("PAWL_ACTIONS_SERVER").ok().filter(|server| !server.is_empty())
}

fn read_lock(file: &Path) -> Result<Lock, CommandError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Lock::default()),
        Err(error) => {
            let message = format!("cannot read {}: {error}", file.display());
            return Err(CommandError::input(message, "check its permissions"));
        }
    };
    Lock::parse(&text).map_err(|reason| {
        CommandError::input(
            format!("{}: {reason}", file.display()),
            "restore it from version control, or remove it and write it anew with `pawl lock`",
        )
    })
}

fn absent(message: String, hint: &str) -> SourceError {
    SourceError { message, hint: hint.to_owned(), is_environment: false }
}

/// The path with its links resolved, when it is below `top`.
fn inside(top: &Path, path: &Path) -> Option<PathBuf> {
    let (top, path) = (top.canonicalize().ok()?, path.canonicalize().ok()?);
    path.starts_with(top).then_some(path)
}

fn load(folder: &Path, uses: &str) -> Result<LoadedAction, SourceError> {
    let missing = || {
        let hint = "the folder must hold an action.yml or action.yaml";
        absent(format!("there is no action in '{uses}'"), hint)
    };
    let folder = folder.canonicalize().map_err(|_| missing())?;
    let file = ["action.yml", "action.yaml"]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|file| file.is_file() && inside(&folder, file).is_some())
        .ok_or_else(missing)?;
    let text = files::read(&file).map_err(|error| absent(error.message, &error.hint))?;
    Ok(LoadedAction {
        file: file.display().to_string(),
        text,
        folder: folder.display().to_string(),
    })
}
