//! The prediction files and the model as they lie in the hostile workspace, and whether they belong together.

use crate::action::{ActionError, Inputs};
use crate::evaluate::{DATA_ENTRY, MODEL_ENTRY};
use crate::model::{MAX_BYTES, Model, digest};
use crate::workspace::Workspace;
use indexmap::IndexMap;
use pawl_core::registry::ModelVersion;
use pawl_data::{Format, Predictions, PredictionsError, Table};

/// Largest prediction file, and most rows: the runner reads them into its own memory, and a few bytes of Parquet can
/// claim any number of rows.
const MAX_FILE: u64 = 1024 * 1024 * 1024;
const MAX_ROWS: u64 = 20_000_000;

/// One prediction file.
pub(super) struct Answers {
    path: String,
    /// `None` when the content is there but cannot be right, with the reason.
    pub(super) predictions: Result<Predictions, String>,
    /// `sha256:…` of the file.
    digest: String,
    metadata: IndexMap<String, String>,
}

impl Answers {
    /// Reads a file. What is no prediction file at all is wrong input; impossible cells are kept as a reason for the
    /// verdict `error`.
    pub(super) fn read(workspace: &Workspace, path: &str) -> Result<Self, ActionError> {
        let format = Format::of(path).ok_or_else(|| {
            ActionError::input(
                format!("{path} does not tell its format"),
                "prediction files end in .parquet, .csv or .tsv",
            )
        })?;
        let bytes = workspace.read(path, MAX_FILE)?;
        let digest = digest(&bytes);
        let mut metadata = IndexMap::new();
        if format == Format::Parquet {
            let facts = Predictions::parquet_facts(path, bytes.clone()).map_err(wrong)?;
            if facts.rows > MAX_ROWS {
                return Err(ActionError::input(
                    format!("{path} has {} rows", facts.rows),
                    format!("give at most {MAX_ROWS}"),
                ));
            }
            metadata = facts.metadata;
        }
        let table = Table::from_bytes(path, format, bytes)?;
        let predictions = match Predictions::from_table(&table) {
            Ok(predictions) => Ok(predictions),
            Err(error @ PredictionsError::Cell { .. }) => Err(error.to_string()),
            Err(error) => return Err(wrong(error)),
        };
        Ok(Self { path: path.to_owned(), predictions, digest, metadata })
    }

    /// Reads a file that may be absent.
    pub(super) fn read_if_there(
        workspace: &Workspace,
        path: &str,
    ) -> Result<Option<Self>, ActionError> {
        if workspace.has_file(path)? { Self::read(workspace, path).map(Some) } else { Ok(None) }
    }

    /// Digest of the data that was predicted; of the predictions themselves when they do not say it.
    pub(super) fn data_digest(&self) -> &str {
        self.metadata.get(DATA_ENTRY).unwrap_or(&self.digest)
    }
}

fn wrong(error: PredictionsError) -> ActionError {
    ActionError::input(error.to_string(), "pawl/evaluate writes such files")
}

/// The candidate's model file.
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) model: Model,
    pub(super) bytes: Vec<u8>,
    pub(super) digest: String,
}

impl Candidate {
    /// Reads the model file, if the inputs name one.
    pub(super) fn read(
        workspace: &Workspace,
        inputs: &Inputs,
    ) -> Result<Option<Self>, ActionError> {
        let Some(path) = inputs.get("model") else { return Ok(None) };
        let bytes = workspace.read(path, MAX_BYTES)?;
        let model = Model::from_bytes(&bytes)
            .map_err(|error| ActionError::input(format!("{path}: {error}"), ""))?;
        let name = inputs.get("name").unwrap_or(model.name()).trim().to_owned();
        if name.is_empty() {
            return Err(ActionError::input("the model has no name", "give the input name"));
        }
        let digest = digest(&bytes);
        Ok(Some(Self { name, model, bytes, digest }))
    }
}

/// Finds out whether the files belong together. `Ok` gives remarks about what could not be checked, `Err` the reason
/// for the verdict `error`.
pub(super) fn belong_together(
    candidate: &Answers,
    baseline: Option<&Answers>,
    model: Option<&str>,
    production: Option<&ModelVersion>,
) -> Result<Vec<String>, String> {
    let mut remarks = Vec::new();
    if let Some(model) = model {
        same_model(candidate, model, "the model file", &mut remarks)?;
    }
    match (baseline, production) {
        (None, Some(version)) => {
            return Err(format!(
                "version {} of {} is the baseline, but its predictions are not there: run pawl/baseline and \
                 pawl/evaluate first",
                version.version, version.model
            ));
        }
        (Some(answers), Some(version)) => {
            let what = format!("version {} of {}", version.version, version.model);
            same_model(answers, &version.digest, &what, &mut remarks)?;
        }
        (Some(answers), None) => remarks.push(format!(
            "the registry has no baseline: the candidate is compared with {} as it is",
            answers.path
        )),
        (None, None) => {}
    }
    let data = |answers: &Answers| answers.metadata.get(DATA_ENTRY).cloned();
    if let (Some(ours), Some(theirs)) = (data(candidate), baseline.and_then(data))
        && ours != theirs
    {
        return Err("candidate and baseline were evaluated on different files".to_owned());
    }
    Ok(remarks)
}

fn same_model(
    answers: &Answers,
    expected: &str,
    what: &str,
    remarks: &mut Vec<String>,
) -> Result<(), String> {
    let path = &answers.path;
    match answers.metadata.get(MODEL_ENTRY) {
        None => remarks.push(format!("{path} does not say whose predictions it holds")),
        Some(found) if found == expected => {}
        Some(found) => {
            return Err(format!(
                "{path} holds predictions of the model {found}, but {what} is {expected}: evaluate again"
            ));
        }
    }
    Ok(())
}
