//! Parting a table into training and test rows, so that no row is on both sides.
//!
//! Rows that are identical (or agree in the columns named by [`SplitOptions::group`]) stay together: the overlap of
//! the two sides is zero by construction, and it is counted afterwards all the same.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::contract::Kind;
use crate::keys::{KeyReader, KeySet};
use crate::label::{CellError, LabelRule};
use crate::table::Table;

/// How a table is to be parted.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitOptions {
    /// Share of the rows that become test rows, between 0 and 1, both excluded.
    pub test_fraction: f64,
    /// The same seed parts the same table the same way, everywhere.
    pub seed: u64,
    /// Keeps the share of positive rows alike on both sides.
    pub label: Option<LabelRule>,
    /// Rows that agree in these columns stay on one side; without any, identical rows do.
    pub group: Vec<String>,
}

/// Which rows (from 0, ascending) are on which side.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Rows to learn from.
    pub train: Vec<usize>,
    /// Rows to judge by.
    pub test: Vec<usize>,
    /// The figures.
    pub report: SplitReport,
}

/// Figures of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitReport {
    /// Rows of the table.
    pub rows: usize,
    /// Rows on the training side.
    pub train_rows: usize,
    /// Rows on the test side.
    pub test_rows: usize,
    /// The share asked for.
    pub test_fraction: f64,
    /// The seed used.
    pub seed: u64,
    /// The label rule, if one was given.
    pub label: Option<String>,
    /// Positive rows on the training side, with a label rule.
    pub train_positive: Option<usize>,
    /// Positive rows on the test side, with a label rule.
    pub test_positive: Option<usize>,
    /// Columns by which rows stay together; empty for whole rows.
    pub group: Vec<String>,
    /// Groups of rows that stayed together (single rows among them).
    pub groups: usize,
    /// Rows that an earlier row of the same group made a repetition.
    pub duplicate_rows: usize,
    /// Rows of the largest group.
    pub largest_group: usize,
    /// Test rows whose group is also on the training side, counted after the split: always 0.
    pub overlap: usize,
}

/// Why a table cannot be parted: the user's data or options, except for `Overlap` (our fault).
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// The share is not between 0 and 1.
    #[error("test fraction {0} is not between 0 and 1")]
    Fraction(f64),
    /// There is nothing to part.
    #[error("{table} has a header but no rows")]
    NoRows {
        /// The table's name.
        table: String,
    },
    /// One side would have no row.
    #[error(
        "the {side} side would be empty: {rows} rows in {groups} groups that stay together cannot be parted so; use another fraction or more data"
    )]
    Empty {
        /// `training` or `test`.
        side: &'static str,
        /// Rows of the table.
        rows: usize,
        /// Groups of rows.
        groups: usize,
    },
    /// A label or a column is missing.
    #[error(transparent)]
    Cell(#[from] CellError),
    /// The sides share rows although they must not.
    #[error("{0} test rows are also training rows (this is a defect of the split itself)")]
    Overlap(usize),
}

/// Rows of one table that are also in another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// How many rows of the second table the first one has, too.
    pub rows: usize,
    /// The first five of them: row in the second table and first equal row in the first one, counted from 1.
    pub samples: Vec<(usize, usize)>,
}

/// Overlapping rows shown.
const SAMPLES: usize = 5;

/// Parts a table. The result depends on nothing but the table's cells and the options.
///
/// # Errors
/// See [`SplitError`].
pub fn split(table: &Table, options: &SplitOptions) -> Result<Split, SplitError> {
    let fraction = options.test_fraction;
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(SplitError::Fraction(fraction));
    }
    if table.rows() == 0 {
        return Err(SplitError::NoRows { table: table.source().to_owned() });
    }
    let labels = options.label.as_ref().map(|label| label.labels(table)).transpose()?;
    let reader = row_reader(table, &options.group)?;
    let groups = group_rows(&reader, table.rows());
    let mut in_test = vec![false; table.rows()];
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut before = 0;
    for stratum in strata(&groups, labels.as_deref()) {
        let after = before + stratum.iter().map(|&group| groups[group].len()).sum::<usize>();
        // Shares are rounded as sums, so that the strata together have the share asked for.
        let wanted = share(after, fraction) - share(before, fraction);
        before = after;
        for group in choose(stratum, &groups, wanted, &mut rng) {
            groups[group].iter().for_each(|&row| in_test[row] = true);
        }
    }
    let (test, train): (Vec<usize>, Vec<usize>) = (0..table.rows()).partition(|&row| in_test[row]);
    for (side, rows) in [("training", &train), ("test", &test)] {
        if rows.is_empty() {
            return Err(SplitError::Empty { side, rows: table.rows(), groups: groups.len() });
        }
    }
    let overlap = shared_rows(&reader, &train, &test);
    if overlap > 0 {
        return Err(SplitError::Overlap(overlap));
    }
    let positive = |rows: &[usize]| {
        labels.as_ref().map(|labels| rows.iter().filter(|&&row| labels[row]).count())
    };
    let report = SplitReport {
        rows: table.rows(),
        train_rows: train.len(),
        test_rows: test.len(),
        test_fraction: fraction,
        seed: options.seed,
        label: options.label.as_ref().map(ToString::to_string),
        train_positive: positive(&train),
        test_positive: positive(&test),
        group: options.group.clone(),
        groups: groups.len(),
        duplicate_rows: table.rows() - groups.len(),
        largest_group: groups.iter().map(Vec::len).max().unwrap_or(0),
        overlap,
    };
    Ok(Split { train, test, report })
}

