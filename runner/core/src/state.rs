//! What is known of a run: a fold over its events.
//!
//! [`RunState::apply`] is the only mutation. It is total over the legal transitions and refuses all others, for live
//! writes and for recovery alike.

mod background;
mod reopening;
mod transition;

use crate::event::{Conclusion, Deployed, Recorded, StepEffects, UnixMs};
use crate::group::GroupRequest;
use crate::ids::{JobKey, RunId, StepPath};
use crate::matcher::MatcherConfig;
use crate::plan::{JobInstance, Plan, PlannedJob};
use crate::ports::JobFacts;
use crate::tree::PlanPlace;
use background::Held;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The state of one run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunState {
    /// The run's name, once it was requested.
    pub run: Option<RunId>,
    /// Its number among the runs of its workflow, from 1; 0 before.
    pub number: u64,
    /// What will be done, once it is planned.
    pub plan: Option<Arc<Plan>>,
    /// Job instances in the plan's order; a job whose matrix is not known yet has none. Those of a called workflow come once
    /// it is called.
    pub jobs: IndexMap<JobKey, JobState>,
    /// Why the run was cancelled.
    pub cancel: Option<String>,
    /// Number of the event that cancelled it: steps intended before it are stopped, `if: always()` steps after it run.
    pub cancel_seq: u64,
    /// When it was cancelled.
    pub cancel_ms: UnixMs,
    /// The run's own concurrency group, once it asked for it; empty or one.
    pub groups: Vec<GroupState>,
    /// How the run ended.
    pub conclusion: Option<Conclusion>,
    /// Number of the last event.
    pub last_seq: u64,
    /// Time of the first event.
    pub requested_ms: UnixMs,
    /// Time of the last event.
    pub last_ms: UnixMs,
    /// Places of a job's instances in `jobs`, by the job's id. Instances are never removed.
    places: HashMap<String, Vec<usize>>,
    /// Jobs whose matrix is not known yet, by their ids.
    unexpanded: IndexMap<String, PlanPlace>,
}

/// Where a run or job stands with its concurrency group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupState {
    /// What it asked for.
    pub request: GroupRequest,
    /// It is in.
    pub is_entered: bool,
}

/// Where a job instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobPhase {
    /// Something it needs is not over, or there is no room.
    Waiting,
    /// It calls a workflow whose jobs are not all over.
    Calling,
    /// Its sandbox is being made.
    Opening,
    /// Its steps run.
    Running,
    /// It is over.
    Finished,
}

/// The state of one job instance.
#[derive(Debug, Clone, PartialEq)]
pub struct JobState {
    /// The job's id; that of a called job begins with its caller's key and a dot.
    pub id: String,
    /// Which instance.
    pub instance: JobInstance,
    /// Where it stands.
    pub phase: JobPhase,
    /// When its sandbox was asked for.
    pub started_ms: UnixMs,
    /// Steps that something happened to.
    pub steps: BTreeMap<StepPath, StepState>,
    /// Environment that its steps have set for later ones.
    pub env: IndexMap<String, String>,
    /// Folders that its steps have put before `PATH`, the newest first.
    pub path: Vec<String>,
    /// Problem matchers that its steps have added, the newest first.
    pub matchers: Vec<MatcherConfig>,
    /// Why it must stop.
    pub cancel: Option<String>,
    /// Number of the event that said so.
    pub cancel_seq: u64,
    /// When it was said.
    pub cancel_ms: UnixMs,
    /// Inputs of the workflow that it calls, once it does.
    pub inputs: serde_json::Map<String, serde_json::Value>,
    /// The concurrency groups that it asked for: its own, and that of the workflow that it calls.
    pub groups: Vec<GroupState>,
    /// The environment that it deployed to, once it is over.
    pub environment: Option<Deployed>,
    /// How it ended.
    pub conclusion: Option<Conclusion>,
    /// Its failure counts as a success for the run and for later jobs.
    pub tolerated: bool,
    /// Why, in words.
    pub reason: Option<String>,
    /// Its outputs.
    pub outputs: IndexMap<String, String>,
    /// Its sandbox is gone, or was never made.
    pub closed: bool,
    /// What is known of its sandbox.
    pub facts: JobFacts,
    /// Place of its job in the plan.
    place: PlanPlace,
    /// Steps that are under way.
    open: BTreeSet<StepPath>,
    /// How far the steps of each parent are; the job's own under the empty path. It spares a look at every step that is over,
    /// of which a job may have thousands.
    progress: BTreeMap<Vec<u32>, Progress>,
    /// Declared steps that are over, by their id in lower case.
    over_by_id: HashMap<String, usize>,
}

