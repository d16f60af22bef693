//! Whether a model has become worse than it was on a reference: by its labels, looked at as they come, and where they have not
//! come, by its own probabilities.

use super::report::Status;
use pawl_data::Answers;
use pawl_stats::drift::concept::{Watch, bernstein_upper};
use pawl_stats::drift::unlabelled::{Labelled, Unlabelled, expected};
use pawl_stats::loss::brier;
use pawl_stats::proportion_bounds::clopper_pearson;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// With fewer rows nothing is said, except what labels have shown already.
const MIN_ROWS: usize = 100;
/// The chance that labels say "worse" of a model that is not, over all looks. One half is for the reference being a sample, one
/// for the current rows.
const ALPHA: f64 = 0.05;
/// The draws are the same in each run.
const SEED: u64 = 42;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The share of right answers.
    Accuracy,
    /// The mean of the squared differences between probability and label.
    Brier,
}

/// A word that names no metric: the user's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no performance '{0}': accuracy, brier")]
pub struct UnknownMetric(String);

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        match text {
            "accuracy" => Ok(Self::Accuracy),
            "brier" => Ok(Self::Brier),
            _ => Err(UnknownMetric(text.to_owned())),
        }
    }
}

impl Metric {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Brier => "brier",
        }
    }

    /// The metric where this is the loss, and the other way round.
    fn of_loss(self, loss: f64) -> f64 {
        match self {
            Self::Accuracy => 1.0 - loss,
            Self::Brier => loss,
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// What is measured.
    pub metric: Metric,
    /// By how much it may be worse, in its own units.
    pub margin: f64,
}

/// Why there is no comparison: the user's data or wish.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PerformanceError {
    /// Nothing to compare with.
    #[error("the reference has no row with a label in y_true")]
    NoReference,
    /// Nothing is compared.
    #[error("the current data has no row")]
    NoRows,
    /// Neither of the two ways is open.
    #[error("the current data has neither labels nor probabilities that the reference has, too")]
    Nothing,
    /// The metric is one of probabilities.
    #[error("brier needs a probability in column p on both sides")]
    NoProbability,
    /// The margin is not between 0 and 1.
    #[error("the margin {0} is not from 0 to below 1")]
    Margin(f64),
    /// What was seen before belongs to another question.
    #[error("the state is of {0}, not of this comparison")]
    OtherState(String),
}

impl PerformanceError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoReference => "give answers to rows whose labels are known as the reference",
            Self::NoRows => "give the answers to the rows that are to be looked at",
            Self::Nothing => "add labels in y_true, or the probability in p on both sides",
            Self::NoProbability => "ask for accuracy, or add the probability",
            Self::Margin(_) => "0.01 allows one point of a hundred",
            Self::OtherState(_) => "name another state file, or remove this one to begin anew",
        }
    }
}

/// A comparison of two sets of answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PerformanceReport {
    /// Whether the model has become worse by more than the margin.
    pub drifted: bool,
    /// What that comes to.
    pub status: Status,
    /// What was measured.
    pub metric: Metric,
    /// By how much it may be worse.
    pub margin: f64,
    /// How good the model was.
    pub reference: Reference,
    /// What the labels say that have come; null where none has.
    pub labelled: Option<ByLabels>,
    /// What is expected of the rows without labels; null where there are none, or no probabilities.
    pub unlabelled: Option<ByEstimate>,
}

/// The reference's rows with labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reference {
    /// How many.
    pub rows: usize,
    /// The metric.
    pub value: f64,
    /// The worst that it may be, with a chance of 0.025 to be wrong.
    pub bound: f64,
}

/// What labels say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ByLabels {
    /// Rows with a label, those of earlier looks included.
    pub rows: u64,
    /// The metric over them.
    pub value: f64,
    /// By how much that is worse than the reference; negative when it is better.
    pub worse_by: f64,
    /// What bets that the model is worse by more than the margin have made of 1, at most.
    pub evidence: f64,
    /// From here on it is shown.
    pub evidence_needed: f64,
    /// What that comes to.
    pub status: Status,
    /// When it was shown.
    pub change: Option<Change>,
}

