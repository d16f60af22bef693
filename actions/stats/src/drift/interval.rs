//! How uncertain a distance is, so that neither few rows nor many make drift by themselves.
//!
//! A distance between two samples of one distribution is never 0: it has a bias of the order of its own error. The rows
//! are drawn anew, and by how much that lifts the distance is taken off; what is left is compared with the threshold.

use crate::normal;
use crate::random::Lcg;

/// How often rows are drawn anew. The error of the deviation is then below 6 %.
const ROUNDS: usize = 200;
/// The share of true distances below the interval, and above it.
const TAIL: f64 = 0.05;
/// Counts from here on are drawn from the normal distribution.
const MANY: f64 = 40.0;

/// A distance with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// The lower end: the true distance is above it in 95 of 100 cases.
    pub low: f64,
    /// The upper end: the true distance is below it in 95 of 100 cases.
    pub high: f64,
    /// Of the claim that the true distance is above the threshold.
    pub p_value: f64,
}

/// What drawing the rows anew does to a statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// By how much the statistic is too large.
    pub bias: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

/// Draws the counts of both sides anew (each row counts a Poisson number of times) and looks at the statistic.
pub fn noise(
    reference: &[f64],
    current: &[f64],
    seed: u64,
    statistic: impl Fn(&[f64], &[f64]) -> f64,
) -> Noise {
    let mut random = Lcg::new(seed);
    let found = statistic(reference, current);
    let values: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let left: Vec<f64> = reference.iter().map(|n| poisson(&mut random, *n)).collect();
            let right: Vec<f64> = current.iter().map(|n| poisson(&mut random, *n)).collect();
            statistic(&left, &right)
        })
        .filter(|value| value.is_finite())
        .collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Noise { bias: mean - found, deviation: (squares / (values.len() as f64 - 1.0)).sqrt() }
}

/// An interval for the distance whose estimate and noise these are, and how sure it is that it is above `threshold`. Without
/// any noise the estimate itself decides.
pub fn effect(estimate: f64, noise: Noise, threshold: f64) -> Effect {
    let corrected = (estimate - noise.bias.max(0.0)).max(0.0);
    let reach = normal::quantile(1.0 - TAIL) * noise.deviation;
    let p_value = if noise.deviation > 0.0 {
        normal::sf((corrected - threshold) / noise.deviation)
    } else if corrected > threshold {
        0.0
    } else {
        1.0
    };
    Effect { low: (corrected - reach).max(0.0), high: corrected + reach, p_value }
}

pub(super) fn poisson(random: &mut Lcg, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 0.0;
    }
    if mean >= MANY {
        // Away from 0 and 1, whose quantiles are infinite.
        let z = normal::quantile(random.uniform().clamp(1e-12, 1.0 - 1e-12));
        return (mean + mean.sqrt() * z).round().max(0.0);
    }
    let least = (-mean).exp();
    let mut product = random.uniform();
    let mut count = 0.0;
    while product > least {
        product *= random.uniform();
        count += 1.0;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{Noise, effect, noise, poisson};
    use crate::drift::divergence::psi;
    use crate::random::Lcg;

    /// Shares, with a little in each so that the logarithm is one.
    fn index(left: &[f64], right: &[f64]) -> f64 {
        let share = |counts: &[f64]| -> Vec<f64> {
            let all: f64 = counts.iter().sum();
            counts.iter().map(|n| (n + 0.1) / all).collect()
        };
        psi(&share(left), &share(right))
    }

    fn draw(random: &mut Lcg, n: usize, shares: &[f64]) -> Vec<f64> {
        let mut counts = vec![0.0; shares.len()];
        for _ in 0..n {
            let u = random.uniform();
            let mut sum = 0.0;
            let bin = shares.iter().position(|share| {
                sum += share;
                u < sum
            });
            counts[bin.unwrap_or(shares.len() - 1)] += 1.0;
        }
        counts
    }

    /// Of 200 comparisons, how many find an index above 0.1.
    fn found(n: usize, p: &[f64], q: &[f64]) -> usize {
        let mut random = Lcg::new(11);
        (0..200)
            .filter(|seed| {
                let (left, right) = (draw(&mut random, n, p), draw(&mut random, n, q));
                let noise = noise(&left, &right, *seed, index);
                effect(index(&left, &right), noise, 0.1).low > 0.1
            })
            .count()
    }

    #[test]
    fn equal_distributions_have_not_drifted_however_many_rows() {
        let p = [0.1; 10];
        assert_eq!(found(100, &p, &p), 0);
        assert_eq!(found(200, &p, &p), 0);
        assert_eq!(found(5_000, &p, &p), 0);
    }

    #[test]
    fn a_distance_at_the_threshold_is_found_in_about_one_of_twenty() {
        // PSI of (0.5 - e, 0.5 + e) against (0.5, 0.5) is about 4 e^2: 0.1 at e = 0.157.
        let e = 0.157;
        let rate = found(1_000, &[0.5 - e, 0.5 + e], &[0.5, 0.5]);
        assert!(rate <= 20, "{rate} of 200");
    }

    #[test]
    fn a_distance_above_the_threshold_is_found() {
        let e = 0.25;
        let rate = found(1_000, &[0.5 - e, 0.5 + e], &[0.5, 0.5]);
        assert!(rate >= 190, "{rate} of 200");
    }

    #[test]
    fn without_noise_the_estimate_decides() {
        let none = Noise { bias: 0.0, deviation: 0.0 };
        assert!(effect(0.2, none, 0.1).p_value < 0.05);
        assert!(effect(0.1, none, 0.1).p_value > 0.5);
    }

    #[test]
    fn draws_have_the_mean_and_variance_of_a_count() {
        let mut random = Lcg::new(3);
        for mean in [0.5, 7.0, 100.0] {
            let draws: Vec<f64> = (0..20_000).map(|_| poisson(&mut random, mean)).collect();
            let found = draws.iter().sum::<f64>() / 20_000.0;
            let variance = draws.iter().map(|d| (d - found) * (d - found)).sum::<f64>() / 20_000.0;
            assert!((found / mean - 1.0).abs() < 0.05, "{mean}: {found}");
            assert!((variance / mean - 1.0).abs() < 0.06, "{mean}: {variance}");
        }
    }
}
