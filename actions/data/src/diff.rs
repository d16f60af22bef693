//! What is different between two contracts or two profiles, and above all: what was loosened.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::contract::{
    Bound, Comparison, Contract, Inner, Item, Latency, Options, Property, Rule, Schema, Test,
};
use crate::profile::{ColumnProfile, Profile};
use crate::value::Value;

/// What a change does to the promise that the data makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Some data that broke the old contract keeps the new one.
    Loosened,
    /// Different, and neither contains the other.
    Changed,
    /// Some data that kept the old contract breaks the new one.
    Tightened,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Table, or table and property, or column.
    pub place: String,
    /// The key or rule.
    pub what: String,
    /// As it was; absent for what is new.
    pub old: Option<String>,
    /// As it is; absent for what is gone.
    pub new: Option<String>,
    /// What it does.
    pub effect: Effect,
}

/// Collects differences at one place.
struct Differences<'c> {
    changes: &'c mut Vec<Change>,
    place: String,
}

impl Differences<'_> {
    fn push(&mut self, what: &str, old: Option<String>, new: Option<String>, effect: Effect) {
        let (place, what) = (self.place.clone(), what.to_owned());
        self.changes.push(Change { place, what, old, new, effect });
    }

    /// A demand that may be absent: its absence is looser. `compare` is for two that differ.
    fn demand<T: PartialEq>(
        &mut self,
        what: &str,
        (old, new): (Option<&T>, Option<&T>),
        shown: impl Fn(&T) -> String,
        compare: impl Fn(&T, &T) -> Effect,
    ) {
        let effect = match (old, new) {
            (None, None) => return,
            (Some(old), Some(new)) if old == new => return,
            (Some(old), Some(new)) => compare(old, new),
            (Some(_), None) => Effect::Loosened,
            (None, Some(_)) => Effect::Tightened,
        };
        self.push(what, old.map(&shown), new.map(&shown), effect);
    }

    fn flag(&mut self, what: &str, old: bool, new: bool) {
        if old != new {
            let effect = if old { Effect::Loosened } else { Effect::Tightened };
            self.push(what, Some(old.to_string()), Some(new.to_string()), effect);
        }
    }
}

/// All differences of two contracts, table by table in the order of the old one.
#[must_use]
pub fn diff_contracts(old: &Contract, new: &Contract) -> Vec<Change> {
    let mut changes = Vec::new();
    for schema in &old.schemas {
        let other = new.schemas.iter().find(|other| other.name == schema.name);
        match other {
            Some(other) => schemas(schema, other, &mut changes),
            None => Differences { changes: &mut changes, place: schema.name.clone() }.push(
                "schema",
                Some(schema.name.clone()),
                None,
                Effect::Loosened,
            ),
        }
    }
    for schema in &new.schemas {
        if !old.schemas.iter().any(|other| other.name == schema.name) {
            Differences { changes: &mut changes, place: schema.name.clone() }.push(
                "schema",
                None,
                Some(schema.name.clone()),
                Effect::Tightened,
            );
        }
    }
    latencies(&old.latencies, &new.latencies, &mut changes);
    changes
}

/// How old the newest rows may be.
fn latencies(old: &[Latency], new: &[Latency], changes: &mut Vec<Change>) {
    let place = |latency: &Latency| format!("{}.{}", latency.schema, latency.property);
    let mut places: Vec<String> = Vec::new();
    for latency in old.iter().chain(new) {
        if !places.contains(&place(latency)) {
            places.push(place(latency));
        }
    }
    for at in places {
        let of = |all: &'_ [Latency]| all.iter().position(|latency| place(latency) == at);
        let pair = (of(old).map(|index| &old[index]), of(new).map(|index| &new[index]));
        #[expect(clippy::cast_precision_loss, reason = "compared, not computed with")]
        let length = |latency: &Latency| latency.value * latency.length as f64;
        Differences { changes, place: at }.demand(
            "latency",
            pair,
            Latency::expected,
            |old, new| {
                if length(new) > length(old) { Effect::Loosened } else { Effect::Tightened }
            },
        );
    }
}

