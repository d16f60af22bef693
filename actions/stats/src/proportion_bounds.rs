//! Bounds of a single proportion.

use crate::outcome::Interval;
use crate::roots::brent;
use crate::{binomial, normal};

/// Wilson's (1927) score interval of `successes` of `n`, two-sided at `1 - alpha`. Its ends are the
/// proportions that the score test would just not reject.
pub fn wilson(successes: u64, n: u64, alpha: f64) -> Interval {
    let z = normal::quantile(1.0 - alpha / 2.0);
    let trials = n as f64;
    let p = successes as f64 / trials;
    let spread = z * (p * (1.0 - p) / trials + z * z / (4.0 * trials * trials)).sqrt();
    let shrink = 1.0 + z * z / trials;
    let centre = p + z * z / (2.0 * trials);
    Interval {
        low: if successes == 0 { 0.0 } else { (centre - spread) / shrink },
        high: if successes == n { 1.0 } else { (centre + spread) / shrink },
    }
}

/// Score statistic of a proportion against `null`: `(p - null) / √(null (1 - null) / n)`. Zero where both
/// the gap and its variance vanish.
pub fn score(successes: u64, n: u64, null: f64) -> f64 {
    let trials = n as f64;
    let gap = successes as f64 / trials - null;
    if gap == 0.0 {
        return 0.0;
    }
    gap / (null * (1.0 - null) / trials).max(0.0).sqrt()
}

/// Clopper and Pearson's (1934) exact interval, two-sided at `1 - alpha`.
pub fn clopper_pearson(successes: u64, n: u64, alpha: f64) -> Interval {
    let tail = alpha / 2.0;
    let low = match successes {
        0 => Some(0.0),
        k => brent(|p| binomial::sf(k - 1, n, p) - tail, 0.0, 1.0),
    };
    let high = if successes == n {
        Some(1.0)
    } else {
        brent(|p| binomial::cdf(successes, n, p) - tail, 0.0, 1.0)
    };
    Interval { low: low.unwrap_or(f64::NAN), high: high.unwrap_or(f64::NAN) }
}

#[cfg(test)]
mod tests {
    use super::{clopper_pearson, score, wilson};
    use crate::golden::assert_close;

    #[test]
    fn wilson_matches_statsmodels() {
        let interval = wilson(380, 400, 0.05);
        assert_close(interval.low, 0.924_036_364_936_280_3, 1e-13);
        assert_close(interval.high, 0.967_402_570_162_852_7, 1e-13);
        assert_eq!(wilson(0, 20, 0.05).low, 0.0);
        assert_close(wilson(0, 20, 0.05).high, 0.161_125_158_052_819_4, 1e-13);
        assert_eq!(wilson(400, 400, 0.05).high, 1.0);
    }

    #[test]
    fn clopper_pearson_matches_statsmodels() {
        let interval = clopper_pearson(7, 10, 0.05);
        assert_close(interval.low, 0.347_547_149_940_002_7, 1e-12);
        assert_close(interval.high, 0.933_260_488_822_265_5, 1e-12);
        let large = clopper_pearson(95_000, 100_000, 0.05);
        assert_close(large.low, 0.948_631_079_119_419_6, 1e-9);
        assert_close(large.high, 0.951_342_744_792_729_3, 1e-9);
        assert_eq!(clopper_pearson(400, 400, 0.05).high, 1.0);
        assert_close(clopper_pearson(400, 400, 0.05).low, 0.990_820_195_416_334_7, 1e-12);
        assert_close(clopper_pearson(0, 20, 0.05).high, 0.168_433_470_983_085_34, 1e-12);
    }

    #[test]
    fn the_score_test_is_the_inverse_of_wilson() {
        let bound = wilson(71, 90, 0.1).low;
        assert_close(score(71, 90, bound), crate::normal::quantile(0.95), 1e-12);
        assert_eq!(score(10, 10, 1.0), 0.0);
        assert_eq!(score(9, 10, 1.0), f64::NEG_INFINITY);
    }
}
