//! A small client of the runner's cache service, without threads and libraries: one request a connection.

use crate::action::JobContext;
use crate::workspace::WorkspaceError;
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest silence of the service: it writes to the disk while it listens.
const SILENCE: Duration = Duration::from_secs(600);

/// Most bytes of an answer that is a message, and of its head.
const MESSAGE_BYTES: u64 = 1 << 20;

/// Bytes that go out at once.
const CHUNK: usize = 256 << 10;

/// Why the service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// There is no service here: our fault, or the action was started by hand.
    #[error("no cache service is at hand")]
    NoService,
    /// It is there already.
    #[error("{0}")]
    Taken(String),
    /// The service refused.
    #[error("{0}")]
    Refused(String),
    /// The archive is not one of ours, or damaged.
    #[error("the archive cannot be used: {0}")]
    Archive(String),
    /// A file of the job.
    #[error(transparent)]
    Files(#[from] WorkspaceError),
    /// The connection, or a file of the job.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A cache that was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) key: String,
    pub(super) address: String,
}

/// See the module.
pub(super) struct Client {
    /// `ADDRESS:PORT`
    host: String,
    token: String,
}

struct Head {
    status: u16,
    length: u64,
}

impl Client {
    /// Where the step's environment says.
    pub(super) fn of(context: &JobContext<'_>) -> Result<Self, ClientError> {
        let variable = |name: &str| (context.variable)(name).filter(|value| !value.is_empty());
        let address = variable("ACTIONS_RESULTS_URL").ok_or(ClientError::NoService)?;
        let host = address.strip_prefix("http://").ok_or(ClientError::NoService)?;
        let token = variable("ACTIONS_RUNTIME_TOKEN").ok_or(ClientError::NoService)?;
        Ok(Self { host: host.trim_end_matches('/').to_owned(), token })
    }

    /// Looks for a cache.
    pub(super) fn find(
        &self,
        key: &str,
        others: &[&str],
        version: &str,
    ) -> Result<Option<Found>, ClientError> {
        let message = json!({"key": key, "restore_keys": others, "version": version});
        let answer = self.call("GetCacheEntryDownloadURL", &message)?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        let found = text("matched_key").zip(text("signed_download_url"));
        Ok(found.map(|(key, address)| Found { key, address }))
    }

    /// Begins to keep one; gives the address to put it to.
    pub(super) fn reserve(&self, key: &str, version: &str) -> Result<String, ClientError> {
        let answer = self.call("CreateCacheEntry", &json!({"key": key, "version": version}))?;
        let address = answer["signed_upload_url"].as_str().map(str::to_owned);
        address.ok_or_else(|| ClientError::Refused("the service gave no address".to_owned()))
    }

    /// Says that all of it has come.
    pub(super) fn finish(&self, key: &str, version: &str, bytes: u64) -> Result<(), ClientError> {
        let message = json!({"key": key, "version": version, "size_bytes": bytes.to_string()});
        self.call("FinalizeCacheEntryUpload", &message).map(drop)
    }

    fn call(&self, method: &str, message: &Value) -> Result<Value, ClientError> {
        let body = message.to_string();
        let stream = self.connect()?;
        let mut out = &stream;
        write!(
            out,
            "POST /twirp/github.actions.results.api.v1.CacheService/{method} HTTP/1.1\r\nHost: {}\r\n\
             Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.host,
            self.token,
            body.len()
        )?;
        let (head, rest) = answer(stream)?;
        let text = message_of(&head, rest)?;
        serde_json::from_str(&text).map_err(|error| ClientError::Refused(error.to_string()))
    }

    /// Puts what `fill` writes to an address; gives the number of bytes.
    pub(super) fn put(
        &self,
        address: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<u64, ClientError> {
        let stream = self.connect()?;
        let mut out = &stream;
        write!(
            out,
            "PUT {} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
            self.path(address)?,
            self.host
        )?;
        let mut chunks = Chunks { to: &stream, bytes: 0 };
        let written = {
            let mut buffer = BufWriter::with_capacity(CHUNK, &mut chunks);
            fill(&mut buffer).and_then(|()| buffer.flush())
        };
        let written = written.and_then(|()| out.write_all(b"0\r\n\r\n"));
        let bytes = chunks.bytes;
        // A service that refuses does not read to the end, and its answer says why.
        match (written, answer(stream)) {
            (_, Ok((head, rest))) if head.status >= 300 => Err(refused(&head, rest)),
            (Ok(()), Ok(_)) => Ok(bytes),
            (Err(error), _) | (_, Err(error)) => Err(error.into()),
        }
    }

    /// The bytes at an address.
    pub(super) fn get(&self, address: &str) -> Result<impl Read + use<>, ClientError> {
        let stream = self.connect()?;
        let mut out = &stream;
        write!(
            out,
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.path(address)?,
            self.host
        )?;
        let (head, rest) = answer(stream)?;
        if head.status != 200 {
            return Err(refused(&head, rest));
        }
        Ok(rest.take(head.length))
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.host)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        Ok(stream)
    }

    fn path<'a>(&self, address: &'a str) -> Result<&'a str, ClientError> {
        let rest = address.strip_prefix("http://").and_then(|rest| rest.strip_prefix(&self.host));
        let foreign = || ClientError::Refused("the service gave an address elsewhere".to_owned());
        rest.filter(|path| path.starts_with('/')).ok_or_else(foreign)
    }
}

/// The head of an answer, and what comes after it.
fn answer(stream: TcpStream) -> io::Result<(Head, BufReader<TcpStream>)> {
    let mut reader = BufReader::new(stream);
    let mut head = Head { status: 0, length: 0 };
    let mut lines = reader.by_ref().take(MESSAGE_BYTES).lines();
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "the service's answer is no answer");
    let first = lines.next().ok_or_else(bad)??;
    head.status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(bad)?;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            return Ok((head, reader));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            head.length = value.trim().parse().map_err(|_| bad())?;
        }
    }
    Err(bad())
}

fn message_of(head: &Head, rest: impl Read) -> Result<String, ClientError> {
    if head.status != 200 {
        return Err(refused(head, rest));
    }
    let mut text = String::new();
    rest.take(head.length.min(MESSAGE_BYTES)).read_to_string(&mut text)?;
    Ok(text)
}

/// What the service says of itself, as JSON or as block storage does.
fn refused(head: &Head, rest: impl Read) -> ClientError {
    let mut text = String::new();
    let read = rest.take(head.length.min(MESSAGE_BYTES)).read_to_string(&mut text);
    let message = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|value| value["msg"].as_str().map(str::to_owned))
        .or_else(|| {
            let inside = text.split_once("<Message>")?.1;
            Some(inside.split_once("</Message>")?.0.to_owned())
        });
    let message = message.filter(|_| read.is_ok());
    let message = message.unwrap_or_else(|| format!("the service answered with {}", head.status));
    match head.status {
        409 => ClientError::Taken(message),
        _ => ClientError::Refused(message),
    }
}

/// Writes each piece as a chunk of HTTP's chunked coding.
struct Chunks<'a> {
    to: &'a TcpStream,
    bytes: u64,
}

impl Write for Chunks<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.is_empty() {
            return Ok(0);
        }
        let mut to = self.to;
        write!(to, "{:x}\r\n", piece.len())?;
        to.write_all(piece)?;
        to.write_all(b"\r\n")?;
        self.bytes += piece.len() as u64;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut to = self.to;
        to.flush()
    }
}