fn schemas(old: &Schema, new: &Schema, changes: &mut Vec<Change>) {
    property_lists(&old.name, &old.properties, &new.properties, changes);
    let mut differences = Differences { changes, place: old.name.clone() };
    rules(&old.rules, &new.rules, &mut differences);
    differences.demand(
        "foreign keys",
        (Some(&old.references.len()), Some(&new.references.len())),
        usize::to_string,
        |old, new| if old > new { Effect::Loosened } else { Effect::Tightened },
    );
}

/// The properties of a table, or those that stand in one property.
fn property_lists(table: &str, old: &[Property], new: &[Property], changes: &mut Vec<Change>) {
    let twin =
        |of: &Property, among: &'_ [Property]| among.iter().position(|other| other.name == of.name);
    for property in old {
        let place = format!("{table}.{}", property.name);
        let mut differences = Differences { changes, place };
        match twin(property, new) {
            Some(index) => {
                properties(property, &new[index], &mut differences);
                property_lists(table, &property.nested, &new[index].nested, changes);
            }
            None => {
                differences.push("column", Some(property.column.clone()), None, Effect::Loosened);
            }
        }
    }
    for property in new.iter().filter(|property| twin(property, old).is_none()) {
        let place = format!("{table}.{}", property.name);
        Differences { changes, place }.push(
            "column",
            None,
            Some(property.column.clone()),
            Effect::Tightened,
        );
    }
}

fn properties(old: &Property, new: &Property, differences: &mut Differences<'_>) {
    differences.demand(
        "physicalName",
        (Some(&old.column), Some(&new.column)),
        String::clone,
        |_, _| Effect::Changed,
    );
    let name = |property: &Property| {
        let name = property.kind.name();
        (!name.is_empty()).then(|| name.to_owned())
    };
    let kinds = (name(old), name(new));
    differences.demand(
        "logicalType",
        (kinds.0.as_ref(), kinds.1.as_ref()),
        String::clone,
        |old, new| match (old.as_str(), new.as_str()) {
            ("integer", "number") | (_, "string") => Effect::Loosened,
            ("number", "integer") | ("string", _) => Effect::Tightened,
            _ => Effect::Changed,
        },
    );
    if kinds.0 == kinds.1 && old.kind != new.kind {
        let of = |property: &Property| Some(format!("{:?}", property.kind));
        differences.push("format of dates", of(old), of(new), Effect::Changed);
    }
    differences.flag("required", old.required, new.required);
    differences.flag("unique", old.unique, new.unique);
    differences.flag("primaryKey", old.key_position.is_some(), new.key_position.is_some());
    options(&old.options, &new.options, differences);
    rules(&old.rules, &new.rules, differences);
    differences.demand(
        "foreign keys",
        (Some(&old.references.len()), Some(&new.references.len())),
        usize::to_string,
        |old, new| if old > new { Effect::Loosened } else { Effect::Tightened },
    );
}

fn options(old: &Options, new: &Options, differences: &mut Differences<'_>) {
    let limit = |options: &Options, bound: Bound| -> Option<Value<'static>> {
        options.bounds.iter().find(|(known, _)| *known == bound).map(|(_, value)| value.clone())
    };
    for bound in Bound::ALL {
        let lower = matches!(bound, Bound::Minimum | Bound::ExclusiveMinimum);
        let limits = (limit(old, bound), limit(new, bound));
        differences.demand(
            bound.name(),
            (limits.0.as_ref(), limits.1.as_ref()),
            |value| value.display().into_owned(),
            |old, new| match new.compare(old) {
                Some(order) if order.is_lt() == lower => Effect::Loosened,
                Some(_) => Effect::Tightened,
                None => Effect::Changed,
            },
        );
    }
    let shown = u64::to_string;
    differences.demand(
        "minLength",
        (old.min_length.as_ref(), new.min_length.as_ref()),
        shown,
        |old, new| {
            if new < old { Effect::Loosened } else { Effect::Tightened }
        },
    );
    differences.demand(
        "maxLength",
        (old.max_length.as_ref(), new.max_length.as_ref()),
        shown,
        |old, new| {
            if new > old { Effect::Loosened } else { Effect::Tightened }
        },
    );
    let changed = |_: &String, _: &String| Effect::Changed;
    let pattern = |options: &Options| options.pattern.as_ref().map(|p| p.source().to_owned());
    let patterns = (pattern(old), pattern(new));
    differences.demand(
        "pattern",
        (patterns.0.as_ref(), patterns.1.as_ref()),
        String::clone,
        changed,
    );
    let format = |options: &Options| options.format.as_ref().map(|(name, _)| name.clone());
    let formats = (format(old), format(new));
    differences.demand("format", (formats.0.as_ref(), formats.1.as_ref()), String::clone, changed);
    let step = |options: &Options| options.multiple_of.as_ref().map(|v| v.display().into_owned());
    let steps = (step(old), step(new));
    differences.demand("multipleOf", (steps.0.as_ref(), steps.1.as_ref()), String::clone, changed);
    inner_options(&old.inner, &new.inner, differences);
}

