//! Anytime-valid comparisons: they may be looked at after every row.

use crate::outcome::Interval;

/// The mixture sequential probability ratio test of a mean (Johari 2022) along a stream of differences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MixtureSprt {
    /// The likelihood ratio after the last row.
    pub ratio: f64,
    /// The largest ratio on the way.
    pub largest: f64,
    /// `min(1, 1 / largest)`: valid at any time one chooses to stop.
    pub p_value: f64,
}

/// Runs the normal mixture SPRT against "the mean is `null`". `variance` is that of one difference, known or
/// bounded beforehand; `tau` is the standard deviation of the effects one expects.
pub fn mixture_sprt(differences: &[f64], null: f64, variance: f64, tau: f64) -> MixtureSprt {
    let (mut sum, mut ratio, mut largest) = (0.0, 1.0, 1.0f64);
    for (i, difference) in differences.iter().enumerate() {
        sum += difference - null;
        let n = (i + 1) as f64;
        let scale = variance + n * tau * tau;
        ratio =
            (variance / scale).sqrt() * (tau * tau * sum * sum / (2.0 * variance * scale)).exp();
        largest = largest.max(ratio);
    }
    MixtureSprt { ratio, largest, p_value: (1.0 / largest).min(1.0) }
}

/// The predictable plug-in empirical-Bernstein confidence sequence (Waudby-Smith & Ramdas 2023) for the mean of
/// differences in `[-1, 1]`: the intersection of the intervals after every row, which all hold at the same time
/// with probability `1 - alpha`. The whole range for no rows. An intersection may become empty (`low > high`)
/// when the mean drifts; then the assumption of one mean is refuted.
pub fn empirical_bernstein(differences: &[f64], alpha: f64) -> Interval {
    let budget = (2.0 / alpha).ln();
    let (mut sum, mut squares) = (0.5, 0.25);
    let (mut weight, mut weighted, mut spent) = (0.0, 0.0, 0.0);
    let mut all = Interval { low: -1.0, high: 1.0 };
    for (i, difference) in differences.iter().enumerate() {
        let t = (i + 1) as f64;
        let x = (difference + 1.0) / 2.0;
        // Both estimates use the rows before this one only, which is what makes the bet fair.
        let (mean, variance) = (sum / t, squares / t);
        let bet = (2.0 * budget / (variance * t * t.ln_1p())).sqrt().min(0.5);
        weight += bet;
        weighted += bet * x;
        spent += (x - mean) * (x - mean) * (-(-bet).ln_1p() - bet);
        sum += x;
        let updated = sum / (t + 1.0);
        squares += (x - updated) * (x - updated);
        let unit = Interval::around(weighted / weight, (budget + spent) / weight);
        all.low = all.low.max(2.0 * unit.low - 1.0);
        all.high = all.high.min(2.0 * unit.high - 1.0);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{empirical_bernstein, mixture_sprt};
    use crate::descriptive::variance;
    use crate::golden::{Golden, assert_close};

    #[test]
    fn golden_ratio() {
        let differences = Golden::build().correct_differences();
        let test = mixture_sprt(&differences, 0.0, variance(&differences, 0), 0.01);
        assert_close(test.ratio, 1.160_820_193_376_944_3, 1e-12);
        assert!(test.largest >= test.ratio && test.p_value <= 1.0);
    }

    #[test]
    fn golden_sequence() {
        let interval = empirical_bernstein(&Golden::build().correct_differences(), 0.05);
        assert_close(interval.low, -0.035_858_213_317_185_75, 1e-11);
        assert_close(interval.high, 0.087_674_801_474_468_16, 1e-11);
    }

    #[test]
    fn no_rows_say_nothing_and_a_clear_stream_says_much() {
        assert_eq!(empirical_bernstein(&[], 0.05).low, -1.0);
        assert_eq!(mixture_sprt(&[], 0.0, 1.0, 0.1).p_value, 1.0);
        let worse = vec![-1.0; 200];
        assert!(empirical_bernstein(&worse, 0.05).high < -0.5);
        assert!(mixture_sprt(&worse, 0.0, 1.0, 0.1).p_value < 1e-6);
    }
}
