//! What comes next: a pure function of what is known.

mod background;

use crate::calling;
use crate::contexts::{EvaluationError, Scope, Secrets, is_step_cancelled, run_conclusion, text};
use crate::environment::deployed;
use crate::event::{Conclusion, RunEvent, StepEffects, UnixMs};
use crate::group::GroupRequest;
use crate::ids::{JobKey, StepPath};
use crate::plan::{JobInstance, PhaseAt, PlannedJob, PlannedStep, StepKind};
use crate::state::{JobPhase, JobState, RunState, StepPhase, StepState};
use crate::tree::Frame;
use indexmap::IndexMap;

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

/// The time that a cancellation may take is over: what runs is killed, and nothing starts any more.
fn cut_short(walk: &Walk<'_>, effects: &mut Vec<Effect>) {
    let has_process = |path: &StepPath| {
        let step = walk.planned.step(path);
        step.is_some_and(|step| {
            matches!(step.kind, StepKind::Run { .. } | StepKind::Builtin { .. })
        })
    };
    let runs = |step: &StepState| matches!(step.phase, StepPhase::Intended | StepPhase::Running);
    let open = walk.job.open_steps();
    let running: Vec<_> = open.filter(|(path, step)| runs(step) && has_process(path)).collect();
    for (path, step) in &running {
        let (job, step_path) = (walk.key.clone(), (*path).clone());
        effects.push(Effect::KillStep { job, step: step_path, attempt: step.attempt });
    }
    if !running.is_empty() {
        return;
    }
    let open: Vec<StepPath> = walk.job.open_steps().map(|(path, _)| path.clone()).collect();
    if let Some(path) = open.last() {
        let reason = "the time that a cancellation may take is over".to_owned();
        let mut end = end_of_step(walk, path, Conclusion::Cancelled, Some(reason));
        let attempt = walk.job.steps.get(path).map_or(0, |step| step.attempt);
        if let Effect::Record(RunEvent::StepFinished { attempt: of_end, .. }) = &mut end {
            *of_end = attempt;
        }
        return effects.push(end);
    }
    let reason = walk.job.cancel.clone().or(walk.scope.state.cancel.clone());
    effects.push(end_of_job(walk.key, Conclusion::Cancelled, reason));
}

/// Number of the event that cancelled the job; 0 when none did. A step from before it is stopped, one that started
/// after it (`if: always()`) is left to run.
fn cancel_seq(state: &RunState, job: &JobState) -> u64 {
    let of_run = if state.cancel.is_some() { state.cancel_seq } else { 0 };
    let of_job = if job.cancel.is_some() { job.cancel_seq } else { 0 };
    of_run.max(of_job)
}

/// The way through one running job to its next step.
struct Walk<'a> {
    scope: &'a Scope<'a>,
    situation: &'a Situation<'a>,
    planned: &'a PlannedJob,
    key: &'a JobKey,
    job: &'a JobState,
}

impl Walk<'_> {
    /// Number of the event that asked for the end of this step; 0 when none did.
    fn cancel_seq(&self, path: &StepPath) -> u64 {
        cancel_seq(self.scope.state, self.job).max(self.job.step_cancel_seq(path))
    }
}

/// Goes on with every declared step that is under way, and with the next one unless a step in the foreground holds it up.
fn go_on(walk: &Walk<'_>, effects: &mut Vec<Effect>) {
    let open = walk.job.open_declared();
    let mut room = background::room(walk, &open);
    let before = effects.len();
    let mut is_held_up = false;
    for path in &open {
        let Some(step) = walk.planned.step(path) else { continue };
        is_held_up |= !step.background;
        under_way(walk, step, path, &mut room, effects);
    }
    let has_acted = effects[before..]
        .iter()
        .any(|effect| matches!(effect, Effect::Record(_) | Effect::StartStep { .. }));
    // What was decided for one step may change what follows for the next: that is asked again.
    if is_held_up || has_acted {
        return;
    }
    let index = walk.job.reached();
    match walk.planned.steps.get(index) {
        // What comes after the job's steps comes after those in the background, too.
        Some(step) if !open.is_empty() && is_post(step) => {}
        Some(step) => due_step(walk, step, &StepPath::top(index), room, effects),
        None if open.is_empty() => effects.push(finish_job(walk)),
        // The job waits for its background steps.
        None => {}
    }
}

