//! Densities of the binomial and Poisson kind by Loader's (2000) saddle-point form, which keeps its digits where
//! a difference of log-gammas loses them.

use std::f64::consts::PI;

/// What Stirling's formula for `ln n!` leaves out: `ln n! - (n + 1/2) ln n + n - ln(2 pi) / 2`, for `n > 0`.
pub fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        return libm::lgamma(n + 1.0) - (n + 0.5) * n.ln() + n - 0.5 * (2.0 * PI).ln();
    }
    let square = n * n;
    // The Bernoulli series: at n = 16 the first term left out is below 1e-17.
    let series =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    series.iter().rev().fold(0.0, |sum, term| sum / square + term) / n
}

/// `a ln(a / b) + b - a` for `a, b > 0`: how unlikely `a` is where `b` is expected.
pub fn deviance(a: f64, b: f64) -> f64 {
    let ratio = (a - b) / (a + b);
    if ratio.abs() >= 0.1 {
        return a * (a / b).ln() + b - a;
    }
    // ln(a / b) = 2 atanh(ratio); its first term cancels against b - a, which is why it is left out here.
    let square = ratio * ratio;
    let mut power = 2.0 * a * ratio;
    let mut sum = (a - b) * ratio;
    let mut odd = 3.0;
    loop {
        power *= square;
        let next = sum + power / odd;
        if next == sum {
            return sum;
        }
        sum = next;
        odd += 2.0;
    }
}

/// `x^a e^-x / Gamma(a + 1)` for `a >= 0`, `x > 0`.
pub fn poisson(a: f64, x: f64) -> f64 {
    if a == 0.0 {
        return (-x).exp();
    }
    (-stirling_error(a) - deviance(a, x)).exp() / (2.0 * PI * a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::{deviance, poisson, stirling_error};
    use crate::golden::assert_close;

    #[test]
    fn the_series_joins_the_gamma_function() {
        assert_close(stirling_error(1.0), 0.081_061_466_795_327_26, 1e-13);
        assert_close(stirling_error(15.5), 0.005_375_599_032_9, 1e-10);
        assert_close(stirling_error(1e6), 1.0 / 12e6, 1e-12);
    }

    #[test]
    fn a_deviance_keeps_its_digits_near_equality() {
        assert_close(deviance(2.0, 1.0), 2.0 * 2f64.ln() - 1.0, 1e-15);
        // (a - b)^2 / (2 b) and a third-order term.
        assert_close(deviance(1e8 + 1.0, 1e8), 0.5e-8, 1e-7);
    }

    #[test]
    fn poisson_densities() {
        assert_close(poisson(0.0, 2.0), (-2f64).exp(), 1e-15);
        assert_close(poisson(3.0, 2.0), 8.0 / 6.0 * (-2f64).exp(), 1e-13);
        assert_close(poisson(50.0, 40.0), 0.017_707_017_552_636_33, 1e-12);
    }
}
