//! Data contracts: the part of the Open Data Contract Standard v3.1 that says what a table must look like.
//!
//! Parsing reports every problem at once, each with its line and column; a contract that parses can be checked.

mod examples;
mod kind;
mod node;
mod property;
mod read;
mod relations;
mod rules;
mod sla;
mod types;

use std::fmt;

pub(crate) use kind::{Kind, Reading};
pub(crate) use sla::Latency;

use crate::format::Format;
use crate::label::LabelRule;
use crate::pattern::Pattern;
use crate::value::Value;

/// A parsed contract.
#[derive(Debug, Clone)]
pub struct Contract {
    /// The contract's own id.
    pub id: String,
    /// Its version, as text.
    pub version: String,
    /// `draft`, `active`, ...
    pub status: String,
    /// `sha256:…` of its text: what was counted by one contract is judged by no other.
    pub digest: String,
    pub(crate) schemas: Vec<Schema>,
    pub(crate) latencies: Vec<Latency>,
}

/// One table that the contract describes.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) physical_name: Option<String>,
    pub(crate) properties: Vec<Property>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) references: Vec<Reference>,
}

/// One column that the contract describes.
#[derive(Debug, Clone)]
pub(crate) struct Property {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    /// The column's name in the data: `physicalName`, else `name`.
    pub(crate) column: String,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) unique: bool,
    /// Its place in the primary key, if it is part of it.
    pub(crate) key_position: Option<i128>,
    pub(crate) options: Options,
    pub(crate) rules: Vec<Rule>,
    pub(crate) references: Vec<Reference>,
    /// Whether its cells are personal data, which no report shows.
    pub(crate) personal: bool,
    /// Whether it is every item of an array. It then has no key of its own.
    pub(crate) is_item: bool,
    /// What stands in it: the properties of an object, or the one that all items of an array are.
    pub(crate) nested: Vec<Self>,
}

impl Property {
    /// Makes it personal, and all that stands in it.
    fn hide(&mut self) {
        self.personal = true;
        self.nested.iter_mut().for_each(Self::hide);
    }
}

/// `logicalTypeOptions` that restrict values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) bounds: Vec<(Bound, Value<'static>)>,
    pub(crate) multiple_of: Option<Value<'static>>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) format: Option<(String, Format)>,
    /// Of objects and arrays.
    pub(crate) inner: Vec<Inner>,
}

/// An option of objects or arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inner {
    MinItems(u64),
    MaxItems(u64),
    /// No two items are equal by value.
    UniqueItems,
    MinProperties(u64),
    MaxProperties(u64),
    /// Keys that every object has, be their values null or not.
    Required(Vec<String>),
}

impl Inner {
    /// The option's name; that of the list of keys is another one, because `required` is the metric of nulls.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::MinItems(_) => "minItems",
            Self::MaxItems(_) => "maxItems",
            Self::UniqueItems => "uniqueItems",
            Self::MinProperties(_) => "minProperties",
            Self::MaxProperties(_) => "maxProperties",
            Self::Required(_) => "requiredProperties",
        }
    }

    /// What is expected, in words.
    pub(crate) fn expected(&self) -> String {
        let name = self.name();
        match self {
            Self::MinItems(n)
            | Self::MaxItems(n)
            | Self::MinProperties(n)
            | Self::MaxProperties(n) => format!("{name} {n}"),
            Self::UniqueItems => name.to_owned(),
            Self::Required(names) => format!("{name} {}", names.join(", ")),
        }
    }
}

/// A limit of values; its name is the option's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
}

impl Bound {
    pub(crate) const ALL: [Self; 4] =
        [Self::Minimum, Self::Maximum, Self::ExclusiveMinimum, Self::ExclusiveMaximum];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::ExclusiveMinimum => "exclusiveMinimum",
            Self::ExclusiveMaximum => "exclusiveMaximum",
        }
    }
}

/// A foreign key: these properties' values are among those columns' of another table.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    /// Names of properties of this schema.
    pub(crate) from: Vec<String>,
    pub(crate) table: String,
    /// Names in the other table: of its properties where the contract describes it, else of columns.
    pub(crate) to: Vec<String>,
}

/// One entry under `quality`.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) id: Option<String>,
    pub(crate) severity: String,
    pub(crate) test: Test,
    pub(crate) unit: Unit,
    /// Absent for `type: text` alone.
    pub(crate) operator: Option<Operator>,
}

