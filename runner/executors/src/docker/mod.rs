//! Steps in containers of a Docker engine: one container a job, with the agent as its first process.

mod beside;
mod build;
mod dockerignore;
mod fault;
mod greeting;
mod hardening;
pub mod image;
mod job;
mod network;
mod options;
mod pull;
mod request;
pub mod rollout;
mod sandbox;
mod services;

use crate::agent::WORKSPACE_PATH;
use crate::link::{Follow, Link, LinkError, Next};
use async_trait::async_trait;
use beside::Neighbours;
use bollard::container::LogOutput;
use bollard::query_parameters::{
    AttachContainerOptions, CreateImageOptions, InspectContainerOptions, ListContainersOptions,
    RemoveContainerOptions, StartContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use bytes::Bytes;
use fault::{fault, has_status};
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use pawl_core::ids::{JobKey, JobUid, RunId, StepUid};
use pawl_core::ports::{
    Attachment, Command, CommandFiles, ContainerFacts, Executor, ExecutorError, ExitKind, JobFacts,
    JobRequest, ServiceLog, StepExit, StepRequest, StepSignal, StopLadder,
};
use pull::Pulls;
use request::{Fate, JOB_LABEL, RUN_LABEL, STORE_LABEL};
use sandbox::Up;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};

/// Pauses between attempts to reach an agent again: the engine needs a moment to notice that a container ended.
const RECONNECT: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// Attempts to remove a container whose removal somebody else has begun, a tenth of a second apart: killing and
/// unmounting take seconds on a loaded machine.
const REMOVE_ATTEMPTS: u32 = 300;

/// Where an engine listens unless told otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Longest wait for one answer of the engine, seconds: starting a container on a loaded machine takes tens of them.
const ENGINE_SECONDS: u64 = 120;

/// How to use the engine.
#[derive(Debug, Clone)]
pub struct DockerSettings {
    /// Address of the engine as in `DOCKER_HOST`; `None` is the local default socket.
    pub host: Option<String>,
    /// The static pawl binary on the engine's machine, absolute.
    pub pawl: PathBuf,
    /// Names the store in labels, so that its containers can be told from another store's.
    pub store: String,
    /// Folders of the engine's machine that volumes of containers may name, absolute.
    pub volumes: Vec<String>,
}

/// Runs steps in containers.
#[derive(Debug, Clone)]
pub struct DockerExecutor {
    inner: Arc<Inner>,
}

/// Connects to an engine and settles on a version of its API that both speak. `host` is as in `DOCKER_HOST`; `None` is
/// the local default socket. `ExecutorError::Environment` when it does not answer.
pub async fn connect(host: Option<&str>) -> Result<Docker, ExecutorError> {
    let socket = match host {
        Some(host) => host.strip_prefix("unix://"),
        None => Some(DEFAULT_SOCKET),
    };
    // The short way. Where it does not lead anywhere, the long one says why.
    if let Some(socket) = socket
        && let Ok(Some(spoken)) = greeting::api_version(socket).await
    {
        let version = if spoken < *API_DEFAULT_VERSION { &spoken } else { API_DEFAULT_VERSION };
        return Docker::connect_with_unix(socket, ENGINE_SECONDS, version)
            .map_err(|error| fault("speak with the engine", &error));
    }
    let docker = match host {
        Some(host) => Docker::connect_with_host(host),
        None => Docker::connect_with_unix(DEFAULT_SOCKET, ENGINE_SECONDS, API_DEFAULT_VERSION),
    };
    let negotiated = match docker {
        Ok(docker) => docker.negotiate_version().await,
        Err(error) => Err(error),
    };
    negotiated.map_err(|error| fault("speak with the engine", &error))
}

type Slot = Arc<Mutex<Option<Arc<Link>>>>;

#[derive(Debug)]
struct Inner {
    settings: DockerSettings,
    client: OnceCell<Docker>,
    /// A job's connection. Its lock is held while it is made, so that two callers never make two.
    jobs: SyncMutex<HashMap<JobUid, Slot>>,
    /// What is known of the sandboxes that were made here.
    facts: SyncMutex<HashMap<JobUid, JobFacts>>,
    /// Jobs that were opened here and have nothing but their container: nothing else is looked for when they close.
    alone: SyncMutex<HashSet<JobUid>>,
    /// Services that kept a job from starting.
    blamed: SyncMutex<HashMap<JobUid, Vec<String>>>,
    pulls: Pulls,
    /// The network that jobs share is there.
    shared_network: OnceCell<()>,
    /// Memory of a job that says nothing, bytes.
    memory_bytes: u64,
    neighbours: SyncMutex<Neighbours>,
}

