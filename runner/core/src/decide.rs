//! What comes next: a pure function of what is known.

mod background;
mod steps;

use crate::calling;
use crate::contexts::{EvaluationError, Scope, Secrets, run_conclusion};
use crate::event::{Conclusion, RunEvent, UnixMs};
use crate::group::GroupRequest;
use crate::ids::{JobKey, StepPath};
use crate::plan::{JobInstance, PlannedJob};
use crate::state::{JobPhase, JobState, RunState};
use crate::tree::Frame;
use indexmap::IndexMap;
use steps::{Walk, cut_short, go_on};

pub(crate) use steps::tolerated;

/// What the world is like when a decision is made.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Now.
    pub now_ms: UnixMs,
    /// The run's secrets, which environments of steps may name.
    pub secrets: &'a Secrets,
    /// As in [`Scope`].
    pub workspaces: &'a std::path::Path,
    /// As in [`Scope`].
    pub files: &'a dyn crate::ports::JobFiles,
    /// Most jobs that may have a sandbox at once.
    pub max_jobs: usize,
}

/// Something that should happen now. `decide` is asked again after every batch of events and names what is still due, so
/// whoever carries effects out records the event that makes an effect go away before or while doing it; only
/// `StopStep`, `KillStep`, `CloseJob`, `WakeAt` and `WantRoom` may come again and must be remembered by the caller.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Append this event: it follows from what is known and needs no doing.
    Record(RunEvent),
    /// Append `GroupAsked`, then claim a place in the concurrency group: for a job, or for the run as a whole.
    EnterGroup {
        /// Which job.
        job: Option<JobKey>,
        /// What is asked for.
        request: GroupRequest,
    },
    /// Append `JobStarted`, then make the job's sandbox.
    OpenJob {
        /// Which job.
        job: JobKey,
    },
    /// Append `StepIntended`, then start the step.
    StartStep {
        /// Which job.
        job: JobKey,
        /// Which step.
        step: StepPath,
        /// Which attempt.
        attempt: u32,
    },
    /// Stop a running step: the run or the job was cancelled.
    StopStep {
        /// Which job.
        job: JobKey,
        /// Which step.
        step: StepPath,
        /// Which attempt.
        attempt: u32,
    },
    /// Kill a running step: the time that the cancellation may take is over.
    KillStep {
        /// Which job.
        job: JobKey,
        /// Which step.
        step: StepPath,
        /// Which attempt.
        attempt: u32,
    },
    /// End the job's sandbox, then append `JobClosed`.
    CloseJob {
        /// Which job.
        job: JobKey,
    },
    /// Ask again at this time.
    WakeAt(UnixMs),
    /// A job would start if more jobs could have a sandbox at once. Comes once at most.
    WantRoom,
}

/// What should happen now.
pub fn decide(state: &RunState, situation: &Situation<'_>) -> Vec<Effect> {
    let Some(plan) = &state.plan else { return Vec::new() };
    let Situation { secrets, workspaces, files, .. } = *situation;
    let scope = Scope { state, plan, secrets, workspaces, files };
    let mut effects = Vec::new();
    if let Some(asking) = calling::group_of_run(state, plan) {
        return asking;
    }
    if state.conclusion.is_none() {
        expand_matrices(&scope, &mut effects);
        let busy = |job: &JobState| matches!(job.phase, JobPhase::Opening | JobPhase::Running);
        let mut room =
            situation.max_jobs.saturating_sub(state.jobs.values().filter(|job| busy(job)).count());
        for (key, job) in &state.jobs {
            decide_job(&scope, situation, key, job, &mut room, &mut effects);
        }
    }
    let open = state.jobs.iter().filter(|(_, job)| job.phase == JobPhase::Finished && !job.closed);
    effects.extend(open.map(|(job, _)| Effect::CloseJob { job: job.clone() }));
    if state.conclusion.is_none() && is_everything_over(&scope) {
        effects.push(Effect::Record(RunEvent::RunFinished { conclusion: run_conclusion(state) }));
    }
    effects
}

fn is_everything_over(scope: &Scope<'_>) -> bool {
    scope.state.unexpanded().next().is_none()
        && scope.state.jobs.values().all(|job| job.phase == JobPhase::Finished)
        && scope.state.jobs.values().all(|job| job.closed)
}

fn expand_matrices(scope: &Scope<'_>, effects: &mut Vec<Effect>) {
    for (id, caller, job) in scope.state.unexpanded() {
        let frame = scope.frame_of_caller(caller);
        if !are_needs_over(scope, frame, job) {
            continue;
        }
        let instances = expanded(scope, frame, caller, job);
        effects.push(Effect::Record(RunEvent::JobExpanded { id: id.to_owned(), instances }));
    }
}

/// The instances of a job whose matrix was not known before the run. A job that will not run, or whose matrix cannot be
/// evaluated, has one instance, which `decide_job` then skips or fails.
fn expanded(
    scope: &Scope<'_>,
    frame: Frame<'_>,
    caller: Option<&JobState>,
    job: &PlannedJob,
) -> Vec<JobInstance> {
    let single = JobInstance { index: None, total: 1, matrix: serde_json::Map::new() };
    let is_stopped = caller.is_some_and(|caller| caller.cancel.is_some());
    if is_stopped || !matches!(job_condition(scope, frame, job), Ok(true)) {
        return vec![single];
    }
    match deferred_matrix(scope, frame, job) {
        Ok(instances) => instances,
        Err(_) => vec![single],
    }
}

