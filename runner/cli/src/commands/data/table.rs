//! What the commands about tables share: references, sizes, and whose fault an error is.

use super::reference;
use crate::error::CommandError;
use clap::ValueEnum;
use pawl_data::{Contract, Format, ReadError, Source, ValidateError};
use std::path::Path;

/// Largest contract: they are written by people.
const MAX_CONTRACT_BYTES: u64 = 16 * 1024 * 1024;

/// A file's format, where its name does not tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// Comma-separated values
    Csv,
    /// Tab-separated values
    Tsv,
    /// Apache Parquet
    Parquet,
    /// JSON Lines, one object a line
    Jsonl,
}

impl TableFormat {
    fn format(self) -> Format {
        match self {
            Self::Csv => Format::Csv { delimiter: b',' },
            Self::Tsv => Format::Csv { delimiter: b'\t' },
            Self::Parquet => Format::Parquet,
            Self::Jsonl => Format::JsonLines,
        }
    }
}

/// Resolves a reference to data.
pub(super) fn open(reference: &str, format: Option<TableFormat>) -> Result<Source, CommandError> {
    let format = format.map(TableFormat::format);
    let Some(fetched) = reference::fetch(reference)? else {
        return Ok(Source::open(reference, format)?);
    };
    match format {
        None => Ok(Source::from_file(&fetched.name, fetched.file)?),
        format => Ok(Source::from_stream(&fetched.name, format, Box::new(fetched.file))?),
    }
}

/// Reads a contract.
pub(super) fn contract(path: &Path) -> Result<Contract, CommandError> {
    let file = path.display().to_string();
    let refuse = |error: &dyn std::fmt::Display| {
        CommandError::input(format!("{file} {error}"), "name the contract with --contract FILE")
    };
    let facts =
        std::fs::metadata(path).map_err(|error| refuse(&format!("cannot be read: {error}")))?;
    if facts.len() > MAX_CONTRACT_BYTES {
        return Err(refuse(&format!("has {} bytes, too many for a contract", facts.len())));
    }
    let bytes = std::fs::read(path).map_err(|error| refuse(&format!("cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| refuse(&"is not UTF-8 text"))?;
    Contract::parse(&file, &text).map_err(|error| CommandError::input(error, ""))
}

/// A number of bytes such as `512M`, `2G` or `2GiB`; K, M and G are powers of 1024.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_uppercase();
    let shift = match unit.trim_end_matches('B').trim_end_matches('I') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err(format!("'{text}' is no size; write one like 512M or 2G")),
    };
    let number: usize =
        digits.parse().map_err(|_| format!("'{text}' is no size; write one like 512M or 2G"))?;
    number
        .checked_mul(1 << shift)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("'{text}' is no size of memory"))
}

/// All cores of the machine.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl From<ReadError> for CommandError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { .. } => Self::environment(&error, "check the disk and its permissions"),
            _ => Self::input(&error, ""),
        }
    }
}

impl From<ValidateError> for CommandError {
    fn from(error: ValidateError) -> Self {
        match error {
            ValidateError::Read(error) => error.into(),
            ValidateError::Spill(_) => {
                Self::environment(&error, "set TMPDIR to a folder with room, or raise --memory")
            }
            ValidateError::Write { .. } => {
                Self::environment(&error, "name another file with --state")
            }
            ValidateError::NoTable { ref table, .. } => {
                Self::input(&error, format!("add --table {table}=DATA"))
            }
            _ => Self::input(&error, ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(bytes("512M"), Ok(512 << 20));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("4096"), Ok(4096));
        for wrong in ["", "M", "0", "-1G", "2T", "1.5G"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
