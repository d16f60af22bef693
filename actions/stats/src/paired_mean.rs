//! The mean of per-row differences, rows independent or in clusters.

use crate::descriptive::{mean, variance};
use crate::outcome::{Interval, TestResult};
use crate::student;
use std::collections::BTreeMap;

/// A mean with its standard error, tested with Student's t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanEstimate {
    /// Rows.
    pub n: usize,
    /// The mean (weighted, if weights were given).
    pub mean: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Degrees of freedom of the t distribution: rows or clusters, less one.
    pub degrees_of_freedom: f64,
}

/// A row's difference with its weight and the cluster whose rows are not independent of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClusteredValue {
    /// The difference.
    pub value: f64,
    /// Positive weight; 1 for all rows if unweighted.
    pub weight: f64,
    /// Cluster; rows of their own if every row has another.
    pub cluster: u64,
}

impl MeanEstimate {
    /// Independent rows of equal weight; `None` below two rows.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        (n >= 2).then(|| Self {
            n,
            mean: mean(values),
            standard_error: (variance(values, 1) / n as f64).sqrt(),
            degrees_of_freedom: (n - 1) as f64,
        })
    }

    /// Weighted rows in clusters: `SE = √Σ_g(Σ_{i∈g} w_i e_i)² / Σw`, the cluster-robust error without small
    /// sample correction (CR0; Miller 2024). `None` below two clusters.
    pub fn clustered(values: &[ClusteredValue]) -> Option<Self> {
        let weight: f64 = values.iter().map(|v| v.weight).sum();
        let mean = values.iter().map(|v| v.weight * v.value).sum::<f64>() / weight;
        let mut sums: BTreeMap<u64, f64> = BTreeMap::new();
        for v in values {
            *sums.entry(v.cluster).or_default() += v.weight * (v.value - mean);
        }
        (sums.len() >= 2).then(|| Self {
            n: values.len(),
            mean,
            standard_error: sums.values().map(|e| e * e).sum::<f64>().sqrt() / weight,
            degrees_of_freedom: (sums.len() - 1) as f64,
        })
    }

    /// `(mean - null) / SE`; zero where both vanish, infinite where only the error does.
    pub fn t(&self, null: f64) -> f64 {
        let gap = self.mean - null;
        if gap == 0.0 { 0.0 } else { gap / self.standard_error }
    }

    /// One-sided test of `mean > -margin`.
    pub fn noninferiority(&self, margin: f64) -> TestResult {
        let statistic = self.t(-margin);
        TestResult { statistic, p_value: student::sf(statistic, self.degrees_of_freedom) }
    }

    /// Two-sided test of `mean = null`.
    pub fn two_sided(&self, null: f64) -> TestResult {
        let statistic = self.t(null);
        TestResult { statistic, p_value: student::two_sided(statistic, self.degrees_of_freedom) }
    }

    /// Equivalence within `±margin` by two one-sided tests (Schuirmann 1987): the larger p-value.
    pub fn equivalence(&self, margin: f64) -> f64 {
        let below = student::sf(self.t(-margin), self.degrees_of_freedom);
        let above = student::cdf(self.t(margin), self.degrees_of_freedom);
        below.max(above)
    }

    /// Two-sided interval at `1 - alpha`.
    pub fn interval(&self, alpha: f64) -> Interval {
        let t = student::quantile(1.0 - alpha / 2.0, self.degrees_of_freedom);
        Interval::around(self.mean, t * self.standard_error)
    }
}

#[cfg(test)]
mod tests {
    use super::{ClusteredValue, MeanEstimate};
    use crate::descriptive::mean;
    use crate::golden::{Golden, assert_close};
    use proptest::prelude::{prop_assert, prop_assume, proptest};

    #[test]
    fn golden_paired_t() {
        let golden = Golden::build();
        let (baseline, candidate) = golden.log_losses();
        assert_close(mean(&baseline), 0.491_782_259_942_413_3, 1e-13);
        assert_close(mean(&candidate), 0.483_622_301_539_813_06, 1e-13);
        let estimate = MeanEstimate::of(&golden.log_loss_differences()).expect("400 rows");
        let test = estimate.two_sided(0.0);
        assert_close(test.statistic, 0.836_203_639_489_908, 1e-12);
        assert_close(test.p_value, 0.403_540_844_478_263_44, 1e-12);
        let interval = estimate.interval(0.05);
        assert_close(interval.low, -0.011_024_226_166_407_91, 1e-12);
        assert_close(interval.high, 0.027_344_142_971_608_348, 1e-12);
        assert_close(estimate.equivalence(0.02), 0.112_861_583_483_918_67, 1e-12);
    }

    #[test]
    fn golden_clustered_error() {
        let differences = Golden::build().log_loss_differences();
        let rows = |size: u64| -> Vec<ClusteredValue> {
            (0u64..)
                .zip(&differences)
                .map(|(i, &value)| ClusteredValue { value, weight: 1.0, cluster: i / size })
                .collect()
        };
        let clustered = MeanEstimate::clustered(&rows(4)).expect("100 clusters");
        assert_close(clustered.standard_error, 0.008_950_176_948_302_673, 1e-12);
        assert_eq!(clustered.degrees_of_freedom, 99.0);
        let plain = MeanEstimate::of(&differences).expect("400 rows");
        assert_close(plain.standard_error, 0.009_758_338_779_268_972, 1e-12);
        // Clusters of one row differ from independent rows by the n - 1 alone.
        let single = MeanEstimate::clustered(&rows(1)).expect("400 clusters");
        let corrected = single.standard_error * (400.0f64 / 399.0).sqrt();
        assert_close(corrected, plain.standard_error, 1e-12);
    }

    #[test]
    fn degenerate_samples_stay_defined() {
        assert_eq!(MeanEstimate::of(&[1.0]), None);
        let constant = MeanEstimate::of(&[0.0; 9]).expect("nine rows");
        assert_eq!(constant.noninferiority(0.0).p_value, 0.5);
        assert_eq!(constant.noninferiority(0.1).p_value, 0.0);
        assert_eq!(constant.interval(0.05).low, 0.0);
    }

    proptest! {
        #[test]
        fn swapping_negates_and_margins_are_monotone(values in proptest::collection::vec(-1.0f64..1.0, 3..60)) {
            let estimate = MeanEstimate::of(&values).expect("three rows");
            prop_assume!(estimate.standard_error > 1e-9);
            let mirrored: Vec<f64> = values.iter().map(|v| -v).collect();
            let other = MeanEstimate::of(&mirrored).expect("three rows");
            let (one, two) = (estimate.interval(0.05), other.interval(0.05).negated());
            prop_assert!((one.low - two.low).abs() < 1e-12 && (one.high - two.high).abs() < 1e-12);
            prop_assert!(one.contains(estimate.mean));
            prop_assert!(estimate.noninferiority(0.1).p_value >= estimate.noninferiority(0.2).p_value);
        }
    }
}
