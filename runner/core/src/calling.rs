//! What happens around jobs rather than in them: concurrency groups, and jobs that call workflows.

use crate::contexts::{EvaluationError, Scope, worst};
use crate::decide::{Effect, cancels, end_of_job};
use crate::event::{Conclusion, RunEvent};
use crate::group::GroupRequest;
use crate::ids::JobKey;
use crate::plan::{Plan, PlannedJob};
use crate::state::{JobPhase, JobState, RunState};
use serde_json::Value as Json;

/// What a run with a concurrency group does before anything else; `None` once it is in, or was cancelled before.
pub(crate) fn group_of_run(state: &RunState, plan: &Plan) -> Option<Vec<Effect>> {
    let request = plan.group.as_ref()?;
    if state.cancel.is_some() || state.conclusion.is_some() {
        return None;
    }
    match state.groups.first() {
        None => Some(vec![Effect::EnterGroup { job: None, request: request.clone() }]),
        Some(group) if !group.is_entered => Some(Vec::new()),
        Some(_) => None,
    }
}

/// Why the run was cancelled, when that came before it was in its group: not even `if: always()` runs then.
pub(crate) fn cancelled_before_begin<'a>(scope: &Scope<'a>) -> Option<&'a String> {
    let is_in = scope.state.groups.first().is_some_and(|group| group.is_entered);
    scope.state.cancel.as_ref().filter(|_| scope.plan.group.is_some() && !is_in)
}

/// What a job does about its concurrency groups.
pub(crate) enum NextGroup {
    /// It has entered them all, or has none.
    Done,
    /// It waits.
    Wait,
    /// This comes next.
    Do(Effect),
}

/// The next of the job's concurrency groups: its own, then that of the workflow that it calls.
pub(crate) fn next_group(
    scope: &Scope<'_>,
    planned: &PlannedJob,
    key: &JobKey,
    job: &JobState,
) -> Result<NextGroup, EvaluationError> {
    if job.groups.last().is_some_and(|group| !group.is_entered) {
        return Ok(NextGroup::Wait);
    }
    let wanted = wanted_groups(scope, planned, job)?;
    let Some(request) = wanted.into_iter().nth(job.groups.len()) else {
        return Ok(NextGroup::Done);
    };
    if let Some(holder) = holder_around(scope, job, &request.group) {
        // Nobody would ever leave: the one that is in waits for this one.
        let reason = format!(
            "a deadlock for the concurrency group '{}' was detected: {holder} is in it",
            request.group
        );
        return Ok(NextGroup::Do(end_of_job(key, Conclusion::Cancelled, Some(reason))));
    }
    Ok(NextGroup::Do(Effect::EnterGroup { job: Some(key.clone()), request }))
}

fn wanted_groups(
    scope: &Scope<'_>,
    planned: &PlannedJob,
    job: &JobState,
) -> Result<Vec<GroupRequest>, EvaluationError> {
    let of_call =
        planned.call_of(&job.instance).and_then(|call| Some((call, call.group.as_ref()?)));
    if planned.group.is_none() && of_call.is_none() {
        return Ok(Vec::new());
    }
    let mut contexts = scope.before_start(planned, job);
    let mut wanted = Vec::new();
    if let Some(group) = &planned.group {
        wanted.extend(group.evaluated(&contexts)?);
    }
    if let Some((call, group)) = of_call {
        let inputs = call.evaluated_inputs(&contexts, &scope.bare())?;
        contexts.values.insert("inputs", crate::expr::Value::from(Json::Object(inputs)));
        wanted.extend(group.evaluated(&contexts)?);
    }
    Ok(wanted)
}

/// Who around this job is in the group of this name: the job itself, one that calls its workflow, or the run.
fn holder_around(scope: &Scope<'_>, job: &JobState, name: &str) -> Option<String> {
    let is_in = |job: &JobState| {
        job.groups.iter().any(|group| group.request.group.eq_ignore_ascii_case(name))
    };
    let mut place = Some(job);
    while let Some(job) = place {
        if is_in(job) {
            return Some(format!("job {}", JobKey::new(&job.id, job.instance.index)));
        }
        place = scope.state.caller(job);
    }
    let of_run = scope.plan.group.as_ref();
    let is_of_run = of_run.is_some_and(|group| group.group.eq_ignore_ascii_case(name));
    is_of_run.then(|| "the run itself".to_owned())
}

/// The call of a job whose turn has come.
pub(crate) fn call(
    scope: &Scope<'_>,
    planned: &PlannedJob,
    key: &JobKey,
    job: &JobState,
) -> Effect {
    let Some(call) = planned.call_of(&job.instance) else {
        return end_of_job(key, Conclusion::Failure, Some("it calls no workflow".to_owned()));
    };
    match call.evaluated_inputs(&scope.before_start(planned, job), &scope.bare()) {
        Ok(inputs) => Effect::Record(RunEvent::JobCalled { job: key.clone(), inputs }),
        Err(error) => end_of_job(key, Conclusion::Failure, Some(error.to_string())),
    }
}

/// A job whose called workflow runs: its end, or the cancellation of the called jobs.
pub(crate) fn decide(scope: &Scope<'_>, key: &JobKey, job: &JobState, effects: &mut Vec<Effect>) {
    let frame = scope.frame_of_caller(Some(job));
    if let Some(reason) = &job.cancel {
        cancel_called(scope, key, reason, effects);
    }
    let ids = frame.jobs().iter().map(|called| frame.id(&called.id));
    let results: Option<Vec<Conclusion>> = ids.map(|id| scope.result(&id)).collect();
    let Some(results) = results else { return };
    if !is_closed(scope, key) {
        return;
    }
    effects.push(Effect::Record(RunEvent::JobFinished {
        job: key.clone(),
        conclusion: worst(results.into_iter()),
        tolerated: false,
        outputs: scope.workflow_outputs(frame),
        environment: None,
        reason: job.cancel.clone(),
    }));
}

fn is_closed(scope: &Scope<'_>, key: &JobKey) -> bool {
    let called = |job: &&JobState| scope.state.caller_key(job) == Some(key);
    scope.state.jobs.values().filter(called).all(|job| job.phase == JobPhase::Finished)
}

fn cancel_called(scope: &Scope<'_>, key: &JobKey, reason: &str, effects: &mut Vec<Effect>) {
    for (called, state) in &scope.state.jobs {
        let is_called = scope.state.caller_key(state) == Some(key);
        if !is_called || state.phase == JobPhase::Finished || state.cancel.is_some() {
            continue;
        }
        if !effects.iter().any(|effect| cancels(effect, called)) {
            let (job, reason) = (called.clone(), reason.to_owned());
            effects.push(Effect::Record(RunEvent::JobCancelRequested { job, reason }));
        }
    }
}
