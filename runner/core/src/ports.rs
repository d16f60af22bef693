//! What core needs from the world, as traits. Each has one conformance suite that every implementation
//! passes; the prose here is the contract.

use crate::container::{ContainerOptions, Credentials, Gpus, PortMapping, Volume};
use crate::event::{Recorded, Stream, UnixMs};
use crate::group::{Claimant, GroupRequest, Standing};
use crate::ids::{JobUid, RunId, StepUid};
use async_trait::async_trait;
use futures_core::stream::BoxStream;
use indexmap::IndexMap;
use std::path::PathBuf;

// ---------------------------------------------------------------- executor

/// What a job's sandbox must be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobRequest {
    /// The run and job; names the container.
    pub uid: Option<JobUid>,
    /// The image, for executors that use one.
    pub image: String,
    /// The job's own workspace on the runner's host; exists, empty or as an earlier process left it.
    pub workspace: PathBuf,
    /// Environment of the container itself (not secrets).
    pub env: Vec<(String, String)>,
    /// Extra read-only bind mounts: (host path, path in the sandbox).
    pub mounts: Vec<(PathBuf, String)>,
    /// User to run steps as, in the container engine's form; `None` is the image's own.
    pub user: Option<String>,
    /// Memory limit, bytes.
    pub memory_bytes: Option<u64>,
    /// CPU limit, thousandths of a core.
    pub cpu_millis: Option<u64>,
    /// Most processes and threads; `None` is the executor's own limit.
    pub pids: Option<u64>,
    /// Labels to find it again.
    pub labels: Vec<(String, String)>,
    /// What `container:` asks for besides image and environment.
    pub container: ContainerRequest,
    /// Containers beside it.
    pub services: Vec<ServiceRequest>,
    /// The job has no `container:`, so that on GitHub its services would be at `localhost`: they are here, too.
    pub has_services_at_localhost: bool,
    /// Graphics processors.
    pub gpus: Option<Gpus>,
    /// Ports of the sandbox's own loopback that lead to unix sockets in it, which a mount brings: (port, path in the sandbox).
    pub sockets: Vec<(u16, String)>,
}

/// Where a sandbox has the folder with the socket of the services for artifacts and caches.
pub const RESULTS_FOLDER: &str = "/pawl/results";

/// Name of that socket. Short: its path must fit the address of a socket.
pub const RESULTS_SOCKET: &str = "s";

/// The port of a sandbox's loopback that leads there. No service that people know has it.
pub const RESULTS_PORT: u16 = 43_187;

/// What a container asks for besides image and environment: judged by the allow-lists, ready to be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerRequest {
    /// Docker's options.
    pub options: ContainerOptions,
    /// Volumes. Which folders of the host are allowed is judged by the executor, which can follow links.
    pub volumes: Vec<Volume>,
    /// Ports, published on the host's loopback.
    pub ports: Vec<PortMapping>,
    /// Login for pulling the image.
    pub credentials: Option<Credentials>,
}

/// A container that runs beside the job until it is closed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ServiceRequest {
    /// Its id, which is its host name for the job.
    pub id: String,
    /// The image.
    pub image: String,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// The part of its environment that holds secrets: it must not be seen from outside of the container.
    pub secret_env: Vec<(String, String)>,
    /// What else it asks for.
    pub container: ContainerRequest,
    /// The program in the place of the image's own.
    pub entrypoint: Option<String>,
    /// Its arguments in the place of the image's own, as one line.
    pub command: Option<String>,
}

impl std::fmt::Debug for ServiceRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.secret_env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ServiceRequest")
            .field("id", &self.id)
            .field("image", &self.image)
            .field("env", &self.env)
            .field("secret_env", &names)
            .field("container", &self.container)
            .finish_non_exhaustive()
    }
}

/// What is known of a job's sandbox once it is there: the contexts `job.container` and `job.services`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct JobFacts {
    /// The job's own container.
    pub container: ContainerFacts,
    /// Its services, by id.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub services: IndexMap<String, ContainerFacts>,
    /// What the user should know: remarks at the job's first step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

