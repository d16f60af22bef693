//! A store and a target in memory for the tests of rollouts. The target's revisions behave as their image's name says:
//! `sha256:good…`, `crash`, `never-ready`, `wrong`, `errors`.

use async_trait::async_trait;
use pawl_core::ports::Clock;
use pawl_core::registry::{Alias, Lineage, ModelRegistry, ModelVersion, Objects, RegistryError};
use pawl_core::rollout::{
    ImageBuilder, ImageSpec, Observed, ObservedRevision, ProbeRequest, ProbeResponse, Revision,
    RevisionKind, RevisionState, Revisions, RolloutError, RolloutTarget,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use tokio::sync::Notify;

/// Registry, objects and revisions.
#[derive(Default)]
pub(crate) struct FakeStore {
    pub(crate) versions: Mutex<Vec<ModelVersion>>,
    pub(crate) alias: Mutex<Option<u64>>,
    pub(crate) objects: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(crate) revisions: Mutex<Vec<Revision>>,
    pub(crate) locked: Mutex<BTreeSet<String>>,
}

impl FakeStore {
    /// (number, state) of every revision.
    pub(crate) fn states(&self) -> Vec<(u64, RevisionState)> {
        self.revisions.lock().unwrap().iter().map(|one| (one.number, one.state)).collect()
    }
}

#[async_trait]
impl ModelRegistry for FakeStore {
    async fn register(&self, _: &str, _: &str, _: &Lineage) -> Result<ModelVersion, RegistryError> {
        unreachable!("a rollout registers nothing")
    }
    async fn set_lineage(&self, _: &str, _: u64, _: &Lineage) -> Result<(), RegistryError> {
        unreachable!("a rollout changes no lineage")
    }
    async fn models(&self) -> Result<Vec<String>, RegistryError> {
        unreachable!("a rollout knows its model")
    }
    async fn versions(&self, _: &str) -> Result<Vec<ModelVersion>, RegistryError> {
        Ok(self.versions.lock().unwrap().clone())
    }
    async fn aliases(&self, _: &str) -> Result<Vec<Alias>, RegistryError> {
        unreachable!("a rollout knows its alias")
    }
    async fn resolve(&self, _: &str, _: &str) -> Result<Option<ModelVersion>, RegistryError> {
        let Some(number) = *self.alias.lock().unwrap() else { return Ok(None) };
        let versions = self.versions.lock().unwrap();
        Ok(versions.iter().find(|one| one.version == number).cloned())
    }
    async fn set_alias(
        &self,
        model: &str,
        alias: &str,
        expected: Option<u64>,
        new: Option<u64>,
    ) -> Result<(), RegistryError> {
        let mut now = self.alias.lock().unwrap();
        if *now != expected {
            let (model, alias) = (model.to_owned(), alias.to_owned());
            return Err(RegistryError::Moved { model, alias, expected, found: *now });
        }
        *now = new;
        Ok(())
    }
}

#[async_trait]
impl Objects for FakeStore {
    async fn put(&self, bytes: Vec<u8>) -> Result<String, RegistryError> {
        let name = crate::model::digest(&bytes);
        self.objects.lock().unwrap().insert(name.clone(), bytes);
        Ok(name)
    }
    async fn get(&self, digest: &str) -> Result<Vec<u8>, RegistryError> {
        let found = self.objects.lock().unwrap().get(digest).cloned();
        found.ok_or_else(|| RegistryError::Unknown(digest.to_owned()))
    }
    async fn keep(&self, _: &std::path::Path) -> Result<String, RegistryError> {
        panic!("not used here")
    }
    async fn open(&self, _: &str) -> Result<std::fs::File, RegistryError> {
        panic!("not used here")
    }
    async fn has(&self, digest: &str) -> Result<bool, RegistryError> {
        Ok(self.objects.lock().unwrap().contains_key(digest))
    }
}

#[async_trait]
impl Revisions for FakeStore {
    async fn lock(&self, service: &str) -> Result<bool, RegistryError> {
        Ok(self.locked.lock().unwrap().insert(service.to_owned()))
    }
    async fn unlock(&self, service: &str) -> Result<(), RegistryError> {
        self.locked.lock().unwrap().remove(service);
        Ok(())
    }
    async fn add(&self, revision: &Revision) -> Result<Revision, RegistryError> {
        let mut all = self.revisions.lock().unwrap();
        let same = |one: &&Revision| {
            one.state == RevisionState::Staged
                && one.kind == RevisionKind::Deploy
                && (&one.kind, &one.run, &one.model_digest)
                    == (&revision.kind, &revision.run, &revision.model_digest)
        };
        if let Some(found) = all.iter().find(same) {
            return Ok(found.clone());
        }
        let number = all.len() as u64 + 1;
        let added = Revision { number, state: RevisionState::Staged, ..revision.clone() };
        all.push(added.clone());
        Ok(added)
    }
    async fn set_states(
        &self,
        _: &str,
        states: &[(u64, RevisionState, String)],
    ) -> Result<(), RegistryError> {
        let mut all = self.revisions.lock().unwrap();
        for (number, state, reason) in states {
            let one = all.iter_mut().find(|one| one.number == *number).unwrap();
            one.state = *state;
            one.reason.clone_from(reason);
        }
        Ok(())
    }
    async fn list(&self, _: &str) -> Result<Vec<Revision>, RegistryError> {
        Ok(self.revisions.lock().unwrap().clone())
    }
    async fn services(&self) -> Result<Vec<String>, RegistryError> {
        unreachable!("a rollout knows its service")
    }
}

#[derive(Default)]
struct Running {
    /// Image by number.
    revisions: BTreeMap<u64, String>,
    weights: Vec<(u64, u32)>,
    failures: BTreeMap<u64, u64>,
    /// Revisions that answered 200 on their health path.
    healthy: BTreeSet<u64>,
    calls: usize,
}

/// One service on an engine in memory.
#[derive(Default)]
pub(crate) struct FakeTarget {
    running: Mutex<Running>,
    /// Number of the call that never returns, as when the process is killed there.
    pub(crate) die_at: Mutex<Option<usize>>,
    pub(crate) died: Notify,
    /// Every routing that was asked for.
    pub(crate) routed: Mutex<Vec<Vec<(u64, u32)>>>,
}

impl FakeTarget {
    pub(crate) fn weights(&self) -> Vec<(u64, u32)> {
        let weights = self.running.lock().unwrap().weights.clone();
        weights.into_iter().filter(|(_, weight)| *weight > 0).collect()
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.running.lock().unwrap().revisions.keys().copied().collect()
    }

    pub(crate) fn calls(&self) -> usize {
        self.running.lock().unwrap().calls
    }

    /// As when somebody stops a container by hand.
    pub(crate) fn lose(&self, number: u64) {
        self.running.lock().unwrap().revisions.remove(&number);
    }

    async fn call(&self) {
        let dies = {
            let mut running = self.running.lock().unwrap();
            running.calls += 1;
            *self.die_at.lock().unwrap() == Some(running.calls)
        };
        if dies {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

fn says(image: &str, word: &str) -> bool {
    image.trim_start_matches("sha256:").starts_with(word)
}

fn answer(image: &str, request: &ProbeRequest) -> Result<ProbeResponse, RolloutError> {
    if says(image, "crash") {
        return Err(RolloutError::Unreachable("connection refused".to_owned()));
    }
    if request.path != "/predict" {
        let status = if says(image, "never-ready") { 503 } else { 200 };
        return Ok(ProbeResponse { status, body: Vec::new() });
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let probability = |row: &Value| {
        let value = row["a"].as_f64().unwrap();
        if says(image, "wrong") { 1.0 - value } else { value }
    };
    let predictions: Vec<f64> = body["rows"].as_array().unwrap().iter().map(probability).collect();
    let body = json!({ "predictions": predictions }).to_string().into_bytes();
    Ok(ProbeResponse { status: 200, body })
}

#[async_trait]
impl RolloutTarget for FakeTarget {
    async fn observe(&self, _: &str) -> Result<Observed, RolloutError> {
        self.call().await;
        let mut running = self.running.lock().unwrap();
        let weights = running.weights.clone();
        let images = running.revisions.clone();
        let revisions = images.iter().map(|(number, image)| {
            let weight = weights.iter().find(|one| one.0 == *number).map_or(0, |one| one.1);
            let failures = running.failures.entry(*number).or_default();
            if weight > 0 && says(image, "errors") {
                *failures += 1;
            }
            let crashed = says(image, "crash");
            ObservedRevision {
                number: *number,
                running: !crashed,
                weight,
                requests: *failures,
                failures: *failures,
                last_words: if crashed { "it crashed".to_owned() } else { String::new() },
            }
        });
        let revisions = revisions.collect();
        let address = (!weights.is_empty()).then(|| "http://127.0.0.1:1".to_owned());
        Ok(Observed { revisions, address })
    }

    async fn stage(&self, revision: &Revision) -> Result<(), RolloutError> {
        self.call().await;
        let mut running = self.running.lock().unwrap();
        running.revisions.insert(revision.number, revision.image.clone());
        Ok(())
    }

    async fn probe(
        &self,
        _: &str,
        number: u64,
        request: &ProbeRequest,
    ) -> Result<ProbeResponse, RolloutError> {
        self.call().await;
        let mut running = self.running.lock().unwrap();
        let response = answer(&running.revisions[&number], request)?;
        if response.status == 200 {
            running.healthy.insert(number);
        }
        Ok(response)
    }

    async fn route(&self, _: &str, _: u16, weights: &[(u64, u32)]) -> Result<(), RolloutError> {
        self.call().await;
        let mut running = self.running.lock().unwrap();
        assert_eq!(weights.iter().map(|one| one.1).sum::<u32>(), 100);
        for (number, weight) in weights {
            assert!(running.revisions.contains_key(number), "{number} is not there");
            let healthy = running.healthy.contains(number);
            assert!(*weight == 0 || healthy, "traffic for {number}, which never was healthy");
        }
        running.weights = weights.to_vec();
        self.routed.lock().unwrap().push(weights.to_vec());
        Ok(())
    }

    async fn remove(&self, _: &str, number: u64) -> Result<(), RolloutError> {
        self.call().await;
        let mut running = self.running.lock().unwrap();
        let live = running.weights.iter().any(|one| one.0 == number && one.1 > 0);
        assert!(!live, "{number} is removed with traffic");
        running.revisions.remove(&number);
        running.weights.retain(|one| one.0 != number);
        Ok(())
    }

    async fn remove_service(&self, _: &str) -> Result<(), RolloutError> {
        self.call().await;
        let mut running = self.running.lock().unwrap();
        running.revisions.clear();
        running.weights.clear();
        Ok(())
    }
}

#[async_trait]
impl ImageBuilder for FakeTarget {
    async fn build(&self, _: &ImageSpec) -> Result<String, RolloutError> {
        unreachable!("a rollout builds nothing")
    }
    async fn has(&self, image: &str) -> Result<bool, RolloutError> {
        Ok(!says(image, "gone"))
    }
}

/// The real clock.
pub(crate) struct WallClock;

impl Clock for WallClock {
    fn now_ms(&self) -> i64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        i64::try_from(now.unwrap().as_millis()).unwrap()
    }
}
