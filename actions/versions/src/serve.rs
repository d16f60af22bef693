//! `pawl data serve`: a cache as a remote that DVC and Pawl read over HTTP, and write with a token.

use crate::digest::{Folding, copy_seeing};
use crate::object::ObjectId;
use crate::path::is_absence;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, RANGE, WWW_AUTHENTICATE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::Builder;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 256;
/// A client that takes longer to send its head, or between two parts of a body, is slow on purpose.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a file that are sent at once.
const CHUNK: usize = 256 << 10;

/// What is served.
#[derive(Clone)]
pub struct ServeOptions {
    /// The folder with `files/md5`.
    pub folder: PathBuf,
    /// Who has it may write. Without one nobody may.
    pub token: Option<String>,
    /// Reading needs the token, too.
    pub is_private: bool,
    /// Most bytes of one object.
    pub most_bytes: u64,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Answers until `shutdown` completes. Answers under way are then cut off: clients try again.
pub async fn serve(
    listener: TcpListener,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) {
    let options = Arc::new(options);
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, stream) = tokio::select! {
            biased;
            () = &mut shutdown => return,
            (permit, accepted) = accepted => match (permit, accepted) {
                (Ok(permit), Ok((stream, _))) => (permit, stream),
                // Out of descriptors: a pause, so that the loop does not burn a core.
                _ => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let options = Arc::clone(&options);
        let service = service_fn(move |request| {
            let options = Arc::clone(&options);
            async move { Ok::<_, Infallible>(answer(request, &options).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A client that went away is no fault of ours.
            drop(connection.await);
            drop(permit);
        });
    }
}

async fn answer(request: Request<Incoming>, options: &ServeOptions) -> Response<Body> {
    let is_write = [Method::POST, Method::PUT].contains(request.method());
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    if !is_write && !is_read {
        return said(StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD, POST and PUT are answered");
    }
    if is_write && options.token.is_none() {
        return said(StatusCode::METHOD_NOT_ALLOWED, "this server only reads");
    }
    if (is_write || options.is_private) && !is_allowed(request.headers(), options) {
        let mut refusal = said(StatusCode::UNAUTHORIZED, "send Authorization: Bearer TOKEN");
        refusal
            .headers_mut()
            .insert(WWW_AUTHENTICATE, hyper::header::HeaderValue::from_static("Bearer"));
        return refusal;
    }
    let Some(id) = named(request.uri().path()) else {
        return said(StatusCode::NOT_FOUND, "objects are below files/md5");
    };
    let outcome = match is_write {
        true => take(request, &id, options).await,
        false => give(&request, &id, options).await,
    };
    outcome.unwrap_or_else(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            said(StatusCode::INSUFFICIENT_STORAGE, "the disk is full")
        }
        _ => said(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    })
}

/// The object that a path names: that of DVC 3, or that of DVC 2.
fn named(path: &str) -> Option<ObjectId> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (parts, folding) = match parts.as_slice() {
        ["files", "md5", rest @ ..] => (rest, Folding::Raw),
        rest => (rest, Folding::Dos2Unix),
    };
    match parts {
        [first, rest] if first.len() == 2 => ObjectId::parse(&format!("{first}{rest}"), folding),
        _ => None,
    }
}

/// Compared by digests, so that the time says nothing about the token.
fn is_allowed(headers: &HeaderMap, options: &ServeOptions) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    match (&options.token, given) {
        (Some(token), Some(given)) => Sha256::digest(token) == Sha256::digest(given.trim()),
        _ => false,
    }
}

async fn give(
    request: &Request<Incoming>,
    id: &ObjectId,
    options: &ServeOptions,
) -> io::Result<Response<Body>> {
    let mut file = match tokio::fs::File::open(options.folder.join(id.key())).await {
        Ok(file) => file,
        Err(error) if is_absence(&error) => {
            return Ok(said(StatusCode::NOT_FOUND, "there is no such object"));
        }
        Err(error) => return Err(error),
    };
    let size = file.metadata().await?.len();
    let range = request.headers().get(RANGE).and_then(|range| range.to_str().ok());
    let range = range.and_then(|range| wanted(range, size));
    let (from, length) = range.unwrap_or((0, size));
    let mut builder =
        Response::builder().header(ACCEPT_RANGES, "bytes").header(CONTENT_LENGTH, length);
    if range.is_some() {
        let last = from + length - 1;
        builder = builder
            .status(StatusCode::PARTIAL_CONTENT)
            .header(CONTENT_RANGE, format!("bytes {from}-{last}/{size}"));
    }
    let body = if request.method() == Method::HEAD {
        Empty::new().map_err(|never| match never {}).boxed_unsync()
    } else {
        file.seek(io::SeekFrom::Start(from)).await?;
        chunks(file, length)
    };
    builder.body(body).map_err(io::Error::other)
}

/// One range of bytes: first and length. Anything else is answered whole, as a server may.
fn wanted(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let last: u64 = if last.is_empty() { size.checked_sub(1)? } else { last.parse().ok()? };
    let last = last.min(size.checked_sub(1)?);
    (first <= last).then(|| (first, last - first + 1))
}

fn chunks(file: tokio::fs::File, length: u64) -> Body {
    let parts = stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = vec![0; most];
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        chunk.truncate(read);
        Ok(Some((Frame::data(Bytes::from(chunk)), (file, left - read as u64))))
    });
    StreamBody::new(parts).boxed_unsync()
}

/// Takes an object in when its bytes are what its name says.
async fn take(
    request: Request<Incoming>,
    id: &ObjectId,
    options: &ServeOptions,
) -> io::Result<Response<Body>> {
    if id.folding != Folding::Raw {
        return Ok(said(StatusCode::FORBIDDEN, "objects of DVC 2 are only read"));
    }
    let place = options.folder.join(id.key());
    let folder = place.parent().unwrap_or(Path::new(".")).to_owned();
    fs::create_dir_all(&folder)?;
    let mut scrap = Builder::new().prefix(".pawl-").tempfile_in(&folder)?;
    let mut body = request.into_body();
    let mut size = 0;
    loop {
        let frame = match tokio::time::timeout(PATIENCE, body.frame()).await {
            Err(_) => return Ok(said(StatusCode::REQUEST_TIMEOUT, "the body has stopped coming")),
            Ok(None) => break,
            Ok(Some(frame)) => frame.map_err(io::Error::other)?,
        };
        let Ok(data) = frame.into_data() else { continue };
        size += data.len() as u64;
        if size > options.most_bytes {
            return Ok(said(StatusCode::PAYLOAD_TOO_LARGE, "the object is larger than allowed"));
        }
        scrap.write_all(&data)?;
    }
    let mut file = scrap.reopen()?;
    let folding = id.folding;
    let judged = tokio::task::spawn_blocking(move || {
        copy_seeing(&mut file, &mut io::sink(), size, folding, &|_| ())
    });
    let seen = judged.await.map_err(io::Error::other)??;
    if seen.md5 != id.md5() {
        let reason = format!("the body has the md5 {}", seen.md5);
        return Ok(said(StatusCode::UNPROCESSABLE_ENTITY, &reason));
    }
    crate::cache::persist(scrap, &place, 0o444).map_err(io::Error::other)?;
    Ok(said(StatusCode::OK, "kept"))
}

fn said(status: StatusCode, text: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(format!("{text}\n"))).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response
}