/// Why there is no connection to a job's agent.
#[derive(Debug)]
enum Unreachable {
    /// The sandbox is gone: why.
    Lost(String),
    Failed(ExecutorError),
}

impl From<ExecutorError> for Unreachable {
    fn from(error: ExecutorError) -> Self {
        Self::Failed(error)
    }
}

impl DockerExecutor {
    /// Nothing is asked of the engine before the first call.
    #[must_use]
    pub fn new(settings: DockerSettings) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings,
                client: OnceCell::new(),
                jobs: SyncMutex::default(),
                facts: SyncMutex::default(),
                alone: SyncMutex::default(),
                blamed: SyncMutex::default(),
                pulls: Pulls::default(),
                shared_network: OnceCell::new(),
                memory_bytes: hardening::default_memory(
                    std::fs::read_to_string("/proc/meminfo")
                        .ok()
                        .and_then(|text| hardening::total_memory(&text)),
                ),
                neighbours: SyncMutex::default(),
            }),
        }
    }

    /// Jobs of this store that have a container, running or not: what a reaper looks through.
    pub async fn sandboxes(&self) -> Result<Vec<JobUid>, ExecutorError> {
        self.inner.sandboxes(None).await
    }
}

impl Inner {
    async fn client(&self) -> Result<&Docker, ExecutorError> {
        self.client.get_or_try_init(|| connect(self.settings.host.as_deref())).await
    }

    fn slot(&self, job: &JobUid) -> Slot {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(jobs.entry(job.clone()).or_default())
    }

    /// The job's connection, made anew when there is none or it broke.
    async fn link(&self, job: &JobUid) -> Result<Arc<Link>, Unreachable> {
        let slot = self.slot(job);
        let mut link = slot.lock().await;
        if let Some(link) = link.as_ref().filter(|link| !link.is_gone()) {
            return Ok(Arc::clone(link));
        }
        *link = None;
        let made = self.reconnect(job).await?;
        *link = Some(Arc::clone(&made));
        Ok(made)
    }

    async fn reconnect(&self, job: &JobUid) -> Result<Arc<Link>, Unreachable> {
        let name = job.container_name();
        for pause in RECONNECT {
            let start = match self.fate(&name).await? {
                None => return Err(Unreachable::Lost("its container is gone".to_owned())),
                Some(Fate::Ended(reason)) => return Err(Unreachable::Lost(reason)),
                Some(Fate::Created) => true,
                Some(Fate::Running) => false,
            };
            match self.connect(&name, start).await {
                Ok(link) => return Ok(link),
                Err(error) => tracing::debug!(%name, %error, "the agent is not reachable yet"),
            }
            tokio::time::sleep(pause).await;
        }
        Err(ExecutorError::Internal(format!("the agent in container {name} cannot be reached"))
            .into())
    }

    /// `None` when there is no such container.
    async fn fate(&self, name: &str) -> Result<Option<Fate>, ExecutorError> {
        let docker = self.client().await?;
        match docker.inspect_container(name, None::<InspectContainerOptions>).await {
            Ok(facts) => Ok(facts.state.as_ref().map(request::fate)),
            Err(error) if has_status(&error, 404) => Ok(None),
            Err(error) => Err(fault("look at the job's container", &error)),
        }
    }

    /// Attaches to a container, starts it if need be, and waits for its agent.
    async fn connect(&self, name: &str, start: bool) -> Result<Arc<Link>, ExecutorError> {
        let docker = self.client().await?;
        let options = AttachContainerOptions {
            stream: true,
            stdin: true,
            stdout: true,
            stderr: true,
            ..AttachContainerOptions::default()
        };
        let attached = docker
            .attach_container(name, Some(options))
            .await
            .map_err(|error| fault("attach to the job's container", &error))?;
        let chunks = attached.output.map(|chunk| match chunk {
            Ok(LogOutput::StdOut { message }) => Ok(message),
            Ok(other) => {
                // Only a dying agent writes there.
                tracing::warn!("the job's agent says: {}", other.to_string().trim_end());
                Ok(Bytes::new())
            }
            Err(error) => Err(io::Error::other(error)),
        });
        let link = Link::new(chunks.boxed(), attached.input);
        if start {
            docker
                .start_container(name, None::<StartContainerOptions>)
                .await
                .map_err(|error| fault("start the job's container", &error))?;
        }
        link.greet().await.map_err(|error| ExecutorError::Internal(error.to_string()))?;
        Ok(Arc::new(link))
    }

