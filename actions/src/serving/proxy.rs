//! The weighted reverse proxy before a service's revisions.
//!
//! Each request goes to the revision whose turn it is. When that one refuses the connection, breaks off before its answer
//! or answers 5xx, and the request's body is at most 1 MiB, the request is given to another revision, so that a bad
//! candidate does not hurt clients; its failure is counted all the same. Retries do not look at the method: what is served
//! here are predictions, which change nothing.

use super::admin;
use super::exchange::{BodyError, refuse};
use super::listen::{Body, listen};
use super::routes::{self, RoutesError};
use super::switchboard::{Switchboard, Ticket};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::collections::VecDeque;
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The answering revision's number, in every answer that came from one.
pub(super) const REVISION_HEADER: HeaderName = HeaderName::from_static("x-pawl-revision");
/// Bodies up to this size are kept until an answer is there, so that they can be sent again.
const BUFFER_MAX: usize = 1024 * 1024;
/// All kept bodies together, in KiB (64 MiB): the proxy's container has 256 MiB.
const BUFFERS_KIB: usize = 64 * 1024;
/// A longer body is refused.
const BODY_MAX: usize = 64 * 1024 * 1024;
/// A revision on the same engine either answers a connection at once or is gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time until the head of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for a client to send a body that is kept.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle connections are closed before the model server (30 s) would close them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Attempts at one request: the first, another revision, a fallback.
const ATTEMPTS_MAX: usize = 3;
/// Headers that concern one connection only (RFC 9110, 7.6.1).
const HOP_HEADERS: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

type BoxError = Box<dyn Error + Send + Sync>;
type ClientBody = UnsyncBoxBody<Bytes, BoxError>;

/// Where the proxy listens and keeps its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyOptions {
    /// Where clients come.
    pub listen: SocketAddr,
    /// Where the rollout target comes: routes, counters, probes.
    pub admin: SocketAddr,
    /// Folder with `token` (the admin's bearer token, written by the target) and `routes.json` (written here).
    pub state: PathBuf,
}

impl ProxyOptions {
    /// What `pawl proxy --state DIR` does in its container: clients at port 8080, admin at 9900, all addresses.
    pub fn in_container(state: PathBuf) -> Self {
        let at = |port| SocketAddr::from(([0, 0, 0, 0], port));
        Self { listen: at(8080), admin: at(9900), state }
    }
}

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Environment: the address is taken or not ours.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: std::io::Error,
    },
    /// Environment: no token, so nobody could be told from anybody.
    #[error("cannot read the admin token from {path}: {reason}")]
    Token {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Ours: kept routes are damaged.
    #[error(transparent)]
    Routes(#[from] RoutesError),
}

/// What both listeners share.
pub(super) struct Shared {
    pub(super) board: Switchboard,
    pub(super) token: String,
    pub(super) routes_file: PathBuf,
    /// One change of routes at a time, file and board together.
    pub(super) changing: Mutex<()>,
    client: Client<HttpConnector, ClientBody>,
    buffers: Semaphore,
}

/// A proxy that has its ports and does not answer yet.
pub struct Proxy {
    shared: Arc<Shared>,
    listen: TcpListener,
    admin: TcpListener,
}

/// Serves until `shutdown` completes; requests under way finish.
pub async fn proxy(
    options: ProxyOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ProxyError> {
    Proxy::bind(&options).await?.run(shutdown).await;
    Ok(())
}

async fn bound(address: SocketAddr) -> Result<TcpListener, ProxyError> {
    TcpListener::bind(address).await.map_err(|source| ProxyError::Listen { address, source })
}

fn read_token(path: &std::path::Path) -> Result<String, ProxyError> {
    let refused = |reason: String| ProxyError::Token { path: path.display().to_string(), reason };
    let token = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let token = token.trim().to_owned();
    if token.len() < 32 {
        return Err(refused("it is shorter than 32 characters".to_owned()));
    }
    Ok(token)
}

fn http_client() -> Client<HttpConnector, ClientBody> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(256)
        .build(connector)
}

impl Proxy {
    /// Reads token and kept routes, and takes both ports.
    pub async fn bind(options: &ProxyOptions) -> Result<Self, ProxyError> {
        let routes_file = options.state.join("routes.json");
        let board = Switchboard::default();
        board.apply(&routes::load(&routes_file)?);
        let shared = Shared {
            board,
            token: read_token(&options.state.join("token"))?,
            routes_file,
            changing: Mutex::new(()),
            client: http_client(),
            buffers: Semaphore::new(BUFFERS_KIB),
        };
        Ok(Self {
            shared: Arc::new(shared),
            listen: bound(options.listen).await?,
            admin: bound(options.admin).await?,
        })
    }

    /// The addresses that were taken: clients', admin's. `None` for one that the system cannot name.
    pub fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        (self.listen.local_addr().ok(), self.admin.local_addr().ok())
    }

    /// Answers until `shutdown` completes.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { shared, listen: clients, admin } = self;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let until = |mut stopped: tokio::sync::watch::Receiver<bool>| async move {
            // An error means that the sender is gone: the end as well.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let for_admin = Arc::clone(&shared);
        let admin_side = listen(
            admin,
            move |request| admin::answer(Arc::clone(&for_admin), request),
            until(stopped.clone()),
        );
        let client_side =
            listen(clients, move |request| forward(Arc::clone(&shared), request), until(stopped));
        let stopping = async {
            shutdown.await;
            let _ = stop.send(true);
        };
        tokio::join!(admin_side, client_side, stopping);
    }
}

