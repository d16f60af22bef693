//! `--job` and `--matrix`: which jobs and instances of the workflow are wanted.

use super::Planner;
use crate::diagnostic::Code;
use crate::plan::JobInstance;
use crate::span::Span;
use crate::workflow::Job;
use crate::workflow::reader::suggestion;
use serde_json::Value as Json;

/// Ids of the wanted jobs and of everything that they need.
pub(super) fn jobs(planner: &mut Planner<'_>) -> Vec<String> {
    let ids: Vec<&str> = planner.workflow.jobs.iter().map(|job| job.id.value.as_str()).collect();
    if planner.options.jobs.is_empty() {
        return ids.into_iter().map(str::to_owned).collect();
    }
    let mut wanted: Vec<String> = Vec::new();
    let mut open: Vec<String> = planner.options.jobs.clone();
    while let Some(id) = open.pop() {
        if wanted.contains(&id) {
            continue;
        }
        match planner.workflow.job(&id) {
            Some(job) => open.extend(job.needs.iter().map(|need| need.value.clone())),
            None => {
                let message = format!("the workflow has no job '{id}'");
                let help = Some(suggestion(&id, &ids));
                planner.reporter.add(Code::UnknownJob, Span::START, message, help);
            }
        }
        wanted.push(id);
    }
    wanted
}

/// The wanted instances of a job. They keep their indexes, so that the same instance has the same name in every run.
pub(super) fn instances(
    planner: &mut Planner<'_>,
    job: &Job,
    all: Vec<JobInstance>,
) -> Vec<JobInstance> {
    let filters = &planner.options.matrix;
    if filters.is_empty() {
        return all;
    }
    let kept: Vec<JobInstance> =
        all.into_iter().filter(|instance| is_wanted(instance, filters)).collect();
    if kept.is_empty() {
        let message = format!("no instance of job '{}' has the wanted matrix values", job.id.value);
        let wanted: Vec<String> =
            filters.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        let help = format!("given: --matrix {}", wanted.join(" --matrix "));
        planner.reporter.add(Code::EmptySelection, job.id.span, message, Some(help));
    }
    kept
}

/// Instances that are known only while jobs run cannot be chosen now: says so when the filter may mean them.
pub(super) fn refuse_later(planner: &mut Planner<'_>, job: &Job) {
    let Some(matrix) = &job.strategy.matrix else { return };
    let has_key = |job: &Job, key: &str| {
        job.strategy.matrix.as_ref().is_some_and(|matrix| matrix.get(key).is_some())
    };
    let meant = planner.options.matrix.iter().any(|(key, _)| {
        let elsewhere = planner.workflow.jobs.iter().any(|job| has_key(job, key));
        has_key(job, key) || (matrix.is_scalar() && !elsewhere)
    });
    if meant {
        planner.too_late(matrix.span, "choosing instances with --matrix");
    }
}

/// Every key that the instance has and a filter names must have one of the values named for it.
fn is_wanted(instance: &JobInstance, filters: &[(String, String)]) -> bool {
    instance.matrix.iter().all(|(key, value)| {
        let mut alternatives = filters.iter().filter(|(name, _)| name == key).peekable();
        alternatives.peek().is_none() || alternatives.any(|(_, text)| is_text(value, text))
    })
}

fn is_text(value: &Json, text: &str) -> bool {
    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    shown == text
}
