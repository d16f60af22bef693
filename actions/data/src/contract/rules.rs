//! The entries under `quality`.

use super::kind::Kind;
use super::node::{Node, Value as Yaml};
use super::read::{Fields, Reader};
use super::{Comparison, Item, Operator, Rule, Test, Unit, examples};
use crate::value::Value;

const RULE_KEYS: [&str; 20] = [
    "id",
    "name",
    "description",
    "type",
    "metric",
    "rule",
    "arguments",
    "unit",
    "dimension",
    "severity",
    "businessImpact",
    "method",
    "scheduler",
    "schedule",
    "tags",
    "authoritativeDefinitions",
    "customProperties",
    "query",
    "engine",
    "implementation",
];
const DIMENSIONS: [&str; 7] = [
    "accuracy",
    "completeness",
    "conformity",
    "consistency",
    "coverage",
    "timeliness",
    "uniqueness",
];
const METRICS: &str = "nullValues, missingValues, invalidValues, duplicateValues, rowCount";

/// A rule under a property. `kind` is the property's, for the values that the rule names.
pub(super) fn at_property(reader: &mut Reader, node: &Node, kind: &Kind) -> Option<Rule> {
    rule(reader, node, &Place::Property(kind))
}

/// A rule under what stands in a column.
pub(super) fn at_nested(reader: &mut Reader, node: &Node, kind: &Kind) -> Option<Rule> {
    let rule = rule(reader, node, &Place::Property(kind))?;
    if matches!(rule.test, Test::DuplicateValues(_) | Test::RowCount) {
        let metric = rule.test.metric();
        reader.at(node, format!("{metric} belongs under a column, not under what stands in one"));
        return None;
    }
    Some(rule)
}

/// A rule under a schema with these properties.
pub(super) fn at_schema(reader: &mut Reader, node: &Node, properties: &[String]) -> Option<Rule> {
    rule(reader, node, &Place::Schema(properties))
}

