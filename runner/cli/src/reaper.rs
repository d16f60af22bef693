//! Removing what runs have left on the engine whose process died before it could.

use pawl_core::event::{Recorded, RunEvent, UnixMs};
use pawl_core::ids::RunId;
use pawl_core::ports::{Executor, Journal, JournalError};
use pawl_executors::docker::DockerExecutor;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How long a run that may be resumed keeps its containers, in which its steps go on: a night and a day.
const KEPT_MS: UnixMs = 36 * 60 * 60 * 1000;

/// Removes containers, networks and volumes of this store's runs that are over, unknown, or dead for longer than [`KEPT_MS`].
/// Nothing here fails a run: what could not be removed is tried again at the next start.
pub(crate) async fn reap(docker: DockerExecutor, journal: Arc<dyn Journal>, now: UnixMs) {
    let Ok(jobs) = docker.sandboxes().await else { return };
    let runs: BTreeSet<RunId> = jobs.into_iter().map(|job| job.run).collect();
    for run in runs {
        let is_left = match journal.load(&run, 0).await {
            Ok(events) => is_left(&events, now),
            Err(JournalError::Unknown(_)) => true,
            Err(_) => false,
        };
        // A living process has the lease.
        if !is_left || !journal.lease(&run).await.unwrap_or(false) {
            continue;
        }
        tracing::warn!("removing what the run {run} has left");
        if let Err(error) = docker.close_run(&run).await {
            tracing::warn!(%run, %error, "something of it may be left");
        }
        drop(journal.release(&run).await);
    }
}

fn is_left(events: &[Recorded], now: UnixMs) -> bool {
    events.last().is_none_or(|last| {
        matches!(last.event, RunEvent::RunFinished { .. }) || last.time_ms < now - KEPT_MS
    })
}

#[cfg(test)]
mod tests {
    use super::is_left;
    use pawl_core::event::{Conclusion, Recorded, RunEvent};

    #[test]
    fn a_run_that_may_be_resumed_keeps_its_containers_for_a_while() {
        let at = |event| [Recorded { seq: 1, time_ms: 0, event }];
        let resumed = at(RunEvent::RunResumed);
        assert!(!is_left(&resumed, 1_000));
        assert!(is_left(&resumed, 40 * 60 * 60 * 1000));
        assert!(is_left(&at(RunEvent::RunFinished { conclusion: Conclusion::Success }), 1));
        assert!(is_left(&[], 1));
    }
}
