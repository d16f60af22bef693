//! What the rows say about the candidate's advantage, one shape for every metric.

use super::classification::{self, Outcome};
use super::rows::PairedRow;
use super::share::Share;
use super::{Comparison, MetricKind, TestKind};
use crate::auc::PairedAuc;
use crate::bootstrap::Bootstrap;
use crate::outcome::Interval;
use crate::paired_mean::{ClusteredValue, MeanEstimate};
use crate::proportions::PairedTable;
use crate::sign_flip::SignFlips;
use crate::{loss, normal, student, tango};

/// Below this many rows a mean is tested by sign flips instead of Student's t.
const T_ROWS: usize = 30;

/// How the advantage was estimated, with what is needed to test it against any value.
pub(super) enum Method {
    /// Paired right-or-wrong.
    Tango(PairedTable),
    /// A share of the candidate alone.
    Share(Share),
    /// A mean of rows.
    T(MeanEstimate),
    /// A mean of few rows.
    SignFlip { mean: MeanEstimate, flips: SignFlips },
    /// An estimate that is nearly normal.
    Normal { estimate: f64, standard_error: f64 },
    /// A resampled statistic.
    Bootstrap(Bootstrap),
}

impl Method {
    /// The advantage, in the direction of better.
    pub(super) fn estimate(&self) -> f64 {
        match self {
            Self::Tango(table) => table.difference(),
            Self::Share(share) => share.value(share.observed()),
            Self::T(mean) | Self::SignFlip { mean, .. } => mean.mean,
            Self::Normal { estimate, .. } => *estimate,
            Self::Bootstrap(bootstrap) => bootstrap.estimate(),
        }
    }

    /// Its standard error.
    pub(super) fn standard_error(&self) -> f64 {
        match self {
            Self::Tango(table) => table.standard_error(),
            Self::Share(share) => share.standard_error(),
            Self::T(mean) | Self::SignFlip { mean, .. } => mean.standard_error,
            Self::Normal { standard_error, .. } => *standard_error,
            Self::Bootstrap(bootstrap) => bootstrap.standard_error(),
        }
    }

    /// Its standard error if the models truly do not differ.
    pub(super) fn null_standard_error(&self) -> f64 {
        match self {
            Self::Tango(table) => (table.discordance() / table.n() as f64).sqrt(),
            _ => self.standard_error(),
        }
    }

    /// The statistic against `null`, for methods that have one.
    pub(super) fn statistic(&self, null: f64) -> Option<f64> {
        match self {
            Self::Tango(table) => Some(tango::score(table, null)),
            Self::Share(share) => Some(share.score(null)),
            Self::T(mean) => Some(mean.t(null)),
            Self::Normal { estimate, standard_error } => {
                let gap = estimate - null;
                Some(if gap == 0.0 { 0.0 } else { gap / standard_error })
            }
            Self::SignFlip { .. } | Self::Bootstrap(_) => None,
        }
    }

    /// One-sided p-value of "above `null`".
    pub(super) fn p_greater(&self, null: f64) -> f64 {
        match self {
            Self::SignFlip { flips, .. } => flips.p_greater(null),
            Self::Bootstrap(bootstrap) => bootstrap.p_greater(null),
            _ => self.upper_tail(self.statistic(null).unwrap_or(f64::NAN)),
        }
    }

    /// One-sided p-value of "below `null`".
    pub(super) fn p_less(&self, null: f64) -> f64 {
        match self {
            Self::SignFlip { flips, .. } => flips.p_less(null),
            Self::Bootstrap(bootstrap) => bootstrap.p_less(null),
            _ => self.upper_tail(-self.statistic(null).unwrap_or(f64::NAN)),
        }
    }

    fn upper_tail(&self, statistic: f64) -> f64 {
        match self {
            Self::T(mean) => student::sf(statistic, mean.degrees_of_freedom),
            _ => normal::sf(statistic),
        }
    }