/// When a model was found to be worse.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Labels after which it was shown.
    pub found_after: u64,
    /// Labels before the change, as far as can be told.
    pub rows_before: u64,
    /// The metric from there until it was found.
    pub value_since: f64,
}

/// What the model's probabilities say of rows without labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ByEstimate {
    /// How many.
    pub rows: usize,
    /// The metric that is expected of them.
    pub value: f64,
    /// By how much that is worse than the reference.
    pub worse_by: f64,
    /// Where that is in 95 of 100 cases.
    pub interval: [f64; 2],
    /// What that comes to.
    pub status: Status,
}

/// What one look hands to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchState {
    question: Question,
    reference_rows: usize,
    reference_loss: f64,
    watch: Watch,
    change: Option<Change>,
}

/// Compares the answers to `current` rows, in the order of time, with those to the reference. `before` is what an earlier look left,
/// when `current` only has the rows since.
///
/// # Errors
/// Data that cannot be compared.
pub fn compare_performance(
    reference: &Answers,
    current: &Answers,
    question: Question,
    before: Option<WatchState>,
) -> Result<(PerformanceReport, WatchState), PerformanceError> {
    let losses = check(reference, current, question)?;
    let (known, bound) = bound(question.metric, &losses);
    let state = begin(question, losses.len(), known, bound, before)?;
    let state = see_labels(state, current);
    let enough = losses.len() >= MIN_ROWS && state.watch.limit() < 1.0;
    let metric = question.metric;
    let labelled = (state.watch.rows() > 0).then(|| by_labels(&state, known, enough));
    let unlabelled = by_estimate(reference, current, question, known);
    if labelled.is_none() && unlabelled.is_none() {
        return Err(PerformanceError::Nothing);
    }
    let all = [labelled.map(|it| it.status), unlabelled.map(|it| it.status)];
    let status = worst(all.into_iter().flatten());
    let reference = Reference {
        rows: losses.len(),
        value: metric.of_loss(known),
        bound: metric.of_loss(bound),
    };
    let report = PerformanceReport {
        drifted: status == Status::Drifted,
        status,
        metric,
        margin: question.margin,
        reference,
        labelled,
        unlabelled,
    };
    Ok((report, state))
}

/// The losses of the reference's rows with labels.
fn check(
    reference: &Answers,
    current: &Answers,
    question: Question,
) -> Result<Vec<f64>, PerformanceError> {
    if !(0.0..1.0).contains(&question.margin) {
        return Err(PerformanceError::Margin(question.margin));
    }
    if current.rows() == 0 {
        return Err(PerformanceError::NoRows);
    }
    let has_p = !reference.p.is_empty() && !current.p.is_empty();
    if question.metric == Metric::Brier && !has_p {
        return Err(PerformanceError::NoProbability);
    }
    let losses: Vec<f64> =
        (0..reference.rows()).filter_map(|row| loss(question.metric, reference, row)).collect();
    if losses.is_empty() { Err(PerformanceError::NoReference) } else { Ok(losses) }
}

/// From 0 to 1; nothing without a label.
fn loss(metric: Metric, answers: &Answers, row: usize) -> Option<f64> {
    match metric {
        Metric::Accuracy => answers.right[row].map(|right| if right { 0.0 } else { 1.0 }),
        Metric::Brier => answers.label(row).map(|label| brier(label, answers.p[row])),
    }
}

/// The mean loss of the reference, and the most that it may be.
fn bound(metric: Metric, losses: &[f64]) -> (f64, f64) {
    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
    let bound = match metric {
        Metric::Accuracy => {
            let wrong = losses.iter().filter(|loss| **loss > 0.0).count();
            clopper_pearson(wrong as u64, losses.len() as u64, ALPHA).high
        }
        Metric::Brier => bernstein_upper(losses, ALPHA / 2.0),
    };
    (mean, bound)
}