/// Options of objects and arrays.
fn inner_options(old: &[Inner], new: &[Inner], differences: &mut Differences<'_>) {
    let of = |inner: &[Inner], name: &str| inner.iter().find(|i| i.name() == name).cloned();
    let mut names: Vec<&str> = Vec::new();
    for inner in old.iter().chain(new).filter(|inner| inner.name() != "uniqueItems") {
        if !names.contains(&inner.name()) {
            names.push(inner.name());
        }
    }
    for name in names {
        let pair = (of(old, name), of(new, name));
        let pair = (pair.0.as_ref(), pair.1.as_ref());
        differences.demand(name, pair, Inner::expected, looser_inner);
    }
    let is_unique = |inner: &[Inner]| inner.contains(&Inner::UniqueItems);
    differences.flag("uniqueItems", is_unique(old), is_unique(new));
}

fn looser_inner(old: &Inner, new: &Inner) -> Effect {
    let is_looser = match (old, new) {
        (Inner::MinItems(old), Inner::MinItems(new))
        | (Inner::MinProperties(old), Inner::MinProperties(new)) => new < old,
        (Inner::MaxItems(old), Inner::MaxItems(new))
        | (Inner::MaxProperties(old), Inner::MaxProperties(new)) => new > old,
        (Inner::Required(old), Inner::Required(new)) => {
            let within = |a: &[String], b: &[String]| a.iter().all(|name| b.contains(name));
            match (within(new, old), within(old, new)) {
                (true, _) => true,
                (_, true) => false,
                _ => return Effect::Changed,
            }
        }
        _ => return Effect::Changed,
    };
    if is_looser { Effect::Loosened } else { Effect::Tightened }
}

/// Rules by their ids; without one by what they count and how many such there are before.
fn keyed(rules: &[Rule]) -> Vec<(String, &Rule)> {
    let mut keyed: Vec<(String, &Rule)> = Vec::new();
    for rule in rules.iter().filter(|rule| !matches!(rule.test, Test::Text(_))) {
        let name = rule.id.clone().unwrap_or_else(|| rule.test.metric().to_owned());
        let twins =
            keyed.iter().filter(|(known, _)| known.split('#').next() == Some(&name)).count();
        let name = if twins == 0 { name } else { format!("{name}#{}", twins + 1) };
        keyed.push((name, rule));
    }
    keyed
}

fn rules(old: &[Rule], new: &[Rule], differences: &mut Differences<'_>) {
    let (old, new) = (keyed(old), keyed(new));
    for (name, rule) in &old {
        match new.iter().find(|(other, _)| other == name) {
            Some((_, other)) => one_rule(name, rule, other, differences),
            None => differences.push(name, Some(shown(rule)), None, Effect::Loosened),
        }
    }
    for (name, rule) in new.iter().filter(|(name, _)| !old.iter().any(|(other, _)| other == name)) {
        differences.push(name, None, Some(shown(rule)), Effect::Tightened);
    }
}

fn shown(rule: &Rule) -> String {
    let operator = rule.operator.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{} {operator} {}", rule.test.metric(), rule.unit.name())
}

fn one_rule(name: &str, old: &Rule, new: &Rule, differences: &mut Differences<'_>) {
    let mild = |rule: &Rule| matches!(rule.severity.as_str(), "warning" | "info");
    if mild(old) != mild(new) {
        let effect = if mild(new) { Effect::Loosened } else { Effect::Tightened };
        let severity = |rule: &Rule| Some(rule.severity.clone());
        differences.push(&format!("{name}.severity"), severity(old), severity(new), effect);
    }
    if let Some(effect) = tests(&old.test, &new.test) {
        let text = |rule: &Rule| Some(listed(&rule.test));
        differences.push(&format!("{name}.arguments"), text(old), text(new), effect);
    }
    if old.operator != new.operator || old.unit != new.unit {
        differences.push(name, Some(shown(old)), Some(shown(new)), operators(old, new));
    }
}

