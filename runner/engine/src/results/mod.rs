//! Artifacts and caches for actions that speak with GitHub's own services: the same protocols, answered in this process at a
//! door of the job's own. `docs/design/0005-results-service.md` says why so.

mod answer;
mod artifacts;
mod caches;
mod caches_v1;
mod door;
mod token;
mod uploads;

pub use door::Door;
pub use token::JobScope;

use crate::cache_store::CacheStore;
use crate::objects::ObjectFolder;
use crate::registry::SqliteRegistry;
use crate::shelf::Shelf;
use answer::Body;
pub(crate) use answer::Refusal;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use hyper::{Method, Request, Response, StatusCode};
use pawl_core::config::{ARTIFACT_BYTES, CACHE_BYTES, RUN_BYTES};
use pawl_core::ports::Clock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use token::Key;

/// Most bytes of a request that is no upload: names, keys and the longest list of blocks.
const MESSAGE_BYTES: usize = 8 << 20;

/// Most that jobs may keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsLimits {
    /// Bytes of one artifact.
    pub artifact_bytes: u64,
    /// Bytes of all artifacts of a run.
    pub run_bytes: u64,
    /// Bytes of all caches of a repository; the ones that were used longest ago go first.
    pub cache_bytes: u64,
}

impl Default for ResultsLimits {
    fn default() -> Self {
        Self { artifact_bytes: ARTIFACT_BYTES, run_bytes: RUN_BYTES, cache_bytes: CACHE_BYTES }
    }
}

/// The services of a store. Nothing is read, made or listened to before the first door is opened.
#[derive(Clone)]
pub struct Results {
    parts: Arc<Parts>,
}

struct Parts {
    folder: PathBuf,
    registry: Arc<SqliteRegistry>,
    objects: Arc<ObjectFolder>,
    limits: ResultsLimits,
    clock: Arc<dyn Clock>,
    inner: Mutex<Option<Arc<Inner>>>,
}

pub(crate) struct Inner {
    key: Key,
    shelf: Shelf,
    objects: Arc<ObjectFolder>,
    caches: CacheStore,
    /// Uploads under way.
    uploads: PathBuf,
    limits: ResultsLimits,
    clock: Arc<dyn Clock>,
}

/// One request's caller.
struct Caller {
    scope: JobScope,
    /// `http://HOST` as the caller wrote it, for the addresses that it is given.
    base: String,
}

impl Results {
    /// The services over a store's folder.
    #[must_use]
    pub fn new(
        folder: &Path,
        registry: Arc<SqliteRegistry>,
        objects: Arc<ObjectFolder>,
        limits: ResultsLimits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (folder, inner) = (folder.to_owned(), Mutex::default());
        Self { parts: Arc::new(Parts { folder, registry, objects, limits, clock, inner }) }
    }

    /// Listens for a job at the unix socket [`SOCKET`](pawl_core::ports::RESULTS_SOCKET) in a folder that its sandbox sees. Opened
    /// again, after a crash, it is the same door.
    ///
    /// # Errors
    /// The folder or the socket cannot be made, or the store's key cannot be read.
    pub fn open_socket(&self, scope: JobScope, folder: &Path) -> io::Result<Door> {
        door::at_socket(self.inner()?, scope, folder)
    }

    /// Listens for a job at a port of this machine's own loopback.
    ///
    /// # Errors
    /// As [`Results::open_socket`].
    pub fn open_port(&self, scope: JobScope) -> io::Result<Door> {
        door::at_port(self.inner()?, scope)
    }

    fn inner(&self) -> io::Result<Arc<Inner>> {
        let parts = &self.parts;
        let mut inner = parts.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inner) = inner.as_ref() {
            return Ok(Arc::clone(inner));
        }
        let caches = CacheStore::open(Arc::clone(&parts.registry), &parts.folder.join("caches"));
        let uploads = parts.folder.join("uploads");
        uploads::sweep(&uploads);
        let made = Arc::new(Inner {
            key: Key::of_store(&parts.folder.join("results.key"))?,
            shelf: Shelf::new(Arc::clone(&parts.registry), Arc::clone(&parts.objects)),
            objects: Arc::clone(&parts.objects),
            caches: caches.map_err(io::Error::other)?,
            uploads,
            limits: parts.limits.clone(),
            clock: Arc::clone(&parts.clock),
        });
        Ok(Arc::clone(inner.insert(made)))
    }
}

