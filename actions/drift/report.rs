//! What a comparison says, as it is printed.

use super::method::{ColumnType, Method};
use serde::Serialize;

/// A comparison of two tables.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriftReport {
    /// Whether the data as a whole has drifted.
    pub drifted: bool,
    /// Share of the columns that have.
    pub share: f64,
    /// Column by column.
    pub columns: Vec<ColumnReport>,
    /// Columns of types that cannot be compared; not told where Evidently's answer is wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// A comparison of one column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnReport {
    /// Its name.
    pub column: String,
    /// What it was taken for.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// How it was compared.
    pub method: Method,
    /// A p-value or a distance, by the method; null where there is none.
    pub score: f64,
    /// What decides.
    pub threshold: f64,
    /// Whether it has drifted.
    pub drifted: bool,
    /// How sure that is; not there where Evidently's answer is wanted.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<Uncertainty>,
}

/// What a number of rows allows to say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Uncertainty {
    /// Where the true score is in 90 of 100 cases; null with too few rows.
    pub interval: Option<[f64; 2]>,
    /// Rows with a value.
    pub n: Rows,
    /// Of the claim that the true score is beyond the threshold, adjusted for the number of columns.
    pub p_value: Option<f64>,
    /// What that comes to.
    pub status: Status,
}

/// Rows on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// Of the reference.
    pub reference: usize,
    /// Of the current data.
    pub current: usize,
}

/// What is known of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is surely further away than the threshold.
    Drifted,
    /// Nothing says so.
    Same,
    /// There are too few rows to say anything.
    Insufficient,
}

impl Status {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Drifted => "drifted",
            Self::Same => "same",
            Self::Insufficient => "insufficient",
        }
    }
}

impl ColumnReport {
    pub(super) fn new(
        column: &str,
        kind: ColumnType,
        method: Method,
        score: f64,
        drifted: bool,
    ) -> Self {
        let column = column.to_owned();
        Self {
            column,
            kind,
            method,
            score,
            threshold: method.threshold(),
            drifted,
            uncertainty: None,
        }
    }
}
