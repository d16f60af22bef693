//! The plan: everything that a run will do, as one serialisable, hashable value.

mod foreign;

pub use foreign::{
    ForeignAction, ForeignArgs, ForeignImage, ForeignPhase, ForeignProgram, NODE_FOLDER,
    NodeRuntime, Phase, PhaseAt,
};

use crate::call::PlannedCall;
use crate::expr::{Condition, Template, Value};
use crate::group::{GroupRequest, PlannedGroup};
use crate::memo::Memo;
use crate::permissions::Grant;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a run will do. Nothing starts before the plan is in the journal, and the run follows it alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The workflow's name (its `name:`, else the file's path).
    pub workflow: String,
    /// The workflow file's path, as given.
    pub file: String,
    /// `run-name`, evaluated; empty when the workflow has none.
    #[serde(default)]
    pub run_name: String,
    /// The `github` context without the token, as JSON.
    pub github: serde_json::Value,
    /// The same as expressions see it: an event may be large, and every step looks at it.
    #[serde(skip)]
    pub github_value: Memo<Value>,
    /// The `inputs` context.
    #[serde(default)]
    pub inputs: serde_json::Value,
    /// The `vars` context.
    #[serde(default)]
    pub vars: IndexMap<String, String>,
    /// The user's source tree on the runner's host, which `pawl/checkout` brings.
    #[serde(default)]
    pub source: String,
    /// The source tree has changes that are not committed.
    #[serde(default)]
    pub is_dirty: bool,
    /// Names of the secrets that were given (never their values).
    #[serde(default)]
    pub secrets: Vec<String>,
    /// `env` given from outside (`--env`), under the workflow's own.
    #[serde(default)]
    pub outer_env: IndexMap<String, String>,
    /// `env` of the workflow.
    #[serde(default)]
    pub env: IndexMap<String, Template>,
    /// Outputs of a workflow that is called (`on.workflow_call.outputs`).
    #[serde(default)]
    pub outputs: IndexMap<String, Template>,
    /// `concurrency` of the workflow, evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupRequest>,
    /// Node, when an action needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeRuntime>,
    /// Jobs in the file's order.
    pub jobs: Vec<PlannedJob>,
}

/// One job of the plan, before its matrix makes instances of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedJob {
    /// The job's id.
    pub id: String,
    /// `name:`, not evaluated.
    pub name: Option<Template>,
    /// Ids of the jobs that must be over first.
    pub needs: Vec<String>,
    /// `if:`
    pub condition: Option<Condition>,
    /// Instances, when they are known before the run; `None` when the matrix needs another job's outputs.
    pub instances: Option<Vec<JobInstance>>,
    /// The matrix, when it is not known before the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix: Option<Template>,
    /// Cancel the other instances when one fails.
    pub fail_fast: bool,
    /// Most instances at once.
    pub max_parallel: Option<u32>,
    /// Image of the job's sandbox. Evaluated when the job starts.
    pub image: Template,
    /// The job has a `container:`, so a step without `shell:` runs under `sh` (GitHub's rule) and not under `bash`.
    #[serde(default)]
    pub has_container: bool,
    /// Environment of the container itself.
    #[serde(default)]
    pub container_env: IndexMap<String, Template>,
    /// What else `container:` asks for.
    #[serde(default, skip_serializing_if = "PlannedContainer::is_empty")]
    pub container: PlannedContainer,
    /// Image of the labels, for a `container:` whose expression may give nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_image: Option<Template>,
    /// `services:` by id, which is their host name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub services: IndexMap<String, PlannedService>,
    /// `gpus:`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<PlannedGpus>,
    /// `runs-on` labels, for the `runner` context and messages.
    pub runs_on: Vec<String>,
    /// `env` of the job.
    #[serde(default)]
    pub env: IndexMap<String, Template>,
    /// `defaults.run.shell` of the job or workflow.
    #[serde(default)]
    pub shell: Option<String>,
    /// `defaults.run.working-directory` of the job or workflow.
    #[serde(default)]
    pub working_directory: Option<Template>,
    /// Limit of the whole job. GitHub's default is 360 minutes.
    pub timeout_ms: u64,
    /// A failure of this job does not fail the run.
    pub continue_on_error: Option<Template>,
    /// Outputs.
    #[serde(default)]
    pub outputs: IndexMap<String, Template>,
    /// Values that are only known while jobs run; they win over those fixed above.
    #[serde(default, skip_serializing_if = "LateValues::is_empty")]
    pub late: LateValues,
    /// `cancel-timeout-minutes`: the longest time from a cancellation to the job's end.
    #[serde(default = "default_cancel_timeout_ms")]
    pub cancel_timeout_ms: u64,
    /// What a token of this job may do.
    #[serde(default)]
    pub permissions: Grant,
    /// `concurrency`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<PlannedGroup>,
    /// `environment`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<PlannedEnvironment>,
    /// The workflow that it calls, for each instance in their order, or one for all of them. Empty for a job with steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<PlannedCall>,
    /// Steps in order.
    pub steps: Vec<PlannedStep>,
}

