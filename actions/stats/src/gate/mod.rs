//! The gate: whether a candidate may replace a baseline, decided from their predictions on the same rows.
//!
//! *Sign.* Differences are candidate minus baseline in the metric's own direction of better: for accuracy the
//! candidate's minus the baseline's, for log-loss the baseline's minus the candidate's. Positive is better.
//!
//! *Pass and the interval.* `interval` is two-sided at `1 - alpha` (95 % by default), while *pass* is decided by
//! the one-sided p-value at `alpha`: the candidate passes a non-inferiority test when "worse by the margin or
//! more" is rejected, which is when the lower end of the `1 - 2 alpha` (90 %) interval lies above `-margin`. So a
//! pass may print a 95 % interval that reaches slightly below `-margin`. *Fail* is decided by the printed
//! interval: its upper end lies below `-margin`, the regression is proven. Anything else is *inconclusive*.

mod classification;
mod compare;
mod decide;
mod inference;
mod rows;
#[cfg(test)]
mod samples;
mod share;
mod slices;
#[cfg(test)]
mod verdicts;

pub use compare::compare;
pub use decide::overall;
pub use rows::{Flips, PairedRow, Prediction, flips};
pub use slices::{Slice, SliceReport, compare_slices};

use serde::{Deserialize, Serialize};

/// What is compared. `log-loss`, `brier`, `roc-auc` and the last four need classes 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricKind {
    /// Share of rows whose predicted class is right, of any number of classes. Tango's score test.
    Accuracy,
    /// Mean negative log of the probability given to what happened; less is better. Paired t test.
    #[serde(alias = "log_loss")]
    LogLoss,
    /// Mean squared error of the probability; less is better. Paired t test.
    Brier,
    /// Area under the ROC curve. DeLong's test.
    #[serde(alias = "auc", alias = "roc_auc")]
    RocAuc,
    /// Harmonic mean of precision and recall of class 1. Paired stratified bootstrap.
    F1,
    /// Share of rows predicted 1 that are 1; zero when none is predicted. Paired stratified bootstrap.
    Precision,
    /// Share of rows that are 1 that are predicted 1. Paired stratified bootstrap.
    Recall,
    /// Matthews correlation; zero when a class is never predicted. Paired stratified bootstrap.
    Mcc,
}

impl MetricKind {
    /// Whether less is better.
    pub fn is_loss(self) -> bool {
        matches!(self, Self::LogLoss | Self::Brier)
    }

    /// The metric's value from its score in the direction of better, and back.
    fn signed(self, value: f64) -> f64 {
        // Zero minus zero, unlike minus zero, prints without a sign.
        if self.is_loss() { 0.0 - value } else { value }
    }

    fn needs_probability(self) -> bool {
        matches!(self, Self::LogLoss | Self::Brier | Self::RocAuc)
    }

    fn is_confusion(self) -> bool {
        matches!(self, Self::F1 | Self::Precision | Self::Recall | Self::Mcc)
    }

    fn needs_two_classes(self) -> bool {
        self != Self::Accuracy
    }

    /// Whether it is a mean over rows, so that weights and clusters have a meaning.
    fn is_mean(self) -> bool {
        matches!(self, Self::Accuracy | Self::LogLoss | Self::Brier)
    }

    /// Whether each class needs rows of its own.
    fn ranks_or_counts_classes(self) -> bool {
        self == Self::RocAuc || self.is_confusion()
    }
}

/// What is claimed of the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestKind {
    /// Not worse than the baseline by the margin.
    Noninferiority,
    /// Better than the baseline: non-inferiority with margin 0.
    Superiority,
    /// Within the margin of the baseline either way (two one-sided tests).
    Equivalence,
    /// At least as good as a fixed value, whatever the baseline.
    Absolute,
}

/// One question to the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// What is compared.
    pub metric: MetricKind,
    /// Name of the slice the rows belong to; none for all rows.
    #[serde(default)]
    pub slice: Option<String>,
    /// What is claimed.
    #[serde(default = "Comparison::default_test")]
    pub test: TestKind,
    /// Non-inferiority and equivalence: how much worse is acceptable, in the metric's units, not negative.
    /// Superiority: 0. Absolute: the floor (for a loss, the ceiling).
    #[serde(default)]
    pub margin: f64,
    /// One-sided level of the test, in `(0, 0.5)`.
    #[serde(default = "Comparison::default_alpha")]
    pub alpha: f64,
    /// With fewer rows the verdict is inconclusive.
    #[serde(default = "Comparison::default_min_n")]
    pub min_n: usize,
    /// Fixes the bootstrap and the random sign flips.
    #[serde(default)]
    pub seed: u64,
}

impl Comparison {
    /// The default question about a metric: non-inferiority at `margin`, alpha 0.05, at least 30 rows.
    pub fn noninferiority(metric: MetricKind, margin: f64) -> Self {
        Self {
            metric,
            slice: None,
            test: Self::default_test(),
            margin,
            alpha: Self::default_alpha(),
            min_n: Self::default_min_n(),
            seed: 0,
        }
    }

    fn default_test() -> TestKind {
        TestKind::Noninferiority
    }

    fn default_alpha() -> f64 {
        0.05
    }

    fn default_min_n() -> usize {
        30
    }
}

/// The answer, worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The claim is shown.
    Pass,
    /// There is nothing to compare with: the first model.
    NoBaseline,
    /// Neither shown nor refuted.
    Inconclusive,
    /// Refuted, or the metric cannot be computed from the predictions.
    Fail,
    /// The question or the predictions are broken.
    Error,
}

/// The answer to one [`Comparison`]. Every number is finite; what does not apply is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparisonReport {
    /// What was compared.
    pub metric: MetricKind,
    /// Slice, if not all rows.
    pub slice: Option<String>,
    /// What was claimed.
    pub test: TestKind,
    /// Rows.
    pub n: usize,
    /// Accuracy: rows on which exactly one model is right. F1, precision, recall, MCC: rows on which the
    /// predicted classes differ. Any metric: 0 if the models do not differ at all.
    pub discordant: Option<usize>,
    /// The baseline's value.
    pub baseline: Option<f64>,
    /// The candidate's value.
    pub candidate: Option<f64>,
    /// Candidate minus baseline in the direction of better; null for an absolute test.
    pub difference: Option<f64>,
    /// Two-sided `1 - alpha` interval of the difference; for an absolute test, of the candidate's value.
    pub interval: Option<[f64; 2]>,
    /// The margin, floor or ceiling asked about.
    pub margin: Option<f64>,
    /// Tango's or DeLong's z or Student's t against the margin; null for permutation, bootstrap and
    /// equivalence.
    pub statistic: Option<f64>,
    /// One-sided p-value of the claim; for equivalence the larger of two.
    pub p_value: Option<f64>,
    /// Smallest true difference that this many rows detect with probability 0.8 at `alpha`.
    pub mde: Option<f64>,
    /// The answer.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
}
