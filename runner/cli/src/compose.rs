//! The composition root: from a store and settings to an engine with everything plugged in.

use crate::args::StoreArgs;
use crate::error::CommandError;
use crate::lazy::{LazyImages, LazyTarget};
use crate::store::{self, Store};
use async_trait::async_trait;
use pawl_actions::action::{ActionError, Inputs, RunnerContext};
use pawl_actions::registry::{self, Builtin};
use pawl_actions::workspace::Workspace;
use pawl_core::config::Config;
use pawl_core::ports::{ActionCall, ActionOutcome, ActionRunner, Clock, ExecutorError, RunFacts};
use pawl_core::registry::{Artifacts, ModelRegistry, Objects};
use pawl_core::rollout::{ImageBuilder, Revisions, RolloutTarget};
use pawl_engine::clock::SystemClock;
use pawl_engine::engine::{Engine, Limits};
use pawl_engine::results::{Results, ResultsLimits};
use pawl_engine::shelf::Shelf;
use pawl_executors::docker::{DockerExecutor, DockerSettings};
use pawl_executors::host::{HostExecutor, HostSettings};
use pawl_executors::routed::RoutedExecutor;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The first fault of the environment that an action of a run met: a step that fails for it is not the workflow's fault.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Option<CommandError>>>);

impl Faults {
    /// Takes the fault out.
    pub(crate) fn take(&self) -> Option<CommandError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, error: &ActionError) {
        if let ActionError::Environment { .. } = error {
            let fault = CommandError::environment(error, error.hint());
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
        }
    }
}

/// Everything that built-in actions in the runner may use.
#[derive(Clone)]
pub(crate) struct ActionParts {
    pub(crate) faults: Faults,
    pub(crate) registry: Arc<dyn ModelRegistry>,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) artifacts: Arc<dyn Artifacts>,
    pub(crate) revisions: Arc<dyn Revisions>,
    pub(crate) target: Arc<dyn RolloutTarget>,
    pub(crate) images: Arc<dyn ImageBuilder>,
    pub(crate) binary: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
}

impl ActionParts {
    /// The context of one call.
    pub(crate) fn context<'a>(
        &self,
        workspace: Workspace,
        facts: RunFacts,
        log: &'a (dyn Fn(String) + Send + Sync),
    ) -> RunnerContext<'a> {
        RunnerContext {
            workspace,
            facts,
            registry: self.registry.clone(),
            objects: self.objects.clone(),
            artifacts: self.artifacts.clone(),
            revisions: self.revisions.clone(),
            target: self.target.clone(),
            images: self.images.clone(),
            binary: self.binary.clone(),
            clock: self.clock.clone(),
            log,
        }
    }
}

#[async_trait]
impl ActionRunner for ActionParts {
    async fn run(&self, call: ActionCall, log: &(dyn Fn(String) + Send + Sync)) -> ActionOutcome {
        let Some(Builtin::Runner(action)) = registry::find(&call.action) else {
            return refused(format!("pawl/{} does not run in the runner", call.action));
        };
        let inputs = match Inputs::check(action.manifest(), &call.inputs) {
            Ok(inputs) => inputs,
            Err(error) => return error.into_outcome(),
        };
        let workspace = match Workspace::open(&call.workspace) {
            // Steps know their files by the sandbox's paths.
            Ok(workspace) => match call.run.github("workspace") {
                "" => workspace.seen_as(pawl_core::contexts::WORKSPACE),
                seen => workspace.seen_as(seen),
            },
            Err(error) => return refused(error.to_string()),
        };
        let context = self.context(workspace, call.run, log);
        match action.run(&context, &inputs).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.faults.note(&error);
                error.into_outcome()
            }
        }
    }

    async fn job_closed(&self, workspace: &Path, run: &RunFacts) {
        let (workspace, trees) = (workspace.to_owned(), run.trees.clone());
        let kept =
            tokio::task::spawn_blocking(move || pawl_actions::checkout::keep(&workspace, &trees));
        if let Ok(Err(error)) = kept.await {
            // The next checkout copies everything again.
            tracing::debug!(%error, "the copy of the source tree is not kept");
        }
    }
}

fn refused(reason: String) -> ActionOutcome {
    ActionOutcome { reason: Some(reason), ..ActionOutcome::default() }
}

