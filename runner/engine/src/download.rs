//! Files by URL, from buckets and web servers, brought to a file of this machine.

use futures_util::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path as ObjectPath;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt, RetryConfig};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::str::FromStr;
use std::time::Duration;
use url::Url;

/// Times that a request is made again, and the longest that all of them together may take: a person waits for the answer.
const RETRIES: usize = 3;
const RETRY_TIME: Duration = Duration::from_secs(30);

/// Time for a server to take a connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// A file that was brought.
#[derive(Debug)]
pub struct Downloaded {
    /// At its beginning; its name is gone already, so that it vanishes with its last reader.
    pub file: File,
    /// The last part of the URL's path.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// `sha256:…`.
    pub digest: String,
}

/// Why a file did not come.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// User: no such kind of URL, or one that cannot be read.
    #[error("{url} cannot be used: {reason}")]
    Url {
        /// Without credentials.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// User: there is no such file.
    #[error("{0} is not there")]
    Missing(String),
    /// Environment: credentials are missing, wrong, or do not allow it.
    #[error("{url} may not be read with the given credentials: {reason}")]
    Denied {
        /// Without credentials.
        url: String,
        /// What the server says.
        reason: String,
    },
    /// Environment: the server cannot be reached or breaks off, or the disk is full.
    #[error("{url} cannot be fetched: {reason}")]
    Broken {
        /// Without credentials.
        url: String,
        /// What happened.
        reason: String,
    },
}

/// True for references that [`download`] understands.
pub fn is_remote(reference: &str) -> bool {
    let scheme = reference.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_some_and(|scheme| {
        matches!(
            scheme.as_str(),
            "s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss" | "http" | "https"
        )
    })
}

/// Brings the file at a URL (`s3://`, `gs://`, `az://`, `https://`, `http://`). `settings` are the names and values that the
/// `object_store` crate documents, such as `aws_region`; credentials come this way, because nothing here reads the environment.
///
/// # Errors
///
/// See [`DownloadError`].
pub async fn download(
    url: &str,
    settings: &[(String, String)],
) -> Result<Downloaded, DownloadError> {
    let shown = shown(url);
    let bad = |reason: String| DownloadError::Url { url: shown.clone(), reason };
    let parsed = Url::parse(url).map_err(|error| bad(error.to_string()))?;
    let (store, path) = open(&parsed, settings).map_err(|error| bad(brief(&error)))?;
    let fault = |error: Error| fault(&shown, &error);
    let mut body = store.get(&path).await.map_err(fault)?.into_stream();
    let disk = |error: std::io::Error| DownloadError::Broken {
        url: shown.clone(),
        reason: format!("a temporary file failed: {error}"),
    };
    let mut file = tempfile::tempfile().map_err(disk)?;
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(fault)?;
        digest.update(&chunk);
        bytes += chunk.len() as u64;
        file.write_all(&chunk).map_err(disk)?;
    }
    file.seek(SeekFrom::Start(0)).map_err(disk)?;
    let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let path = ObjectPath::from_url_path(parsed.path()).unwrap_or_default();
    let name = path.filename().unwrap_or_default().to_owned();
    Ok(Downloaded { file, name, bytes, digest: format!("sha256:{digest}") })
}

