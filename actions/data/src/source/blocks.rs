//! Text files in blocks of whole rows.

use std::io::Read;

use super::content;
use crate::csv;
use crate::table::{Format, ReadError};

/// Bytes of a block: large enough that handing it over does not show, small enough for the caches of a core.
const BLOCK: usize = 1 << 20;

/// Longest row. Without a limit a quote that is never closed would take all memory.
const MAX_ROW: usize = 64 << 20;

/// Whole rows of a file.
pub(crate) struct Block {
    pub(crate) bytes: Vec<u8>,
    /// Line of its first row, from 1.
    pub(crate) line: u64,
}

/// Reads a text file block by block.
pub(crate) struct Blocks {
    file: String,
    reader: Box<dyn Read + Send>,
    /// Absent for JSON Lines.
    delimiter: Option<u8>,
    rest: Vec<u8>,
    line: u64,
    done: bool,
}

impl Blocks {
    pub(crate) fn new(file: &str, format: Format, reader: Box<dyn Read + Send>) -> Self {
        let delimiter = match format {
            Format::Csv { delimiter } => Some(delimiter),
            Format::Parquet | Format::JsonLines => None,
        };
        Self { file: file.to_owned(), reader, delimiter, rest: Vec::new(), line: 1, done: false }
    }

    /// The next rows. An error about a row counts from 1 in the block that cannot be read.
    pub(crate) fn next(&mut self, names: &[String]) -> Result<Option<Block>, ReadError> {
        let mut bytes = std::mem::take(&mut self.rest);
        let mut wanted = BLOCK;
        loop {
            self.fill(&mut bytes, wanted)?;
            if self.done {
                break;
            }
            if let Some(end) = self.end(&bytes) {
                self.rest = bytes.split_off(end);
                break;
            }
            if bytes.len() > MAX_ROW {
                return Err(self.too_long(&bytes, names));
            }
            wanted = bytes.len() * 2;
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        self.line += csv::lines(&bytes);
        Ok(Some(Block { bytes, line }))
    }

    /// Reads until there are `wanted` bytes or no more.
    fn fill(&mut self, bytes: &mut Vec<u8>, wanted: usize) -> Result<(), ReadError> {
        let missing = wanted.saturating_sub(bytes.len());
        bytes.reserve_exact(missing);
        let read = (&mut self.reader)
            .take(missing as u64)
            .read_to_end(bytes)
            .map_err(|source| content::unreadable(&self.file, source))?;
        self.done |= read < missing;
        Ok(())
    }

    fn end(&self, bytes: &[u8]) -> Option<usize> {
        match self.delimiter {
            Some(delimiter) => {
                let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
                csv::last_row_end(&bytes[mark..], delimiter).map(|end| end + mark)
            }
            None => memchr::memrchr(b'\n', bytes).map(|end| end + 1),
        }
    }

    fn too_long(&self, bytes: &[u8], names: &[String]) -> ReadError {
        let size = MAX_ROW >> 20;
        let Some(delimiter) = self.delimiter else {
            return ReadError::row(&self.file, 1, format!("is longer than {size} MiB"));
        };
        let reason = format!(
            "is in a row longer than {size} MiB (from line {} on); is a quote never closed?",
            self.line
        );
        let field = csv::fields_before_end(bytes, delimiter);
        let number = format!("number {}", field + 1);
        let row = usize::from(!names.is_empty());
        ReadError::cell(&self.file, row, names.get(field).unwrap_or(&number), reason)
    }
}
