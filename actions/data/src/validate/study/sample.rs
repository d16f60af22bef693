//! Some rows of a table, the same ones however the table is cut into parts.

use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use crate::contract::Kind;
use crate::source::Position;
use crate::table::Table;
use crate::value::{self, Value};

use super::super::column::read_cell;
use super::super::plan::Placed;

/// Rows that are kept: enough for intervals of a percent.
const MOST_ROWS: usize = 100_000;
/// Cells that are kept of wide tables; it limits memory and files of counted parts.
const MOST_CELLS: usize = 2_000_000;
/// Longer texts are kept as their digests: they only have to be told apart.
const LONGEST: usize = 48;

/// How many rows of so many cells are kept.
pub(crate) fn most_rows(cells: usize) -> usize {
    MOST_ROWS.min(MOST_CELLS / cells.max(1)).max(1)
}

/// The rows with the smallest hashes of their places. A table with fewer is there as a whole.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, String)>", into = "Vec<(u64, String)>")]
pub(crate) struct RowSample {
    rows: BinaryHeap<SampledRow>,
}

/// A row's cells, encoded one after another. Ordered by the hash of its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SampledRow {
    hash: u64,
    place: u64,
    cells: Vec<u8>,
}

/// A cell of a sampled row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    /// Also dates and times, so that they have an order.
    Number(f64),
    Word(String),
}

impl RowSample {
    /// Takes a row in, if it is one of those that are kept. `cells` writes them down.
    #[inline]
    pub(crate) fn add(&mut self, most: usize, at: Position, cells: impl FnOnce(&mut Vec<u8>)) {
        let hash = mixed(at.0);
        let is_full = self.rows.len() >= most;
        if is_full && self.rows.peek().is_some_and(|last| hash > last.hash) {
            return;
        }
        let mut bytes = Vec::new();
        cells(&mut bytes);
        self.rows.push(SampledRow { hash, place: at.0, cells: bytes });
        if is_full {
            self.rows.pop();
        }
    }

    pub(crate) fn merge(&mut self, most: usize, other: Self) {
        self.rows.extend(other.rows);
        while self.rows.len() > most {
            self.rows.pop();
        }
    }

    /// The cells by column, in an order that has nothing to do with the table's.
    pub(crate) fn columns(&self, count: usize) -> Vec<Vec<Cell>> {
        let mut rows: Vec<&SampledRow> = self.rows.iter().collect();
        rows.sort_unstable();
        let mut columns = vec![Vec::with_capacity(rows.len()); count];
        for row in rows {
            let mut bytes = row.cells.as_slice();
            for column in &mut columns {
                let (value, rest) = value::decode(bytes);
                column.push(value.map_or(Cell::Null, |value| cell(&value)));
                bytes = rest;
            }
        }
        columns
    }
}

/// Writes down the cells of some columns; what their type cannot read is null.
pub(crate) fn encode_cells(table: &Table, row: usize, columns: &[Placed<'_>], out: &mut Vec<u8>) {
    for (column, kind) in columns {
        match read_cell(table, row, *column, kind) {
            // Raw text without a logical type may be a number.
            Some(Value::Text(text)) if **kind == Kind::Untyped && text.len() <= LONGEST => {
                value::read_number(&text).unwrap_or(Value::Text(text)).encode(out);
            }
            Some(Value::Text(text)) if text.len() > LONGEST => {
                Value::Text(crate::digest::digest_bytes(text.as_bytes()).into()).encode(out);
            }
            value => encode_or_null(value.as_ref(), out),
        }
    }
}

/// The encoding of a value, or of none.
pub(crate) fn encode_or_null(value: Option<&Value<'_>>, out: &mut Vec<u8>) {
    match value {
        Some(value) => value.encode(out),
        None => out.push(0),
    }
}

fn cell(value: &Value<'_>) -> Cell {
    #[expect(clippy::cast_precision_loss, reason = "the nearest f64 keeps the order")]
    match value {
        Value::Date(days) => Cell::Number(*days as f64),
        Value::Timestamp(attos) | Value::Time(attos) => Cell::Number(*attos as f64),
        Value::Bool(_) => Cell::Word(value.display().into_owned()),
        other => match other.as_f64() {
            Some(number) => Cell::Number(number),
            None => Cell::Word(other.display().into_owned()),
        },
    }
}

/// The finaliser of SplitMix64: one place, one hash, and neighbours far apart.
fn mixed(place: u64) -> u64 {
    let place = place.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let place = (place ^ (place >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let place = (place ^ (place >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    place ^ (place >> 31)
}

impl From<Vec<(u64, String)>> for RowSample {
    fn from(rows: Vec<(u64, String)>) -> Self {
        let row = |(place, text): (u64, String)| SampledRow {
            hash: mixed(place),
            place,
            cells: bytes(&text),
        };
        Self { rows: rows.into_iter().map(row).collect() }
    }
}

impl From<RowSample> for Vec<(u64, String)> {
    fn from(sample: RowSample) -> Self {
        let rows = sample.rows.into_sorted_vec().into_iter();
        rows.map(|row| (row.place, hex(&row.cells))).collect()
    }
}

/// Bytes as text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// What [`hex`] wrote; anything else is no byte.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::{Cell, RowSample, encode_or_null};
    use crate::source::Position;
    use crate::value::Value;

    fn sample(rows: std::ops::Range<u64>, most: usize) -> RowSample {
        let mut sample = RowSample::default();
        for row in rows {
            let value = Value::Int(row.into());
            sample.add(most, Position(row), |out| encode_or_null(Some(&value), out));
        }
        sample
    }

    #[test]
    fn the_same_rows_are_kept_however_they_come() {
        let whole = sample(0..10_000, 100);
        let mut parts = sample(7_000..10_000, 100);
        parts.merge(100, sample(0..3_000, 100));
        parts.merge(100, sample(3_000..7_000, 100));
        assert_eq!(parts.columns(1), whole.columns(1));
        assert_eq!(whole.columns(1)[0].len(), 100);
        let text = serde_json::to_string(&whole).expect("written");
        let read: RowSample = serde_json::from_str(&text).expect("read");
        assert_eq!(read.columns(1), whole.columns(1));
    }

    #[test]
    fn every_row_is_as_likely_as_any_other() {
        let kept = sample(0..100_000, 1_000).columns(1).remove(0);
        let sum: f64 =
            kept.iter().map(|cell| if let Cell::Number(n) = cell { *n } else { 0.0 }).sum();
        // The mean of 1,000 of them is within four of its deviations, 913.
        assert!((sum / 1_000.0 - 49_999.5).abs() < 3_652.0, "{sum}");
    }
}
