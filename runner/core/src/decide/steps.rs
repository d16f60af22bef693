//! The steps of a running job: which goes on, which begins, and how each ends.

use super::{Effect, Situation, background, cancel_seq, end_of_job};
use crate::contexts::{EvaluationError, Scope, is_step_cancelled, text};
use crate::environment::deployed;
use crate::event::{Conclusion, RunEvent, StepEffects};
use crate::ids::{JobKey, StepPath};
use crate::plan::{PhaseAt, PlannedJob, PlannedStep, StepKind};
use crate::state::{JobState, StepPhase, StepState};
use indexmap::IndexMap;

/// The way through one running job to its next step.
pub(super) struct Walk<'a> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) situation: &'a Situation<'a>,
    pub(super) planned: &'a PlannedJob,
    pub(super) key: &'a JobKey,
    pub(super) job: &'a JobState,
}

impl Walk<'_> {
    /// Number of the event that asked for the end of this step; 0 when none did.
    pub(super) fn cancel_seq(&self, path: &StepPath) -> u64 {
        cancel_seq(self.scope.state, self.job).max(self.job.step_cancel_seq(path))
    }
}

/// The time that a cancellation may take is over: what runs is killed, and nothing starts any more.
pub(super) fn cut_short(walk: &Walk<'_>, effects: &mut Vec<Effect>) {
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

/// Goes on with every declared step that is under way, and with the next one unless a step in the foreground holds it up.
pub(super) fn go_on(walk: &Walk<'_>, effects: &mut Vec<Effect>) {
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

pub(super) fn start(walk: &Walk<'_>, step: &PlannedStep, path: &StepPath, attempt: u32) -> Effect {
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

pub(super) fn end_of_step(
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

pub(super) fn finish_job(walk: &Walk<'_>) -> Effect {
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