    /// Two-sided interval at `1 - alpha`.
    pub(super) fn interval(&self, alpha: f64) -> Interval {
        match self {
            Self::Tango(table) => tango::interval(table, alpha),
            Self::Share(share) => share.interval(alpha),
            Self::T(mean) => mean.interval(alpha),
            Self::SignFlip { flips, .. } => flips.interval(alpha),
            Self::Normal { estimate, standard_error } => {
                Interval::around(*estimate, normal::quantile(1.0 - alpha / 2.0) * standard_error)
            }
            Self::Bootstrap(bootstrap) => bootstrap.bca_interval(alpha),
        }
    }
}

/// The values of both models and the method that compares them.
pub(super) struct Evidence {
    pub(super) baseline: Option<f64>,
    pub(super) candidate: f64,
    pub(super) discordant: Option<usize>,
    /// The two models do not differ in what the metric looks at.
    pub(super) identical: bool,
    pub(super) method: Method,
}

/// Gathers the evidence of screened rows; `None` if there is too little for any estimate. With an absolute
/// test the method judges the candidate alone.
pub(super) fn gather(comparison: &Comparison, rows: &[PairedRow]) -> Option<Evidence> {
    let absolute = comparison.test == TestKind::Absolute;
    let metric = comparison.metric;
    if metric == MetricKind::RocAuc {
        return areas(rows, absolute);
    }
    if metric.is_confusion() {
        return match classification::share(metric, rows) {
            Some(share) if absolute => alone(share),
            _ => Some(confusion(comparison, rows, absolute)),
        };
    }
    let grouped = rows.iter().any(|row| row.weight.is_some() || row.cluster.is_some());
    if metric == MetricKind::Accuracy && !grouped {
        return Some(accuracy(rows, absolute));
    }
    mean(comparison, rows, absolute, grouped)
}

/// A share of the candidate without a baseline; `None` if it is a share of nothing.
fn alone(share: Share) -> Option<Evidence> {
    let method = Method::Share(share);
    (share.n > 0).then(|| Evidence {
        baseline: None,
        candidate: method.estimate(),
        discordant: None,
        identical: false,
        method,
    })
}

fn baseline_right(row: &PairedRow) -> bool {
    row.baseline.is_some_and(|baseline| baseline.label == row.y_true)
}

fn candidate_right(row: &PairedRow) -> bool {
    row.candidate.label == row.y_true
}

fn has_baseline(rows: &[PairedRow]) -> bool {
    rows.iter().all(|row| row.baseline.is_some())
}

fn same_labels(rows: &[PairedRow]) -> bool {
    rows.iter()
        .all(|row| row.baseline.is_some_and(|baseline| baseline.label == row.candidate.label))
}

fn accuracy(rows: &[PairedRow], absolute: bool) -> Evidence {
    let table =
        PairedTable::count(rows.iter().map(|row| (baseline_right(row), candidate_right(row))));
    let paired = has_baseline(rows);
    let right = (table.both + table.candidate_only) as u64;
    Evidence {
        baseline: paired.then(|| table.baseline()),
        candidate: table.candidate(),
        discordant: paired.then(|| table.discordant()),
        identical: same_labels(rows),
        method: if absolute {
            Method::Share(Share { right, n: table.n() as u64, harmonic: false })
        } else {
            Method::Tango(table)
        },
    }
}

fn areas(rows: &[PairedRow], absolute: bool) -> Option<Evidence> {
    let y: Vec<bool> = rows.iter().map(|row| row.y_true == 1).collect();
    let candidate: Vec<f64> =
        rows.iter().map(|row| row.candidate.probability.unwrap_or(f64::NAN)).collect();
    let paired = rows.iter().all(|row| row.baseline.is_some_and(|b| b.probability.is_some()));
    let baseline: Vec<f64> = if paired {
        rows.iter().filter_map(|row| row.baseline?.probability).collect()
    } else {
        candidate.clone()
    };
    let area = PairedAuc::delong(&y, &baseline, &candidate)?;
    let (estimate, standard_error) = if absolute {
        (area.candidate, area.candidate_variance.sqrt())
    } else {
        (area.difference(), area.standard_error())
    };
    Some(Evidence {
        baseline: paired.then_some(area.baseline),
        candidate: area.candidate,
        discordant: None,
        // Equal ranks of the classes against each other, though scores may differ.
        identical: paired && area.difference() == 0.0 && area.difference_variance == 0.0,
        method: Method::Normal { estimate, standard_error },
    })
}

