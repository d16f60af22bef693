//! The sign-flip permutation test of a mean, for samples too small for Student's t.
//!
//! Under "the mean is θ" each `d_i - θ` is as likely positive as negative (this assumes a symmetric
//! distribution). A flipped sample's mean reaches the observed one exactly when the mean of the flipped rows is
//! at most θ. So the sorted means of subsets answer every test and give the interval too (Hartigan 1969).

use crate::outcome::Interval;
use crate::random::Lcg;

/// Up to this many rows all `2^n` flips are listed: 65,536 subset means are half a megabyte.
const EXACT_ROWS: usize = 16;
/// Random flips beyond that: p-values move by at most about 0.002 around 0.05 from seed to seed.
const RANDOM_FLIPS: usize = 9_999;

/// The sorted means of all, or of many random, non-empty subsets of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct SignFlips {
    means: Vec<f64>,
}

impl SignFlips {
    /// Lists or draws the flips of the differences; `seed` matters only beyond 16 rows.
    pub fn of(differences: &[f64], seed: u64) -> Self {
        let mut means = if differences.len() <= EXACT_ROWS {
            (1..1usize << differences.len())
                .map(|subset| subset_mean(differences, |i| subset >> i & 1 == 1))
                .collect()
        } else {
            let mut random = Lcg::new(seed);
            let mut draw = || loop {
                let mean = subset_mean(differences, |_| random.uniform() < 0.5);
                // An empty subset comes once in 2^17 draws or less; it has no mean.
                if mean.is_finite() {
                    return mean;
                }
            };
            (0..RANDOM_FLIPS).map(|_| draw()).collect::<Vec<f64>>()
        };
        means.sort_unstable_by(f64::total_cmp);
        Self { means }
    }

    /// One-sided p-value of `mean > null`.
    pub fn p_greater(&self, null: f64) -> f64 {
        let below = self.means.partition_point(|mean| *mean <= null);
        (1 + below) as f64 / self.flips()
    }

    /// One-sided p-value of `mean < null`.
    pub fn p_less(&self, null: f64) -> f64 {
        let above = self.means.len() - self.means.partition_point(|mean| *mean < null);
        (1 + above) as f64 / self.flips()
    }

    /// The means that neither one-sided test at `alpha / 2` rejects; unbounded when there are too few flips.
    pub fn interval(&self, alpha: f64) -> Interval {
        let rank = (alpha / 2.0 * self.flips()).floor() as usize;
        if rank == 0 {
            return Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
        }
        Interval { low: self.means[rank - 1], high: self.means[self.means.len() - rank] }
    }

    /// Flips counted, the identity included.
    fn flips(&self) -> f64 {
        (self.means.len() + 1) as f64
    }
}

/// Mean of the chosen rows; NaN if none is chosen.
fn subset_mean(values: &[f64], mut chosen: impl FnMut(usize) -> bool) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for (i, value) in values.iter().enumerate() {
        if chosen(i) {
            sum += value;
            count += 1;
        }
    }
    sum / f64::from(count)
}

#[cfg(test)]
mod tests {
    use super::SignFlips;
    use crate::golden::assert_close;
    use crate::paired_mean::MeanEstimate;
    use crate::random::Lcg;

    /// The textbook definition, flip by flip.
    fn brute_force(values: &[f64], null: f64) -> f64 {
        let observed: f64 = values.iter().map(|v| v - null).sum();
        let flips = 1usize << values.len();
        let reached = (0..flips)
            .filter(|flip| {
                let sum: f64 = values
                    .iter()
                    .enumerate()
                    .map(|(i, v)| if flip >> i & 1 == 1 { null - v } else { v - null })
                    .sum();
                sum >= observed - 1e-12
            })
            .count();
        reached as f64 / flips as f64
    }

    #[test]
    fn exact_p_values_match_the_definition() {
        let values = [0.31, -0.12, 0.44, 0.05, 0.27, -0.03, 0.18, 0.22];
        let flips = SignFlips::of(&values, 0);
        for null in [-0.3, -0.05, 0.0, 0.111, 0.2] {
            assert_eq!(flips.p_greater(null), brute_force(&values, null));
            let mirrored = values.map(|v| -v);
            assert_eq!(flips.p_less(null), brute_force(&mirrored, -null));
        }
    }

    #[test]
    fn the_interval_is_where_both_tests_accept() {
        let values = [0.31, -0.12, 0.44, 0.05, 0.27, -0.03, 0.18, 0.22];
        let flips = SignFlips::of(&values, 0);
        let interval = flips.interval(0.05);
        assert!(flips.p_greater(interval.low - 1e-9) <= 0.025);
        assert!(flips.p_greater(interval.low + 1e-9) > 0.025);
        assert!(flips.p_less(interval.high + 1e-9) <= 0.025);
        assert!(flips.p_less(interval.high - 1e-9) > 0.025);
    }

    #[test]
    fn four_rows_cannot_bound_anything_at_five_percent() {
        let flips = SignFlips::of(&[1.0, 2.0, 3.0, 4.0], 0);
        assert!(!flips.interval(0.05).is_finite());
        assert_eq!(flips.p_greater(0.0), 1.0 / 16.0);
    }

    #[test]
    fn random_flips_are_repeatable_and_near_t() {
        let mut random = Lcg::new(5);
        let values: Vec<f64> = (0..28).map(|_| random.uniform() - 0.4).collect();
        let flips = SignFlips::of(&values, 1);
        assert_eq!(flips, SignFlips::of(&values, 1));
        let t = MeanEstimate::of(&values).expect("28 rows").noninferiority(0.0).p_value;
        assert_close(flips.p_greater(0.0), t, 0.2);
    }
}
