//! The standard normal distribution.
//!
//! The tails come from the error function of `libm` (the fdlibm port, below one ulp), because the released
//! `statrs` is off by 1e-10 relative there; the first guess of the quantile is `statrs`'s.

use statrs::distribution::{ContinuousCDF, Normal};
use std::f64::consts::{PI, SQRT_2};

/// Density at `x`.
pub fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// `P(Z <= x)`, accurate in both tails.
pub fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

/// `P(Z > x)`, accurate in both tails.
pub fn sf(x: f64) -> f64 {
    0.5 * libm::erfc(x / SQRT_2)
}

/// `P(|Z| > |x|)`.
pub fn two_sided(x: f64) -> f64 {
    libm::erfc(x.abs() / SQRT_2)
}

/// The `p` quantile: minus infinity at 0, infinity at 1, NaN outside `[0, 1]`.
///
/// One Newton step with our own tail follows `statrs`'s rational approximation.
pub fn quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let guess = Normal::standard().inverse_cdf(p);
    if !guess.is_finite() {
        return guess;
    }
    let slope = density(guess);
    if slope == 0.0 {
        return guess;
    }
    // In the upper half the survival function keeps the digits that 1 - p would lose.
    let excess = if p < 0.5 { cdf(guess) - p } else { (1.0 - p) - sf(guess) };
    guess - excess / slope
}

#[cfg(test)]
mod tests {
    use super::{cdf, quantile, sf, two_sided};
    use crate::golden::assert_close;

    #[test]
    fn tails_match_high_precision_values() {
        assert_close(sf(1.959_963_984_540_054), 0.025, 1e-14);
        assert_close(sf(6.0), 9.865_876_450_376_98e-10, 1e-13);
        assert_close(sf(20.0), 2.753_624_118_606_233_7e-89, 1e-13);
        assert_close(cdf(-6.0), 9.865_876_450_376_98e-10, 1e-13);
        assert_close(two_sided(-2.0), 0.045_500_263_896_358_41, 1e-14);
    }

    #[test]
    fn quantile_inverts_the_tails() {
        assert_close(quantile(0.975), 1.959_963_984_540_054, 1e-15);
        assert_close(quantile(0.95), 1.644_853_626_951_472_2, 1e-15);
        assert_close(quantile(0.8), 0.841_621_233_572_914_2, 1e-15);
        for p in [1e-12, 1e-6, 0.01, 0.3, 0.5, 0.9, 0.999] {
            assert_close(cdf(quantile(p)), p, 1e-13);
        }
        assert_eq!(quantile(0.0), f64::NEG_INFINITY);
        assert!(quantile(1.5).is_nan());
    }
}
