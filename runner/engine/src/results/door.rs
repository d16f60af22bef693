//! Where one job's requests come in: a unix socket in a folder that its sandbox sees, or a port of the loopback for jobs on the
//! host itself.

use super::{Inner, JobScope, respond};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pawl_core::ports::RESULTS_SOCKET;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

/// Connections of one job at once: the toolkit uses at most ten, and a step may not exhaust the runner's descriptors.
const CONNECTIONS: usize = 64;

/// A client that takes longer to send its head is slow on purpose.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause after a connection that could not be accepted: the cause, such as no descriptors, does not go away at once.
const PAUSE: Duration = Duration::from_millis(50);

/// A job's own entrance. Dropped, nobody is let in any more.
pub struct Door {
    inner: Arc<Inner>,
    scope: JobScope,
    port: Option<u16>,
    listening: AbortHandle,
}

impl Door {
    /// The port of the loopback; `None` for a socket.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The job's token from this second on, always the same one.
    #[must_use]
    pub fn token(&self, from_s: i64) -> String {
        self.inner.key.token(&self.scope, from_s)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

enum Listener {
    Socket(UnixListener),
    Port(TcpListener),
}

pub(super) fn at_socket(inner: Arc<Inner>, scope: JobScope, folder: &Path) -> io::Result<Door> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let listener = Listener::Socket(listen_in(folder)?);
    Ok(open(inner, scope, None, listener))
}

pub(super) fn at_port(inner: Arc<Inner>, scope: JobScope) -> io::Result<Door> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let port = listener.local_addr()?.port();
    Ok(open(inner, scope, Some(port), Listener::Port(listener)))
}

fn open(inner: Arc<Inner>, scope: JobScope, port: Option<u16>, listener: Listener) -> Door {
    let task = tokio::spawn(serve(Arc::clone(&inner), scope.clone(), listener));
    Door { inner, scope, port, listening: task.abort_handle() }
}

/// Binds the socket by way of a descriptor of its folder: an address has room for 107 bytes only.
fn listen_in(folder: &Path) -> io::Result<UnixListener> {
    let dir = fs::File::open(folder)?;
    match fs::remove_file(folder.join(RESULTS_SOCKET)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let address = format!("/proc/self/fd/{}/{RESULTS_SOCKET}", dir.as_raw_fd());
    let listener = UnixListener::bind(address)?;
    // The agent may be any user of its sandbox; others on this host are kept out by the folders above.
    fs::set_permissions(folder.join(RESULTS_SOCKET), fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

async fn serve(inner: Arc<Inner>, scope: JobScope, listener: Listener) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let (inner, scope) = (Arc::clone(&inner), scope.clone());
        let accepted = match &listener {
            Listener::Socket(socket) => socket.accept().await.map(|(stream, _)| {
                tokio::spawn(carry(inner, scope, stream, permit));
            }),
            Listener::Port(port) => port.accept().await.map(|(stream, _)| {
                tokio::spawn(carry(inner, scope, stream, permit));
            }),
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "cannot accept a connection of a job");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// One connection, to its end.
async fn carry(
    inner: Arc<Inner>,
    scope: JobScope,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    permit: OwnedSemaphorePermit,
) {
    let service = service_fn(|request| {
        let (inner, scope) = (&inner, &scope);
        async move { Ok::<_, Infallible>(respond(inner, scope, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection of a job ended early");
    }
    drop(permit);
}
