//! Our own answer: how far apart two columns are, with an interval, so that the number of rows alone never makes drift.

use super::columns::{Paired, inferred_widely, paired};
use super::method::{ColumnType, Method};
use super::report::{ColumnReport, DriftReport, Rows, Status, Uncertainty};
use super::sample::Sample;
use super::score::{distance, histogram, score};
use super::{DriftError, parallel, text};
use pawl_data::pandas::{Frame, SeriesValues};
use pawl_stats::drift::interval::{Effect, Noise, effect};
use pawl_stats::multiplicity::benjamini_hochberg;

/// With fewer rows on either side nothing is said.
const MIN_ROWS: usize = 100;
/// The share of false claims among the columns that are said to have drifted.
const MAX_FALSE: f64 = 0.05;

/// Compares each column of `current` with the one of its name in `reference` by an effect size: Wasserstein's for numbers,
/// Jensen-Shannon's for categories, how well texts are told apart, or by `method` where it fits.
///
/// A column has drifted when the lower end of its interval is above the threshold, and still is after the adjustment for the
/// number of columns. The data has drifted when a column has.
///
/// # Errors
/// A column that the reference lacks or that has no value, texts against numbers, a method that does not fit.
pub fn compare_by_effect(
    reference: &Frame,
    current: &Frame,
    method: Option<Method>,
) -> Result<DriftReport, DriftError> {
    if let Some(method) = method.filter(|method| !method.is_effect()) {
        return Err(DriftError::NoEffect(method));
    }
    let columns = paired(reference, current, inferred_widely)?;
    let found = parallel::each(&columns, |column| compare_column(column, method));
    let mut found: Vec<Found> = found.into_iter().collect::<Result<_, _>>()?;
    adjust(&mut found);
    let columns: Vec<ColumnReport> = found.into_iter().map(|found| found.report).collect();
    let drifted = columns.iter().filter(|column| column.drifted).count();
    Ok(DriftReport {
        drifted: drifted > 0,
        share: drifted as f64 / columns.len() as f64,
        columns,
        left_out: left_out(current),
    })
}

/// A column before the adjustment.
struct Found {
    report: ColumnReport,
    effect: Option<Effect>,
}

/// Decides with regard to all columns that were tested.
fn adjust(found: &mut [Found]) {
    let p_values: Vec<f64> =
        found.iter().filter_map(|found| found.effect.map(|e| e.p_value)).collect();
    let mut adjusted = benjamini_hochberg(&p_values).into_iter();
    for column in found {
        let Some(effect) = column.effect else { continue };
        let p_value = adjusted.next().unwrap_or(1.0);
        let drifted = effect.low > column.report.threshold && p_value <= MAX_FALSE;
        column.report.drifted = drifted;
        if let Some(uncertainty) = &mut column.report.uncertainty {
            uncertainty.p_value = Some(p_value);
            uncertainty.status = if drifted { Status::Drifted } else { Status::Same };
        }
    }
}

fn compare_column(column: &Paired<'_>, method: Option<Method>) -> Result<Found, DriftError> {
    let (reference, current) = column.samples()?;
    let method = method.unwrap_or(match column.kind {
        ColumnType::Num => Method::Wasserstein,
        ColumnType::Cat => Method::JensenShannon,
        ColumnType::Text => Method::AbsText,
    });
    let name = column.name();
    if !method.fits(column.kind) {
        return Err(DriftError::Unfit { column: name.to_owned(), method, kind: column.kind });
    }
    let failed = |reason: String| DriftError::Score { column: name.to_owned(), reason };
    let rows = Rows { reference: reference.len(), current: current.len() };
    let is_enough = rows.reference.min(rows.current) >= MIN_ROWS;
    let (value, effect) = match (&reference, &current) {
        (Sample::Words(left), Sample::Words(right)) if method == Method::AbsText => {
            let told = text::told_apart(left, right);
            let noise = Noise { bias: 0.0, deviation: told.deviation };
            (told.auc, effect(told.auc, noise, method.threshold()))
        }
        _ => {
            let scored = score(method, column.kind, &reference, &current)
                .map_err(|e| failed(e.to_string()))?;
            let bins = histogram(method, column.kind, &reference, &current)
                .map_err(|e| failed(e.to_string()))?;
            let effect = bins.effect(distance(method), scored.score, method.threshold());
            (scored.score, effect)
        }
    };
    let mut report = ColumnReport::new(name, column.kind, method, value, false);
    let effect = is_enough.then_some(effect).filter(|effect| effect.p_value.is_finite());
    report.uncertainty = Some(Uncertainty {
        interval: effect.map(|effect| [effect.low, effect.high]),
        n: rows,
        p_value: None,
        status: Status::Insufficient,
    });
    Ok(Found { report, effect })
}

/// The columns of types that cannot be compared.
fn left_out(current: &Frame) -> Vec<String> {
    let is_left_out = |values: &SeriesValues| inferred_widely(values).is_none();
    let columns = current.columns.iter().filter(|series| is_left_out(&series.values));
    columns.map(|series| series.name.clone()).collect()
}
