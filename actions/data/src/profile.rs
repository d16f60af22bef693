//! A light profile of a table: what each column holds, for reports and sparklines.

use serde::{Deserialize, Serialize};

use crate::table::Table;
use crate::value;

/// Bars of a histogram.
const BINS: usize = 10;

/// Columns of a table in figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Number of data rows.
    pub rows: usize,
    /// One entry a column, in the table's order.
    pub columns: Vec<ColumnProfile>,
}

/// One column in figures. The numbers are of its finite numeric cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// The column's name.
    pub name: String,
    /// The physical type; for CSV the narrowest of `integer`, `number`, `boolean` and `string` that reads every cell,
    /// `null` without any.
    #[serde(rename = "type")]
    pub kind: String,
    /// Cells that are not null.
    pub count: usize,
    /// Cells that are null.
    pub nulls: usize,
    /// Smallest number.
    pub min: Option<f64>,
    /// Largest number.
    pub max: Option<f64>,
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Ten counts over equal parts from `min` to `max`; empty without numbers. Each part but the last excludes its
    /// upper end.
    pub histogram: Vec<u64>,
}

impl Profile {
    /// Profiles every column.
    #[must_use]
    pub fn of(table: &Table) -> Self {
        let columns = (0..table.columns().len()).map(|column| profile(table, column)).collect();
        Self { rows: table.rows(), columns }
    }
}

fn profile(table: &Table, column: usize) -> ColumnProfile {
    let mut nulls = 0;
    let mut numbers = Vec::new();
    let mut kinds = Kinds::default();
    for row in 0..table.rows() {
        let Some(text) = table.text(row, column) else {
            nulls += 1;
            continue;
        };
        kinds.see(&text);
        if let Some(Ok(number)) = table.number(row, column)
            && number.is_finite()
        {
            numbers.push(number);
        }
    }
    let kind =
        if table.is_csv() { kinds.name(table.rows() - nulls) } else { table.physical_type(column) };
    // A text column with a few numbers in it is no numeric column.
    if kind == "string" {
        numbers.clear();
    }
    let (min, max) =
        (numbers.iter().copied().reduce(f64::min), numbers.iter().copied().reduce(f64::max));
    ColumnProfile {
        name: table.columns()[column].clone(),
        kind: kind.to_owned(),
        count: table.rows() - nulls,
        nulls,
        min,
        max,
        mean: mean(&numbers),
        histogram: min.zip(max).map_or_else(Vec::new, |(min, max)| histogram(&numbers, min, max)),
    }
}

/// How many cells read as what.
#[derive(Default)]
struct Kinds {
    integers: usize,
    numbers: usize,
    booleans: usize,
}

impl Kinds {
    fn see(&mut self, text: &str) {
        self.integers += usize::from(value::read_integer(text).is_some());
        self.numbers += usize::from(value::read_number(text).is_some());
        self.booleans += usize::from(value::read_boolean(text).is_some());
    }

    fn name(&self, cells: usize) -> &'static str {
        match cells {
            0 => "null",
            _ if self.integers == cells => "integer",
            _ if self.numbers == cells => "number",
            _ if self.booleans == cells => "boolean",
            _ => "string",
        }
    }
}

/// The running mean, which does not overflow where a sum or a difference would.
#[expect(clippy::cast_precision_loss, reason = "a table has fewer than 2^32 rows")]
fn mean(numbers: &[f64]) -> Option<f64> {
    let step = |mean: f64, (index, number): (usize, &f64)| {
        mean + number / (index + 1) as f64 - mean / (index + 1) as f64
    };
    (!numbers.is_empty()).then(|| numbers.iter().enumerate().fold(0.0, step))
}

fn histogram(numbers: &[f64], min: f64, max: f64) -> Vec<u64> {
    let mut bins = vec![0; BINS];
    // Halves, because the width of the whole range may be infinite.
    let width = max / 2.0 - min / 2.0;
    for number in numbers {
        let share = if width > 0.0 { (number / 2.0 - min / 2.0) / width } else { 0.0 };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share is from 0 to 1"
        )]
        let bin = (share * BINS as f64) as usize;
        bins[bin.min(BINS - 1)] += 1;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::Profile;
    use crate::table::{Format, Table};

    #[test]
    fn columns_are_told_apart_and_counted() {
        let csv = "i,n,b,s,e\n0,0.5,true,a,\n10,nan,False,1,\n5,,true,\"\",\n";
        let table = Table::from_bytes("t.csv", Format::Csv { delimiter: b',' }, csv.into())
            .expect("a table");
        let profile = Profile::of(&table);
        let kinds: Vec<&str> = profile.columns.iter().map(|column| column.kind.as_str()).collect();
        assert_eq!(kinds, ["integer", "number", "boolean", "string", "null"]);
        let i = &profile.columns[0];
        assert_eq!((i.min, i.max, i.mean), (Some(0.0), Some(10.0), Some(5.0)));
        assert_eq!(i.histogram, [1, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
        let n = &profile.columns[1];
        assert_eq!((n.count, n.nulls, n.mean), (2, 1, Some(0.5)));
        assert_eq!((profile.columns[3].mean, profile.columns[4].nulls), (None, 3));
    }

    #[test]
    fn the_widest_range_does_not_overflow() {
        let table = Table::from_bytes(
            "t.csv",
            Format::Csv { delimiter: b',' },
            "a\n-1.7e308\n1.7e308\n".into(),
        );
        let profile = Profile::of(&table.expect("a table"));
        assert_eq!(profile.columns[0].histogram, [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(profile.columns[0].mean.is_some_and(f64::is_finite));
    }
}
