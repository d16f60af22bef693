//! References to data that is not where a path leads: in buckets, on web servers, or versions of another time.

use super::bar::Bar;
use crate::error::CommandError;
use crate::store::cloud_settings;
use pawl_engine::download::{DownloadError, download, is_remote};
use std::fs::File;
use std::path::Path;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// Data that was brought.
pub(super) struct Fetched {
    /// Tells the format.
    pub(super) name: String,
    pub(super) file: File,
}

/// Brings the data of a URL or of `dvc:PATH[@REVISION]`; `None` for a reference that is none of them.
///
/// # Errors
/// It is not there, may not be read, or does not come.
pub(super) fn fetch(reference: &str) -> Result<Option<Fetched>, CommandError> {
    // Commands about tables are threads that compute; they have nothing else to do meanwhile.
    let wait = |work| block_in_place(|| Handle::current().block_on(work));
    if is_remote(reference) {
        return wait(Box::pin(from_url(reference)) as Work<'_>).map(Some);
    }
    match reference.strip_prefix("dvc:") {
        Some(version) if !Path::new(reference).exists() => {
            wait(Box::pin(from_version(version))).map(Some)
        }
        _ => Ok(None),
    }
}

type Work<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Fetched, CommandError>> + 'a>>;

async fn from_url(url: &str) -> Result<Fetched, CommandError> {
    let found = download(url, &cloud_settings()).await?;
    Ok(Fetched { name: found.name, file: found.file })
}

async fn from_version(version: &str) -> Result<Fetched, CommandError> {
    let (path, revision) = match version.rsplit_once('@') {
        Some((path, revision)) => (path, Some(revision)),
        None => (version, None),
    };
    let repository = super::repository()?;
    let bar = Bar::start("fetching", false);
    let found =
        pawl_versions::fetch(&repository, Path::new(path), revision, bar.progress()).await?;
    Ok(Fetched { name: found.name, file: found.file })
}

impl From<DownloadError> for CommandError {
    fn from(error: DownloadError) -> Self {
        match &error {
            DownloadError::Url { .. } => {
                Self::input(&error, "write s3://BUCKET/KEY, gs://, az:// or https://HOST/PATH")
            }
            DownloadError::Missing(_) => Self::input(&error, "look whether the name is right"),
            DownloadError::Denied { .. } => Self::environment(
                &error,
                "give credentials as the cloud's own tools read them, such as AWS_ACCESS_KEY_ID",
            ),
            DownloadError::Broken { .. } => Self::environment(&error, "try again"),
        }
    }
}
