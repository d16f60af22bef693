//! A remote that is a bucket: S3 and what speaks like it, Google's and Azure's.

use super::take_in;
use crate::VersionError;
use crate::cache::Cache;
use crate::object::ObjectId;
use crate::progress::Progress;
use crate::repository::Surroundings;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::buffered::BufWriter;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path as Key;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt, RetryConfig};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Requests at once. Buckets answer slowly and many at a time.
const AT_ONCE: usize = 16;

/// Longest that a request is tried again, beginning with the first try.
const RETRY: Duration = Duration::from_secs(30);

/// The bucket and the prefix in it.
pub(super) struct Bucket {
    name: String,
    store: Arc<dyn ObjectStore>,
    prefix: Key,
}

/// Why the settings are refused, and what to do.
type Refusal = (String, String);

impl Bucket {
    pub(super) fn new(
        name: &str,
        scheme: &str,
        rest: &str,
        settings: &BTreeMap<String, String>,
        surroundings: &Surroundings,
    ) -> Result<Self, Refusal> {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let given = Given { settings, surroundings };
        let store: Arc<dyn ObjectStore> = match scheme {
            "s3" => Arc::new(given.s3(bucket)?),
            "gs" => Arc::new(given.gs(bucket)?),
            _ => Arc::new(given.azure(bucket)?),
        };
        Ok(Self { name: name.to_owned(), store, prefix: Key::from(prefix) })
    }

    fn key(&self, id: &ObjectId) -> Key {
        id.key().split('/').fold(self.prefix.clone(), |key, part| key.join(part))
    }

    fn place(&self, id: &ObjectId) -> String {
        format!("remote {:?}, {}", self.name, id.key())
    }

    fn fault(&self, id: &ObjectId, error: &Error) -> VersionError {
        let hint = match error {
            Error::Unauthenticated { .. } | Error::PermissionDenied { .. } => {
                "check the credentials of the remote and what they allow"
            }
            _ => "check the url, the endpoint and the network of the remote",
        };
        VersionError::environment(self.place(id), error, hint)
    }

    pub(super) async fn missing(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, VersionError> {
        let asked = stream::iter(ids).map(|id| async move {
            match self.store.head(&self.key(id)).await {
                Ok(_) => Ok(None),
                Err(Error::NotFound { .. }) => Ok(Some(id.clone())),
                Err(error) => Err(self.fault(id, &error)),
            }
        });
        let absent: Vec<_> = asked.buffered(AT_ONCE).try_collect().await?;
        Ok(absent.into_iter().flatten().collect())
    }

    pub(super) async fn fetch(
        &self,
        ids: &[ObjectId],
        cache: &Cache,
        progress: &Progress,
    ) -> Result<Vec<ObjectId>, VersionError> {
        let fetched = stream::iter(ids).map(|id| async move {
            let is_there = self.fetch_one(id, cache, progress).await?;
            Ok((!is_there).then(|| id.clone()))
        });
        let absent: Vec<_> = fetched.buffered(AT_ONCE).try_collect().await?;
        Ok(absent.into_iter().flatten().collect())
    }

    async fn fetch_one(
        &self,
        id: &ObjectId,
        cache: &Cache,
        progress: &Progress,
    ) -> Result<bool, VersionError> {
        let got = match self.store.get(&self.key(id)).await {
            Ok(got) => got,
            Err(Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(self.fault(id, &error)),
        };
        let mut scrap = cache.scrap()?;
        let mut chunks = got.into_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| self.fault(id, &error))?;
            scrap.write_all(&chunk).map_err(|error| VersionError::io(scrap.path(), &error))?;
            progress.pass(chunk.len() as u64);
        }
        take_in(cache, scrap, id, &self.place(id), progress)?;
        Ok(true)
    }

    /// Objects are verified by the caller.
    pub(super) async fn send(
        &self,
        ids: &[ObjectId],
        cache: &Cache,
        progress: &Progress,
    ) -> Result<(), VersionError> {
        let sent = stream::iter(ids).map(|id| self.send_one(id, cache, progress));
        sent.buffered(AT_ONCE).try_collect::<Vec<_>>().await.map(drop)
    }

