//! Reading Parquet into flat columns of their physical types.
//!
//! Arrow's own schema hints are ignored on purpose: what counts is the physical and logical type that Parquet itself
//! records, so a file means the same whoever wrote it.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrowPrimitiveType, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::reader::Length;

use crate::source::{Content, MAX_PART_ROWS, ScanError, Wanted};
use crate::table::{Column, ReadError, Table, TextValues, Values};
use crate::time::ATTOS;

/// Rows are numbered with 32 bits in key indexes.
const MAX_ROWS: usize = u32::MAX as usize;

/// Rows of a batch: large enough that its costs do not show, small enough for the caches of a core.
const BATCH_ROWS: usize = 16 * 1024;

/// What a Parquet file holds.
pub(crate) struct Read {
    pub(crate) names: Vec<String>,
    pub(crate) rows: usize,
    pub(crate) columns: Vec<Column>,
}

/// An open file of which some columns are wanted.
pub(crate) struct ParquetFile {
    name: String,
    content: Content,
    metadata: ArrowReaderMetadata,
    projection: ProjectionMask,
    /// The wanted columns in the file's order.
    names: Arc<[String]>,
}

/// Reads a whole file.
pub(crate) fn read(file: &str, bytes: Vec<u8>) -> Result<Read, ReadError> {
    let opened = ParquetFile::open(file, Content::Memory(Bytes::from(bytes)), &Wanted::Every)?;
    let mut columns = opened.empty_columns();
    let mut rows = 0;
    for group in 0..opened.groups() {
        let each = |batch: &RecordBatch| {
            append(&mut columns, batch, rows);
            rows += batch.num_rows();
            if rows > MAX_ROWS {
                let reason = format!("has more than {MAX_ROWS} rows; split it");
                return Err(ReadError::file(file, reason));
            }
            Ok(())
        };
        opened.batches(group, each)?;
    }
    Ok(Read { names: opened.names.to_vec(), rows, columns })
}

/// The decoder is someone else's and its input hostile: a panic of it is a damaged file, not the end of the program.
fn guarded<T>(file: &str, decode: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        Err(ReadError::file(file, "is not readable as Parquet: the decoder gave up on it"))
    })
}

fn damaged(file: &str, error: &dyn std::fmt::Display) -> ReadError {
    ReadError::file(file, format!("is not readable as Parquet: {error}"))
}

impl ParquetFile {
    pub(crate) fn open(file: &str, content: Content, wanted: &Wanted) -> Result<Self, ReadError> {
        if content.len() == 0 {
            return Err(ReadError::file(file, "is empty"));
        }
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = guarded(file, || {
            ArrowReaderMetadata::load(&content, options).map_err(|error| damaged(file, &error))
        })?;
        let mut seen = HashSet::new();
        let (mut names, mut roots) = (Vec::new(), Vec::new());
        for (index, field) in metadata.schema().fields().iter().enumerate() {
            if !seen.insert(field.name()) {
                let reason = "stands twice in the schema".to_owned();
                return Err(ReadError::cell(file, 0, field.name(), reason));
            }
            if wanted.contains(field.name()) {
                names.push(field.name().clone());
                roots.push(index);
            }
        }
        let projection = ProjectionMask::roots(metadata.parquet_schema(), roots);
        let name = file.to_owned();
        Ok(Self { name, content, projection, names: names.into(), metadata })
    }

    /// Number of row groups.
    pub(crate) fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Whether the file says that it has no rows.
    pub(crate) fn says_empty(&self) -> bool {
        self.metadata.metadata().file_metadata().num_rows() == 0
    }

    fn empty_columns(&self) -> Vec<Column> {
        let fields = self.metadata.schema().fields().iter();
        let mut wanted = self.names.iter().peekable();
        fields
            .filter(|field| wanted.next_if(|name| *name == field.name()).is_some())
            .map(|field| Column { values: empty(field.data_type()), valid: None })
            .collect()
    }

    /// Its columns, without a row.
    pub(crate) fn without_rows(&self) -> Table {
        Table::of_columns(&self.name, self.names.clone(), 0, self.empty_columns())
    }