impl JobFacts {
    /// True when there is nothing to know, as on the host.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One container.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ContainerFacts {
    /// The engine's id of it.
    pub id: String,
    /// Name of its network.
    pub network: String,
    /// Ports on the host, by the port in the container.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub ports: IndexMap<String, String>,
}

/// What a service printed, for a job that could not start because of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceLog {
    /// The service's id.
    pub service: String,
    /// Its last lines.
    pub lines: Vec<String>,
}

/// What a step runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A script, given to the first shell that the sandbox has.
    Script {
        /// The text. The executor writes it to a file that only this step sees.
        body: String,
        /// Ending of the file's name, such as `.sh`.
        extension: String,
        /// Shells in order of preference. Each is an argv in which `{0}` stands for the file's path; the first
        /// one whose program is found on `PATH` is used.
        shells: Vec<Vec<String>>,
    },
    /// A program with its arguments.
    Argv(Vec<String>),
    /// The pawl binary itself with these arguments: a built-in action inside the sandbox.
    Pawl(Vec<String>),
    /// A container of its own, beside the sandbox: same workspace, same network, same limits.
    Container(Box<ContainerCommand>),
}

/// A container that a step runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerCommand {
    /// The image's name; empty when it is built.
    pub image: String,
    /// The image is built from a folder on the runner's host, once for the same content.
    pub build: Option<ImageBuild>,
    /// Instead of the image's own entry point.
    pub entrypoint: Option<String>,
    /// Instead of the image's own arguments.
    pub args: Option<Vec<String>>,
}

/// An image to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageBuild {
    /// The action's folder.
    pub folder: PathBuf,
    /// Path of the Dockerfile in it; the folder that it lies in is what the build sees.
    pub dockerfile: String,
}

/// One attempt at one step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRequest {
    /// Its name. A second `start` with the same name finds the first.
    pub uid: StepUid,
    /// What runs.
    pub command: Command,
    /// The step's whole environment besides what the sandbox and the executor add (`PATH`, `HOME`, the command files).
    /// May hold secret values: never logged, never stored.
    pub env: Vec<(String, String)>,
    /// Folders put before the sandbox's `PATH`, first one first.
    pub path: Vec<String>,
    /// Working folder: absolute in the sandbox, or relative to the workspace. Empty is the workspace.
    pub working_dir: String,
    /// Log lines after this many bytes are dropped and counted.
    pub log_limit_bytes: u64,
}

/// Contents of the step's command files (`GITHUB_OUTPUT` and so on) when it ended, unparsed.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CommandFiles {
    /// `GITHUB_OUTPUT`
    pub output: String,
    /// `GITHUB_ENV`
    pub env: String,
    /// `GITHUB_PATH`
    pub path: String,
    /// `GITHUB_STATE`
    pub state: String,
    /// `GITHUB_STEP_SUMMARY`
    pub summary: String,
    /// `PAWL_REPORT`: a built-in action's report, JSON.
    pub report: String,
    /// What of them was not taken, for the user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// How a step's process ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitKind {
    /// With this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It could not be started: the reason (no such program, no such folder, no shell).
    NotStarted(String),
    /// Its end is unknown: the sandbox went away.
    Lost(String),
}

/// The end of a step.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StepExit {
    /// How.
    pub kind: ExitKind,
    /// What the command files held.
    pub files: CommandFiles,
    /// Time from start to end.
    pub duration_ms: u64,
    /// Bytes of log dropped because of the limit.
    pub log_dropped_bytes: u64,
    /// A process of the sandbox was killed while the step ran, because the sandbox's memory was used up.
    #[serde(default)]
    pub is_out_of_memory: bool,
}

