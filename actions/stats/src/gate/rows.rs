//! The rows a gate judges, and what is wrong with them.

use super::inference::{Evidence, Method};
use super::{Comparison, MetricKind, TestKind, Verdict};

/// What a model said of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The predicted class.
    pub label: u32,
    /// The probability (for ROC AUC any score) of class 1, if the model gives one.
    pub probability: Option<f64>,
}

/// One row with the predictions of both models.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedRow {
    /// The true class.
    pub y_true: u32,
    /// The model in production; none on every row when there is none.
    pub baseline: Option<Prediction>,
    /// The model that wants to replace it.
    pub candidate: Prediction,
    /// Positive weight, on every row or on none. Only for means (accuracy, log-loss, Brier).
    pub weight: Option<f64>,
    /// Rows of one cluster are not independent; on every row or on none. Only for means.
    pub cluster: Option<u64>,
}

/// Rows whose correctness changes, by their position: the candidates for a must-not-break list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flips {
    /// Baseline wrong, candidate right.
    pub fixed: Vec<usize>,
    /// Baseline right, candidate wrong.
    pub broken: Vec<usize>,
}

/// The rows that the candidate fixes and breaks. Rows without a baseline are neither.
pub fn flips(rows: &[PairedRow]) -> Flips {
    let mut flips = Flips::default();
    for (i, row) in rows.iter().enumerate() {
        let Some(baseline) = row.baseline else { continue };
        match (baseline.label == row.y_true, row.candidate.label == row.y_true) {
            (false, true) => flips.fixed.push(i),
            (true, false) => flips.broken.push(i),
            _ => {}
        }
    }
    flips
}

/// A verdict reached without a test, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stop {
    pub(super) verdict: Verdict,
    pub(super) reason: String,
}

impl Stop {
    pub(super) fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into() }
    }

    fn error(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Error, reason)
    }
}

/// Each class must have this many rows before an area or a confusion count is judged.
const MIN_CLASS_ROWS: usize = 10;

/// Whether the rows may be judged at all: errors first, then what is missing, then whether there are enough.
pub(super) fn screen(comparison: &Comparison, rows: &[PairedRow]) -> Result<(), Stop> {
    check_question(comparison)?;
    check_columns(comparison.metric, rows)?;
    check_numbers(comparison.metric, rows)
}

fn check_question(comparison: &Comparison) -> Result<(), Stop> {
    let Comparison { alpha, margin, test, .. } = *comparison;
    if !(alpha > 0.0 && alpha < 0.5) {
        return Err(Stop::error(format!("alpha {alpha} is not between 0 and 0.5")));
    }
    if !margin.is_finite() {
        return Err(Stop::error(format!("margin {margin} is not a finite number")));
    }
    match test {
        TestKind::Noninferiority if margin < 0.0 => {
            Err(Stop::error(format!("margin {margin} is negative; superiority is its own test")))
        }
        TestKind::Superiority if margin != 0.0 => {
            Err(Stop::error(format!("superiority takes no margin, got {margin}")))
        }
        TestKind::Equivalence if margin <= 0.0 => {
            Err(Stop::error(format!("equivalence needs a margin above 0, got {margin}")))
        }
        _ => Ok(()),
    }
}

/// A column is on every row or on none.
fn check_columns(metric: MetricKind, rows: &[PairedRow]) -> Result<(), Stop> {
    all_or_none("baseline prediction", rows, |row| row.baseline.is_some())?;
    let weighted = all_or_none("weight", rows, |row| row.weight.is_some())?;
    let clustered = all_or_none("cluster", rows, |row| row.cluster.is_some())?;
    if (weighted || clustered) && !metric.is_mean() {
        return Err(Stop::error(
            "weights and clusters have no meaning for a metric that is no mean over rows",
        ));
    }
    Ok(())
}

/// Whether the rows have the column.
fn all_or_none(name: &str, rows: &[PairedRow], has: fn(&PairedRow) -> bool) -> Result<bool, Stop> {
    let count = rows.iter().filter(|row| has(row)).count();
    if count != 0 && count != rows.len() {
        return Err(Stop::error(format!(
            "{count} of {} rows have a {name}: all or none must",
            rows.len()
        )));
    }
    Ok(count > 0)
}