    /// Hands every batch of a row group to `each`.
    fn batches(
        &self,
        group: usize,
        mut each: impl FnMut(&RecordBatch) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.content.clone(),
            self.metadata.clone(),
        )
        .with_row_groups(vec![group])
        .with_projection(self.projection.clone())
        .with_batch_size(BATCH_ROWS);
        guarded(&self.name, || {
            for batch in builder.build().map_err(|error| damaged(&self.name, &error))? {
                each(&batch.map_err(|error| damaged(&self.name, &error))?)?;
            }
            Ok(())
        })
    }

    /// Some rows as a table.
    pub(crate) fn table(&self, batch: &RecordBatch) -> Table {
        let mut columns = self.empty_columns();
        append(&mut columns, batch, 0);
        Table::of_columns(&self.name, self.names.clone(), batch.num_rows(), columns)
    }

    /// Hands every batch of a row group to `each`, with the number of rows before it, until it says stop.
    pub(crate) fn each_batch(
        &self,
        group: usize,
        mut each: impl FnMut(&RecordBatch, usize) -> bool,
    ) -> Result<(), ReadError> {
        let (mut rows, mut stopped) = (0, false);
        let read = self.batches(group, |batch| {
            let goes_on = each(batch, rows);
            rows += batch.num_rows();
            if rows > MAX_PART_ROWS {
                let reason = format!("has a row group of more than {MAX_PART_ROWS} rows");
                return Err(ReadError::file(&self.name, reason));
            }
            stopped = !goes_on;
            match goes_on {
                true => Ok(()),
                false => Err(ReadError::file(&self.name, "was not read to its end")),
            }
        });
        if stopped { Ok(()) } else { read }
    }

    /// Hands the rows of a row group to `each`, some at a time.
    pub(crate) fn read_group<E>(
        &self,
        group: usize,
        mut each: impl FnMut(&Table) -> Result<(), ScanError<E>>,
    ) -> Result<(), ScanError<E>> {
        let mut stopped = None;
        let mut rows = 0;
        let mut each = |columns: Vec<Column>, count: usize| {
            rows += count;
            if rows > MAX_PART_ROWS {
                let reason = format!("has a row group of more than {MAX_PART_ROWS} rows");
                return Err(ScanError::Read(ReadError::file(&self.name, reason)));
            }
            each(&Table::of_columns(&self.name, self.names.clone(), count, columns))
        };
        // Columns are learnt from a table without rows, too.
        each(self.empty_columns(), 0)?;
        if group >= self.groups() {
            return Ok(());
        }
        let read = self.batches(group, |batch| {
            let mut columns = self.empty_columns();
            append(&mut columns, batch, 0);
            each(columns, batch.num_rows()).map_err(|error| {
                stopped = Some(error);
                ReadError::file(&self.name, "was not read to its end")
            })
        });
        match (stopped, read) {
            (Some(error), _) => Err(error),
            (None, read) => read.map_err(ScanError::Read),
        }
    }
}

/// The empty column that fits a Parquet type.
fn empty(kind: &DataType) -> Values {
    match kind {
        DataType::Boolean => Values::Bool(Vec::new()),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            Values::Int(Vec::new())
        }
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            Values::Unsigned(Vec::new())
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Values::Float(Vec::new()),
        DataType::Decimal128(_, scale) => Values::Decimal(Vec::new(), *scale),
        DataType::Utf8 => Values::Text(TextValues::default()),
        DataType::Date32 => Values::Date(Vec::new()),
        DataType::Timestamp(..) => Values::Timestamp(Vec::new()),
        DataType::Time32(TimeUnit::Millisecond) | DataType::Time64(_) => Values::Time(Vec::new()),
        DataType::Struct(_) | DataType::Map(..) => Values::Opaque("object".to_owned()),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            Values::Opaque("array".to_owned())
        }
        other => Values::Opaque(other.to_string()),
    }
}

fn append(columns: &mut [Column], batch: &RecordBatch, before: usize) {
    for (column, array) in columns.iter_mut().zip(batch.columns()) {
        append_nulls(&mut column.valid, array, before);
        append_values(&mut column.values, array);
    }
}

