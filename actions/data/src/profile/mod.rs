//! What a table holds, column by column: counts, range, moments, quantiles, different and frequent values, a histogram. One
//! pass in bounded memory, by all cores.

mod column;
mod shape;
pub(crate) mod sketch;
mod state;

use std::collections::HashMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::source::{Scan, ScanError, Source, Wanted};
use crate::table::{Origin, ReadError, Table};
use crate::validate::{Shard, cut};
use crate::value;
use column::ColumnState;

pub use state::{merge_profiles, profile_shard};

/// Bars of a histogram.
const BINS: usize = 10;

/// Frequent values that are named.
const NAMED: usize = 10;

/// Shares whose quantiles are told.
const QUANTILES: [(&str, f64); 7] = [
    ("0.01", 0.01),
    ("0.05", 0.05),
    ("0.25", 0.25),
    ("0.5", 0.5),
    ("0.75", 0.75),
    ("0.95", 0.95),
    ("0.99", 0.99),
];

/// Columns of a table in figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Number of data rows.
    pub rows: u64,
    /// One entry a column, in the table's order.
    pub columns: Vec<ColumnProfile>,
}

/// One column in figures. The numbers are of its finite numeric cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// The column's name.
    pub name: String,
    /// The physical type; for CSV and JSON the narrowest of `integer`, `number`, `boolean`, `date`, `timestamp`, `time` and
    /// `string` that reads every cell, `null` without any.
    #[serde(rename = "type")]
    pub kind: String,
    /// Cells that are not null.
    pub count: u64,
    /// Cells that are null.
    pub nulls: u64,
    /// Different values; estimated (standard error 0.8 %) unless `distinct_exact`.
    pub distinct: u64,
    /// Whether `distinct` is a count.
    pub distinct_exact: bool,
    /// Smallest number.
    pub min: Option<f64>,
    /// Largest number.
    pub max: Option<f64>,
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Standard deviation of a sample.
    pub sd: Option<f64>,
    /// Numbers that are NaN or infinite.
    pub not_finite: u64,
    /// Numbers below which a share of all is: at most 1/128 of themselves too near to zero.
    pub quantiles: IndexMap<String, f64>,
    /// Ten counts over equal parts from `min` to `max`; empty without numbers. Each part but the last excludes its
    /// upper end. Numbers within 1/128 of a part's end may be counted with the next one.
    pub histogram: Vec<u64>,
    /// First date or time.
    pub earliest: Option<String>,
    /// Last date or time.
    pub latest: Option<String>,
    /// Code points of the shortest text.
    pub min_length: Option<u64>,
    /// Code points of the longest text.
    pub max_length: Option<u64>,
    /// The most frequent values with at least how often each stands.
    pub top: Vec<(String, u64)>,
    /// By how much the counts of `top` may be too small.
    pub top_error: u64,
    /// A pattern that every text matches, where they share one form.
    pub pattern: Option<String>,
    /// Every value of a column with few of them, whole.
    #[serde(skip)]
    pub(crate) all: Vec<String>,
}

/// Different values up to which all are kept.
const FEW: usize = 50;

/// What one thread has learnt.
#[derive(Default)]
struct State {
    columns: Vec<(String, ColumnState)>,
    by_name: HashMap<String, usize>,
    rows: u64,
}

/// Profiles every column of a source.
///
/// # Errors
/// When it cannot be read.
pub fn profile(source: &Source, threads: usize) -> Result<Profile, ReadError> {
    Ok(read(source, threads, Shard { index: 0, count: 1 })?.finish())
}

/// What all threads have learnt of a shard.
fn read(source: &Source, threads: usize, shard: Shard) -> Result<State, ReadError> {
    let (threads, shard) = (threads.max(1), (shard.index, shard.count));
    let scan = Scan { source, wanted: Wanted::Every, threads, shard };
    let visit = |state: &mut State, _, _, table: &Table| -> Result<(), std::convert::Infallible> {
        state.visit(table);
        Ok(())
    };
    let (states, _) = scan.run(State::default, visit).map_err(|error| match error {
        ScanError::Read(error) => error,
        ScanError::Visit(never) => match never {},
    })?;
    let mut whole = State::default();
    states.into_iter().for_each(|state| whole.merge(state));
    Ok(whole)
}