fn deferred_matrix(
    scope: &Scope<'_>,
    frame: Frame<'_>,
    job: &PlannedJob,
) -> Result<Vec<JobInstance>, EvaluationError> {
    let error = |message: String| EvaluationError { key: "strategy.matrix".to_owned(), message };
    let Some(template) = &job.matrix else { return Ok(Vec::new()) };
    let value =
        template.evaluate(&scope.job_condition(frame, job)).map_err(|e| error(e.to_string()))?;
    crate::matrix::instances(&serde_json::Value::from(&value)).map_err(error)
}

fn are_needs_over(scope: &Scope<'_>, frame: Frame<'_>, job: &PlannedJob) -> bool {
    job.needs.iter().all(|id| scope.state.is_job_over(&frame.id(id)))
}

fn job_condition(
    scope: &Scope<'_>,
    frame: Frame<'_>,
    job: &PlannedJob,
) -> Result<bool, EvaluationError> {
    // Most jobs have no condition: then no context is built.
    let Some(condition) = &job.condition else {
        return Ok(scope.ancestors_status(frame, job).success);
    };
    let result = condition.holds(&scope.job_condition(frame, job));
    result.map_err(|error| EvaluationError { key: "if".to_owned(), message: error.to_string() })
}

fn decide_job(
    scope: &Scope<'_>,
    situation: &Situation<'_>,
    key: &JobKey,
    job: &JobState,
    room: &mut usize,
    effects: &mut Vec<Effect>,
) {
    let Some(planned) = scope.state.planned(job) else { return };
    match job.phase {
        JobPhase::Waiting => waiting_job(scope, planned, key, job, room, effects),
        JobPhase::Opening => {}
        JobPhase::Calling => calling::decide(scope, key, job, effects),
        JobPhase::Running => running_job(scope, situation, planned, key, job, effects),
        JobPhase::Finished => fail_siblings(scope, planned, key, job, effects),
    }
}

fn waiting_job(
    scope: &Scope<'_>,
    planned: &PlannedJob,
    key: &JobKey,
    job: &JobState,
    room: &mut usize,
    effects: &mut Vec<Effect>,
) {
    let frame = scope.frame(job);
    if !are_needs_over(scope, frame, planned) {
        return;
    }
    if let Some(reason) = job.cancel.as_ref().or(calling::cancelled_before_begin(scope)) {
        return effects.push(end_of_job(key, Conclusion::Cancelled, Some(reason.clone())));
    }
    match job_condition(scope, frame, planned) {
        Err(error) => effects.push(end_of_job(key, Conclusion::Failure, Some(error.to_string()))),
        Ok(false) => effects.push(not_run(scope, planned, key, job)),
        Ok(true) if planned.instances.is_none() && job.instance.index.is_none() => {
            matrix_failure(scope, planned, key, job, effects);
        }
        Ok(true) if has_parallel_room(scope, planned, job, effects) => {
            start_job(scope, planned, key, job, room, effects);
        }
        Ok(true) => {}
    }
}

/// Everything that the job waits for is over: its concurrency groups come next, then room for a sandbox, or the call.
fn start_job(
    scope: &Scope<'_>,
    planned: &PlannedJob,
    key: &JobKey,
    job: &JobState,
    room: &mut usize,
    effects: &mut Vec<Effect>,
) {
    if let Err(error) = scope.check_late(planned, job) {
        return effects.push(end_of_job(key, Conclusion::Failure, Some(error.to_string())));
    }
    match calling::next_group(scope, planned, key, job) {
        Err(error) => {
            return effects.push(end_of_job(key, Conclusion::Failure, Some(error.to_string())));
        }
        Ok(calling::NextGroup::Wait) => return,
        Ok(calling::NextGroup::Do(effect)) => return effects.push(effect),
        Ok(calling::NextGroup::Done) => {}
    }
    if planned.is_call() {
        effects.push(calling::call(scope, planned, key, job));
    } else if *room > 0 {
        *room -= 1;
        effects.push(Effect::OpenJob { job: key.clone() });
    } else if !effects.contains(&Effect::WantRoom) {
        effects.push(Effect::WantRoom);
    }
}

fn matrix_failure(
    scope: &Scope<'_>,
    planned: &PlannedJob,
    key: &JobKey,
    job: &JobState,
    effects: &mut Vec<Effect>,
) {
    let reason = match deferred_matrix(scope, scope.frame(job), planned) {
        Err(error) => error.to_string(),
        Ok(_) => "the matrix has no instance".to_owned(),
    };
    effects.push(end_of_job(key, Conclusion::Failure, Some(reason)));
}

