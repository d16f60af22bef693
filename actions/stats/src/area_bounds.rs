//! Bounds of an area under the ROC curve, sound at 1 too, where DeLong's variance is 0.

use crate::normal;
use crate::outcome::Interval;

/// Halvings: beyond these an `f64` between 0 and 1 does not change.
const HALVINGS: usize = 60;

/// Newcombe's (2006) score-like interval, his method 5: the areas that are `z` of their own deviations away, by the variance of
/// Hanley and McNeil for exponential scores with both class sizes taken as their mean. Two-sided at `1 - alpha`.
pub fn score_interval(area: f64, positives: u64, negatives: u64, alpha: f64) -> Interval {
    let z = normal::quantile(1.0 - alpha / 2.0);
    let gap = |theta: f64| (area - theta).abs() - z * variance(theta, positives, negatives).sqrt();
    // The gap shrinks from an end of the range towards the area, and is negative there.
    let search = |mut outer: f64| {
        let mut inner = area;
        if gap(outer) <= 0.0 {
            return outer;
        }
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(outer, inner);
            if gap(middle) > 0.0 {
                outer = middle;
            } else {
                inner = middle;
            }
        }
        inner
    };
    Interval { low: search(0.0), high: search(1.0) }
}

fn variance(theta: f64, positives: u64, negatives: u64) -> f64 {
    let (m, n) = (positives as f64, negatives as f64);
    let mean = f64::midpoint(m, n) - 1.0;
    theta
        * (1.0 - theta)
        * (1.0 + mean * (1.0 - theta) / (2.0 - theta) + mean * theta / (1.0 + theta))
        / (m * n)
}

#[cfg(test)]
mod tests {
    use super::{score_interval, variance};

    #[test]
    fn the_ends_solve_their_equation() {
        let z = 1.959_963_984_540_054;
        for (area, m, n) in [(0.8, 40, 60), (0.5, 10, 10), (0.97, 500, 30)] {
            let found = score_interval(area, m, n, 0.05);
            for end in [found.low, found.high] {
                let reach = z * variance(end, m, n).sqrt();
                assert!(((area - end).abs() - reach).abs() < 1e-12, "{area}: {end}");
            }
            assert!(found.low < area && area < found.high);
        }
    }

    #[test]
    fn a_perfect_area_is_not_certain() {
        let few = score_interval(1.0, 10, 10, 0.05);
        let many = score_interval(1.0, 1_000, 1_000, 0.05);
        assert!(few.low < 0.9 && many.low > 0.99 && many.low < 1.0, "{few:?} {many:?}");
        assert_eq!(few.high, 1.0);
        let none = score_interval(0.0, 10, 10, 0.05);
        assert!((none.high - (1.0 - few.low)).abs() < 1e-12, "{none:?}");
        assert_eq!(none.low, 0.0);
    }
}