impl Profile {
    /// Profiles a table in memory.
    #[must_use]
    pub fn of(table: &Table) -> Self {
        let mut state = State::default();
        state.visit(table);
        state.finish()
    }
}

impl State {
    fn visit(&mut self, table: &Table) {
        let mut key = Vec::new();
        for (index, name) in table.columns().iter().enumerate() {
            let typed = table.origin() == Origin::Typed;
            let physical = typed.then(|| table.physical_type(index).to_owned());
            let column = self.column(name);
            column.physical = column.physical.take().or(physical);
            for row in 0..table.rows() {
                if let Some(cell) = table.value(row, index) {
                    column.add(&cell, table.origin(), &mut key);
                }
            }
        }
        self.rows += table.rows() as u64;
        self.fill();
    }

    /// The column of a name.
    fn column(&mut self, name: &str) -> &mut ColumnState {
        let index = *self.by_name.entry(name.to_owned()).or_insert_with(|| {
            self.columns.push((name.to_owned(), ColumnState::default()));
            self.columns.len() - 1
        });
        &mut self.columns[index].1
    }

    /// A row that has no value in a column is null there, whether it says so or lacks the key.
    fn fill(&mut self) {
        for (_, column) in &mut self.columns {
            column.nulls = self.rows - column.count;
        }
    }

    fn merge(&mut self, other: Self) {
        for (name, state) in other.columns {
            self.column(&name).merge(state);
        }
        self.rows += other.rows;
        self.fill();
    }

    fn finish(self) -> Profile {
        let columns =
            self.columns.into_iter().map(|(name, column)| finished(name, &column)).collect();
        Profile { rows: self.rows, columns }
    }
}

fn finished(name: String, column: &ColumnState) -> ColumnProfile {
    let kind = column.kind().to_owned();
    // A text column with a few numbers in it is no numeric column.
    let numeric = matches!(kind.as_str(), "integer" | "number");
    let ascending = if numeric { column.buckets.ascending() } else { Vec::new() };
    let range = column.least.zip(column.most).filter(|_| numeric);
    let dated = matches!(kind.as_str(), "date" | "timestamp" | "time");
    let texts = kind == "string";
    let quantiles = range.map_or_else(IndexMap::new, |(least, most)| {
        let one = |(name, share): &(&str, f64)| {
            ((*name).to_owned(), sketch::quantile(&ascending, *share, least, most))
        };
        QUANTILES.iter().map(one).collect()
    });
    let named = |(key, count): &(&[u8], u64)| {
        let value = value::decode(key).0;
        (value.map_or_else(String::new, |value| cut(&value.display())), *count)
    };
    ColumnProfile {
        name,
        count: column.count,
        nulls: column.nulls,
        distinct: column.distinct.estimate(),
        distinct_exact: column.distinct.is_exact(),
        min: range.map(|range| range.0),
        max: range.map(|range| range.1),
        mean: column.mean().filter(|_| numeric),
        sd: column.moments.sd().filter(|_| numeric),
        not_finite: if numeric { column.not_finite } else { 0 },
        quantiles,
        histogram: range.map_or_else(Vec::new, |(least, most)| histogram(&ascending, least, most)),
        earliest: column.earliest.as_ref().filter(|_| dated).map(|(_, text)| text.clone()),
        latest: column.latest.as_ref().filter(|_| dated).map(|(_, text)| text.clone()),
        min_length: column.shortest.filter(|_| texts),
        max_length: column.longest.filter(|_| texts),
        top: column.frequent.descending().iter().take(NAMED).map(named).collect(),
        top_error: column.frequent.lost,
        pattern: column.shape.pattern().filter(|_| texts),
        all: all(column),
        kind,
    }
}

/// All values, where there are few and none was lost.
fn all(column: &ColumnState) -> Vec<String> {
    let values = column.frequent.descending();
    if values.len() > FEW || column.frequent.lost > 0 {
        return Vec::new();
    }
    let text = |key: &[u8]| value::decode(key).0.map(|value| value.display().into_owned());
    values.iter().filter_map(|(key, _)| text(key)).collect()
}