fn not_run(scope: &Scope<'_>, planned: &PlannedJob, key: &JobKey, job: &JobState) -> Effect {
    if scope.state.cancel.is_some() {
        return end_of_job(key, Conclusion::Cancelled, scope.state.cancel.clone());
    }
    let frame = scope.frame(job);
    let succeeded = |id: &&String| scope.result(&frame.id(id)) == Some(Conclusion::Success);
    let blamed = planned.needs.iter().find(|id| !succeeded(id));
    let reason = match (&planned.condition, blamed) {
        (None, Some(id)) => format!("job {id}, which it needs, did not succeed"),
        _ => "its condition is false".to_owned(),
    };
    end_of_job(key, Conclusion::Skipped, Some(reason))
}

pub(crate) fn end_of_job(key: &JobKey, conclusion: Conclusion, reason: Option<String>) -> Effect {
    Effect::Record(RunEvent::JobFinished {
        job: key.clone(),
        conclusion,
        tolerated: false,
        outputs: IndexMap::new(),
        environment: None,
        reason,
    })
}

/// `max-parallel`: an instance that has asked for its concurrency group counts, too.
fn has_parallel_room(
    scope: &Scope<'_>,
    planned: &PlannedJob,
    job: &JobState,
    effects: &[Effect],
) -> bool {
    if job.instance.total < 2 || !job.groups.is_empty() {
        return true;
    }
    let Some(most) = scope.max_parallel(planned, job) else { return true };
    let busy = |job: &JobState| match job.phase {
        JobPhase::Waiting => !job.groups.is_empty(),
        JobPhase::Opening | JobPhase::Calling | JobPhase::Running => true,
        JobPhase::Finished => false,
    };
    let running = scope.state.instances(&job.id).filter(|(_, job)| busy(job)).count();
    let opening = effects.iter().filter(|effect| match effect {
        Effect::OpenJob { job: key }
        | Effect::EnterGroup { job: Some(key), .. }
        | Effect::Record(RunEvent::JobCalled { job: key, .. }) => {
            scope.state.jobs.get(key).is_some_and(|other| other.id == job.id)
        }
        _ => false,
    });
    running + opening.count() < most
}

/// `fail-fast`: when an instance failed, its siblings must stop.
fn fail_siblings(
    scope: &Scope<'_>,
    planned: &PlannedJob,
    key: &JobKey,
    job: &JobState,
    effects: &mut Vec<Effect>,
) {
    let failed = job.conclusion == Some(Conclusion::Failure) && !job.tolerated;
    if !failed || job.instance.total < 2 || !scope.fail_fast(planned, job) {
        return;
    }
    for (sibling, state) in scope.state.instances(&job.id) {
        if state.phase == JobPhase::Finished || state.cancel.is_some() {
            continue;
        }
        let request = Effect::Record(RunEvent::JobCancelRequested {
            job: sibling.clone(),
            reason: format!("fail-fast: {key} failed"),
        });
        if !effects.iter().any(|effect| cancels(effect, sibling)) {
            effects.push(request);
        }
    }
}

pub(crate) fn cancels(effect: &Effect, wanted: &JobKey) -> bool {
    matches!(effect, Effect::Record(RunEvent::JobCancelRequested { job, .. }) if job == wanted)
}

fn running_job(
    scope: &Scope<'_>,
    situation: &Situation<'_>,
    planned: &PlannedJob,
    key: &JobKey,
    job: &JobState,
    effects: &mut Vec<Effect>,
) {
    let (timeout_ms, cancel_timeout_ms) = scope.limits_ms(planned, job);
    let deadline = job.started_ms.saturating_add_unsigned(timeout_ms);
    if job.cancel.is_none() {
        if situation.now_ms >= deadline {
            let reason =
                format!("the job's time limit of {} s is over", timeout_ms as f64 / 1000.0);
            return effects
                .push(Effect::Record(RunEvent::JobCancelRequested { job: key.clone(), reason }));
        }
        effects.push(Effect::WakeAt(deadline));
    }
    let walk = Walk { scope, situation, planned, key, job };
    if let Some(since) = cancelled_since(scope.state, job) {
        let last = since.saturating_add_unsigned(cancel_timeout_ms);
        if situation.now_ms >= last {
            return cut_short(&walk, effects);
        }
        effects.push(Effect::WakeAt(last));
    }
    go_on(&walk, effects);
}

/// Since when the job is to stop.
fn cancelled_since(state: &RunState, job: &JobState) -> Option<UnixMs> {
    let of_run = state.cancel.is_some().then_some(state.cancel_ms);
    let of_job = job.cancel.is_some().then_some(job.cancel_ms);
    // The run's cancellation does not concern a job that was started after it (`if: always()`).
    let of_run = of_run.filter(|_| job.started_ms <= state.cancel_ms);
    of_run.into_iter().chain(of_job).min()
}

/// Number of the event that cancelled the job; 0 when none did. A step from before it is stopped, one that started
/// after it (`if: always()`) is left to run.
fn cancel_seq(state: &RunState, job: &JobState) -> u64 {
    let of_run = if state.cancel.is_some() { state.cancel_seq } else { 0 };
    let of_job = if job.cancel.is_some() { job.cancel_seq } else { 0 };
    of_run.max(of_job)
}