/// What a rule counts or measures.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// For people; decides nothing.
    Text(String),
    NullValues,
    MissingValues(Vec<Item>),
    InvalidValues {
        valid: Option<Vec<Item>>,
        pattern: Option<Pattern>,
    },
    /// At a property: itself. At a schema: these properties together.
    DuplicateValues(Vec<String>),
    RowCount,
    /// Rows that are in another table as well, compared on these columns (all shared ones when empty).
    TrainTestOverlap {
        table: String,
        columns: Vec<String>,
    },
    /// Rows whose moment is not after (not before, unless `is_later`) all of those of the other table.
    TimeOverlap {
        table: String,
        column: String,
        is_later: bool,
    },
    /// Rows whose value the other table does not have in its column of this property: categories that a model never saw.
    NewCategories {
        table: String,
        column: String,
    },
    /// Rows whose features (all other columns when empty) stand with both labels.
    ConflictingLabels {
        label: LabelRule,
        features: Vec<String>,
    },
    /// The share of the rarer label.
    ClassBalance {
        label: LabelRule,
    },
    /// Columns that are not what they should be; they are counted, not rows.
    Columns(Study),
}

/// A question about whole columns.
#[derive(Debug, Clone)]
pub(crate) struct Study {
    pub(crate) rule: ColumnRule,
    /// The properties that are looked at; all of them when empty.
    pub(crate) columns: Vec<String>,
}

/// What a column must not be.
#[derive(Debug, Clone)]
pub(crate) enum ColumnRule {
    /// It tells the label alone: by an area under the ROC curve, or by a predictive power, above these.
    Leakage { label: LabelRule, auc: f64, power: f64 },
    /// One value stands in at least this share of the rows.
    Constant { share: f64 },
    /// Its values are all different.
    Identifier,
    /// Numbers stand among texts, the rarer of them in at most this share of the cells.
    MixedTypes { share: f64 },
    /// A value that is not there is written in several ways, these texts and null among them.
    NullTokens { tokens: Vec<String> },
    /// Its correlation with another column is not that in the other table, by more than this.
    CorrelationChange { table: String, change: f64 },
    /// It drifted away from the other table's, by more than this distance.
    Drift { table: String, threshold: f64 },
}

impl ColumnRule {
    /// The other table.
    pub(crate) fn table(&self) -> Option<&str> {
        match self {
            Self::CorrelationChange { table, .. } | Self::Drift { table, .. } => Some(table),
            _ => None,
        }
    }

    /// What is counted, in words.
    pub(crate) fn counted(&self) -> &'static str {
        match self {
            Self::Leakage { .. } => "columns that tell the label",
            Self::Constant { .. } => "near-constant columns",
            Self::Identifier => "columns that identify the row",
            Self::MixedTypes { .. } => "columns of mixed types",
            Self::NullTokens { .. } => "columns with several ways to write null",
            Self::CorrelationChange { .. } => "correlations that changed",
            Self::Drift { .. } => "columns that drifted",
        }
    }
}

impl Test {
    /// The name in reports.
    pub(crate) fn metric(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::NullValues => "nullValues",
            Self::MissingValues(_) => "missingValues",
            Self::InvalidValues { .. } => "invalidValues",
            Self::DuplicateValues(_) => "duplicateValues",
            Self::RowCount => "rowCount",
            Self::TrainTestOverlap { .. } => "trainTestOverlap",
            Self::NewCategories { .. } => "newCategories",
            Self::ConflictingLabels { .. } => "conflictingLabels",
            Self::ClassBalance { .. } => "classBalance",
            Self::TimeOverlap { .. } => "timeOverlap",
            Self::Columns(study) => match study.rule {
                ColumnRule::Leakage { .. } => "labelLeakage",
                ColumnRule::Constant { .. } => "constant",
                ColumnRule::Identifier => "identifier",
                ColumnRule::MixedTypes { .. } => "mixedTypes",
                ColumnRule::NullTokens { .. } => "nullTokens",
                ColumnRule::CorrelationChange { .. } => "correlationChange",
                ColumnRule::Drift { .. } => "drift",
            },
        }
    }
}

/// An entry of `validValues` or `missingValues`, as YAML has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    Null,
    Value(Value<'static>),
}

/// What the operator compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Rows,
    Percent,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Percent => "percent",
        }
    }
}

/// The comparison of a rule. The two with a range exclude its ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Operator {
    pub(crate) comparison: Comparison,
    /// One number, or two for a range.
    pub(crate) limits: Vec<Value<'static>>,
}

