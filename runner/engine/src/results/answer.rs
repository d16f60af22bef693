//! Answers: JSON, files with ranges, refusals in the form that the toolkit shows.

use super::MESSAGE_BYTES;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue,
    RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use pawl_core::registry::RegistryError;
use serde_json::{Value, json};
use std::io;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// A body that is whole or streamed from a file.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Bytes of a file in memory at once.
const CHUNK: usize = 256 << 10;

/// Why a request is not carried out.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: message.to_owned() }
    }

    pub(super) fn input(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn missing(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn conflict(message: &str) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    pub(super) fn full(message: &str) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    pub(super) fn ours(error: &dyn std::fmt::Display) -> Self {
        tracing::warn!(%error, "a request of a job failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the store failed: see the runner's log")
    }

    /// As block storage refuses: its clients show the message.
    pub(super) fn of_storage(&self) -> Response<Body> {
        let text = self.message.replace('&', "&amp;").replace('<', "&lt;");
        let code = self.status.canonical_reason().unwrap_or_default().replace(' ', "");
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{text}</Message></Error>"
        );
        let mut response = Response::new(full(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        if let Ok(code) = HeaderValue::from_str(&code) {
            headers.insert("x-ms-error-code", code);
        }
        response
    }

    /// `{"code", "msg"}`, as twirp has it.
    pub(super) fn of_service(&self) -> Response<Body> {
        let code = match self.status {
            StatusCode::BAD_REQUEST => "invalid_argument",
            StatusCode::UNAUTHORIZED => "unauthenticated",
            StatusCode::FORBIDDEN => "permission_denied",
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::CONFLICT => "already_exists",
            StatusCode::PAYLOAD_TOO_LARGE => "resource_exhausted",
            _ => "internal",
        };
        json_with(self.status, &json!({"code": code, "msg": self.message, "message": self.message}))
    }
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Unknown(_) => Self::missing(&error.to_string()),
            RegistryError::Taken(_) => Self::conflict(&error.to_string()),
            _ => Self::ours(&error),
        }
    }
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(super) fn json_with(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(full(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn ok(value: &Value) -> Response<Body> {
    json_with(StatusCode::OK, value)
}

pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(""));
    *response.status_mut() = status;
    response
}

/// What a client of block storage wants to see after it has put something.
pub(super) fn created() -> Response<Body> {
    let mut response = empty(StatusCode::CREATED);
    response.headers_mut().insert("x-ms-request-id", HeaderValue::from_static("pawl"));
    response.headers_mut().insert("etag", HeaderValue::from_static("\"pawl\""));
    response
}

/// A JSON object of at most [`MESSAGE_BYTES`].
pub(super) async fn message(body: Incoming) -> Result<Value, Refusal> {
    let text = text(body).await?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| Refusal::input(&format!("the message is not JSON: {error}")))?;
    value.is_object().then_some(value).ok_or_else(|| Refusal::input("the message is no object"))
}

pub(super) async fn text(body: Incoming) -> Result<String, Refusal> {
    let whole = Limited::new(body, MESSAGE_BYTES).collect().await;
    let bytes =
        whole.map_err(|_| Refusal::full("the message is too long or broke off"))?.to_bytes();
    String::from_utf8(bytes.to_vec()).map_err(|_| Refusal::input("the message is not UTF-8"))
}

/// Work that blocks.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Refusal::ours(&error))?
}

/// A value of a query, decoded.
pub(super) fn query_value(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').filter_map(|pair| pair.split_once('='));
    pair.into_iter().find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten();
        let hex = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match hex {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text of a message by its name in either spelling.
pub(super) fn field<'a>(message: &'a Value, name: &str) -> &'a str {
    let camel: String = name
        .split('_')
        .enumerate()
        .map(|(at, part)| match part.split_at(part.len().min(1)) {
            (first, rest) if at > 0 => format!("{}{rest}", first.to_uppercase()),
            _ => part.to_owned(),
        })
        .collect();
    let value = message.get(name).or_else(|| message.get(&camel));
    value.and_then(Value::as_str).unwrap_or_default()
}

/// A file, whole or the range that was asked for.
pub(super) async fn file(
    file: std::fs::File,
    media: &str,
    name: &str,
    request: &Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let size = file.metadata().map_err(|error| Refusal::ours(&error))?.len();
    let range = request.headers().get(RANGE).and_then(|value| value.to_str().ok());
    let range = range.and_then(|range| byte_range(range, size));
    let (from, upto) = range.unwrap_or((0, size));
    let mut file = tokio::fs::File::from_std(file);
    file.seek(io::SeekFrom::Start(from)).await.map_err(|error| Refusal::ours(&error))?;
    let body =
        if *request.method() == Method::HEAD { full("") } else { streamed(file, upto - from) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let media = HeaderValue::from_str(media);
    headers.insert(
        CONTENT_TYPE,
        media.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    headers.insert(CONTENT_LENGTH, HeaderValue::from(upto - from));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    if range.is_some() {
        let value = HeaderValue::from_str(&format!("bytes {from}-{}/{size}", upto - 1));
        headers.insert(CONTENT_RANGE, value.map_err(|error| Refusal::ours(&error))?);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// `bytes=FROM-[TO]` as first and one after last; nothing for what is no such range of so many bytes.
fn byte_range(text: &str, size: u64) -> Option<(u64, u64)> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let from: u64 = from.parse().ok()?;
    let upto = if to.is_empty() { size } else { to.parse::<u64>().ok()?.checked_add(1)?.min(size) };
    (from < upto).then_some((from, upto))
}

fn streamed(file: tokio::fs::File, bytes: u64) -> Body {
    let chunks = try_unfold((file, bytes), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut chunk = vec![0; usize::try_from(left).unwrap_or(CHUNK).min(CHUNK)];
        let count = file.read(&mut chunk).await?;
        if count == 0 {
            return Err(io::Error::other("the file is shorter than it was"));
        }
        chunk.truncate(count);
        Ok(Some((Frame::data(Bytes::from(chunk)), (file, left - count as u64))))
    });
    BodyExt::boxed_unsync(StreamBody::new(chunks))
}

#[cfg(test)]
mod tests {
    use super::{byte_range, field, query_value};

    #[test]
    fn ranges_are_those_that_lie_within() {
        assert_eq!(byte_range("bytes=0-1", 10), Some((0, 2)));
        assert_eq!(byte_range("bytes=4-", 10), Some((4, 10)));
        assert_eq!(byte_range("bytes=4-99", 10), Some((4, 10)));
        assert_eq!(byte_range("bytes=10-11", 10), None);
        assert_eq!(byte_range("bytes=5-4", 10), None);
        assert_eq!(byte_range("bytes=0-18446744073709551615", 10), None);
    }

    #[test]
    fn texts_are_found_in_either_spelling_and_decoded() {
        let message = serde_json::json!({"workflowRunBackendId": "r", "name": "n"});
        assert_eq!(
            (field(&message, "workflow_run_backend_id"), field(&message, "name")),
            ("r", "n")
        );
        assert_eq!(query_value("a=1&blockid=YQ%3D%3D%2", "blockid").as_deref(), Some("YQ==%2"));
    }
}