/// What comes out of a running step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepSignal {
    /// A line. `offset` counts the attempt's lines from 0 over both streams, in the order in which they are given out.
    Line {
        /// Its number.
        offset: u64,
        /// Which stream.
        stream: Stream,
        /// The text without its end; bytes that are not UTF-8 are replaced.
        text: String,
    },
    /// The end; nothing comes after it.
    Exit(StepExit),
}

/// What is known of a step after the runner came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// It runs, or it ended and its end has not been fetched: `follow` it.
    Present,
    /// The sandbox is there and knows that this step was never started.
    NeverStarted,
    /// The sandbox is gone, or cannot say.
    Lost(String),
}

/// How hard to stop. Each step of the ladder is taken when the one before it did not help in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopLadder {
    /// Time after the interrupt until the terminate signal.
    pub interrupt_ms: u64,
    /// Time after the terminate signal until the kill.
    pub terminate_ms: u64,
}

impl StopLadder {
    /// GitHub's own: SIGINT, 7.5 s, SIGTERM, 2.5 s, SIGKILL.
    pub const GITHUB: Self = Self { interrupt_ms: 7_500, terminate_ms: 2_500 };
    /// At once.
    pub const NOW: Self = Self { interrupt_ms: 0, terminate_ms: 0 };
}

/// Why an executor could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// Environment: the engine does not answer, its disk is full, and so on. Exit code 3.
    #[error("{message}")]
    Environment {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// User: the workflow asks for something that cannot be (an image that does not exist, a bad option).
    #[error("{message}")]
    Request {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Ours: the sandbox or the agent broke its contract.
    #[error("{0}")]
    Internal(String),
}

/// Where steps run.
///
/// Order of calls for a job: `open_job`, then for each step `start`, `follow` and perhaps `stop`, at last `close_job`.
/// Steps of one job may overlap; different jobs are independent. Every call is safe to repeat: `open_job` and `start` find
/// what an earlier call, even of an earlier process, made; `stop` of an ended step and `close_job` of a closed
/// job do nothing. `close_job` must succeed after an `open_job` that failed half-way.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Says what will run steps, such as `docker 20.10.24`, or why it cannot.
    async fn check(&self) -> Result<String, ExecutorError>;
    /// Whether steps can be run at all, in the shortest way there is: asked before each run.
    async fn ready(&self) -> Result<(), ExecutorError> {
        self.check().await.map(drop)
    }
    /// Makes the sandbox, or finds it. `Ok(true)` when it was there already.
    async fn open_job(&self, request: &JobRequest) -> Result<bool, ExecutorError>;
    /// What is known of a sandbox that is there. Executors without containers know nothing.
    async fn job_facts(&self, uid: &JobUid) -> Result<JobFacts, ExecutorError> {
        let _ = uid;
        Ok(JobFacts::default())
    }
    /// After `open_job` failed, and before `close_job`: what the services that are to blame have printed, bounded. Never fails:
    /// the job's own error is the one to tell.
    async fn service_logs(&self, uid: &JobUid) -> Vec<ServiceLog> {
        let _ = uid;
        Vec::new()
    }
    /// Starts a step, or finds it. Returns once the step's process exists or its failure to start is recorded (which
    /// `follow` then reports as `NotStarted`).
    async fn start(&self, request: &StepRequest) -> Result<(), ExecutorError>;
    /// After a restart of the runner: what is known of this step.
    async fn attach(&self, uid: &StepUid) -> Result<Attachment, ExecutorError>;
    /// Lines from number `from` on, then the exit. A sandbox that goes away ends the stream with an `Exit` of kind `Lost`.
    /// Several calls may follow the same step one after the other.
    async fn follow(
        &self,
        uid: &StepUid,
        from: u64,
    ) -> Result<BoxStream<'static, StepSignal>, ExecutorError>;
    /// Starts to stop the step's whole process group. Returns at once; the end comes through `follow`.
    async fn stop(&self, uid: &StepUid, ladder: StopLadder) -> Result<(), ExecutorError>;
    /// Path of the workspace as steps see it.
    fn workspace_path(&self, request: &JobRequest) -> String;
    /// Ends the sandbox and everything in it, without a trace on the engine. The workspace folder stays.
    async fn close_job(&self, uid: &JobUid) -> Result<(), ExecutorError>;
    /// Ends every sandbox of this run.
    async fn close_run(&self, run: &RunId) -> Result<(), ExecutorError>;
}

