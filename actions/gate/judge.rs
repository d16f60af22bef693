//! From questions and predictions to the gate's report: pure.

use super::spec::metric_name;
use indexmap::IndexMap;
use pawl_data::Predictions;
use pawl_stats::gate::{
    Comparison, ComparisonReport, PairedRow, Prediction, Slice, Verdict, compare, compare_slices,
    overall,
};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Which slice columns are looked at, and how strictly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SliceWish {
    /// `None`: all columns that the predictions have.
    pub(super) columns: Option<Vec<String>>,
    /// Every slice with enough rows must pass; else a slice only stops the gate when it is proven to be worse.
    pub(super) required: bool,
}

/// The gate's report.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) comparisons: Vec<ComparisonReport>,
}

/// Most slices that are tested; with more, every one is noise.
const MAX_SLICES: usize = 1_000;

/// Answers all questions, for all rows and for each slice.
///
/// An `Err` says why the predictions cannot be compared at all; it becomes the verdict `error`.
pub(super) fn judge(
    questions: &[Comparison],
    candidate: &Predictions,
    baseline: Option<&Predictions>,
    wish: &SliceWish,
) -> Result<Judgement, String> {
    let (rows, columns) = paired_rows(candidate, baseline)?;
    let slices = slices(&rows, &columns, wish)?;
    let mut comparisons: Vec<ComparisonReport> =
        questions.iter().map(|question| compare(question, &rows)).collect();
    let mut counted = comparisons.clone();
    for question in questions {
        for slice in compare_slices(question, &slices) {
            let stops = matches!(slice.report.verdict, Verdict::Fail | Verdict::Error);
            if slice.gated && (wish.required || stops) {
                counted.push(slice.report.clone());
            }
            comparisons.push(slice.report);
        }
    }
    let verdict = match overall(&counted) {
        // Floors alone compare with nothing: a first model stays a first model.
        Verdict::Pass if baseline.is_none() => Verdict::NoBaseline,
        verdict => verdict,
    };
    Ok(Judgement { verdict, comparisons })
}

/// The judgement when nothing can be compared: every question has the verdict `error`, for the same reason.
pub(super) fn refused(questions: &[Comparison], reason: &str) -> Judgement {
    let one = |question: &Comparison| ComparisonReport {
        metric: question.metric,
        slice: None,
        test: question.test,
        n: 0,
        discordant: None,
        baseline: None,
        candidate: None,
        difference: None,
        interval: None,
        margin: Some(question.margin),
        statistic: None,
        p_value: None,
        mde: None,
        verdict: Verdict::Error,
        reason: reason.to_owned(),
    };
    Judgement { verdict: Verdict::Error, comparisons: questions.iter().map(one).collect() }
}

type SliceColumns = IndexMap<String, Vec<Option<String>>>;

fn paired_rows(
    candidate: &Predictions,
    baseline: Option<&Predictions>,
) -> Result<(Vec<PairedRow>, SliceColumns), String> {
    // Pairing a file with itself also finds ids that stand twice.
    let pair = Predictions::pair(baseline.unwrap_or(candidate), candidate)
        .map_err(|error| error.to_string())?;
    let mut clusters: HashMap<&str, u64> = HashMap::new();
    let mut cluster = |row: usize| {
        let name = pair.cluster.as_ref()?[row].as_str();
        let next = clusters.len() as u64;
        Some(*clusters.entry(name).or_insert(next))
    };
    let prediction = |label: bool, p: Option<&f64>| Prediction {
        label: u32::from(label),
        probability: p.copied(),
    };
    let rows = (0..pair.rows())
        .map(|row| PairedRow {
            y_true: u32::from(pair.y_true[row]),
            baseline: baseline
                .map(|_| prediction(pair.baseline_pred[row], pair.baseline_p.get(row))),
            candidate: prediction(pair.candidate_pred[row], pair.candidate_p.get(row)),
            weight: pair.weight.as_ref().map(|weight| weight[row]),
            cluster: cluster(row),
        })
        .collect();
    Ok((rows, pair.slices))
}

/// One slice for each value of each column, such as `plan=free`. Rows without a value are in none.
fn slices(
    rows: &[PairedRow],
    columns: &SliceColumns,
    wish: &SliceWish,
) -> Result<Vec<Slice>, String> {
    let mut found = Vec::new();
    for name in wish.columns.as_ref().unwrap_or(&columns.keys().cloned().collect()) {
        let values = columns
            .get(name)
            .ok_or_else(|| format!("the predictions have no slice column {name}"))?;
        let mut parts: BTreeMap<&str, Vec<PairedRow>> = BTreeMap::new();
        for (value, row) in values.iter().zip(rows) {
            if let Some(value) = value {
                parts.entry(value).or_default().push(*row);
            }
        }
        if found.len() + parts.len() > MAX_SLICES {
            return Err(format!("the slice columns have more than {MAX_SLICES} values"));
        }
        found.extend(
            parts.into_iter().map(|(value, rows)| Slice { name: format!("{name}={value}"), rows }),
        );
    }
    Ok(found)
}

impl Judgement {
    /// The report as scripts read it: `{"verdict", "comparisons": [...]}`.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let comparisons: Vec<serde_json::Value> = self
            .comparisons
            .iter()
            .map(|report| {
                let mut json = to_json(report);
                json["metric"] = metric_name(report.metric).into();
                json
            })
            .collect();
        serde_json::json!({"verdict": to_json(&self.verdict), "comparisons": comparisons})
    }

    /// The verdict's word.
    pub(super) fn word(&self) -> String {
        to_json(&self.verdict).as_str().unwrap_or_default().to_owned()
    }

    /// One line for each answer about all rows, and for each slice that is worse.
    pub(super) fn lines(&self) -> Vec<String> {
        let told =
            |report: &&ComparisonReport| report.slice.is_none() || report.verdict >= Verdict::Fail;
        self.comparisons
            .iter()
            .filter(told)
            .map(|report| {
                let slice = report.slice.as_ref().map(|s| format!(" [{s}]")).unwrap_or_default();
                let word = to_json(&report.verdict);
                let word = word.as_str().unwrap_or_default();
                format!("{}{slice}: {word}: {}", metric_name(report.metric), report.reason)
            })
            .collect()
    }
}

fn to_json(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("reports hold texts and numbers only")
}