fn open(
    url: &Url,
    settings: &[(String, String)],
) -> Result<(Box<dyn ObjectStore>, ObjectPath), Error> {
    let retry =
        RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIME, ..Default::default() };
    let client = ClientOptions::new().with_connect_timeout(CONNECT_TIME);
    if matches!(url.scheme(), "http" | "https") {
        let client = client.with_allow_http(url.scheme() == "http");
        // The query is part of the address: links that a server has signed have their signature there.
        let builder = HttpBuilder::new().with_url(url.as_str()).with_retry(retry);
        let store = builder.with_client_options(client).build()?;
        return Ok((Box::new(store), ObjectPath::default()));
    }
    let (_, path) = object_store::ObjectStoreScheme::parse(url)
        .map_err(|error| Error::Generic { store: "URL", source: Box::new(error) })?;
    let store: Box<dyn ObjectStore> = match url.scheme() {
        "s3" | "s3a" => {
            let builder = AmazonS3Builder::new().with_url(url.as_str());
            let builder =
                configured(builder, settings, |to, key, value| to.with_config(key, value));
            Box::new(builder.with_retry(retry).build()?)
        }
        "gs" => {
            let builder = GoogleCloudStorageBuilder::new().with_url(url.as_str());
            let builder =
                configured(builder, settings, |to, key, value| to.with_config(key, value));
            Box::new(builder.with_retry(retry).with_client_options(client).build()?)
        }
        _ => {
            let builder = MicrosoftAzureBuilder::new().with_url(url.as_str());
            let builder =
                configured(builder, settings, |to, key, value| to.with_config(key, value));
            Box::new(builder.with_retry(retry).with_client_options(client).build()?)
        }
    };
    Ok((store, path))
}

/// A builder with those settings that concern it.
fn configured<B, K: FromStr>(
    builder: B,
    settings: &[(String, String)],
    with: impl Fn(B, K, &str) -> B,
) -> B {
    let own = settings.iter().filter_map(|(name, value)| Some((name.parse::<K>().ok()?, value)));
    own.fold(builder, |builder, (key, value)| with(builder, key, value))
}

fn fault(url: &str, error: &Error) -> DownloadError {
    let (url, reason) = (url.to_owned(), brief(error));
    match error {
        Error::NotFound { .. } => DownloadError::Missing(url),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            DownloadError::Denied { url, reason }
        }
        _ => DownloadError::Broken { url, reason },
    }
}

/// The innermost cause: the layers above it repeat the address, with its query.
fn brief(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The URL without what may be secret: credentials and query.
fn shown(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = &url[..end];
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}/{path}")
}

#[cfg(test)]
mod tests {
    use super::{DownloadError, download, is_remote, shown};
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Answers one request with these words and gives the request.
    fn serve(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (format!("http://{address}"), server)
    }

    #[tokio::test]
    async fn a_file_of_a_web_server_comes_whole_with_its_digest() {
        let (top, server) = serve(
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nlast-modified: Sat, 28 Nov 2026 10:00:00 GMT\r\n\r\nabc",
        );
        let mut found = download(&format!("{top}/data/a%20b.csv?signature=1"), &[]).await.unwrap();
        let mut text = String::new();
        found.file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), found.bytes, found.name.as_str()), ("abc", 3, "a b.csv"));
        let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(found.digest, digest);
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /data/a%20b.csv?signature=1 "), "{request}");
    }

    #[tokio::test]
    async fn faults_are_told_apart_and_name_no_secret() {
        let (top, _server) = serve("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        let error = download(&format!("{top}/a.csv?sig=hunter2"), &[]).await.unwrap_err();
        assert!(matches!(&error, DownloadError::Missing(url) if !url.contains("hunter2")));
        let (top, _server) = serve("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        let error = download(&format!("{top}/a.csv"), &[]).await.unwrap_err();
        assert!(matches!(error, DownloadError::Denied { .. }), "{error}");
        let error = download("s3://", &[]).await.unwrap_err();
        assert!(matches!(error, DownloadError::Url { .. }), "{error}");
    }

    #[test]
    fn what_is_shown_of_a_url_is_no_secret() {
        assert_eq!(shown("https://u:p@host/a/b.csv?x=1#y"), "https://host/a/b.csv");
        assert_eq!(shown("s3://bucket/a.csv"), "s3://bucket/a.csv");
        assert!(is_remote("S3://b/k") && is_remote("https://h/x"));
        assert!(!is_remote("data.csv") && !is_remote("file:///x") && !is_remote("dvc:x"));
    }
}
