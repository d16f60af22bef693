//! Choosing and returning, against the store and target in memory.

use super::{Rollback, RollbackRequest, choose, plan, rollback};
use crate::action::{ActionError, RunnerAction};
use crate::deploy::ServicePorts;
use crate::deploy::fake::{FakeStore, FakeTarget, WallClock};
use pawl_core::ports::ActionOutcome;
use pawl_core::registry::{Lineage, ModelVersion, Objects};
use pawl_core::rollout::RevisionState::{self, Failed, Live, Retired, Warm};
use pawl_core::rollout::{ProbeRequest, Revision, RevisionKind, RolloutTarget};
use std::sync::Arc;

fn revision(number: u64, kind: RevisionKind, state: RevisionState, image: &str) -> Revision {
    Revision {
        service: "s".to_owned(),
        number,
        kind,
        model: "m".to_owned(),
        version: number,
        model_digest: String::new(),
        image: format!("sha256:{image}"),
        env: Default::default(),
        port: 1,
        health_path: "/v2/health/ready".to_owned(),
        alias: "production".to_owned(),
        alias_before: number.checked_sub(1),
        golden: String::new(),
        run: format!("run-{number}"),
        actor: String::new(),
        created_ms: 0,
        state,
        reason: String::new(),
    }
}

fn deployed(number: u64, state: RevisionState) -> Revision {
    revision(number, RevisionKind::Deploy, state, "good")
}

fn request(to: Option<u64>) -> RollbackRequest {
    RollbackRequest { health_ms: 50, ..RollbackRequest::by_hand("s", to, "tester") }
}

fn target_of(all: &[Revision], to: Option<u64>) -> Result<(u64, bool), String> {
    choose(all, &request(to))
        .map(|plan| (plan.target.number, plan.unchanged))
        .map_err(|error| error.to_string())
}

#[test]
fn the_one_before_is_what_was_live_before_the_content_that_is_live() {
    let again = |number, of, state| revision(number, RevisionKind::Rollback { of }, state, "good");
    let all = [deployed(1, Retired), deployed(2, Warm), deployed(3, Failed), deployed(4, Live)];
    assert_eq!(target_of(&all, None), Ok((2, false)));
    assert_eq!(target_of(&all, Some(1)), Ok((1, false)));
    assert_eq!(target_of(&all, Some(4)), Ok((4, true)));
    assert!(target_of(&all, Some(3)).unwrap_err().contains("never was live"));
    assert_eq!(target_of(&all, Some(9)).unwrap_err(), "s has no revision 9");
    // A second rollback goes further back, not forward again.
    let all = [deployed(1, Retired), deployed(2, Retired), deployed(3, Warm), again(4, 2, Live)];
    assert_eq!(target_of(&all, None), Ok((1, false)));
    assert_eq!(target_of(&all, Some(2)), Ok((2, true)));
    assert_eq!(target_of(&all, Some(3)), Ok((3, false)));
    let all = [deployed(1, Retired), deployed(2, Warm), again(3, 1, Live)];
    assert!(target_of(&all, None).unwrap_err().contains("no earlier revision"));
    assert_eq!(target_of(&[], None).unwrap_err(), "there is no service s");
}

struct Bench {
    store: Arc<FakeStore>,
    target: Arc<FakeTarget>,
}

impl Bench {
    /// Revision 1 is warm, revision 2 live.
    async fn new(image: &str, golden: &str) -> Self {
        let (store, target) = (FakeStore::default(), FakeTarget::default());
        let model = store.put(b"model".to_vec()).await.unwrap();
        let golden = store.put(golden.as_bytes().to_vec()).await.unwrap();
        let mut first = revision(1, RevisionKind::Deploy, Warm, image);
        (first.model_digest, first.golden) = (model, golden);
        let live = deployed(2, Live);
        target.stage(&first).await.unwrap();
        target.stage(&live).await.unwrap();
        let health =
            ProbeRequest { method: "GET".into(), path: "/".into(), body: vec![], timeout_ms: 1 };
        target.probe("s", 2, &health).await.unwrap();
        target.route("s", 1, &[(2, 100)]).await.unwrap();
        *store.revisions.lock().unwrap() = vec![first, live];
        *store.alias.lock().unwrap() = Some(2);
        for version in 1..=2 {
            let (model, digest) = ("m".to_owned(), String::new());
            let lineage = Lineage::default();
            let version = ModelVersion { model, version, digest, created_ms: 0, lineage };
            store.versions.lock().unwrap().push(version);
        }
        Self { store: Arc::new(store), target: Arc::new(target) }
    }

