//! `pawl/rollback`, and what `pawl rollback` does: a service's return to an earlier revision.

use crate::action::{
    ActionError, Inputs, Manifest, RunnerAction, RunnerContext, built_in_manifest,
};
use crate::deploy::{
    AliasRule, Plan, Prepared, Rollout, Seen, ServicePorts, Session, locked, outcome, parse_golden,
    prepare, unchanged,
};
use async_trait::async_trait;
use pawl_core::ports::ActionOutcome;
use pawl_core::registry::RegistryError;
use pawl_core::rollout::{Revision, RevisionKind, RevisionState};
use std::fmt;
use std::sync::LazyLock;

/// Golden rows were within this when the revision was deployed with the default tolerance.
const TOLERANCE: f64 = 1e-9;
/// Time at 100 % before the alias moves: short, because clients wait for the rollback, and it was live before.
const BAKE_MS: i64 = 500;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The action.
pub struct Rollback;

/// Who wants which service back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackRequest {
    /// Name of the service.
    pub service: String,
    /// The revision to return to; `None` is the one before the live one.
    pub to: Option<u64>,
    /// Who asks.
    pub actor: String,
    /// The run that asks; empty by hand.
    pub run: String,
    /// Time for the revision to become ready.
    pub health_ms: i64,
}

impl RollbackRequest {
    /// By hand, with the default time.
    pub fn by_hand(service: &str, to: Option<u64>, actor: &str) -> Self {
        let (service, actor) = (service.to_owned(), actor.to_owned());
        Self { service, to, actor, run: String::new(), health_ms: 60_000 }
    }
}

/// What a rollback would do. `Display` is the text of `pawl rollback --dry-run`.
#[derive(Debug, Clone, PartialEq)]
pub struct RollbackPlan {
    /// The live revision.
    pub live: Option<Revision>,
    /// The revision whose content comes back.
    pub target: Revision,
    /// True when that is live already.
    pub unchanged: bool,
}

impl fmt::Display for RollbackPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.target;
        let service = &target.service;
        if self.unchanged {
            return write!(
                f,
                "{service}: revision {} is live already; nothing to do",
                target.number
            );
        }
        let live = self.live.as_ref();
        let live = live.map_or_else(
            || "none is live".to_owned(),
            |live| {
                format!(
                    "live is revision {} ({} version {})",
                    live.number, live.model, live.version
                )
            },
        );
        writeln!(f, "{service}: {live}")?;
        writeln!(f, "- start revision {} again as a new one", target.number)?;
        writeln!(f, "  image {}", target.image)?;
        writeln!(
            f,
            "  model {} version {} ({})",
            target.model, target.version, target.model_digest
        )?;
        let golden = if target.golden.is_empty() { "" } else { " and the golden rows" };
        writeln!(f, "- check {}{golden}", target.health_path)?;
        writeln!(f, "- switch the traffic of port {}, keep the live one warm", target.port)?;
        if !target.alias.is_empty() {
            writeln!(
                f,
                "- point {} of {} at version {}",
                target.alias, target.model, target.version
            )?;
        }
        write!(f, "not restored: data, and anything outside this service")
    }
}

/// The revision whose content this one has: rollbacks repeat an earlier one.
fn root<'a>(all: &'a [Revision], revision: &'a Revision) -> &'a Revision {
    let mut revision = revision;
    // A chain is shorter than the list; a damaged one ends there.
    for _ in 0..all.len() {
        let RevisionKind::Rollback { of } = revision.kind else { return revision };
        let Some(earlier) = all.iter().find(|one| one.number == of) else { return revision };
        revision = earlier;
    }
    revision
}

/// Chooses what to return to.
///
/// # Errors
/// User: no such revision, one that never was live, or no earlier one.
fn choose(all: &[Revision], request: &RollbackRequest) -> Result<RollbackPlan, ActionError> {
    let service = &request.service;
    if all.is_empty() {
        return Err(ActionError::input(format!("there is no service {service}"), ""));
    }
    let live = all.iter().rev().find(|one| one.state == RevisionState::Live);
    let was_live =
        |one: &&Revision| matches!(one.state, RevisionState::Warm | RevisionState::Retired);
    let target = match request.to {
        Some(number) => {
            let found = all.iter().find(|one| one.number == number);
            let found = found.ok_or_else(|| {
                let last = all.last().map_or(0, |one| one.number);
                ActionError::input(
                    format!("{service} has no revision {number}"),
                    format!("its revisions go from 1 to {last}"),
                )
            })?;
            if found.state != RevisionState::Live && !was_live(&found) {
                return Err(ActionError::input(
                    format!("revision {number} of {service} never was live: {}", found.reason),
                    "return to one that was",
                ));
            }
            found
        }
        None => {
            let before = live.map_or(u64::MAX, |live| root(all, live).number);
            let earlier = all.iter().rev().filter(was_live).find(|one| one.number < before);
            earlier.ok_or_else(|| {
                ActionError::input(
                    format!("{service} has no earlier revision that was live"),
                    "name one with --to",
                )
            })?
        }
    };
    let target = root(all, target).clone();
    let unchanged = live.is_some_and(|live| root(all, live).number == target.number);
    Ok(RollbackPlan { live: live.cloned(), target, unchanged })
}

