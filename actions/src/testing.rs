//! What the tests of actions need: a registry, object store and artifacts in memory, and a context around a
//! temporary workspace.

use crate::action::{
    ActionError, Inputs, JobAction, JobContext, JobFacts, RunnerAction, RunnerContext,
};
use crate::model::digest;
use crate::workspace::Workspace;
use async_trait::async_trait;
use indexmap::IndexMap;
use pawl_core::ports::{ActionOutcome, Clock, RunFacts};
use pawl_core::registry::{
    Alias, Artifact, Artifacts, Lineage, ModelRegistry, ModelVersion, Objects, RegistryError,
};
use pawl_core::rollout::{
    ImageBuilder, ImageSpec, Observed, ProbeRequest, ProbeResponse, Revision, RevisionState,
    Revisions, RolloutError, RolloutTarget,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Everything that a store keeps.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) objects: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(crate) versions: Mutex<Vec<ModelVersion>>,
    pub(crate) aliases: Mutex<BTreeMap<(String, String), u64>>,
    pub(crate) artifacts: Mutex<BTreeMap<(String, String), Artifact>>,
}

#[async_trait]
impl ModelRegistry for Memory {
    async fn register(
        &self,
        model: &str,
        digest: &str,
        lineage: &Lineage,
    ) -> Result<ModelVersion, RegistryError> {
        let mut versions = self.versions.lock().unwrap();
        let same = |v: &&ModelVersion| {
            v.model == model && v.digest == digest && v.lineage.run == lineage.run
        };
        if let Some(version) = versions.iter().find(same) {
            return Ok(version.clone());
        }
        let count = versions.iter().filter(|version| version.model == model).count() as u64;
        let version = ModelVersion {
            model: model.to_owned(),
            version: count + 1,
            digest: digest.to_owned(),
            created_ms: 0,
            lineage: lineage.clone(),
        };
        versions.push(version.clone());
        Ok(version)
    }

    async fn set_lineage(
        &self,
        model: &str,
        version: u64,
        lineage: &Lineage,
    ) -> Result<(), RegistryError> {
        let mut versions = self.versions.lock().unwrap();
        let found = versions.iter_mut().find(|v| v.model == model && v.version == version);
        found.ok_or_else(|| RegistryError::Unknown(format!("{model} {version}")))?.lineage =
            lineage.clone();
        Ok(())
    }

    async fn models(&self) -> Result<Vec<String>, RegistryError> {
        Ok(self.versions.lock().unwrap().iter().map(|version| version.model.clone()).collect())
    }

    async fn versions(&self, model: &str) -> Result<Vec<ModelVersion>, RegistryError> {
        let versions = self.versions.lock().unwrap();
        Ok(versions.iter().filter(|version| version.model == model).cloned().collect())
    }

    async fn aliases(&self, _model: &str) -> Result<Vec<Alias>, RegistryError> {
        Ok(Vec::new())
    }

    async fn resolve(
        &self,
        model: &str,
        alias: &str,
    ) -> Result<Option<ModelVersion>, RegistryError> {
        let aliases = self.aliases.lock().unwrap();
        let Some(number) = aliases.get(&(model.to_owned(), alias.to_owned())) else {
            return Ok(None);
        };
        let versions = self.versions.lock().unwrap();
        Ok(versions.iter().find(|v| v.model == model && v.version == *number).cloned())
    }

    async fn set_alias(
        &self,
        model: &str,
        alias: &str,
        _expected: Option<u64>,
        new: Option<u64>,
    ) -> Result<(), RegistryError> {
        let key = (model.to_owned(), alias.to_owned());
        let mut aliases = self.aliases.lock().unwrap();
        match new {
            Some(version) => aliases.insert(key, version),
            None => aliases.remove(&key),
        };
        Ok(())
    }
}

#[async_trait]
impl Objects for Memory {
    async fn put(&self, bytes: Vec<u8>) -> Result<String, RegistryError> {
        let name = digest(&bytes);
        self.objects.lock().unwrap().insert(name.clone(), bytes);
        Ok(name)
    }

    async fn get(&self, digest: &str) -> Result<Vec<u8>, RegistryError> {
        let objects = self.objects.lock().unwrap();
        objects.get(digest).cloned().ok_or_else(|| RegistryError::Unknown(digest.to_owned()))
    }

    async fn keep(&self, file: &std::path::Path) -> Result<String, RegistryError> {
        self.put(std::fs::read(file).unwrap()).await
    }

    async fn open(&self, digest: &str) -> Result<std::fs::File, RegistryError> {
        use std::io::{Seek, Write};
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&self.get(digest).await?).unwrap();
        file.rewind().unwrap();
        Ok(file)
    }

    async fn has(&self, digest: &str) -> Result<bool, RegistryError> {
        Ok(self.objects.lock().unwrap().contains_key(digest))
    }
}

#[async_trait]
impl Artifacts for Memory {
    async fn save(&self, artifact: &Artifact, overwrite: bool) -> Result<Artifact, RegistryError> {
        let mut artifacts = self.artifacts.lock().unwrap();
        let key = (artifact.run.clone(), artifact.name.clone());
        let known = artifacts.get(&key).filter(|known| known.maker != artifact.maker);
        if known.is_some() && !overwrite {
            return Err(RegistryError::Taken(format!("there is {} already", artifact.name)));
        }
        let id = artifacts.len() as u64 + 1;
        let kept = Artifact { id, ..artifact.clone() };
        artifacts.insert(key, kept.clone());
        Ok(kept)
    }

