//! Digests of files: md5 is their name in DVC's formats, sha256 is what we trust.

use md5::{Digest, Md5};
use sha2::Sha256;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

/// Bytes read at once. DVC folds line ends chunk by chunk, and its chunks have this size.
const CHUNK: usize = 1 << 20;

/// Files from here on are read, hashed twice and written at the same time.
const LARGE: u64 = 4 << 20;

/// Chunks on their way between reading and hashing: enough to bridge a hiccup of the disk.
const WAITING: usize = 4;

/// What a chunk is judged by to hold text.
const SAMPLE: usize = 512;

/// How the bytes of a file become its md5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Folding {
    /// As they are: DVC 3.
    Raw,
    /// CRLF as LF in chunks that look like text: DVC 2.
    Dos2Unix,
}

/// What was seen of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// 32 digits.
    pub(crate) md5: String,
    /// 64 digits, of the raw bytes.
    pub(crate) sha256: String,
    /// Bytes.
    pub(crate) size: u64,
}

/// The md5 of some bytes in memory, 32 digits.
pub(crate) fn md5_of(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

/// What is in some bytes in memory.
pub(crate) fn see_bytes(bytes: &[u8]) -> Seen {
    Seen { md5: md5_of(bytes), sha256: hex(&Sha256::digest(bytes)), size: bytes.len() as u64 }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads `from` to its end and gives its md5 alone. `told` hears how many bytes were read.
pub(crate) fn md5_from(
    from: &mut File,
    folding: Folding,
    told: &dyn Fn(u64),
) -> io::Result<(String, u64)> {
    let mut hasher = Md5::new();
    let mut size = 0;
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = fill(from, &mut chunk)?;
        if length == 0 {
            return Ok((hex(&hasher.finalize()), size));
        }
        update(&mut hasher, &chunk[..length], folding);
        size += length as u64;
        told(length as u64);
    }
}

/// Copies `from` to `to` and gives what went over. Large files are hashed on other cores while they are read and written.
pub(crate) fn copy_seeing(
    from: &mut (dyn Read + Send),
    to: &mut (dyn Write + Send),
    size: u64,
    folding: Folding,
    told: &dyn Fn(u64),
) -> io::Result<Seen> {
    if size >= LARGE {
        return copy_on_many_cores(from, to, folding, told);
    }
    let (mut md5, mut sha256, mut size) = (Md5::new(), Sha256::new(), 0);
    // A small file needs a small buffer; it may have grown since it was looked at.
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = fill(from, &mut chunk)?;
        if length == 0 {
            break;
        }
        let bytes = &chunk[..length];
        update(&mut md5, bytes, folding);
        sha256.update(bytes);
        to.write_all(bytes)?;
        size += length as u64;
        told(length as u64);
    }
    Ok(Seen { md5: hex(&md5.finalize()), sha256: hex(&sha256.finalize()), size })
}

fn copy_on_many_cores(
    from: &mut (dyn Read + Send),
    to: &mut (dyn Write + Send),
    folding: Folding,
    told: &dyn Fn(u64),
) -> io::Result<Seen> {
    thread::scope(|scope| {
        let (to_md5, of_md5) = sync_channel::<Arc<Vec<u8>>>(WAITING);
        let (to_sha256, of_sha256) = sync_channel::<Arc<Vec<u8>>>(WAITING);
        let md5 = scope.spawn(move || {
            let mut hasher = Md5::new();
            of_md5.iter().for_each(|chunk| update(&mut hasher, &chunk, folding));
            hex(&hasher.finalize())
        });
        let sha256 = scope.spawn(move || write_and_hash(&of_sha256, to));
        let read = read_into(from, &[to_md5, to_sha256], told);
        // A writer that failed says why; that it took no more is only the consequence.
        let sha256 = joined(sha256)??;
        let size = read?;
        Ok(Seen { md5: joined(md5)?, sha256, size })
    })
}

