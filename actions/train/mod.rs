//! `pawl/train`: a model from training rows.

pub mod forest;
pub mod logistic;

use crate::action::{
    ActionError, Inputs, JobAction, JobContext, Manifest, built_in_manifest, succeeded,
};
use crate::dataset::{Dataset, label_rule, reported};
use crate::model::{Model, ModelHead, Training, digest};
use forest::ForestOptions;
use indexmap::IndexMap;
use logistic::LogisticOptions;
use ndarray::Array2;
use pawl_core::ports::ActionOutcome;
use pawl_data::{FeatureMatrix, LabelRule};
use pawl_stats::loss::log_loss;
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The word of the input `features` for every column but the label's.
const ALL_BUT_LABEL: &str = "all but label";

/// The action.
pub struct Train;

/// Why no model could be trained. All are the user's data or choice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// User: every row has the same label.
    #[error("all rows have the same label: there is nothing to learn")]
    OneClass,
    /// User: the solver refused the numbers.
    #[error("the solver gave up: {0}")]
    Solver(String),
}

impl From<TrainError> for ActionError {
    fn from(error: TrainError) -> Self {
        Self::input(error.to_string(), "")
    }
}

/// What a fit gives besides the model: `None` for a forest, which always arrives.
type Converged = Option<bool>;

impl JobAction for Train {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn run(&self, context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
        let rule = label_rule(inputs.text("label"))?;
        let data = Dataset::open(&context.workspace, inputs.text("data"))?;
        let features = features(inputs, data.table.columns(), &rule)?;
        let matrix = FeatureMatrix::extract(&data.table, &features, Some(&rule))?;
        if matrix.rows == 0 {
            return Err(ActionError::input(format!("{} has no rows", inputs.text("data")), ""));
        }
        let head = ModelHead {
            name: inputs.text("name").trim().to_owned(),
            features,
            label: rule.to_string(),
            training: Training {
                seed: inputs.integer("seed", 0..=i64::MAX)?.unsigned_abs(),
                rows: matrix.rows as u64,
                data_digest: data.version.digest.clone(),
                commit: context.facts.commit.clone(),
                hyperparameters: IndexMap::new(),
            },
        };
        let (model, converged) = match inputs.text("algorithm") {
            "random-forest" => (train_forest(head, &matrix, inputs)?, None),
            _ => train_logistic(head, &matrix, inputs)?,
        };
        if converged == Some(false) {
            (context.log)("warning: the solver stopped early; raise max-iterations".to_owned());
        }
        let mut outcome = finish(context, inputs, &model, converged, &matrix)?;
        outcome.report["data"] = reported(&data.version);
        Ok(outcome)
    }
}

fn features(
    inputs: &Inputs,
    columns: &[String],
    rule: &LabelRule,
) -> Result<Vec<String>, ActionError> {
    let listed = if inputs.text("features").trim() == ALL_BUT_LABEL {
        columns.iter().filter(|column| **column != rule.column).cloned().collect()
    } else {
        inputs.list("features")
    };
    if listed.is_empty() {
        return Err(ActionError::input(
            format!("there is no column to learn from but {}, the label's", rule.column),
            "",
        ));
    }
    if let Some(at) = (1..listed.len()).find(|at| listed[..*at].contains(&listed[*at])) {
        return Err(ActionError::input(
            format!("the input features names {} twice", listed[at]),
            "",
        ));
    }
    if listed.contains(&rule.column) {
        return Err(ActionError::input(
            format!("the column {} makes the label, so it cannot be a feature", rule.column),
            "a model that sees its answer learns nothing",
        ));
    }
    Ok(listed)
}

fn array(matrix: &FeatureMatrix) -> Array2<f64> {
    Array2::from_shape_vec((matrix.rows, matrix.columns.len()), matrix.values.clone())
        .expect("a feature matrix holds rows times columns values")
}