    async fn find(&self, run: &str, name: &str) -> Result<Option<Artifact>, RegistryError> {
        let key = (run.to_owned(), name.to_owned());
        Ok(self.artifacts.lock().unwrap().get(&key).cloned())
    }

    async fn list(&self, run: &str) -> Result<Vec<Artifact>, RegistryError> {
        let artifacts = self.artifacts.lock().unwrap();
        Ok(artifacts.values().filter(|artifact| artifact.run == run).cloned().collect())
    }

    async fn remove(&self, run: &str, name: &str) -> Result<(), RegistryError> {
        self.artifacts.lock().unwrap().remove(&(run.to_owned(), name.to_owned()));
        Ok(())
    }

    async fn files(&self, artifact: &Artifact) -> Result<Vec<(String, String)>, RegistryError> {
        Ok(artifact.files.clone())
    }
}

/// Ports that the tested actions must not touch.
struct Untouched;

#[async_trait]
impl Revisions for Untouched {
    async fn lock(&self, _: &str) -> Result<bool, RegistryError> {
        panic!("not used here")
    }
    async fn unlock(&self, _: &str) -> Result<(), RegistryError> {
        panic!("not used here")
    }
    async fn add(&self, _: &Revision) -> Result<Revision, RegistryError> {
        panic!("not used here")
    }
    async fn set_states(
        &self,
        _: &str,
        _: &[(u64, RevisionState, String)],
    ) -> Result<(), RegistryError> {
        panic!("not used here")
    }
    async fn list(&self, _: &str) -> Result<Vec<Revision>, RegistryError> {
        panic!("not used here")
    }
    async fn services(&self) -> Result<Vec<String>, RegistryError> {
        panic!("not used here")
    }
}

#[async_trait]
impl RolloutTarget for Untouched {
    async fn observe(&self, _: &str) -> Result<Observed, RolloutError> {
        panic!("not used here")
    }
    async fn stage(&self, _: &Revision) -> Result<(), RolloutError> {
        panic!("not used here")
    }
    async fn probe(
        &self,
        _: &str,
        _: u64,
        _: &ProbeRequest,
    ) -> Result<ProbeResponse, RolloutError> {
        panic!("not used here")
    }
    async fn route(&self, _: &str, _: u16, _: &[(u64, u32)]) -> Result<(), RolloutError> {
        panic!("not used here")
    }
    async fn remove(&self, _: &str, _: u64) -> Result<(), RolloutError> {
        panic!("not used here")
    }
    async fn remove_service(&self, _: &str) -> Result<(), RolloutError> {
        panic!("not used here")
    }
}

#[async_trait]
impl ImageBuilder for Untouched {
    async fn build(&self, _: &ImageSpec) -> Result<String, RolloutError> {
        panic!("not used here")
    }
    async fn has(&self, _: &str) -> Result<bool, RolloutError> {
        panic!("not used here")
    }
}

struct Still;

impl Clock for Still {
    fn now_ms(&self) -> i64 {
        0
    }
}

fn silent(_: String) {}

/// A temporary workspace (`work` inside the folder) and a store in memory.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) memory: Arc<Memory>,
    pub(crate) facts: RunFacts,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        let facts = RunFacts { run: "run-1".to_owned(), ..RunFacts::default() };
        Self { folder, memory: Arc::default(), facts }
    }

    pub(crate) fn workspace(&self) -> Workspace {
        Workspace::open(&self.folder.path().join("work")).unwrap()
    }

    pub(crate) fn context(&self) -> RunnerContext<'static> {
        RunnerContext {
            workspace: self.workspace(),
            facts: self.facts.clone(),
            registry: self.memory.clone(),
            objects: self.memory.clone(),
            artifacts: self.memory.clone(),
            revisions: Arc::new(Untouched),
            target: Arc::new(Untouched),
            images: Arc::new(Untouched),
            binary: "/bin/true".into(),
            clock: Arc::new(Still),
            log: &silent,
        }
    }

    /// Runs a runner action with these inputs.
    pub(crate) async fn run(
        &self,
        action: &dyn RunnerAction,
        given: &[(&str, &str)],
    ) -> Result<ActionOutcome, ActionError> {
        let inputs = Inputs::check(action.manifest(), &texts(given))?;
        action.run(&self.context(), &inputs).await
    }

    /// Runs a job action with these inputs.
    pub(crate) fn run_job(
        &self,
        action: &dyn JobAction,
        given: &[(&str, &str)],
    ) -> Result<ActionOutcome, ActionError> {
        let inputs = Inputs::check(action.manifest(), &texts(given))?;
        let facts = JobFacts { run: "run-1".to_owned(), commit: "abc".to_owned() };
        let variable = |_: &str| None;
        let workspace = self.workspace();
        action.run(&JobContext { workspace, facts, variable: &variable, log: &silent }, &inputs)
    }
}

fn texts(pairs: &[(&str, &str)]) -> IndexMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
