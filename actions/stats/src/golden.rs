//! Test only: the published data set that the golden numbers of this crate were computed on, with scipy,
//! statsmodels and an independent DeLong implementation.

use crate::random::Lcg;

/// Fails unless `actual` equals `expected` to `relative` (absolute near zero).
#[track_caller]
pub(crate) fn assert_close(actual: f64, expected: f64, relative: f64) {
    let error = (actual - expected).abs();
    let scale = expected.abs().max(f64::MIN_POSITIVE);
    assert!(
        actual == expected || error <= relative * scale,
        "{actual:?} is not {expected:?}: relative error {:e}",
        error / scale
    );
}

/// 400 rows: labels, probabilities of two models, and a slice.
pub(crate) struct Golden {
    pub(crate) y: Vec<bool>,
    pub(crate) baseline: Vec<f64>,
    pub(crate) candidate: Vec<f64>,
    pub(crate) slice: Vec<u32>,
}

impl Golden {
    pub(crate) fn build() -> Self {
        let mut random = Lcg::new(42);
        let mut u = || random.uniform();
        let mut golden =
            Self { y: Vec::new(), baseline: Vec::new(), candidate: Vec::new(), slice: Vec::new() };
        for _ in 0..400 {
            let y = u() < 0.35;
            let label = f64::from(u8::from(y));
            let shared = 0.30 * u() + 0.30 * u();
            let baseline = shared + 0.40 * u() * label + 0.10 * u();
            let candidate = shared + 0.45 * u() * label + 0.05 * u();
            golden.y.push(y);
            golden.baseline.push(baseline.clamp(1e-6, 1.0 - 1e-6));
            golden.candidate.push(candidate.clamp(1e-6, 1.0 - 1e-6));
            golden.slice.push((3.0 * u()) as u32);
        }
        golden
    }

    /// Whether each model is right on each row, at the threshold 0.4.
    pub(crate) fn correct(&self) -> Vec<(bool, bool)> {
        (0..self.y.len())
            .map(|i| {
                ((self.baseline[i] >= 0.4) == self.y[i], (self.candidate[i] >= 0.4) == self.y[i])
            })
            .collect()
    }

    /// Correctness of the candidate minus that of the baseline.
    pub(crate) fn correct_differences(&self) -> Vec<f64> {
        self.correct()
            .iter()
            .map(|&(b, c)| f64::from(u8::from(c)) - f64::from(u8::from(b)))
            .collect()
    }

    /// Per-row log-loss of (baseline, candidate).
    pub(crate) fn log_losses(&self) -> (Vec<f64>, Vec<f64>) {
        let loss =
            |p: &[f64]| p.iter().zip(&self.y).map(|(&p, &y)| crate::loss::log_loss(y, p)).collect();
        (loss(&self.baseline), loss(&self.candidate))
    }

    /// Log-loss of the baseline minus that of the candidate: positive is better.
    pub(crate) fn log_loss_differences(&self) -> Vec<f64> {
        let (baseline, candidate) = self.log_losses();
        baseline.iter().zip(&candidate).map(|(b, c)| b - c).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Golden, assert_close};

    #[test]
    fn the_data_set_is_the_published_one() {
        let golden = Golden::build();
        assert_eq!(golden.y.iter().filter(|y| **y).count(), 143);
        assert_close(golden.baseline.iter().sum(), 170.920_507_566_400_97, 1e-14);
        assert_close(golden.candidate.iter().sum(), 164.069_510_347_789_73, 1e-14);
    }
}
