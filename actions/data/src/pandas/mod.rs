//! Tables as pandas 3.0 would read them: what a column's type is comes from its values and from the quirks of that reader,
//! so that whatever is computed on top agrees with a program in Python that begins with `read_csv`, `read_parquet` or
//! `read_json(lines=True)`.
//!
//! Only for comparing with such programs. Contracts never guess: they use [`crate::Table`].

mod concat;
mod csv;
mod jsonl;
mod number;
mod parquet;
mod scan;

use crate::source::Source;
use crate::table::{Format, ReadError};
use hashbrown::HashMap;

/// Largest file: cells are addressed with 32 bits.
const MAX_BYTES: usize = u32::MAX as usize;

/// A null among [`Texts`].
pub const NULL: u32 = u32::MAX;

/// A table: columns in order, all equally long.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Number of rows.
    pub rows: usize,
    /// The columns, their names as pandas makes them different from each other.
    pub columns: Vec<Series>,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its type and values, one a row.
    pub values: SeriesValues,
}

/// The types that pandas would tell apart, as far as they matter for comparing two columns.
#[derive(Debug, Clone, PartialEq)]
pub enum SeriesValues {
    /// `int8` to `int64`: no nulls.
    Int(Vec<i64>),
    /// `uint8` to `uint64`: no nulls.
    Unsigned(Vec<u64>),
    /// `float64`, or `float32` where `single`; NaN is the null.
    Float {
        /// The values.
        values: Vec<f64>,
        /// Whether pandas would hold them in 32 bits.
        single: bool,
    },
    /// `bool`: no nulls.
    Bool(Vec<bool>),
    /// `object` with booleans and nulls.
    Flags(Vec<Option<bool>>),
    /// `str`, or `category` of texts.
    Text(Texts),
    /// `datetime64`.
    Datetime,
    /// `object` with nothing but nulls.
    Empty,
    /// Any other type: dates, times, decimals, lists, a mixture. The name says which.
    Opaque(&'static str),
}

/// Texts, each different one kept once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Texts {
    /// The different texts in order of appearance.
    pub words: Vec<String>,
    /// One entry a row: an index into `words`, or [`NULL`].
    pub codes: Vec<u32>,
    /// Whether the column has pandas' type `category`.
    pub is_category: bool,
}

impl Frame {
    /// Reads all files of a source, which have to have the same columns, one after another.
    ///
    /// # Errors
    /// When a file cannot be read, is not what pandas could read, or differs in its columns.
    pub fn open(source: &Source) -> Result<Self, ReadError> {
        let mut whole: Option<Self> = None;
        for file in source.files() {
            let frame = Self::read(&file.name, file.format, file.bytes()?)?;
            whole = Some(match whole {
                None => frame,
                Some(before) => concat::join(before, frame, &file.name)?,
            });
        }
        whole.ok_or_else(|| ReadError::file(source.name(), "is no file"))
    }

    /// Reads a table from memory; `name` stands for it in messages.
    ///
    /// # Errors
    /// When the bytes are not what pandas could read: file, row and reason.
    pub fn read(name: &str, format: Format, bytes: Vec<u8>) -> Result<Self, ReadError> {
        if bytes.len() > MAX_BYTES {
            return Err(ReadError::too_large(name, bytes.len()));
        }
        match format {
            Format::Csv { delimiter } => csv::read(name, &bytes, delimiter),
            Format::Parquet => parquet::read(name, bytes),
            Format::JsonLines => jsonl::read(name, &bytes),
        }
    }

    /// The column of a name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Series> {
        self.columns.iter().find(|series| series.name == name)
    }
}

/// Collects [`Texts`].
#[derive(Default)]
struct TextBuilder<'a> {
    known: HashMap<&'a [u8], u32>,
    texts: Texts,
}

impl<'a> TextBuilder<'a> {
    fn push(&mut self, word: &'a [u8]) {
        let next = self.known.len() as u32;
        let code = *self.known.entry(word).or_insert(next);
        if code == next {
            // The reader has checked that the file is UTF-8; a cut at a NUL cannot part a character.
            self.texts.words.push(String::from_utf8_lossy(word).into_owned());
        }
        self.texts.codes.push(code);
    }

    fn push_null(&mut self) {
        self.texts.codes.push(NULL);
    }

    fn finish(self) -> Texts {
        self.texts
    }
}

#[cfg(test)]
mod tests;