/// How far the steps of one parent are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    /// The first steps, as many as this, are over.
    over: usize,
    /// As many have been reached: something happened to them.
    reached: usize,
    /// One that is over has failed.
    failed: bool,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepPhase {
    /// A background step for which there is no room yet.
    Queued,
    /// It is about to be started.
    Intended,
    /// It runs.
    Running,
    /// An attempt failed; the next one has not begun.
    Retrying,
    /// It is over.
    Finished,
}

/// The state of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepState {
    /// Where it stands.
    pub phase: StepPhase,
    /// The attempt, from 1; 0 when it never ran.
    pub attempt: u32,
    /// When the attempt was intended.
    pub intended_ms: UnixMs,
    /// Number of the event that said so.
    pub intended_seq: u64,
    /// Before this time the next attempt does not start.
    pub not_before_ms: UnixMs,
    /// Lines of the attempt that the journal has: where to go on.
    pub next_line: u64,
    /// How it ended, before `continue-on-error`.
    pub outcome: Option<Conclusion>,
    /// How it ended, after `continue-on-error`.
    pub conclusion: Option<Conclusion>,
    /// The process's exit code.
    pub exit_code: Option<i32>,
    /// Why, in words.
    pub reason: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
    /// What it left.
    pub effects: StepEffects,
    /// Later steps see what it left. A background step is joined by the step that waits for it, any other one by its end.
    pub joined: bool,
    /// Number of the event by which a `cancel` step began to stop it; 0 when none did.
    pub cancel_seq: u64,
    /// What a background step, and the steps inside it, have set for later ones: until it is joined, only they see it.
    held: Held,
}

/// An event that cannot follow what came before. Ours, or the store was written by something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} ({event}) cannot follow: {reason}")]
pub struct IllegalEvent {
    /// The event's number.
    pub seq: u64,
    /// The event's kind.
    pub event: &'static str,
    /// Why not.
    pub reason: String,
}

impl JobState {
    fn new(id: &str, instance: JobInstance, place: PlanPlace) -> Self {
        Self {
            id: id.to_owned(),
            instance,
            phase: JobPhase::Waiting,
            started_ms: 0,
            steps: BTreeMap::new(),
            env: IndexMap::new(),
            path: Vec::new(),
            matchers: Vec::new(),
            cancel: None,
            cancel_seq: 0,
            cancel_ms: 0,
            inputs: serde_json::Map::new(),
            groups: Vec::new(),
            environment: None,
            conclusion: None,
            tolerated: false,
            reason: None,
            outputs: IndexMap::new(),
            closed: true,
            facts: JobFacts::default(),
            place,
            open: BTreeSet::new(),
            progress: BTreeMap::new(),
            over_by_id: HashMap::new(),
        }
    }

    /// Index of the declared step with this id, once it is over.
    pub(crate) fn step_over(&self, id: &str) -> Option<usize> {
        self.over_by_id.get(&id.to_ascii_lowercase()).copied()
    }

    /// True when the step at this path is over.
    pub fn is_step_finished(&self, path: &StepPath) -> bool {
        self.steps.get(path).is_some_and(|step| step.phase == StepPhase::Finished)
    }

    /// Index of the first step of this parent (the job itself for `None`) that is not over.
    pub fn next_step(&self, parent: Option<&StepPath>) -> usize {
        self.progress_of(parent).over
    }

    /// True when a step of this parent (of the job itself for `None`) is over and has failed. A background step counts once it
    /// is waited for.
    pub fn has_failed(&self, parent: Option<&StepPath>) -> bool {
        self.progress_of(parent).failed
    }

    fn progress_of(&self, parent: Option<&StepPath>) -> Progress {
        let parent = parent.map_or(&[] as &[u32], |parent| &parent.0);
        self.progress.get(parent).copied().unwrap_or_default()
    }

    /// Steps that something happened to and that are not over, in order.
    pub fn open_steps(&self) -> impl Iterator<Item = (&StepPath, &StepState)> {
        self.open.iter().filter_map(|path| self.steps.get_key_value(path))
    }

    /// Notes that something happens to a step, and that it is not over.
    fn open(&mut self, path: &StepPath) {
        self.open.insert(path.clone());
        self.reach(path);
    }

