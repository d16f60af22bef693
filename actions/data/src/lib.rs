//! Tables and contracts: reading, validating, splitting, hashing.
//!
//! A [`Table`] is read from CSV or Parquet and held in memory; a [`Contract`] (Open Data Contract Standard) says what
//! it must look like, and [`validate`] compares the two. [`split`] parts a table into training and test rows,
//! [`FeatureMatrix`] turns rows into numbers, [`Predictions`] carries what a model said about each row.
//!
//! Nothing here prints, reads the clock or the environment. File access is [`Table::open`] and [`digest_file`] alone.

mod contract;
mod csv;
mod digest;
mod features;
mod format;
mod keys;
mod label;
mod parquet;
mod pattern;
mod predictions;
mod profile;
mod split;
mod table;
mod time;
mod validate;
mod value;

pub use contract::{Contract, ContractError, Problem};
pub use digest::{digest_bytes, digest_file};
pub use features::FeatureMatrix;
pub use label::{CellError, LabelOperator, LabelRule, LabelRuleError, LabelValue};
pub use predictions::{Pair, PairError, ParquetFacts, Predictions, PredictionsError, RowId};
pub use profile::{ColumnProfile, Profile};
pub use split::{Overlap, Split, SplitError, SplitOptions, SplitReport, overlap, split};
pub use table::{Format, ReadError, Table};
pub use validate::{
    Check, Sample, ValidateError, ValidateOptions, ValidationReport, Verdict, validate,
};
