//! What a validation says: the shape that scripts and the report action rely on.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// The outcome of one check or of all; the greater the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The rule holds.
    Pass,
    /// A rule of severity `warning` or `info` is violated.
    Warn,
    /// A rule of any other severity is violated.
    Fail,
    /// No answer is known, for instance because a pattern would run without end.
    Error,
}

impl Verdict {
    /// Its word in reports: `pass`, `warn`, `fail` or `error`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Error => "error",
        }
    }
}

/// The report of one table against one contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidationReport {
    /// The worst verdict of the checks.
    pub verdict: Verdict,
    /// Number of data rows.
    pub rows: usize,
    /// One entry a rule, in the order of the contract: properties first, then what belongs to the table.
    pub checks: Vec<Check>,
}

/// One rule and what it found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The rule's id, or one made of the property's name and the metric. Unique in a report.
    pub id: String,
    /// The property's name; null for what belongs to the table.
    pub column: Option<String>,
    /// What is counted or required.
    pub metric: String,
    /// As the contract has it; `error` where it says nothing.
    pub severity: String,
    /// The requirement in words.
    pub expected: String,
    /// The number compared: rows, or percent of all rows. Null where there is no number.
    pub observed: Option<Number>,
    /// How many rows the rule counts, whatever its operator says of that number.
    pub failing_rows: usize,
    /// Up to five of these rows when the rule is violated.
    pub samples: Vec<Sample>,
    /// The outcome.
    pub verdict: Verdict,
    /// Why there is no answer; only with the verdict `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether no change of cells alone could make it fail on this data: its operator holds for every count, or there is no
    /// value to look at. Not in JSON.
    #[serde(skip)]
    pub idle: bool,
}

/// One failing row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Number of the row; 1 is the first row of data.
    pub row: usize,
    /// The cells the rule looked at, by property; null for null. Long texts are cut.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub values: IndexMap<String, Option<String>>,
    /// For a duplicate: the row that had the value first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_row: Option<usize>,
}

impl ValidationReport {
    pub(crate) fn of(rows: usize, mut checks: Vec<Check>) -> Self {
        let verdict = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Pass);
        let mut seen = std::collections::HashMap::new();
        for check in &mut checks {
            let count = seen.entry(check.id.clone()).or_insert(0_usize);
            *count += 1;
            if *count > 1 {
                check.id = format!("{}#{count}", check.id);
            }
        }
        Self { verdict, rows, checks }
    }
}
