//! `read_parquet`: types are those of the file, except that a null makes a float of a whole number and an object of a
//! boolean, as pyarrow hands them over.

use super::{Frame, NULL, Series, SeriesValues, Texts};
use crate::table::ReadError;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, RecordBatch};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(super) fn read(file: &str, bytes: Vec<u8>) -> Result<Frame, ReadError> {
    // The decoder is someone else's and its input hostile: a panic of it is a damaged file, not the end of the program.
    catch_unwind(AssertUnwindSafe(|| decode(file, Bytes::from(bytes)))).unwrap_or_else(|_| {
        Err(ReadError::file(file, "is not readable as Parquet: the decoder gave up on it"))
    })
}

fn decode(file: &str, bytes: Bytes) -> Result<Frame, ReadError> {
    let bad = |error: &dyn std::fmt::Display| {
        ReadError::file(file, format!("is not readable as Parquet: {error}"))
    };
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|e| bad(&e))?;
    let schema = builder.schema().clone();
    let hints = Hints::of(schema.metadata().get("pandas").map(String::as_str));
    let batches: Result<Vec<RecordBatch>, _> = builder.build().map_err(|e| bad(&e))?.collect();
    let batches = batches.map_err(|e| bad(&e))?;
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut columns: Vec<Series> = Vec::new();
    for (i, field) in schema.fields().iter().enumerate() {
        if columns.iter().any(|series| series.name == *field.name()) {
            let reason = "stands twice in the schema".to_owned();
            return Err(ReadError::cell(file, 0, field.name(), reason));
        }
        if hints.index.iter().any(|name| name == field.name()) {
            continue;
        }
        let values = if hints.nullable.iter().any(|name| name == field.name()) {
            SeriesValues::Opaque("a type of pandas with its own nulls")
        } else {
            let arrays: Vec<ArrayRef> =
                batches.iter().map(|batch| batch.column(i).clone()).collect();
            values(field.data_type(), &arrays)
        };
        columns.push(Series { name: field.name().clone(), values });
    }
    Ok(Frame { rows, columns })
}

/// What pandas notes in a file that it writes.
#[derive(Default)]
struct Hints {
    /// Columns that become the index again.
    index: Vec<String>,
    /// Columns of types such as `Int64`, which are read as such.
    nullable: Vec<String>,
}

impl Hints {
    fn of(text: Option<&str>) -> Self {
        let Some(note) = text.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok())
        else {
            return Self::default();
        };
        let list = |key: &str| note[key].as_array().cloned().unwrap_or_default();
        let index = list("index_columns")
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        let nullable = list("columns")
            .iter()
            .filter(|column| {
                let kind = column["numpy_type"].as_str().unwrap_or_default();
                ["Int", "UInt", "Float"].iter().any(|start| kind.starts_with(start))
                    || kind == "boolean"
            })
            .filter_map(|column| column["field_name"].as_str().map(str::to_owned))
            .collect();
        Self { index, nullable }
    }
}

fn values(kind: &DataType, arrays: &[ArrayRef]) -> SeriesValues {
    match kind {
        DataType::Boolean => booleans(arrays),
        DataType::Int8 => whole::<Int8Type>(arrays),
        DataType::Int16 => whole::<Int16Type>(arrays),
        DataType::Int32 => whole::<Int32Type>(arrays),
        DataType::Int64 => integers(arrays),
        DataType::UInt8 => small_unsigned::<UInt8Type>(arrays),
        DataType::UInt16 => small_unsigned::<UInt16Type>(arrays),
        DataType::UInt32 => small_unsigned::<UInt32Type>(arrays),
        DataType::UInt64 => unsigned(arrays),
        DataType::Float16 => floats::<Float16Type>(arrays, false),
        DataType::Float32 => floats::<Float32Type>(arrays, true),
        DataType::Float64 => floats::<Float64Type>(arrays, false),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            SeriesValues::Text(texts(arrays, false))
        }
        DataType::Dictionary(..) => dictionary(arrays),
        DataType::Timestamp(..) => SeriesValues::Datetime,
        DataType::Null => SeriesValues::Empty,
        DataType::Date32 | DataType::Date64 => SeriesValues::Opaque("dates"),
        DataType::Time32(_) | DataType::Time64(_) => SeriesValues::Opaque("times"),
        DataType::Duration(_) => SeriesValues::Opaque("durations"),
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => SeriesValues::Opaque("decimals"),
        _ => SeriesValues::Opaque("nested or binary values"),
    }
}

fn has_null(arrays: &[ArrayRef]) -> bool {
    arrays.iter().any(|array| array.null_count() > 0)
}

fn optional<T: ArrowPrimitiveType>(arrays: &[ArrayRef]) -> impl Iterator<Item = Option<T::Native>> {
    arrays.iter().flat_map(|array| array.as_primitive::<T>().iter())
}

