//! Models, aliases, artifacts and revisions in SQLite.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use indexmap::IndexMap;
use pawl_core::event::UnixMs;
use pawl_core::ports::Clock;
use pawl_core::registry::{Artifact, Artifacts, Lineage, ModelRegistry, Objects, RegistryError};
use pawl_core::rollout::{Revision, RevisionKind, RevisionState, Revisions};
use pawl_engine::objects::ObjectFolder;
use pawl_engine::registry::SqliteRegistry;
use pawl_engine::shelf::Shelf;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest,
};
use std::collections::BTreeMap;
use std::sync::Arc;

struct Noon;

impl Clock for Noon {
    fn now_ms(&self) -> UnixMs {
        43_200_000
    }
}

fn registry() -> SqliteRegistry {
    SqliteRegistry::in_memory(Arc::new(Noon)).unwrap()
}

fn lineage(run: &str) -> Lineage {
    Lineage { run: run.to_owned(), commit: "c0ffee".to_owned(), ..Lineage::default() }
}

fn revision(service: &str, run: &str) -> Revision {
    Revision {
        service: service.to_owned(),
        number: 77,
        kind: RevisionKind::Deploy,
        model: "m".to_owned(),
        version: 1,
        model_digest: "sha256:aa".to_owned(),
        image: "sha256:bb".to_owned(),
        env: IndexMap::from([("A".to_owned(), "b".to_owned())]),
        port: 8080,
        health_path: "/healthz".to_owned(),
        alias: "production".to_owned(),
        alias_before: None,
        golden: String::new(),
        run: run.to_owned(),
        actor: "ann".to_owned(),
        created_ms: 1,
        state: RevisionState::Staged,
        reason: String::new(),
    }
}

#[tokio::test]
async fn versions_count_from_one_and_registering_again_finds_the_first() {
    let registry = registry();
    let one = registry.register("m", "sha256:aa", &lineage("r1")).await.unwrap();
    assert_eq!((one.version, one.created_ms), (1, 43_200_000));
    let again = registry.register("m", "sha256:aa", &lineage("r1")).await.unwrap();
    assert_eq!(again, one);
    assert_eq!(registry.register("m", "sha256:aa", &lineage("r2")).await.unwrap().version, 2);
    assert_eq!(registry.register("m", "sha256:bb", &lineage("r2")).await.unwrap().version, 3);
    assert_eq!(registry.register("other", "sha256:bb", &lineage("r2")).await.unwrap().version, 1);
    assert_eq!(registry.models().await.unwrap(), ["m", "other"]);
    let numbers: Vec<u64> =
        registry.versions("m").await.unwrap().iter().map(|version| version.version).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(registry.versions("nobody").await.unwrap(), []);
}

#[tokio::test]
async fn lineage_is_replaced_and_only_of_a_version_that_exists() {
    let registry = registry();
    registry.register("m", "sha256:aa", &lineage("r1")).await.unwrap();
    let with_verdict = Lineage {
        verdict: "pass".to_owned(),
        report: serde_json::json!({"p_value": 0.1 + 0.2}),
        ..lineage("r1")
    };
    registry.set_lineage("m", 1, &with_verdict).await.unwrap();
    assert_eq!(registry.versions("m").await.unwrap()[0].lineage, with_verdict);
    let error = registry.set_lineage("m", 2, &with_verdict).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unknown(text) if text == "model m has no version 2"));
}

#[tokio::test]
async fn an_alias_moves_only_from_where_the_caller_believes_it_is() {
    let registry = registry();
    registry.register("m", "sha256:aa", &lineage("r1")).await.unwrap();
    registry.register("m", "sha256:bb", &lineage("r2")).await.unwrap();
    assert_eq!(registry.resolve("m", "production").await.unwrap(), None);
    registry.set_alias("m", "production", None, Some(1)).await.unwrap();
    let error = registry.set_alias("m", "production", None, Some(2)).await.unwrap_err();
    let moved = RegistryError::Moved {
        model: "m".to_owned(),
        alias: "production".to_owned(),
        expected: None,
        found: Some(1),
    };
    assert_eq!(error.to_string(), moved.to_string());
    registry.set_alias("m", "production", Some(1), Some(1)).await.unwrap();
    let error = registry.set_alias("m", "production", Some(1), Some(9)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unknown(_)));
    assert_eq!(registry.resolve("m", "production").await.unwrap().unwrap().digest, "sha256:aa");
    registry.set_alias("m", "production", Some(1), Some(2)).await.unwrap();
    registry.set_alias("m", "candidate", None, Some(1)).await.unwrap();
    let aliases = registry.aliases("m").await.unwrap();
    let aliases: Vec<_> = aliases.iter().map(|a| (a.alias.as_str(), a.version)).collect();
    assert_eq!(aliases, [("candidate", 1), ("production", 2)]);
    registry.set_alias("m", "production", Some(2), None).await.unwrap();
    assert_eq!(registry.resolve("m", "production").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_move_an_alias_at_once_exactly_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    // Two connections, as of two processes.
    let open = || Arc::new(SqliteRegistry::open(&path, Arc::new(Noon)).unwrap());
    let (left, right) = (open(), open());
    for run in ["r1", "r2", "r3"] {
        left.register("m", "sha256:aa", &lineage(run)).await.unwrap();
    }
    left.set_alias("m", "production", None, Some(1)).await.unwrap();
    for round in 0..20 {
        let before = registry_version(&left).await;
        let goals: Vec<u64> = (1..=3).filter(|version| *version != before).collect();
        let tasks = [(&left, goals[0]), (&right, goals[1])].map(|(registry, goal)| {
            let registry = Arc::clone(registry);
            tokio::spawn(async move {
                let moved = registry.set_alias("m", "production", Some(before), Some(goal)).await;
                moved.map(|()| goal)
            })
        });
        let mut won = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(goal) => won.push(goal),
                Err(error) => assert!(matches!(error, RegistryError::Moved { .. }), "{error}"),
            }
        }
        assert_eq!(won, [registry_version(&right).await], "round {round}");
    }
}

