//! Rules of our own about examples for a model: `type: custom`, `engine: pawl`.

use super::node::{self, Node, Value as Yaml};
use super::read::{Fields, Reader};
use super::{ColumnRule, Study, Test};
use crate::label::LabelRule;
use crate::value::Value;

/// The rules and their keys.
const RULES: [(&str, &[&str]); 12] = [
    ("trainTestOverlap", &["table", "columns"]),
    ("timeOverlap", &["table", "column", "order"]),
    ("newCategories", &["table", "column"]),
    ("conflictingLabels", &["label", "features"]),
    ("classBalance", &["label"]),
    ("labelLeakage", &["label", "features", "auc", "power"]),
    ("constant", &["columns", "share"]),
    ("identifier", &["columns"]),
    ("mixedTypes", &["columns", "share"]),
    ("nullTokens", &["columns", "tokens"]),
    ("correlationChange", &["table", "columns", "change"]),
    ("drift", &["table", "columns", "threshold"]),
];

/// Texts that people write for a value that is not there.
const TOKENS: [&str; 14] =
    ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "Null", "None", "nil", "-", "?"];

/// An area under the ROC curve above this leaks the label.
const AUC: f64 = 0.99;
/// A predictive power above this leaks the label.
const POWER: f64 = 0.8;
/// A column is near-constant when one value stands in at least this share of the rows.
const CONSTANT: f64 = 0.999;
/// A column has mixed types when the rarer one is in at most this share of its cells.
const MIXED: f64 = 0.1;
/// A correlation that changed by more than this.
const CHANGE: f64 = 0.2;
/// A distance that is drift.
const DRIFT: f64 = 0.1;

/// The names, for messages.
pub(super) fn names() -> String {
    RULES.map(|(name, _)| name).join(", ")
}

/// A rule by its `implementation`, which may also be the text of one.
pub(super) fn implementation(reader: &mut Reader, node: &Node, known: &[String]) -> Option<Test> {
    let Yaml::Text(text) = &node.value else { return rule(reader, node, known) };
    match node::parse(text) {
        Ok(inner) => {
            let inner = Node { line: node.line, column: node.column, value: inner.value };
            rule(reader, &inner, known)
        }
        Err(error) => {
            let message =
                format!("implementation is not YAML: {} (its line {})", error.message, error.line);
            reader.at(node, message);
            None
        }
    }
}

fn rule(reader: &mut Reader, node: &Node, known: &[String]) -> Option<Test> {
    let mut keys = vec!["rule"];
    for key in RULES.iter().flat_map(|(_, keys)| *keys) {
        if !keys.contains(key) {
            keys.push(key);
        }
    }
    let fields = reader.fields(node, "an implementation of engine pawl", &keys)?;
    let name = reader.required_text(&fields, "rule", "an implementation of engine pawl")?;
    let Some((_, allowed)) = RULES.iter().find(|(rule, _)| *rule == name) else {
        let message =
            format!("rule '{name}' of engine pawl is not supported; it is one of {}", names());
        reader.at(node, message);
        return None;
    };
    let strangers = fields.keys().filter(|entry| {
        let key = entry.key.as_str();
        key != "rule" && keys.contains(&key) && !allowed.contains(&key)
    });
    for entry in strangers {
        reader.at(node, format!("'{}' does not belong to the rule {name}", entry.key));
    }
    Arguments { reader, fields, rule: name, known }.test()
}

/// What stands beside a rule's name.
struct Arguments<'r, 'n> {
    reader: &'r mut Reader,
    fields: Fields<'n>,
    rule: &'n str,
    /// The properties of the schema.
    known: &'r [String],
}

impl Arguments<'_, '_> {
    fn test(mut self) -> Option<Test> {
        Some(match self.rule {
            "trainTestOverlap" => {
                Test::TrainTestOverlap { table: self.table()?, columns: self.columns("columns") }
            }
            "timeOverlap" => {
                let (table, column) = (self.table()?, self.column()?);
                Test::TimeOverlap { table, column, is_later: self.is_later() }
            }
            "newCategories" => Test::NewCategories { table: self.table()?, column: self.column()? },
            "conflictingLabels" => {
                Test::ConflictingLabels { label: self.label()?, features: self.columns("features") }
            }
            "classBalance" => Test::ClassBalance { label: self.label()? },
            _ => Test::Columns(self.study()?),
        })
    }

