//! Test only: rows for the gate's tests.

use super::{PairedRow, Prediction};
use crate::golden::Golden;

/// A row without weight and cluster whose labels come from the probabilities at the threshold 0.4.
pub(super) fn row(y: bool, baseline: f64, candidate: f64) -> PairedRow {
    let predict = |p: f64| Prediction { label: u32::from(p >= 0.4), probability: Some(p) };
    PairedRow {
        y_true: u32::from(y),
        baseline: Some(predict(baseline)),
        candidate: predict(candidate),
        weight: None,
        cluster: None,
    }
}

/// The published data set.
pub(super) fn golden_rows() -> Vec<PairedRow> {
    let golden = Golden::build();
    (0..400).map(|i| row(golden.y[i], golden.baseline[i], golden.candidate[i])).collect()
}

/// The same rows with the models exchanged.
pub(super) fn swapped(rows: &[PairedRow]) -> Vec<PairedRow> {
    rows.iter()
        .map(|row| PairedRow {
            baseline: Some(row.candidate),
            candidate: row.baseline.expect("samples have a baseline"),
            ..*row
        })
        .collect()
}

/// `n` rows, two thirds of them positive, on which the baseline is always right and the candidate wrong on every
/// `n / broken`-th.
pub(super) fn damaged(n: usize, broken: usize) -> Vec<PairedRow> {
    (0..n)
        .map(|i| {
            let y = i % 3 != 0;
            let right = if y { 0.8 } else { 0.2 };
            let wrong = (i + 1) * broken / n > i * broken / n;
            row(y, right, if wrong { 1.0 - right } else { right })
        })
        .collect()
}