async fn registry_version(registry: &SqliteRegistry) -> u64 {
    registry.resolve("m", "production").await.unwrap().unwrap().version
}

#[tokio::test]
async fn artifacts_are_kept_by_run_and_name() {
    let folder = tempfile::tempdir().unwrap();
    let objects = ObjectFolder::local(folder.path()).unwrap();
    let shelf = Shelf::new(Arc::new(registry()), Arc::new(objects));
    let artifact = |run: &str, name: &str, path: &str, maker: &str| Artifact {
        run: run.to_owned(),
        name: name.to_owned(),
        files: vec![(path.to_owned(), "sha256:aa".to_owned())],
        maker: maker.to_owned(),
        ..Artifact::default()
    };
    let first = shelf.save(&artifact("r1", "model", "a", "x"), false).await.unwrap();
    shelf.save(&artifact("r1", "data", "b", "x"), false).await.unwrap();
    let taken = shelf.save(&artifact("r1", "model", "c", "y"), false).await.unwrap_err();
    assert!(matches!(taken, RegistryError::Taken(_)), "{taken}");
    assert_eq!(shelf.find("r1", "model").await.unwrap(), Some(first.clone()));
    shelf.save(&artifact("r1", "model", "a", "x"), false).await.expect("the same maker again");
    let second = shelf.save(&artifact("r1", "model", "d", "y"), true).await.unwrap();
    assert_eq!(shelf.files(&second).await.unwrap(), artifact("", "", "d", "").files);
    let names: Vec<String> =
        shelf.list("r1").await.unwrap().into_iter().map(|artifact| artifact.name).collect();
    assert_eq!(names, ["data", "model"]);
    assert_eq!(shelf.find("r2", "model").await.unwrap(), None);
    let gone = Artifact { expires_ms: Some(1), ..artifact("r3", "old", "a", "x") };
    shelf.save(&gone, false).await.unwrap();
    assert_eq!(shelf.find("r3", "old").await.unwrap(), None, "its time is over");
    shelf.remove("r1", "model").await.unwrap();
    assert_eq!(shelf.find("r1", "model").await.unwrap(), None);
}

#[tokio::test]
async fn a_sweep_forgets_what_is_over_and_keeps_bytes_that_others_name() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Arc::new(ObjectFolder::local(folder.path()).unwrap());
    let shelf = Shelf::new(Arc::new(registry()), Arc::clone(&objects));
    let mut digests = Vec::new();
    for text in ["only old", "both", "only new"] {
        digests.push(objects.put(text.as_bytes().to_vec()).await.unwrap());
    }
    let artifact = |name: &str, held: &[String], expires_ms: Option<i64>| Artifact {
        run: "r".to_owned(),
        name: name.to_owned(),
        files: held.iter().map(|digest| (digest.clone(), digest.clone())).collect(),
        bytes: 10,
        expires_ms,
        ..Artifact::default()
    };
    shelf.save(&artifact("old", &digests[..2], Some(1)), false).await.unwrap();
    shelf.save(&artifact("new", &digests[1..], None), false).await.unwrap();
    assert_eq!(shelf.sweep().await.unwrap(), (1, 10));
    let mut there = Vec::new();
    for digest in &digests {
        there.push(objects.has(digest).await.unwrap());
    }
    assert_eq!(there, [false, true, true]);
    assert_eq!(shelf.sweep().await.unwrap(), (0, 0), "nothing is over any more");
    assert_eq!(shelf.list("r").await.unwrap().len(), 1);
}

