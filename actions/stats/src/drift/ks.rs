//! The two-sided two-sample Kolmogorov-Smirnov test.

use super::kolmogorov;

/// Largest sample for which the p-value is exact: beyond it scipy takes the distribution for one sample instead, and so
/// do we, since people compare.
const MAX_EXACT: usize = 10_000;

/// The largest distance of the two distribution functions. Both samples sorted, neither empty, no NaN. Whole numbers are
/// given as such, since floats do not tell large ones apart.
pub fn statistic<T: PartialOrd + Copy>(reference: &[T], current: &[T]) -> f64 {
    let (n, m) = (reference.len() as f64, current.len() as f64);
    let (mut i, mut j) = (0, 0);
    let (mut above, mut below) = (0.0f64, 0.0f64);
    while i < reference.len() && j < current.len() {
        let next = if reference[i] <= current[j] { reference[i] } else { current[j] };
        while reference.get(i) == Some(&next) {
            i += 1;
        }
        while current.get(j) == Some(&next) {
            j += 1;
        }
        let difference = i as f64 / n - j as f64 / m;
        above = above.max(difference);
        below = below.max(-difference);
    }
    above.max(below)
}

/// The p-value of distance `d` between samples of `n` and `m` rows.
pub fn p_value(d: f64, n: usize, m: usize) -> f64 {
    let (large, small) = (n.max(m), n.min(m));
    if large <= MAX_EXACT {
        // Rounding may lift a certainty above 1.
        return exact(d, large, small).clamp(0.0, 1.0);
    }
    let (n, m) = (large as f64, small as f64);
    let rows = (n * m / (n + m)).round_ties_even();
    kolmogorov::survival(d, rows as u64)
}

/// The share of lattice paths from one corner of a `large` by `small` grid to the other that stray from the diagonal at
/// least as far as `d`.
fn exact(d: f64, large: usize, small: usize) -> f64 {
    let divisor = gcd(large, small);
    let multiple = large / divisor * small;
    let height = (d * multiple as f64).round_ties_even() as i64;
    if height == 0 {
        return 1.0;
    }
    if large == small {
        return square(large as f64, height as f64);
    }
    lattice(large as i64, small as i64, divisor as i64, height)
}

/// The closed form for equal samples: reflections at both lines, nested from the farthest.
fn square(n: f64, height: f64) -> f64 {
    let mut share = 0.0;
    let mut k = (n / height).floor();
    while k >= 0.0 {
        let mut ratio = 1.0;
        let mut step = 0.0;
        while step < height {
            ratio *= (n - k * height - step) / (n + k * height + step + 1.0);
            step += 1.0;
        }
        share = ratio * (1.0 - share);
        k -= 1.0;
    }
    2.0 * share
}

/// Goes through the grid column by column. A cell holds the share of paths to it that have strayed: 1 outside of the
/// band, else what its two neighbours say, weighted by how many paths come from each. Nothing is subtracted, so that
/// small shares keep their digits.
fn lattice(large: i64, small: i64, divisor: i64, height: i64) -> f64 {
    let (wide, narrow) = (small / divisor, large / divisor);
    let inverse: Vec<f64> = (0..=large + small).map(|paths| 1.0 / (paths.max(1) as f64)).collect();
    let mut strayed = vec![1.0f64; small as usize + 1];
    for i in 0..=large {
        let lowest = ((i * wide - height).div_euclid(narrow) + 1).max(0);
        let highest = (-(-(i * wide + height)).div_euclid(narrow) - 1).min(small);
        let mut below = 1.0;
        for j in lowest..=highest {
            let left = strayed[j as usize];
            let share = match (i, j) {
                (0, 0) => 0.0,
                (0, _) => below,
                (_, 0) => left,
                _ => (i as f64 * left + j as f64 * below) * inverse[(i + j) as usize],
            };
            strayed[j as usize] = share;
            below = share;
        }
    }
    strayed[small as usize]
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