/// Goes on with a declared step that something happened to.
fn under_way(
    walk: &Walk<'_>,
    step: &PlannedStep,
    path: &StepPath,
    room: &mut usize,
    effects: &mut Vec<Effect>,
) {
    let is_running = |(path, state): &(&StepPath, &StepState)| {
        matches!(state.phase, StepPhase::Intended | StepPhase::Running)
            && walk.planned.step(path).is_some_and(|step| step.kind.is_work())
    };
    if let Some((running, state)) = walk.job.open_inside(path).find(is_running) {
        if state.intended_seq < walk.cancel_seq(running) {
            let (job, step) = (walk.key.clone(), running.clone());
            effects.push(Effect::StopStep { job, step, attempt: state.attempt });
        }
        return;
    }
    match walk.job.steps.get(path).map(|state| state.phase) {
        Some(StepPhase::Queued) => background::queued(walk, step, path, room, effects),
        _ => due_step(walk, step, path, *room, effects),
    }
}

/// Finds what is due among the steps inside a group, in order. False when all of them are over.
fn advance(
    walk: &Walk<'_>,
    steps: &[PlannedStep],
    parent: &StepPath,
    effects: &mut Vec<Effect>,
) -> bool {
    let index = walk.job.next_step(Some(parent));
    let Some(step) = steps.get(index) else { return false };
    due_step(walk, step, &parent.child(index), 0, effects);
    true
}

/// What is due for a step that does not run. `room` is for a background step that begins.
fn due_step(
    walk: &Walk<'_>,
    step: &PlannedStep,
    path: &StepPath,
    room: usize,
    effects: &mut Vec<Effect>,
) {
    if step.kind.is_control() {
        return background::control(walk, step, path, effects);
    }
    let state = walk.job.steps.get(path);
    match state.map(|state| state.phase) {
        None => match condition_of(walk, step, path) {
            Ok(true) if step.background && room == 0 => effects.push(background::queue(walk, path)),
            Ok(true) => effects.push(start(walk, step, path, 1)),
            Ok(false) => effects.push(end_of_step(walk, path, Conclusion::Skipped, None)),
            Err(error) => {
                effects.push(end_of_step(walk, path, Conclusion::Failure, Some(error.to_string())));
            }
        },
        Some(StepPhase::Retrying) => retry(walk, step, path, effects),
        Some(_) => inside(walk, step, path, effects),
    }
}

fn start(walk: &Walk<'_>, step: &PlannedStep, path: &StepPath, attempt: u32) -> Effect {
    let (job, step_path) = (walk.key.clone(), path.clone());
    match step.kind {
        StepKind::Composite { .. } => {
            Effect::Record(RunEvent::StepStarted { job, step: step_path, attempt })
        }
        _ => Effect::StartStep { job, step: step_path, attempt },
    }
}

fn retry(walk: &Walk<'_>, step: &PlannedStep, path: &StepPath, effects: &mut Vec<Effect>) {
    let Some(state) = walk.job.steps.get(path) else { return };
    if is_step_cancelled(walk.scope.state, walk.job, path) {
        let mut end = end_of_step(walk, path, Conclusion::Cancelled, state.reason.clone());
        if let Effect::Record(RunEvent::StepFinished { attempt, .. }) = &mut end {
            *attempt = state.attempt;
        }
        effects.push(end);
    } else if walk.situation.now_ms >= state.not_before_ms {
        effects.push(start(walk, step, path, state.attempt + 1));
    } else {
        effects.push(Effect::WakeAt(state.not_before_ms));
    }
}

/// Goes on inside a composite step that has started, or ends it.
fn inside(walk: &Walk<'_>, step: &PlannedStep, path: &StepPath, effects: &mut Vec<Effect>) {
    let StepKind::Composite { steps, outputs, .. } = &step.kind else { return };
    if advance(walk, steps, path, effects) {
        return;
    }
    let outcome = if walk.job.has_failed(Some(path)) {
        Conclusion::Failure
    } else if walk.cancel_seq(path) > 0 {
        Conclusion::Cancelled
    } else {
        Conclusion::Success
    };
    let evaluated = composite_outputs(walk, path, outputs);
    let (outcome, reason, outputs) = match evaluated {
        Ok(outputs) => (outcome, None, outputs),
        Err(error) => (Conclusion::Failure, Some(error.to_string()), IndexMap::new()),
    };
    let started = walk.job.steps.get(path).map_or(walk.situation.now_ms, |state| state.intended_ms);
    effects.push(Effect::Record(RunEvent::StepFinished {
        job: walk.key.clone(),
        step: path.clone(),
        attempt: 1,
        outcome,
        conclusion: tolerated(walk.scope, walk.planned, walk.job, path, outcome),
        exit_code: None,
        duration_ms: u64::try_from(walk.situation.now_ms - started).unwrap_or(0),
        reason,
        effects: Box::new(StepEffects { outputs, ..StepEffects::default() }),
    }));
}

fn composite_outputs(
    walk: &Walk<'_>,
    path: &StepPath,
    outputs: &IndexMap<String, crate::expr::Template>,
) -> Result<IndexMap<String, String>, EvaluationError> {
    if outputs.is_empty() {
        return Ok(IndexMap::new());
    }
    let contexts = walk.scope.inside(walk.planned, walk.job, path)?;
    let one = |(name, template): (&String, &crate::expr::Template)| {
        Ok((name.clone(), text(&format!("outputs.{name}"), template, &contexts)?))
    };
    outputs.iter().map(one).collect()
}