/// What a container asks for besides image and environment. Evaluated, and judged by the allow-lists, when the job starts;
/// what is known before was judged before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlannedContainer {
    /// `options:`, in Docker's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Template>,
    /// `volumes:`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Template>,
    /// `ports:`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Template>,
    /// `credentials:`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<PlannedCredentials>,
}

impl PlannedContainer {
    /// True when it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `credentials:` of a container. Secrets stay references to secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedCredentials {
    /// `username`
    pub username: Template,
    /// `password`
    pub password: Template,
}

/// One of a job's services.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedService {
    /// Its image; a service whose image is empty is left out.
    pub image: Template,
    /// Its environment.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, Template>,
    /// What else it asks for.
    #[serde(default, skip_serializing_if = "PlannedContainer::is_empty")]
    pub container: PlannedContainer,
    /// `entrypoint:`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Template>,
    /// `command:`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Template>,
}

/// `gpus:`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedGpus {
    /// A number, or `all`.
    pub count: Template,
    /// Memory that each must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Template>,
}

/// Values of a job that depend on other jobs: they are evaluated when the job could start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct LateValues {
    /// `strategy.fail-fast`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_fast: Option<Template>,
    /// `strategy.max-parallel`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<Template>,
    /// `timeout-minutes`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_minutes: Option<Template>,
    /// `cancel-timeout-minutes`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_timeout_minutes: Option<Template>,
    /// `defaults.run.shell`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Template>,
}

impl LateValues {
    /// True when everything was known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// GitHub's limit for a job that names none.
pub const DEFAULT_CANCEL_TIMEOUT_MS: u64 = 5 * 60 * 1000;

fn default_cancel_timeout_ms() -> u64 {
    DEFAULT_CANCEL_TIMEOUT_MS
}

/// `environment` of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedEnvironment {
    /// `name`, evaluated when the job starts.
    pub name: Template,
    /// `url`, evaluated when its steps are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Template>,
    /// `deployment`; `None` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Template>,
}

/// One instance of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobInstance {
    /// Index among the job's instances, from 0; `None` when the job has no matrix.
    pub index: Option<usize>,
    /// Instances of the job in all.
    pub total: usize,
    /// The instance's matrix values; empty without a matrix.
    pub matrix: serde_json::Map<String, serde_json::Value>,
}

impl JobInstance {
    /// The one instance of a job without a matrix.
    pub fn alone() -> Self {
        Self { index: None, total: 1, matrix: serde_json::Map::new() }
    }
}

/// One step of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// `id:`, or empty.
    pub id: String,
    /// `name:`, not evaluated; `None` for a name made from what it runs.
    pub name: Option<Template>,
    /// `if:`
    pub condition: Option<Condition>,
    /// `env:`
    #[serde(default)]
    pub env: IndexMap<String, Template>,
    /// `continue-on-error:`
    pub continue_on_error: Option<Template>,
    /// `timeout-minutes:`, may be a fraction.
    pub timeout_minutes: Option<Template>,
    /// `retry:`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// `cache-key:`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<StepCache>,
    /// `background: true`: the steps after it do not wait for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// It belongs to another step: an action's program before or after the job's steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// What it runs.
    pub kind: StepKind,
    /// Line of the step in its file, for messages.
    pub line: u32,
}