// ---------------------------------------------------------------- journal

/// Why a journal refused.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else appended first: this process no longer owns the run.
    #[error("run {run} is at event {found}, not {expected}: another process works on it")]
    Conflict {
        /// Which run.
        run: RunId,
        /// What the caller believed.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// User: no such run.
    #[error("there is no run {0}")]
    Unknown(String),
    /// Environment: the disk is full, the file cannot be opened, and so on.
    #[error("{0}")]
    Storage(String),
    /// The store holds what this program did not write, or was written by a newer one.
    #[error("{0}")]
    Corrupt(String),
}

/// One line about a run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunSummary {
    /// Its name.
    pub run: RunId,
    /// The workflow file.
    pub workflow: String,
    /// The triggering event.
    pub trigger: String,
    /// Who asked.
    pub actor: String,
    /// When it was asked for.
    pub requested_ms: UnixMs,
    /// When it ended.
    pub finished_ms: Option<UnixMs>,
    /// How it ended; `None` while it runs or after its process died.
    pub conclusion: Option<crate::event::Conclusion>,
}

/// Where events are kept. `append` returns only when the events would survive a power cut.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends events whose `seq` follow `expected_seq` without a gap; all or none.
    async fn append(
        &self,
        run: &RunId,
        expected_seq: u64,
        events: &[Recorded],
    ) -> Result<(), JournalError>;
    /// Events after `after_seq`, in order. An unknown run is an error.
    async fn load(&self, run: &RunId, after_seq: u64) -> Result<Vec<Recorded>, JournalError>;
    /// The newest runs, newest first.
    async fn runs(&self, limit: u32) -> Result<Vec<RunSummary>, JournalError>;
    /// The next number, from 1, of a series of runs. None is given twice; one that is not used is a gap.
    async fn number(&self, series: &str) -> Result<u64, JournalError>;
    /// Takes the run for this process until `release` or the process's end. False when a living process has it.
    async fn lease(&self, run: &RunId) -> Result<bool, JournalError>;
    /// Gives the run back.
    async fn release(&self, run: &RunId) -> Result<(), JournalError>;
}

// ---------------------------------------------------------------- concurrency groups

/// Concurrency groups over all processes that share a store. Claims of a run that no living process carries count as left.
/// Names of groups are compared as they are given: the caller folds case and adds what keeps repositories apart.
#[async_trait]
pub trait Groups: Send + Sync {
    /// Claims a place. The first of a group is in; others wait, in the order in which they came, and unless they queue they
    /// cancel those that wait. Repeating finds the first claim.
    async fn claim(
        &self,
        claimant: &Claimant,
        name: &str,
        request: &GroupRequest,
    ) -> Result<Standing, JournalError>;
    /// Where the claimant stands now; takes the place that has become free. One without a claim is cancelled.
    async fn standing(&self, claimant: &Claimant, name: &str) -> Result<Standing, JournalError>;
    /// Leaves all groups: of this job, or with no job everything of the run. Leaving nothing does nothing.
    async fn leave(&self, claimant: &Claimant) -> Result<(), JournalError>;
}

// ---------------------------------------------------------------- actions in the runner

/// A call of a built-in action that runs in the runner's own process, where the credentials are.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionCall {
    /// Which step asks.
    pub uid: StepUid,
    /// Name after `pawl/`, such as `gate`.
    pub action: String,
    /// Inputs as text, as the workflow gave them; defaults are the action's business.
    pub inputs: IndexMap<String, String>,
    /// The job's workspace on this host. Its content is hostile: never follow a link out of it.
    pub workspace: PathBuf,
    /// The `github` context and what the run knows of itself.
    pub run: RunFacts,
}

