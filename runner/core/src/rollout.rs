//! Services and their revisions: what is rolled out, what can be rolled back to, and where.

use crate::event::UnixMs;
use crate::registry::RegistryError;
use async_trait::async_trait;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Why a revision exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RevisionKind {
    /// A new model or image.
    Deploy,
    /// A return to an earlier revision.
    Rollback {
        /// The revision whose content this one repeats.
        of: u64,
    },
}

/// What a revision is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevisionState {
    /// Written down; perhaps started; gets no traffic yet.
    Staged,
    /// Gets the traffic.
    Live,
    /// Runs without traffic, ready to take it back.
    Warm,
    /// Stopped, can be started again.
    Retired,
    /// It was tried and did not pass; traffic never stayed on it.
    Failed,
}

/// One numbered deployed state of a service: model, image, configuration and alias, restored together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Name of the service.
    pub service: String,
    /// Its number, from 1.
    pub number: u64,
    /// Why it exists.
    #[serde(flatten)]
    pub kind: RevisionKind,
    /// Name of the model.
    pub model: String,
    /// The model's version.
    pub version: u64,
    /// `sha256:…` of the model file.
    pub model_digest: String,
    /// The image's id, `sha256:…`.
    pub image: String,
    /// Environment of the container.
    pub env: IndexMap<String, String>,
    /// Port of the service on the target's host.
    pub port: u16,
    /// Path that answers 200 once the service can serve.
    pub health_path: String,
    /// The registry alias that moves with this revision, such as `production`.
    pub alias: String,
    /// Where the alias pointed before.
    pub alias_before: Option<u64>,
    /// `sha256:…` of the golden rows in the object store, asked again before a rollback; empty when there are none.
    #[serde(default)]
    pub golden: String,
    /// The run that asked for it; empty for a rollback by hand.
    pub run: String,
    /// Who asked.
    pub actor: String,
    /// When.
    pub created_ms: UnixMs,
    /// What it is doing.
    pub state: RevisionState,
    /// Why it failed, in words.
    pub reason: String,
}

/// Revisions of services, in the store.
#[async_trait]
pub trait Revisions: Send + Sync {
    /// Takes the service for one rollout at a time; false when a living process has it.
    async fn lock(&self, service: &str) -> Result<bool, RegistryError>;
    /// Gives the service back.
    async fn unlock(&self, service: &str) -> Result<(), RegistryError>;
    /// Writes a new revision (its `number` is ignored) and gives it back with its number. The same service, run, digest and
    /// kind `Deploy` that is still `Staged` gives the one that is there: a repeated call after a crash finds the first.
    async fn add(&self, revision: &Revision) -> Result<Revision, RegistryError>;
    /// Sets states of several revisions in one transaction: (number, state, reason).
    async fn set_states(
        &self,
        service: &str,
        states: &[(u64, RevisionState, String)],
    ) -> Result<(), RegistryError>;
    /// All revisions of a service, oldest first.
    async fn list(&self, service: &str) -> Result<Vec<Revision>, RegistryError>;
    /// Names of all services.
    async fn services(&self) -> Result<Vec<String>, RegistryError>;
}

/// What the target sees of one revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedRevision {
    /// Its number.
    pub number: u64,
    /// Its container or pods run.
    pub running: bool,
    /// Share of the traffic, per cent.
    pub weight: u32,
    /// Requests that the proxy sent to it.
    pub requests: u64,
    /// Of these, answered with 5xx or not at all.
    pub failures: u64,
    /// What its container printed last, when it does not run or was restarted after a crash; else empty.
    pub last_words: String,
}

/// What the target sees of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Revisions that exist on the target.
    pub revisions: Vec<ObservedRevision>,
    /// Where clients reach the service, such as `http://127.0.0.1:8080`; `None` when nothing routes yet.
    pub address: Option<String>,
}

/// An HTTP exchange with one revision, past the proxy.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// JSON body, or empty.
    pub body: Vec<u8>,
    /// Limit for the whole exchange.
    pub timeout_ms: u64,
}

/// The answer to a probe.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeResponse {
    /// HTTP status.
    pub status: u16,
    /// Body, at most 1 MiB.
    pub body: Vec<u8>,
}

/// Why a target could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// Environment: the engine does not answer, the port is taken.
    #[error("{message}")]
    Environment {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// User: the revision's image is gone, or the like.
    #[error("{message}")]
    Request {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The revision does not answer (a result of the probe, not of the target).
    #[error("{0}")]
    Unreachable(String),
}

/// Where revisions run. Level-triggered: each call states what should be and may be repeated; names are made from service
/// and number, so that a repeated call finds what the first one made.
#[async_trait]
pub trait RolloutTarget: Send + Sync {
    /// What runs now.
    async fn observe(&self, service: &str) -> Result<Observed, RolloutError>;
    /// Starts the revision beside the others, without traffic. Running already is fine.
    async fn stage(&self, revision: &Revision) -> Result<(), RolloutError>;
    /// Sends a request to one revision, past the proxy.
    async fn probe(
        &self,
        service: &str,
        number: u64,
        request: &ProbeRequest,
    ) -> Result<ProbeResponse, RolloutError>;
    /// Makes traffic flow with these weights (number, per cent; sum 100). Starts the proxy at `port` when there is none.
    /// A revision listed with weight 0 is a fallback: it gets only what another revision failed to answer.
    /// Requests that are under way end where they began; none fails because of the switch.
    async fn route(
        &self,
        service: &str,
        port: u16,
        weights: &[(u64, u32)],
    ) -> Result<(), RolloutError>;
    /// Stops and removes the revision, after its last request under way (at most 10 s). Gone already is fine.
    async fn remove(&self, service: &str, number: u64) -> Result<(), RolloutError>;
    /// Stops and removes the whole service, proxy included.
    async fn remove_service(&self, service: &str) -> Result<(), RolloutError>;
}

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Absolute path in the image.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Permission bits, such as `0o755`.
    pub mode: u32,
}

/// An image made from nothing but these files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// `name:tag`
    pub tag: String,
    /// Files; time stamps are 0, so that the same files give the same layer.
    pub files: Vec<ImageFile>,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Environment.
    pub env: IndexMap<String, String>,
    /// Labels.
    pub labels: IndexMap<String, String>,
    /// TCP port that it listens on.
    pub port: u16,
    /// User that the program runs as, such as `65532:65532`.
    pub user: String,
}

/// Builds images.
#[async_trait]
pub trait ImageBuilder: Send + Sync {
    /// Builds the image and gives its id, `sha256:…`.
    async fn build(&self, spec: &ImageSpec) -> Result<String, RolloutError>;
    /// True when the engine has the image.
    async fn has(&self, image: &str) -> Result<bool, RolloutError>;
}
