//! What is known of a run: a fold over its events.
//!
//! [`RunState::apply`] is the only mutation. It is total over the legal transitions and refuses all others, for live
//! writes and for recovery alike.

mod background;
mod reopening;

use crate::event::{Conclusion, Deployed, Recorded, RunEvent, StepEffects, UnixMs};
use crate::group::GroupRequest;
use crate::ids::{JobKey, RunId, StepPath};
use crate::matcher::MatcherConfig;
use crate::plan::{JobInstance, Plan, PlannedJob, StepKind};
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

    fn transition(&mut self, recorded: &Recorded) -> Result<(), String> {
        require(recorded.seq == self.last_seq + 1, || {
            format!("the last event has number {}", self.last_seq)
        })?;
        let now = recorded.time_ms;
        match &recorded.event {
            RunEvent::RunRequested { run, number, .. } => self.requested(run, *number, now),
            _ if self.run.is_none() => Err("the run was not requested".to_owned()),
            RunEvent::RunPlanned { plan } => self.planned_now(plan),
            RunEvent::RunResumed => Ok(()),
            RunEvent::RunReopened => self.reopened(),
            RunEvent::JobClosed { job } => self.closed(job),
            _ if self.conclusion.is_some() => Err("the run is over".to_owned()),
            RunEvent::JobExpanded { id, instances } => self.expanded(id, instances),
            RunEvent::JobCalled { job, inputs } => self.called(job, inputs, now),
            RunEvent::GroupAsked { job, request } => self.group_asked(job.as_ref(), request),
            RunEvent::GroupEntered { job, group } => self.group_entered(job.as_ref(), group),
            RunEvent::JobStarted { job } => self.job_started(job, now),
            RunEvent::JobReady { job, facts } => self.job_ready(job, facts),
            RunEvent::ServiceLog { job, .. } => self.job_mut(job).map(|_| ()),
            RunEvent::StepQueued { job, step } => self.queued(job, step, now),
            RunEvent::StepIntended { job, step, attempt } => {
                self.intended(job, step, *attempt, now)
            }
            RunEvent::StepStarted { job, step, attempt } => self.started(job, step, *attempt, now),
            RunEvent::Log { job, step, attempt, offset, .. } => {
                self.line(job, step, *attempt, *offset)
            }
            RunEvent::StepAnnotated { job, .. } => self.running_job(job).map(|_| ()),
            RunEvent::StepRetried { .. } => self.retried(&recorded.event),
            RunEvent::StepFinished { .. } => self.step_finished(&recorded.event),
            RunEvent::JobFinished { .. } => self.job_finished(&recorded.event),
            RunEvent::JobCancelRequested { job, reason } => self.job_cancelled(job, reason, now),
            RunEvent::CancelRequested { reason } => {
                if self.cancel.is_none() {
                    self.cancel = Some(reason.clone());
                    self.cancel_seq = recorded.seq;
                    self.cancel_ms = now;
                }
                Ok(())
            }
            RunEvent::RunFinished { conclusion } => self.run_finished(*conclusion),
        }
    }

    fn requested(&mut self, run: &RunId, number: u64, now: UnixMs) -> Result<(), String> {
        require(self.run.is_none(), || "the run was requested before".to_owned())?;
        self.run = Some(run.clone());
        self.number = number;
        self.requested_ms = now;
        Ok(())
    }

    fn planned_now(&mut self, plan: &Plan) -> Result<(), String> {
        require(self.plan.is_none() && self.conclusion.is_none(), || {
            "the run was planned before".to_owned()
        })?;
        for (index, job) in plan.jobs.iter().enumerate() {
            self.insert_job(&job.id, job, PlanPlace::top(index));
        }
        self.plan = Some(Arc::new(plan.clone()));
        Ok(())
    }

    fn insert_job(&mut self, id: &str, job: &PlannedJob, place: PlanPlace) {
        match &job.instances {
            None => drop(self.unexpanded.insert(id.to_owned(), place)),
            Some(instances) => {
                for instance in instances {
                    self.insert_instance(id, instance.clone(), place.clone());
                }
            }
        }
    }

    fn insert_instance(&mut self, id: &str, instance: JobInstance, planned: PlanPlace) {
        let key = JobKey::new(id, instance.index);
        let (place, known) = self.jobs.insert_full(key, JobState::new(id, instance, planned));
        if known.is_none() {
            self.places.entry(id.to_owned()).or_default().push(place);
        }
    }

    fn expanded(&mut self, id: &str, instances: &[JobInstance]) -> Result<(), String> {
        let place = self.unexpanded.shift_remove(id);
        let place = place.ok_or_else(|| format!("job {id} has no matrix that waits"))?;
        for instance in instances {
            self.insert_instance(id, instance.clone(), place.clone());
        }
        Ok(())
    }

    /// The jobs of a called workflow become part of the run.
    fn called(
        &mut self,
        key: &JobKey,
        inputs: &serde_json::Map<String, serde_json::Value>,
        now: UnixMs,
    ) -> Result<(), String> {
        let plan = self.plan.clone().ok_or("the run has no plan")?;
        let job = self.job_mut(key)?;
        require(job.phase == JobPhase::Waiting, || format!("job {key} was started before"))?;
        let planned = job.place.job(&plan).filter(|planned| planned.is_call());
        let planned = planned.ok_or_else(|| format!("job {key} calls no workflow"))?;
        let body = planned.call_index(&job.instance);
        job.phase = JobPhase::Calling;
        job.started_ms = now;
        job.inputs.clone_from(inputs);
        let place = job.place.clone();
        for (index, called) in planned.calls[body].jobs.iter().enumerate() {
            self.insert_job(&key.called(&called.id), called, place.inside(key, body, index));
        }
        Ok(())
    }

    fn group_asked(&mut self, key: Option<&JobKey>, request: &GroupRequest) -> Result<(), String> {
        let groups = self.groups_of(key)?;
        let is_known = groups.iter().any(|group| group.request.group == request.group);
        require(!is_known, || format!("it asked for the group {} before", request.group))?;
        groups.push(GroupState { request: request.clone(), is_entered: false });
        Ok(())
    }

    fn group_entered(&mut self, key: Option<&JobKey>, name: &str) -> Result<(), String> {
        let mut groups = self.groups_of(key)?.iter_mut();
        let group = groups.find(|group| group.request.group == name && !group.is_entered);
        group.ok_or_else(|| format!("it does not wait for the group {name}"))?.is_entered = true;
        Ok(())
    }

    fn groups_of(&mut self, key: Option<&JobKey>) -> Result<&mut Vec<GroupState>, String> {
        let Some(key) = key else { return Ok(&mut self.groups) };
        let job = self.job_mut(key)?;
        require(job.phase == JobPhase::Waiting, || format!("job {key} was started before"))?;
        Ok(&mut job.groups)
    }

    fn job_mut(&mut self, key: &JobKey) -> Result<&mut JobState, String> {
        self.jobs.get_mut(key).ok_or_else(|| format!("there is no job {key}"))
    }

    fn running_job(&mut self, key: &JobKey) -> Result<&mut JobState, String> {
        let job = self.job_mut(key)?;
        require(job.phase == JobPhase::Running, || format!("job {key} does not run"))?;
        Ok(job)
    }

    fn job_started(&mut self, key: &JobKey, now: UnixMs) -> Result<(), String> {
        let job = self.job_mut(key)?;
        require(job.phase == JobPhase::Waiting, || format!("job {key} was started before"))?;
        job.phase = JobPhase::Opening;
        job.started_ms = now;
        job.closed = false;
        Ok(())
    }

    fn job_ready(&mut self, key: &JobKey, facts: &JobFacts) -> Result<(), String> {
        let job = self.job_mut(key)?;
        require(job.phase == JobPhase::Opening, || format!("job {key} is not being opened"))?;
        job.facts = facts.clone();
        job.phase = JobPhase::Running;
        Ok(())
    }

    fn queued(&mut self, key: &JobKey, path: &StepPath, now: UnixMs) -> Result<(), String> {
        let seq = self.last_seq + 1;
        let job = self.running_job(key)?;
        require(!job.steps.contains_key(path), || format!("step {path} of {key} was reached"))?;
        let step = StepState { phase: StepPhase::Queued, ..StepState::intended(0, now, seq) };
        job.steps.insert(path.clone(), step);
        job.open(path);
        Ok(())
    }

    fn intended(
        &mut self,
        key: &JobKey,
        path: &StepPath,
        attempt: u32,
        now: UnixMs,
    ) -> Result<(), String> {
        let seq = self.last_seq + 1;
        let job = self.running_job(key)?;
        let expected = match job.steps.get(path) {
            None => 1,
            Some(step) if matches!(step.phase, StepPhase::Retrying | StepPhase::Queued) => {
                step.attempt + 1
            }
            Some(_) => return Err(format!("step {path} of {key} is under way or over")),
        };
        require(attempt == expected, || format!("attempt {expected} comes next"))?;
        job.steps.insert(path.clone(), StepState::intended(attempt, now, seq));
        job.open(path);
        Ok(())
    }

    fn started(
        &mut self,
        key: &JobKey,
        path: &StepPath,
        attempt: u32,
        now: UnixMs,
    ) -> Result<(), String> {
        let seq = self.last_seq + 1;
        let plan = self.plan.clone();
        let job = self.running_job(key)?;
        // A group has no process of its own: it starts without having been intended.
        let is_new = job.steps.get(path).is_none_or(|step| step.phase == StepPhase::Queued);
        if is_new {
            job.steps.insert(path.clone(), StepState::intended(attempt, now, seq));
            job.open(path);
        }
        let step = job.steps.get_mut(path).ok_or("it is there")?;
        require(step.phase == StepPhase::Intended && step.attempt == attempt, || {
            format!("step {path} of {key} is not about to start attempt {attempt}")
        })?;
        step.phase = StepPhase::Running;
        let planned = plan.as_ref().and_then(|plan| job.place.job(plan)?.step(path));
        if let Some(StepKind::Cancel { step }) = planned.map(|step| &step.kind)
            && let Some(target) = job.steps.get_mut(&StepPath::top(*step as usize))
        {
            target.cancel_seq = seq;
        }
        Ok(())
    }

    fn line(
        &mut self,
        key: &JobKey,
        path: &StepPath,
        attempt: u32,
        offset: u64,
    ) -> Result<(), String> {
        let job = self.running_job(key)?;
        let step = job.steps.get_mut(path).ok_or_else(|| format!("step {path} did not start"))?;
        let open = matches!(step.phase, StepPhase::Running | StepPhase::Intended);
        require(open && step.attempt == attempt, || format!("step {path} of {key} does not run"))?;
        require(offset >= step.next_line, || format!("line {offset} is there already"))?;
        step.next_line = offset + 1;
        Ok(())
    }

    fn retried(&mut self, event: &RunEvent) -> Result<(), String> {
        let RunEvent::StepRetried { job, step, attempt, outcome, not_before_ms, reason } = event
        else {
            return Err("not a retry".to_owned());
        };
        let state = self.running_job(job)?.steps.get_mut(step);
        let state = state.ok_or_else(|| format!("step {step} of {job} did not start"))?;
        let open = matches!(state.phase, StepPhase::Running | StepPhase::Intended);
        require(open && state.attempt == *attempt, || format!("attempt {attempt} does not run"))?;
        state.phase = StepPhase::Retrying;
        state.outcome = Some(*outcome);
        state.not_before_ms = *not_before_ms;
        state.reason = Some(reason.clone());
        Ok(())
    }

    fn step_finished(&mut self, event: &RunEvent) -> Result<(), String> {
        let RunEvent::StepFinished {
            job: key,
            step: path,
            attempt,
            outcome,
            conclusion,
            exit_code,
            duration_ms,
            reason,
            effects,
        } = event
        else {
            return Err("not the end of a step".to_owned());
        };
        let plan = self.plan.clone();
        let job = self.running_job(key)?;
        let step = job.steps.entry(path.clone()).or_insert_with(|| StepState::intended(0, 0, 0));
        require(step.phase != StepPhase::Finished, || format!("step {path} of {key} is over"))?;
        require(step.attempt == *attempt, || format!("attempt {} is the last one", step.attempt))?;
        step.phase = StepPhase::Finished;
        step.outcome = Some(*outcome);
        step.conclusion = Some(*conclusion);
        step.exit_code = *exit_code;
        step.duration_ms = *duration_ms;
        step.reason.clone_from(reason);
        step.effects = (**effects).clone();
        let planned = plan.as_ref().and_then(|plan| job.place.job(plan));
        let declared = planned.and_then(|planned| planned.step(&path.declared()));
        let background = declared.is_some_and(|step| step.background);
        job.leave(path, effects, background);
        effects.matchers.iter().for_each(|change| change.apply(&mut job.matchers));
        let is_declared = path.0.len() == 1;
        job.count_end(path, is_failure(*conclusion) && !(is_declared && background));
        let Some(planned) = planned.filter(|_| is_declared) else { return Ok(()) };
        let index = path.0[0] as usize;
        if !background {
            job.join_all(planned, [index]);
        }
        job.join_waited(planned, index);
        Ok(())
    }

    fn job_finished(&mut self, event: &RunEvent) -> Result<(), String> {
        let RunEvent::JobFinished { job: key, conclusion, tolerated, outputs, environment, reason } =
            event
        else {
            return Err("not the end of a job".to_owned());
        };
        let job = self.job_mut(key)?;
        require(job.phase != JobPhase::Finished, || format!("job {key} is over"))?;
        require(job.open.is_empty(), || format!("a step of job {key} is not over"))?;
        job.phase = JobPhase::Finished;
        job.conclusion = Some(*conclusion);
        job.tolerated = *tolerated;
        job.outputs.clone_from(outputs);
        job.environment.clone_from(environment);
        job.reason.clone_from(reason);
        Ok(())
    }

    fn job_cancelled(&mut self, key: &JobKey, reason: &str, now: UnixMs) -> Result<(), String> {
        let seq = self.last_seq + 1;
        let job = self.job_mut(key)?;
        require(job.phase != JobPhase::Finished, || format!("job {key} is over"))?;
        if job.cancel.is_none() {
            job.cancel = Some(reason.to_owned());
            job.cancel_seq = seq;
            job.cancel_ms = now;
        }
        Ok(())
    }

    fn closed(&mut self, key: &JobKey) -> Result<(), String> {
        let job = self.job_mut(key)?;
        require(job.phase == JobPhase::Finished, || format!("job {key} is not over"))?;
        job.closed = true;
        Ok(())
    }

    fn run_finished(&mut self, conclusion: Conclusion) -> Result<(), String> {
        let open = self.jobs.values().any(|job| job.phase != JobPhase::Finished)
            || !self.unexpanded.is_empty();
        require(!open, || "a job is not over".to_owned())?;
        self.conclusion = Some(conclusion);
        Ok(())
    }
}

fn require(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
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