    /// Makes the container, and before it everything that it needs. True when it was there.
    async fn create(&self, uid: &JobUid, request: &JobRequest) -> Result<bool, ExecutorError> {
        let name = uid.container_name();
        if !request.services.is_empty() && self.fate(&name).await?.is_some() {
            // Its services were made before it.
            return Ok(true);
        }
        let Up { mut facts, forwards } = self.start_services(uid, request).await?;
        let network = if request.services.is_empty() { network::SHARED } else { &name };
        let around = job::Surroundings {
            pawl: &self.settings.pawl,
            store: &self.settings.store,
            allowed: &self.settings.volumes,
            memory_bytes: self.memory_bytes,
            network,
        };
        let body = job::body(uid, request, around, &forwards)?;
        let login = request.container.credentials.as_ref();
        let Some(id) = self.create_container(name.clone(), body, login).await? else {
            return Ok(true);
        };
        facts.container =
            ContainerFacts { id, network: network.to_owned(), ..ContainerFacts::default() };
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.clone(), facts);
        Ok(false)
    }

    /// The image with nothing in it: an engine cannot make a container of `scratch` itself.
    async fn make_empty_image(&self) -> Result<(), ExecutorError> {
        let (repo, tag) =
            request::EMPTY_IMAGE.split_once(':').unwrap_or((request::EMPTY_IMAGE, "latest"));
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(repo.to_owned()),
            tag: Some(tag.to_owned()),
            ..Default::default()
        };
        // Two blocks of zeros are a tar archive without a file.
        let archive = bollard::body_full(Bytes::from_static(&[0; 1024]));
        self.client()
            .await?
            .create_image(Some(options), Some(archive), None)
            .try_for_each(|_| async { Ok(()) })
            .await
            .map_err(|error| fault("make the empty image", &error))
    }

    async fn open(&self, uid: &JobUid, request: &JobRequest) -> Result<bool, ExecutorError> {
        let has_volumes = !request.container.volumes.is_empty();
        if request.services.is_empty() && !has_volumes {
            self.alone.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.clone());
        }
        let slot = self.slot(uid);
        let mut link = slot.lock().await;
        if link.as_ref().is_some_and(|link| !link.is_gone()) {
            return Ok(true);
        }
        *link = None;
        if self.create(uid, request).await? {
            match self.reconnect(uid).await {
                Ok(made) => *link = Some(made),
                // It stays as it is: a new container would not know what ran in the old one.
                Err(Unreachable::Lost(reason)) => {
                    tracing::warn!(job = %uid, reason, "sandbox lost")
                }
                Err(Unreachable::Failed(error)) => return Err(error),
            }
            return Ok(true);
        }
        let name = uid.container_name();
        // The services get ready while the agent starts.
        let (made, healthy) =
            tokio::join!(self.connect(&name, true), self.wait_healthy(uid, request));
        match (made, healthy) {
            (Ok(made), Ok(())) => *link = Some(made),
            (Ok(_), Err(error)) => {
                let _ = self.remove(&name).await;
                return Err(error);
            }
            (Err(error), _) => {
                let why = self.fate(&name).await.ok().flatten();
                // The first error is the one to tell; close_job tries again.
                let _ = self.remove(&name).await;
                return Err(explain(error, why));
            }
        }
        Ok(false)
    }

    /// Removes a container with its volumes, running or not, and returns when it is gone.
    async fn remove(&self, name: &str) -> Result<(), ExecutorError> {
        let docker = self.client().await?;
        for _ in 0..REMOVE_ATTEMPTS {
            let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
            match docker.remove_container(name, Some(options)).await {
                Ok(()) => return Ok(()),
                Err(error) if has_status(&error, 404) => return Ok(()),
                // Somebody else removes it.
                Err(error) if has_status(&error, 409) => {}
                Err(error) => return Err(fault("remove the job's container", &error)),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(ExecutorError::Environment {
            message: format!("the engine does not finish removing the container {name}"),
            hint: format!("look at it with: docker inspect {name}"),
        })
    }

    async fn close(&self, uid: &JobUid) -> Result<(), ExecutorError> {
        let slot = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        if let Some(slot) = slot {
            *slot.lock().await = None;
        }
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        self.blamed.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        let is_alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        match is_alone {
            true => self.remove(&uid.container_name()).await,
            false => self.remove_all(uid).await,
        }
    }

    /// What is known of the job's containers; of those that an earlier process made, what the engine says.
    async fn job_facts(&self, uid: &JobUid) -> Result<JobFacts, ExecutorError> {
        let known = self.facts.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned();
        if let Some(facts) = known {
            return Ok(facts);
        }
        let inspected = self.inspect(&uid.container_name()).await?;
        let networks = inspected.network_settings.and_then(|settings| settings.networks);
        let network = networks.and_then(|all| all.into_keys().next()).unwrap_or_default();
        let id = inspected.id.unwrap_or_default();
        let container = ContainerFacts { id, network, ..ContainerFacts::default() };
        Ok(JobFacts { container, ..JobFacts::default() })
    }

    async fn sandboxes(&self, run: Option<&RunId>) -> Result<Vec<JobUid>, ExecutorError> {
        let mut labels = vec![format!("{STORE_LABEL}={}", self.settings.store)];
        labels.extend(run.map(|run| format!("{RUN_LABEL}={run}")));
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([("label".to_owned(), labels)])),
            ..Default::default()
        };
        let found = self
            .client()
            .await?
            .list_containers(Some(options))
            .await
            .map_err(|error| fault("list the containers", &error))?;
        let job = |labels: HashMap<String, String>| {
            let value = |name: &str| labels.get(name).cloned();
            Some(JobUid { run: RunId(value(RUN_LABEL)?), job: JobKey(value(JOB_LABEL)?) })
        };
        // A job's services bear its labels, too.
        let mut jobs: Vec<JobUid> =
            found.into_iter().filter_map(|container| job(container.labels?)).collect();
        jobs.sort();
        jobs.dedup();
        Ok(jobs)
    }
}

