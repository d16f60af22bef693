//! Correlation of two columns, and whether it changed.

use crate::normal;
use crate::outcome::Interval;

/// Pearson's correlation; `None` below two rows, or where a side has one value only.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    let scale = xx.sqrt() * yy.sqrt();
    (scale > 0.0 && scale.is_finite()).then(|| (xy / scale).clamp(-1.0, 1.0))
}

/// Fisher's (1921) interval by the inverse hyperbolic tangent, two-sided at `1 - alpha`. At least four rows.
pub fn fisher_interval(r: f64, n: u64, alpha: f64) -> Interval {
    let reach = normal::quantile(1.0 - alpha / 2.0) / (n as f64 - 3.0).sqrt();
    let z = r.atanh();
    Interval { low: (z - reach).tanh(), high: (z + reach).tanh() }
}

/// Zou's (2007) interval for the difference `second - first` of the correlations of two independent tables.
pub fn difference_interval(first: (f64, u64), second: (f64, u64), alpha: f64) -> Interval {
    let (a, b) =
        (fisher_interval(first.0, first.1, alpha), fisher_interval(second.0, second.1, alpha));
    let difference = second.0 - first.0;
    let reach = |p: f64, q: f64| p.hypot(q);
    Interval {
        low: difference - reach(second.0 - b.low, a.high - first.0),
        high: difference + reach(b.high - second.0, first.0 - a.low),
    }
}

#[cfg(test)]
mod tests {
    use super::{difference_interval, fisher_interval, pearson};
    use crate::golden::assert_close;

    #[test]
    fn correlations_are_known_ones() {
        let r = pearson(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 1.0, 4.0, 3.0, 7.0]);
        assert_close(r.expect("varies"), 0.824_163_383_692_134, 1e-15);
        assert_close(pearson(&[1.0, 2.0], &[3.0, 5.0]).expect("varies"), 1.0, 1e-15);
        assert_eq!(pearson(&[1.0, 1.0], &[3.0, 5.0]), None);
        assert_eq!(pearson(&[], &[]), None);
    }

    #[test]
    fn intervals_follow_their_formulas() {
        // tanh(atanh(0.5) -+ 1.959964 / 10)
        let found = fisher_interval(0.5, 103, 0.05);
        assert_close(found.low, 0.339_307_522_483_253_5, 1e-12);
        assert_close(found.high, 0.632_338_150_487_625_6, 1e-12);
        let same = difference_interval((0.5, 103), (0.5, 103), 0.05);
        assert_close(same.low, -same.high, 1e-15);
        assert!(difference_interval((0.9, 200), (-0.9, 200), 0.05).high < -1.7);
    }
}
