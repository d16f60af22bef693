//! Comparing two models by cross-validation folds, when there is no hold-out set.

use crate::descriptive::{mean, variance};
use crate::outcome::TestResult;
use crate::student;

/// Nadeau & Bengio's (2003) corrected resampled t test of per-fold differences, two-sided: the variance is
/// raised by `test_share = n_test / n_train`, because training sets overlap. `None` below two folds.
pub fn nadeau_bengio(fold_differences: &[f64], test_share: f64) -> Option<TestResult> {
    let k = fold_differences.len();
    if k < 2 {
        return None;
    }
    let spread = ((1.0 / k as f64 + test_share) * variance(fold_differences, 1)).sqrt();
    let gap = mean(fold_differences);
    let statistic = if gap == 0.0 { 0.0 } else { gap / spread };
    Some(TestResult { statistic, p_value: student::two_sided(statistic, (k - 1) as f64) })
}

#[cfg(test)]
mod tests {
    use super::nadeau_bengio;
    use crate::descriptive::mean;
    use crate::golden::{Golden, assert_close};

    #[test]
    fn golden_folds() {
        let differences = Golden::build().log_loss_differences();
        let folds: Vec<f64> = (0..10)
            .map(|i| mean(&differences.iter().copied().skip(i).step_by(10).collect::<Vec<f64>>()))
            .collect();
        let test = nadeau_bengio(&folds, 1.0 / 9.0).expect("ten folds");
        assert_close(test.statistic, 0.527_855_534_132_931_7, 1e-12);
        assert_close(test.p_value, 0.610_364_754_499_802_1, 1e-12);
        assert_eq!(nadeau_bengio(&[0.1], 0.1), None);
    }
}
