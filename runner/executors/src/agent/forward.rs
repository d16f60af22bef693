//! Ports of a job's own loopback that lead to its services: where a job has no `container:`, GitHub has them there. One may lead
//! to a unix socket that a mount brings, for programs that only know addresses.

use std::io;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Connections at once: more than any test's pool, and two threads each.
const CONNECTIONS: usize = 256;

/// Longest wait for a service that does not answer.
const CONNECTING: Duration = Duration::from_secs(10);

/// Stack of a thread that only copies.
const SMALL_STACK: usize = 128 << 10;

/// Where a port leads.
#[derive(Clone)]
enum Target {
    Address(SocketAddrV4),
    Socket(PathBuf),
}

/// Listens at each `PORT=ADDRESS:PORT` and `PORT=/SOCKET`. A port that cannot be had is left out, with a line for the runner's log: the service is
/// still there under its name.
pub(super) fn listen(forwards: &[String]) {
    let connections = Arc::new(AtomicUsize::new(0));
    for forward in forwards {
        if let Err(error) = listen_at(forward, &connections) {
            eprintln_to_runner(&format!("the port of {forward} is not there: {error}"));
        }
    }
}

#[expect(clippy::print_stderr, reason = "the agent's stderr is the runner's log")]
fn eprintln_to_runner(text: &str) {
    eprintln!("{text}");
}

fn listen_at(forward: &str, connections: &Arc<AtomicUsize>) -> io::Result<()> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "it is not PORT=TARGET");
    let (port, target) = forward.split_once('=').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let target = match target.starts_with('/') {
        true => Target::Socket(target.into()),
        false => Target::Address(target.parse().map_err(|_| wrong())?),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let connections = Arc::clone(connections);
    let accept = move || {
        for client in listener.incoming().flatten() {
            if connections.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
                connections.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let (mine, target) = (Arc::clone(&connections), target.clone());
            let carry = move || {
                // A connection that breaks is its two ends' business.
                drop(carry(client, &target));
                mine.fetch_sub(1, Ordering::Relaxed);
            };
            if thread::Builder::new().stack_size(SMALL_STACK).spawn(carry).is_err() {
                connections.fetch_sub(1, Ordering::Relaxed);
            }
        }
    };
    thread::Builder::new()
        .name("forward".to_owned())
        .stack_size(SMALL_STACK)
        .spawn(accept)
        .map(drop)
}

fn carry(client: TcpStream, target: &Target) -> io::Result<()> {
    match target {
        Target::Address(address) => {
            let service = TcpStream::connect_timeout(&(*address).into(), CONNECTING)?;
            let other = service.try_clone()?;
            between(client, service, other, TcpStream::shutdown)
        }
        Target::Socket(path) => {
            let service = UnixStream::connect(path)?;
            let other = service.try_clone()?;
            between(client, service, other, UnixStream::shutdown)
        }
    }
}

/// Carries bytes both ways until both ends have said all. `from` and `to` are the same connection.
fn between<S: Read + Write + Send + 'static>(
    client: TcpStream,
    mut from: S,
    mut to: S,
    shutdown: fn(&S, Shutdown) -> io::Result<()>,
) -> io::Result<()> {
    let mut client_from = client.try_clone()?;
    let there = thread::Builder::new().stack_size(SMALL_STACK).spawn(move || {
        drop(io::copy(&mut client_from, &mut to));
        drop(shutdown(&to, Shutdown::Write));
    })?;
    let mut client = client;
    drop(io::copy(&mut from, &mut client));
    drop(client.shutdown(Shutdown::Write));
    drop(there.join());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::listen;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
    use std::os::unix::net::UnixListener;

    fn free_port() -> u16 {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        free.local_addr().unwrap().port()
    }

    fn answer(mut stream: impl Read + Write) {
        let mut asked = String::new();
        stream.read_to_string(&mut asked).unwrap();
        stream.write_all(format!("{asked}!").as_bytes()).unwrap();
    }

    fn ask(port: u16) -> String {
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn bytes_go_there_and_back() {
        let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = service.local_addr().unwrap().port();
        let port = free_port();
        listen(&[format!("{port}=127.0.0.1:{to}")]);
        let answering = std::thread::spawn(move || answer(service.accept().unwrap().0));
        assert_eq!(ask(port), "hello!");
        answering.join().unwrap();
    }

    #[test]
    fn a_port_may_lead_to_a_socket() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let service = UnixListener::bind(&socket).unwrap();
        let port = free_port();
        listen(&[format!("{port}={}", socket.display())]);
        let answering = std::thread::spawn(move || answer(service.accept().unwrap().0));
        assert_eq!(ask(port), "hello!");
        answering.join().unwrap();
    }
}
