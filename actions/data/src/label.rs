//! Which rows are positive: `mdvis > 0`, `plan == 'free'`, or a column that is true or false itself.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::table::Table;
use crate::value::{self, Value};

/// A rule that says for each row whether it is a positive example.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRule {
    /// The column that is looked at.
    pub column: String,
    /// How its cell is compared; absent when the column is the label itself (`true`, `false`, `1`, `0`).
    pub test: Option<(LabelOperator, LabelValue)>,
}

/// A comparison in a label rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelOperator {
    /// `==` (or `=`)
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

/// What a label rule compares with.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelValue {
    /// A finite number; the cell must be one, too.
    Number(f64),
    /// A text (in quotes, or anything that is no number); only `==` and `!=`.
    Text(String),
}

/// Why a text is no label rule: the user's input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "label rule '{text}' {reason}; write one like mdvis > 0, plan == 'free' or a column's name"
)]
pub struct LabelRuleError {
    text: String,
    reason: &'static str,
}

/// Why a table does not yield labels or features: the user's data. Rows count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum CellError {
    /// The column is not in the table.
    #[error("{table} has no column '{column}'; it has {known}")]
    NoColumn {
        /// The table's name.
        table: String,
        /// The column looked for.
        column: String,
        /// The columns there are.
        known: String,
    },
    /// A cell is not usable.
    #[error("{table}: row {row}, column '{column}' {reason}")]
    Cell {
        /// The table's name.
        table: String,
        /// Data row, counted from 1.
        row: usize,
        /// The column's name.
        column: String,
        /// What is wrong, in words that follow the place.
        reason: String,
    },
}

impl CellError {
    /// The same error about the row of this number.
    pub(crate) fn at_row(mut self, number: usize) -> Self {
        if let Self::Cell { row, .. } = &mut self {
            *row = number;
        }
        self
    }

    pub(crate) fn no_column(table: &Table, column: &str) -> Self {
        Self::NoColumn {
            table: table.source().to_owned(),
            column: column.to_owned(),
            known: table.columns().join(", "),
        }
    }

    pub(crate) fn cell(
        table: &Table,
        row: usize,
        column: usize,
        reason: impl Into<String>,
    ) -> Self {
        let column = table.columns()[column].clone();
        Self::Cell { table: table.source().to_owned(), row: row + 1, column, reason: reason.into() }
    }
}

/// Longer ones first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, LabelOperator); 7] = [
    (">=", LabelOperator::GreaterOrEqual),
    ("<=", LabelOperator::LessOrEqual),
    ("==", LabelOperator::Equal),
    ("!=", LabelOperator::NotEqual),
    (">", LabelOperator::Greater),
    ("<", LabelOperator::Less),
    ("=", LabelOperator::Equal),
];

impl LabelOperator {
    fn text(self) -> &'static str {
        OPERATORS.iter().find(|(_, operator)| *operator == self).map_or("", |(text, _)| text)
    }

    fn holds(self, order: Option<Ordering>) -> bool {
        match (self, order) {
            (Self::NotEqual, order) => order != Some(Ordering::Equal),
            (_, None) => false,
            (Self::Equal, Some(order)) => order.is_eq(),
            (Self::Greater, Some(order)) => order.is_gt(),
            (Self::GreaterOrEqual, Some(order)) => order.is_ge(),
            (Self::Less, Some(order)) => order.is_lt(),
            (Self::LessOrEqual, Some(order)) => order.is_le(),
        }
    }
}

impl FromStr for LabelRule {
    type Err = LabelRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| LabelRuleError { text: text.to_owned(), reason };
        let found = text.find(['<', '>', '=', '!']).and_then(|at| {
            let operator = OPERATORS.iter().find(|(sign, _)| text[at..].starts_with(sign))?;
            Some((at, operator))
        });
        let Some((at, (sign, operator))) = found else {
            let column = text.trim();
            if column.is_empty() || text.contains('!') {
                return Err(error("has no column or no operator"));
            }
            return Ok(Self { column: column.to_owned(), test: None });
        };
        let (column, value) = (text[..at].trim(), text[at + sign.len()..].trim());
        if column.is_empty() || value.is_empty() || value.starts_with(['=', '<', '>', '!']) {
            return Err(error("has no column or no value"));
        }
        let value = label_value(value).ok_or_else(|| error("has a value that is not finite"))?;
        let equality = matches!(operator, LabelOperator::Equal | LabelOperator::NotEqual);
        if matches!(value, LabelValue::Text(_)) && !equality {
            return Err(error("compares a text by size"));
        }
        Ok(Self { column: column.to_owned(), test: Some((*operator, value)) })
    }
}

fn label_value(text: &str) -> Option<LabelValue> {
    for quote in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return Some(LabelValue::Text(inner.to_owned()));
        }
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Some(LabelValue::Number(number)),
        Ok(_) => None,
        Err(_) => Some(LabelValue::Text(text.to_owned())),
    }
}