/// An agent that never said a word is explained best by what the engine says of its container.
fn explain(error: ExecutorError, fate: Option<Fate>) -> ExecutorError {
    match (error, fate) {
        (ExecutorError::Internal(message), Some(Fate::Ended(how))) => ExecutorError::Environment {
            message: format!("the job's agent did not start: {how} ({message})"),
            hint: "the pawl binary must be static and for the engine's kind of machine".to_owned(),
        },
        (error, _) => error,
    }
}

fn gone(reason: &str) -> ExecutorError {
    ExecutorError::Environment {
        message: format!("the job's sandbox went away: {reason}"),
        hint: "run the workflow again; if this repeats, look for a full disk or too little memory"
            .to_owned(),
    }
}

fn lost(reason: impl Into<String>) -> StepSignal {
    StepSignal::Exit(StepExit {
        kind: ExitKind::Lost(reason.into()),
        files: CommandFiles::default(),
        duration_ms: 0,
        log_dropped_bytes: 0,
        is_out_of_memory: false,
    })
}

/// A follow that survives a broken connection.
struct Following {
    inner: Arc<Inner>,
    uid: StepUid,
    next: u64,
    follow: Option<Follow>,
    /// Connections that broke since the last line.
    breaks: usize,
    over: bool,
}

impl Following {
    async fn signal(mut self) -> Option<(StepSignal, Self)> {
        if self.over {
            return None;
        }
        let signal = self.next_signal().await;
        self.over = matches!(signal, StepSignal::Exit(_));
        Some((signal, self))
    }

    async fn next_signal(&mut self) -> StepSignal {
        loop {
            let Some(follow) = &mut self.follow else {
                match self.reconnect().await {
                    Ok(()) => continue,
                    Err(exit) => return exit,
                }
            };
            match follow.next().await {
                Next::Signal(signal) => {
                    self.breaks = 0;
                    return signal;
                }
                Next::Unknown => return lost("it was never started in this sandbox"),
                Next::Gone => {
                    self.next = follow.position();
                    self.follow = None;
                }
            }
        }
    }

