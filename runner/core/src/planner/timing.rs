//! Time limits of jobs.

use super::Planner;
use super::jobs::{Instances, instance_contexts};
use crate::diagnostic::Code;
use crate::expr::{Template, Value};
use crate::late::of_minutes;
use crate::plan::{DEFAULT_CANCEL_TIMEOUT_MS, LateValues};
use crate::span::Spanned;
use crate::workflow::Job;

/// GitHub's limit for a job that names none: 360 minutes.
const DEFAULT_MS: u64 = 360 * 60 * 1000;

/// The job's limit and that of its cancellation in milliseconds, when they are known and the same for all instances; else the
/// expressions are kept.
pub(super) fn limits(
    planner: &mut Planner<'_>,
    job: &Job,
    instances: &Instances,
    late: &mut LateValues,
) -> (u64, u64) {
    let timeout = limit(planner, job, instances, job.timeout_minutes.as_ref());
    let cancel = limit(planner, job, instances, job.cancel_timeout_minutes.as_ref());
    let later = |limit: &Limit, written: &Option<Spanned<Template>>| match limit {
        Limit::Later => super::template(written),
        Limit::None | Limit::Known(_) => None,
    };
    late.timeout_minutes = later(&timeout, &job.timeout_minutes);
    late.cancel_timeout_minutes = later(&cancel, &job.cancel_timeout_minutes);
    (timeout.or(DEFAULT_MS), cancel.or(DEFAULT_CANCEL_TIMEOUT_MS))
}

enum Limit {
    None,
    Known(u64),
    Later,
}

impl Limit {
    fn or(&self, otherwise: u64) -> u64 {
        match self {
            Self::Known(limit_ms) => *limit_ms,
            Self::None | Self::Later => otherwise,
        }
    }
}

fn limit(
    planner: &mut Planner<'_>,
    job: &Job,
    instances: &Instances,
    written: Option<&Spanned<Template>>,
) -> Limit {
    let Some(written) = written else { return Limit::None };
    let values: Option<Vec<Value>> = match instances {
        Instances::Known(all) => {
            let one = |instance| {
                let contexts = instance_contexts(planner, job, instance);
                planner.evaluated_with(written, &contexts)
            };
            all.iter().map(one).collect()
        }
        Instances::Later(_) => planner.evaluated(written).map(|value| vec![value]),
    };
    let Some(values) = values else { return Limit::Later };
    let mut found = Limit::None;
    for value in values {
        match (of_minutes(&value), &found) {
            (Err(message), _) => {
                planner.reporter.error(Code::InvalidTimeout, written.span, message);
                return Limit::None;
            }
            (Ok(limit), Limit::Known(other)) if limit != *other => return Limit::Later,
            (Ok(limit), _) => found = Limit::Known(limit),
        }
    }
    found
}