impl fmt::Display for LabelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            None => f.write_str(&self.column),
            Some((operator, LabelValue::Number(number))) => {
                write!(f, "{} {} {number}", self.column, operator.text())
            }
            Some((operator, LabelValue::Text(text))) => {
                write!(f, "{} {} '{text}'", self.column, operator.text())
            }
        }
    }
}

impl LabelRule {
    /// The label of every row.
    ///
    /// # Errors
    /// A missing column; a null cell, or one that does not compare with the rule's value, with its row.
    pub fn labels(&self, table: &Table) -> Result<Vec<bool>, CellError> {
        let column =
            table.column(&self.column).ok_or_else(|| CellError::no_column(table, &self.column))?;
        (0..table.rows()).map(|row| self.label(table, row, column)).collect()
    }

    /// The label of one row.
    pub(crate) fn label(
        &self,
        table: &Table,
        row: usize,
        column: usize,
    ) -> Result<bool, CellError> {
        let bad = |reason: String| CellError::cell(table, row, column, reason);
        let value = table
            .value(row, column)
            .ok_or_else(|| bad("is null, so the row has no label".to_owned()))?;
        let text = value.display();
        match &self.test {
            None => {
                truth(&value).ok_or_else(|| bad(format!("is '{text}', not true, false, 1 or 0")))
            }
            Some((operator, LabelValue::Text(wanted))) => {
                Ok(operator.holds(Some(text.as_ref().cmp(wanted.as_str()))))
            }
            Some((operator, LabelValue::Number(wanted))) => {
                let number = match &value {
                    Value::Text(text) => value::read_number(text),
                    other => other.as_f64().map(|_| other.clone()),
                };
                let number = number.ok_or_else(|| bad(format!("is '{text}', not a number")))?;
                if number.as_f64().is_some_and(f64::is_nan) {
                    return Err(bad("is not a number (NaN), so the row has no label".to_owned()));
                }
                Ok(operator.holds(number.compare(&Value::Float(*wanted))))
            }
        }
    }
}

/// A cell that is a label itself.
fn truth(value: &Value<'_>) -> Option<bool> {
    let read = match value {
        Value::Text(text) => value::read_boolean(text).or_else(|| value::read_number(text))?,
        other => other.clone(),
    };
    match read {
        Value::Bool(value) => Some(value),
        number if number.same(&Value::Int(1)) => Some(true),
        number if number.same(&Value::Int(0)) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::LabelRule;
    use crate::table::{Format, Table};

    fn labels(rule: &str, csv: &str) -> Result<Vec<bool>, String> {
        let table = Table::from_bytes("t.csv", Format::Csv { delimiter: b',' }, csv.into())
            .expect("a table");
        rule.parse::<LabelRule>()
            .map_err(|e| e.to_string())?
            .labels(&table)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn rules_compare_numbers_and_texts() {
        assert_eq!(labels("v > 0", "v\n0\n1\n-1\n0.5\n"), Ok(vec![false, true, false, true]));
        assert_eq!(labels("v<=0", "v\n0\n1\n"), Ok(vec![true, false]));
        assert_eq!(
            labels("plan == 'free'", "plan\nfree\npaid\n\"\"\n"),
            Ok(vec![true, false, false])
        );
        assert_eq!(labels("plan != free", "plan\nfree\npaid\n"), Ok(vec![false, true]));
        assert_eq!(labels("y", "y\ntrue\n0\nFALSE\n1\n"), Ok(vec![true, false, false, true]));
    }

    #[test]
    fn a_row_without_a_label_is_named() {
        assert_eq!(
            labels("v > 0", "v,w\n1,2\n,3\n"),
            Err("t.csv: row 2, column 'v' is null, so the row has no label".into())
        );
        assert_eq!(
            labels("v > 0", "v\nx\n"),
            Err("t.csv: row 1, column 'v' is 'x', not a number".into())
        );
        assert_eq!(
            labels("z > 0", "v,w\n1,2\n"),
            Err("t.csv has no column 'z'; it has v, w".into())
        );
        assert_eq!(
            labels("v", "v\n2\n"),
            Err("t.csv: row 1, column 'v' is '2', not true, false, 1 or 0".into())
        );
    }

    #[test]
    fn nonsense_is_no_rule_and_rules_print_as_they_parse() {
        for wrong in ["", "> 0", "a >", "a => 1", "a ! 1", "a > 'x'", "a > inf"] {
            assert!(wrong.parse::<LabelRule>().is_err(), "{wrong}");
        }
        for text in ["mdvis > 0", "a b >= 1.5", "c == 'd e'", "flag"] {
            assert_eq!(text.parse::<LabelRule>().expect(text).to_string(), text);
        }
    }
}
