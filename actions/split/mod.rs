//! `pawl/split`: training and test rows.

use crate::action::{
    ActionError, Inputs, JobAction, JobContext, Manifest, built_in_manifest, succeeded,
};
use crate::dataset::{Dataset, label_rule, reported};
use pawl_core::ports::ActionOutcome;
use pawl_core::registry::DataVersion;
use pawl_data::{Split as Parted, SplitOptions, Table, digest_bytes, split};
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The action.
pub struct Split;

impl JobAction for Split {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn run(&self, context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
        let data = Dataset::open(&context.workspace, inputs.text("data"))?;
        if !data.table.is_csv() {
            return Err(ActionError::input(
                format!("{} is not CSV: only CSV rows can be parted", inputs.text("data")),
                "",
            ));
        }
        let options = SplitOptions {
            test_fraction: inputs.number("test-fraction")?,
            seed: inputs.integer("seed", 0..=i64::MAX)?.unsigned_abs(),
            label: inputs.get("label").map(label_rule).transpose()?,
            group: inputs.list("group"),
        };
        inputs.different_files(&context.workspace, &["data", "train", "test"])?;
        let parted = split(&data.table, &options)?;
        let train = write(context, &data.table, &parted.train, inputs.text("train"))?;
        let test = write(context, &data.table, &parted.test, inputs.text("test"))?;
        (context.log)(format!(
            "{} rows to learn from, {} to judge by, {} on both sides",
            parted.report.train_rows, parted.report.test_rows, parted.report.overlap
        ));
        Ok(outcome(&parted, &data.version, train, test))
    }
}

fn write(
    context: &JobContext<'_>,
    table: &Table,
    rows: &[usize],
    path: &str,
) -> Result<String, ActionError> {
    let mut bytes = Vec::new();
    table
        .write_rows(rows, &mut bytes)
        .map_err(|error| ActionError::internal(format!("{path} cannot be made: {error}")))?;
    context.workspace.write(path, &bytes)?;
    Ok(digest_bytes(&bytes))
}

fn outcome(parted: &Parted, data: &DataVersion, train: String, test: String) -> ActionOutcome {
    let report = &parted.report;
    let mut json = serde_json::to_value(report).expect("a report holds texts and numbers only");
    json["data_digest"] = data.digest.as_str().into();
    json["data"] = reported(data);
    json["train_digest"] = train.as_str().into();
    json["test_digest"] = test.as_str().into();
    let mut outcome = succeeded(json);
    outcome.outputs.insert("train-rows".to_owned(), report.train_rows.to_string());
    outcome.outputs.insert("test-rows".to_owned(), report.test_rows.to_string());
    outcome.outputs.insert("overlap".to_owned(), report.overlap.to_string());
    outcome.outputs.insert("train-digest".to_owned(), train);
    outcome.outputs.insert("test-digest".to_owned(), test);
    outcome
}

#[cfg(test)]
mod tests;
