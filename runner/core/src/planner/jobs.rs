//! One job of the plan.

use super::labels::Chosen;
use super::{
    Planner, calls, containers, foreign, labels, matrix, select, steps, template, templates, timing,
};
use crate::diagnostic::Code;
use crate::expr::{Contexts, Template, Value};
use crate::plan::{JobInstance, LateValues, PlannedEnvironment, PlannedJob};
use crate::span::{Span, Spanned};
use crate::workflow::{Environment, Job};
use serde_json::{Value as Json, json};

/// The instances of a job as far as they are known.
pub(super) enum Instances {
    /// All of them, before any filter.
    Known(Vec<JobInstance>),
    /// They depend on other jobs: a template that gives the matrix.
    Later(Template),
}

/// Plans one job; `None` when something forbids it, which is reported.
pub(super) fn plan(planner: &mut Planner<'_>, job: &Job) -> Option<PlannedJob> {
    let Some(left) = planner.jobs_left.checked_sub(1) else {
        let message = "matrices and called workflows give more jobs than a run may have";
        planner.reporter.error(Code::CallDepth, job.id.span, message);
        return None;
    };
    planner.jobs_left = left;
    let instances = matrix::instances(planner, job)?;
    let mut late = LateValues::default();
    let (fail_fast, max_parallel) = strategy(planner, job, &mut late);
    let (timeout_ms, cancel_timeout_ms) = timing::limits(planner, job, &instances, &mut late);
    let shell = shell(planner, job, &mut late);
    let permissions = calls::grant(planner, job);
    let (chosen, calls) = match &job.call {
        Some(call) => {
            let calls = calls::plan(planner, job, call, &instances, &permissions);
            let none =
                Chosen { image: Template::literal(""), runs_on: Vec::new(), label_image: None };
            (Some(none), calls)
        }
        None => (labels::choose(planner, job, &instances), Some(Vec::new())),
    };
    let working_directory = template(&job.defaults.working_directory)
        .or_else(|| template(&planner.workflow.defaults.working_directory));
    let steps = steps::plan_all(planner, &job.steps);
    let sandbox = containers::plan(planner, job, &instances);
    let (instances, matrix) = match instances {
        Instances::Known(all) => (Some(select::instances(planner, job, all)), None),
        Instances::Later(template) => {
            select::refuse_later(planner, job);
            (None, Some(template))
        }
    };
    let (chosen, calls) = chosen.zip(calls)?;
    if chosen.image.source() == super::HOST_LABEL {
        containers::refuse_on_host(planner, job);
        foreign::refuse_containers(planner, job.id.span, &steps);
    }
    Some(PlannedJob {
        id: job.id.value.clone(),
        name: template(&job.name),
        needs: job.needs.iter().map(|need| need.value.clone()).collect(),
        condition: job.condition.as_ref().map(|condition| condition.value.clone()),
        instances,
        matrix,
        fail_fast,
        max_parallel,
        image: chosen.image,
        has_container: job.container.is_some(),
        container_env: job.container.as_ref().map(|it| templates(&it.env)).unwrap_or_default(),
        container: sandbox.container,
        label_image: chosen.label_image,
        services: sandbox.services,
        gpus: sandbox.gpus,
        runs_on: chosen.runs_on,
        env: templates(&job.env),
        shell,
        working_directory,
        timeout_ms,
        continue_on_error: template(&job.continue_on_error),
        outputs: templates(&job.outputs),
        late,
        cancel_timeout_ms,
        permissions,
        group: job.concurrency.as_ref().map(calls::group),
        environment: job.environment.as_ref().map(environment),
        calls,
        steps,
    })
}

fn environment(environment: &Environment) -> PlannedEnvironment {
    PlannedEnvironment {
        name: environment.name.value.clone(),
        url: template(&environment.url),
        deployment: template(&environment.deployment),
    }
}

/// `fail-fast` and `max-parallel`, as far as they are known.
fn strategy(planner: &mut Planner<'_>, job: &Job, late: &mut LateValues) -> (bool, Option<u32>) {
    let fail_fast = match &job.strategy.fail_fast {
        None => Some(true),
        Some(value) => known_boolean(planner, value, "'fail-fast'"),
    };
    if fail_fast.is_none() {
        late.fail_fast = template(&job.strategy.fail_fast);
    }
    let max_parallel = match &job.strategy.max_parallel {
        None => None,
        Some(value) => match planner.evaluated(value) {
            Some(known) => known_count(planner, &known, value.span),
            None => {
                late.max_parallel = Some(value.value.clone());
                None
            }
        },
    };
    (fail_fast.unwrap_or(true), max_parallel)
}

/// What an instance's expressions can see before the run: `matrix` and `strategy` besides the rest.
pub(super) fn instance_contexts<'c>(
    planner: &Planner<'_>,
    job: &Job,
    instance: &JobInstance,
) -> Contexts<'c> {
    let strategy = json!({
        "job-index": instance.index.unwrap_or(0),
        "job-total": instance.total,
    });
    let mut contexts: Contexts<'c> = planner.known.clone();
    if job.needs.is_empty() {
        // Nothing is needed, so nothing has to be waited for.
        contexts = contexts.with("needs", json!({}));
    }
    contexts.with("matrix", Json::Object(instance.matrix.clone())).with("strategy", strategy)
}

fn known_boolean(planner: &mut Planner<'_>, value: &Spanned<Template>, what: &str) -> Option<bool> {
    // By its text: what is written without an expression is a string, and the string 'false' is not empty.
    match planner.evaluated(value)?.to_text().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        other => {
            let message = format!("{what} is '{other}': expected true or false");
            planner.reporter.error(Code::InvalidValue, value.span, message);
            Some(true)
        }
    }
}

fn known_count(planner: &mut Planner<'_>, value: &Value, span: Span) -> Option<u32> {
    let number = value.to_number();
    if !(number >= 1.0 && number <= f64::from(u32::MAX)) {
        let message = format!("'max-parallel' is {number}: expected a whole number of at least 1");
        planner.reporter.error(Code::InvalidValue, span, message);
        return None;
    }
    // Between 1 and u32::MAX.
    Some(number as u32)
}

/// `defaults.run.shell` of the job, else of the workflow, as far as it is known.
fn shell(planner: &mut Planner<'_>, job: &Job, late: &mut LateValues) -> Option<String> {
    let shell = job.defaults.shell.as_ref().or(planner.workflow.defaults.shell.as_ref())?;
    let text = planner.evaluated(shell).map(|value| value.to_text());
    if text.is_none() {
        late.shell = Some(shell.value.clone());
    }
    text
}