/// Whether the rule counts fewer rows or more.
fn tests(old: &Test, new: &Test) -> Option<Effect> {
    let within = |a: &[Item], b: &[Item]| a.iter().all(|item| b.contains(item));
    match (old, new) {
        (
            Test::InvalidValues { valid: Some(old), pattern: None },
            Test::InvalidValues { valid: Some(new), pattern: None },
        )
        | (Test::MissingValues(new), Test::MissingValues(old)) => {
            match (within(old, new), within(new, old)) {
                (true, true) => None,
                (true, false) => Some(Effect::Loosened),
                (false, true) => Some(Effect::Tightened),
                (false, false) => Some(Effect::Changed),
            }
        }
        _ => (listed(old) != listed(new)).then_some(Effect::Changed),
    }
}

fn listed(test: &Test) -> String {
    let items = |items: &[Item]| {
        let text = |item: &Item| match item {
            Item::Null => "null".to_owned(),
            Item::Value(value) => value.display().into_owned(),
        };
        items.iter().map(text).collect::<Vec<_>>().join(", ")
    };
    match test {
        Test::MissingValues(list) => items(list),
        Test::InvalidValues { valid, pattern } => {
            let pattern = pattern.as_ref().map(|pattern| format!("pattern {}", pattern.source()));
            valid.as_deref().map(items).into_iter().chain(pattern).collect::<Vec<_>>().join("; ")
        }
        Test::DuplicateValues(names) => names.join(", "),
        Test::Text(_) => String::new(),
        other => format!("{other:?}"),
    }
}

/// The looser one of two limits on a number.
fn operators(old: &Rule, new: &Rule) -> Effect {
    let (Some(a), Some(b)) = (&old.operator, &new.operator) else { return Effect::Changed };
    if a.comparison != b.comparison || old.unit != new.unit {
        return Effect::Changed;
    }
    let order = |index: usize| b.limits.get(index)?.compare(a.limits.get(index)?);
    let up = order(0).is_some_and(std::cmp::Ordering::is_gt);
    match a.comparison {
        Comparison::LessThan | Comparison::LessOrEqualTo if up => Effect::Loosened,
        Comparison::LessThan | Comparison::LessOrEqualTo => Effect::Tightened,
        Comparison::GreaterThan | Comparison::GreaterOrEqualTo if up => Effect::Tightened,
        Comparison::GreaterThan | Comparison::GreaterOrEqualTo => Effect::Loosened,
        Comparison::Between => match (order(0), order(1)) {
            (Some(low), Some(high)) if low.is_le() && high.is_ge() => Effect::Loosened,
            (Some(low), Some(high)) if low.is_ge() && high.is_le() => Effect::Tightened,
            _ => Effect::Changed,
        },
        _ => Effect::Changed,
    }
}

/// Differences of two profiles: columns, types, and figures that moved.
#[must_use]
pub fn diff_profiles(old: &Profile, new: &Profile) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut table = Differences { changes: &mut changes, place: "table".to_owned() };
    figure(&mut table, "rows", Some(old.rows), Some(new.rows));
    for column in &old.columns {
        let mut at = Differences { changes: &mut changes, place: column.name.clone() };
        match new.columns.iter().find(|other| other.name == column.name) {
            Some(other) => columns(column, other, &mut at),
            None => at.push("column", Some(column.kind.clone()), None, Effect::Changed),
        }
    }
    let known = |column: &&ColumnProfile| old.columns.iter().any(|c| c.name == column.name);
    for column in new.columns.iter().filter(|column| !known(column)) {
        let mut at = Differences { changes: &mut changes, place: column.name.clone() };
        at.push("column", None, Some(column.kind.clone()), Effect::Changed);
    }
    changes
}

fn figure<T: PartialEq + Display>(
    at: &mut Differences<'_>,
    what: &str,
    old: Option<T>,
    new: Option<T>,
) {
    if old != new {
        let text = |value: Option<T>| value.map(|value| value.to_string());
        at.push(what, text(old), text(new), Effect::Changed);
    }
}

