//! One rollout at a time of a service: the lock, what an interrupted rollout left behind, and an orderly end when the
//! caller goes away.

use super::driver::with_hint;
use crate::action::{ActionError, RunnerContext};
use pawl_core::event::UnixMs;
use pawl_core::ports::Clock;
use pawl_core::registry::{ModelRegistry, Objects};
use pawl_core::rollout::{
    ImageBuilder, Observed, ProbeRequest, Revision, RevisionState, Revisions, RolloutTarget,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Log lines that wait for the caller; more are dropped, the report has them all.
const LINES_MAX: usize = 256;
/// Time for a live revision that was found stopped to answer again.
const REVIVE_MS: i64 = 15_000;
/// Pause between two looks at it.
const REVIVE_LOOK: Duration = Duration::from_millis(100);

/// What deploying and rolling back need.
#[derive(Clone)]
pub struct ServicePorts {
    /// Models, versions, aliases.
    pub registry: Arc<dyn ModelRegistry>,
    /// Bytes named by their digest.
    pub objects: Arc<dyn Objects>,
    /// Revisions of services.
    pub revisions: Arc<dyn Revisions>,
    /// Where services run.
    pub target: Arc<dyn RolloutTarget>,
    /// Knows which images are there.
    pub images: Arc<dyn ImageBuilder>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl From<&RunnerContext<'_>> for ServicePorts {
    fn from(context: &RunnerContext<'_>) -> Self {
        Self {
            registry: Arc::clone(&context.registry),
            objects: Arc::clone(&context.objects),
            revisions: Arc::clone(&context.revisions),
            target: Arc::clone(&context.target),
            images: Arc::clone(&context.images),
            clock: Arc::clone(&context.clock),
        }
    }
}

/// A service that is locked for this rollout.
pub(crate) struct Session {
    pub(crate) ports: ServicePorts,
    lines: mpsc::Sender<String>,
    cancelled: Arc<AtomicBool>,
}

impl Session {
    pub(crate) fn say(&self, line: String) {
        // A full queue means that nobody reads: the rollout does not wait for readers.
        let _ = self.lines.try_send(line);
    }

    pub(crate) fn now(&self) -> UnixMs {
        self.ports.clock.now_ms()
    }

    pub(crate) fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

/// Says that nobody waits any more.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Does `work` with the service locked, in a task of its own: when the caller goes away, the rollout gives the traffic back
/// and unlocks before it ends. (When the whole process goes away, the next rollout does that.)
///
/// # Errors
/// `Environment` when another rollout of the service is under way; else what `work` gives.
pub(crate) async fn locked<T, F, W>(
    ports: &ServicePorts,
    service: &str,
    log: &(dyn Fn(String) + Send + Sync),
    work: F,
) -> Result<T, ActionError>
where
    F: FnOnce(Session) -> W + Send + 'static,
    W: Future<Output = Result<T, ActionError>> + Send,
    T: Send + 'static,
{
    let (lines, mut received) = mpsc::channel(LINES_MAX);
    let cancelled = Arc::new(AtomicBool::new(false));
    let _guard = CancelOnDrop(Arc::clone(&cancelled));
    let (ports, service) = (ports.clone(), service.to_owned());
    let task = tokio::spawn(async move {
        let revisions = Arc::clone(&ports.revisions);
        if !revisions.lock(&service).await? {
            return Err(ActionError::environment(
                format!("another rollout of {service} is under way"),
                "wait for its end and run again",
            ));
        }
        let result = work(Session { ports, lines, cancelled }).await;
        revisions.unlock(&service).await?;
        result
    });
    while let Some(line) = received.recv().await {
        log(line);
    }
    task.await.map_err(|error| ActionError::internal(format!("the rollout panicked: {error}")))?
}

/// The service as it is after what earlier rollouts left behind was put in order.
pub(crate) struct Prepared {
    /// All revisions, oldest first.
    pub(crate) all: Vec<Revision>,
    /// The live one in the store.
    pub(crate) live: Option<Revision>,
    /// Its number, when it runs and has all traffic.
    pub(crate) serving: Option<u64>,
}

/// Puts the service in order: the live revision runs and has all traffic, interrupted rollouts are written down as failed,
/// and nothing else runs but warm revisions and `own` (what an earlier attempt at this rollout staged).
pub(crate) async fn prepare(
    session: &Session,
    service: &str,
    own: impl Fn(&Revision) -> bool + Send + Sync,
) -> Result<Prepared, ActionError> {
    let ports = &session.ports;
    let all = ports.revisions.list(service).await?;
    let live = all.iter().rev().find(|one| one.state == RevisionState::Live).cloned();
    let observed = ports.target.observe(service).await?;
    let serving = match &live {
        None => None,
        Some(live) => match revive(session, live, &observed).await {
            Ok(()) => Some(live.number),
            Err(reason) => {
                let number = live.number;
                session.say(format!("live revision {number} cannot be brought back: {reason}"));
                None
            }
        },
    };
    let interrupted: Vec<(u64, RevisionState, String)> = all
        .iter()
        .filter(|one| one.state == RevisionState::Staged && !own(one))
        .map(|one| (one.number, RevisionState::Failed, "its rollout was interrupted".to_owned()))
        .collect();
    if !interrupted.is_empty() {
        ports.revisions.set_states(service, &interrupted).await?;
    }
    let wanted = |number: u64| {
        all.iter().any(|one| {
            one.number == number
                && (own(one) && one.state == RevisionState::Staged
                    || matches!(one.state, RevisionState::Live | RevisionState::Warm))
        })
    };
    let stray: Vec<_> = observed.revisions.iter().filter(|one| !wanted(one.number)).collect();
    if serving.is_none() && stray.iter().any(|one| one.weight > 0) {
        session.say("what an interrupted first rollout left is removed".to_owned());
        ports.target.remove_service(service).await?;
    } else {
        for one in stray {
            session.say(format!("revision {} is left over and is removed", one.number));
            ports.target.remove(service, one.number).await?;
        }
    }
    let all = ports.revisions.list(service).await?;
    Ok(Prepared { all, live, serving })
}

/// Makes the live revision run and have all traffic.
async fn revive(session: &Session, live: &Revision, observed: &Observed) -> Result<(), String> {
    let target = &session.ports.target;
    let seen = observed.revisions.iter().find(|one| one.number == live.number);
    let running = seen.is_some_and(|one| one.running);
    if !running {
        target.stage(live).await.map_err(with_hint)?;
        let deadline = session.now() + REVIVE_MS;
        let request = ProbeRequest {
            method: "GET".to_owned(),
            path: live.health_path.clone(),
            body: Vec::new(),
            timeout_ms: 2_000,
        };
        loop {
            match target.probe(&live.service, live.number, &request).await {
                Ok(response) if response.status == 200 => break,
                _ if session.now() >= deadline => return Err("it is not ready in time".to_owned()),
                _ => tokio::time::sleep(REVIVE_LOOK).await,
            }
        }
    }
    let whole = seen.is_some_and(|one| one.weight == 100) && observed.address.is_some();
    if !running || !whole {
        target.route(&live.service, live.port, &[(live.number, 100)]).await.map_err(with_hint)?;
    }
    Ok(())
}
