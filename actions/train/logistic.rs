//! Logistic regression: linfa finds the coefficients, on features brought to mean 0 and standard deviation 1.

use super::TrainError;
use crate::model::LogisticParameters;
use linfa::Dataset;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, Axis};

/// What the user may choose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogisticOptions {
    /// Weight of the penalty `½·alpha·Σ coefficient²` beside the summed log-loss.
    pub alpha: f64,
    /// Most iterations of the solver (L-BFGS).
    pub max_iterations: u64,
}

/// Where the solver stops: the length of the gradient of the summed loss, for each row.
const TOLERANCE_PER_ROW: f64 = 1e-8;

/// Fits the regression and says whether the solver arrived: whether the gradient of the loss, for each row, is below
/// 1e-4 in length.
///
/// # Errors
/// `OneClass`, and `Solver` with linfa's words.
pub fn fit(
    rows: &Array2<f64>,
    labels: &[bool],
    options: LogisticOptions,
) -> Result<(LogisticParameters, bool), TrainError> {
    super::check_classes(labels)?;
    let (means, scales) = standardisation(rows);
    let mut standard = rows.clone();
    for mut row in standard.rows_mut() {
        row.iter_mut().enumerate().for_each(|(at, x)| *x = (*x - means[at]) / scales[at]);
    }
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
    let count = labels.len() as f64;
    let solver = LogisticRegression::default()
        .alpha(options.alpha)
        .max_iterations(options.max_iterations)
        .gradient_tolerance(TOLERANCE_PER_ROW * count);
    let data = Dataset::new(standard, Array1::from(labels.to_vec()));
    let fitted = solver.fit(&data).map_err(|error| TrainError::Solver(error.to_string()))?;
    // linfa calls the rarer class positive; ours is always `true`.
    let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
    let parameters = LogisticParameters {
        intercept: sign * fitted.intercept(),
        coefficients: fitted.params().iter().map(|value| sign * value).collect(),
        means,
        scales,
    };
    let rest = gradient_length(data.records(), labels, &parameters, options.alpha) / count;
    Ok((parameters, rest < 1e-4))
}

/// Mean and population standard deviation of each column; a constant column gets the scale 1.
fn standardisation(rows: &Array2<f64>) -> (Vec<f64>, Vec<f64>) {
    let columns = rows.axis_iter(Axis(1));
    columns
        .map(|column| {
            let mean = column.mean().unwrap_or(0.0);
            let deviation = column.std(0.0);
            (mean, if deviation > 0.0 && deviation.is_finite() { deviation } else { 1.0 })
        })
        .unzip()
}

/// Length of the gradient of `Σ log-loss + ½·alpha·Σ coefficient²` at the parameters.
fn gradient_length(
    standard: &Array2<f64>,
    labels: &[bool],
    parameters: &LogisticParameters,
    alpha: f64,
) -> f64 {
    let mut gradient: Vec<f64> = parameters.coefficients.iter().map(|c| alpha * c).collect();
    let mut constant = 0.0;
    for (row, label) in standard.rows().into_iter().zip(labels) {
        let z: f64 = row.iter().zip(&parameters.coefficients).map(|(x, c)| x * c).sum();
        let p = 1.0 / (1.0 + (-(z + parameters.intercept)).exp());
        let error = p - f64::from(u8::from(*label));
        constant += error;
        row.iter().zip(&mut gradient).for_each(|(x, sum)| *sum += error * x);
    }
    (gradient.iter().map(|g| g * g).sum::<f64>() + constant * constant).sqrt()
}