async fn respond(inner: &Inner, door: &JobScope, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if let Some(rest) = path.strip_prefix("/signed/") {
        let answered = signed(inner, rest, &path, request).await;
        return answered.unwrap_or_else(|refusal| refusal.of_storage());
    }
    let answered = authorised(inner, door, &path, request).await;
    answered.unwrap_or_else(|refusal| refusal.of_service())
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
        Some(("upload", id)) => inner.take_block(id, &query, request).await,
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
    const TWIRP: &str = "/twirp/github.actions.results.api.v1.";
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let token = header(AUTHORIZATION).and_then(|value| value.split_once(' ')).map(|pair| pair.1);
    let scope = token.and_then(|token| inner.key.scope(token.trim(), inner.now_s()));
    // A token is good at its own job's door alone, whoever carries it.
    let Some(scope) = scope.filter(|scope| scope == door) else {
        let message = "the token is not this job's, or its time is over";
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, message));
    };
    let base = format!("http://{}", header(HOST).unwrap_or("127.0.0.1"));
    let caller = Caller { scope, base };
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
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let upload = uploads::Upload::open(&self.uploads, id)?;
        let value = |name: &str| answer::query_value(query, name);
        let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length = length.and_then(|length| length.parse().ok());
        match value("comp").as_deref() {
            Some("block") => {
                let name = value("blockid").ok_or_else(|| Refusal::input("a block has a name"))?;
                upload.take(self, Some(&name), length, request.into_body()).await?;
            }
            Some("blocklist") => {
                let list = answer::text(request.into_body()).await?;
                answer::aside(move || upload.join(&list)).await?;
            }
            _ => upload.take(self, None, length, request.into_body()).await?,
        }
        Ok(answer::created())
    }

    /// An upload whose client says that all has come, with its file, size and digest.
    async fn received(
        &self,
        upload: uploads::Upload,
    ) -> Result<(uploads::Upload, (PathBuf, u64, String)), Refusal> {
        // Blocks that came at the same time did not know of each other.
        let room = self.room(&upload).await?;
        if room.is_exceeded {
            upload.end();
            return Err(room.refusal());
        }
        answer::aside(move || {
            let whole = upload.whole()?;
            Ok((upload, whole))
        })
        .await
    }

    /// What may still come for an upload: as much as neither it nor all of its run has taken.
    async fn room(&self, upload: &uploads::Upload) -> Result<Room, Refusal> {
        let taken = upload.size();
        let pending = uploads::pending(&self.uploads, upload.purpose.run());
        let (limit, of_run, kept) = match &upload.purpose {
            uploads::Purpose::Cache { .. } => (self.limits.cache_bytes, self.limits.cache_bytes, 0),
            uploads::Purpose::Artifact { run, .. } => {
                let kept = self.shelf.bytes_of(run).await?;
                (self.limits.artifact_bytes, self.limits.run_bytes, kept)
            }
        };
        let own = limit.saturating_sub(taken);
        let all = of_run.saturating_sub(kept).saturating_sub(pending);
        Ok(Room {
            bytes: own.min(all),
            limit: if own <= all { limit } else { of_run },
            is_exceeded: taken > limit || kept.saturating_add(pending) > of_run,
        })
    }
}

/// Bytes that may still come, and the limit that says so.
#[derive(Clone, Copy)]
struct Room {
    bytes: u64,
    limit: u64,
    /// More has come than is allowed.
    is_exceeded: bool,
}

impl Room {
    fn refusal(self) -> Refusal {
        Refusal::full(&format!("more than the limit of {} bytes would be kept", self.limit))
    }
}