/// Checks that image and model are still there, the model undamaged.
async fn preflight(ports: &ServicePorts, target: &Revision) -> Result<(), ActionError> {
    let number = target.number;
    if !ports.images.has(&target.image).await? {
        return Err(ActionError::environment(
            format!("the image of revision {number} is gone: {}", target.image),
            "build and deploy its model version again; the model is in the store",
        ));
    }
    match ports.objects.get(&target.model_digest).await {
        Ok(_) => Ok(()),
        Err(RegistryError::Unknown(_)) => Err(ActionError::environment(
            format!("the model of revision {number} is not in the store: {}", target.model_digest),
            "restore the store from a backup, or return to another revision",
        )),
        Err(error) => Err(error.into()),
    }
}

/// What a rollback would do, without doing it.
///
/// # Errors
/// User: nothing to return to. Environment: image or model are gone or damaged.
pub async fn plan(
    ports: &ServicePorts,
    request: &RollbackRequest,
) -> Result<RollbackPlan, ActionError> {
    let all = ports.revisions.list(&request.service).await?;
    let plan = choose(&all, request)?;
    if !plan.unchanged {
        preflight(ports, &plan.target).await?;
    }
    Ok(plan)
}

/// Returns the service to an earlier revision. The outcome is as that of `pawl/deploy`.
///
/// # Errors
/// As [`plan`]; and `Environment` while another rollout of the service is under way.
pub async fn rollback(
    ports: &ServicePorts,
    request: RollbackRequest,
    log: &(dyn Fn(String) + Send + Sync),
) -> Result<ActionOutcome, ActionError> {
    plan(ports, &request).await?;
    let service = request.service.clone();
    locked(ports, &service, log, move |session| work(session, request)).await
}

async fn work(session: Session, request: RollbackRequest) -> Result<ActionOutcome, ActionError> {
    let ports = session.ports.clone();
    let Prepared { all, serving, .. } = prepare(&session, &request.service, |_| false).await?;
    let RollbackPlan { live, target, unchanged: same } = choose(&all, &request)?;
    if let Some(live) = live.as_ref().filter(|_| same && serving.is_some()) {
        session.say(format!("revision {} is this already, and live", live.number));
        return Ok(unchanged(live));
    }
    preflight(&ports, &target).await?;
    let golden = match target.golden.as_str() {
        "" => Vec::new(),
        digest => {
            let bytes = ports.objects.get(digest).await?;
            parse_golden(&bytes).map_err(ActionError::internal)?
        }
    };
    let wanted = Revision {
        kind: RevisionKind::Rollback { of: target.number },
        alias_before: live.as_ref().map(|live| live.version),
        run: request.run,
        actor: request.actor,
        created_ms: session.now(),
        state: RevisionState::Staged,
        reason: String::new(),
        ..target
    };
    let revision = ports.revisions.add(&wanted).await?;
    let plan = Plan {
        number: revision.number,
        previous: serving,
        weights: vec![100],
        step_ms: 0,
        bake_ms: BAKE_MS,
        health_ms: request.health_ms,
        max_failures: 0,
    };
    let rollout = Rollout {
        session,
        plan,
        revision,
        golden,
        tolerance: TOLERANCE,
        alias_rule: AliasRule::MayStay,
        seen: Seen::default(),
    };
    let (end, seen, revision) = Box::pin(rollout.run()).await;
    outcome(&end, &seen, &revision, serving)
}

#[async_trait]
impl RunnerAction for Rollback {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn run(
        &self,
        context: &RunnerContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError> {
        let to = match inputs.get("to") {
            None => None,
            Some(_) => Some(inputs.integer("to", 1..=i64::MAX)?.unsigned_abs()),
        };
        let seconds = inputs.number("health-timeout-seconds")?.clamp(0.0, 86_400.0);
        let request = RollbackRequest {
            service: inputs.text("service").to_owned(),
            to,
            actor: context.facts.actor.clone(),
            run: context.facts.run.clone(),
            health_ms: (seconds * 1000.0).round() as i64,
        };
        rollback(&ServicePorts::from(context), request, context.log).await
    }
}

#[cfg(test)]
mod tests;