fn histogram(ascending: &[(f64, u64)], min: f64, max: f64) -> Vec<u64> {
    let mut bins = vec![0; BINS];
    // Halves, because the width of the whole range may be infinite.
    let width = max / 2.0 - min / 2.0;
    for (number, count) in ascending {
        let number = number.clamp(min, max);
        let share = if width > 0.0 { (number / 2.0 - min / 2.0) / width } else { 0.0 };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share is from 0 to 1"
        )]
        let bin = (share * BINS as f64) as usize;
        bins[bin.min(BINS - 1)] += count;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::{Profile, profile};
    use crate::source::Source;
    use crate::table::{Format, Table};

    fn of(csv: &str) -> Profile {
        let table = Table::from_bytes("t.csv", Format::Csv { delimiter: b',' }, csv.into());
        Profile::of(&table.expect("a table"))
    }

    #[test]
    fn columns_are_told_apart_and_counted() {
        let profile = of(
            "i,n,b,s,e,d,t\n0,0.5,true,a,,2024-01-31,2024-01-01T00:00:00Z\n10,nan,False,1,,2023-12-31,2024-01-01T02:00:00+01:00\n5,,true,\"\",,,\n",
        );
        let kinds: Vec<&str> = profile.columns.iter().map(|column| column.kind.as_str()).collect();
        assert_eq!(kinds, ["integer", "number", "boolean", "string", "null", "date", "timestamp"]);
        let i = &profile.columns[0];
        assert_eq!((i.min, i.max, i.mean, i.sd), (Some(0.0), Some(10.0), Some(5.0), Some(5.0)));
        assert_eq!(i.histogram, [1, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!((i.quantiles["0.5"], i.distinct, i.distinct_exact), (5.0, 3, true));
        let n = &profile.columns[1];
        assert_eq!((n.count, n.nulls, n.mean, n.not_finite), (2, 1, Some(0.5), 1));
        assert_eq!(profile.columns[2].top, [("true".to_owned(), 2), ("False".to_owned(), 1)]);
        assert_eq!((profile.columns[3].mean, profile.columns[4].nulls), (None, 3));
        assert_eq!(profile.columns[5].earliest.as_deref(), Some("2023-12-31"));
        assert_eq!(profile.columns[6].latest.as_deref(), Some("2024-01-01T01:00:00Z"));
    }

    #[test]
    fn the_widest_range_does_not_overflow() {
        let profile = of("a\n-1.7e308\n1.7e308\n");
        assert_eq!(profile.columns[0].histogram, [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn threads_and_parts_change_nothing_that_is_exact() {
        let mut text = String::from("a,b\n");
        (0..200_000).for_each(|row| text.push_str(&format!("{},n{}\n", row % 1000, row)));
        let source = Source::from_bytes("t.csv", Format::Csv { delimiter: b',' }, text.into());
        let one = profile(&source, 1).expect("read");
        let many = profile(&source, 3).expect("read");
        assert_eq!((one.rows, &one.columns[0].histogram), (200_000, &many.columns[0].histogram));
        assert_eq!(one.columns[0].mean, many.columns[0].mean);
        assert_eq!(one.columns[1].distinct, many.columns[1].distinct);
        let (a, b) = (one.columns[0].sd.expect("numbers"), many.columns[0].sd.expect("numbers"));
        assert!((a - b).abs() < 1e-9 && (a - 288.675_78).abs() < 1e-3, "{a} {b}");
    }

    #[test]
    fn keys_of_json_that_come_late_were_null_before() {
        let text = b"{\"a\":1}\n{\"b\":\"x\"}\n".to_vec();
        let profile = profile(&Source::from_bytes("t.jsonl", Format::JsonLines, text), 1);
        let columns = profile.expect("read").columns;
        let facts: Vec<_> =
            columns.iter().map(|c| (c.name.as_str(), c.kind.as_str(), c.nulls)).collect();
        assert_eq!(facts, [("a", "integer", 1), ("b", "string", 1)]);
    }
}
