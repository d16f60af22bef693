//! Time limits of jobs.

use super::Planner;
use super::jobs::{Instances, instance_contexts};
use crate::diagnostic::Code;
use crate::plan::JobInstance;
use crate::workflow::Job;
use serde_json::Map;

/// GitHub's limit for a job that names none: 360 minutes.
const DEFAULT_MS: u64 = 360 * 60 * 1000;

/// Longest limit, 35 days: GitHub's for a whole run.
const MAX_MINUTES: f64 = 35.0 * 24.0 * 60.0;

/// The job's limit in milliseconds. It must be the same for all instances.
pub(super) fn job_timeout(planner: &mut Planner<'_>, job: &Job, instances: &Instances) -> u64 {
    let Some(limit) = &job.timeout_minutes else { return DEFAULT_MS };
    let none = [JobInstance { index: None, total: 1, matrix: Map::new() }];
    let all = match instances {
        Instances::Known(all) => all.as_slice(),
        Instances::Later(_) => &none,
    };
    let mut found: Option<f64> = None;
    for instance in all {
        let contexts = match instances {
            Instances::Known(_) => instance_contexts(planner, job, instance),
            Instances::Later(_) => planner.known.clone(),
        };
        let Some(value) = planner.evaluated_with(limit, &contexts) else {
            planner.too_late(limit.span, "'timeout-minutes' of a job");
            return DEFAULT_MS;
        };
        let minutes = value.to_number();
        if !(minutes.is_finite() && minutes > 0.0) {
            let message = format!("a time limit of {} minutes is not possible", value.to_text());
            planner.reporter.error(Code::InvalidTimeout, limit.span, message);
            return DEFAULT_MS;
        }
        if found.is_some_and(|other| other != minutes) {
            let message = "'timeout-minutes' that differs within a matrix is not supported yet";
            let help = "give the steps their own limits, or make two jobs".to_owned();
            planner.reporter.add(Code::NotSupported, limit.span, message, Some(help));
            return DEFAULT_MS;
        }
        found = Some(minutes);
    }
    // At most 35 days: the product is exact enough and fits.
    found.map_or(DEFAULT_MS, |minutes| (minutes.min(MAX_MINUTES) * 60_000.0).ceil() as u64)
}