enum Place<'a> {
    Property(&'a Kind),
    Schema(&'a [String]),
}

fn rule(reader: &mut Reader, node: &Node, place: &Place<'_>) -> Option<Rule> {
    let operators = Comparison::ALL.iter().map(|(name, _)| *name);
    // `pattern` stands beside an empty `arguments:` in the standard's own example.
    let known: Vec<&str> = RULE_KEYS.iter().copied().chain(operators).chain(["pattern"]).collect();
    let fields = reader.fields(node, "a quality rule", &known)?;
    if let (Some(node), Some(word)) = (fields.get("dimension"), reader.text(&fields, "dimension"))
        && !DIMENSIONS.contains(&word)
    {
        reader.at(
            node,
            format!("unknown dimension '{word}'; it is one of {}", DIMENSIONS.join(", ")),
        );
    }
    let kind = reader.text(&fields, "type").unwrap_or("library");
    let test = match kind {
        "library" => library(reader, &fields, place),
        "text" => {
            misplaced(
                reader,
                &fields,
                &["metric", "rule", "arguments", "pattern", "query", "engine", "implementation"],
                kind,
            );
            Some(Test::Text(reader.text(&fields, "description").unwrap_or_default().to_owned()))
        }
        "custom" => custom(reader, &fields, place),
        "sql" => {
            reader.at(
                node,
                "a quality rule of type sql is not supported: this program has no SQL; write it as a library metric",
            );
            None
        }
        other => {
            reader.at(
                node,
                format!(
                    "unknown type '{other}' of a quality rule; it is library, text, sql or custom"
                ),
            );
            None
        }
    };
    let unit = unit(reader, &fields, test.as_ref());
    let operator = operator(reader, &fields, test.as_ref());
    let id = reader.text(&fields, "id").or(reader.text(&fields, "name")).map(str::to_owned);
    let severity = reader.text(&fields, "severity").unwrap_or("error").to_owned();
    Some(Rule { id, severity, test: test?, unit, operator })
}

/// Keys that another type of rule has.
fn misplaced(reader: &mut Reader, fields: &Fields<'_>, keys: &[&str], kind: &str) {
    for entry in fields.keys().filter(|entry| keys.contains(&entry.key.as_str())) {
        let message = format!("'{}' does not belong to a quality rule of type {kind}", entry.key);
        reader.problem(entry.line, entry.column, message);
    }
}

fn unit(reader: &mut Reader, fields: &Fields<'_>, test: Option<&Test>) -> Unit {
    let default =
        if matches!(test, Some(Test::ClassBalance { .. })) { Unit::Percent } else { Unit::Rows };
    match (reader.text(fields, "unit"), fields.get("unit")) {
        (Some("rows"), _) => Unit::Rows,
        (Some("percent"), Some(node)) if matches!(test, Some(Test::Columns(_))) => {
            reader.at(node, "a rule about columns counts them; leave 'unit' out");
            default
        }
        (Some("percent"), _) => Unit::Percent,
        (Some(other), Some(node)) => {
            reader.at(node, format!("unknown unit '{other}'; it is rows or percent"));
            default
        }
        _ => default,
    }
}

fn operator(reader: &mut Reader, fields: &Fields<'_>, test: Option<&Test>) -> Option<Operator> {
    let named = |key: &str| {
        Comparison::ALL.iter().find(|(name, _)| *name == key).map(|(_, comparison)| *comparison)
    };
    let found: Vec<_> =
        fields.keys().filter_map(|entry| Some((entry, named(&entry.key)?))).collect();
    if let Some(Test::Text(_)) = test {
        for (entry, _) in &found {
            reader.problem(
                entry.line,
                entry.column,
                "a quality rule of type text decides nothing and has no operator",
            );
        }
        return None;
    }
    let [(entry, comparison)] = found[..] else {
        let zero = Operator { comparison: Comparison::Be, limits: vec![Value::Int(0)] };
        let ours = matches!(
            test,
            Some(
                Test::TrainTestOverlap { .. }
                    | Test::TimeOverlap { .. }
                    | Test::NewCategories { .. }
                    | Test::ConflictingLabels { .. }
                    | Test::Columns(_)
            )
        );
        if found.is_empty() && ours {
            return Some(zero);
        }
        // The rule's own problem says enough where the rule could not be read.
        if test.is_some() {
            let names: Vec<&str> = found.iter().map(|(entry, _)| entry.key.as_str()).collect();
            let has = if names.is_empty() { "none".to_owned() } else { names.join(" and ") };
            reader.problem(
                fields.line,
                fields.column,
                format!("a quality rule has exactly one operator; this one has {has}"),
            );
        }
        return None;
    };
    let limits = limits(reader, &entry.node, &entry.key, comparison)?;
    Some(Operator { comparison, limits })
}

fn limits(
    reader: &mut Reader,
    node: &Node,
    key: &str,
    comparison: Comparison,
) -> Option<Vec<Value<'static>>> {
    if !matches!(comparison, Comparison::Between | Comparison::NotBetween) {
        return reader.number(node, key).map(|limit| vec![limit]);
    }
    let Yaml::List(items) = &node.value else {
        reader
            .at(node, format!("'{key}' must be a list of two numbers, not {}", node.value.kind()));
        return None;
    };
    let limits: Vec<Value<'static>> =
        items.iter().filter_map(|item| reader.number(item, key)).collect();
    let ordered =
        matches!(&limits[..], [low, high] if low.compare(high).is_some_and(|order| order.is_lt()));
    if items.len() != 2 || (limits.len() == 2 && !ordered) {
        reader.at(node, format!("'{key}' must be two different numbers, the smaller first"));
        return None;
    }
    (limits.len() == 2).then_some(limits)
}

fn library(reader: &mut Reader, fields: &Fields<'_>, place: &Place<'_>) -> Option<Test> {
    misplaced(reader, fields, &["query", "engine", "implementation"], "library");
    let key = if fields.get("metric").is_some() { "metric" } else { "rule" };
    let Some(metric) = reader.text(fields, key) else {
        let message =
            format!("a quality rule of type library has no 'metric'; it is one of {METRICS}");
        reader.problem(fields.line, fields.column, message);
        return None;
    };
    let known: &[&str] = match (metric, place) {
        ("missingValues", _) => &["missingValues"],
        ("invalidValues", _) => &["validValues", "pattern"],
        ("duplicateValues", Place::Schema(_)) => &["properties"],
        _ => &[],
    };
    let arguments = match fields.get("arguments") {
        Some(node) => Some(reader.fields(node, &format!("arguments of {metric}"), known)?),
        None => None,
    };
    if metric != "invalidValues" {
        misplaced(reader, fields, &["pattern"], metric);
    }
    match (metric, place) {
        ("nullValues", Place::Property(_)) => Some(Test::NullValues),
        ("missingValues", Place::Property(kind)) => {
            missing_values(reader, fields, arguments.as_ref(), kind)
        }
        ("invalidValues", Place::Property(kind)) => {
            invalid_values(reader, fields, arguments.as_ref(), kind)
        }
        ("duplicateValues", Place::Property(_)) => Some(Test::DuplicateValues(Vec::new())),
        ("duplicateValues", Place::Schema(known)) => {
            duplicate_values(reader, fields, arguments.as_ref(), known)
        }
        ("rowCount", _) => Some(Test::RowCount),
        ("nullValues" | "missingValues" | "invalidValues", Place::Schema(_)) => {
            reader.problem(
                fields.line,
                fields.column,
                format!("{metric} belongs under a property, not under a schema"),
            );
            None
        }
        _ => {
            reader.problem(
                fields.line,
                fields.column,
                format!("unknown metric '{metric}'; it is one of {METRICS}"),
            );
            None
        }
    }
}

