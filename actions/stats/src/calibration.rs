//! Whether predicted probabilities are what happens.

use crate::normal;
use crate::outcome::TestResult;

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReliabilityBin {
    /// Rows in the bin.
    pub rows: usize,
    /// Mean predicted probability; zero for an empty bin.
    pub predicted: f64,
    /// Share of positives; zero for an empty bin.
    pub observed: f64,
}

/// The reliability diagram over `bins` bins of equal width; a probability of 1 falls into the last.
pub fn reliability(y: &[bool], p: &[f64], bins: usize) -> Vec<ReliabilityBin> {
    let mut table = vec![ReliabilityBin::default(); bins];
    for (y, p) in y.iter().zip(p) {
        let bin = &mut table[((p * bins as f64) as usize).min(bins - 1)];
        bin.rows += 1;
        bin.predicted += p;
        bin.observed += f64::from(u8::from(*y));
    }
    for bin in table.iter_mut().filter(|bin| bin.rows > 0) {
        bin.predicted /= bin.rows as f64;
        bin.observed /= bin.rows as f64;
    }
    table
}

/// The reliability diagram over `bins` bins of (nearly) equal numbers of rows, by ascending probability.
pub fn reliability_equal_mass(y: &[bool], p: &[f64], bins: usize) -> Vec<ReliabilityBin> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    (0..bins)
        .map(|k| {
            let rows = &order[k * p.len() / bins..(k + 1) * p.len() / bins];
            let size = rows.len().max(1) as f64;
            ReliabilityBin {
                rows: rows.len(),
                predicted: rows.iter().map(|&i| p[i]).sum::<f64>() / size,
                observed: rows.iter().filter(|&&i| y[i]).count() as f64 / size,
            }
        })
        .collect()
}

/// Expected calibration error: the mean gap between predicted and observed over bins, by rows. Biased upwards
/// in small bins; show it, do not gate on it. NaN for no rows.
pub fn expected_calibration_error(bins: &[ReliabilityBin]) -> f64 {
    let n: usize = bins.iter().map(|bin| bin.rows).sum();
    let sum: f64 =
        bins.iter().map(|bin| bin.rows as f64 * (bin.observed - bin.predicted).abs()).sum();
    sum / n as f64
}

/// Spiegelhalter's (1986) z test that probabilities are calibrated, two-sided. NaN where every probability is
/// 0, 1 or one half.
pub fn spiegelhalter(y: &[bool], p: &[f64]) -> TestResult {
    let (mut gap, mut variance) = (0.0, 0.0);
    for (y, &p) in y.iter().zip(p) {
        let slope = 1.0 - 2.0 * p;
        gap += (f64::from(u8::from(*y)) - p) * slope;
        variance += slope * slope * p * (1.0 - p);
    }
    let statistic = gap / variance.sqrt();
    TestResult { statistic, p_value: normal::two_sided(statistic) }
}

#[cfg(test)]
mod tests {
    use super::{expected_calibration_error, reliability, reliability_equal_mass, spiegelhalter};
    use crate::golden::{Golden, assert_close};

    #[test]
    fn golden_errors() {
        let golden = Golden::build();
        let ece = |p: &[f64]| expected_calibration_error(&reliability(&golden.y, p, 10));
        assert_close(ece(&golden.baseline), 0.177_141_229_791_965_03, 1e-12);
        assert_close(ece(&golden.candidate), 0.161_406_796_236_624_96, 1e-12);
        let z = |p: &[f64]| spiegelhalter(&golden.y, p).statistic;
        assert_close(z(&golden.baseline), -7.394_798_525_757_323, 1e-12);
        assert_close(z(&golden.candidate), -6.480_184_161_220_443, 1e-12);
    }

    #[test]
    fn bins_hold_every_row_once() {
        let y = [true, false, true, true, false];
        let p = [1.0, 0.0, 0.55, 0.95, 0.35];
        let width = reliability(&y, &p, 10);
        assert_eq!(width[9].rows, 2);
        assert_eq!(width.iter().map(|bin| bin.rows).sum::<usize>(), 5);
        let mass = reliability_equal_mass(&y, &p, 2);
        assert_eq!((mass[0].rows, mass[1].rows), (2, 3));
        assert_eq!((mass[0].observed, mass[1].observed), (0.0, 1.0));
        let perfect = reliability(&[true, false], &[1.0, 0.0], 10);
        assert_eq!(expected_calibration_error(&perfect), 0.0);
    }
}
