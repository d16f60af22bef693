//! `pawl/evaluate`: what both models say about the same rows.

mod score;

use crate::action::{
    ActionError, Inputs, JobAction, JobContext, Manifest, built_in_manifest, succeeded,
};
use crate::dataset::{Dataset, label_rule, reported};
use crate::model::{MAX_BYTES, Model, digest};
use indexmap::IndexMap;
use pawl_core::ports::ActionOutcome;
use pawl_data::{FeatureMatrix, LabelRule, Predictions, RowId};
use score::{Flips, Scores};
use std::collections::BTreeSet;
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// Most values of a slice column: with more it is no slice but a measurement, and every value is a test.
const MAX_SLICE_VALUES: usize = 100;

/// Name of the entry in a prediction file's metadata that holds the model's digest.
pub(crate) const MODEL_ENTRY: &str = "pawl.model";
/// Name of the entry that holds the digest of the test data.
pub(crate) const DATA_ENTRY: &str = "pawl.data";

/// The action.
pub struct Evaluate;

/// The rows to judge by, and how.
struct Exam {
    data: Dataset,
    rule: LabelRule,
    threshold: f64,
    slices: IndexMap<String, Vec<Option<String>>>,
}

/// One model and what it said.
struct Answers {
    model: Model,
    digest: String,
    matrix: FeatureMatrix,
    predictions: Predictions,
    scores: Scores,
}

/// Inputs that name files. Candidate and baseline may be the same model.
const FILES: [&str; 5] =
    ["data", "candidate", "candidate-predictions", "baseline-predictions", "golden"];

impl JobAction for Evaluate {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn run(&self, context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
        inputs.different_files(&context.workspace, &FILES)?;
        let (model, bytes) = load(context, inputs.text("candidate"))?;
        let exam = Exam::read(context, inputs, &model)?;
        let candidate = exam.sit(model, &bytes)?;
        let baseline = match baseline(context, inputs)? {
            None => None,
            Some((model, bytes)) => Some(exam.sit(model, &bytes)?),
        };
        write(context, &exam, &candidate, inputs.text("candidate-predictions"))?;
        match &baseline {
            Some(answers) => write(context, &exam, answers, inputs.text("baseline-predictions"))?,
            // What an earlier run left here must not be taken for the baseline.
            None => context.workspace.remove(inputs.text("baseline-predictions"))?,
        }
        let golden = golden(&candidate, inputs.integer("golden-rows", 20..=1000)?);
        context.workspace.write(inputs.text("golden"), golden.as_bytes())?;
        (context.log)(format!("candidate: {}", candidate.scores.line()));
        (context.log)(match &baseline {
            Some(baseline) => format!("baseline: {}", baseline.scores.line()),
            None => "there is no baseline".to_owned(),
        });
        Ok(outcome(&exam, &candidate, baseline.as_ref()))
    }
}

fn load(context: &JobContext<'_>, path: &str) -> Result<(Model, Vec<u8>), ActionError> {
    let bytes = context.workspace.read(path, MAX_BYTES)?;
    let model = Model::from_bytes(&bytes)
        .map_err(|error| ActionError::input(format!("{path}: {error}"), ""))?;
    Ok((model, bytes))
}

fn baseline(
    context: &JobContext<'_>,
    inputs: &Inputs,
) -> Result<Option<(Model, Vec<u8>)>, ActionError> {
    match inputs.get("baseline") {
        Some(path) if context.workspace.has_file(path)? => load(context, path).map(Some),
        _ => Ok(None),
    }
}

impl Exam {
    fn read(
        context: &JobContext<'_>,
        inputs: &Inputs,
        candidate: &Model,
    ) -> Result<Self, ActionError> {
        let threshold = inputs.number("threshold")?;
        if !(0.0..=1.0).contains(&threshold) {
            return Err(ActionError::input(
                format!("the input threshold is {threshold}"),
                "give a probability from 0 to 1",
            ));
        }
        let rule = label_rule(inputs.get("label").unwrap_or(candidate.label()))?;
        if rule.to_string() != candidate.label() {
            let learned = candidate.label();
            (context.log)(format!("warning: the candidate was trained for {learned}, not {rule}"));
        }
        let data = Dataset::open(&context.workspace, inputs.text("data"))?;
        if data.table.rows() == 0 {
            return Err(ActionError::input(format!("{} has no rows", inputs.text("data")), ""));
        }
        let columns = inputs.list("slices");
        let slices = columns.into_iter().map(|column| slice(&data, column));
        let slices = slices.collect::<Result<_, _>>()?;
        Ok(Self { data, rule, threshold, slices })
    }

