//! The one-sample chi-square test, and the tail of its distribution for whole degrees of freedom.

use super::saddle::poisson;

/// The p-value of `observed` counts against `expected` ones, with `categories - 1` degrees of freedom. A category
/// that is observed but not expected makes it 0; with a single category there is nothing to test and it is NaN.
pub fn p_value(observed: &[f64], expected: &[f64]) -> f64 {
    let statistic: f64 = observed.iter().zip(expected).map(|(o, e)| (o - e) * (o - e) / e).sum();
    survival(statistic, observed.len().saturating_sub(1))
}

/// `P(X > x)` with `freedom` degrees of freedom: a finite sum of positive terms. NaN without freedom.
pub fn survival(x: f64, freedom: usize) -> f64 {
    if x.is_nan() || freedom == 0 {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 1.0;
    }
    if x.is_infinite() {
        return 0.0;
    }
    let half = 0.5 * x;
    // Even: Poisson terms 0, 1, ...; odd: terms 1/2, 3/2, ... above the tail with one degree of freedom.
    let start = if freedom.is_multiple_of(2) { 0.0 } else { libm::erfc(half.sqrt()) };
    (start + terms_below(0.5 * freedom as f64, half)).min(1.0)
}

/// The sum of the Poisson-like terms `a - 1, a - 2, ...` down to 0 or 1/2.
fn terms_below(a: f64, x: f64) -> f64 {
    let mut index = a - 1.0;
    if index < 0.0 {
        return 0.0;
    }
    // Where the last term is far below the largest one, start at the largest: going up from there as well.
    let peak = if x < index { x.floor() + index.fract() } else { index };
    let top = poisson(peak.min(index), x);
    let mut sum = 0.0;
    let mut term = top;
    let mut at = peak.min(index);
    loop {
        sum += term;
        if at < 1.0 || term < sum * 1e-18 {
            break;
        }
        term *= at / x;
        at -= 1.0;
    }
    let mut term = top;
    at = peak.min(index);
    while at < index {
        at += 1.0;
        term *= x / at;
        sum += term;
        if term < sum * 1e-18 {
            index = at;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::{p_value, survival};
    use crate::golden::assert_close;

    #[test]
    fn tails_match_scipy() {
        for (x, freedom, expected) in [
            (3.84, 1, 0.05004352124870519),
            (0.5, 1, 0.47950012218695337),
            (60.0, 1, 9.485737571073857e-15),
            (5.99, 2, 0.05003662708658629),
            (7.5, 3, 0.0575584519726364),
            (250.0, 100, 7.76693640353949e-15),
            (80.0, 101, 0.9390344747705044),
            (20000.0, 20001, 0.500664911373055),
            (1e-05, 4, 0.9999999999875),
            (700.0, 3, 2.0991308534204487e-151),
            (45000.0, 44000, 0.0004069294633489177),
            (10.0, 500, 1.0),
        ] {
            assert_close(survival(x, freedom), expected, 1e-11);
        }
    }

    #[test]
    fn edges() {
        assert!(survival(1.0, 0).is_nan());
        assert_close(survival(0.0, 3), 1.0, 0.0);
        assert_close(survival(f64::INFINITY, 3), 0.0, 0.0);
        // Seen, but never expected.
        assert_close(p_value(&[3.0, 1.0], &[4.0, 0.0]), 0.0, 0.0);
    }
}