fn is_post(step: &PlannedStep) -> bool {
    step.phase.as_ref().is_some_and(|phase| phase.at == PhaseAt::Post)
}

/// True for a step to whose action something happened: there may be something to clean up.
fn has_begun(walk: &Walk<'_>, main: &StepPath) -> bool {
    let belongs = |step: &PlannedStep| {
        step.phase.as_ref().is_some_and(|phase| phase.at == PhaseAt::Pre && phase.main == *main)
    };
    let pre = walk.planned.steps.iter().position(belongs).map(StepPath::top);
    let ran = |path: &StepPath| walk.job.steps.get(path).is_some_and(|state| state.attempt > 0);
    ran(main) || pre.is_some_and(|pre| ran(&pre))
}

fn condition_of(
    walk: &Walk<'_>,
    step: &PlannedStep,
    path: &StepPath,
) -> Result<bool, EvaluationError> {
    let parent = path.parent();
    if is_post(step) && !step.phase.as_ref().is_some_and(|phase| has_begun(walk, &phase.main)) {
        return Ok(false);
    }
    if step.condition.is_none() {
        let failed = walk.job.has_failed(parent.as_ref());
        return Ok(!failed && !is_step_cancelled(walk.scope.state, walk.job, path));
    }
    let (contexts, _) = walk.scope.step(walk.planned, walk.job, path)?;
    let condition = step.condition.as_ref().map(|condition| condition.holds(&contexts));
    condition
        .unwrap_or(Ok(true))
        .map_err(|error| EvaluationError { key: "if".to_owned(), message: error.to_string() })
}

fn end_of_step(
    walk: &Walk<'_>,
    path: &StepPath,
    outcome: Conclusion,
    reason: Option<String>,
) -> Effect {
    Effect::Record(RunEvent::StepFinished {
        job: walk.key.clone(),
        step: path.clone(),
        attempt: 0,
        outcome,
        conclusion: tolerated(walk.scope, walk.planned, walk.job, path, outcome),
        exit_code: None,
        duration_ms: 0,
        reason,
        effects: Box::default(),
    })
}

/// The conclusion that an outcome has after `continue-on-error`. Where that cannot be evaluated, it does not apply.
pub(crate) fn tolerated(
    scope: &Scope<'_>,
    planned: &PlannedJob,
    job: &JobState,
    path: &StepPath,
    outcome: Conclusion,
) -> Conclusion {
    let template = planned.step(path).and_then(|step| step.continue_on_error.as_ref());
    let (Some(template), Conclusion::Failure | Conclusion::Lost) = (template, outcome) else {
        return outcome;
    };
    let contexts = scope.step(planned, job, path);
    let holds = contexts.is_ok_and(|(contexts, _)| is_true(template, &contexts));
    if holds { Conclusion::Success } else { outcome }
}

fn is_true(template: &crate::expr::Template, contexts: &crate::expr::Contexts<'_>) -> bool {
    template.evaluate_string(contexts).is_ok_and(|text| text.eq_ignore_ascii_case("true"))
}

fn finish_job(walk: &Walk<'_>) -> Effect {
    let mut conclusion = if walk.job.has_failed(None) {
        Conclusion::Failure
    } else if cancel_seq(walk.scope.state, walk.job) > 0 {
        Conclusion::Cancelled
    } else {
        Conclusion::Success
    };
    let contexts = walk.scope.job(walk.planned, walk.job);
    let mut reason = walk.job.cancel.clone();
    let mut outputs = IndexMap::new();
    let (mut is_tolerated, mut environment) = (false, None);
    match contexts {
        Err(error) => (conclusion, reason) = (Conclusion::Failure, Some(error.to_string())),
        Ok(contexts) => {
            for (name, template) in &walk.planned.outputs {
                match text(&format!("outputs.{name}"), template, &contexts) {
                    Ok(value) => drop(outputs.insert(name.clone(), value)),
                    Err(error) => {
                        (conclusion, reason) = (Conclusion::Failure, Some(error.to_string()))
                    }
                }
            }
            environment = deployed(walk.scope, walk.planned, walk.job, &contexts);
            let tolerate = walk.planned.continue_on_error.as_ref();
            is_tolerated = conclusion == Conclusion::Failure
                && tolerate.is_some_and(|template| is_true(template, &contexts));
        }
    }
    Effect::Record(RunEvent::JobFinished {
        job: walk.key.clone(),
        conclusion,
        tolerated: is_tolerated,
        outputs,
        environment,
        reason,
    })
}
