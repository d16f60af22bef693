//! Artifacts and caches for actions that speak with GitHub's own services: the same protocols, answered in this process over a
//! unix socket in a folder of the job. Design 0002 says why so.

mod answer;
mod artifacts;
mod caches;
mod caches_v1;
mod token;
mod uploads;

pub use token::JobScope;

use crate::cache_store::CacheStore;
use crate::objects::ObjectFolder;
use crate::shelf::Shelf;
use answer::Body;
pub(crate) use answer::Refusal;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use pawl_core::ports::Clock;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use token::Key;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// Name of the socket in the job's folder.
pub const SOCKET: &str = "s";

/// Connections of one job at once: the toolkit uses at most ten, and a step may not exhaust the runner's descriptors.
const CONNECTIONS: usize = 64;

/// A client that takes longer to send its head is slow on purpose.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Most bytes of a request that is no upload: names, keys and the longest list of blocks.
const MESSAGE_BYTES: usize = 8 << 20;

/// Most that jobs may keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsLimits {
    /// Bytes of one artifact: a model with its data, not the machine's disk.
    pub artifact_bytes: u64,
    /// Bytes of all artifacts of a run.
    pub run_bytes: u64,
    /// Bytes of all caches together, as on GitHub; the ones that were used longest ago go first.
    pub cache_bytes: u64,
}

impl Default for ResultsLimits {
    fn default() -> Self {
        Self { artifact_bytes: 10 << 30, run_bytes: 50 << 30, cache_bytes: 10 << 30 }
    }
}

/// The services. Nothing listens before a job's door is opened.
#[derive(Clone)]
pub struct Results {
    inner: Arc<Inner>,
}

struct Inner {
    key: Key,
    shelf: Shelf,
    objects: Arc<ObjectFolder>,
    caches: Arc<CacheStore>,
    /// Uploads under way.
    uploads: PathBuf,
    limits: ResultsLimits,
    clock: Arc<dyn Clock>,
    doors: Mutex<HashMap<(String, String), AbortHandle>>,
}

/// One request's caller.
struct Caller {
    scope: JobScope,
    /// `http://HOST` as the caller wrote it, for the addresses that it is given.
    base: String,
}

impl Results {
    /// The services over a store's folder.
    ///
    /// # Errors
    /// The key cannot be read or made.
    pub fn open(
        folder: &Path,
        shelf: Shelf,
        objects: Arc<ObjectFolder>,
        caches: Arc<CacheStore>,
        limits: ResultsLimits,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let key = Key::new(key_of(&folder.join("results.key"))?);
        let uploads = folder.join("uploads");
        let doors = Mutex::default();
        let inner = Inner { key, shelf, objects, caches, uploads, limits, clock, doors };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Listens for a job in a folder that its sandbox sees, and gives the job's token. Opened again, after a crash or by
    /// mistake, it is the same door.
    ///
    /// # Errors
    /// The folder or the socket cannot be made.
    pub fn open_job(&self, scope: JobScope, folder: &Path) -> io::Result<String> {
        std::fs::create_dir_all(folder)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
        let listener = listen_in(folder)?;
        let now_s = self.inner.now_s();
        let token = self.inner.key.token(&scope, now_s);
        let door = (scope.run.clone(), scope.job.clone());
        let task = tokio::spawn(serve(Arc::clone(&self.inner), scope, listener));
        let mut doors = self.inner.doors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = doors.insert(door, task.abort_handle()) {
            before.abort();
        }
        Ok(token)
    }

    /// Nobody of this job is listened to any more.
    pub fn close_job(&self, run: &str, job: &str) {
        let mut doors = self.inner.doors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = doors.remove(&(run.to_owned(), job.to_owned())) {
            task.abort();
        }
    }
}

/// Binds the socket by way of a descriptor of its folder: an address has room for 107 bytes only.
fn listen_in(folder: &Path) -> io::Result<UnixListener> {
    use std::os::fd::AsRawFd;
    let dir = std::fs::File::open(folder)?;
    match std::fs::remove_file(folder.join(SOCKET)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()))?;
    // Steps may run as any user of their sandbox; others on this host are kept out by the folders above.
    std::fs::set_permissions(folder.join(SOCKET), std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// The store's key, made at the first call.
fn key_of(file: &Path) -> io::Result<[u8; 32]> {
    let read = || -> io::Result<[u8; 32]> {
        let bytes = std::fs::read(file)?;
        bytes.try_into().map_err(|_| io::Error::other(format!("{} is damaged", file.display())))
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    let mut key = [0; 32];
    io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut key)?;
    // Whole under another name first: two processes may make it at once, and then the first one's counts.
    let pending = file.with_extension(format!("{}.part", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let mut made = options.write(true).create(true).truncate(true).mode(0o600).open(&pending)?;
    io::Write::write_all(&mut made, &key)?;
    made.sync_all()?;
    let linked = std::fs::hard_link(&pending, file);
    std::fs::remove_file(&pending)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read(),
    }
}

async fn serve(inner: Arc<Inner>, scope: JobScope, listener: UnixListener) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of a job");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (inner, scope) = (Arc::clone(&inner), scope.clone());
        let service = service_fn(move |request| {
            let (inner, scope) = (Arc::clone(&inner), scope.clone());
            async move { Ok::<_, Infallible>(respond(&inner, &scope, request).await) }
        });
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of a job ended early");
            }
            drop(permit);
        });
    }
}

