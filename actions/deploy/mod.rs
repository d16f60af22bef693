//! `pawl/deploy`: a new revision of a service, live or given back.

mod driver;
#[cfg(test)]
pub(crate) mod fake;
mod golden;
mod machine;
mod report;
mod session;

pub use session::ServicePorts;

pub(crate) use driver::{AliasRule, Rollout, Seen};
pub(crate) use golden::parse as parse_golden;
pub(crate) use machine::Plan;
pub(crate) use report::{outcome, unchanged};
pub(crate) use session::{Prepared, Session, locked, prepare};

use crate::action::{
    ActionError, Inputs, Manifest, RunnerAction, RunnerContext, built_in_manifest,
};
use async_trait::async_trait;
use golden::GoldenRow;
use indexmap::IndexMap;
use pawl_core::ports::ActionOutcome;
use pawl_core::rollout::{Revision, RevisionKind, RevisionState};
use std::sync::LazyLock;

/// Steps of a canary: more are a mistake.
const WEIGHTS_MAX: usize = 20;
/// A rollout that takes longer than a day is forgotten by everybody.
const SECONDS_MAX: f64 = 86_400.0;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The action.
pub struct Deploy;

/// The inputs, read.
struct Request {
    service: String,
    image: String,
    model: String,
    version: u64,
    alias: String,
    port: u16,
    golden: Vec<GoldenRow>,
    golden_bytes: Vec<u8>,
    tolerance: f64,
    weights: Vec<u32>,
    step_ms: i64,
    bake_ms: i64,
    health_ms: i64,
    max_failures: u64,
    health_path: String,
    run: String,
    actor: String,
}

/// Rising shares from 1 to 100, the last one 100.
fn weights(text: &[String]) -> Result<Vec<u32>, ActionError> {
    let parsed: Option<Vec<u32>> =
        text.iter().map(|item| item.trim_end_matches('%').trim().parse().ok()).collect();
    let fits = |weights: &Vec<u32>| {
        weights.len() <= WEIGHTS_MAX
            && weights.first().is_some_and(|first| *first > 0)
            && weights.windows(2).all(|pair| pair[0] < pair[1])
            && weights.last() == Some(&100)
    };
    parsed.filter(fits).ok_or_else(|| {
        ActionError::input(
            format!("the input weights is {:?}", text.join(",")),
            "give rising whole per cents that end with 100, such as 10,50,100",
        )
    })
}

fn millis(inputs: &Inputs, name: &str) -> Result<i64, ActionError> {
    let seconds = inputs.number(name)?;
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return Err(ActionError::input(
            format!("the input {name} is {seconds}"),
            format!("give seconds from 0 to {SECONDS_MAX}"),
        ));
    }
    // At most 86,400,000: exact.
    Ok((seconds * 1000.0).round() as i64)
}

impl Request {
    fn read(context: &RunnerContext<'_>, inputs: &Inputs) -> Result<Self, ActionError> {
        let (golden, golden_bytes) = match inputs.get("golden") {
            None => (Vec::new(), Vec::new()),
            Some(path) => {
                let bytes = context.workspace.read(path, golden::BYTES_MAX)?;
                let rows = golden::parse(&bytes).map_err(|reason| {
                    ActionError::input(format!("golden rows {path}: {reason}"), "")
                })?;
                (rows, bytes)
            }
        };
        let image = inputs.text("image").trim().to_owned();
        if !image.starts_with("sha256:") {
            return Err(ActionError::input(
                format!("the input image is {image:?}, not an image's id"),
                "give `${{ steps.ID.outputs.image }}` of pawl/build: a tag can move, an id cannot",
            ));
        }
        let whole = |name: &str, most| inputs.integer(name, 0..=most);
        let tolerance = inputs.number("tolerance")?;
        if tolerance < 0.0 {
            return Err(ActionError::input(format!("the input tolerance is {tolerance}"), ""));
        }
        Ok(Self {
            service: inputs.text("service").to_owned(),
            image,
            model: inputs.text("model").to_owned(),
            version: whole("version", i64::MAX)?.unsigned_abs(),
            alias: inputs.text("alias").to_owned(),
            port: u16::try_from(inputs.integer("port", 1..=65_535)?).expect("in range"),
            golden,
            golden_bytes,
            tolerance,
            weights: weights(&inputs.list("weights"))?,
            step_ms: millis(inputs, "step-seconds")?,
            bake_ms: millis(inputs, "bake-seconds")?,
            health_ms: millis(inputs, "health-timeout-seconds")?,
            max_failures: whole("max-failures", 1_000_000_000)?.unsigned_abs(),
            health_path: inputs.text("health-path").to_owned(),
            run: context.facts.run.clone(),
            actor: context.facts.actor.clone(),
        })
    }

