//! Per-row losses of a predicted probability; smaller is better.

/// `-ln` of the probability given to what happened, in nats. The probability is kept one machine epsilon
/// from 0 and 1, so a certain error costs about 36 instead of infinity.
pub fn log_loss(y: bool, p: f64) -> f64 {
    let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    if y { -p.ln() } else { -(-p).ln_1p() }
}

/// The squared error of the probability (Brier 1950, two classes counted once).
pub fn brier(y: bool, p: f64) -> f64 {
    let error = p - f64::from(u8::from(y));
    error * error
}

#[cfg(test)]
mod tests {
    use super::{brier, log_loss};
    use crate::descriptive::mean;
    use crate::golden::{Golden, assert_close};

    #[test]
    fn golden_brier_scores() {
        let golden = Golden::build();
        let score = |p: &[f64]| {
            let rows: Vec<f64> = p.iter().zip(&golden.y).map(|(&p, &y)| brier(y, p)).collect();
            mean(&rows)
        };
        assert_close(score(&golden.baseline), 0.157_340_159_004_637_58, 1e-12);
        assert_close(score(&golden.candidate), 0.153_957_227_872_697_64, 1e-12);
    }

    #[test]
    fn certain_errors_are_dear_but_finite() {
        assert!(log_loss(true, 0.0) > 36.0 && log_loss(true, 0.0).is_finite());
        assert!(log_loss(false, 1.0) > 36.0 && log_loss(false, 1.0).is_finite());
        assert!(log_loss(true, 1.0) < 1e-15);
        assert_close(log_loss(false, 0.25), -(0.75f64.ln()), 1e-15);
    }
}