async fn respond(inner: &Inner, door: &JobScope, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let answered = if let Some(rest) = path.strip_prefix("/signed/") {
        signed(inner, rest, &path, request).await
    } else {
        authorised(inner, door, &path, request).await
    };
    answered.unwrap_or_else(|refusal| refusal.response())
}

/// Requests whose address is their permission.
async fn signed(
    inner: &Inner,
    rest: &str,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let verb = match *request.method() {
        Method::GET | Method::HEAD => "get",
        Method::PUT => "put",
        _ => return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "PUT, GET or HEAD")),
    };
    if !inner.key.allows(verb, path, &query, inner.now_s()) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "the address is not signed, or too old"));
    }
    match rest.split_once('/') {
        Some(("upload", id)) => inner.take_block(id, &query, request.into_body()).await,
        Some(("artifact", id)) => inner.give_artifact(id, &request).await,
        Some(("cache", id)) => inner.give_cache(id, &request).await,
        _ => Err(Refusal::missing("nothing is here")),
    }
}

async fn authorised(
    inner: &Inner,
    door: &JobScope,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let token = header(AUTHORIZATION).and_then(|value| value.split_once(' ')).map(|pair| pair.1);
    let scope = token.and_then(|token| inner.key.scope(token.trim(), inner.now_s()));
    // A token is good at its own job's door alone, whoever carries it.
    let Some(scope) = scope.filter(|scope| scope == door) else {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "the token is not this job's"));
    };
    let base = format!("http://{}", header(HOST).unwrap_or("127.0.0.1"));
    let caller = Caller { scope, base };
    const TWIRP: &str = "/twirp/github.actions.results.api.v1.";
    if let Some(method) = path.strip_prefix(TWIRP) {
        let message = answer::message(request.into_body()).await?;
        return match method.split_once('/') {
            Some(("ArtifactService", method)) => {
                inner.artifact_service(&caller, method, &message).await
            }
            Some(("CacheService", method)) => inner.cache_service(&caller, method, &message).await,
            _ => Err(Refusal::missing("there is no such service")),
        };
    }
    match path.strip_prefix("/_apis/artifactcache/") {
        Some(rest) => inner.cache_v1(&caller, rest, request).await,
        None => Err(Refusal::missing("there is no such service")),
    }
}

impl Inner {
    fn now_s(&self) -> i64 {
        self.clock.now_ms() / 1000
    }

    fn address(&self, caller: &Caller, verb: &str, path: &str) -> String {
        format!("{}{}", caller.base, self.key.address(verb, path, self.now_s()))
    }

    async fn take_block(
        &self,
        id: &str,
        query: &str,
        body: Incoming,
    ) -> Result<Response<Body>, Refusal> {
        let upload = uploads::Upload::open(&self.uploads, id)?;
        let value = |name: &str| answer::query_value(query, name);
        match value("comp").as_deref() {
            Some("block") => {
                let name = value("blockid").ok_or_else(|| Refusal::input("a block has a name"))?;
                upload.take(self, Some(&name), body).await?;
            }
            Some("blocklist") => {
                let list = answer::text(body).await?;
                answer::aside(move || upload.join(&list)).await?;
            }
            _ => upload.take(self, None, body).await?,
        }
        Ok(answer::created())
    }

    /// Bytes that may still come for an upload that has `taken` already.
    async fn room(&self, purpose: &uploads::Purpose, taken: u64) -> Result<u64, Refusal> {
        let most = match purpose {
            uploads::Purpose::Cache { .. } => self.limits.cache_bytes,
            uploads::Purpose::Artifact { run, .. } => {
                let kept = self.shelf.bytes_of(run).await?;
                self.limits.artifact_bytes.min(self.limits.run_bytes.saturating_sub(kept))
            }
        };
        Ok(most.saturating_sub(taken))
    }
}