/// What is left of a request's body.
enum Payload {
    /// All of it; can be sent again.
    Kept(Bytes),
    /// Too long to keep: one attempt.
    Stream(Option<ClientBody>),
}

impl Payload {
    fn take(&mut self) -> Option<ClientBody> {
        match self {
            Self::Kept(bytes) => {
                Some(Full::new(bytes.clone()).map_err(|never| match never {}).boxed_unsync())
            }
            Self::Stream(body) => body.take(),
        }
    }

    fn can_repeat(&self) -> bool {
        matches!(self, Self::Kept(_))
    }
}

/// Answers one client.
async fn forward(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "this is not a tunnel");
    }
    let Some(ticket) = shared.board.pick() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "no revision of this service is live");
    };
    if body.size_hint().lower() > BODY_MAX as u64 {
        return BodyError::TooLong(BODY_MAX).response();
    }
    let kib = body.size_hint().upper().unwrap_or(u64::MAX).min(BUFFER_MAX as u64) / 1024 + 1;
    let permits = u32::try_from(kib).expect("at most 1025");
    let _room = shared.buffers.acquire_many(permits).await.expect("the semaphore is never closed");
    let payload = match tokio::time::timeout(BODY_TIMEOUT, keep(body)).await {
        Ok(Ok(payload)) => payload,
        Ok(Err(error)) => return error.response(),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
    };
    attempts(&shared, &head, payload, ticket).await
}

/// Tries one revision after the other until one answers with less than 500.
async fn attempts(
    shared: &Shared,
    head: &hyper::http::request::Parts,
    mut payload: Payload,
    mut ticket: Ticket,
) -> Response<Body> {
    let mut tried = Vec::with_capacity(ATTEMPTS_MAX);
    let mut last = None;
    for attempt in 1..=ATTEMPTS_MAX {
        let number = ticket.upstream().number;
        tried.push(number);
        let Some(body) = payload.take() else { break };
        let outcome = send(shared, head, body, ticket).await;
        let gone = matches!(outcome, Outcome::Gone(_));
        match outcome {
            Outcome::Answered(response) => return response,
            Outcome::Client(response) => return response,
            Outcome::Failed(response) | Outcome::Gone(response) => last = Some(response),
        }
        if attempt == ATTEMPTS_MAX || !payload.can_repeat() {
            break;
        }
        // A connection that broke may have been an idle one that the only revision closed: once more, freshly.
        let again = gone && tried.iter().filter(|&&earlier| earlier == number).count() == 1;
        let next = shared.board.other(&tried);
        match next.or_else(|| again.then(|| shared.board.same(number)).flatten()) {
            Some(next) => ticket = next,
            None => break,
        }
    }
    last.unwrap_or_else(|| refuse(StatusCode::BAD_GATEWAY, "no revision answered"))
}

/// How one attempt ended.
enum Outcome {
    /// With an answer for the client.
    Answered(Response<Body>),
    /// The client itself is at fault.
    Client(Response<Body>),
    /// With 5xx or too late.
    Failed(Response<Body>),
    /// Without an answer: no connection, or it broke.
    Gone(Response<Body>),
}

