//! Means, variances, quantiles and ranks.

/// Arithmetic mean; NaN for no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Variance with divisor `n - ddof`, by two passes.
pub fn variance(values: &[f64], ddof: usize) -> f64 {
    covariance(values, values, ddof)
}

/// Covariance of two equally long columns with divisor `n - ddof`, by two passes.
pub fn covariance(left: &[f64], right: &[f64], ddof: usize) -> f64 {
    let (mean_left, mean_right) = (mean(left), mean(right));
    let sum: f64 = left.iter().zip(right).map(|(l, r)| (l - mean_left) * (r - mean_right)).sum();
    sum / (left.len() as f64 - ddof as f64)
}

/// The `q` quantile of ascending values, linear between neighbours (Hyndman & Fan type 7, numpy's default);
/// NaN for no values.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let position = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let share = position - below as f64;
    sorted[below] + share * (sorted[above] - sorted[below])
}

/// An ascending copy, in the total order of f64.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Ranks of values, and how much they are tied.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranks {
    /// One-based rank of each value; tied values share the mean of their ranks.
    pub ranks: Vec<f64>,
    /// Sum of `t^3 - t` over groups of `t` equal values: zero without ties.
    pub ties: f64,
}

/// Midranks in `O(n log n)`. Values must not be NaN. Minus zero equals zero.
pub fn midranks(values: &[f64]) -> Ranks {
    let mut order: Vec<usize> = (0..values.len()).collect();
    // Adding zero turns -0.0 into 0.0, which total_cmp would tell apart.
    order.sort_unstable_by(|&i, &j| (values[i] + 0.0).total_cmp(&(values[j] + 0.0)));
    let mut ranks = vec![0.0; values.len()];
    let mut ties = 0.0;
    let mut before = 0;
    for group in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let size = group.len() as f64;
        for &i in group {
            ranks[i] = before as f64 + 0.5 * (size + 1.0);
        }
        ties += size * (size * size - 1.0);
        before += group.len();
    }
    Ranks { ranks, ties }
}

#[cfg(test)]
mod tests {
    use super::{mean, midranks, quantile, sorted, variance};

    #[test]
    fn moments_of_a_small_sample() {
        let values = [1.0, 2.0, 4.0, 5.0];
        assert_eq!(mean(&values), 3.0);
        assert_eq!(variance(&values, 0), 2.5);
        assert_eq!(variance(&values, 1), 10.0 / 3.0);
        assert!(mean(&[]).is_nan());
    }

    #[test]
    fn quantiles_are_linear_between_order_statistics() {
        let values = sorted(&[10.0, 0.0, 4.0]);
        assert_eq!(quantile(&values, 0.0), 0.0);
        assert_eq!(quantile(&values, 0.25), 2.0);
        assert_eq!(quantile(&values, 1.0), 10.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn equal_values_share_their_mean_rank() {
        let ranks = midranks(&[3.0, 1.0, 3.0, -0.0, 0.0, 3.0]);
        assert_eq!(ranks.ranks, [5.0, 3.0, 5.0, 1.5, 1.5, 5.0]);
        assert_eq!(ranks.ties, 24.0 + 6.0);
        assert_eq!(midranks(&[2.0, 1.0]).ties, 0.0);
    }
}