/// What a step runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StepKind {
    /// `run:`
    Run {
        /// The script.
        script: Template,
        /// `shell:` of the step; `None` takes the job's.
        shell: Option<Template>,
        /// `working-directory:` of the step; `None` takes the job's.
        working_directory: Option<Template>,
    },
    /// `uses: pawl/NAME`
    Builtin {
        /// Name after `pawl/`.
        action: String,
        /// Where it runs.
        place: Place,
        /// `with:`, and the defaults of the action's inputs.
        with: IndexMap<String, Template>,
    },
    /// A composite action: its steps, with contexts of their own.
    Composite {
        /// As written in `uses:`.
        uses: String,
        /// Folder of the action on the runner's host.
        folder: String,
        /// `with:` and the defaults of the inputs.
        with: IndexMap<String, Template>,
        /// The action's steps.
        steps: Vec<PlannedStep>,
        /// The action's outputs.
        outputs: IndexMap<String, Template>,
    },
    /// An action in JavaScript or in an image, or `uses: docker://IMAGE`.
    Foreign(Box<ForeignAction>),
    /// `wait:`, and the end of a `parallel:` group: waits for these steps of the job.
    Wait {
        /// Indices among the job's steps.
        steps: Vec<u32>,
    },
    /// `wait-all:`: waits for every background step before it.
    WaitAll,
    /// `cancel:`: stops a background step.
    Cancel {
        /// Index among the job's steps.
        step: u32,
    },
}

impl StepKind {
    /// True for a step that does something itself, in the sandbox or in the runner. A group lives by its inner steps, and what
    /// waits for or stops other steps is carried out by decisions alone.
    pub fn is_work(&self) -> bool {
        matches!(self, Self::Run { .. } | Self::Builtin { .. } | Self::Foreign(_))
    }

    /// True for `wait`, `wait-all` and `cancel`.
    pub fn is_control(&self) -> bool {
        matches!(self, Self::Wait { .. } | Self::WaitAll | Self::Cancel { .. })
    }
}

/// Where a built-in action runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In the job's sandbox, as a process of the pawl binary.
    Job,
    /// In the runner, where the credentials are.
    Runner,
}

/// When a step need not run again: nothing that it depends on has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepCache {
    /// A text that the step depends on besides its script, its environment and its inputs.
    pub key: Template,
    /// Patterns of files that it reads, as `hashFiles` has them.
    pub inputs: Vec<Template>,
    /// Patterns of files that it writes. They come back when it is skipped.
    pub outputs: Vec<Template>,
}

/// When a failed step is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Pause before the second attempt; doubled for each later one, at most 5 minutes.
    pub backoff_ms: u64,
    /// What is tried again.
    pub on: Vec<RetryOn>,
}

/// An end that `retry:` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryOn {
    /// The step failed.
    Failure,
    /// Its end was not seen.
    Lost,
    /// It ran into its time limit.
    Timeout,
}

impl Plan {
    /// `sha256:…` of the plan's JSON. Equal plans have equal hashes.
    pub fn hash(&self) -> String {
        let json = serde_json::to_vec(self).expect("a plan is plain data");
        let digest = Sha256::digest(&json);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    }

    /// Every job, those of called workflows after their caller.
    pub fn all_jobs(&self) -> Vec<&PlannedJob> {
        let mut all = Vec::new();
        add_jobs(&self.jobs, &mut all);
        all
    }

    /// The job with this id.
    pub fn job(&self, id: &str) -> Option<&PlannedJob> {
        self.jobs.iter().find(|job| job.id == id)
    }
}

fn add_jobs<'a>(jobs: &'a [PlannedJob], all: &mut Vec<&'a PlannedJob>) {
    for job in jobs {
        all.push(job);
        job.calls.iter().for_each(|call| add_jobs(&call.jobs, all));
    }
}

impl PlannedJob {
    /// True when it calls a workflow and has no steps.
    pub fn is_call(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Which of [`Self::calls`] is that of this instance.
    pub fn call_index(&self, instance: &JobInstance) -> usize {
        let all = self.instances.as_deref().unwrap_or_default();
        let place = all.iter().position(|one| one.index == instance.index).unwrap_or(0);
        if place < self.calls.len() { place } else { 0 }
    }

    /// The workflow that this instance calls.
    pub fn call_of(&self, instance: &JobInstance) -> Option<&PlannedCall> {
        self.calls.get(self.call_index(instance))
    }

    /// The step at this path.
    pub fn step(&self, path: &crate::ids::StepPath) -> Option<&PlannedStep> {
        let (first, rest) = path.0.split_first()?;
        let mut step = self.steps.get(*first as usize)?;
        for index in rest {
            let StepKind::Composite { steps, .. } = &step.kind else { return None };
            step = steps.get(*index as usize)?;
        }
        Some(step)
    }
}
