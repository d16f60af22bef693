//! Tables and contracts: reading, validating, splitting, hashing.
//!
//! A [`Source`] is a table that is not read yet: files by path or pattern, packed or not, or a pipe. It is read in parts, by
//! several threads; a [`Contract`] (Open Data Contract Standard) says what it must look like, and [`validate`] compares the
//! two. A [`Table`] is read whole and held in memory. [`split`] parts a table into training and test rows,
//! [`FeatureMatrix`] turns rows into numbers, [`Predictions`] carries what a model said about each row.
//!
//! Nothing here prints, reads the clock or the environment. File access is
//! [`Source`], [`Table::open`] and [`digest_file`] alone, and temporary files without names.

mod answers;
mod contract;
mod csv;
mod diff;
mod digest;
mod features;
mod format;
mod infer;
mod json;
mod json_value;
mod key_log;
mod keys;
mod label;
pub mod pandas;
mod parquet;
mod pattern;
mod predictions;
mod profile;
mod source;
mod split;
mod table;
mod time;
mod validate;
mod value;

pub use answers::Answers;
pub use contract::{Contract, ContractError, Problem};
pub use diff::{Change, Effect, diff_contracts, diff_profiles};
pub use digest::{digest_bytes, digest_file, digest_reader};
pub use features::FeatureMatrix;
pub use infer::{InferError, infer};
pub use key_log::SpillError;
pub use label::{CellError, LabelOperator, LabelRule, LabelRuleError, LabelValue};
pub use predictions::{Pair, PairError, ParquetFacts, Predictions, PredictionsError, RowId};
pub use profile::{ColumnProfile, Profile, merge_profiles, profile, profile_shard};
pub use source::Source;
pub use split::{Overlap, Split, SplitError, SplitOptions, SplitReport, overlap, split};
pub use table::{Format, ReadError, Table};
pub use validate::{
    Check, Finding, Now, NowError, Rate, Sample, Shard, ValidateError, ValidateOptions,
    ValidationReport, Verdict, merge_states, validate, validate_shard,
};