fn columns(old: &ColumnProfile, new: &ColumnProfile, at: &mut Differences<'_>) {
    figure(at, "type", Some(&old.kind), Some(&new.kind));
    figure(at, "nulls", Some(old.nulls), Some(new.nulls));
    figure(at, "distinct", Some(old.distinct), Some(new.distinct));
    figure(at, "min", old.min, new.min);
    figure(at, "max", old.max, new.max);
    figure(at, "mean", old.mean, new.mean);
    figure(at, "sd", old.sd, new.sd);
    figure(at, "earliest", old.earliest.as_ref(), new.earliest.as_ref());
    figure(at, "latest", old.latest.as_ref(), new.latest.as_ref());
}

#[cfg(test)]
mod tests {
    use super::{Effect, diff_contracts, diff_profiles};
    use crate::contract::Contract;
    use crate::profile::Profile;
    use crate::table::{Format, Table};

    const OLD: &str = "apiVersion: v3.1.0
kind: DataContract
id: c
version: 1.0.0
status: active
schema:
  - name: t
    properties:
      - name: a
        logicalType: integer
        required: true
        unique: true
        logicalTypeOptions: { minimum: 0, maximum: 10 }
        quality:
          - { id: few, metric: nullValues, mustBeLessThan: 5 }
          - { metric: invalidValues, mustBe: 0, arguments: { validValues: [1, 2] } }
      - { name: b, logicalType: string, logicalTypeOptions: { maxLength: 5 } }
    quality:
      - { id: rows, metric: rowCount, mustBeBetween: [1, 10] }
";

    fn changes(edits: &[(&str, &str)]) -> Vec<(String, String, Effect)> {
        let new = edits.iter().fold(OLD.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        let parse =
            |text: &str| Contract::parse("c", text).unwrap_or_else(|error| panic!("{error}"));
        diff_contracts(&parse(OLD), &parse(&new))
            .into_iter()
            .map(|change| (change.place, change.what, change.effect))
            .collect()
    }

    #[test]
    fn every_loosening_is_named_and_its_opposite_is_none() {
        assert_eq!(changes(&[]), []);
        let cases = [
            ("required: true", "required: false", "t.a", "required"),
            ("        unique: true\n", "", "t.a", "unique"),
            ("minimum: 0", "minimum: -1", "t.a", "minimum"),
            (", maximum: 10", "", "t.a", "maximum"),
            ("mustBeLessThan: 5", "mustBeLessThan: 6", "t.a", "few"),
            ("mustBeLessThan: 5", "mustBeLessThan: 5, severity: warning", "t.a", "few.severity"),
            ("[1, 2]", "[1, 2, 3]", "t.a", "invalidValues.arguments"),
            ("maxLength: 5", "maxLength: 6", "t.b", "maxLength"),
            ("logicalType: integer", "logicalType: number", "t.a", "logicalType"),
            ("[1, 10]", "[0, 10]", "t", "rows"),
            ("          - { id: few, metric: nullValues, mustBeLessThan: 5 }\n", "", "t.a", "few"),
        ];
        for (from, to, place, what) in cases {
            let expected = (place.to_owned(), what.to_owned(), Effect::Loosened);
            assert_eq!(changes(&[(from, to)]), [expected], "{from} -> {to}");
        }
        let tighter = changes(&[("minimum: 0", "minimum: 1"), ("[1, 2]", "[1]")]);
        assert!(tighter.iter().all(|change| change.2 == Effect::Tightened), "{tighter:?}");
        let gone = changes(&[(
            "      - { name: b, logicalType: string, logicalTypeOptions: { maxLength: 5 } }\n",
            "",
        )]);
        assert_eq!(gone, [("t.b".to_owned(), "column".to_owned(), Effect::Loosened)]);
    }

    #[test]
    fn profiles_differ_in_figures() {
        let of = |csv: &str| {
            let table = Table::from_bytes("t.csv", Format::Csv { delimiter: b',' }, csv.into());
            Profile::of(&table.expect("a table"))
        };
        let changes = diff_profiles(&of("a,b\n1,x\n2,y\n"), &of("a,c\n1,x\n,y\n"));
        let facts: Vec<_> = changes.iter().map(|c| format!("{}.{}", c.place, c.what)).collect();
        assert_eq!(
            facts,
            ["a.nulls", "a.distinct", "a.max", "a.mean", "a.sd", "b.column", "c.column"]
        );
        assert_eq!(diff_profiles(&of("a\n1\n"), &of("a\n1\n")), []);
    }
}
