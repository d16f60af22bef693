//! Models, versions and aliases; revisions of services; the store of objects named by their digest.

use crate::event::UnixMs;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Where a model version comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lineage {
    /// `sha256:…` of the training data.
    pub data_digest: String,
    /// Commit of the code, `-dirty` appended when the tree had changes.
    pub commit: String,
    /// The run that made it.
    pub run: String,
    /// `sha256:…` of the evaluation data.
    pub evaluation_digest: String,
    /// The baseline version that it was compared with.
    pub baseline: Option<u64>,
    /// The gate's verdict, such as `pass`; empty before the gate.
    pub verdict: String,
    /// The gate's whole report.
    pub report: serde_json::Value,
}

/// One registered model version. Versions of a model count from 1 and are never reused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// Name of the model.
    pub model: String,
    /// Number of the version.
    pub version: u64,
    /// `sha256:…` of the model file; its bytes are in the object store.
    pub digest: String,
    /// When it was registered.
    pub created_ms: UnixMs,
    /// Where it comes from.
    pub lineage: Lineage,
}

/// What an alias points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Name of the model.
    pub model: String,
    /// Such as `production`.
    pub alias: String,
    /// Number of the version.
    pub version: u64,
}

/// Why the registry refused.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// User: no such model, version or alias.
    #[error("{0}")]
    Unknown(String),
    /// Somebody else moved the alias in the meantime: nothing was changed.
    #[error("alias {alias} of {model} points at {found:?}, not at {expected:?}")]
    Moved {
        /// The model.
        model: String,
        /// The alias.
        alias: String,
        /// What the caller believed.
        expected: Option<u64>,
        /// What it points at.
        found: Option<u64>,
    },
    /// An object's bytes do not have the digest that names them.
    #[error("object {0} is damaged: its bytes have another digest")]
    Damaged(String),
    /// Environment: disk full, file not readable, bucket not reachable.
    #[error("{0}")]
    Storage(String),
}

/// Models, versions, aliases.
#[async_trait]
pub trait ModelRegistry: Send + Sync {
    /// Registers a version. The same model, digest and run give the version that is there already.
    async fn register(
        &self,
        model: &str,
        digest: &str,
        lineage: &Lineage,
    ) -> Result<ModelVersion, RegistryError>;
    /// Replaces the lineage of a version (the gate adds its verdict).
    async fn set_lineage(
        &self,
        model: &str,
        version: u64,
        lineage: &Lineage,
    ) -> Result<(), RegistryError>;
    /// All models' names, in order.
    async fn models(&self) -> Result<Vec<String>, RegistryError>;
    /// All versions, oldest first.
    async fn versions(&self, model: &str) -> Result<Vec<ModelVersion>, RegistryError>;
    /// Aliases of a model, by name.
    async fn aliases(&self, model: &str) -> Result<Vec<Alias>, RegistryError>;
    /// The version that an alias points at.
    async fn resolve(
        &self,
        model: &str,
        alias: &str,
    ) -> Result<Option<ModelVersion>, RegistryError>;
    /// Points the alias at `new` (or removes it) if it points at `expected` now; else `Moved`. `new == expected` succeeds.
    async fn set_alias(
        &self,
        model: &str,
        alias: &str,
        expected: Option<u64>,
        new: Option<u64>,
    ) -> Result<(), RegistryError>;
}

/// Bytes named by their sha256.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Stores bytes and gives their `sha256:…`. Storing twice is one object.
    async fn put(&self, bytes: Vec<u8>) -> Result<String, RegistryError>;
    /// Reads an object and checks its digest.
    async fn get(&self, digest: &str) -> Result<Vec<u8>, RegistryError>;
    /// True when it is there (not verified).
    async fn has(&self, digest: &str) -> Result<bool, RegistryError>;
}

/// A run's artifacts: named objects.
#[async_trait]
pub trait Artifacts: Send + Sync {
    /// Stores a named artifact of a run (a later one of the same name replaces it): (path in the artifact, object digest).
    async fn save(
        &self,
        run: &str,
        name: &str,
        files: &[(String, String)],
    ) -> Result<(), RegistryError>;
    /// The files of an artifact, or `None`.
    async fn find(
        &self,
        run: &str,
        name: &str,
    ) -> Result<Option<Vec<(String, String)>>, RegistryError>;
    /// Names of a run's artifacts.
    async fn names(&self, run: &str) -> Result<Vec<String>, RegistryError>;
}
