//! Wilcoxon's signed-rank test and the Hodges–Lehmann estimate.
//!
//! They speak about the centre of symmetry of the differences, not about their mean: a report, never the gate
//! of a mean.

use crate::descriptive::{midranks, sorted};
use crate::normal;
use crate::outcome::TestResult;

/// Up to this many rows without ties or zeros the distribution is counted exactly (1,275 sums).
const EXACT_ROWS: usize = 50;

/// Two-sided test. The statistic is the smaller of the two rank sums; zero differences are dropped; exact up to
/// 50 rows without ties or zeros, else normal with tie correction and no continuity correction. No non-zero
/// difference: p is 1.
pub fn signed_rank(differences: &[f64]) -> TestResult {
    let nonzero: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if nonzero.is_empty() {
        return TestResult { statistic: 0.0, p_value: 1.0 };
    }
    let sizes: Vec<f64> = nonzero.iter().map(|d| d.abs()).collect();
    let ranks = midranks(&sizes);
    let positive: f64 =
        ranks.ranks.iter().zip(&nonzero).filter(|(_, d)| **d > 0.0).map(|(r, _)| r).sum();
    let n = nonzero.len() as f64;
    let total = n * (n + 1.0) / 2.0;
    let statistic = positive.min(total - positive);
    let dropped = nonzero.len() < differences.len();
    let p_value = if nonzero.len() <= EXACT_ROWS && ranks.ties == 0.0 && !dropped {
        (2.0 * exact_tail(nonzero.len(), statistic as usize)).min(1.0)
    } else {
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ranks.ties / 48.0;
        normal::two_sided((statistic - total / 2.0) / variance.sqrt())
    };
    TestResult { statistic, p_value }
}

/// `P(W <= w)` for `n` ranks, each added with probability one half.
fn exact_tail(n: usize, w: usize) -> f64 {
    let mut mass = vec![0.0; w + 1];
    mass[0] = 1.0;
    for rank in 1..=n {
        for sum in (0..=w).rev() {
            let with = if sum >= rank { mass[sum - rank] } else { 0.0 };
            mass[sum] = 0.5 * (mass[sum] + with);
        }
    }
    mass.iter().sum()
}

/// The median of all averages of two differences (Walsh averages), a row with itself included; NaN for no
/// rows. `O(n)` memory: the averages are counted, not listed.
pub fn hodges_lehmann(differences: &[f64]) -> f64 {
    if differences.is_empty() || differences.iter().any(|d| !d.is_finite()) {
        return f64::NAN;
    }
    let values = sorted(differences);
    let pairs = values.len() * (values.len() + 1) / 2;
    let low = walsh_average(&values, pairs.div_ceil(2));
    let high = walsh_average(&values, pairs / 2 + 1);
    0.5 * (low + high)
}

/// The `rank`-th smallest Walsh average (one-based), by bisecting the ordered bit patterns of f64.
fn walsh_average(sorted: &[f64], rank: usize) -> f64 {
    let (mut low, mut high) = (ordered(sorted[0]), ordered(sorted[sorted.len() - 1]));
    while low < high {
        let middle = low + (high - low) / 2;
        if averages_up_to(sorted, unordered(middle)) >= rank {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    unordered(low)
}

/// How many Walsh averages are at most `limit`.
fn averages_up_to(sorted: &[f64], limit: f64) -> usize {
    let mut count = 0;
    let mut end = sorted.len();
    for (i, first) in sorted.iter().enumerate() {
        while end > i && 0.5 * first + 0.5 * sorted[end - 1] > limit {
            end -= 1;
        }
        if end <= i {
            break;
        }
        count += end - i;
    }
    count
}

/// Maps finite f64 to u64 so that the order is kept.
fn ordered(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn unordered(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::{hodges_lehmann, signed_rank};
    use crate::golden::{Golden, assert_close};
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn golden_normal_and_exact() {
        let differences = Golden::build().log_loss_differences();
        let all = signed_rank(&differences);
        assert_eq!(all.statistic, 29563.0);
        assert_close(all.p_value, 5.260_613_332_018_852e-6, 1e-11);
        let first = signed_rank(&differences[..30]);
        assert_eq!(first.statistic, 189.0);
        assert_close(first.p_value, 0.381_798_435_002_565_4, 1e-12);
    }

    #[test]
    fn no_difference_is_no_evidence() {
        assert_eq!(signed_rank(&[0.0, 0.0]).p_value, 1.0);
        assert_eq!(signed_rank(&[]).p_value, 1.0);
        assert!(hodges_lehmann(&[]).is_nan());
    }

    proptest! {
        #[test]
        fn hodges_lehmann_is_the_median_of_all_averages(values in proptest::collection::vec(-4i8..5, 1..25)) {
            let values: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
            let mut averages = Vec::new();
            for i in 0..values.len() {
                for j in i..values.len() {
                    averages.push(0.5 * values[i] + 0.5 * values[j]);
                }
            }
            averages.sort_unstable_by(f64::total_cmp);
            let k = averages.len();
            let median = 0.5 * (averages[(k - 1) / 2] + averages[k / 2]);
            prop_assert_eq!(hodges_lehmann(&values), median);
        }
    }
}
