//! Models, versions and aliases; revisions of services; the store of objects named by their digest.

use crate::event::UnixMs;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Data as it was read once, so that one can tell whether it is the same again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataVersion {
    /// Where it lay, such as `file:data/train.csv`.
    pub uri: String,
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// Its columns in their order.
    pub schema: Vec<DataColumn>,
    /// Its rows.
    pub rows: u64,
}

/// A column of a [`DataVersion`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataColumn {
    /// Its name.
    pub name: String,
    /// The type that the file gives it: `csv` and `json` where a contract decides what a cell is.
    #[serde(rename = "type")]
    pub kind: String,
}

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
    /// The training data, where a step of the same run read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DataVersion>,
    /// The evaluation data, where a step of the same run read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation_data: Option<DataVersion>,
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
    /// User: there is something of this name already.
    #[error("{0}")]
    Taken(String),
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
    /// Keeps the bytes of a file of this machine, however many they are; the file stays.
    async fn keep(&self, file: &std::path::Path) -> Result<String, RegistryError>;
    /// Opens an object. Its bytes are not verified: whoever reads them all compares.
    async fn open(&self, digest: &str) -> Result<std::fs::File, RegistryError>;
    /// True when it is there (not verified).
    async fn has(&self, digest: &str) -> Result<bool, RegistryError>;
}

/// One artifact of a run: files by their digests, or one blob that came as a whole, or both where the files were packed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Artifact {
    /// Its number in the store; 0 before it is kept.
    pub id: u64,
    /// The run.
    pub run: String,
    /// Its name.
    pub name: String,
    /// Path in the artifact, and digest of the object.
    pub files: Vec<(String, String)>,
    /// Digest of the archive, or of the single file that it is.
    pub blob: Option<String>,
    /// Media type of the blob.
    pub media: String,
    /// `sha256:…` that names the content.
    pub digest: String,
    /// Size of the content, bytes.
    pub bytes: u64,
    /// When it was kept.
    pub created_ms: UnixMs,
    /// When it goes; `None` stays.
    pub expires_ms: Option<UnixMs>,
    /// The job, or step of a job, that made it: made again by the same one it takes its own place.
    pub maker: String,
}

/// Why this cannot be an artifact's name, by GitHub's rules; `None` when it can.
pub fn artifact_name_fault(name: &str) -> Option<String> {
    let bad = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    let is_bad =
        name.is_empty() || name.len() > 200 || name.contains(bad) || matches!(name, "." | "..");
    is_bad.then(|| format!("{name:?} cannot be an artifact's name"))
}

/// A run's artifacts: named objects.
#[async_trait]
pub trait Artifacts: Send + Sync {
    /// Keeps an artifact under its run and name and gives it with number and time. One of that name is replaced with
    /// `overwrite`, or when the same maker made it (after a crash the same call is made again); else `Taken`.
    async fn save(&self, artifact: &Artifact, overwrite: bool) -> Result<Artifact, RegistryError>;
    /// The artifact of this name, or `None`.
    async fn find(&self, run: &str, name: &str) -> Result<Option<Artifact>, RegistryError>;
    /// A run's artifacts, by name.
    async fn list(&self, run: &str) -> Result<Vec<Artifact>, RegistryError>;
    /// Forgets an artifact; one that is not there is fine.
    async fn remove(&self, run: &str, name: &str) -> Result<(), RegistryError>;
    /// An artifact's files, path and digest: an archive is opened, its names judged.
    async fn files(&self, artifact: &Artifact) -> Result<Vec<(String, String)>, RegistryError>;
}
