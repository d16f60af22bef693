//! The client of a proxy's admin listener.

use super::requests::PROXY_PORT;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::net::TcpStream;

/// The longest answer: a probe's is 1 MiB.
const ANSWER_MAX: usize = 2 * 1024 * 1024;
/// An admin request that is no probe.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A revision behind the proxy. The same shape as the proxy reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Route {
    pub(super) number: u64,
    pub(super) address: String,
    pub(super) weight: u32,
}

/// What the proxy tells of one revision.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Counters {
    pub(super) number: u64,
    pub(super) address: String,
    pub(super) weight: u32,
    pub(super) requests: u64,
    pub(super) failures: u64,
    pub(super) in_flight: u64,
}

#[derive(Deserialize)]
struct Status {
    revisions: Vec<Counters>,
}

/// Why the proxy did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    /// Environment: no answer.
    #[error("the proxy does not answer: {0}")]
    Silent(String),
    /// Ours, or somebody took the token: it refused.
    #[error("the proxy refused with {status}: {message}")]
    Refused { status: u16, message: String },
}

/// Where the admin listens, and what it wants to see.
#[derive(Debug, Clone)]
pub(super) struct Admin {
    pub(super) port: u16,
    pub(super) token: String,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The value of `x-pawl-probe`, or empty.
    pub(super) probe: String,
    pub(super) body: Bytes,
}

impl Admin {
    /// Counters of all routed revisions, and of those with requests under way.
    pub(super) async fn status(&self) -> Result<Vec<Counters>, AdminError> {
        let answer = self.ask(Method::GET, "/status", &[], Bytes::new(), TIMEOUT).await?;
        let body = expect(&answer, StatusCode::OK)?;
        let status: Status = serde_json::from_slice(body)
            .map_err(|error| AdminError::Silent(format!("not a status: {error}")))?;
        Ok(status.revisions)
    }

    /// Makes these routes live.
    pub(super) async fn routes(&self, routes: &[Route]) -> Result<(), AdminError> {
        let body = serde_json::to_vec(routes).expect("numbers and strings always serialise");
        let answer = self.ask(Method::PUT, "/routes", &[], Bytes::from(body), TIMEOUT).await?;
        expect(&answer, StatusCode::NO_CONTENT).map(drop)
    }

    /// One exchange; the connection is not kept.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Bytes,
        timeout: Duration,
    ) -> Result<Answer, AdminError> {
        let silent = |error: String| AdminError::Silent(error);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("127.0.0.1:{PROXY_PORT}"))
            .header(AUTHORIZATION, format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| silent(error.to_string()))?;
        match tokio::time::timeout(timeout, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(silent(format!("nothing in {} ms", timeout.as_millis()))),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, AdminError> {
        let silent = |error: &dyn std::fmt::Display| AdminError::Silent(error.to_string());
        let stream =
            TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|error| silent(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| silent(&error))?;
        let answering = async {
            let response = sender.send_request(request).await.map_err(|error| silent(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await;
            let probe = head.headers.get("x-pawl-probe").and_then(|value| value.to_str().ok());
            Ok(Answer {
                status: head.status,
                probe: probe.unwrap_or_default().to_owned(),
                body: body.map_err(|error| silent(&error))?.to_bytes(),
            })
        };
        let mut answering = std::pin::pin!(answering);
        tokio::select! {
            answer = &mut answering => answer,
            // The connection may end right after the answer was handed over.
            _ = connection => answering.await,
        }
    }
}

fn expect(answer: &Answer, status: StatusCode) -> Result<&Bytes, AdminError> {
    if answer.status == status {
        return Ok(&answer.body);
    }
    let message = String::from_utf8_lossy(&answer.body).into_owned();
    Err(AdminError::Refused { status: answer.status.as_u16(), message })
}