    fn sit(&self, model: Model, bytes: &[u8]) -> Result<Answers, ActionError> {
        let matrix = FeatureMatrix::extract(&self.data.table, model.features(), Some(&self.rule))?;
        let p = (0..matrix.rows).map(|row| model.predict(matrix.row(row))).collect::<Vec<f64>>();
        if let Some(row) = p.iter().position(|p| !p.is_finite()) {
            return Err(ActionError::input(
                format!("the model gives no probability for row {}", row + 1),
                "its parameters overflow on these values: train again",
            ));
        }
        let scores = Scores::of(&matrix.labels, &p, self.threshold);
        let predictions = Predictions {
            ids: matrix.ids.iter().copied().map(RowId::from).collect(),
            y_true: matrix.labels.clone(),
            y_pred: p.iter().map(|p| *p >= self.threshold).collect(),
            p,
            slices: self.slices.clone(),
            ..Predictions::default()
        };
        Ok(Answers { model, digest: digest(bytes), matrix, predictions, scores })
    }
}

fn slice(data: &Dataset, name: String) -> Result<(String, Vec<Option<String>>), ActionError> {
    let table = &data.table;
    let column = table.column(&name).ok_or_else(|| {
        ActionError::input(
            format!("{} has no column {name} to slice by", table.source()),
            format!("it has {}", table.columns().join(", ")),
        )
    })?;
    let values: Vec<Option<String>> = (0..table.rows())
        .map(|row| table.text(row, column).map(std::borrow::Cow::into_owned))
        .collect();
    let distinct: BTreeSet<&String> = values.iter().flatten().collect();
    if distinct.len() > MAX_SLICE_VALUES {
        return Err(ActionError::input(
            format!("the column {name} has {} values, too many slices", distinct.len()),
            format!("slice by columns of at most {MAX_SLICE_VALUES} values"),
        ));
    }
    Ok((name, values))
}

fn write(
    context: &JobContext<'_>,
    exam: &Exam,
    answers: &Answers,
    path: &str,
) -> Result<(), ActionError> {
    let entries = [(MODEL_ENTRY, &answers.digest), (DATA_ENTRY, &exam.data.version.digest)];
    let entries = entries.into_iter().map(|(name, value)| (name.to_owned(), value.clone()));
    let mut bytes = Vec::new();
    answers
        .predictions
        .write_parquet_with(&mut bytes, &entries.collect())
        .map_err(|error| ActionError::input(format!("{path}: {error}"), ""))?;
    Ok(context.workspace.write(path, &bytes)?)
}

/// The first rows with the candidate's probabilities: `{"row":{feature:value,…},"probability":p}`, one a line.
fn golden(candidate: &Answers, most: i64) -> String {
    let most = usize::try_from(most).unwrap_or(0).min(candidate.matrix.rows);
    let features = candidate.model.features();
    (0..most)
        .map(|index| {
            let values = features.iter().zip(candidate.matrix.row(index));
            let row: serde_json::Map<_, _> =
                values.map(|(name, value)| (name.clone(), (*value).into())).collect();
            let line =
                serde_json::json!({"row": row, "probability": candidate.predictions.p[index]});
            format!("{line}\n")
        })
        .collect()
}

fn outcome(exam: &Exam, candidate: &Answers, baseline: Option<&Answers>) -> ActionOutcome {
    let one = |answers: &Answers| {
        let mut json = answers.scores.to_json();
        json["kind"] = answers.model.kind().as_str().into();
        json["model_digest"] = answers.digest.as_str().into();
        json
    };
    let flips = baseline
        .map(|baseline| Flips::between(&baseline.predictions, &candidate.predictions).to_json());
    let mut outcome = succeeded(serde_json::json!({
        "n": candidate.matrix.rows,
        "label": exam.rule.to_string(),
        "threshold": exam.threshold,
        "data_digest": exam.data.version.digest,
        "data": reported(&exam.data.version),
        "candidate": one(candidate),
        "baseline": baseline.map(one),
        "flips": flips,
    }));
    let text = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let base = baseline.map(|answers| &answers.scores);
    let outputs = [
        ("n", candidate.matrix.rows.to_string()),
        ("accuracy", text(Some(candidate.scores.accuracy))),
        ("auc", text(candidate.scores.auc)),
        ("log-loss", text(Some(candidate.scores.log_loss))),
        ("baseline-accuracy", text(base.map(|scores| scores.accuracy))),
        ("baseline-auc", text(base.and_then(|scores| scores.auc))),
        ("baseline-log-loss", text(base.map(|scores| scores.log_loss))),
        ("data-digest", exam.data.version.digest.clone()),
    ];
    outcome.outputs.extend(outputs.map(|(name, value)| (name.to_owned(), value)));
    outcome
}

#[cfg(test)]
mod tests;