    fn study(&mut self) -> Option<Study> {
        let mut columns = "columns";
        let rule = match self.rule {
            "labelLeakage" => {
                columns = "features";
                let (auc, power) = (self.share("auc", AUC), self.share("power", POWER));
                ColumnRule::Leakage { label: self.label()?, auc, power }
            }
            "constant" => ColumnRule::Constant { share: self.share("share", CONSTANT) },
            "identifier" => ColumnRule::Identifier,
            "mixedTypes" => ColumnRule::MixedTypes { share: self.share("share", MIXED) },
            "nullTokens" => ColumnRule::NullTokens { tokens: self.tokens() },
            "correlationChange" => ColumnRule::CorrelationChange {
                table: self.table()?,
                change: self.positive("change", CHANGE),
            },
            _ => ColumnRule::Drift {
                table: self.table()?,
                threshold: self.positive("threshold", DRIFT),
            },
        };
        Some(Study { rule, columns: self.columns(columns) })
    }

    fn table(&mut self) -> Option<String> {
        let what = format!("the rule {}", self.rule);
        self.reader.required_text(&self.fields, "table", &what).map(str::to_owned)
    }

    fn column(&mut self) -> Option<String> {
        let what = format!("the rule {}", self.rule);
        self.reader.required_text(&self.fields, "column", &what)?;
        self.columns("column").into_iter().next()
    }

    /// Names of properties; none for all of them.
    fn columns(&mut self, key: &str) -> Vec<String> {
        let names = self.reader.names(&self.fields, key);
        super::rules::known_names(self.reader, names, self.known)
    }

    /// Whether the rows must be later than those of the other table, not earlier.
    fn is_later(&mut self) -> bool {
        match (self.reader.text(&self.fields, "order"), self.fields.get("order")) {
            (Some("before"), _) => false,
            (Some(other), Some(node)) if other != "after" => {
                self.reader.at(node, format!("unknown order '{other}'; it is after or before"));
                true
            }
            _ => true,
        }
    }

    fn tokens(&mut self) -> Vec<String> {
        match self.fields.get("tokens") {
            None => TOKENS.map(str::to_owned).to_vec(),
            Some(_) => {
                let names = self.reader.names(&self.fields, "tokens");
                names.into_iter().map(|(name, ..)| name).collect()
            }
        }
    }

    /// A number above 0 and at most 1.
    fn share(&mut self, key: &str, default: f64) -> f64 {
        let number = self.positive(key, default);
        if let Some(node) = self.fields.get(key)
            && number > 1.0
        {
            self.reader.at(node, format!("'{key}' is a share; it is at most 1"));
        }
        number
    }

    fn positive(&mut self, key: &str, default: f64) -> f64 {
        let Some(node) = self.fields.get(key) else { return default };
        let number = self.reader.number(node, key).as_ref().and_then(Value::as_f64);
        match number {
            Some(number) if number > 0.0 && number.is_finite() => number,
            Some(_) => {
                self.reader.at(node, format!("'{key}' must be greater than 0"));
                default
            }
            None => default,
        }
    }

    fn label(&mut self) -> Option<LabelRule> {
        let what = format!("the rule {}", self.rule);
        let text = self.reader.required_text(&self.fields, "label", &what)?;
        let (line, column) = (self.fields.line, self.fields.column);
        match text.parse::<LabelRule>() {
            Ok(label) if self.known.contains(&label.column) => Some(label),
            Ok(label) => {
                let message =
                    format!("label names '{}', which is no property of this schema", label.column);
                self.reader.problem(line, column, message);
                None
            }
            Err(error) => {
                self.reader.problem(line, column, error.to_string());
                None
            }
        }
    }
}