fn missing_values(
    reader: &mut Reader,
    fields: &Fields<'_>,
    arguments: Option<&Fields<'_>>,
    kind: &Kind,
) -> Option<Test> {
    let items =
        arguments.map(|arguments| reader.list(arguments, "missingValues")).unwrap_or_default();
    if items.is_empty() {
        reader.problem(
            fields.line,
            fields.column,
            "missingValues needs arguments: missingValues: [...]",
        );
        return None;
    }
    Some(Test::MissingValues(values(reader, items, "missingValues", kind)))
}

fn invalid_values(
    reader: &mut Reader,
    fields: &Fields<'_>,
    arguments: Option<&Fields<'_>>,
    kind: &Kind,
) -> Option<Test> {
    let inside = arguments.and_then(|arguments| arguments.get("pattern"));
    let pattern = inside.or(fields.get("pattern")).map(|node| reader.pattern(node));
    let valid =
        arguments.filter(|arguments| arguments.get("validValues").is_some()).map(|arguments| {
            let items = reader.list(arguments, "validValues");
            values(reader, items, "validValues", kind)
        });
    if pattern.is_none() && valid.is_none() {
        reader.problem(
            fields.line,
            fields.column,
            "invalidValues needs arguments: validValues: [...] or pattern: ...",
        );
        return None;
    }
    Some(Test::InvalidValues { valid, pattern: pattern.flatten() })
}

fn duplicate_values(
    reader: &mut Reader,
    fields: &Fields<'_>,
    arguments: Option<&Fields<'_>>,
    known: &[String],
) -> Option<Test> {
    let names =
        arguments.map(|arguments| reader.names(arguments, "properties")).unwrap_or_default();
    if names.is_empty() {
        reader.problem(
            fields.line,
            fields.column,
            "duplicateValues at a schema needs arguments: properties: [...]",
        );
        return None;
    }
    Some(Test::DuplicateValues(known_names(reader, names, known)))
}

pub(super) fn known_names(
    reader: &mut Reader,
    names: Vec<(String, u64, u64)>,
    known: &[String],
) -> Vec<String> {
    for (name, line, column) in &names {
        if !known.contains(name) {
            reader.problem(*line, *column, format!("'{name}' is no property of this schema"));
        }
    }
    names.into_iter().map(|(name, ..)| name).collect()
}

/// The values of a list as the property's type reads them; what it cannot read stays what it is and equals nothing.
fn values(reader: &mut Reader, items: &[Node], key: &str, kind: &Kind) -> Vec<Item> {
    items.iter().filter_map(|node| item(reader, node, key, kind)).collect()
}

fn item(reader: &mut Reader, node: &Node, key: &str, kind: &Kind) -> Option<Item> {
    let value = match &node.value {
        Yaml::Null => return Some(Item::Null),
        Yaml::Text(text) => {
            kind.read_text(text).unwrap_or_else(|| Value::Text(text.clone().into()))
        }
        Yaml::Bool(value) => Value::Bool(*value),
        Yaml::Int(value) => Value::Int(*value),
        Yaml::Float(value) => Value::Float(*value),
        Yaml::List(_) | Yaml::Map(_) => {
            reader.at(
                node,
                format!(
                    "'{key}' lists texts, numbers, booleans and null, not {}",
                    node.value.kind()
                ),
            );
            return None;
        }
    };
    let as_text = *kind == Kind::Text && !matches!(value, Value::Text(_));
    Some(Item::Value(if as_text {
        Value::Text(value.display().into_owned().into())
    } else {
        value
    }))
}

fn custom(reader: &mut Reader, fields: &Fields<'_>, place: &Place<'_>) -> Option<Test> {
    misplaced(reader, fields, &["metric", "rule", "arguments", "pattern", "query"], "custom");
    let engine = reader.required_text(fields, "engine", "a quality rule of type custom")?;
    if engine != "pawl" {
        let message = format!(
            "engine '{engine}' is not supported; of type custom only engine pawl is ({})",
            examples::names()
        );
        reader.problem(fields.line, fields.column, message);
        return None;
    }
    let Some(node) = fields.get("implementation") else {
        reader.problem(
            fields.line,
            fields.column,
            "a quality rule of engine pawl has no 'implementation'",
        );
        return None;
    };
    let Place::Schema(known) = place else {
        reader.at(
            node,
            format!("rules of engine pawl ({}) belong under a schema", examples::names()),
        );
        return None;
    };
    examples::implementation(reader, node, known)
}
