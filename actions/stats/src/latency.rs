//! Quantiles of one sample with distribution-free intervals, and comparing two unpaired samples.

use crate::descriptive::{midranks, quantile, sorted};
use crate::outcome::{Interval, TestResult};
use crate::{binomial, normal};

/// A quantile must leave this many rows above it before its interval means anything.
const MIN_TAIL_ROWS: f64 = 10.0;

/// A quantile of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileEstimate {
    /// Linear between order statistics.
    pub estimate: f64,
    /// One-based ranks of the order statistics that bound it.
    pub ranks: (usize, usize),
    /// The values at those ranks: covers the true quantile with probability at least about `1 - alpha`
    /// whatever the distribution.
    pub interval: Interval,
}

/// The `q` quantile with its order-statistic interval; `None` if fewer than ten rows would lie above it.
pub fn quantile_interval(values: &[f64], q: f64, alpha: f64) -> Option<QuantileEstimate> {
    let n = values.len();
    if n as f64 * (1.0 - q) < MIN_TAIL_ROWS - 1e-9 {
        return None;
    }
    let values = sorted(values);
    let low = (binomial::quantile(alpha / 2.0, n as u64, q) as usize).clamp(1, n);
    let high = (binomial::quantile(1.0 - alpha / 2.0, n as u64, q) as usize + 1).clamp(1, n);
    Some(QuantileEstimate {
        estimate: quantile(&values, q),
        ranks: (low, high),
        interval: Interval { low: values[low - 1], high: values[high - 1] },
    })
}

/// Mann & Whitney's U of the first sample, two-sided, normal with tie and continuity correction. `None` if a
/// sample is empty.
pub fn mann_whitney(first: &[f64], second: &[f64]) -> Option<TestResult> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let ranks = midranks(&[first, second].concat());
    let (n1, n2) = (first.len() as f64, second.len() as f64);
    let n = n1 + n2;
    let u = ranks.ranks[..first.len()].iter().sum::<f64>() - n1 * (n1 + 1.0) / 2.0;
    let variance = n1 * n2 / 12.0 * (n + 1.0 - ranks.ties / (n * (n - 1.0)));
    let gap = u.max(n1 * n2 - u) - n1 * n2 / 2.0 - 0.5;
    let p_value =
        if variance > 0.0 { (2.0 * normal::sf(gap / variance.sqrt())).min(1.0) } else { 1.0 };
    Some(TestResult { statistic: u, p_value })
}

#[cfg(test)]
mod tests {
    use super::{mann_whitney, quantile_interval};
    use crate::golden::assert_close;
    use crate::random::Lcg;

    fn sample(seed: u64, scale: f64) -> Vec<f64> {
        let mut random = Lcg::new(seed);
        (0..500).map(|_| 5.0 - scale * (1.0 - random.uniform()).ln()).collect()
    }

    #[test]
    fn golden_latencies() {
        let (baseline, candidate) = (sample(11, 10.0), sample(12, 10.5));
        let base = quantile_interval(&baseline, 0.95, 0.05).expect("25 rows above");
        assert_close(base.estimate, 31.851_682_782_250_748, 1e-13);
        assert_eq!(base.ranks, (465, 485));
        assert_close(base.interval.low, 28.770_686_763_571_867, 1e-13);
        assert_close(base.interval.high, 40.601_870_314_340_05, 1e-13);
        let cand = quantile_interval(&candidate, 0.95, 0.05).expect("25 rows above");
        assert_close(cand.estimate, 38.729_636_917_582_61, 1e-13);
        let test = mann_whitney(&candidate, &baseline).expect("two samples");
        assert_eq!(test.statistic, 132_664.0);
        assert_close(test.p_value, 0.093_317_846_685_804_28, 1e-12);
    }

    #[test]
    fn a_far_tail_needs_rows() {
        assert!(quantile_interval(&sample(1, 1.0), 0.99, 0.05).is_none());
        assert!(quantile_interval(&sample(1, 1.0), 0.98, 0.05).is_some());
        assert_eq!(mann_whitney(&[], &[1.0]), None);
        assert_eq!(mann_whitney(&[2.0, 2.0], &[2.0]).expect("two samples").p_value, 1.0);
    }
}