    async fn send_one(
        &self,
        id: &ObjectId,
        cache: &Cache,
        progress: &Progress,
    ) -> Result<(), VersionError> {
        let path = cache.path(id);
        let file = tokio::fs::File::open(&path).await;
        let mut file = file.map_err(|error| VersionError::io(&path, &error))?;
        let mut writer = BufWriter::new(Arc::clone(&self.store), self.key(id));
        let copied = async {
            let bytes = tokio::io::copy(&mut file, &mut writer).await?;
            writer.shutdown().await?;
            Ok::<_, std::io::Error>(bytes)
        };
        let bytes = copied.await.map_err(|error| {
            let hint = "check the credentials, the endpoint and the network of the remote";
            VersionError::environment(self.place(id), error, hint)
        })?;
        progress.pass(bytes);
        progress.finish_file();
        Ok(())
    }
}

/// What a bucket is opened with: DVC's settings before variables of the environment.
struct Given<'a> {
    settings: &'a BTreeMap<String, String>,
    surroundings: &'a Surroundings,
}

impl Given<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    fn is_set(&self, key: &str, word: &str) -> bool {
        self.get(key).is_some_and(|value| value.eq_ignore_ascii_case(word))
    }

    /// Refuses settings beyond those that are understood: each was written for a reason.
    fn allow(&self, own: &[&str]) -> Result<(), Refusal> {
        let common = ["url", "jobs", "checksum_jobs", "verify", "no_traverse"];
        let is_known = |key: &str| common.contains(&key) || own.contains(&key);
        match self.settings.keys().find(|key| !is_known(key)) {
            None => Ok(()),
            Some(key) => {
                let reason = format!("has the setting {key}, which Pawl does not know");
                Err((reason, "take it out, or use DVC itself for this remote".to_owned()))
            }
        }
    }

    fn client(&self) -> ClientOptions {
        let endpoint = self.get("endpointurl").unwrap_or_default();
        let is_plain = endpoint.starts_with("http://") || self.is_set("use_ssl", "false");
        ClientOptions::new()
            .with_allow_http(is_plain)
            .with_allow_invalid_certificates(self.is_set("ssl_verify", "false"))
    }

    fn s3(&self, bucket: &str) -> Result<impl ObjectStore + use<>, Refusal> {
        self.allow(&[
            "region",
            "profile",
            "credentialpath",
            "endpointurl",
            "access_key_id",
            "secret_access_key",
            "session_token",
            "allow_anonymous_login",
            "use_ssl",
            "ssl_verify",
            "listobjects",
        ])?;
        let mut builder = AmazonS3Builder::new().with_bucket_name(bucket).with_retry(retry());
        for (name, value) in &self.surroundings.variables {
            let key = name.starts_with("AWS_").then(|| name.to_lowercase().parse().ok()).flatten();
            if let Some(key) = key {
                builder = builder.with_config(key, value);
            }
        }
        for (key, value) in self.profile() {
            builder = builder.with_config(key, value);
        }
        let own = [
            ("region", AmazonS3ConfigKey::Region),
            ("endpointurl", AmazonS3ConfigKey::Endpoint),
            ("access_key_id", AmazonS3ConfigKey::AccessKeyId),
            ("secret_access_key", AmazonS3ConfigKey::SecretAccessKey),
            ("session_token", AmazonS3ConfigKey::Token),
        ];
        for (name, key) in own {
            if let Some(value) = self.get(name) {
                builder = builder.with_config(key, value);
            }
        }
        let is_anonymous = self.is_set("allow_anonymous_login", "true");
        let builder = builder.with_client_options(self.client()).with_skip_signature(is_anonymous);
        builder.build().map_err(|error| unusable(&error))
    }

    /// Keys of a profile in the file of credentials that Amazon's own programs use.
    fn profile(&self) -> Vec<(AmazonS3ConfigKey, String)> {
        let variable = |name: &str| self.surroundings.variables.get(name).map(String::as_str);
        let named = self.get("profile").or_else(|| variable("AWS_PROFILE"));
        if named.is_none() && variable("AWS_ACCESS_KEY_ID").is_some() {
            return Vec::new();
        }
        let usual = self.surroundings.home.as_ref().map(|home| home.join(".aws/credentials"));
        let path = self.get("credentialpath").or_else(|| variable("AWS_SHARED_CREDENTIALS_FILE"));
        let path = path.map(PathBuf::from).or(usual);
        let text = path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let section = format!("[{}]", named.unwrap_or("default"));
        let lines = text.lines().map(str::trim).skip_while(|line| *line != section).skip(1);
        let lines = lines.take_while(|line| !line.starts_with('['));
        let pairs = lines.filter_map(|line| line.split_once('='));
        let pairs = pairs.map(|(key, value)| (key.trim(), value.trim().to_owned()));
        let key = |name: &str| match name {
            "aws_access_key_id" => Some(AmazonS3ConfigKey::AccessKeyId),
            "aws_secret_access_key" => Some(AmazonS3ConfigKey::SecretAccessKey),
            "aws_session_token" => Some(AmazonS3ConfigKey::Token),
            "region" => Some(AmazonS3ConfigKey::Region),
            _ => None,
        };
        pairs.filter_map(|(name, value)| Some((key(name)?, value))).collect()
    }

    fn gs(&self, bucket: &str) -> Result<impl ObjectStore + use<>, Refusal> {
        self.allow(&["credentialpath", "endpointurl", "allow_anonymous_login"])?;
        let mut builder =
            GoogleCloudStorageBuilder::new().with_bucket_name(bucket).with_retry(retry());
        let variable = self.surroundings.variables.get("GOOGLE_APPLICATION_CREDENTIALS");
        let file = self.get("credentialpath").or(variable.map(String::as_str));
        if let Some(file) = file {
            builder = builder.with_config(GoogleConfigKey::ApplicationCredentials, file);
        }
        if let Some(endpoint) = self.get("endpointurl") {
            builder = builder.with_config(GoogleConfigKey::BaseUrl, endpoint);
        }
        let is_anonymous = self.is_set("allow_anonymous_login", "true");
        let builder = builder.with_client_options(self.client()).with_skip_signature(is_anonymous);
        builder.build().map_err(|error| unusable(&error))
    }

    fn azure(&self, container: &str) -> Result<impl ObjectStore + use<>, Refusal> {
        let own = [
            ("account_name", AzureConfigKey::AccountName),
            ("account_key", AzureConfigKey::AccessKey),
            ("sas_token", AzureConfigKey::SasKey),
            ("tenant_id", AzureConfigKey::AuthorityId),
            ("client_id", AzureConfigKey::ClientId),
            ("client_secret", AzureConfigKey::ClientSecret),
        ];
        let names: Vec<_> =
            own.iter().map(|(name, _)| *name).chain(["allow_anonymous_login"]).collect();
        self.allow(&names)?;
        let mut builder =
            MicrosoftAzureBuilder::new().with_container_name(container).with_retry(retry());
        for (name, value) in &self.surroundings.variables {
            let key = name.starts_with("AZURE_").then(|| name.to_lowercase().parse().ok());
            if let Some(key) = key.flatten() {
                builder = builder.with_config(key, value);
            }
        }
        for (name, key) in own {
            if let Some(value) = self.get(name) {
                builder = builder.with_config(key, value);
            }
        }
        let is_anonymous = self.is_set("allow_anonymous_login", "true");
        let builder = builder.with_client_options(self.client()).with_skip_signature(is_anonymous);
        builder.build().map_err(|error| unusable(&error))
    }
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: 4, retry_timeout: RETRY, ..RetryConfig::default() }
}

fn unusable(error: &Error) -> Refusal {
    (format!("cannot be used: {error}"), "check its url and its credentials".to_owned())
}
