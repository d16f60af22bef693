//! The one closed event enum. Everything that the outside learns about a run is a fold over it.

use crate::group::GroupRequest;
use crate::ids::{JobKey, RunId, StepPath};
use crate::matcher::MatcherChange;
use crate::plan::{JobInstance, Plan};
use crate::ports::JobFacts;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch. Core never asks for the time: it is always a parameter.
pub type UnixMs = i64;

/// One event as the journal holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Position in the run's journal, from 1, without gaps.
    pub seq: u64,
    /// When it was recorded.
    pub time_ms: UnixMs,
    /// What happened.
    pub event: RunEvent,
}

/// How a step, a job or a run ended. GitHub's four words, and `lost` for a step whose end nobody saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// It did what it should.
    Success,
    /// It ran and failed, or could not be run for a reason in the workflow.
    Failure,
    /// It was cancelled before its end.
    Cancelled,
    /// Its condition was false, or something it needs did not succeed.
    Skipped,
    /// It was started, and its end is unknown (the container or host went away).
    Lost,
}

impl Conclusion {
    /// The word that GitHub uses (`lost` is ours).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::Lost => "lost",
        }
    }
}

/// Which of a step's two output streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Severity of an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// `::notice::`
    Notice,
    /// `::warning::`
    Warning,
    /// `::error::`
    Error,
}

/// A remark on a place in a file, from a workflow command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// How grave it is.
    pub level: Level,
    /// The text, masked.
    pub message: String,
    /// `title=`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `file=`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// `line=`, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// `col=`, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// `endLine=`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u64>,
    /// `endColumn=`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_column: Option<u64>,
}

/// What a finished step leaves for those after it. Values that contain a secret are masked before they
/// get here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepEffects {
    /// Outputs, by name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub outputs: IndexMap<String, String>,
    /// Environment variables for later steps of the job.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, String>,
    /// Folders put before `PATH` for later steps, in the order in which they were added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// State for the step's own post phase.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub state: IndexMap<String, String>,
    /// Markdown summary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Problem matchers that it added, or removed, for the steps after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matchers: Vec<MatcherChange>,
    /// A built-in action's report (the action's own JSON shape).
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub report: serde_json::Value,
}

/// The environment of a job that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// Its name.
    pub name: String,
    /// Where it can be looked at; `None` when no address is given, or the address holds a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// False for `deployment: false`: the job only uses the environment's secrets and variables.
    pub deployment: bool,
}

/// The number of runs that were written before they were counted.
fn first() -> u64 {
    1
}

