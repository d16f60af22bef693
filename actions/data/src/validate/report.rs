//! What a validation says: the shape that scripts and the report action rely on.

use indexmap::IndexMap;
use pawl_stats::proportion_bounds::wilson;
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
    /// What was found of whole columns, for the rules that are about these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Why there is no answer; only with the verdict `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether no change of cells alone could make it fail on this data: its operator holds for every count, or there is no
    /// value to look at. Not in JSON.
    #[serde(skip)]
    pub idle: bool,
}

/// A share of rows with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Failing rows by all rows.
    pub share: f64,
    /// The ends of Wilson's interval at 95 %: of the share in data that comes from where this came from.
    pub interval: [f64; 2],
}

impl Check {
    /// The share of failing rows among so many, for checks that count rows and found some.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 rows")]
    pub fn rate(&self, rows: usize) -> Option<Rate> {
        if self.failing_rows == 0 || self.failing_rows > rows {
            return None;
        }
        let found = wilson(self.failing_rows as u64, rows as u64, 0.05);
        let share = self.failing_rows as f64 / rows as f64;
        Some(Rate { share, interval: [found.low, found.high] })
    }
}

impl std::fmt::Display for Rate {
    /// `25.0 % (4.6 to 69.9)`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [low, high] = self.interval.map(|end| 100.0 * end);
        write!(f, "{:.1} % ({low:.1} to {high:.1})", 100.0 * self.share)
    }
}

/// A figure of one column, or of a pair of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The property's name, or two with `~` between them.
    pub column: String,
    /// What was measured.
    pub measure: String,
    /// The figure.
    pub value: f64,
    /// The interval of the figure, two-sided at 95 % (of drift: each end at 95 %). Absent for counts of all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// What it is compared with.
    pub threshold: f64,
    /// Rows that were looked at.
    pub rows: u64,
    /// Whether it counts against the rule.
    pub counts: bool,
}

impl Finding {
    /// A share of all rows that counts against a rule.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 rows")]
    pub(crate) fn share(
        column: String,
        measure: &str,
        part: u64,
        rows: u64,
        threshold: f64,
    ) -> Self {
        let value = part as f64 / rows as f64;
        let measure = measure.to_owned();
        Self { column, measure, value, interval: None, threshold, rows, counts: true }
    }
}

impl std::fmt::Display for Finding {
    /// `AUC 0.9950 [0.9900, 0.9980], threshold 0.99, 2000 rows`, without the column.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:.4}", self.measure, self.value)?;
        if let Some([low, high]) = self.interval {
            write!(f, " [{low:.4}, {high:.4}]")?;
        }
        write!(f, ", threshold {}, {} rows", self.threshold, self.rows)
    }
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
