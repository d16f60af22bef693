//! From a question and rows to a report.

use super::decide::{Case, Limits, decide, explain};
use super::inference::{Evidence, Method, gather};
use super::rows::{PairedRow, Stop, require_rows, require_spread, require_values, screen};
use super::{Comparison, ComparisonReport, TestKind, Verdict};
use crate::outcome::Interval;
use crate::power::minimum_detectable;

/// Probability with which the printed minimum detectable effect and row counts detect a difference.
const POWER: f64 = 0.8;

/// Judges the candidate on the rows. Never panics, never passes on a NaN; whatever is wrong is in the verdict:
///
/// 1. *error*: the question makes no sense, a prediction is NaN or infinite, a column is there on some rows only;
/// 2. *fail*: the metric needs probabilities that are missing;
/// 3. *no-baseline*: no row has a baseline and the test is relative;
/// 4. *inconclusive*: fewer than `min_n` rows, or (areas and confusion counts) ten of either class, or (bootstrap) ten rows
///    on which the models differ;
/// 5. identical predictions: *pass*, "no behavioural change" — for superiority *inconclusive*, as a model is not
///    better than itself;
/// 6. else the test: see the [module](super).
pub fn compare(comparison: &Comparison, rows: &[PairedRow]) -> ComparisonReport {
    judge(comparison, rows).report
}

/// A report with what the slices need besides.
pub(super) struct Judged {
    pub(super) report: ComparisonReport,
    /// P-value of "outside the limits", if a test was made.
    pub(super) p_outside: Option<f64>,
    /// Whether there were rows enough to judge.
    pub(super) enough: bool,
}

pub(super) fn judge(comparison: &Comparison, rows: &[PairedRow]) -> Judged {
    let mut report = blank(comparison, rows.len());
    let sound = screen(comparison, rows).and_then(|()| computable(comparison, rows));
    if let Err(stop) = sound {
        return stopped(report, stop, true);
    }
    let absolute = comparison.test == TestKind::Absolute;
    if !absolute && !rows.is_empty() && rows.iter().all(|row| row.baseline.is_none()) {
        report.candidate = first_value(comparison, rows);
        let reason = "there is no baseline to compare with: this is the first model";
        return stopped(report, Stop::new(Verdict::NoBaseline, reason), true);
    }
    let evidence = if rows.len() < 2 { None } else { gather(comparison, rows) };
    if let Some(evidence) = &evidence {
        describe(comparison, evidence, &mut report);
    }
    if let Err(stop) = require_rows(comparison, rows) {
        return stopped(report, stop, false);
    }
    let Some(evidence) = evidence else {
        let reason = "too few rows or clusters for an estimate";
        return stopped(report, Stop::new(Verdict::Inconclusive, reason), false);
    };
    if evidence.identical && !absolute {
        report.discordant = Some(0);
        report.difference = Some(0.0);
        return stopped(report, unchanged(comparison.test), true);
    }
    if let Err(stop) = require_spread(&evidence) {
        return stopped(report, stop, true);
    }
    let p_outside = Some(test(comparison, &evidence.method, &mut report));
    Judged { report, p_outside, enough: true }
}

fn stopped(mut report: ComparisonReport, stop: Stop, enough: bool) -> Judged {
    report.verdict = stop.verdict;
    report.reason = stop.reason;
    Judged { report, p_outside: None, enough }
}

fn blank(comparison: &Comparison, n: usize) -> ComparisonReport {
    ComparisonReport {
        metric: comparison.metric,
        slice: comparison.slice.clone(),
        test: comparison.test,
        n,
        discordant: None,
        baseline: None,
        candidate: None,
        difference: None,
        interval: None,
        margin: finite(comparison.margin),
        statistic: None,
        p_value: None,
        mde: None,
        verdict: Verdict::Error,
        reason: String::new(),
    }
}

fn finite(value: f64) -> Option<f64> {
    // Adding zero makes minus zero plain zero.
    value.is_finite().then_some(value + 0.0)
}

fn computable(comparison: &Comparison, rows: &[PairedRow]) -> Result<(), Stop> {
    let metric = comparison.metric;
    require_values(metric, rows, "candidate", |row| Some(row.candidate))?;
    let relative = comparison.test != TestKind::Absolute;
    if relative && rows.iter().any(|row| row.baseline.is_some()) {
        require_values(metric, rows, "baseline", |row| row.baseline)?;
    }
    Ok(())
}

/// The value of a first model, for the record.
fn first_value(comparison: &Comparison, rows: &[PairedRow]) -> Option<f64> {
    let alone = Comparison { test: TestKind::Absolute, ..comparison.clone() };
    if rows.len() < 2 {
        return None;
    }
    finite(gather(&alone, rows)?.candidate)
}

fn describe(comparison: &Comparison, evidence: &Evidence, report: &mut ComparisonReport) {
    report.baseline = evidence.baseline.and_then(finite);
    report.candidate = finite(evidence.candidate);
    if comparison.test != TestKind::Absolute {
        report.discordant = evidence.discordant;
        report.difference = finite(evidence.method.estimate());
    }
}

fn unchanged(test: TestKind) -> Stop {
    if test == TestKind::Superiority {
        let reason = "no behavioural change: a model cannot be shown to be better than itself";
        return Stop::new(Verdict::Inconclusive, reason);
    }
    Stop::new(Verdict::Pass, "no behavioural change")
}

/// Runs the test into the report; the p-value of "outside the limits" (on either side) comes back.
fn test(comparison: &Comparison, method: &Method, report: &mut ComparisonReport) -> f64 {
    let alpha = comparison.alpha;
    let absolute = comparison.test == TestKind::Absolute;
    let margin =
        if absolute { comparison.metric.signed(comparison.margin) } else { comparison.margin };
    let limits = Limits::of(comparison.test, margin);
    let above = method.p_greater(limits.lower);
    let p_value = limits.upper.map_or(above, |upper| above.max(method.p_less(upper)));
    let interval = method.interval(alpha);
    let mde = minimum_detectable(method.standard_error(), alpha, POWER);
    report.verdict = decide(limits, alpha, p_value, interval);
    report.reason = explain(
        report.verdict,
        &Case {
            test: comparison.test,
            ceiling: absolute && comparison.metric.is_loss(),
            limits,
            alpha,
            power: POWER,
            n: report.n,
            estimate: method.estimate(),
            standard_error: method.null_standard_error(),
            mde,
            p_value,
            interval,
        },
    );
    let shown = if absolute && comparison.metric.is_loss() { interval.negated() } else { interval };
    report.interval = printable(shown);
    if limits.upper.is_none() {
        report.statistic = method.statistic(limits.lower).and_then(finite);
    }
    report.p_value = finite(p_value);
    report.mde = finite(mde);
    let below = method.p_less(limits.lower);
    limits.upper.map_or(below, |upper| below.min(method.p_greater(upper)))
}

fn printable(interval: Interval) -> Option<[f64; 2]> {
    interval.is_finite().then_some([interval.low + 0.0, interval.high + 0.0])
}
