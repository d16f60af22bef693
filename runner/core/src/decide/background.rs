//! Steps in the background: their places, and the steps that wait for them or stop them.

use super::Effect;
use super::steps::{Walk, end_of_step, start, tolerated};
use crate::event::{Conclusion, RunEvent};
use crate::ids::StepPath;
use crate::plan::{PlannedStep, StepKind};
use crate::state::StepPhase;

/// Most background steps of a job that run at once: GitHub's limit. Later ones wait for a place.
const MAX_BACKGROUND: usize = 10;

/// Places for background steps that are free, when these declared steps are under way.
pub(super) fn room(walk: &Walk<'_>, open: &[StepPath]) -> usize {
    let holds_place = |path: &&StepPath| {
        walk.planned.step(path).is_some_and(|step| step.background)
            && walk.job.steps.get(*path).is_some_and(|state| state.phase != StepPhase::Queued)
    };
    MAX_BACKGROUND.saturating_sub(open.iter().filter(holds_place).count())
}

/// Lets a background step wait for a place.
pub(super) fn queue(walk: &Walk<'_>, path: &StepPath) -> Effect {
    Effect::Record(RunEvent::StepQueued { job: walk.key.clone(), step: path.clone() })
}

/// Starts a step that waited for a place when there is one.
pub(super) fn queued(
    walk: &Walk<'_>,
    step: &PlannedStep,
    path: &StepPath,
    room: &mut usize,
    effects: &mut Vec<Effect>,
) {
    let since = walk.job.steps.get(path).map_or(0, |state| state.intended_seq);
    if since < walk.cancel_seq(path) {
        let reason = Some("cancelled before it started".to_owned());
        effects.push(end_of_step(walk, path, Conclusion::Cancelled, reason));
    } else if *room > 0 {
        *room -= 1;
        effects.push(start(walk, step, path, 1));
    }
}

/// Goes on with a `wait`, `wait-all` or `cancel`, which always runs. What a `cancel` is about is stopped because its start is
/// recorded.
pub(super) fn control(
    walk: &Walk<'_>,
    step: &PlannedStep,
    path: &StepPath,
    effects: &mut Vec<Effect>,
) {
    let Some(state) = walk.job.steps.get(path) else {
        let (job, step) = (walk.key.clone(), path.clone());
        return effects.push(Effect::Record(RunEvent::StepStarted { job, step, attempt: 1 }));
    };
    let targets = targets(walk, step, path);
    if !targets.iter().all(|target| walk.job.is_step_finished(target)) {
        return;
    }
    let (outcome, reason) = match step.kind {
        StepKind::Cancel { .. } => (Conclusion::Success, None),
        _ => waited_for(walk, &targets),
    };
    effects.push(Effect::Record(RunEvent::StepFinished {
        job: walk.key.clone(),
        step: path.clone(),
        attempt: 1,
        outcome,
        conclusion: tolerated(walk.scope, walk.planned, walk.job, path, outcome),
        exit_code: None,
        duration_ms: u64::try_from(walk.situation.now_ms - state.intended_ms).unwrap_or(0),
        reason,
        effects: Box::default(),
    }));
}

/// The background steps that a control step is about. `wait-all` leaves out those that were waited for before.
fn targets(walk: &Walk<'_>, step: &PlannedStep, path: &StepPath) -> Vec<StepPath> {
    let before = path.0.first().map_or(0, |index| *index as usize);
    let paths: Vec<StepPath> = match &step.kind {
        StepKind::Wait { steps } => {
            steps.iter().map(|index| StepPath::top(*index as usize)).collect()
        }
        StepKind::Cancel { step } => vec![StepPath::top(*step as usize)],
        _ => {
            let is_joined = |path: &StepPath| walk.job.steps.get(path).is_some_and(|s| s.joined);
            (0..before).map(StepPath::top).filter(|path| !is_joined(path)).collect()
        }
    };
    let is_background = |path: &StepPath| walk.planned.step(path).is_some_and(|s| s.background);
    paths.into_iter().filter(is_background).collect()
}

/// A failure when one of them failed, else a cancellation when one was cancelled, with the steps to blame.
fn waited_for(walk: &Walk<'_>, targets: &[StepPath]) -> (Conclusion, Option<String>) {
    let blamed = |wanted: &[Conclusion]| -> Vec<String> {
        let ended_so = |path: &&StepPath| {
            let conclusion = walk.job.steps.get(*path).and_then(|step| step.conclusion);
            conclusion.is_some_and(|conclusion| wanted.contains(&conclusion))
        };
        targets.iter().filter(ended_so).map(|path| shown(walk, path)).collect()
    };
    let failed = blamed(&[Conclusion::Failure, Conclusion::Lost]);
    if !failed.is_empty() {
        let reason = format!("did not succeed: {}", failed.join(", "));
        return (Conclusion::Failure, Some(reason));
    }
    let cancelled = blamed(&[Conclusion::Cancelled]);
    if cancelled.is_empty() {
        return (Conclusion::Success, None);
    }
    (Conclusion::Cancelled, Some(format!("was cancelled: {}", cancelled.join(", "))))
}

fn shown(walk: &Walk<'_>, path: &StepPath) -> String {
    match walk.planned.step(path) {
        Some(step) if !step.id.is_empty() => step.id.clone(),
        Some(step) => crate::resolve::step_name(step, None),
        None => path.to_string(),
    }
}