fn append_nulls(valid: &mut Option<Vec<bool>>, array: &dyn Array, before: usize) {
    if valid.is_none() && array.logical_null_count() == 0 {
        return;
    }
    let valid = valid.get_or_insert_with(|| vec![true; before]);
    valid.extend((0..array.len()).map(|row| !is_null(array, row)));
}

/// A column of the type null has no bitmap of nulls: it is nothing else.
fn is_null(array: &dyn Array, row: usize) -> bool {
    array.is_null(row) || *array.data_type() == DataType::Null
}

fn append_values(values: &mut Values, array: &dyn Array) {
    match values {
        Values::Bool(out) => {
            let array = array.as_boolean();
            out.extend((0..array.len()).map(|row| array.value(row)));
        }
        Values::Text(out) => {
            let array = array.as_string::<i32>();
            (0..array.len())
                .for_each(|row| out.push(if array.is_null(row) { "" } else { array.value(row) }));
        }
        Values::Decimal(out, _) => {
            out.extend(array.as_primitive::<Decimal128Type>().values().iter().copied())
        }
        Values::Date(out) => {
            out.extend(array.as_primitive::<Date32Type>().values().iter().copied())
        }
        Values::Int(out) => append_ints(out, array),
        Values::Unsigned(out) => append_unsigned(out, array),
        Values::Float(out) => append_floats(out, array),
        Values::Timestamp(out) | Values::Time(out) => append_moments(out, array),
        Values::Opaque(_) => {}
    }
}

fn widen<T: ArrowPrimitiveType, V: From<T::Native>>(out: &mut Vec<V>, array: &dyn Array) {
    out.extend(array.as_primitive::<T>().values().iter().map(|&value| V::from(value)));
}

fn append_ints(out: &mut Vec<i64>, array: &dyn Array) {
    match array.data_type() {
        DataType::Int8 => widen::<Int8Type, i64>(out, array),
        DataType::Int16 => widen::<Int16Type, i64>(out, array),
        DataType::Int32 => widen::<Int32Type, i64>(out, array),
        _ => widen::<Int64Type, i64>(out, array),
    }
}

fn append_unsigned(out: &mut Vec<u64>, array: &dyn Array) {
    match array.data_type() {
        DataType::UInt8 => widen::<UInt8Type, u64>(out, array),
        DataType::UInt16 => widen::<UInt16Type, u64>(out, array),
        DataType::UInt32 => widen::<UInt32Type, u64>(out, array),
        _ => widen::<UInt64Type, u64>(out, array),
    }
}

fn append_floats(out: &mut Vec<f64>, array: &dyn Array) {
    match array.data_type() {
        DataType::Float16 => widen::<Float16Type, f64>(out, array),
        DataType::Float32 => widen::<Float32Type, f64>(out, array),
        _ => widen::<Float64Type, f64>(out, array),
    }
}

/// Timestamps and times of every unit as attoseconds.
fn append_moments(out: &mut Vec<i128>, array: &dyn Array) {
    const MILLI: i128 = ATTOS / 1_000;
    const MICRO: i128 = ATTOS / 1_000_000;
    const NANO: i128 = ATTOS / 1_000_000_000;
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => scale::<TimestampSecondType>(out, array, ATTOS),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            scale::<TimestampMillisecondType>(out, array, MILLI)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            scale::<TimestampMicrosecondType>(out, array, MICRO)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            scale::<TimestampNanosecondType>(out, array, NANO)
        }
        DataType::Time32(_) => scale::<Time32MillisecondType>(out, array, MILLI),
        DataType::Time64(TimeUnit::Microsecond) => {
            scale::<Time64MicrosecondType>(out, array, MICRO)
        }
        _ => scale::<Time64NanosecondType>(out, array, NANO),
    }
}

fn scale<T: ArrowPrimitiveType>(out: &mut Vec<i128>, array: &dyn Array, unit: i128)
where
    T::Native: Into<i64>,
{
    out.extend(
        array.as_primitive::<T>().values().iter().map(|&value| i128::from(value.into()) * unit),
    );
}