#[expect(clippy::cast_precision_loss, reason = "the limits are far below 2^53")]
fn train_logistic(
    mut head: ModelHead,
    matrix: &FeatureMatrix,
    inputs: &Inputs,
) -> Result<(Model, Converged), ActionError> {
    let alpha = inputs.number("alpha")?;
    if alpha < 0.0 {
        return Err(ActionError::input("the input alpha is negative", "give 0 or more"));
    }
    let max_iterations = inputs.integer("max-iterations", 1..=100_000)?;
    head.training.hyperparameters.insert("alpha".to_owned(), alpha);
    head.training.hyperparameters.insert("max-iterations".to_owned(), max_iterations as f64);
    let options = LogisticOptions { alpha, max_iterations: max_iterations.unsigned_abs() };
    let (parameters, converged) = logistic::fit(&array(matrix), &matrix.labels, options)?;
    Ok((Model::logistic(head, parameters)?, Some(converged)))
}

#[expect(clippy::cast_precision_loss, reason = "the limits are far below 2^53")]
fn train_forest(
    mut head: ModelHead,
    matrix: &FeatureMatrix,
    inputs: &Inputs,
) -> Result<Model, ActionError> {
    let feature_share = inputs.number("feature-share")?;
    if !(feature_share > 0.0 && feature_share <= 1.0) {
        return Err(ActionError::input(
            format!("the input feature-share is {feature_share}"),
            "give a number above 0 and at most 1",
        ));
    }
    let mut whole = |name: &str, most: i64| {
        let number = inputs.integer(name, 1..=most)?;
        head.training.hyperparameters.insert(name.to_owned(), number as f64);
        usize::try_from(number).map_err(|_| ActionError::internal(format!("{name} is too large")))
    };
    // The model format takes 10,000 trees; deeper than 32 only memorises rows.
    let (trees, max_depth) = (whole("trees", 10_000)?, whole("max-depth", 32)?);
    let min_leaf = whole("min-leaf", 1_000_000)?;
    head.training.hyperparameters.insert("feature-share".to_owned(), feature_share);
    let seed = head.training.seed;
    let options = ForestOptions { trees, max_depth, min_leaf, feature_share, seed };
    Ok(Model::forest(head, forest::fit(&array(matrix), &matrix.labels, options)?)?)
}

fn finish(
    context: &JobContext<'_>,
    inputs: &Inputs,
    model: &Model,
    converged: Converged,
    matrix: &FeatureMatrix,
) -> Result<ActionOutcome, ActionError> {
    let path = context.workspace.relative(inputs.text("model"))?;
    let bytes = model.to_bytes();
    let digest = digest(&bytes);
    context.workspace.write(&path, &bytes)?;
    let losses =
        (0..matrix.rows).map(|row| log_loss(matrix.labels[row], model.predict(matrix.row(row))));
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
    let loss = losses.sum::<f64>() / matrix.rows as f64;
    let training = model.training();
    (context.log)(format!(
        "{} on {} rows and {} features: {} bytes, {digest}",
        model.kind(),
        matrix.rows,
        matrix.columns.len(),
        bytes.len()
    ));
    let mut outcome = succeeded(serde_json::json!({
        "name": model.name(), "kind": model.kind(), "features": model.features(),
        "label": model.label(), "rows": matrix.rows, "seed": training.seed,
        "hyperparameters": training.hyperparameters, "data_digest": training.data_digest,
        "commit": training.commit, "converged": converged, "log_loss": loss,
        "bytes": bytes.len(), "model_digest": digest,
    }));
    outcome.outputs.insert("model".to_owned(), path);
    outcome.outputs.insert("digest".to_owned(), digest);
    outcome.outputs.insert("rows".to_owned(), matrix.rows.to_string());
    outcome.outputs.insert("log-loss".to_owned(), loss.to_string());
    Ok(outcome)
}

fn check_classes(labels: &[bool]) -> Result<(), TrainError> {
    let ones = labels.iter().filter(|label| **label).count();
    if ones == 0 || ones == labels.len() { Err(TrainError::OneClass) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
