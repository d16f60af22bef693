//! Where a table's rows come from: files by path or pattern, packed or not, memory, or a pipe.
//!
//! A source is read as a stream of parts, each a small [`Table`], by as many threads as are wanted; see [`scan`].

mod blocks;
mod content;
mod glob;
mod place;
mod scan;

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::table::{Format, ReadError, Table};
use content::Origin;

pub(crate) use content::{Content, unreadable};
pub(crate) use place::{MAX_PART_ROWS, Part, PartRows, Position};
pub(crate) use scan::{Scan, ScanError, Wanted};

/// Bytes of a pipe that are looked at to tell what it carries.
const SNIFFED: u64 = 64 * 1024;

/// Largest file of which all rows are held in memory.
const MAX_TABLE_BYTES: u64 = u32::MAX as u64;

/// A table that is not read yet: one file or several that make one table together.
pub struct Source {
    name: String,
    files: Vec<SourceFile>,
}

/// One file of a source.
pub(crate) struct SourceFile {
    pub(crate) name: String,
    pub(crate) format: Format,
    pub(crate) origin: Origin,
}

impl SourceFile {
    /// All of it, unpacked. A stream gives it once.
    ///
    /// # Errors
    /// When it cannot be read, or is larger than 4 GiB.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, ReadError> {
        // Of a packed file it is more: then it grows on the way.
        let expected = self.origin.length().min(MAX_TABLE_BYTES as usize);
        let mut bytes = Vec::with_capacity(expected);
        // One byte more than may be says that there are more.
        let mut reader = self.origin.open(&self.name)?.take(MAX_TABLE_BYTES + 1);
        reader.read_to_end(&mut bytes).map_err(|error| unreadable(&self.name, error))?;
        if bytes.len() as u64 > MAX_TABLE_BYTES {
            return Err(ReadError::too_large(&self.name, bytes.len()));
        }
        Ok(bytes)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Source {
    /// Resolves a reference: a path, a pattern such as `data/*.csv`, `file:` and either, or `-` for what comes through
    /// stdin. The format is told by the name unless `format` says it.
    ///
    /// # Errors
    /// When there is no such file, it cannot be opened, or its format is unknown.
    pub fn open(reference: &str, format: Option<Format>) -> Result<Self, ReadError> {
        if reference == "-" {
            return Self::from_stream("stdin", format, Box::new(io::stdin()));
        }
        let path = file_path(reference)?;
        let paths = glob::files(path)?;
        if paths.len() > place::MAX_FILES {
            let reason =
                format!("is {} files; at most {} make one table", paths.len(), place::MAX_FILES);
            return Err(ReadError::file(reference, reason));
        }
        let open = |path: &std::path::PathBuf| {
            let name = path.display().to_string();
            let format = known_format(&name, format)?;
            Ok(SourceFile { origin: Origin::Content(open_file(&name, path)?), name, format })
        };
        let files = paths.iter().map(open).collect::<Result<Vec<_>, ReadError>>()?;
        Ok(Self { name: path.to_owned(), files })
    }

    /// A table in memory, in the form of a file; `name` stands for it in messages.
    #[must_use]
    pub fn from_bytes(name: &str, format: Format, bytes: Vec<u8>) -> Self {
        Self::one(name, format, Origin::Content(Content::Memory(Bytes::from(bytes))))
    }

    /// A file that is open already; `name` stands for it in messages and tells its format.
    ///
    /// # Errors
    /// When the name tells no format, or the file's length cannot be learnt.
    pub fn from_file(name: &str, file: File) -> Result<Self, ReadError> {
        let format = known_format(name, None)?;
        let length = file
            .metadata()
            .map_err(|source| ReadError::Io { file: name.to_owned(), source })?
            .len();
        Ok(Self::one(name, format, Origin::Content(Content::File(Arc::new(file), length))))
    }

    /// Bytes that come once. Without a format their beginning tells it: Parquet, an object of JSON, else CSV.
    ///
    /// # Errors
    /// When the first bytes cannot be read.
    pub fn from_stream(
        name: &str,
        format: Option<Format>,
        reader: Box<dyn Read + Send>,
    ) -> Result<Self, ReadError> {
        let mut reader = reader;
        let io = |source| ReadError::Io { file: name.to_owned(), source };
        let start = content::start_of(&mut reader, SNIFFED).map_err(io)?;
        let format = match format {
            Some(format) => format,
            None => sniffed(name, &start)?,
        };
        let whole: Box<dyn Read + Send> = Box::new(Cursor::new(start).chain(reader));
        Ok(Self::one(name, format, Origin::Stream(Mutex::new(Some(whole)))))
    }

    fn one(name: &str, format: Format, origin: Origin) -> Self {
        let file = SourceFile { name: name.to_owned(), format, origin };
        Self { name: name.to_owned(), files: vec![file] }
    }

    /// The name that stands for it in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its files as tables in memory, one after another. A stream can be read once.
    ///
    /// # Errors
    /// When a file cannot be read, is larger than 4 GiB, or is not what its format says.
    pub fn tables(&self) -> impl Iterator<Item = Result<Table, ReadError>> {
        self.files.iter().map(|file| Table::from_bytes(&file.name, file.format, file.bytes()?))
    }

    /// The columns of its first file: names, and types as [`Table::physical_type`] has them. No more than the file's beginning is
    /// read. A stream can be read once.
    ///
    /// # Errors
    /// When the file cannot be read or is not what its format says.
    pub fn columns(&self) -> Result<Vec<(String, String)>, ReadError> {
        self.files.first().map_or(Ok(Vec::new()), scan::columns)
    }

    pub(crate) fn files(&self) -> &[SourceFile] {
        &self.files
    }
}

/// What `file:` stands before; a bare path is itself.
fn file_path(reference: &str) -> Result<&str, ReadError> {
    let Some((scheme, rest)) = reference.split_once(':') else { return Ok(reference) };
    match scheme {
        "file" => match rest.strip_prefix("//") {
            None => Ok(rest),
            Some(path) if path.starts_with('/') => Ok(path),
            Some(path) => path
                .strip_prefix("localhost")
                .ok_or_else(|| ReadError::file(reference, "names a host; write file:PATH")),
        },
        "s3" | "gs" | "az" | "http" | "https" | "dvc" if !Path::new(reference).exists() => {
            let reason = format!(
                "begins with '{scheme}:', which cannot be read here; fetch it to a file first"
            );
            Err(ReadError::file(reference, reason))
        }
        _ => Ok(reference),
    }
}

fn known_format(name: &str, format: Option<Format>) -> Result<Format, ReadError> {
    format.or_else(|| Format::of(name)).ok_or_else(|| {
        let reason = "has no known format; name it .csv, .tsv, .parquet or .jsonl, or say --format";
        ReadError::file(name, reason)
    })
}

fn open_file(name: &str, path: &Path) -> Result<Content, ReadError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ReadError::file(name, "is not there"),
        _ => ReadError::Io { file: name.to_owned(), source },
    };
    let file = File::open(path).map_err(io)?;
    let facts = file.metadata().map_err(io)?;
    if facts.is_dir() {
        return Err(ReadError::file(name, "is a folder, not a file"));
    }
    Ok(Content::File(Arc::new(file), facts.len()))
}

/// What a stream carries, by its beginning.
fn sniffed(name: &str, start: &[u8]) -> Result<Format, ReadError> {
    let packed = Origin::Content(Content::Memory(Bytes::copy_from_slice(start)));
    let mut reader = packed.open(name)?;
    let mut plain = vec![0; 4096];
    // The packed beginning ends somewhere inside of a block: what came out before that is enough.
    let read = reader.read(&mut plain).unwrap_or_default();
    let plain = &plain[..read];
    let text = plain.strip_prefix(b"\xef\xbb\xbf").unwrap_or(plain).trim_ascii_start();
    Ok(match text {
        [b'P', b'A', b'R', b'1', ..] => Format::Parquet,
        [b'{', ..] => Format::JsonLines,
        _ => Format::Csv { delimiter: b',' },
    })
}
