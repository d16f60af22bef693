//! Tables: columns by name, rows from 0, cells read in place.
//!
//! A CSV table keeps raw text, so that a contract decides what a cell is; a Parquet table keeps its physical types.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use crate::csv::CsvText;
use crate::json::JsonText;
use crate::value::{self, Value};

/// Why a table cannot be read. Always the user's data, except for `Io` (environment).
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused: environment, or a wrong path by the user.
    #[error("{file} cannot be read: {source}")]
    Io {
        /// The file as the user named it.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file as a whole is not what it should be: user.
    #[error("{file} {reason}")]
    File {
        /// The file as the user named it.
        file: String,
        /// What is wrong with it, in words that follow the name.
        reason: String,
    },
    /// One cell or row is wrong: user. Row 0 is the header, row 1 the first row of data.
    #[error("{file}: {}, column '{column}' {reason}", row_name(*.row))]
    Cell {
        /// The file as the user named it.
        file: String,
        /// 0 for the header, else the number of the data row.
        row: usize,
        /// The column's name.
        column: String,
        /// What is wrong, in words that follow the place.
        reason: String,
    },
    /// A whole row is wrong: user.
    #[error("{file}: row {row} {reason}")]
    Row {
        /// The file as the user named it.
        file: String,
        /// Number of the data row, from 1.
        row: usize,
        /// What is wrong, in words that follow the place.
        reason: String,
    },
}

fn row_name(row: usize) -> String {
    if row == 0 { "header".to_owned() } else { format!("row {row}") }
}

impl ReadError {
    pub(crate) fn file(file: &str, reason: impl Into<String>) -> Self {
        Self::File { file: file.to_owned(), reason: reason.into() }
    }

    pub(crate) fn cell(file: &str, row: usize, column: &str, reason: String) -> Self {
        Self::Cell { file: file.to_owned(), row, column: column.to_owned(), reason }
    }

    pub(crate) fn row(file: &str, row: usize, reason: impl Into<String>) -> Self {
        Self::Row { file: file.to_owned(), row, reason: reason.into() }
    }

    /// The same error in a part of a file before which there are `rows` rows.
    pub(crate) fn after(mut self, rows: usize) -> Self {
        if let Self::Cell { row, .. } | Self::Row { row, .. } = &mut self
            && *row > 0
        {
            *row += rows;
        }
        self
    }

    pub(crate) fn too_large(file: &str, bytes: usize) -> Self {
        Self::file(
            file,
            format!(
                "has {bytes} bytes; a table in memory holds at most {} (split the file)",
                u32::MAX
            ),
        )
    }
}

/// What a name ends in when the file is compressed.
const COMPRESSED: [&str; 3] = [".gz", ".zst", ".zstd"];

/// How a file is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text with one byte between fields.
    Csv {
        /// `,` for CSV, a tab for TSV.
        delimiter: u8,
    },
    /// Apache Parquet.
    Parquet,
    /// JSON Lines: one object a line.
    JsonLines,
}

impl Format {
    /// The format that a file's name tells: `.csv`, `.tsv`, `.parquet`, `.pq`, `.jsonl`, `.ndjson`, each also with `.gz` or
    /// `.zst` behind it; case does not matter.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let plain = COMPRESSED.iter().find_map(|end| {
            let (start, last) = name.split_at_checked(name.len().checked_sub(end.len())?)?;
            last.eq_ignore_ascii_case(end).then_some(start)
        });
        let extension =
            Path::new(plain.unwrap_or(name)).extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Csv { delimiter: b',' }),
            "tsv" => Some(Self::Csv { delimiter: b'\t' }),
            "parquet" | "pq" => Some(Self::Parquet),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// A table in memory.
#[derive(Debug, Clone)]
pub struct Table {
    source: String,
    rows: usize,
    names: Arc<[String]>,
    store: Store,
}

#[derive(Debug, Clone)]
enum Store {
    Csv(CsvText),
    Json(JsonText),
    Columns(Vec<Column>),
}

/// What a cell is before a contract reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Raw text, whose type a contract decides.
    Text,
    /// A JSON value: dates and times are texts.
    Json,
    /// A value of a physical type.
    Typed,
}

/// A column with a physical type: its values and, where it has nulls, which rows are valid.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) values: Values,
    /// One entry a row, `false` for null; absent when the column has no null.
    pub(crate) valid: Option<Vec<bool>>,
}

