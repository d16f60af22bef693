//! A metric of one model that is a share of rows, tested by Wilson's score.

use crate::outcome::Interval;
use crate::proportion_bounds;

/// `right` of `n` rows; the metric is that share `q`, or `2q / (1 + q)`.
///
/// F1 is the latter: with `q = TP / (TP + FP + FN)`, which given its denominator is a binomial share,
/// `F1 = 2 TP / (2 TP + FP + FN) = 2q / (1 + q)`, rising in `q`. So a bound on `q` is a bound on F1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    pub(super) right: u64,
    pub(super) n: u64,
    /// Whether the metric is `2q / (1 + q)`.
    pub(super) harmonic: bool,
}

impl Share {
    pub(super) fn observed(&self) -> f64 {
        self.right as f64 / self.n as f64
    }

    /// The metric of a share.
    pub(super) fn value(&self, share: f64) -> f64 {
        if self.harmonic { 2.0 * share / (1.0 + share) } else { share }
    }

    /// Wald standard error of the metric (delta method).
    pub(super) fn standard_error(&self) -> f64 {
        let share = self.observed();
        let slope = if self.harmonic { 2.0 / (1.0 + share).powi(2) } else { 1.0 };
        slope * (share * (1.0 - share) / self.n as f64).sqrt()
    }

    /// Score statistic against the metric being `null`.
    pub(super) fn score(&self, null: f64) -> f64 {
        let share = if self.harmonic { null / (2.0 - null) } else { null };
        proportion_bounds::score(self.right, self.n, share)
    }

    /// Wilson's interval, of the metric.
    pub(super) fn interval(&self, alpha: f64) -> Interval {
        let Interval { low, high } = proportion_bounds::wilson(self.right, self.n, alpha);
        Interval { low: self.value(low), high: self.value(high) }
    }
}

#[cfg(test)]
mod tests {
    use super::Share;
    use crate::golden::assert_close;

    #[test]
    fn f1_is_bounded_through_its_share() {
        // 6 true positives, 2 false, 3 missed.
        let f1 = Share { right: 6, n: 11, harmonic: true };
        assert_close(f1.value(f1.observed()), 12.0 / 17.0, 1e-15);
        let bound = f1.interval(0.1).low;
        assert_close(f1.score(bound), 1.644_853_626_951_472_2, 1e-12);
        let plain = Share { harmonic: false, ..f1 };
        assert_close(plain.value(plain.observed()), 6.0 / 11.0, 1e-15);
    }

    #[test]
    fn a_flawless_sample_still_has_a_lower_bound() {
        let recall = Share { right: 200, n: 200, harmonic: false };
        assert!(recall.interval(0.05).low < 0.99 && recall.interval(0.05).high == 1.0);
    }
}