async fn send(
    shared: &Shared,
    head: &hyper::http::request::Parts,
    body: ClientBody,
    ticket: Ticket,
) -> Outcome {
    let number = ticket.upstream().number;
    let request = match upstream_request(head, &ticket.upstream().address, body) {
        Ok(request) => request,
        Err(error) => return Outcome::Client(refuse(StatusCode::BAD_REQUEST, &error.to_string())),
    };
    let begin = Instant::now();
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, shared.client.request(request)).await;
    ticket.answered(begin.elapsed());
    match answer {
        Ok(Ok(response)) => {
            let bad = response.status().is_server_error();
            if bad {
                ticket.failed();
            }
            let response = passed_on(response, number, ticket);
            if bad { Outcome::Failed(response) } else { Outcome::Answered(response) }
        }
        Ok(Err(error)) => match client_fault(&error) {
            Some(fault) => Outcome::Client(fault.response()),
            None => {
                ticket.failed();
                tracing::debug!(revision = number, %error, "an upstream did not answer");
                let text = format!("revision {number} did not answer");
                Outcome::Gone(named(refuse(StatusCode::BAD_GATEWAY, &text), number))
            }
        },
        Err(_) => {
            ticket.failed();
            let text = format!("revision {number} did not answer in {ANSWER_TIMEOUT:?}");
            Outcome::Failed(named(refuse(StatusCode::GATEWAY_TIMEOUT, &text), number))
        }
    }
}

/// Sends a probe to one address, past the weights.
pub(super) async fn probe(
    shared: &Shared,
    head: &hyper::http::request::Parts,
    address: &str,
    body: Bytes,
    timeout: Duration,
) -> Result<Response<Incoming>, String> {
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    let request = upstream_request(head, address, body).map_err(|error| error.to_string())?;
    match tokio::time::timeout(timeout, shared.client.request(request)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(innermost(&error)),
        Err(_) => Err(format!("no answer in {} ms", timeout.as_millis())),
    }
}

fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn upstream_request(
    head: &hyper::http::request::Parts,
    address: &str,
    body: ClientBody,
) -> Result<Request<ClientBody>, hyper::http::Error> {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri = Uri::builder().scheme("http").authority(address).path_and_query(path).build()?;
    let mut request = Request::builder().method(head.method.clone()).uri(uri).body(body)?;
    *request.headers_mut() = end_to_end(&head.headers);
    Ok(request)
}

/// The headers without those that concern one connection only.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all("connection")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut kept = headers.clone();
    for name in HOP_HEADERS.iter().copied().chain(named.iter().map(String::as_str)) {
        kept.remove(name);
    }
    // How long the body is, hyper says itself.
    kept.remove("transfer-encoding");
    kept
}

fn named(mut response: Response<Body>, number: u64) -> Response<Body> {
    response.headers_mut().insert(REVISION_HEADER, HeaderValue::from(number));
    response
}

fn passed_on(response: Response<Incoming>, number: u64, ticket: Ticket) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    head.headers = end_to_end(&head.headers);
    let booked = head.status.is_server_error();
    let body = Booked { body, ticket, booked };
    named(Response::from_parts(head, body.boxed_unsync()), number)
}

/// The body of an answer: holds the request's ticket until its end and books an answer that breaks off.
struct Booked {
    body: Incoming,
    ticket: Ticket,
    booked: bool,
}

impl HttpBody for Booked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(Some(Err(_)))) && !self.booked {
            self.booked = true;
            self.ticket.failed();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The client's body broke off.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off: {0}")]
struct ClientGone(hyper::Error);

fn client_fault(error: &(dyn Error + 'static)) -> Option<BodyError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<LengthLimitError>() {
            return Some(BodyError::TooLong(BODY_MAX));
        }
        if let Some(gone) = error.downcast_ref::<ClientGone>() {
            return Some(BodyError::Broken(gone.to_string()));
        }
        next = error.source();
    }
    None
}

/// Reads up to `BUFFER_MAX`; what is longer is passed on as it comes.
async fn keep(mut body: Incoming) -> Result<Payload, BodyError> {
    let mut frames: VecDeque<Bytes> = VecDeque::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        // Trailers mean nothing to a prediction.
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        frames.push_back(data);
        if length > BUFFER_MAX {
            let stream = Limited::new(Prefixed { frames, rest: body }, BODY_MAX);
            return Ok(Payload::Stream(Some(stream.boxed_unsync())));
        }
    }
    let whole: Vec<u8> = frames.iter().flatten().copied().collect();
    Ok(Payload::Kept(Bytes::from(whole)))
}

/// A body whose beginning was read already.
struct Prefixed {
    frames: VecDeque<Bytes>,
    rest: Incoming,
}

impl HttpBody for Prefixed {
    type Data = Bytes;
    type Error = ClientGone;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientGone>>> {
        if let Some(data) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Pin::new(&mut self.rest).poll_frame(context).map_err(ClientGone)
    }

    fn size_hint(&self) -> SizeHint {
        let read: u64 = self.frames.iter().map(|data| data.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + read);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + read);
        }
        hint
    }
}
