//! The environment that a job deploys to.

use crate::contexts::{Scope, text};
use crate::event::Deployed;
use crate::expr::Contexts;
use crate::plan::PlannedJob;
use crate::state::JobState;

/// The environment of a job whose steps are over; `contexts` are the job's own. An address that cannot be evaluated is left
/// out, as on GitHub.
pub(crate) fn deployed<'a>(
    scope: &Scope<'a>,
    planned: &PlannedJob,
    job: &'a JobState,
    contexts: &Contexts<'_>,
) -> Option<Deployed> {
    let environment = planned.environment.as_ref()?;
    let name = scope.environment_name(planned, job).ok().filter(|name| !name.is_empty())?;
    let url = environment.url.as_ref().and_then(|url| text("environment.url", url, contexts).ok());
    let record = environment.deployment.as_ref();
    let record = record.map(|record| text("environment.deployment", record, contexts));
    Some(Deployed {
        name,
        url: url.filter(|url| !url.is_empty()),
        deployment: record.is_none_or(|record| record.is_ok_and(|text| text != "false")),
    })
}