fn check_numbers(metric: MetricKind, rows: &[PairedRow]) -> Result<(), Stop> {
    for (i, row) in rows.iter().enumerate() {
        check_prediction(metric, i, "candidate", &row.candidate)?;
        if let Some(baseline) = &row.baseline {
            check_prediction(metric, i, "baseline", baseline)?;
        }
        if row.weight.is_some_and(|weight| !(weight.is_finite() && weight > 0.0)) {
            return Err(Stop::error(format!(
                "row {i}: the weight is not a positive finite number"
            )));
        }
        if metric.needs_two_classes() && row.y_true > 1 {
            return Err(Stop::error(format!(
                "row {i}: class {} where only 0 and 1 make sense",
                row.y_true
            )));
        }
    }
    Ok(())
}

fn check_prediction(
    metric: MetricKind,
    i: usize,
    model: &str,
    prediction: &Prediction,
) -> Result<(), Stop> {
    if metric.is_confusion() && prediction.label > 1 {
        let label = prediction.label;
        return Err(Stop::error(format!(
            "row {i}: the {model} predicts class {label} where only 0 and 1 make sense"
        )));
    }
    let Some(p) = prediction.probability else { return Ok(()) };
    if !p.is_finite() {
        return Err(Stop::error(format!("row {i}: the {model} predicts {p}, not a finite number")));
    }
    let proper = metric == MetricKind::LogLoss || metric == MetricKind::Brier;
    if proper && !(0.0..=1.0).contains(&p) {
        return Err(Stop::error(format!("row {i}: the {model} predicts {p}, not a probability")));
    }
    Ok(())
}

/// Refuses rows from which the metric of one model cannot be computed.
pub(super) fn require_values(
    metric: MetricKind,
    rows: &[PairedRow],
    model: &str,
    pick: fn(&PairedRow) -> Option<Prediction>,
) -> Result<(), Stop> {
    let missing = |row: &&PairedRow| pick(row).is_none_or(|p| p.probability.is_none());
    let count = rows.iter().filter(missing).count();
    if metric.needs_probability() && count > 0 {
        let reason = format!(
            "the metric cannot be computed: {count} rows lack a probability of the {model}"
        );
        return Err(Stop::new(Verdict::Fail, reason));
    }
    Ok(())
}

/// Refuses too few rows, clusters, positives or negatives.
pub(super) fn require_rows(comparison: &Comparison, rows: &[PairedRow]) -> Result<(), Stop> {
    let few = |what: &str, have: usize, need: usize| {
        let lack = need - have;
        let reason = format!("{have} {what}, at least {need} needed: {lack} more {what} needed");
        Err(Stop::new(Verdict::Inconclusive, reason))
    };
    // No statistic here is defined below two rows, whatever is asked for.
    let min_n = comparison.min_n.max(2);
    if rows.len() < min_n {
        return few("rows", rows.len(), min_n);
    }
    if rows.iter().any(|row| row.cluster.is_some()) {
        let clusters: std::collections::BTreeSet<_> = rows.iter().map(|row| row.cluster).collect();
        if clusters.len() < MIN_CLASS_ROWS {
            return few("clusters", clusters.len(), MIN_CLASS_ROWS);
        }
    }
    if comparison.metric.ranks_or_counts_classes() {
        let positives = rows.iter().filter(|row| row.y_true == 1).count();
        if positives < MIN_CLASS_ROWS {
            return few("positives", positives, MIN_CLASS_ROWS);
        }
        if rows.len() - positives < MIN_CLASS_ROWS {
            return few("negatives", rows.len() - positives, MIN_CLASS_ROWS);
        }
    }
    Ok(())
}

/// A bootstrap that rests on fewer differing rows than this is not trusted.
const MIN_DISCORDANT_ROWS: usize = 10;

/// Refuses a bootstrap of models that differ on too few rows, or of a value without any spread.
pub(super) fn require_spread(evidence: &Evidence) -> Result<(), Stop> {
    let Method::Bootstrap(bootstrap) = &evidence.method else { return Ok(()) };
    let inconclusive = |reason: String| Err(Stop::new(Verdict::Inconclusive, reason));
    match evidence.discordant {
        Some(rows) if rows < MIN_DISCORDANT_ROWS => inconclusive(format!(
            "the models differ on {rows} rows, at least {MIN_DISCORDANT_ROWS} needed for a bootstrap; accuracy has an exact test"
        )),
        None if bootstrap.standard_error() == 0.0 => {
            inconclusive("no resample differs from the sample, so its error is unknown".to_owned())
        }
        _ => Ok(()),
    }
}
