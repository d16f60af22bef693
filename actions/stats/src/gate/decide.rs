//! The rules that turn a p-value and an interval into a verdict.

use super::{ComparisonReport, TestKind, Verdict};
use crate::outcome::Interval;
use crate::power::{RowsNeeded, rows_needed};

/// Where the candidate's advantage must lie, in the direction of better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    /// It must lie above this.
    pub(super) lower: f64,
    /// Equivalence: and below this.
    pub(super) upper: Option<f64>,
}

impl Limits {
    /// The limits of a test; `margin` of an absolute test is already in the direction of better.
    pub(super) fn of(test: TestKind, margin: f64) -> Self {
        match test {
            TestKind::Noninferiority => Self { lower: 0.0 - margin, upper: None },
            TestKind::Superiority => Self { lower: 0.0, upper: None },
            TestKind::Equivalence => Self { lower: -margin, upper: Some(margin) },
            TestKind::Absolute => Self { lower: margin, upper: None },
        }
    }

    /// How far an estimate is inside; negative outside.
    fn slack(&self, estimate: f64) -> f64 {
        let below = self.upper.map_or(f64::INFINITY, |upper| upper - estimate);
        (estimate - self.lower).min(below)
    }
}

/// Fail: the whole interval lies outside the limits. Pass: the claim's one-sided p-value is at most alpha.
/// Neither, or (with resampled numbers, in theory) both: inconclusive. A NaN proves nothing.
pub(super) fn decide(limits: Limits, alpha: f64, p_value: f64, interval: Interval) -> Verdict {
    let above = limits.upper.is_some_and(|upper| interval.low > upper);
    let refuted = interval.high < limits.lower || above;
    match (p_value <= alpha, refuted) {
        (true, false) => Verdict::Pass,
        (false, true) => Verdict::Fail,
        _ => Verdict::Inconclusive,
    }
}

/// The worst verdict: error, then fail, inconclusive, no-baseline, pass. No report at all is an error: nothing
/// was shown. Slices with fewer rows than their `min_n` are inconclusive, so leave out those that are only to
/// be listed.
pub fn overall(reports: &[ComparisonReport]) -> Verdict {
    reports.iter().map(|report| report.verdict).max().unwrap_or(Verdict::Error)
}

/// Everything the sentence about a verdict needs.
pub(super) struct Case {
    pub(super) test: TestKind,
    /// The numbers are values of a loss with their sign turned: an absolute test of a ceiling.
    pub(super) ceiling: bool,
    pub(super) limits: Limits,
    pub(super) alpha: f64,
    pub(super) power: f64,
    pub(super) n: usize,
    pub(super) estimate: f64,
    pub(super) standard_error: f64,
    pub(super) mde: f64,
    pub(super) p_value: f64,
    pub(super) interval: Interval,
}

/// The reason in one sentence.
pub(super) fn explain(verdict: Verdict, case: &Case) -> String {
    let (p, alpha) = (case.p_value, case.alpha);
    let estimate = if case.ceiling { -case.estimate } else { case.estimate };
    let limit = limit_in_words(case);
    match verdict {
        Verdict::Pass if case.test != TestKind::Absolute && case.interval.low > 0.0 => {
            format!("improved: {estimate:+.4} is {limit} (p = {p:.2e} <= {alpha})")
        }
        Verdict::Pass => format!("{estimate:+.4} is {limit} (p = {p:.2e} <= {alpha})"),
        Verdict::Fail => {
            let shown = if case.ceiling { case.interval.negated() } else { case.interval };
            let Interval { low, high } = shown;
            format!("the interval [{low:+.4}, {high:+.4}] proves that it is not {limit}")
        }
        _ => format!(
            "{estimate:+.4} is not shown to be {limit} (p = {p:.2e} > {alpha}); {}",
            lacking(case)
        ),
    }
}

fn limit_in_words(case: &Case) -> String {
    let Limits { lower, upper } = case.limits;
    match upper {
        Some(upper) => format!("between {lower:+.4} and {upper:+.4}"),
        None if case.ceiling => format!("below {:+.4}", -lower),
        None => format!("above {lower:+.4}"),
    }
}

fn lacking(case: &Case) -> String {
    let slack = case.limits.slack(case.estimate);
    let null_slack = (case.test != TestKind::Absolute).then(|| case.limits.slack(0.0));
    match rows_needed(case.n, case.standard_error, slack, null_slack, case.alpha, case.power) {
        RowsNeeded::Total(rows) if rows.is_finite() => {
            let (n, mde, more) = (case.n, case.mde, rows - case.n as f64);
            format!("n = {n} can only see ±{mde:.4}; {more} more rows needed")
        }
        _ => "if the estimate is right, more rows will not change that".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, decide};
    use crate::gate::{TestKind, Verdict};
    use crate::outcome::Interval;

    fn verdict(test: TestKind, margin: f64, p: f64, low: f64, high: f64) -> Verdict {
        decide(Limits::of(test, margin), 0.05, p, Interval { low, high })
    }

    #[test]
    fn noninferiority_passes_by_p_and_fails_by_interval() {
        let ni = TestKind::Noninferiority;
        assert_eq!(verdict(ni, 0.02, 0.05, -0.021, 0.03), Verdict::Pass);
        assert_eq!(verdict(ni, 0.02, 0.051, -0.021, 0.03), Verdict::Inconclusive);
        assert_eq!(verdict(ni, 0.02, 0.99, -0.06, -0.021), Verdict::Fail);
        assert_eq!(verdict(ni, 0.02, 0.99, -0.06, -0.02), Verdict::Inconclusive);
    }

    #[test]
    fn equivalence_fails_on_either_side() {
        let eq = TestKind::Equivalence;
        assert_eq!(verdict(eq, 0.02, 0.01, -0.01, 0.01), Verdict::Pass);
        assert_eq!(verdict(eq, 0.02, 0.9, 0.021, 0.05), Verdict::Fail);
        assert_eq!(verdict(eq, 0.02, 0.9, -0.05, -0.021), Verdict::Fail);
        assert_eq!(verdict(TestKind::Superiority, 0.0, 0.01, 0.001, 0.05), Verdict::Pass);
        assert_eq!(verdict(TestKind::Absolute, 0.9, 0.99, 0.7, 0.89), Verdict::Fail);
    }

    #[test]
    fn nan_and_contradiction_prove_nothing() {
        let ni = TestKind::Noninferiority;
        assert_eq!(verdict(ni, 0.02, f64::NAN, f64::NAN, f64::NAN), Verdict::Inconclusive);
        assert_eq!(verdict(ni, 0.02, 0.01, -0.06, -0.03), Verdict::Inconclusive);
        assert_eq!(verdict(ni, 0.02, 0.2, f64::NEG_INFINITY, f64::INFINITY), Verdict::Inconclusive);
    }
}
