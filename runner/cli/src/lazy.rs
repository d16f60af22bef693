//! The Docker target and image builder, connected at their first use: a run that deploys nothing needs no engine.

use async_trait::async_trait;
use pawl_core::ports::ExecutorError;
use pawl_core::rollout::{
    ImageBuilder, ImageSpec, Observed, ProbeRequest, ProbeResponse, Revision, RolloutError,
    RolloutTarget,
};
use pawl_executors::docker::connect;
use pawl_executors::docker::image::DockerImages;
use pawl_executors::docker::rollout::DockerRollout;
use std::path::PathBuf;
use tokio::sync::OnceCell;

/// A rollout target that connects when it is first asked.
pub(crate) struct LazyTarget {
    host: Option<String>,
    state: PathBuf,
    binary: PathBuf,
    target: OnceCell<DockerRollout>,
}

impl LazyTarget {
    /// As `DockerRollout::new`, with the engine's address in place of a connection.
    pub(crate) fn new(host: Option<String>, state: PathBuf, binary: PathBuf) -> Self {
        Self { host, state, binary, target: OnceCell::new() }
    }

    async fn get(&self) -> Result<&DockerRollout, RolloutError> {
        let connected = async || {
            let docker = connect(self.host.as_deref()).await.map_err(rollout_error)?;
            Ok(DockerRollout::new(docker, self.state.clone(), self.binary.clone()))
        };
        self.target.get_or_try_init(connected).await
    }
}

#[async_trait]
impl RolloutTarget for LazyTarget {
    async fn observe(&self, service: &str) -> Result<Observed, RolloutError> {
        self.get().await?.observe(service).await
    }

    async fn stage(&self, revision: &Revision) -> Result<(), RolloutError> {
        self.get().await?.stage(revision).await
    }

    async fn probe(
        &self,
        service: &str,
        number: u64,
        request: &ProbeRequest,
    ) -> Result<ProbeResponse, RolloutError> {
        self.get().await?.probe(service, number, request).await
    }

    async fn route(
        &self,
        service: &str,
        port: u16,
        weights: &[(u64, u32)],
    ) -> Result<(), RolloutError> {
        self.get().await?.route(service, port, weights).await
    }

    async fn remove(&self, service: &str, number: u64) -> Result<(), RolloutError> {
        self.get().await?.remove(service, number).await
    }

    async fn remove_service(&self, service: &str) -> Result<(), RolloutError> {
        self.get().await?.remove_service(service).await
    }
}

/// An image builder that connects when it is first asked.
pub(crate) struct LazyImages {
    host: Option<String>,
    images: OnceCell<DockerImages>,
}

impl LazyImages {
    /// Builds images on the engine at this address.
    pub(crate) fn new(host: Option<String>) -> Self {
        Self { host, images: OnceCell::new() }
    }

    async fn get(&self) -> Result<&DockerImages, RolloutError> {
        let connected = async || {
            let docker = connect(self.host.as_deref()).await.map_err(rollout_error)?;
            Ok(DockerImages::new(docker))
        };
        self.images.get_or_try_init(connected).await
    }
}

#[async_trait]
impl ImageBuilder for LazyImages {
    async fn build(&self, spec: &ImageSpec) -> Result<String, RolloutError> {
        self.get().await?.build(spec).await
    }

    async fn has(&self, image: &str) -> Result<bool, RolloutError> {
        self.get().await?.has(image).await
    }
}

fn rollout_error(error: ExecutorError) -> RolloutError {
    match error {
        ExecutorError::Environment { message, hint } => RolloutError::Environment { message, hint },
        ExecutorError::Request { message, hint } => RolloutError::Request { message, hint },
        ExecutorError::Internal(message) => {
            RolloutError::Environment { message, hint: String::new() }
        }
    }
}
