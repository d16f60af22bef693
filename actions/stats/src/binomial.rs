//! Binomial tails and quantiles.
//!
//! `statrs` gives the mass of one value; the tail is summed from there outwards by the ratio of neighbours,
//! because its incomplete beta stops after 141 terms, too few beyond some ten thousand trials.

use statrs::distribution::{Binomial, Discrete};

/// `P(X = k)` of `n` trials with success probability `p`.
pub fn pmf(k: u64, n: u64, p: f64) -> f64 {
    Binomial::new(p, n).map_or(f64::NAN, |binomial| binomial.pmf(k))
}

/// `P(X <= k)`.
pub fn cdf(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        return if p.is_nan() { f64::NAN } else { 1.0 };
    }
    if k as f64 <= n as f64 * p {
        lower_tail(k, n, p)
    } else {
        1.0 - lower_tail(n - k - 1, n, 1.0 - p)
    }
}

/// `P(X > k)`.
pub fn sf(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        return if p.is_nan() { f64::NAN } else { 0.0 };
    }
    // X > k successes are fewer than n - k failures.
    cdf(n - k - 1, n, 1.0 - p)
}

/// The smallest `k` with `P(X <= k) >= probability`.
pub fn quantile(probability: f64, n: u64, p: f64) -> u64 {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if cdf(middle, n, p) >= probability {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// Sum of the masses of `0..=k`, from `k` down until they no longer count. `k` is not above the mean.
fn lower_tail(k: u64, n: u64, p: f64) -> f64 {
    let mut term = pmf(k, n, p);
    let mut sum = term;
    for x in (1..=k).rev() {
        term *= x as f64 * (1.0 - p) / ((n - x + 1) as f64 * p);
        sum += term;
        if term <= sum * 1e-18 {
            break;
        }
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::{cdf, pmf, quantile, sf};
    use crate::golden::assert_close;

    #[test]
    fn tails_match_scipy() {
        assert_close(sf(20, 51, 0.3), 0.058_875_464_360_518_56, 1e-12);
        assert_close(cdf(49_800, 100_000, 0.5), 0.103_519_485_882_111_25, 1e-9);
        assert_eq!(cdf(5, 5, 0.3), 1.0);
        assert_eq!(sf(5, 5, 0.3), 0.0);
    }

    #[test]
    fn tails_are_the_sum_of_masses() {
        for k in 0..20 {
            let sum: f64 = (0..=k).map(|x| pmf(x, 20, 0.37)).sum();
            assert_close(cdf(k, 20, 0.37), sum, 1e-12);
        }
    }

    #[test]
    fn quantile_is_the_smallest_value_that_reaches_the_probability() {
        assert_eq!(quantile(0.025, 500, 0.95), 465);
        assert_eq!(quantile(0.975, 500, 0.95), 484);
        assert_eq!(quantile(0.0, 10, 0.5), 0);
        assert_eq!(quantile(1.0, 10, 0.5), 10);
    }
}
