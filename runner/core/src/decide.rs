//! What comes next: a pure function of what is known.

mod background;

use crate::contexts::{EvaluationError, Scope, Secrets, is_step_cancelled, run_conclusion, text};
use crate::event::{Conclusion, RunEvent, StepEffects, UnixMs};
use crate::ids::{JobKey, StepPath};
use crate::plan::{JobInstance, PlannedJob, PlannedStep, StepKind};
use crate::state::{JobPhase, JobState, RunState, StepPhase, StepState};
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
/// `StopStep`, `CloseJob` and `WakeAt` may come again and must be remembered by the caller.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Append this event: it follows from what is known and needs no doing.
    Record(RunEvent),
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
    /// End the job's sandbox, then append `JobClosed`.
    CloseJob {
        /// Which job.
        job: JobKey,
    },
    /// Ask again at this time.
    WakeAt(UnixMs),
}

/// What should happen now.
pub fn decide(state: &RunState, situation: &Situation<'_>) -> Vec<Effect> {
    let Some(plan) = &state.plan else { return Vec::new() };
    let Situation { secrets, workspaces, files, .. } = *situation;
    let scope = Scope { state, plan, secrets, workspaces, files };
    let mut effects = Vec::new();
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
    scope.plan.jobs.iter().all(|job| scope.state.is_job_over(&job.id))
        && scope.state.jobs.values().all(|job| job.closed)
}

fn expand_matrices(scope: &Scope<'_>, effects: &mut Vec<Effect>) {
    for job in scope.plan.jobs.iter().filter(|job| job.instances.is_none()) {
        let is_expanded = scope.state.instances(&job.id).next().is_some();
        if is_expanded || !are_needs_over(scope, job) {
            continue;
        }
        let instances = expanded(scope, job);
        effects.push(Effect::Record(RunEvent::JobExpanded { id: job.id.clone(), instances }));
    }
}

/// The instances of a job whose matrix was not known before the run. A job that will not run, or whose matrix cannot be
/// evaluated, has one instance, which `decide_job` then skips or fails.
fn expanded(scope: &Scope<'_>, job: &PlannedJob) -> Vec<JobInstance> {
    let single = JobInstance { index: None, total: 1, matrix: serde_json::Map::new() };
    if !matches!(job_condition(scope, job), Ok(true)) {
        return vec![single];
    }
    match deferred_matrix(scope, job) {
        Ok(instances) => instances,
        Err(_) => vec![single],
    }
}

fn deferred_matrix(
    scope: &Scope<'_>,
    job: &PlannedJob,
) -> Result<Vec<JobInstance>, EvaluationError> {
    let error = |message: String| EvaluationError { key: "strategy.matrix".to_owned(), message };
    let Some(template) = &job.matrix else { return Ok(Vec::new()) };
    let value = template.evaluate(&scope.job_condition(job)).map_err(|e| error(e.to_string()))?;
    crate::matrix::instances(&serde_json::Value::from(&value)).map_err(error)
}

fn are_needs_over(scope: &Scope<'_>, job: &PlannedJob) -> bool {
    job.needs.iter().all(|id| scope.state.is_job_over(id))
}

fn job_condition(scope: &Scope<'_>, job: &PlannedJob) -> Result<bool, EvaluationError> {
    // Most jobs have no condition: then no context is built.
    let Some(condition) = &job.condition else { return Ok(scope.ancestors_status(job).success) };
    let result = condition.holds(&scope.job_condition(job));
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
    if !are_needs_over(scope, planned) {
        return;
    }
    if let Some(reason) = &job.cancel {
        return effects.push(end_of_job(key, Conclusion::Cancelled, Some(reason.clone())));
    }
    match job_condition(scope, planned) {
        Err(error) => effects.push(end_of_job(key, Conclusion::Failure, Some(error.to_string()))),
        Ok(false) => effects.push(not_run(scope, planned, key)),
        Ok(true) if planned.instances.is_none() && job.instance.index.is_none() => {
            matrix_failure(scope, planned, key, effects);
        }
        Ok(true) if *room > 0 && has_parallel_room(scope, planned, effects) => {
            *room -= 1;
            effects.push(Effect::OpenJob { job: key.clone() });
        }
        Ok(true) => {}
    }
}

fn matrix_failure(
    scope: &Scope<'_>,
    planned: &PlannedJob,
    key: &JobKey,
    effects: &mut Vec<Effect>,
) {
    let reason = match deferred_matrix(scope, planned) {
        Err(error) => error.to_string(),
        Ok(_) => "the matrix has no instance".to_owned(),
    };
    effects.push(end_of_job(key, Conclusion::Failure, Some(reason)));
}

fn not_run(scope: &Scope<'_>, planned: &PlannedJob, key: &JobKey) -> Effect {
    if scope.state.cancel.is_some() {
        return end_of_job(key, Conclusion::Cancelled, scope.state.cancel.clone());
    }
    let blamed = planned.needs.iter().find(|id| scope.result(id) != Some(Conclusion::Success));
    let reason = match (&planned.condition, blamed) {
        (None, Some(id)) => format!("job {id}, which it needs, did not succeed"),
        _ => "its condition is false".to_owned(),
    };
    end_of_job(key, Conclusion::Skipped, Some(reason))
}

fn end_of_job(key: &JobKey, conclusion: Conclusion, reason: Option<String>) -> Effect {
    Effect::Record(RunEvent::JobFinished {
        job: key.clone(),
        conclusion,
        tolerated: false,
        outputs: IndexMap::new(),
        reason,
    })
}

fn has_parallel_room(scope: &Scope<'_>, planned: &PlannedJob, effects: &[Effect]) -> bool {
    let Some(most) = planned.max_parallel else { return true };
    let busy = |job: &JobState| matches!(job.phase, JobPhase::Opening | JobPhase::Running);
    let running = scope.state.instances(&planned.id).filter(|(_, job)| busy(job)).count();
    let opening = effects.iter().filter(|effect| match effect {
        Effect::OpenJob { job } => {
            scope.state.jobs.get(job).is_some_and(|job| job.id == planned.id)
        }
        _ => false,
    });
    running + opening.count() < most as usize
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
    if !failed || !planned.fail_fast || job.instance.total < 2 {
        return;
    }
    for (sibling, state) in scope.state.instances(&planned.id) {
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

fn cancels(effect: &Effect, wanted: &JobKey) -> bool {
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
    let deadline = job.started_ms.saturating_add_unsigned(planned.timeout_ms);
    if job.cancel.is_none() {
        if situation.now_ms >= deadline {
            let reason =
                format!("the job's time limit of {} s is over", planned.timeout_ms as f64 / 1000.0);
            return effects
                .push(Effect::Record(RunEvent::JobCancelRequested { job: key.clone(), reason }));
        }
        effects.push(Effect::WakeAt(deadline));
    }
    go_on(&Walk { scope, situation, planned, key, job }, effects);
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

fn condition_of(
    walk: &Walk<'_>,
    step: &PlannedStep,
    path: &StepPath,
) -> Result<bool, EvaluationError> {
    let parent = path.parent();
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
    let mut is_tolerated = false;
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
        reason,
    })
}