fn begin(
    question: Question,
    reference_rows: usize,
    reference_loss: f64,
    bound: f64,
    before: Option<WatchState>,
) -> Result<WatchState, PerformanceError> {
    // A limit of 1 or more can't be exceeded; the bets then never win.
    let watch = Watch::new((bound + question.margin).clamp(f64::MIN_POSITIVE, 1.0));
    let new = WatchState { question, reference_rows, reference_loss, watch, change: None };
    let Some(before) = before else { return Ok(new) };
    let is_same = before.question == new.question
        && before.reference_rows == new.reference_rows
        && before.reference_loss == new.reference_loss
        && before.watch.limit() == new.watch.limit();
    if is_same {
        return Ok(before);
    }
    let WatchState { question: Question { metric, margin }, reference_rows, .. } = before;
    let of =
        format!("{} with margin {margin} and {reference_rows} rows of reference", metric.word());
    Err(PerformanceError::OtherState(of))
}

fn see_labels(mut state: WatchState, current: &Answers) -> WatchState {
    let metric = state.question.metric;
    for loss in (0..current.rows()).filter_map(|row| loss(metric, current, row)) {
        state.watch.see(loss);
        if state.change.is_none() && state.watch.largest() >= 2.0 / ALPHA {
            let (rows_before, since) = state.watch.change();
            let value_since = metric.of_loss(since);
            state.change =
                Some(Change { found_after: state.watch.rows(), rows_before, value_since });
        }
    }
    state
}

fn by_labels(state: &WatchState, known: f64, enough: bool) -> ByLabels {
    let (watch, metric) = (&state.watch, state.question.metric);
    let status = match (state.change, enough && watch.rows() >= MIN_ROWS as u64) {
        (Some(_), _) => Status::Drifted,
        (None, true) => Status::Same,
        (None, false) => Status::Insufficient,
    };
    ByLabels {
        rows: watch.rows(),
        value: metric.of_loss(watch.mean()),
        worse_by: watch.mean() - known,
        evidence: watch.largest(),
        evidence_needed: 2.0 / ALPHA,
        status,
        change: state.change,
    }
}

fn by_estimate(
    reference: &Answers,
    current: &Answers,
    Question { metric, margin }: Question,
    known: f64,
) -> Option<ByEstimate> {
    if reference.p.is_empty() || current.p.is_empty() {
        return None;
    }
    let with = (0..reference.rows()).filter_map(|row| {
        let (label, loss) = (reference.label(row)?, loss(metric, reference, row)?);
        Some(Labelled { p: reference.p[row], label, loss })
    });
    let without = (0..current.rows()).filter(|row| current.right[*row].is_none()).map(|row| {
        let p = current.p[row];
        let if_label = |label: bool| match metric {
            Metric::Accuracy => f64::from(u8::from(current.positive[row] != label)),
            Metric::Brier => brier(label, p),
        };
        Unlabelled { p, if_negative: if_label(false), if_positive: if_label(true) }
    });
    let (with, without): (Vec<_>, Vec<_>) = (with.collect(), without.collect());
    let estimate = expected(&with, &without, SEED)?;
    let interval = [estimate.interval.low, estimate.interval.high];
    let status = match (with.len().min(without.len()) >= MIN_ROWS, interval[0] > margin) {
        (false, _) => Status::Insufficient,
        (true, true) => Status::Drifted,
        (true, false) => Status::Same,
    };
    Some(ByEstimate {
        rows: without.len(),
        value: metric.of_loss(estimate.loss),
        worse_by: estimate.loss - known,
        interval,
        status,
    })
}

/// Drifted if one says so; else the same if one says so.
fn worst(all: impl Iterator<Item = Status>) -> Status {
    all.fold(Status::Insufficient, |one, other| match (one, other) {
        (Status::Drifted, _) | (_, Status::Drifted) => Status::Drifted,
        (Status::Same, _) | (_, Status::Same) => Status::Same,
        _ => Status::Insufficient,
    })
}