/// Counts the rows of `other` that `table` has, compared on `columns` (all of `table` when empty).
///
/// # Errors
/// A column that one of the tables lacks.
pub fn overlap(table: &Table, other: &Table, columns: &[String]) -> Result<Overlap, CellError> {
    let columns = if columns.is_empty() { table.columns() } else { columns };
    let mut known = KeySet::all(row_reader(table, columns)?);
    let reader = row_reader(other, columns)?;
    let mut found = Overlap { rows: 0, samples: Vec::new() };
    let mut buffer = Vec::new();
    for row in 0..other.rows() {
        reader.read(row, &mut buffer);
        if let Some(first) = known.first(&buffer) {
            found.rows += 1;
            if found.samples.len() < SAMPLES {
                found.samples.push((row + 1, first + 1));
            }
        }
    }
    Ok(found)
}

fn row_reader<'t>(table: &'t Table, names: &[String]) -> Result<KeyReader<'t>, CellError> {
    let columns: Vec<usize> = if names.is_empty() {
        (0..table.columns().len()).collect()
    } else {
        let find =
            |name: &String| table.column(name).ok_or_else(|| CellError::no_column(table, name));
        names.iter().map(find).collect::<Result<_, _>>()?
    };
    Ok(KeyReader::whole_rows(
        table,
        columns.into_iter().map(|column| (column, Kind::Untyped)).collect(),
    ))
}

/// Rows that stay together, groups in the order of their first rows.
fn group_rows(reader: &KeyReader<'_>, rows: usize) -> Vec<Vec<usize>> {
    let mut set = KeySet::new(reader.clone());
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut group_of = vec![0; rows];
    let mut buffer = Vec::new();
    for row in 0..rows {
        reader.read(row, &mut buffer);
        match set.insert(row, &buffer) {
            Some(first) => groups[group_of[first]].push(row),
            None => {
                group_of[row] = groups.len();
                groups.push(vec![row]);
            }
        }
    }
    groups
}

/// Groups by the label that most of their rows have; one stratum without labels.
fn strata(groups: &[Vec<usize>], labels: Option<&[bool]>) -> Vec<Vec<usize>> {
    let Some(labels) = labels else { return vec![(0..groups.len()).collect()] };
    let mostly_positive = |group: &usize| {
        let positive = groups[*group].iter().filter(|&&row| labels[row]).count();
        2 * positive > groups[*group].len()
    };
    let (positive, negative): (Vec<usize>, Vec<usize>) =
        (0..groups.len()).partition(mostly_positive);
    vec![negative, positive]
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a table has fewer than 2^32 rows and the fraction is between 0 and 1"
)]
fn share(rows: usize, fraction: f64) -> usize {
    (rows as f64 * fraction).round() as usize
}

/// Groups of a stratum in random order, as many as fit into `left` rows.
fn choose(
    mut stratum: Vec<usize>,
    groups: &[Vec<usize>],
    mut left: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<usize> {
    shuffle(&mut stratum, rng);
    stratum.retain(|&group| {
        let fits = groups[group].len() <= left;
        if fits {
            left -= groups[group].len();
        }
        fits
    });
    stratum
}

/// Fisher and Yates, written out so that an update of a library cannot change a split.
fn shuffle(items: &mut [usize], rng: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last + 1, rng));
    }
}

/// A number below `bound`, all equally likely; numbers of an incomplete last round are drawn again.
fn below(bound: usize, rng: &mut ChaCha8Rng) -> usize {
    let bound = bound as u64;
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let number = rng.next_u64();
        if number < limit {
            return usize::try_from(number % bound).expect("below a usize");
        }
    }
}