/// What a built-in action may know of the run.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RunFacts {
    /// Name of the run.
    pub run: String,
    /// Name of the workflow.
    pub workflow: String,
    /// Commit of the source tree, or empty.
    pub commit: String,
    /// True when the source tree has uncommitted changes.
    pub dirty: bool,
    /// Who asked.
    pub actor: String,
    /// The user's source tree on this host (what `pawl/checkout` brings).
    pub source: PathBuf,
    /// The exact command that repeats this run.
    pub reproduce: String,
    /// Reports of the finished steps of all jobs so far: `job/step-id` to the action's report.
    pub reports: IndexMap<String, serde_json::Value>,
    /// Conclusions of the jobs that are over.
    pub jobs: IndexMap<String, String>,
    /// The step that asks, as `job/step`; empty outside of a run.
    pub step: String,
    /// The `github` context without the token, as JSON.
    pub github: serde_json::Value,
    /// Folders of this machine that stand for repositories: `OWNER/REPO[@REF]` to folder.
    pub overrides: IndexMap<String, String>,
    /// Folder in which copies of source trees may be kept for later jobs, on the workspaces' file system; empty for none.
    pub trees: PathBuf,
}

impl RunFacts {
    /// A text of the `github` context; empty when it has none.
    pub fn github(&self, name: &str) -> &str {
        self.github.get(name).and_then(serde_json::Value::as_str).unwrap_or_default()
    }
}

/// How a built-in action ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ActionOutcome {
    /// False: the step failed (a result, not an error).
    pub success: bool,
    /// Outputs by name.
    pub outputs: IndexMap<String, String>,
    /// Variables for the later steps of the job.
    pub env: IndexMap<String, String>,
    /// The action's report.
    pub report: serde_json::Value,
    /// Markdown for the step's summary.
    pub summary: String,
    /// Lines for the step's log.
    pub log: Vec<String>,
    /// Why it failed, in words.
    pub reason: Option<String>,
    /// What the user should know although it did not fail: shown as warnings.
    pub warnings: Vec<String>,
    /// What the action's own part after the job's steps gets to know.
    pub state: IndexMap<String, String>,
}

/// Runs built-in actions inside the runner. Calls are idempotent: after a crash the same call is simply made again.
#[async_trait]
pub trait ActionRunner: Send + Sync {
    /// Runs one action. `log` gets lines while it works. Dropping the future cancels it.
    async fn run(&self, call: ActionCall, log: &(dyn Fn(String) + Send + Sync)) -> ActionOutcome;
    /// A job's sandbox is gone: its workspace, a folder of this host, is not touched by anybody any more and may be kept for another
    /// job. It may be moved away.
    async fn job_closed(&self, workspace: &std::path::Path, run: &RunFacts) {
        let _ = (workspace, run);
    }
}

// ---------------------------------------------------------------- files of jobs

/// Hashes files of a job's workspace, for `hashFiles`.
pub trait JobFiles: std::fmt::Debug + Sync {
    /// The digest in hex, or nothing when no file is meant. Asked again by the same step, it gives the same answer. `workspace` is
    /// the workspace's path as the workflow sees it. An error's text is for the user.
    fn hash(
        &self,
        job: &crate::ids::JobKey,
        step: &crate::ids::StepPath,
        arguments: &[String],
        workspace: &str,
    ) -> Result<String, String>;
}

/// No workspace is at hand.
#[derive(Debug, Clone, Copy)]
pub struct NoFiles;

impl JobFiles for NoFiles {
    fn hash(
        &self,
        _: &crate::ids::JobKey,
        _: &crate::ids::StepPath,
        _: &[String],
        _: &str,
    ) -> Result<String, String> {
        Err("there is no workspace here".to_owned())
    }
}

// ---------------------------------------------------------------- time

/// The clock, so that tests own it.
pub trait Clock: Send + Sync {
    /// Now.
    fn now_ms(&self) -> UnixMs;
}
