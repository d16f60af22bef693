//! The pooled test of two proportions.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Two-sided p-value that `hits` of `rows` on either side come from one proportion.
///
/// It is `2 (1 - cdf(|z|))` and not the tail itself, because that is what people compare with: below 1e-16 it is 0.
pub fn p_value(reference: (u64, u64), current: (u64, u64)) -> f64 {
    let (hits, rows) = (reference.0 as f64, reference.1 as f64);
    let (other_hits, other_rows) = (current.0 as f64, current.1 as f64);
    let (p, q) = (hits / rows, other_hits / other_rows);
    let pooled = (p * rows + q * other_rows) / (rows + other_rows);
    let z = (p - q) / (pooled * (1.0 - pooled) * (1.0 / rows + 1.0 / other_rows)).sqrt();
    2.0 * (1.0 - cdf(z.abs()))
}

fn cdf(z: f64) -> f64 {
    let x = z / SQRT_2;
    if x < FRAC_1_SQRT_2 { 0.5 + 0.5 * libm::erf(x) } else { 1.0 - 0.5 * libm::erfc(x) }
}