/// The parts for one store.
///
/// # Errors
/// This program's own file is gone.
pub(crate) fn parts_of(store: &Store) -> Result<ActionParts, CommandError> {
    let binary = own_binary()?;
    Ok(ActionParts {
        faults: Faults::default(),
        registry: store.registry.clone(),
        objects: store.objects.clone(),
        artifacts: Arc::new(Shelf::new(store.registry.clone(), store.objects.clone())),
        revisions: store.registry.clone(),
        target: Arc::new(LazyTarget::new(docker_host(), store.folder.clone(), binary.clone())),
        images: Arc::new(LazyImages::new(docker_host())),
        binary,
        clock: Arc::new(SystemClock),
    })
}

/// The parts for an action by itself.
///
/// # Errors
/// As [`parts_of`], and the store cannot be opened.
pub(crate) fn action_parts(args: &StoreArgs) -> Result<ActionParts, CommandError> {
    parts_of(&store::open(args)?)
}

/// What is known when there is no run.
pub(crate) fn facts_outside_a_run() -> RunFacts {
    RunFacts { actor: crate::settings::actor(None), ..RunFacts::default() }
}

/// This program's own file, which becomes PID 1 of job containers and part of images.
pub(crate) fn own_binary() -> Result<PathBuf, CommandError> {
    std::env::current_exe().map_err(|error| {
        CommandError::environment(
            format!("cannot find this program's own file: {error}"),
            "install pawl again",
        )
    })
}

/// An engine over the store, and where its actions note faults of the environment.
///
/// # Errors
/// As [`parts_of`].
pub(crate) fn engine(
    store: &Store,
    limits: Limits,
    config: &Config,
) -> Result<(Engine, Faults), CommandError> {
    let parts = parts_of(store)?;
    let faults = parts.faults.clone();
    let docker = docker_executor(store, config)?;
    let host = HostExecutor::new(host_settings(&parts.binary));
    let engine = Engine {
        executor: Arc::new(RoutedExecutor::new(Arc::new(docker), Arc::new(host))),
        actions: Arc::new(parts),
        journal: store.journal.clone(),
        groups: store.journal.clone(),
        clock: Arc::new(SystemClock),
        results: Some(results(store, config)),
        work: store.folder.join("work"),
        limits,
    };
    Ok((engine, faults))
}

/// Artifacts and caches for actions that bring a program of their own.
fn results(store: &Store, config: &Config) -> Results {
    let usual = ResultsLimits::default();
    let limits = ResultsLimits {
        artifact_bytes: config.artifact_bytes.unwrap_or(usual.artifact_bytes),
        run_bytes: config.run_bytes.unwrap_or(usual.run_bytes),
        cache_bytes: config.cache_bytes.unwrap_or(usual.cache_bytes),
    };
    let (registry, objects) = (store.registry.clone(), store.objects.clone());
    Results::new(&store.folder, registry, objects, limits, Arc::new(SystemClock))
}

/// The executor of jobs in containers.
///
/// # Errors
/// This program's own file is gone.
pub(crate) fn docker_executor(
    store: &Store,
    config: &Config,
) -> Result<DockerExecutor, CommandError> {
    Ok(DockerExecutor::new(DockerSettings {
        host: docker_host(),
        pawl: own_binary()?,
        store: store.folder.display().to_string(),
        volumes: config.volumes.clone(),
    }))
}

/// The engine that the user has chosen, as Docker's own tools read it.
fn docker_host() -> Option<String> {
    std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty())
}

fn host_settings(binary: &std::path::Path) -> HostSettings {
    let variable = |name: &str, otherwise: &str| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.is_empty())
            .unwrap_or_else(|| otherwise.to_owned())
    };
    HostSettings {
        path: variable("PATH", "/usr/local/bin:/usr/bin:/bin"),
        home: variable("HOME", "/").into(),
        temp: std::env::temp_dir(),
        pawl: binary.to_owned(),
    }
}

/// How an executor's refusal is an error of the command line.
pub(crate) fn executor_error(error: &ExecutorError) -> CommandError {
    match error {
        ExecutorError::Environment { message, hint } => CommandError::environment(message, hint),
        ExecutorError::Request { message, hint } => CommandError::input(message, hint),
        ExecutorError::Internal(message) => CommandError::internal(message),
    }
}
