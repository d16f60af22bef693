//! One job of the plan.

use super::{Planner, foreign, labels, matrix, select, steps, template, templates, timing};
use crate::expr::{Contexts, Template};
use crate::plan::{JobInstance, PlannedJob};
use crate::span::Spanned;
use crate::workflow::{Defaults, Job};
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
    let instances = matrix::instances(planner, job)?;
    let fail_fast = match &job.strategy.fail_fast {
        None => true,
        Some(value) => known_boolean(planner, value, "'fail-fast'"),
    };
    let max_parallel =
        job.strategy.max_parallel.as_ref().and_then(|value| known_count(planner, value));
    let chosen = labels::choose(planner, job, &instances);
    let timeout_ms = timing::job_timeout(planner, job, &instances);
    let shell =
        shell(planner, &job.defaults).or_else(|| shell(planner, &planner.workflow.defaults));
    let working_directory = template(&job.defaults.working_directory)
        .or_else(|| template(&planner.workflow.defaults.working_directory));
    let steps = steps::plan_all(planner, &job.steps);
    let (instances, matrix) = match instances {
        Instances::Known(all) => (Some(select::instances(planner, job, all)), None),
        Instances::Later(template) => {
            select::refuse_later(planner, job);
            (None, Some(template))
        }
    };
    let chosen = chosen?;
    if chosen.image.source() == super::HOST_LABEL {
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
        runs_on: chosen.runs_on,
        env: templates(&job.env),
        shell,
        working_directory,
        timeout_ms,
        continue_on_error: template(&job.continue_on_error),
        outputs: templates(&job.outputs),
        steps,
    })
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

fn known_boolean(planner: &mut Planner<'_>, value: &Spanned<Template>, what: &str) -> bool {
    match planner.evaluated(value) {
        // By its text: what is written without an expression is a string, and the string 'false' is not empty.
        Some(known) => match known.to_text().as_str() {
            "true" => true,
            "false" => false,
            other => {
                let message = format!("{what} is '{other}': expected true or false");
                planner.reporter.error(crate::diagnostic::Code::InvalidValue, value.span, message);
                true
            }
        },
        None => {
            planner.too_late(value.span, what);
            true
        }
    }
}

fn known_count(planner: &mut Planner<'_>, value: &Spanned<Template>) -> Option<u32> {
    let Some(number) = planner.evaluated(value).map(|value| value.to_number()) else {
        planner.too_late(value.span, "'max-parallel'");
        return None;
    };
    if !(number >= 1.0 && number <= f64::from(u32::MAX)) {
        let message = format!("'max-parallel' is {number}: expected a whole number of at least 1");
        planner.reporter.error(crate::diagnostic::Code::InvalidValue, value.span, message);
        return None;
    }
    // Between 1 and u32::MAX.
    Some(number as u32)
}

/// `defaults.run.shell`, which has to be known before the run.
fn shell(planner: &mut Planner<'_>, defaults: &Defaults) -> Option<String> {
    let shell = defaults.shell.as_ref()?;
    let text = planner.evaluated(shell).map(|value| value.to_text());
    if text.is_none() {
        planner.too_late(shell.span, "'defaults.run.shell'");
    }
    text
}
