//! What Evidently 0.7.23 answers: types from the current data, its default method for each, its thresholds and errors.

use super::columns::{Paired, inferred, paired};
use super::method::{ColumnType, Method};
use super::report::{ColumnReport, DriftReport};
use super::sample::Sample;
use super::score::{Scored, score};
use super::{DriftError, parallel};
use pawl_data::pandas::{Frame, Series, SeriesValues};
use pawl_stats::drift::bins;

/// A reference with more rows than these is compared by distances, not by tests.
const MANY_ROWS: usize = 1000;
/// Numbers with no more values than these are compared as categories.
const FEW_VALUES: usize = 5;
/// Bins of the histogram that each numeric column is drawn with.
const DRAWN_BINS: usize = 10;
/// The share of drifted columns from which on the data has drifted.
const DRIFT_SHARE: f64 = 0.5;

/// Compares each column of `current` with the one of its name in `reference`; by `method` where it is given, which then has
/// to fit each column.
///
/// # Errors
/// What Evidently refuses: a column that the reference lacks, one without a value, texts against numbers, a method that
/// does not fit, numbers too far apart for a histogram, nothing to compare.
pub fn compare(
    reference: &Frame,
    current: &Frame,
    method: Option<Method>,
) -> Result<DriftReport, DriftError> {
    let columns = paired(reference, current, inferred)?;
    let found = parallel::each(&columns, |column| compare_column(column, method));
    let found: Vec<Compared> = found.into_iter().collect::<Result<_, _>>()?;
    Ok(report(found))
}

/// A column, and how it counts.
struct Compared {
    report: ColumnReport,
    /// Whether it is counted as drifted; None where it is not counted.
    counted: Option<bool>,
}

fn report(found: Vec<Compared>) -> DriftReport {
    let counted: Vec<bool> = found.iter().filter_map(|column| column.counted).collect();
    let drifted = counted.iter().filter(|drifted| **drifted).count();
    let share = if counted.is_empty() { 0.0 } else { drifted as f64 / counted.len() as f64 };
    let columns = found.into_iter().map(|column| column.report).collect();
    DriftReport { drifted: share >= DRIFT_SHARE, share, columns, left_out: Vec::new() }
}

fn compare_column(column: &Paired<'_>, method: Option<Method>) -> Result<Compared, DriftError> {
    let (name, kind) = (column.name(), column.kind);
    let (left, right) = column.samples()?;
    if let Some(method) = method.filter(|method| !method.fits(kind)) {
        return Err(DriftError::Unfit { column: name.to_owned(), method, kind });
    }
    if kind == ColumnType::Num {
        drawable(name, &left)?;
        drawable(name, &right)?;
    }
    let method_used = method.unwrap_or_else(|| default_method(kind, &left, &right));
    let scored = score(method_used, kind, &left, &right).map_err(|error| DriftError::Score {
        column: name.to_owned(),
        reason: error.to_string(),
    })?;
    let counted = match (kind, &column.reference.values) {
        // A reference of booleans is none of numbers when columns are counted.
        (ColumnType::Num, SeriesValues::Bool(_)) => None,
        _ => Some(counted(column, method).unwrap_or(scored.drifted)),
    };
    let report = ColumnReport::new(name, kind, method_used, scored.score, scored.drifted);
    Ok(Compared { report, counted })
}

/// Evidently draws each numeric column, and fails where that fails.
fn drawable(column: &str, sample: &Sample<'_>) -> Result<(), DriftError> {
    let Sample::Numbers(numbers) = sample else { return Ok(()) };
    let range = numbers.range();
    let (low, high) = if range.low == range.high {
        (range.low - 0.5, range.high + 0.5)
    } else {
        (range.low, range.high)
    };
    let drawn = match (high - low).is_finite() {
        true => bins::edges(low, high, DRAWN_BINS, false).map(drop),
        false => Err(bins::BinError::TooWide(low, high)),
    };
    drawn
        .map_err(|error| DriftError::Score { column: column.to_owned(), reason: error.to_string() })
}

fn default_method(kind: ColumnType, reference: &Sample<'_>, current: &Sample<'_>) -> Method {
    let is_large = reference.len() > MANY_ROWS;
    if kind == ColumnType::Text {
        return if is_large { Method::AbsText } else { Method::PercText };
    }
    let mut seen = Vec::new();
    reference.distinct(&mut seen, FEW_VALUES);
    if seen.len() <= FEW_VALUES {
        current.distinct(&mut seen, FEW_VALUES);
    }
    match (kind, is_large) {
        (ColumnType::Num, false) if seen.len() > FEW_VALUES => Method::Ks,
        (_, false) if seen.len() > 2 => Method::ChiSquare,
        (_, false) => Method::Z,
        (ColumnType::Num, true) if seen.len() > FEW_VALUES => Method::Wasserstein,
        (_, true) => Method::JensenShannon,
    }
}

/// When it counts columns, Evidently drops infinities only from a side that has a null as well. None where that makes no
/// difference, or where it fails to say anything.
fn counted(column: &Paired<'_>, method: Option<Method>) -> Option<bool> {
    let keeps = |series: &Series| match &series.values {
        SeriesValues::Float { values, .. } => {
            values.iter().any(|value| value.is_infinite())
                && !values.iter().any(|value| value.is_nan())
        }
        _ => false,
    };
    let (left, right) = (keeps(column.reference), keeps(column.current));
    if !left && !right {
        return None;
    }
    let reference = Sample::of(&column.reference.values, left)?;
    let current = Sample::of(&column.current.values, right)?;
    let method = method.unwrap_or_else(|| default_method(column.kind, &reference, &current));
    let scored: Option<Scored> = score(method, column.kind, &reference, &current).ok();
    scored.map(|scored| scored.drifted)
}
