//! Bringing images that are not on the machine: once, however many jobs want the same.

use super::fault::{fault, has_status, no_image};
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::query_parameters::CreateImageOptions;
use futures_util::TryStreamExt;
use pawl_core::container::Credentials;
use pawl_core::ports::ExecutorError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use tokio::sync::Mutex;

/// Pulls under way, by image.
#[derive(Debug, Default)]
pub(super) struct Pulls(SyncMutex<HashMap<String, Arc<Mutex<()>>>>);

impl Pulls {
    /// Pulls an image, unless another job has just done so. Nothing that is there is ever pulled again: callers come here when the
    /// engine said that it is not.
    pub(super) async fn pull(
        &self,
        docker: &Docker,
        image: &str,
        credentials: Option<&Credentials>,
    ) -> Result<(), ExecutorError> {
        let lock = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(image.to_owned()).or_default())
        };
        let _turn = lock.lock().await;
        match docker.inspect_image(image).await {
            Ok(_) => return Ok(()),
            Err(error) if has_status(&error, 404) => {}
            Err(error) => return Err(fault("look for the image", &error)),
        }
        tracing::warn!("pulling the image {image}");
        let options =
            CreateImageOptions { from_image: Some(image.to_owned()), ..Default::default() };
        let login = credentials.map(|login| login_of(image, login));
        docker
            .create_image(Some(options), None, login)
            .try_for_each(|progress| async move {
                let layer = progress.id.unwrap_or_default();
                tracing::debug!(image, layer, status = progress.status.unwrap_or_default());
                Ok(())
            })
            .await
            .map_err(|error| no_image(image, &error))
    }
}

/// The login goes to the registry of the image's name and is in no file of the engine.
fn login_of(image: &str, login: &Credentials) -> DockerCredentials {
    DockerCredentials {
        username: Some(login.username.clone()),
        password: Some(login.password.clone()),
        serveraddress: registry(image).map(str::to_owned),
        ..DockerCredentials::default()
    }
}

/// The first part of a name is a registry when it looks like a host.
fn registry(image: &str) -> Option<&str> {
    let (first, _) = image.split_once('/')?;
    (first.contains(['.', ':']) || first == "localhost").then_some(first)
}

#[cfg(test)]
mod tests {
    use super::registry;

    #[test]
    fn a_registry_is_told_from_a_user() {
        assert_eq!(registry("localhost:5000/a/b:1"), Some("localhost:5000"));
        assert_eq!(registry("registry.example.org/a"), Some("registry.example.org"));
        assert_eq!(registry("library/python"), None);
        assert_eq!(registry("python"), None);
    }
}
