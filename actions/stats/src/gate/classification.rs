//! Metrics of a binary confusion matrix, and their paired stratified bootstrap.

use super::MetricKind;
use super::rows::PairedRow;
use super::share::Share;
use crate::bootstrap::{Bootstrap, resample};

/// Enough for a 95 % interval to move by a few per cent of its width between seeds.
const REPLICATES: usize = 2000;

/// What one row adds to both confusion matrices.
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    pub(super) y: bool,
    /// None for a comparison with a fixed value.
    pub(super) baseline: Option<bool>,
    pub(super) candidate: bool,
}

/// Rows by class, baseline's label and candidate's label.
type Counts = [usize; 8];

fn kind(outcome: &Outcome) -> usize {
    usize::from(outcome.y) << 2
        | usize::from(outcome.baseline.unwrap_or(false)) << 1
        | usize::from(outcome.candidate)
}

/// The metric of one model: `bit` 1 is the baseline, 0 the candidate.
fn value(metric: MetricKind, counts: &Counts, bit: usize) -> f64 {
    let count = |class: usize, label: usize| -> f64 {
        (0..8)
            .filter(|kind| kind >> 2 == class && kind >> bit & 1 == label)
            .map(|kind| counts[kind] as f64)
            .sum()
    };
    let (tp, fp, missed, tn) = (count(1, 1), count(0, 1), count(1, 0), count(0, 0));
    let ratio = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
    match metric {
        MetricKind::Precision => ratio(tp, tp + fp),
        MetricKind::Recall => ratio(tp, tp + missed),
        MetricKind::Mcc => ratio(
            tp * tn - fp * missed,
            ((tp + fp) * (tp + missed) * (tn + fp) * (tn + missed)).sqrt(),
        ),
        // F1; the other metrics never come here.
        _ => ratio(2.0 * tp, 2.0 * tp + fp + missed),
    }
}

/// Both models' values and the bootstrap of the candidate's advantage (its value, without a baseline).
pub(super) struct ConfusionEvidence {
    pub(super) baseline: Option<f64>,
    pub(super) candidate: f64,
    pub(super) bootstrap: Bootstrap,
}

/// Resamples rows within each true class, the same rows for both models.
pub(super) fn evidence(metric: MetricKind, outcomes: &[Outcome], seed: u64) -> ConfusionEvidence {
    let paired = outcomes.iter().all(|outcome| outcome.baseline.is_some());
    let kinds: Vec<usize> = outcomes.iter().map(kind).collect();
    let mut counts = Counts::default();
    for kind in &kinds {
        counts[*kind] += 1;
    }
    let advantage = |counts: &Counts| {
        let baseline = if paired { value(metric, counts, 1) } else { 0.0 };
        value(metric, counts, 0) - baseline
    };
    let (positives, negatives): (Vec<usize>, Vec<usize>) =
        (0..outcomes.len()).partition(|&i| outcomes[i].y);
    let replicates = resample(&[positives, negatives], REPLICATES, seed, |rows| {
        let mut drawn = Counts::default();
        for &row in rows {
            drawn[kinds[row]] += 1;
        }
        advantage(&drawn)
    });
    // Rows of one kind leave the same matrix behind.
    let mut without = [0.0; 8];
    for (kind, left_out) in without.iter_mut().enumerate().filter(|(kind, _)| counts[*kind] > 0) {
        let mut rest = counts;
        rest[kind] -= 1;
        *left_out = advantage(&rest);
    }
    let jackknife = kinds.iter().map(|kind| without[*kind]).collect();
    ConfusionEvidence {
        baseline: paired.then(|| value(metric, &counts, 1)),
        candidate: value(metric, &counts, 0),
        bootstrap: Bootstrap::new(advantage(&counts), &replicates, jackknife),
    }
}

/// The candidate's metric as a share of its rows; `None` for MCC, which is none.
pub(super) fn share(metric: MetricKind, rows: &[PairedRow]) -> Option<Share> {
    let count = |y: bool, label: bool| {
        rows.iter().filter(|row| (row.y_true == 1, row.candidate.label == 1) == (y, label)).count()
            as u64
    };
    let (tp, fp, missed) = (count(true, true), count(false, true), count(true, false));
    let (n, harmonic) = match metric {
        MetricKind::Precision => (tp + fp, false),
        MetricKind::Recall => (tp + missed, false),
        MetricKind::F1 => (tp + fp + missed, true),
        _ => return None,
    };
    Some(Share { right: tp, n, harmonic })
}

#[cfg(test)]
mod tests {
    use super::{Counts, Outcome, evidence, value};
    use crate::gate::MetricKind;
    use crate::golden::assert_close;

    /// Candidate: 6 true positives, 2 false, 3 missed, 9 true negatives.
    const COUNTS: Counts = [9, 0, 0, 2, 3, 0, 0, 6];

    #[test]
    fn values_match_their_definitions() {
        assert_close(value(MetricKind::Precision, &COUNTS, 0), 0.75, 1e-15);
        assert_close(value(MetricKind::Recall, &COUNTS, 0), 6.0 / 9.0, 1e-15);
        assert_close(value(MetricKind::F1, &COUNTS, 0), 12.0 / 17.0, 1e-15);
        let mcc = 48.0 / (8.0f64 * 9.0 * 11.0 * 12.0).sqrt();
        assert_close(value(MetricKind::Mcc, &COUNTS, 0), mcc, 1e-15);
        assert_eq!(value(MetricKind::Precision, &[5, 0, 0, 0, 5, 0, 0, 0], 0), 0.0);
    }

    #[test]
    fn the_baseline_has_its_own_matrix() {
        let row = |y, baseline, candidate| Outcome { y, baseline: Some(baseline), candidate };
        let rows = [
            row(true, true, true),
            row(true, false, true),
            row(false, true, false),
            row(false, false, false),
        ];
        let evidence = evidence(MetricKind::Recall, &rows, 1);
        assert_eq!((evidence.baseline, evidence.candidate), (Some(0.5), 1.0));
        assert_eq!(evidence.bootstrap.estimate(), 0.5);
    }
}
