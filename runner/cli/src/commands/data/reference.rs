//! References to data that is not on this machine yet.

use crate::error::CommandError;
use crate::store::cloud_settings;
use pawl_engine::download::{DownloadError, Downloaded, download, is_remote};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// Brings the data of a reference to a bucket or web server; `None` for one that is none of them.
///
/// # Errors
/// It is not there, may not be read, or does not come.
pub(super) fn fetch(reference: &str) -> Result<Option<Downloaded>, CommandError> {
    if !is_remote(reference) {
        return Ok(None);
    }
    let settings = cloud_settings();
    // Commands about tables are threads that compute; they have nothing else to do meanwhile.
    let fetched = block_in_place(|| Handle::current().block_on(download(reference, &settings)));
    Ok(Some(fetched?))
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