#[tokio::test]
async fn revisions_are_numbered_and_a_repeated_staging_finds_the_first() {
    let registry = registry();
    let first = registry.add(&revision("s", "r1")).await.unwrap();
    assert_eq!(first, Revision { number: 1, ..revision("s", "r1") });
    assert_eq!(registry.add(&revision("s", "r1")).await.unwrap(), first);
    assert_eq!(registry.add(&revision("s", "r2")).await.unwrap().number, 2);
    assert_eq!(registry.add(&revision("t", "r1")).await.unwrap().number, 1);
    let states = [(1, RevisionState::Warm, String::new()), (2, RevisionState::Live, String::new())];
    registry.set_states("s", &states).await.unwrap();
    assert_eq!(registry.add(&revision("s", "r2")).await.unwrap().number, 3, "2 is not staged now");
    let back = Revision { kind: RevisionKind::Rollback { of: 1 }, ..revision("s", "") };
    assert_eq!(registry.add(&back).await.unwrap().number, 4);
    assert_eq!(registry.add(&back).await.unwrap().number, 5, "a rollback is never a repetition");
    assert_eq!(registry.services().await.unwrap(), ["s", "t"]);
}

#[tokio::test]
async fn states_change_all_together_or_not_at_all() {
    let registry = registry();
    registry.add(&revision("s", "r1")).await.unwrap();
    let states = [
        (1, RevisionState::Live, String::new()),
        (2, RevisionState::Failed, "no such one".to_owned()),
    ];
    let error = registry.set_states("s", &states).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unknown(text) if text == "service s has no revision 2"));
    assert_eq!(registry.list("s").await.unwrap()[0].state, RevisionState::Staged);
}

#[tokio::test]
async fn one_rollout_of_a_service_at_a_time() {
    let registry = registry();
    assert!(registry.lock("s").await.unwrap());
    assert!(!registry.lock("s").await.unwrap());
    assert!(registry.lock("t").await.unwrap());
    registry.unlock("s").await.unwrap();
    assert!(registry.lock("s").await.unwrap());
}

#[derive(Debug, Clone)]
enum Action {
    Register { model: usize, digest: usize, run: usize },
    Point { model: usize, alias: usize, expected: Option<u64>, new: Option<u64> },
}

fn action() -> impl Strategy<Value = Action> {
    let number = || prop_oneof![Just(None), (1u64..4).prop_map(Some)];
    prop_oneof![
        (0..2usize, 0..2usize, 0..2usize).prop_map(|(model, digest, run)| Action::Register {
            model,
            digest,
            run
        }),
        (0..2usize, 0..2usize, number(), number()).prop_map(|(model, alias, expected, new)| {
            Action::Point { model, alias, expected, new }
        }),
    ]
}

/// What the registry must be: a list and a map.
#[derive(Default)]
struct Simple {
    versions: BTreeMap<usize, Vec<(usize, usize)>>,
    aliases: BTreeMap<(usize, usize), u64>,
}

impl Simple {
    fn register(&mut self, model: usize, digest: usize, run: usize) -> u64 {
        let versions = self.versions.entry(model).or_default();
        let known = versions.iter().position(|version| *version == (digest, run));
        let index = known.unwrap_or_else(|| {
            versions.push((digest, run));
            versions.len() - 1
        });
        index as u64 + 1
    }

    fn point(&mut self, at: (usize, usize), expected: Option<u64>, new: Option<u64>) -> bool {
        let count = self.versions.get(&at.0).map_or(0, Vec::len) as u64;
        if self.aliases.get(&at).copied() != expected || new.is_some_and(|new| new > count) {
            return false;
        }
        match new {
            Some(new) => self.aliases.insert(at, new),
            None => self.aliases.remove(&at),
        };
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_history_gives_what_a_list_and_a_map_give(
        actions in proptest::collection::vec(action(), 1..40), _seed in any::<u8>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (registry, mut simple) = (registry(), Simple::default());
            for action in actions {
                match action {
                    Action::Register { model, digest, run } => {
                        let found = registry
                            .register(&format!("m{model}"), &format!("sha256:{digest}"), &lineage(&format!("r{run}")))
                            .await
                            .unwrap();
                        prop_assert_eq!(found.version, simple.register(model, digest, run));
                    }
                    Action::Point { model, alias, expected, new } => {
                        let moved = registry
                            .set_alias(&format!("m{model}"), &format!("a{alias}"), expected, new)
                            .await;
                        prop_assert_eq!(moved.is_ok(), simple.point((model, alias), expected, new));
                    }
                }
            }
            for ((model, alias), version) in simple.aliases {
                let found = registry.resolve(&format!("m{model}"), &format!("a{alias}")).await.unwrap();
                prop_assert_eq!(found.map(|found| found.version), Some(version));
            }
            Ok(())
        })?;
    }
}