fn write_and_hash(
    chunks: &Receiver<Arc<Vec<u8>>>,
    to: &mut (dyn Write + Send),
) -> io::Result<String> {
    let mut hasher = Sha256::new();
    for chunk in chunks {
        to.write_all(&chunk)?;
        hasher.update(chunk.as_slice());
    }
    Ok(hex(&hasher.finalize()))
}

fn read_into(
    from: &mut (dyn Read + Send),
    takers: &[SyncSender<Arc<Vec<u8>>>],
    told: &dyn Fn(u64),
) -> io::Result<u64> {
    let mut size = 0;
    loop {
        let mut chunk = vec![0; CHUNK];
        let length = fill(from, &mut chunk)?;
        if length == 0 {
            return Ok(size);
        }
        chunk.truncate(length);
        let chunk = Arc::new(chunk);
        for taker in takers {
            taker
                .send(Arc::clone(&chunk))
                .map_err(|_| io::Error::other("the writer ended early"))?;
        }
        size += length as u64;
        told(length as u64);
    }
}

fn joined<T>(handle: ScopedJoinHandle<'_, T>) -> io::Result<T> {
    handle.join().map_err(|_| io::Error::other("a hashing thread panicked"))
}

/// Reads until the buffer is full or the input ends, as chunks of DVC's are.
fn fill(from: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match from.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

fn update(hasher: &mut Md5, chunk: &[u8], folding: Folding) {
    if folding == Folding::Raw || !is_text(&chunk[..chunk.len().min(SAMPLE)]) {
        return hasher.update(chunk);
    }
    let mut rest = chunk;
    while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
        hasher.update(&rest[..at]);
        // The line feed is taken with what comes next.
        rest = &rest[at + 1..];
    }
    hasher.update(rest);
}

/// DVC 2's guess: no NUL, and at most three bytes in ten that text would not have.
fn is_text(sample: &[u8]) -> bool {
    let is_odd = |byte: &&u8| !matches!(**byte, 32..=126 | b'\n' | b'\r' | b'\t' | 0x0c | 0x08);
    !sample.contains(&0) && sample.iter().filter(is_odd).count() * 10 <= sample.len() * 3
}

#[cfg(test)]
mod tests {
    use super::{Folding, copy_seeing, md5_of, see_bytes};

    fn folded(bytes: &[u8]) -> String {
        let (mut from, mut to) = (bytes, Vec::new());
        let size = bytes.len() as u64;
        copy_seeing(&mut from, &mut to, size, Folding::Dos2Unix, &|_| ()).unwrap().md5
    }

    #[test]
    fn text_is_folded_as_dvc_2_did_and_other_bytes_are_not() {
        assert_eq!(folded(b"a\r\nb\rc\r\n\r\n"), md5_of(b"a\nb\rc\n\n"));
        assert_eq!(folded(b"\0a\r\n"), md5_of(b"\0a\r\n"));
        // Three odd bytes in ten are text, four are not.
        assert_eq!(folded(b"\xff\xff\xffabcde\r\n"), md5_of(b"\xff\xff\xffabcde\n"));
        assert_eq!(folded(b"\xff\xff\xff\xffabcd\r\n"), md5_of(b"\xff\xff\xff\xffabcd\r\n"));
    }

    #[test]
    fn a_line_end_on_the_edge_of_two_chunks_stays_as_it_is() {
        let mut bytes = vec![b'a'; super::CHUNK - 1];
        bytes.extend_from_slice(b"\r\nb\r\n");
        let mut expected = bytes.clone();
        expected.truncate(bytes.len() - 2);
        expected.push(b'\n');
        assert_eq!(folded(&bytes), md5_of(&expected));
    }

    #[test]
    fn large_files_are_the_same_over_many_cores() {
        let bytes: Vec<u8> = (0..9_000_001_u32).map(|n| (n % 251) as u8).collect();
        let (mut from, mut to) = (bytes.as_slice(), Vec::new());
        let size = bytes.len() as u64;
        let seen = copy_seeing(&mut from, &mut to, size, Folding::Raw, &|_| ()).unwrap();
        assert_eq!(seen, see_bytes(&bytes));
        assert_eq!(to, bytes);
    }
}