    /// The revision to add; its number comes from the store.
    fn revision(
        &self,
        model_digest: String,
        alias_before: Option<u64>,
        golden: String,
    ) -> Revision {
        let version = ("PAWL_MODEL_VERSION".to_owned(), self.version.to_string());
        Revision {
            service: self.service.clone(),
            number: 0,
            kind: RevisionKind::Deploy,
            model: self.model.clone(),
            version: self.version,
            model_digest,
            image: self.image.clone(),
            env: IndexMap::from([version]),
            port: self.port,
            health_path: self.health_path.clone(),
            alias: self.alias.clone(),
            alias_before,
            golden,
            run: self.run.clone(),
            actor: self.actor.clone(),
            created_ms: 0,
            state: RevisionState::Staged,
            reason: String::new(),
        }
    }

    fn plan(&self, number: u64, previous: Option<u64>) -> Plan {
        Plan {
            number,
            previous,
            weights: self.weights.clone(),
            step_ms: self.step_ms,
            bake_ms: self.bake_ms,
            health_ms: self.health_ms,
            max_failures: self.max_failures,
        }
    }
}

#[async_trait]
impl RunnerAction for Deploy {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn run(
        &self,
        context: &RunnerContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError> {
        let request = Request::read(context, inputs)?;
        let (ports, service) = (ServicePorts::from(context), request.service.clone());
        locked(&ports, &service, context.log, move |session| deploy(session, request)).await
    }
}

/// The digest of the model's version, once it is certain that image and version are there.
async fn preflight(ports: &ServicePorts, request: &Request) -> Result<String, ActionError> {
    let versions = ports.registry.versions(&request.model).await?;
    let Some(found) = versions.iter().find(|one| one.version == request.version) else {
        return Err(ActionError::input(
            format!("there is no version {} of {}", request.version, request.model),
            "pawl/gate registers it: `version: ${{ steps.ID.outputs.version }}`",
        ));
    };
    if !ports.images.has(&request.image).await? {
        return Err(ActionError::input(
            format!("the image {} is not on the engine", request.image),
            "pawl/build makes it",
        ));
    }
    Ok(found.digest.clone())
}

async fn deploy(session: Session, request: Request) -> Result<ActionOutcome, ActionError> {
    let ports = session.ports.clone();
    let digest = preflight(&ports, &request).await?;
    let own = |one: &Revision| {
        one.kind == RevisionKind::Deploy && one.run == request.run && one.model_digest == digest
    };
    let Prepared { live, serving, .. } = prepare(&session, &request.service, own).await?;
    let alias = ports.registry.resolve(&request.model, &request.alias).await?;
    let alias = alias.map(|found| found.version);
    if let Some(live) = &live {
        let same = live.image == request.image
            && (live.version, &live.alias) == (request.version, &request.alias)
            && live.port == request.port
            && alias == Some(request.version);
        if same && serving.is_some() {
            session.say(format!("revision {} is this already, and live", live.number));
            return Ok(unchanged(live));
        }
        if live.port != request.port && serving.is_some() {
            return Err(ActionError::input(
                format!("{} listens at port {}", request.service, live.port),
                format!("keep `port: {}`: clients know it", live.port),
            ));
        }
    }
    let golden = if request.golden_bytes.is_empty() {
        String::new()
    } else {
        ports.objects.put(request.golden_bytes.clone()).await?
    };
    let mut wanted = request.revision(digest, alias, golden);
    wanted.created_ms = session.now();
    let revision = ports.revisions.add(&wanted).await?;
    let rollout = Rollout {
        plan: request.plan(revision.number, serving),
        revision,
        golden: request.golden,
        tolerance: request.tolerance,
        alias_rule: AliasRule::MustMove,
        seen: Seen::default(),
        session,
    };
    let (end, seen, revision) = Box::pin(rollout.run()).await;
    outcome(&end, &seen, &revision, serving)
}

#[cfg(test)]
mod docker_tests;
#[cfg(test)]
mod tests;
