//! Answers and bodies that both servers share.

use super::listen::{Body, full};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => typed(status, "application/json", bytes),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// An answer of this media type.
pub(super) fn typed(
    status: StatusCode,
    media: &'static str,
    bytes: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// `{"error": message}` with this status, as the open inference protocol has it.
pub(super) fn refuse(status: StatusCode, message: &str) -> Response<Body> {
    let body = serde_json::json!({ "error": message }).to_string();
    typed(status, "application/json", body)
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The client's: longer than allowed.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    /// The client's: it broke off.
    #[error("the body broke off: {0}")]
    Broken(String),
}

impl BodyError {
    /// The answer that tells the client.
    pub(super) fn response(&self) -> Response<Body> {
        let status = match self {
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        };
        refuse(status, &self.to_string())
    }
}

/// Reads a whole body of at most `limit` bytes.
pub(super) async fn read(body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLong(limit)),
        Err(error) => Err(BodyError::Broken(error.to_string())),
    }
}
