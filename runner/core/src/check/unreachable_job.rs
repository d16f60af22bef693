//! Jobs that can never run.

use super::Subject;
use crate::diagnostic::Code;
use crate::expr::Contexts;
use crate::workflow::Job;

pub(super) fn lint(subject: &mut Subject<'_>) {
    let jobs = &subject.workflow.jobs;
    let mut never: Vec<&str> = Vec::new();
    // Each round adds a job or is the last.
    loop {
        let new =
            |job: &&Job| !never.contains(&job.id.value.as_str()) && is_unreachable(job, &never);
        let Some(found) = jobs.iter().find(new) else { break };
        never.push(&found.id.value);
    }
    for job in jobs.iter().filter(|job| never.contains(&job.id.value.as_str())) {
        let (span, message) = match &job.condition {
            Some(condition) if is_false(job) => (
                condition.span,
                format!("job '{}' never runs: its condition is always false", job.id.value),
            ),
            _ => (
                job.id.span,
                format!("job '{}' never runs: it needs a job that never runs", job.id.value),
            ),
        };
        let help = Some("remove the job, or change the condition".to_owned());
        subject.reporter.add(Code::UnreachableJob, span, message, help);
    }
}

fn is_false(job: &Job) -> bool {
    let Some(condition) = &job.condition else { return false };
    matches!(condition.value.const_eval(&Contexts::new()), Ok(Some(false)))
}

fn is_unreachable(job: &Job, never: &[&str]) -> bool {
    let asks = job.condition.as_ref().is_some_and(|it| it.value.has_status_function());
    let waits = job.needs.iter().any(|need| never.contains(&need.value.as_str()));
    is_false(job) || (waits && !asks)
}