    fn ports(&self) -> ServicePorts {
        ServicePorts {
            registry: self.store.clone(),
            objects: self.store.clone(),
            revisions: self.store.clone(),
            target: self.target.clone(),
            images: self.target.clone(),
            clock: Arc::new(WallClock),
        }
    }

    async fn rollback(&self, to: Option<u64>) -> Result<ActionOutcome, ActionError> {
        rollback(&self.ports(), request(to), &|_| {}).await
    }
}

const GOLDEN: &str =
    "{\"row\":{\"a\":0.5},\"probability\":0.5}\n{\"row\":{\"a\":0.25},\"probability\":0.25}";

#[tokio::test]
async fn image_model_and_alias_come_back_together_and_once() {
    let bench = Bench::new("good", GOLDEN).await;
    let text = plan(&bench.ports(), &request(None)).await.unwrap().to_string();
    assert!(
        text.starts_with("s: live is revision 2 (m version 2)\n- start revision 1 again"),
        "{text}"
    );
    assert_eq!(bench.store.states(), [(1, Warm), (2, Live)], "a plan changes nothing");
    let outcome = bench.rollback(None).await.unwrap();
    assert!(outcome.success, "{:?}", outcome.reason);
    assert_eq!(outcome.report["kind"], "rollback");
    assert_eq!(outcome.report["of"], 1);
    assert_eq!(outcome.report["golden"]["rows"], 2);
    assert_eq!(bench.store.states(), [(1, Retired), (2, Warm), (3, Live)]);
    assert_eq!(bench.target.weights(), [(3, 100)]);
    assert_eq!(*bench.store.alias.lock().unwrap(), Some(1));
    let again = bench.rollback(Some(1)).await.unwrap();
    assert_eq!(again.outputs["verdict"], "unchanged");
    assert_eq!(bench.store.states().len(), 3);
}

#[tokio::test]
async fn a_revision_that_is_not_what_it_was_stays_out() {
    let bench = Bench::new("wrong", GOLDEN.lines().last().unwrap()).await;
    let outcome = bench.rollback(None).await.unwrap();
    assert_eq!(outcome.report["verdict"], "rolled-back");
    assert_eq!(bench.store.states(), [(1, Warm), (2, Live), (3, Failed)]);
    assert_eq!(bench.target.weights(), [(2, 100)]);
    assert_eq!(*bench.store.alias.lock().unwrap(), Some(2));
}

#[tokio::test]
async fn without_its_image_or_model_nothing_is_begun() {
    let bench = Bench::new("gone", GOLDEN).await;
    let refused = bench.rollback(None).await.unwrap_err();
    assert!(refused.to_string().starts_with("the image of revision 1 is gone"), "{refused}");
    let bench = Bench::new("good", GOLDEN).await;
    bench.store.objects.lock().unwrap().clear();
    let refused = bench.rollback(None).await.unwrap_err();
    assert!(refused.to_string().contains("is not in the store"), "{refused}");
    assert_eq!(bench.store.states(), [(1, Warm), (2, Live)]);
}

#[tokio::test]
async fn an_alias_that_somebody_moved_is_left_alone_and_said() {
    let bench = Bench::new("good", GOLDEN).await;
    *bench.store.alias.lock().unwrap() = None;
    let outcome = bench.rollback(None).await.unwrap();
    assert!(outcome.success);
    assert!(outcome.report["alias"]["note"].as_str().unwrap().contains("left alone"));
    assert_eq!(*bench.store.alias.lock().unwrap(), None);
    assert_eq!(bench.target.weights(), [(3, 100)]);
}

#[test]
fn the_manifest_is_one() {
    assert_eq!(Rollback.manifest().name, "rollback");
}
