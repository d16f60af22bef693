//! The programs that actions run before and after the job's steps, as steps of their own: those before come first, in order;
//! those after come last, the latest first.

use crate::expr::Condition;
use crate::ids::StepPath;
use crate::plan::{ForeignPhase, Phase, PhaseAt, PlannedStep, StepKind};

/// Puts them around the steps of a job. An action with a program before the steps has its turn to clean up last, as on GitHub,
/// where cleaning up is arranged for at an action's first program. `has_post` tells the built-in actions that run once more.
pub(super) fn surround(
    mut steps: Vec<PlannedStep>,
    has_post: impl Fn(&str) -> bool,
) -> Vec<PlannedStep> {
    let mut found = Vec::new();
    collect(&steps, None, &has_post, &mut found);
    let before: Vec<PlannedStep> =
        found.iter().filter_map(|(path, step)| phase(step, path, PhaseAt::Pre)).collect();
    let (with, without): (Vec<_>, Vec<_>) = found.iter().partition(|(_, step)| has_pre(step));
    let order = with.into_iter().chain(without).rev();
    let after: Vec<PlannedStep> =
        order.filter_map(|(path, step)| phase(step, path, PhaseAt::Post)).collect();
    if before.is_empty() && after.is_empty() {
        return steps;
    }
    let shift = u32::try_from(before.len()).unwrap_or(u32::MAX);
    steps.iter_mut().for_each(|step| renumber(step, shift));
    let shifted = |mut step: PlannedStep| {
        if let Some(first) = step.phase.as_mut().and_then(|phase| phase.main.0.first_mut()) {
            *first += shift;
        }
        step
    };
    let (before, after) = (before.into_iter().map(shifted), after.into_iter().map(shifted));
    before.chain(steps).chain(after).collect()
}

/// Steps with such actions, and where they are.
fn collect(
    steps: &[PlannedStep],
    parent: Option<&StepPath>,
    has_post: &impl Fn(&str) -> bool,
    found: &mut Vec<(StepPath, PlannedStep)>,
) {
    for (index, step) in steps.iter().enumerate() {
        let path = parent.map_or_else(|| StepPath::top(index), |parent| parent.child(index));
        match &step.kind {
            StepKind::Composite { steps, .. } => collect(steps, Some(&path), has_post, found),
            StepKind::Foreign(_) => found.push((path, step.clone())),
            StepKind::Builtin { action, .. } if has_post(action) => {
                found.push((path, step.clone()));
            }
            _ => {}
        }
    }
}

fn has_pre(step: &PlannedStep) -> bool {
    matches!(&step.kind, StepKind::Foreign(action) if action.pre.is_some())
}

/// The step of one phase; `None` when the action has none.
fn phase(step: &PlannedStep, path: &StepPath, at: PhaseAt) -> Option<PlannedStep> {
    let StepKind::Foreign(action) = &step.kind else {
        // Only built-in actions with a second part have been collected.
        return (at == PhaseAt::Post).then(|| builtin_post(step, path));
    };
    let phase = match at {
        PhaseAt::Pre => &action.pre,
        PhaseAt::Post => &action.post,
    };
    let ForeignPhase { program, condition } = phase.clone()?;
    let mut action = action.clone();
    action.program = program;
    (action.pre, action.post) = (None, None);
    Some(PlannedStep {
        id: String::new(),
        condition: Some(condition),
        retry: None,
        background: false,
        phase: Some(Phase { at, main: path.clone() }),
        kind: StepKind::Foreign(action),
        ..step.clone()
    })
}

/// A built-in action's second part: what it keeps is only worth keeping when the job has succeeded.
fn builtin_post(step: &PlannedStep, path: &StepPath) -> PlannedStep {
    PlannedStep {
        id: String::new(),
        condition: Condition::parse("success()").ok(),
        retry: None,
        cache: None,
        background: false,
        phase: Some(Phase { at: PhaseAt::Post, main: path.clone() }),
        ..step.clone()
    }
}

/// Lets steps that name others by their index name them where they are now.
fn renumber(step: &mut PlannedStep, shift: u32) {
    match &mut step.kind {
        StepKind::Wait { steps } => steps.iter_mut().for_each(|index| *index += shift),
        StepKind::Cancel { step } => *step += shift,
        _ => {}
    }
}
