//! The bytes of one file, wherever they are: in memory, in a file, or coming through a pipe.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::table::ReadError;

/// Bytes that can be read from any place, by several threads at once.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Memory(Bytes),
    /// A file and its length.
    File(Arc<File>, u64),
}

/// Where a file's bytes come from.
pub(crate) enum Origin {
    Content(Content),
    /// Bytes that come once, in their order.
    Stream(Mutex<Option<Box<dyn Read + Send>>>),
}

/// How the bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// Told by the first bytes: no text in UTF-8 and no Parquet file begins like a packed one.
    fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

impl Content {
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file, _) => file.read_at(out, at),
            Self::Memory(bytes) => {
                let from = usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
                (&bytes[from..]).read(out)
            }
        }
    }

    /// A reader from a place on.
    pub(crate) fn from(&self, at: u64) -> ContentReader {
        ContentReader { content: self.clone(), at }
    }
}

/// Reads content in its order.
pub(crate) struct ContentReader {
    content: Content,
    at: u64,
}

impl Read for ContentReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read_at(self.at, out)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Length for Content {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }
}

impl ChunkReader for Content {
    type T = io::BufReader<ContentReader>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(io::BufReader::new(self.from(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.len());
        if end.is_none() {
            return Err(ParquetError::EOF(format!("the file ends before byte {start} + {length}")));
        }
        if let Self::Memory(bytes) = self {
            let start = usize::try_from(start).map_err(|e| ParquetError::External(Box::new(e)))?;
            return Ok(bytes.slice(start..start + length));
        }
        let mut bytes = vec![0; length];
        let mut reader = self.from(start);
        reader.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

impl Origin {
    /// Bytes of the file as it lies; 0 for a stream.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Content(content) => usize::try_from(content.len()).unwrap_or(usize::MAX),
            Self::Stream(_) => 0,
        }
    }

    /// The bytes in their order, unpacked. A stream gives them once.
    pub(crate) fn open(&self, file: &str) -> Result<Box<dyn Read + Send>, ReadError> {
        let io = |source| ReadError::Io { file: file.to_owned(), source };
        let mut plain: Box<dyn Read + Send> = match self {
            Self::Content(content) => Box::new(content.from(0)),
            Self::Stream(stream) => {
                stream.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(|| {
                    ReadError::file(file, "can be read only once; name a file instead")
                })?
            }
        };
        let start = start_of(&mut plain, 4).map_err(io)?;
        let packing = Packing::of(&start);
        let whole = Cursor::new(start).chain(plain);
        Ok(match packing {
            Packing::Plain => Box::new(whole),
            Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(whole)),
            Packing::Zstd => Box::new(zstd::Decoder::new(whole).map_err(io)?),
        })
    }

    /// The bytes where any place of them can be read: packed ones and streams go to a temporary file without a name.
    pub(crate) fn content(&self, file: &str) -> Result<Content, ReadError> {
        if let Self::Content(content) = self {
            let start = start_of(&mut content.from(0), 4)
                .map_err(|source| ReadError::Io { file: file.to_owned(), source })?;
            if Packing::of(&start) == Packing::Plain {
                return Ok(content.clone());
            }
        }
        let mut reader = self.open(file)?;
        let spool = || -> io::Result<File> { tempfile::tempfile() };
        let mut out = spool().map_err(|source| spooling(file, source))?;
        let mut chunk = vec![0; 256 * 1024];
        loop {
            let read = reader.read(&mut chunk).map_err(|source| unreadable(file, source))?;
            if read == 0 {
                break;
            }
            io::Write::write_all(&mut out, &chunk[..read])
                .map_err(|source| spooling(file, source))?;
        }
        let length = out.metadata().map_err(|source| spooling(file, source))?.len();
        Ok(Content::File(Arc::new(out), length))
    }
}

/// Up to `most` first bytes.
pub(crate) fn start_of(reader: &mut dyn Read, most: u64) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reader.take(most).read_to_end(&mut start)?;
    Ok(start)
}

fn spooling(file: &str, source: io::Error) -> ReadError {
    let text = format!("a temporary copy of {file} (set TMPDIR to a folder with room)");
    ReadError::Io { file: text, source }
}

/// An error while reading: damaged packing is the file's fault, everything else the system's.
pub(crate) fn unreadable(file: &str, source: io::Error) -> ReadError {
    match source.raw_os_error() {
        None => ReadError::file(file, format!("is damaged: {source}")),
        Some(_) => ReadError::Io { file: file.to_owned(), source },
    }
}