/// Numbers with nulls, which are floats whatever they were.
fn with_nulls<T: ArrowPrimitiveType>(
    arrays: &[ArrayRef],
    to: impl Fn(T::Native) -> f64,
) -> SeriesValues {
    let values = optional::<T>(arrays).map(|value| value.map_or(f64::NAN, &to)).collect();
    SeriesValues::Float { values, single: false }
}

fn whole<T: ArrowPrimitiveType>(arrays: &[ArrayRef]) -> SeriesValues
where
    T::Native: Into<i64> + Into<f64>,
{
    if has_null(arrays) {
        return with_nulls::<T>(arrays, Into::into);
    }
    SeriesValues::Int(optional::<T>(arrays).flatten().map(Into::into).collect())
}

fn integers(arrays: &[ArrayRef]) -> SeriesValues {
    if has_null(arrays) {
        return with_nulls::<Int64Type>(arrays, |value| value as f64);
    }
    SeriesValues::Int(optional::<Int64Type>(arrays).flatten().collect())
}

fn small_unsigned<T: ArrowPrimitiveType>(arrays: &[ArrayRef]) -> SeriesValues
where
    T::Native: Into<u64> + Into<f64>,
{
    if has_null(arrays) {
        return with_nulls::<T>(arrays, Into::into);
    }
    SeriesValues::Unsigned(optional::<T>(arrays).flatten().map(Into::into).collect())
}

fn unsigned(arrays: &[ArrayRef]) -> SeriesValues {
    if has_null(arrays) {
        return with_nulls::<UInt64Type>(arrays, |value| value as f64);
    }
    SeriesValues::Unsigned(optional::<UInt64Type>(arrays).flatten().collect())
}

fn floats<T: ArrowPrimitiveType>(arrays: &[ArrayRef], single: bool) -> SeriesValues
where
    T::Native: Into<f64>,
{
    let values = optional::<T>(arrays).map(|value| value.map_or(f64::NAN, Into::into)).collect();
    SeriesValues::Float { values, single }
}

fn booleans(arrays: &[ArrayRef]) -> SeriesValues {
    let values = arrays.iter().flat_map(|array| array.as_boolean().iter());
    if has_null(arrays) {
        return SeriesValues::Flags(values.collect());
    }
    SeriesValues::Bool(values.flatten().collect())
}

/// Interns texts whose lifetime is that of the arrays.
#[derive(Default)]
struct Interner {
    known: HashMap<String, u32>,
    texts: Texts,
}

impl Interner {
    fn push(&mut self, word: Option<&str>) {
        let Some(word) = word else {
            self.texts.codes.push(NULL);
            return;
        };
        let code = self.known.get(word).copied().unwrap_or_else(|| {
            let code = self.known.len() as u32;
            self.known.insert(word.to_owned(), code);
            self.texts.words.push(word.to_owned());
            code
        });
        self.texts.codes.push(code);
    }
}

fn texts(arrays: &[ArrayRef], is_category: bool) -> Texts {
    let mut interner = Interner::default();
    for array in arrays {
        match array.data_type() {
            DataType::LargeUtf8 => {
                array.as_string::<i64>().iter().for_each(|word| interner.push(word))
            }
            DataType::Utf8View => {
                array.as_string_view().iter().for_each(|word| interner.push(word))
            }
            _ => array.as_string::<i32>().iter().for_each(|word| interner.push(word)),
        }
    }
    interner.texts.is_category = is_category;
    interner.texts
}

/// A `category`: of texts, else of what can be written as one.
fn dictionary(arrays: &[ArrayRef]) -> SeriesValues {
    let mut interner = Interner::default();
    for array in arrays {
        let Some(array) = array.as_any_dictionary_opt() else { continue };
        let words = match array.values().data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let texts = texts(std::slice::from_ref(array.values()), true);
                texts.codes.iter().map(|code| texts.words.get(*code as usize).cloned()).collect()
            }
            DataType::Int64 => number_words::<Int64Type>(array.values()),
            DataType::Int32 => number_words::<Int32Type>(array.values()),
            DataType::Int16 => number_words::<Int16Type>(array.values()),
            DataType::Int8 => number_words::<Int8Type>(array.values()),
            _ => {
                return SeriesValues::Opaque(
                    "categories of other values than texts or whole numbers",
                );
            }
        };
        let words: Vec<Option<String>> = words;
        for (row, key) in array.normalized_keys().into_iter().enumerate() {
            let word =
                if array.is_null(row) { None } else { words.get(key).and_then(Option::as_deref) };
            interner.push(word);
        }
    }
    interner.texts.is_category = true;
    SeriesValues::Text(interner.texts)
}

fn number_words<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<Option<String>>
where
    T::Native: std::fmt::Display,
{
    array.as_primitive::<T>().iter().map(|value| value.map(|value| value.to_string())).collect()
}
