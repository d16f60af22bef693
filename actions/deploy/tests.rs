//! Whole rollouts against the store and target in memory.

use super::fake::{FakeStore, FakeTarget, WallClock};
use super::session::ServicePorts;
use super::{Deploy, Request, deploy, locked, weights};
use crate::action::{ActionError, RunnerAction};
use pawl_core::ports::ActionOutcome;
use pawl_core::registry::{Lineage, ModelVersion};
use pawl_core::rollout::RevisionState::{Failed, Live, Retired, Staged, Warm};
use std::sync::Arc;

const GOLDEN: &str = "{\"row\":{\"a\":0.25},\"probability\":0.25}\n";

struct Bench {
    store: Arc<FakeStore>,
    target: Arc<FakeTarget>,
}

impl Bench {
    fn new() -> Self {
        let store = FakeStore::default();
        for version in 1..=5 {
            store.versions.lock().unwrap().push(ModelVersion {
                model: "m".to_owned(),
                version,
                digest: format!("sha256:m{version}"),
                created_ms: 0,
                lineage: Lineage::default(),
            });
        }
        Self { store: Arc::new(store), target: Arc::default() }
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

    async fn deploy(
        &self,
        run: &str,
        version: u64,
        image: &str,
    ) -> Result<ActionOutcome, ActionError> {
        let request = request(run, version, image);
        locked(&self.ports(), "s", &|_| {}, move |session| deploy(session, request)).await
    }

    /// Deploys with the process killed at the target's call number `at`; false when it ended before.
    async fn deploy_killed_at(&self, at: usize, run: &str, version: u64, image: &str) -> bool {
        let at = self.target.calls() + at;
        *self.target.die_at.lock().unwrap() = Some(at);
        let ended = tokio::select! {
            biased;
            () = self.target.died.notified() => false,
            outcome = self.deploy(run, version, image) => { outcome.unwrap(); true }
        };
        *self.target.die_at.lock().unwrap() = None;
        // The lock of a dead process is free.
        self.store.locked.lock().unwrap().clear();
        !ended
    }

    fn reason(&self, number: u64) -> String {
        let all = self.store.revisions.lock().unwrap();
        all.iter().find(|one| one.number == number).unwrap().reason.clone()
    }
}

fn request(run: &str, version: u64, image: &str) -> Request {
    Request {
        service: "s".to_owned(),
        image: format!("sha256:{image}"),
        model: "m".to_owned(),
        version,
        alias: "production".to_owned(),
        port: 1,
        golden: super::golden::parse(GOLDEN.as_bytes()).unwrap(),
        golden_bytes: GOLDEN.as_bytes().to_vec(),
        tolerance: 1e-9,
        weights: vec![10, 100],
        step_ms: 3,
        bake_ms: 3,
        health_ms: 700,
        max_failures: 0,
        health_path: "/v2/health/ready".to_owned(),
        run: run.to_owned(),
        actor: "tester".to_owned(),
    }
}

#[tokio::test]
async fn the_second_revision_takes_over_and_the_third_retires_the_first() {
    let bench = Bench::new();
    for (run, version) in [("a", 1), ("b", 2), ("c", 3)] {
        let outcome = bench.deploy(run, version, &format!("good{version}")).await.unwrap();
        assert!(outcome.success, "{:?}", outcome.reason);
        assert_eq!(outcome.report["verdict"], "deployed");
        assert_eq!(*bench.store.alias.lock().unwrap(), Some(version));
    }
    assert_eq!(bench.store.states(), [(1, Retired), (2, Warm), (3, Live)]);
    assert_eq!(bench.target.numbers(), [2, 3]);
    assert_eq!(bench.target.weights(), [(3, 100)]);
    let routed = bench.target.routed.lock().unwrap();
    assert!(routed.contains(&vec![(3, 10), (2, 90)]));
}

#[tokio::test]
async fn every_bad_revision_leaves_the_old_one_as_it_was() {
    for (image, reason) in [
        ("crash", "does not stay up: connection refused; its last words: it crashed"),
        ("never-ready", "not ready in time: /v2/health/ready answers 503"),
        ("wrong", "golden row 1: expected 0.25, got 0.75"),
        ("errors", "failed 1 requests at 10 %, at most 0 are allowed"),
    ] {
        let bench = Bench::new();
        bench.deploy("a", 1, "good").await.unwrap();
        let outcome = bench.deploy("b", 2, image).await.unwrap();
        assert!(!outcome.success);
        assert_eq!(outcome.report["verdict"], "rolled-back", "{image}");
        assert_eq!(outcome.report["alias"]["after"], 1);
        assert_eq!(bench.store.states(), [(1, Live), (2, Failed)]);
        assert!(bench.reason(2).contains(reason), "{}", bench.reason(2));
        assert_eq!(*bench.store.alias.lock().unwrap(), Some(1));
        assert_eq!((bench.target.numbers(), bench.target.weights()), (vec![1], vec![(1, 100)]));
        assert!(bench.store.locked.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_bad_first_revision_leaves_nothing_but_its_record() {
    for image in ["crash", "never-ready", "wrong", "errors"] {
        let bench = Bench::new();
        let outcome = bench.deploy("a", 1, image).await.unwrap();
        assert_eq!(outcome.report["verdict"], "failed", "{image}");
        assert_eq!(bench.store.states(), [(1, Failed)]);
        assert_eq!(*bench.store.alias.lock().unwrap(), None);
        assert_eq!((bench.target.numbers(), bench.target.weights()), (vec![], vec![]));
    }
}

#[tokio::test]
async fn killed_at_any_call_and_repeated_it_ends_the_same() {
    for (image, verdict, live) in
        [("good2", "deployed", 2), ("errors", "rolled-back", 1), ("wrong", "rolled-back", 1)]
    {
        for first in [false, true] {
            let mut at = 0;
            loop {
                at += 1;
                let bench = Bench::new();
                if !first {
                    bench.deploy("a", 1, "good1").await.unwrap();
                }
                if !bench.deploy_killed_at(at, "b", 2, image).await {
                    assert!(at > 4, "the rollout made only {at} calls");
                    break;
                }
                let outcome = bench.deploy("b", 2, image).await.unwrap();
                let context =
                    format!("{image}, first {first}, killed at call {at}: {:?}", outcome.reason);
                let ended = match (outcome.report["verdict"].as_str().unwrap(), first) {
                    ("unchanged", _) => "deployed",
                    ("failed", true) => "rolled-back",
                    (ended, _) => ended,
                };
                assert_eq!(ended, verdict, "{context}");
                let weights = bench.target.weights();
                match (first, live) {
                    (true, 1) => assert_eq!(weights, [], "{context}"),
                    (true, _) => assert_eq!(weights, [(1, 100)], "{context}"),
                    (false, _) => {
                        // A failed rollout that was recorded before the kill is tried again under a new number.
                        let number =
                            bench.store.states().iter().find(|one| one.1 == Live).unwrap().0;
                        assert_eq!((number, weights), (live, vec![(live, 100)]), "{context}");
                    }
                }
                let wanted = if live == 2 { Some(2) } else { (!first).then_some(1) };
                assert_eq!(*bench.store.alias.lock().unwrap(), wanted, "{context}");
                assert!(!bench.store.states().iter().any(|one| one.1 == Staged), "{context}");
            }
        }
    }
}

#[tokio::test]
async fn what_an_interrupted_run_left_is_cleared_up_by_the_next() {
    for at in 1..30 {
        let bench = Bench::new();
        bench.deploy("a", 1, "good1").await.unwrap();
        let killed = bench.deploy_killed_at(at, "b", 2, "good2").await;
        let outcome = bench.deploy("c", 3, "good3").await.unwrap();
        assert!(outcome.success, "killed at {at}: {:?}", outcome.reason);
        assert_eq!(*bench.store.alias.lock().unwrap(), Some(3));
        let states = bench.store.states();
        let last = states.last().unwrap();
        assert_eq!(last.1, Live);
        assert_eq!(bench.target.weights(), [(last.0, 100)]);
        assert!(states.iter().all(|one| one.1 != Staged), "{states:?}");
        assert!(bench.target.numbers().len() <= 2, "only live and warm run: {states:?}");
        if !killed {
            return;
        }
    }
    panic!("a rollout of more than 30 calls");
}

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let bench = Bench::new();
    bench.deploy("a", 1, "good").await.unwrap();
    let outcome = bench.deploy("b", 1, "good").await.unwrap();
    assert!(outcome.success);
    assert_eq!(outcome.outputs["verdict"], "unchanged");
    assert_eq!(bench.store.states(), [(1, Live)]);
}

#[tokio::test]
async fn a_live_revision_that_somebody_stopped_is_brought_back_first() {
    let bench = Bench::new();
    bench.deploy("a", 1, "good1").await.unwrap();
    bench.target.lose(1);
    let outcome = bench.deploy("b", 2, "wrong").await.unwrap();
    assert_eq!(outcome.report["verdict"], "rolled-back");
    assert_eq!(bench.target.weights(), [(1, 100)]);
    assert_eq!(bench.target.numbers(), [1]);
}

#[tokio::test]
async fn an_alias_that_somebody_else_moved_gives_the_traffic_back() {
    let bench = Bench::new();
    bench.deploy("a", 1, "good1").await.unwrap();
    let mut slow = request("b", 2, "good2");
    slow.bake_ms = 300;
    let (ports, target) = (bench.ports(), Arc::clone(&bench.target));
    let task = tokio::spawn(async move {
        locked(&ports, "s", &|_| {}, move |session| deploy(session, slow)).await
    });
    while target.weights() != [(2, 100)] {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    *bench.store.alias.lock().unwrap() = Some(5);
    let outcome = task.await.unwrap().unwrap();
    assert_eq!(outcome.report["verdict"], "rolled-back");
    assert!(bench.reason(2).contains("points at Some(5), not at Some(1)"), "{}", bench.reason(2));
    assert_eq!(bench.target.weights(), [(1, 100)]);
    assert_eq!(*bench.store.alias.lock().unwrap(), Some(5), "not ours to move");
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_and_the_traffic_is_given_back() {
    let bench = Bench::new();
    bench.deploy("a", 1, "good1").await.unwrap();
    let mut slow = request("b", 2, "good2");
    slow.step_ms = 60_000;
    {
        let ports = bench.ports();
        let rollout = locked(&ports, "s", &|_| {}, move |session| deploy(session, slow));
        let seen = async {
            while bench.target.weights() != [(2, 10), (1, 90)] {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            _ = rollout => panic!("it takes a minute"),
            () = seen => {}
        }
    }
    let cleared = async {
        while !bench.store.locked.lock().unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), cleared).await.unwrap();
    assert_eq!(bench.store.states(), [(1, Live), (2, Failed)]);
    assert!(bench.reason(2).contains("cancelled"));
    assert_eq!(bench.target.weights(), [(1, 100)]);
}

#[tokio::test]
async fn a_second_rollout_at_the_same_time_is_refused() {
    let bench = Bench::new();
    bench.store.locked.lock().unwrap().insert("s".to_owned());
    let refused = bench.deploy("a", 1, "good").await.unwrap_err();
    assert_eq!(refused.to_string(), "another rollout of s is under way");
    assert!(bench.store.locked.lock().unwrap().contains("s"), "the other one's lock stays");
}

#[tokio::test]
async fn what_is_not_there_is_refused_before_anything_runs() {
    let bench = Bench::new();
    let refused = bench.deploy("a", 9, "good").await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no version 9 of m");
    let refused = bench.deploy("a", 1, "gone").await.unwrap_err();
    assert_eq!(refused.to_string(), "the image sha256:gone is not on the engine");
    assert_eq!((bench.store.states(), bench.target.calls()), (vec![], 0));
}

#[test]
fn weights_must_rise_to_one_hundred() {
    let read = |text: &str| {
        weights(&text.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(read("10, 50 %,100").unwrap(), [10, 50, 100]);
    assert_eq!(read("100").unwrap(), [100]);
    for wrong in ["", "10", "0,100", "50,10,100", "10,10,100", "10,101", "a,100", "-1,100"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_manifest_is_one() {
    assert_eq!(Deploy.manifest().name, "deploy");
}