/// Flat values of one physical type, one entry a row (anything where the row is null).
#[derive(Debug, Clone)]
pub(crate) enum Values {
    Text(TextValues),
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Unsigned(Vec<u64>),
    Float(Vec<f64>),
    /// Unscaled values and the number of digits after the point.
    Decimal(Vec<i128>, i8),
    /// Days since 1970-01-01.
    Date(Vec<i32>),
    /// Attoseconds since 1970-01-01T00:00:00Z.
    Timestamp(Vec<i128>),
    /// Attoseconds since midnight.
    Time(Vec<i128>),
    /// A type that no rule can read; the name says which.
    Opaque(String),
}

/// Texts one after another in a single buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextValues {
    pub(crate) buffer: String,
    pub(crate) ends: Vec<usize>,
}

impl TextValues {
    pub(crate) fn push(&mut self, text: &str) {
        self.buffer.push_str(text);
        self.ends.push(self.buffer.len());
    }

    fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.buffer[start..self.ends[row]]
    }
}

impl Table {
    /// Reads a file in the format that its name tells.
    ///
    /// # Errors
    /// When the file cannot be opened, its name tells no format, or its content is not that format.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        let format = Format::of(&name).ok_or_else(|| {
            ReadError::file(&name, "has no known format; name it .csv, .tsv, .parquet or .jsonl")
        })?;
        let bytes =
            fs::read(path).map_err(|source| ReadError::Io { file: name.clone(), source })?;
        Self::from_bytes(&name, format, bytes)
    }

    /// Reads everything that `input` gives.
    ///
    /// # Errors
    /// When reading fails or the content is not `format`.
    pub fn from_reader(
        name: &str,
        format: Format,
        input: &mut dyn io::Read,
    ) -> Result<Self, ReadError> {
        let mut bytes = Vec::new();
        input
            .read_to_end(&mut bytes)
            .map_err(|source| ReadError::Io { file: name.to_owned(), source })?;
        Self::from_bytes(name, format, bytes)
    }

    /// Reads a table from memory; `name` stands for it in messages. A header without rows is a table without rows.
    ///
    /// # Errors
    /// When the bytes are not `format`: file, row, column and reason.
    pub fn from_bytes(name: &str, format: Format, bytes: Vec<u8>) -> Result<Self, ReadError> {
        match format {
            Format::Csv { delimiter } => {
                let (names, csv) = CsvText::parse(name, bytes, delimiter)?;
                let rows = csv.rows();
                Ok(Self::new(name, rows, names.into(), Store::Csv(csv)))
            }
            Format::JsonLines => {
                let (names, json) = JsonText::parse(name, bytes)?;
                Ok(Self::of_json(name, names.into(), json))
            }
            Format::Parquet => {
                let read = crate::parquet::read(name, bytes)?;
                Ok(Self::of_columns(name, read.names.into(), read.rows, read.columns))
            }
        }
    }

    fn new(source: &str, rows: usize, names: Arc<[String]>, store: Store) -> Self {
        Self { source: source.to_owned(), rows, names, store }
    }

    /// A table of CSV rows without a header.
    pub(crate) fn of_csv(source: &str, names: Arc<[String]>, csv: CsvText) -> Self {
        Self::new(source, csv.rows(), names, Store::Csv(csv))
    }

    /// A table of JSON Lines.
    pub(crate) fn of_json(source: &str, names: Arc<[String]>, json: JsonText) -> Self {
        Self::new(source, json.rows(), names, Store::Json(json))
    }

    /// A table of columns with physical types.
    pub(crate) fn of_columns(
        source: &str,
        names: Arc<[String]>,
        rows: usize,
        columns: Vec<Column>,
    ) -> Self {
        Self::new(source, rows, names, Store::Columns(columns))
    }

    /// The names, shared by all parts of one file.
    pub(crate) fn names(&self) -> &Arc<[String]> {
        &self.names
    }

    /// What its cells are.
    pub(crate) fn origin(&self) -> Origin {
        match self.store {
            Store::Csv(_) => Origin::Text,
            Store::Json(_) => Origin::Json,
            Store::Columns(_) => Origin::Typed,
        }
    }

    /// The name the table was read under.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Number of data rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Names of the columns in their order.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.names
    }

    /// Position of the column of this exact name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// Whether cells are raw text whose type a contract decides (CSV, TSV).
    #[must_use]
    pub fn is_csv(&self) -> bool {
        matches!(self.store, Store::Csv(_))
    }

    /// The column's physical type in one word: `csv` for raw text, `json` for JSON Lines, else `string`, `boolean`, `integer`, `number`,
    /// `date`, `timestamp`, `time` or the file's own name for a type that rules cannot read.
    #[must_use]
    pub fn physical_type(&self, column: usize) -> &str {
        let columns = match &self.store {
            Store::Csv(_) => return "csv",
            Store::Json(_) => return "json",
            Store::Columns(columns) => columns,
        };
        match &columns[column].values {
            Values::Text(_) => "string",
            Values::Bool(_) => "boolean",
            Values::Int(_) | Values::Unsigned(_) => "integer",
            Values::Float(_) | Values::Decimal(..) => "number",
            Values::Date(_) => "date",
            Values::Timestamp(_) => "timestamp",
            Values::Time(_) => "time",
            Values::Opaque(name) => name,
        }
    }

    /// Its columns in their order: names and physical types.
    #[must_use]
    pub fn typed_columns(&self) -> Vec<(String, String)> {
        let names = self.names.iter().enumerate();
        names.map(|(i, name)| (name.clone(), self.physical_type(i).to_owned())).collect()
    }

    /// Whether the cell is null. Row and column count from 0 and must exist.
    #[must_use]
    #[inline]
    pub fn is_null(&self, row: usize, column: usize) -> bool {
        match &self.store {
            Store::Csv(csv) => csv.raw(row, column).is_empty(),
            Store::Json(json) => json.value(row, column).is_none(),
            Store::Columns(columns) => {
                columns[column].valid.as_ref().is_some_and(|valid| !valid[row])
            }
        }
    }

    /// The cell as text, `None` for null: CSV cells without their quotes, typed cells in their canonical form.
    #[must_use]
    pub fn text(&self, row: usize, column: usize) -> Option<Cow<'_, str>> {
        match &self.store {
            Store::Csv(csv) => csv.cell(row, column),
            Store::Json(_) | Store::Columns(_) => {
                self.value(row, column).map(|value| value.display())
            }
        }
    }

    /// The cell as its physical type, `None` for null. A CSV cell is text.
    #[inline]
    pub(crate) fn value(&self, row: usize, column: usize) -> Option<Value<'_>> {
        match &self.store {
            Store::Csv(csv) => csv.cell(row, column).map(Value::Text),
            Store::Json(json) => json.value(row, column),
            Store::Columns(columns) => columns[column].value(row),
        }
    }

    /// The cell as it is written in JSON Lines; `None` where the row lacks the key, and in other formats.
    pub(crate) fn json(&self, row: usize, column: usize) -> Option<&str> {
        match &self.store {
            Store::Json(json) => json.raw(row, column),
            Store::Csv(_) | Store::Columns(_) => None,
        }
    }

    /// The cell as a number, if it is one: numeric columns, and CSV text that reads as a number. `None` for null.
    #[must_use]
    pub fn number(&self, row: usize, column: usize) -> Option<Result<f64, Cow<'_, str>>> {
        let value = self.value(row, column)?;
        let number = match &value {
            Value::Text(text) => value::read_number(text).and_then(|number| number.as_f64()),
            other => other.as_f64(),
        };
        Some(number.ok_or_else(|| value.display()))
    }

    /// Writes the header and the given rows (from 0, in the given order) byte for byte as they were read.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] for a table that is not CSV; else what `out` says.
    pub fn write_rows(&self, rows: &[usize], out: &mut dyn Write) -> io::Result<()> {
        match &self.store {
            Store::Csv(csv) => csv.write_rows(rows, out),
            Store::Json(_) | Store::Columns(_) => {
                let message =
                    format!("{} is not CSV: only CSV rows can be copied as they are", self.source);
                Err(io::Error::new(io::ErrorKind::Unsupported, message))
            }
        }
    }
}

impl Column {
    #[inline]
    fn value(&self, row: usize) -> Option<Value<'_>> {
        if self.valid.as_ref().is_some_and(|valid| !valid[row]) {
            return None;
        }
        Some(match &self.values {
            Values::Text(texts) => Value::Text(Cow::Borrowed(texts.get(row))),
            Values::Bool(values) => Value::Bool(values[row]),
            Values::Int(values) => Value::Int(values[row].into()),
            Values::Unsigned(values) => Value::Int(values[row].into()),
            Values::Float(values) => Value::Float(values[row]),
            Values::Decimal(values, scale) => Value::decimal(values[row], *scale),
            Values::Date(values) => Value::Date(values[row].into()),
            Values::Timestamp(values) => Value::Timestamp(values[row]),
            Values::Time(values) => Value::Time(values[row]),
            Values::Opaque(name) => Value::Opaque(name),
        })
    }
}