/// The operators of the standard by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Be,
    NotBe,
    GreaterThan,
    GreaterOrEqualTo,
    LessThan,
    LessOrEqualTo,
    Between,
    NotBetween,
}

impl Comparison {
    pub(crate) const ALL: [(&'static str, Self); 8] = [
        ("mustBe", Self::Be),
        ("mustNotBe", Self::NotBe),
        ("mustBeGreaterThan", Self::GreaterThan),
        ("mustBeGreaterOrEqualTo", Self::GreaterOrEqualTo),
        ("mustBeLessThan", Self::LessThan),
        ("mustBeLessOrEqualTo", Self::LessOrEqualTo),
        ("mustBeBetween", Self::Between),
        ("mustNotBeBetween", Self::NotBetween),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, comparison)| *comparison == self).map_or("", |(name, _)| name)
    }
}

impl Operator {
    /// Whether an observed number satisfies it.
    pub(crate) fn holds(&self, observed: &Value<'_>) -> bool {
        let against =
            |index: usize| self.limits.get(index).and_then(|limit| observed.compare(limit));
        let inside =
            || against(0).is_some_and(|o| o.is_gt()) && against(1).is_some_and(|o| o.is_lt());
        match self.comparison {
            Comparison::Be => against(0).is_some_and(|o| o.is_eq()),
            Comparison::NotBe => against(0).is_none_or(|o| o.is_ne()),
            Comparison::GreaterThan => against(0).is_some_and(|o| o.is_gt()),
            Comparison::GreaterOrEqualTo => against(0).is_some_and(|o| o.is_ge()),
            Comparison::LessThan => against(0).is_some_and(|o| o.is_lt()),
            Comparison::LessOrEqualTo => against(0).is_some_and(|o| o.is_le()),
            Comparison::Between => inside(),
            Comparison::NotBetween => !inside(),
        }
    }
}

impl Operator {
    /// Whether it holds for every number from 0 to `most`, so that it says nothing.
    pub(crate) fn holds_up_to(&self, most: &Value<'_>) -> bool {
        let zero = Value::Int(0);
        if !self.holds(&zero) || !self.holds(most) {
            return false;
        }
        // What holds at both ends fails between them only where it excludes something there.
        let between = |limit: &Value<'_>| {
            limit.compare(&zero).is_some_and(|order| order.is_ge())
                && limit.compare(most).is_some_and(|order| order.is_le())
        };
        match self.comparison {
            Comparison::NotBe | Comparison::NotBetween => !self.limits.iter().any(between),
            _ => true,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.comparison.name())?;
        for (index, limit) in self.limits.iter().enumerate() {
            let word = if index == 0 { "" } else { " and" };
            write!(f, "{word} {}", limit.display())?;
        }
        Ok(())
    }
}

/// One thing that is wrong with a contract, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, counted from 1.
    pub line: u64,
    /// Column, counted from 1.
    pub column: u64,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A contract that cannot be used: always the user's input. Says every problem, one a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ContractError {
    /// The file as the user named it.
    pub file: String,
    /// At least one, in the order of the file.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(
                f,
                "{newline}{}:{}:{}: {}",
                self.file, problem.line, problem.column, problem.message
            )?;
        }
        Ok(())
    }
}

impl Contract {
    /// Parses a contract; `file` names it in messages.
    ///
    /// # Errors
    /// Every problem of the document, with line and column: unknown keys, wrong types, missing keys, rules that are
    /// not supported.
    pub fn parse(file: &str, text: &str) -> Result<Self, ContractError> {
        read::contract(text).map_err(|problems| ContractError { file: file.to_owned(), problems })
    }

    /// Names of the tables that the contract describes.
    #[must_use]
    pub fn schema_names(&self) -> Vec<&str> {
        self.schemas.iter().map(|schema| schema.name.as_str()).collect()
    }

    /// Columns of personal data of the schema of this name, or of the first one: no report shows what is in them.
    #[must_use]
    pub fn personal_columns(&self, schema: Option<&str>) -> Vec<String> {
        let properties = self.schema(schema).into_iter().flat_map(|schema| &schema.properties);
        properties.filter(|property| property.personal).map(|p| p.column.clone()).collect()
    }

    /// The schema of this name, or the first one.
    pub(crate) fn schema(&self, name: Option<&str>) -> Option<&Schema> {
        match name {
            None => self.schemas.first(),
            Some(name) => self.schemas.iter().find(|schema| schema.is_named(name)),
        }
    }
}

impl Schema {
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name == name || self.physical_name.as_deref() == Some(name)
    }

    pub(crate) fn property(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }
}