fn confusion(comparison: &Comparison, rows: &[PairedRow], absolute: bool) -> Evidence {
    let outcomes = |with_baseline: bool| -> Vec<Outcome> {
        rows.iter()
            .map(|row| Outcome {
                y: row.y_true == 1,
                baseline: row
                    .baseline
                    .filter(|_| with_baseline)
                    .map(|baseline| baseline.label == 1),
                candidate: row.candidate.label == 1,
            })
            .collect()
    };
    let paired = has_baseline(rows);
    let found = classification::evidence(comparison.metric, &outcomes(!absolute), comparison.seed);
    let differing = |row: &&PairedRow| row.baseline.is_some_and(|b| b.label != row.candidate.label);
    Evidence {
        baseline: found.baseline,
        candidate: found.candidate,
        discordant: (paired && !absolute).then(|| rows.iter().filter(differing).count()),
        identical: same_labels(rows),
        method: Method::Bootstrap(found.bootstrap),
    }
}

/// A model's score of one row in the direction of better.
fn score(metric: MetricKind, row: &PairedRow, prediction: &super::Prediction) -> f64 {
    let y = row.y_true == 1;
    match (metric, prediction.probability) {
        (MetricKind::LogLoss, Some(p)) => -loss::log_loss(y, p),
        (MetricKind::Brier, Some(p)) => -loss::brier(y, p),
        (MetricKind::Accuracy, _) => f64::from(u8::from(prediction.label == row.y_true)),
        _ => f64::NAN,
    }
}

fn mean(
    comparison: &Comparison,
    rows: &[PairedRow],
    absolute: bool,
    grouped: bool,
) -> Option<Evidence> {
    let metric = comparison.metric;
    let candidate: Vec<f64> = rows.iter().map(|row| score(metric, row, &row.candidate)).collect();
    let baseline: Option<Vec<f64>> =
        rows.iter().map(|row| row.baseline.map(|baseline| score(metric, row, &baseline))).collect();
    let baseline = baseline.filter(|scores| scores.iter().all(|score| score.is_finite()));
    let advantage: Vec<f64> = match &baseline {
        Some(baseline) if !absolute => candidate.iter().zip(baseline).map(|(c, b)| c - b).collect(),
        _ => candidate.clone(),
    };
    let estimate = estimate(&advantage, rows, grouped)?;
    let method = if rows.len() < T_ROWS && !grouped {
        let flips = SignFlips::of(&advantage, comparison.seed);
        Method::SignFlip { mean: estimate, flips }
    } else {
        Method::T(estimate)
    };
    let flipped = |row: &&PairedRow| baseline_right(row) != candidate_right(row);
    let counts = metric == MetricKind::Accuracy && baseline.is_some();
    Some(Evidence {
        baseline: baseline.as_deref().map(|scores| metric.signed(weighted_mean(scores, rows))),
        candidate: metric.signed(weighted_mean(&candidate, rows)),
        discordant: counts.then(|| rows.iter().filter(flipped).count()),
        identical: identical_inputs(metric, rows),
        method,
    })
}

fn identical_inputs(metric: MetricKind, rows: &[PairedRow]) -> bool {
    if metric == MetricKind::Accuracy {
        return same_labels(rows);
    }
    rows.iter().all(|row| row.baseline.is_some_and(|b| b.probability == row.candidate.probability))
}

fn weighted_mean(values: &[f64], rows: &[PairedRow]) -> f64 {
    let weight = |row: &PairedRow| row.weight.unwrap_or(1.0);
    let sum: f64 = values.iter().zip(rows).map(|(value, row)| weight(row) * value).sum();
    sum / rows.iter().map(weight).sum::<f64>()
}

fn estimate(values: &[f64], rows: &[PairedRow], grouped: bool) -> Option<MeanEstimate> {
    if !grouped {
        return MeanEstimate::of(values);
    }
    let clustered: Vec<ClusteredValue> = values
        .iter()
        .zip(rows)
        .enumerate()
        .map(|(i, (&value, row))| ClusteredValue {
            value,
            weight: row.weight.unwrap_or(1.0),
            cluster: row.cluster.unwrap_or(i as u64),
        })
        .collect();
    MeanEstimate::clustered(&clustered)
}
