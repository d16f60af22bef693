//! The numbers that describe one model's predictions, and what changes between two.

use pawl_data::{Predictions, RowId};
use pawl_stats::auc::auc;
use pawl_stats::calibration::{ReliabilityBin, expected_calibration_error, reliability};
use pawl_stats::descriptive::mean;
use pawl_stats::loss::{brier, log_loss};

/// Bins of the reliability diagram.
const BINS: usize = 10;
/// Broken rows that are shown: enough for a reader to look at.
const WORST: usize = 5;

/// How well probabilities fit the labels.
pub(super) struct Scores {
    pub(super) accuracy: f64,
    /// `None` when all labels are the same.
    pub(super) auc: Option<f64>,
    /// Mean, in nats.
    pub(super) log_loss: f64,
    brier: f64,
    /// True positives, false positives, true negatives, false negatives.
    confusion: [usize; 4],
    reliability: Vec<ReliabilityBin>,
}

impl Scores {
    pub(super) fn of(labels: &[bool], p: &[f64], threshold: f64) -> Self {
        let mut confusion = [0; 4];
        for (label, p) in labels.iter().zip(p) {
            let at = match (*p >= threshold, *label) {
                (true, true) => 0,
                (true, false) => 1,
                (false, false) => 2,
                (false, true) => 3,
            };
            confusion[at] += 1;
        }
        let losses = |loss: fn(bool, f64) -> f64| {
            mean(&labels.iter().zip(p).map(|(label, p)| loss(*label, *p)).collect::<Vec<f64>>())
        };
        #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
        let accuracy = (confusion[0] + confusion[2]) as f64 / labels.len() as f64;
        Self {
            accuracy,
            auc: auc(labels, p),
            log_loss: losses(log_loss),
            brier: losses(brier),
            confusion,
            reliability: reliability(labels, p, BINS),
        }
    }

    pub(super) fn line(&self) -> String {
        let auc = self.auc.map_or("undefined".to_owned(), |auc| format!("{auc:.4}"));
        let (accuracy, loss) = (self.accuracy, self.log_loss);
        format!("accuracy {accuracy:.4}, AUC {auc}, log-loss {loss:.4}")
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        let [tp, fp, tn, fn_] = self.confusion;
        let bins: Vec<_> = self
            .reliability
            .iter()
            .map(|bin| {
                let shown = |value: f64| (bin.rows > 0).then_some(value);
                serde_json::json!({
                    "n": bin.rows,
                    "predicted": shown(bin.predicted),
                    "observed": shown(bin.observed),
                })
            })
            .collect();
        serde_json::json!({
            "accuracy": self.accuracy,
            "auc": self.auc,
            "log_loss": self.log_loss,
            "brier": self.brier,
            "calibration_error": expected_calibration_error(&self.reliability),
            "confusion": {"tp": tp, "fp": fp, "tn": tn, "fn": fn_},
            "reliability": bins,
        })
    }
}

/// Rows whose decision turns from wrong to right or back.
pub(super) struct Flips {
    fixed: usize,
    broken: Vec<Broken>,
}

struct Broken {
    row: RowId,
    label: bool,
    baseline: f64,
    candidate: f64,
}

impl Flips {
    /// Both of the same rows in the same order.
    pub(super) fn between(baseline: &Predictions, candidate: &Predictions) -> Self {
        let mut flips = Self { fixed: 0, broken: Vec::new() };
        for row in 0..candidate.rows() {
            let label = candidate.y_true[row];
            match (baseline.y_pred[row] == label, candidate.y_pred[row] == label) {
                (false, true) => flips.fixed += 1,
                (true, false) => flips.broken.push(Broken {
                    row: candidate.ids[row].clone(),
                    label,
                    baseline: baseline.p[row],
                    candidate: candidate.p[row],
                }),
                _ => {}
            }
        }
        let error = |broken: &Broken| (f64::from(u8::from(broken.label)) - broken.candidate).abs();
        flips.broken.sort_by(|a, b| error(b).total_cmp(&error(a)).then(a.row.cmp(&b.row)));
        flips
    }

    /// The counts and the worst of the broken rows.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let worst: Vec<_> = self
            .broken
            .iter()
            .take(WORST)
            .map(|broken| {
                serde_json::json!({
                    "row": broken.row, "label": u8::from(broken.label),
                    "baseline": broken.baseline, "candidate": broken.candidate,
                })
            })
            .collect();
        serde_json::json!({"fixed": self.fixed, "broken": self.broken.len(), "worst": worst})
    }
}
