//! Values of a job that may depend on jobs that it needs: how many of its instances run at once, how long they may take.

use crate::contexts::{EvaluationError, Scope};
use crate::expr::{Contexts, Template, Value};
use crate::plan::PlannedJob;
use crate::state::JobState;

/// Longest limit, 35 days: GitHub's for a whole run.
pub(crate) const MAX_MINUTES: f64 = 35.0 * 24.0 * 60.0;

impl<'a> Scope<'a> {
    /// Whether a failed instance cancels the others. An expression that fails counts as GitHub's default.
    pub fn fail_fast(&self, planned: &PlannedJob, job: &'a JobState) -> bool {
        let Some(template) = &planned.late.fail_fast else { return planned.fail_fast };
        let contexts = self.job_condition(self.frame(job), planned);
        template.evaluate_string(&contexts).map_or(true, |text| text != "false")
    }

    /// Most instances at once.
    pub fn max_parallel(&self, planned: &PlannedJob, job: &'a JobState) -> Option<usize> {
        let fixed = planned.max_parallel.map(|most| most as usize);
        let Some(template) = &planned.late.max_parallel else { return fixed };
        let contexts = self.job_condition(self.frame(job), planned);
        let number = template.evaluate(&contexts).ok()?.to_number();
        // Between 1 and 2^32, so it fits.
        (1.0..4_294_967_296.0).contains(&number).then_some(number as usize)
    }

    /// The job's time limit, and the longest time from a cancellation to its end.
    pub fn limits_ms(&self, planned: &PlannedJob, job: &'a JobState) -> (u64, u64) {
        let late = &planned.late;
        if late.timeout_minutes.is_none() && late.cancel_timeout_minutes.is_none() {
            return (planned.timeout_ms, planned.cancel_timeout_ms);
        }
        let contexts = self.before_start(planned, job);
        let limit = |template: &Option<Template>, fixed: u64| {
            let known = template.as_ref().and_then(|text| minutes(text, &contexts).ok());
            known.unwrap_or(fixed)
        };
        (
            limit(&late.timeout_minutes, planned.timeout_ms),
            limit(&late.cancel_timeout_minutes, planned.cancel_timeout_ms),
        )
    }

    /// Faults of values that are only known now: the job fails with them instead of running under a limit that nobody wrote.
    ///
    /// # Errors
    /// An expression fails or gives no value of its kind.
    pub fn check_late(
        &self,
        planned: &PlannedJob,
        job: &'a JobState,
    ) -> Result<(), EvaluationError> {
        let late = &planned.late;
        if late.is_empty() {
            return Ok(());
        }
        let contexts = self.before_start(planned, job);
        let fault = |key: &str, message: String| EvaluationError { key: key.to_owned(), message };
        for (key, template) in [
            ("timeout-minutes", &late.timeout_minutes),
            ("cancel-timeout-minutes", &late.cancel_timeout_minutes),
        ] {
            if let Some(template) = template {
                minutes(template, &contexts).map_err(|message| fault(key, message))?;
            }
        }
        let value = |key: &str, template: &Option<Template>| match template {
            Some(template) => {
                let value = template.evaluate(&contexts);
                value.map(Some).map_err(|error| fault(key, error.to_string()))
            }
            None => Ok(None),
        };
        if let Some(found) = value("strategy.fail-fast", &late.fail_fast)?
            && !matches!(found.to_text().as_str(), "true" | "false")
        {
            let message = format!("'{}' is neither true nor false", found.to_text());
            return Err(fault("strategy.fail-fast", message));
        }
        if let Some(found) = value("strategy.max-parallel", &late.max_parallel)?
            && self.max_parallel(planned, job).is_none()
        {
            let message = format!("'{}' is no whole number of at least 1", found.to_text());
            return Err(fault("strategy.max-parallel", message));
        }
        Ok(())
    }

    /// `defaults.run.shell` of the job.
    pub(crate) fn default_shell(
        planned: &PlannedJob,
        contexts: &Contexts<'_>,
    ) -> Result<Option<String>, EvaluationError> {
        let Some(template) = &planned.late.shell else { return Ok(planned.shell.clone()) };
        crate::contexts::text("defaults.run.shell", template, contexts).map(Some)
    }
}

fn minutes(template: &Template, contexts: &Contexts<'_>) -> Result<u64, String> {
    let value = template.evaluate(contexts).map_err(|error| error.to_string())?;
    of_minutes(&value)
}

/// A limit in milliseconds.
///
/// # Errors
/// It is no positive number.
pub(crate) fn of_minutes(value: &Value) -> Result<u64, String> {
    let minutes = value.to_number();
    if !(minutes.is_finite() && minutes > 0.0) {
        return Err(format!("a time limit of {} minutes is not possible", value.to_text()));
    }
    // At most 35 days: the product is exact enough and fits.
    Ok((minutes.min(MAX_MINUTES) * 60_000.0).ceil() as u64)
}