    async fn reconnect(&mut self) -> Result<(), StepSignal> {
        if self.breaks >= RECONNECT.len() {
            return Err(lost("the connection to its agent breaks again and again"));
        }
        self.breaks += 1;
        let link = match self.inner.link(&self.inner.sandbox_of(&self.uid)).await {
            Ok(link) => link,
            Err(Unreachable::Lost(reason)) => return Err(lost(reason)),
            Err(Unreachable::Failed(error)) => return Err(lost(error.to_string())),
        };
        // When this breaks as well, the loop comes here again.
        self.follow = link.follow(&self.uid, self.next).await.ok();
        Ok(())
    }
}

#[async_trait]
impl Executor for DockerExecutor {
    async fn check(&self) -> Result<String, ExecutorError> {
        let version = self
            .inner
            .client()
            .await?
            .version()
            .await
            .map_err(|error| fault("ask its version", &error))?;
        Ok(format!("docker {}", version.version.unwrap_or_default()))
    }

    async fn ready(&self) -> Result<(), ExecutorError> {
        self.inner.client().await.map(drop)
    }

    async fn open_job(&self, request: &JobRequest) -> Result<bool, ExecutorError> {
        let uid = request
            .uid
            .as_ref()
            .ok_or_else(|| ExecutorError::Internal("a job needs a name".into()))?;
        let was_there = self.inner.open(uid, request).await?;
        self.inner.note_job(uid, request, was_there);
        Ok(was_there)
    }

    async fn job_facts(&self, uid: &JobUid) -> Result<JobFacts, ExecutorError> {
        self.inner.job_facts(uid).await
    }

    async fn service_logs(&self, uid: &JobUid) -> Vec<ServiceLog> {
        self.inner.last_words(uid).await
    }

    async fn start(&self, request: &StepRequest) -> Result<(), ExecutorError> {
        if let Command::Container(command) = &request.command {
            return self.start_beside(request, command).await;
        }
        let job = request.uid.job_uid();
        // Again when the connection broke: starting twice is starting once.
        for _ in RECONNECT {
            let link = match self.inner.link(&job).await {
                Ok(link) => link,
                Err(Unreachable::Lost(reason)) => return Err(gone(&reason)),
                Err(Unreachable::Failed(error)) => return Err(error),
            };
            match link.start(request).await {
                Ok(()) => return Ok(()),
                Err(LinkError::Gone) => {}
                Err(error) => return Err(ExecutorError::Internal(error.to_string())),
            }
        }
        Err(gone("the connection to its agent breaks again and again"))
    }

    async fn attach(&self, uid: &StepUid) -> Result<Attachment, ExecutorError> {
        self.inner.recall_beside(uid).await?;
        let link = match self.inner.link(&self.inner.sandbox_of(uid)).await {
            Ok(link) => link,
            Err(Unreachable::Lost(reason)) => return Ok(Attachment::Lost(reason)),
            Err(Unreachable::Failed(error)) => return Err(error),
        };
        match link.knows(uid).await {
            Ok(true) => Ok(Attachment::Present),
            Ok(false) => Ok(Attachment::NeverStarted),
            Err(error) => Err(ExecutorError::Internal(error.to_string())),
        }
    }

    async fn follow(
        &self,
        uid: &StepUid,
        from: u64,
    ) -> Result<BoxStream<'static, StepSignal>, ExecutorError> {
        let following = Following {
            inner: Arc::clone(&self.inner),
            uid: uid.clone(),
            next: from,
            follow: None,
            breaks: 0,
            over: false,
        };
        Ok(futures_util::stream::unfold(following, Following::signal).boxed())
    }

    async fn stop(&self, uid: &StepUid, ladder: StopLadder) -> Result<(), ExecutorError> {
        match self.inner.link(&self.inner.sandbox_of(uid)).await {
            Ok(link) => match link.stop(uid, ladder).await {
                Ok(()) | Err(LinkError::Gone) => Ok(()),
                Err(error) => Err(ExecutorError::Internal(error.to_string())),
            },
            Err(Unreachable::Lost(_)) => Ok(()),
            Err(Unreachable::Failed(error)) => Err(error),
        }
    }

    fn workspace_path(&self, _request: &JobRequest) -> String {
        WORKSPACE_PATH.to_owned()
    }

    async fn close_job(&self, uid: &JobUid) -> Result<(), ExecutorError> {
        self.inner.close_beside(uid).await?;
        self.inner.close(uid).await
    }

    async fn close_run(&self, run: &RunId) -> Result<(), ExecutorError> {
        for job in self.inner.sandboxes(Some(run)).await? {
            self.inner.close(&job).await?;
        }
        Ok(())
    }
}
