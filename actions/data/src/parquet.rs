//! Reading Parquet into flat columns of their physical types.
//!
//! Arrow's own schema hints are ignored on purpose: what counts is the physical and logical type that Parquet itself
//! records, so a file means the same whoever wrote it.

use std::panic::{AssertUnwindSafe, catch_unwind};

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
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use crate::table::{Column, ReadError, TextValues, Values};
use crate::time::ATTOS;

/// Rows are numbered with 32 bits in key indexes.
const MAX_ROWS: usize = u32::MAX as usize;

/// What a Parquet file holds.
pub(crate) struct Read {
    pub(crate) names: Vec<String>,
    pub(crate) rows: usize,
    pub(crate) columns: Vec<Column>,
}

/// Reads a whole file.
pub(crate) fn read(file: &str, bytes: Vec<u8>) -> Result<Read, ReadError> {
    // The decoder is someone else's and its input hostile: a panic of it is a damaged file, not the end of the program.
    catch_unwind(AssertUnwindSafe(|| decode(file, Bytes::from(bytes)))).unwrap_or_else(|_| {
        Err(ReadError::file(file, "is not readable as Parquet: the decoder gave up on it"))
    })
}

fn decode(file: &str, bytes: Bytes) -> Result<Read, ReadError> {
    let bad = |error: &dyn std::fmt::Display| {
        ReadError::file(file, format!("is not readable as Parquet: {error}"))
    };
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)
        .map_err(|e| bad(&e))?;
    let schema = builder.schema().clone();
    let mut names: Vec<String> = Vec::new();
    for field in schema.fields() {
        if names.contains(field.name()) {
            return Err(ReadError::cell(
                file,
                0,
                field.name(),
                "stands twice in the schema".to_owned(),
            ));
        }
        names.push(field.name().clone());
    }
    let mut columns: Vec<Column> = schema
        .fields()
        .iter()
        .map(|field| Column { values: empty(field.data_type()), valid: None })
        .collect();
    let mut rows = 0;
    for batch in builder.build().map_err(|e| bad(&e))? {
        let batch = batch.map_err(|e| bad(&e))?;
        append(&mut columns, &batch, rows);
        rows += batch.num_rows();
        if rows > MAX_ROWS {
            return Err(ReadError::file(file, format!("has more than {MAX_ROWS} rows; split it")));
        }
    }
    Ok(Read { names, rows, columns })
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
