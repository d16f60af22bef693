//! Tables of a workspace, as the data actions read and write them.

use crate::action::ActionError;
use crate::workspace::Workspace;
use pawl_core::ports::RunFacts;
use pawl_core::registry::{DataColumn, DataVersion};
use pawl_data::{
    CellError, Format, LabelRule, LabelRuleError, ReadError, SplitError, Table, digest_bytes,
};
use serde::Deserialize;

/// Largest data file: a table is held in memory, and its reader addresses cells with 32 bits.
const MAX_BYTES: u64 = u32::MAX as u64;

/// A table and what names its content.
pub(crate) struct Dataset {
    pub(crate) table: Table,
    pub(crate) version: DataVersion,
}

impl Dataset {
    /// Reads a CSV, TSV or Parquet file of the workspace.
    pub(crate) fn open(workspace: &Workspace, path: &str) -> Result<Self, ActionError> {
        let format = Format::of(path).ok_or_else(|| {
            ActionError::input(
                format!("{path} does not tell its format"),
                "data files end in .csv, .tsv or .parquet",
            )
        })?;
        let bytes = workspace.read(path, MAX_BYTES)?;
        let digest = digest_bytes(&bytes);
        let table = Table::from_bytes(path, format, bytes)?;
        let version = data_version(path, digest, table.typed_columns(), table.rows() as u64);
        Ok(Self { table, version })
    }
}

/// A file of a workspace as it was read.
pub(crate) fn data_version(
    path: &str,
    digest: String,
    columns: Vec<(String, String)>,
    rows: u64,
) -> DataVersion {
    let path = path.trim_start_matches("./");
    let schema = columns.into_iter().map(|(name, kind)| DataColumn { name, kind }).collect();
    DataVersion { uri: format!("file:{path}"), digest, schema, rows }
}

/// As it stands in a report, under `data`.
pub(crate) fn reported(version: &DataVersion) -> serde_json::Value {
    serde_json::to_value(version).expect("a version holds texts and numbers only")
}

/// The data of a digest as the last step of this run that read it told.
pub(crate) fn data_in_reports(facts: &RunFacts, digest: &str) -> Option<DataVersion> {
    let told = facts.reports.values().rev().filter_map(|report| report.get("data"));
    told.filter_map(|data| DataVersion::deserialize(data).ok()).find(|data| data.digest == digest)
}

/// Reads a label rule such as `mdvis > 0` from an input.
pub(crate) fn label_rule(text: &str) -> Result<LabelRule, ActionError> {
    text.parse().map_err(|error: LabelRuleError| ActionError::input(error.to_string(), ""))
}

impl From<ReadError> for ActionError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { .. } => Self::environment(error.to_string(), ""),
            _ => Self::input(error.to_string(), ""),
        }
    }
}

impl From<CellError> for ActionError {
    fn from(error: CellError) -> Self {
        Self::input(error.to_string(), "clean the data, or validate it against a contract first")
    }
}

impl From<SplitError> for ActionError {
    fn from(error: SplitError) -> Self {
        match error {
            SplitError::Overlap(_) => Self::internal(error.to_string()),
            _ => Self::input(error.to_string(), ""),
        }
    }
}
