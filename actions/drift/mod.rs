//! Whether data has drifted away from a reference: column by column, by a test or a distance; and whether a model answers worse than
//! it did.

mod columns;
mod deltas;
mod effects;
mod evidently;
mod method;
mod parallel;
mod performance;
mod report;
mod sample;
mod score;
mod step;
mod summary;
mod text;
mod watch;

pub use deltas::{Delta, deltas};
pub use effects::compare_by_effect;
pub use evidently::compare as compare_as_evidently;
pub use method::{ColumnType, Method, UnknownMethod};
pub use performance::{
    ByEstimate, ByLabels, Metric, PerformanceError, PerformanceReport, Question, UnknownMetric,
    WatchState, compare_performance,
};
pub use report::{ColumnReport, DriftReport, Rows, Status, Uncertainty};
pub use step::Drift;
pub use watch::sentences;

/// Why there is no comparison: the user's data or wish.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DriftError {
    /// A table without rows.
    #[error("the {0} data has no row")]
    NoRows(&'static str),
    /// No column of a type that can be compared.
    #[error("there is no column to compare: only numbers, booleans and texts are")]
    NoColumns,
    /// A column of the current data that the reference lacks.
    #[error("column '{0}' of the current data is not in the reference data")]
    Missing(String),
    /// Nothing but nulls (and infinities).
    #[error("column '{column}' has no value in the {side} data")]
    NoValue {
        /// The column.
        column: String,
        /// `reference` or `current`.
        side: &'static str,
    },
    /// Texts on one side, numbers on the other, or values that are neither.
    #[error(
        "column '{0}' has values of another kind in the reference data than in the current data"
    )]
    Mixed(String),
    /// The method that was asked for does not fit a column.
    #[error("method {method} does not fit column '{column}', which is of type {word}", word = kind.word())]
    Unfit {
        /// The column.
        column: String,
        /// The method.
        method: Method,
        /// Its type.
        kind: ColumnType,
    },
    /// The method that was asked for gives no effect size.
    #[error("method {0} only says how sure it is that two columns differ, not by how much")]
    NoEffect(Method),
    /// The method has no answer for a column.
    #[error("column '{column}' {reason}")]
    Score {
        /// The column.
        column: String,
        /// Why, in words that follow its name.
        reason: String,
    },
}

#[cfg(test)]
mod tests;