/// Everything that can happen to a run. `job` is the instance's key; `attempt` counts from 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEvent {
    /// Somebody asked for a run. Always the first event.
    RunRequested {
        /// The run's name.
        run: RunId,
        /// Path of the workflow file, as given.
        workflow: String,
        /// Name of the triggering event, such as `push`.
        trigger: String,
        /// Who asked.
        actor: String,
        /// Its number among the runs of this workflow, from 1.
        #[serde(default = "first")]
        number: u64,
    },
    /// The plan is fixed; nothing has started yet.
    RunPlanned {
        /// What will be done.
        plan: Box<Plan>,
    },
    /// A matrix that depends on another job's outputs is known now.
    JobExpanded {
        /// The job's id (not an instance key).
        id: String,
        /// Its instances.
        instances: Vec<JobInstance>,
    },
    /// The job calls a workflow, whose jobs are part of the run from now on.
    JobCalled {
        /// Which job.
        job: JobKey,
        /// The values of the called workflow's inputs.
        #[serde(default)]
        inputs: serde_json::Map<String, serde_json::Value>,
    },
    /// The run, or a job of it, wants to be in a concurrency group.
    GroupAsked {
        /// Which job; `None` for the run as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobKey>,
        /// What it asks for.
        request: GroupRequest,
    },
    /// It is in its group: nobody else of the group runs.
    GroupEntered {
        /// Which job; `None` for the run as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobKey>,
        /// The group's name.
        group: String,
    },
    /// The job's sandbox is about to be made.
    JobStarted {
        /// Which job.
        job: JobKey,
    },
    /// The job's sandbox is ready for steps.
    JobReady {
        /// Which job.
        job: JobKey,
        /// What is known of it: the contexts `job.container` and `job.services`.
        #[serde(default, skip_serializing_if = "JobFacts::is_empty")]
        facts: Box<JobFacts>,
    },
    /// A line that a service printed before its job failed to start, masked.
    ServiceLog {
        /// Which job.
        job: JobKey,
        /// Which service.
        service: String,
        /// The line, without its end.
        text: String,
    },
    /// A background step waits for one of the places that a job has for them.
    StepQueued {
        /// Which job.
        job: JobKey,
        /// Which step.
        step: StepPath,
    },
    /// A step is about to be started. Written durably before the executor is called.
    StepIntended {
        /// Which job.
        job: JobKey,
        /// Which step.
        step: StepPath,
        /// Which attempt.
        attempt: u32,
    },
    /// The executor has started the step.
    StepStarted {
        /// Which job.
        job: JobKey,
        /// Which step.
        step: StepPath,
        /// Which attempt.
        attempt: u32,
    },
    /// A line that a step printed, masked.
    Log {
        /// Which job.
        job: JobKey,
        /// Which step.
        step: StepPath,
        /// Which attempt.
        attempt: u32,
        /// The executor's own number of the line within the attempt, from 0: where to go on after a restart.
        offset: u64,
        /// Which stream.
        stream: Stream,
        /// The line, without its end.
        text: String,
    },
    /// A step left a remark.
    StepAnnotated {
        /// Which job.
        job: JobKey,
        /// Which step.
        step: StepPath,
        /// The remark.
        annotation: Annotation,
    },
    /// An attempt failed and will be repeated, not before `not_before_ms`.
    StepRetried {
        /// Which job.
        job: JobKey,
        /// Which step.
        step: StepPath,
        /// The attempt that failed.
        attempt: u32,
        /// How it ended.
        outcome: Conclusion,
        /// When the next attempt may start.
        not_before_ms: UnixMs,
        /// Why.
        reason: String,
    },
    /// A step is over.
    StepFinished {
        /// Which job.
        job: JobKey,
        /// Which step.
        step: StepPath,
        /// Which attempt (0 when it never ran).
        attempt: u32,
        /// How it ended, before `continue-on-error`.
        outcome: Conclusion,
        /// How it ended, after `continue-on-error`.
        conclusion: Conclusion,
        /// The process's exit code, where there was one.
        exit_code: Option<i32>,
        /// How long it took.
        duration_ms: u64,
        /// Why it failed or was skipped, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What it leaves.
        #[serde(default)]
        effects: Box<StepEffects>,
    },
    /// A job is over; its sandbox may still be there.
    JobFinished {
        /// Which job.
        job: JobKey,
        /// How.
        conclusion: Conclusion,
        /// It failed, but `continue-on-error` says that this counts as a success for the run and for later jobs.
        #[serde(default)]
        tolerated: bool,
        /// The job's outputs.
        #[serde(default)]
        outputs: IndexMap<String, String>,
        /// The environment that it deployed to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<Deployed>,
        /// Why it was skipped or failed, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The job's sandbox is gone.
    JobClosed {
        /// Which job.
        job: JobKey,
    },
    /// A job must stop: its time is over, or a sibling of its matrix failed.
    JobCancelRequested {
        /// Which job.
        job: JobKey,
        /// Why.
        reason: String,
    },
    /// Somebody asked to stop.
    CancelRequested {
        /// Why and by whom.
        reason: String,
    },
    /// A new process took the run over after the old one died.
    RunResumed,
    /// A run that had not succeeded goes on where it failed: jobs that did not succeed, and those that need them, are to be done again
    /// from their first step that did not.
    RunReopened,
    /// The run is over. The last event, unless the run is reopened.
    RunFinished {
        /// How.
        conclusion: Conclusion,
    },
}

impl RunEvent {
    /// The event's kind as the journal and the JSON output name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RunRequested { .. } => "run-requested",
            Self::RunPlanned { .. } => "run-planned",
            Self::JobExpanded { .. } => "job-expanded",
            Self::JobCalled { .. } => "job-called",
            Self::GroupAsked { .. } => "group-asked",
            Self::GroupEntered { .. } => "group-entered",
            Self::JobStarted { .. } => "job-started",
            Self::JobReady { .. } => "job-ready",
            Self::ServiceLog { .. } => "service-log",
            Self::StepQueued { .. } => "step-queued",
            Self::StepIntended { .. } => "step-intended",
            Self::StepStarted { .. } => "step-started",
            Self::Log { .. } => "log",
            Self::StepAnnotated { .. } => "step-annotated",
            Self::StepRetried { .. } => "step-retried",
            Self::StepFinished { .. } => "step-finished",
            Self::JobFinished { .. } => "job-finished",
            Self::JobClosed { .. } => "job-closed",
            Self::JobCancelRequested { .. } => "job-cancel-requested",
            Self::CancelRequested { .. } => "cancel-requested",
            Self::RunResumed => "run-resumed",
            Self::RunReopened => "run-reopened",
            Self::RunFinished { .. } => "run-finished",
        }
    }
}