    fn reach(&mut self, path: &StepPath) {
        let Some((index, parent)) = path.0.split_last() else { return };
        let progress = self.progress.entry(parent.to_vec()).or_default();
        progress.reached = progress.reached.max(*index as usize + 1);
    }

    /// This step and those inside it, as far as they are under way.
    pub(crate) fn open_inside(
        &self,
        path: &StepPath,
    ) -> impl Iterator<Item = (&StepPath, &StepState)> {
        let inside = self.open.range(path.clone()..);
        let inside = inside.take_while(|step| step.0.starts_with(&path.0)).collect::<Vec<_>>();
        inside.into_iter().filter_map(|path| self.steps.get_key_value(path))
    }

    /// Counts a step that has just ended.
    fn count_end(&mut self, path: &StepPath, failed: bool) {
        self.open.remove(path);
        self.reach(path);
        let parent = path.0.split_last().map_or(&[] as &[u32], |(_, parent)| parent);
        let mut progress = self.progress.get(parent).copied().unwrap_or_default();
        progress.failed |= failed;
        let mut next = StepPath(parent.to_vec()).child(progress.over);
        while self.is_step_finished(&next) {
            progress.over += 1;
            next = StepPath(parent.to_vec()).child(progress.over);
        }
        self.progress.insert(parent.to_vec(), progress);
    }
}

impl StepState {
    fn intended(attempt: u32, now: UnixMs, seq: u64) -> Self {
        Self {
            phase: StepPhase::Intended,
            attempt,
            intended_ms: now,
            intended_seq: seq,
            not_before_ms: 0,
            next_line: 0,
            outcome: None,
            conclusion: None,
            exit_code: None,
            reason: None,
            duration_ms: 0,
            effects: StepEffects::default(),
            joined: false,
            cancel_seq: 0,
            held: Held::default(),
        }
    }
}

fn is_failure(conclusion: Conclusion) -> bool {
    matches!(conclusion, Conclusion::Failure | Conclusion::Lost)
}

impl RunState {
    /// A run of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds a whole journal.
    ///
    /// # Errors
    /// The first event that cannot follow.
    pub fn fold(events: &[Recorded]) -> Result<Self, IllegalEvent> {
        let mut state = Self::new();
        for event in events {
            state.apply(event)?;
        }
        Ok(state)
    }

    /// The planned job that an instance belongs to.
    pub fn planned(&self, job: &JobState) -> Option<&PlannedJob> {
        job.place.job(self.plan.as_ref()?)
    }

    /// The job that calls the workflow of this one.
    pub fn caller(&self, job: &JobState) -> Option<&JobState> {
        self.jobs.get(job.place.caller()?)
    }

    /// Key of the job that calls the workflow of this one.
    pub fn caller_key<'a>(&self, job: &'a JobState) -> Option<&'a JobKey> {
        job.place.caller()
    }

    /// Jobs whose matrix is not known yet: id, caller, and what is planned.
    pub fn unexpanded(&self) -> impl Iterator<Item = (&str, Option<&JobState>, &PlannedJob)> {
        self.unexpanded.iter().filter_map(|(id, place)| {
            let caller = place.caller().and_then(|key| self.jobs.get(key));
            Some((id.as_str(), caller, place.job(self.plan.as_ref()?)?))
        })
    }

    /// Instances of the job with this id; none while its matrix is not known.
    pub fn instances(&self, id: &str) -> impl Iterator<Item = (&JobKey, &JobState)> + use<'_> {
        let places = self.places.get(id).map_or(&[] as &[usize], Vec::as_slice);
        places.iter().filter_map(|place| self.jobs.get_index(*place))
    }

    /// True when every instance of the job with this id is over.
    pub fn is_job_over(&self, id: &str) -> bool {
        let mut any = false;
        for (_, job) in self.instances(id) {
            any = true;
            if job.phase != JobPhase::Finished {
                return false;
            }
        }
        any
    }

    /// Takes one event in.
    ///
    /// # Errors
    /// The event cannot follow what came before; the state is as it was.
    pub fn apply(&mut self, recorded: &Recorded) -> Result<(), IllegalEvent> {
        self.transition(recorded).map_err(|reason| IllegalEvent {
            seq: recorded.seq,
            event: recorded.event.kind(),
            reason,
        })?;
        self.last_seq = recorded.seq;
        self.last_ms = recorded.time_ms;
        Ok(())
    }
}
