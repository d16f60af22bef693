//! The JSON output: one event a line. The shapes are a contract, described in `docs/events.md`.

use super::Sink;
use indexmap::IndexMap;
use jiff::Timestamp;
use pawl_core::contexts::{Scope, Secrets};
use pawl_core::event::{Recorded, RunEvent};
use pawl_core::ids::{JobKey, StepPath};
use pawl_core::plan::{Plan, PlannedJob};
use pawl_core::ports::NoFiles;
use pawl_core::resolve;
use pawl_core::state::{JobState, RunState};
use pawl_engine::vault::shown;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;

/// Writes events as JSON lines.
pub(crate) struct JsonSink<W: Write + Send> {
    out: W,
}

impl<W: Write + Send> JsonSink<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Sink for JsonSink<W> {
    fn event(&mut self, recorded: &Recorded, state: &RunState) {
        // A reader that went away is no reason to stop the run.
        drop(writeln!(self.out, "{}", event_line(recorded, state)));
    }

    fn flush(&mut self, _state: &RunState, _now_ms: i64) {
        drop(self.out.flush());
    }
}

/// A time as RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(time_ms: i64) -> String {
    let time = Timestamp::from_millisecond(time_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

/// One line of the output.
pub(crate) fn event_line(recorded: &Recorded, state: &RunState) -> Value {
    let mut line = Map::new();
    line.insert("seq".to_owned(), json!(recorded.seq));
    line.insert("time".to_owned(), json!(rfc3339(recorded.time_ms)));
    line.insert("event".to_owned(), json!(recorded.event.kind()));
    if let Some(run) = &state.run {
        line.insert("run".to_owned(), json!(run));
    }
    if let Some((job, step)) = place(&recorded.event) {
        add_place(&mut line, state, job, step);
    }
    add_details(&mut line, &recorded.event, state);
    Value::Object(line)
}

fn place(event: &RunEvent) -> Option<(&JobKey, Option<&StepPath>)> {
    match event {
        RunEvent::JobCalled { job, .. }
        | RunEvent::JobStarted { job }
        | RunEvent::JobReady { job, .. }
        | RunEvent::ServiceLog { job, .. }
        | RunEvent::JobClosed { job }
        | RunEvent::JobFinished { job, .. }
        | RunEvent::JobCancelRequested { job, .. } => Some((job, None)),
        RunEvent::StepQueued { job, step }
        | RunEvent::StepIntended { job, step, .. }
        | RunEvent::StepStarted { job, step, .. }
        | RunEvent::Log { job, step, .. }
        | RunEvent::StepAnnotated { job, step, .. }
        | RunEvent::StepRetried { job, step, .. }
        | RunEvent::StepFinished { job, step, .. } => Some((job, Some(step))),
        RunEvent::RunRequested { .. }
        | RunEvent::RunPlanned { .. }
        | RunEvent::JobExpanded { .. }
        | RunEvent::GroupAsked { .. }
        | RunEvent::GroupEntered { .. }
        | RunEvent::CancelRequested { .. }
        | RunEvent::RunResumed
        | RunEvent::RunReopened
        | RunEvent::RunFinished { .. } => None,
    }
}

fn add_place(
    line: &mut Map<String, Value>,
    state: &RunState,
    key: &JobKey,
    step: Option<&StepPath>,
) {
    let Some(job) = state.jobs.get(key) else { return };
    let Some(planned) = state.planned(job) else { return };
    line.insert("job".to_owned(), json!(job.id));
    line.insert("matrix".to_owned(), matrix(job));
    match step.and_then(|path| planned.step(path).map(|step| (path, step))) {
        None => drop(line.insert("name".to_owned(), json!(job_name(state, planned, job)))),
        Some((path, step)) => {
            line.insert("step".to_owned(), step_id(&step.id, path));
            line.insert("name".to_owned(), json!(step_name(state, planned, job, path)));
        }
    }
}

/// A step's id, or its index where it has none (`"2.0"` inside a composite action).
fn step_id(id: &str, path: &StepPath) -> Value {
    match path.0.as_slice() {
        _ if !id.is_empty() => json!(id),
        [index] => json!(index),
        _ => json!(path.to_string()),
    }
}

fn matrix(job: &JobState) -> Value {
    if job.instance.matrix.is_empty() { Value::Null } else { json!(job.instance.matrix) }
}

fn add_details(line: &mut Map<String, Value>, event: &RunEvent, state: &RunState) {
    let details = match event {
        RunEvent::RunRequested { run, workflow, trigger, actor, number } => {
            json!({
                "run": run,
                "run_id": run.number().to_string(),
                "run_number": number,
                "workflow": workflow,
                "trigger": trigger,
                "actor": actor,
            })
        }
        RunEvent::RunPlanned { plan } => json!({ "workflow": plan.workflow, "hash": plan.hash() }),
        RunEvent::JobExpanded { id, instances } => {
            let all: Vec<_> = instances.iter().map(|instance| &instance.matrix).collect();
            json!({ "job": id, "instances": all })
        }
        RunEvent::StepIntended { attempt, .. } | RunEvent::StepStarted { attempt, .. } => {
            json!({ "attempt": attempt })
        }
        RunEvent::Log { attempt, stream, text, .. } => {
            json!({ "attempt": attempt, "stream": stream, "text": text })
        }
        RunEvent::StepAnnotated { annotation, .. } => json!(annotation),
        RunEvent::StepRetried { attempt, outcome, reason, not_before_ms, .. } => {
            json!({ "attempt": attempt, "outcome": outcome, "reason": reason, "not_before": rfc3339(*not_before_ms) })
        }
        RunEvent::StepFinished { .. } => end_of_step(event),
        RunEvent::JobCalled { inputs, .. } => json!({ "inputs": inputs }),
        RunEvent::GroupAsked { job, request } => json!({
            "job": job, "group": request.group, "cancel_in_progress": request.cancel_in_progress,
        }),
        RunEvent::GroupEntered { job, group } => json!({ "job": job, "group": group }),
        RunEvent::JobFinished { conclusion, outputs, environment, reason, .. } => {
            let mut details =
                json!({ "conclusion": conclusion, "outputs": outputs, "reason": reason });
            if let Some(environment) = environment {
                details["environment"] = json!(environment);
            }
            details
        }
        RunEvent::JobCancelRequested { reason, .. } | RunEvent::CancelRequested { reason } => {
            json!({ "reason": reason })
        }
        RunEvent::RunFinished { conclusion } => {
            let mut details = json!({ "conclusion": conclusion, "jobs": report(state) });
            if let Some(plan) = state.plan.as_ref().filter(|plan| !plan.outputs.is_empty()) {
                let secrets = Secrets::default();
                details["outputs"] = json!(outputs_of(&scope(state, plan, &secrets)));
            }
            details
        }
        RunEvent::JobReady { facts, .. } => {
            json!({ "container": facts.container, "services": facts.services })
        }
        RunEvent::ServiceLog { service, text, .. } => json!({ "service": service, "text": text }),
        RunEvent::JobStarted { .. }
        | RunEvent::StepQueued { .. }
        | RunEvent::JobClosed { .. }
        | RunEvent::RunResumed
        | RunEvent::RunReopened => Value::Null,
    };
    if let Value::Object(details) = details {
        line.extend(details);
    }
}

fn end_of_step(event: &RunEvent) -> Value {
    let RunEvent::StepFinished {
        attempt,
        outcome,
        conclusion,
        exit_code,
        duration_ms,
        reason,
        effects,
        ..
    } = event
    else {
        return Value::Null;
    };
    let mut details = json!({
        "attempt": attempt, "outcome": outcome, "conclusion": conclusion, "exit_code": exit_code,
        "duration_ms": duration_ms, "reason": reason, "outputs": shown_outputs(&effects.outputs),
    });
    if !effects.report.is_null() {
        details["report"] = effects.report.clone();
    }
    if !effects.summary.is_empty() {
        details["summary"] = json!(effects.summary);
    }
    details
}

/// Outputs as they are shown: where a later step finds a secret, a reader sees the mask alone.
fn shown_outputs(outputs: &IndexMap<String, String>) -> Value {
    let entries = outputs.iter().map(|(name, value)| (name.clone(), json!(shown(value))));
    Value::Object(entries.collect())
}

/// The jobs of the final report, in the plan's order: every matrix instance is its own entry.
pub(crate) fn report(state: &RunState) -> Value {
    let one = |(_, job): (&JobKey, &JobState)| {
        let planned = state.planned(job)?;
        let mut entry = json!({
            "id": job.id,
            "name": job_name(state, planned, job),
            "matrix": matrix(job),
            "conclusion": job.conclusion,
            "reason": job.reason,
            "outputs": job.outputs,
            "steps": steps(state, planned, job),
        });
        if let Some(environment) = &job.environment {
            entry["environment"] = json!(environment);
        }
        Some(entry)
    };
    Value::Array(state.jobs_in_order().into_iter().filter_map(one).collect())
}

fn steps(state: &RunState, planned: &PlannedJob, job: &JobState) -> Value {
    let one = |(index, step): (usize, &pawl_core::plan::PlannedStep)| {
        let path = StepPath::top(index);
        let over = job.steps.get(&path);
        json!({
            "index": index,
            "id": if step.id.is_empty() { Value::Null } else { json!(step.id) },
            "name": step_name(state, planned, job, &path),
            "outcome": over.and_then(|step| step.outcome),
            "conclusion": over.and_then(|step| step.conclusion),
        })
    };
    Value::Array(planned.steps.iter().enumerate().map(one).collect())
}

fn outputs_of(scope: &Scope<'_>) -> IndexMap<String, String> {
    scope.workflow_outputs(scope.frame_of_caller(None))
}

/// What names and outputs are evaluated against. The callers give no secrets: an expression that needs one shows as it is
/// written.
fn scope<'a>(state: &'a RunState, plan: &'a Plan, secrets: &'a Secrets) -> Scope<'a> {
    Scope { state, plan, secrets, workspaces: Path::new(""), files: &NoFiles }
}

/// The shown name of a job instance.
pub(crate) fn job_name(state: &RunState, planned: &PlannedJob, job: &JobState) -> String {
    let secrets = Secrets::default();
    match &state.plan {
        Some(plan) => resolve::job_name(&scope(state, plan, &secrets), planned, job),
        None => job.id.clone(),
    }
}

/// The shown name of a step.
pub(crate) fn step_name(
    state: &RunState,
    planned: &PlannedJob,
    job: &JobState,
    path: &StepPath,
) -> String {
    let (Some(plan), Some(step)) = (&state.plan, planned.step(path)) else {
        return path.to_string();
    };
    // Only a name with an expression needs contexts.
    if step.name.as_ref().is_none_or(pawl_core::expr::Template::is_literal) {
        return resolve::step_name(step, None);
    }
    let secrets = Secrets::default();
    let scope = scope(state, plan, &secrets);
    let contexts = scope.step(planned, job, path).ok();
    resolve::step_name(step, contexts.as_ref().map(|(contexts, _)| contexts))
}