/// Test rows whose key a training row has.
fn shared_rows(reader: &KeyReader<'_>, train: &[usize], test: &[usize]) -> usize {
    let mut known = KeySet::new(reader.clone());
    let mut buffer = Vec::new();
    for &row in train {
        reader.read(row, &mut buffer);
        known.insert(row, &buffer);
    }
    let mut shared = |row: &&usize| {
        reader.read(**row, &mut buffer);
        known.first(&buffer).is_some()
    };
    test.iter().filter(|row| shared(row)).count()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

    use super::{SplitError, SplitOptions, overlap, split};
    use crate::table::{Format, Table};

    fn table(csv: &str) -> Table {
        Table::from_bytes("t.csv", Format::Csv { delimiter: b',' }, csv.into()).expect("a table")
    }

    fn options(test_fraction: f64, seed: u64, label: Option<&str>) -> SplitOptions {
        let label = label.map(|label| label.parse().expect("a rule"));
        SplitOptions { test_fraction, seed, label, group: Vec::new() }
    }

    fn numbered(rows: usize) -> Table {
        table(&format!(
            "id,y\n{}",
            (0..rows).map(|row| format!("{row},{}\n", row % 4)).collect::<String>()
        ))
    }

    #[test]
    fn the_same_seed_parts_the_same_way_and_another_one_differently() {
        let table = numbered(1000);
        let first = split(&table, &options(0.25, 7, Some("y > 0"))).expect("splits");
        assert_eq!(first, split(&table, &options(0.25, 7, Some("y > 0"))).expect("splits"));
        assert_ne!(
            first.test,
            split(&table, &options(0.25, 8, Some("y > 0"))).expect("splits").test
        );
        // Pins the stream of the generator: a change here changes every user's split.
        assert_eq!(&first.test[..6], &PINNED);
        assert_eq!((first.report.train_rows, first.report.test_rows), (750, 250));
        assert_eq!(
            (first.report.train_positive, first.report.test_positive),
            (Some(563), Some(187))
        );
    }

    const PINNED: [usize; 6] = [8, 10, 21, 22, 25, 28];

    #[test]
    fn what_cannot_be_parted_says_so() {
        let wrong = |fraction| {
            matches!(split(&numbered(4), &options(fraction, 1, None)), Err(SplitError::Fraction(_)))
        };
        assert!(wrong(0.0) && wrong(1.0) && wrong(f64::NAN));
        let same = table("a\n1\n1\n1\n");
        assert!(matches!(
            split(&same, &options(0.5, 1, None)),
            Err(SplitError::Empty { side: "test", rows: 3, groups: 1 })
        ));
        let none = split(&table("a\n"), &options(0.5, 1, None)).expect_err("no rows");
        assert_eq!(none.to_string(), "t.csv has a header but no rows");
        assert!(split(&table("a\n\n1\n"), &options(0.5, 1, Some("a > 0"))).is_err());
    }

    #[test]
    fn rows_stay_together_by_the_columns_named() {
        let table = table("p,v\na,1\na,2\nb,1\nb,2\nc,1\nc,2\nd,1\nd,2\n");
        let grouped = SplitOptions { group: vec!["p".into()], ..options(0.5, 3, None) };
        let parted = split(&table, &grouped).expect("splits");
        let side = |rows: &[usize]| rows.iter().map(|row| row / 2).collect::<HashSet<_>>();
        assert!(side(&parted.train).is_disjoint(&side(&parted.test)));
        assert_eq!(
            (parted.report.groups, parted.report.largest_group, parted.report.duplicate_rows),
            (4, 2, 4)
        );
    }

    #[test]
    fn overlap_of_two_tables_counts_rows_of_the_second() {
        let train = table("a,b\n1,x\n2,\n3,z\n");
        let test = table("b,a\nx,1\nx,1\n,2\n\"\",2\nz,4\n");
        let columns = ["a".to_owned(), "b".to_owned()];
        let found = overlap(&train, &test, &columns).expect("both have the columns");
        assert_eq!((found.rows, found.samples), (3, vec![(1, 1), (2, 1), (3, 2)]));
        assert!(overlap(&train, &test, &["c".to_owned()]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_row_is_on_one_side_and_no_value_on_both(
            values in proptest::collection::vec(0_u8..20, 2..200), seed: u64, fraction in 0.1_f64..0.9,
        ) {
            let table = table(&format!("v\n{}", values.iter().map(|v| format!("{v}\n")).collect::<String>()));
            let Ok(parted) = split(&table, &options(fraction, seed, Some("v > 9"))) else { return Ok(()) };
            let mut all: Vec<usize> = parted.train.iter().chain(&parted.test).copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..values.len()).collect::<Vec<_>>());
            let side = |rows: &[usize]| rows.iter().map(|&row| values[row]).collect::<HashSet<_>>();
            prop_assert!(side(&parted.train).is_disjoint(&side(&parted.test)));
            let most = (values.len() as f64 * fraction).round() + 1.0;
            prop_assert!(parted.test.len() as f64 <= most);
        }
    }
}
