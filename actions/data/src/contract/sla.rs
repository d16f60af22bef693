//! `slaProperties`: of these, how old the newest row may be can be seen in the data. The others (availability, end of support,
//! retention, ...) are promises of people and are only read.

use super::Schema;
use super::kind::Kind;
use super::node::Node;
use super::read::{Fields, Reader};
use crate::time::ATTOS;
use crate::value::Value;

const KEYS: [&str; 10] = [
    "id",
    "property",
    "value",
    "valueExt",
    "unit",
    "element",
    "driver",
    "description",
    "scheduler",
    "schedule",
];

const DAY: i128 = 86_400 * ATTOS;

/// Units by their words: the name of their kind and their length in attoseconds. A year is the mean one of the calendar.
const UNITS: [(&[&str], &str, i128); 6] = [
    (&["s", "sec", "second", "seconds"], "s", ATTOS),
    (&["min", "minute", "minutes"], "min", 60 * ATTOS),
    (&["h", "hr", "hour", "hours"], "h", 3_600 * ATTOS),
    (&["d", "day", "days"], "d", DAY),
    (&["w", "week", "weeks"], "w", 7 * DAY),
    (&["y", "yr", "year", "years"], "y", 146_097 * DAY / 400),
];

/// How old the newest row may be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Latency {
    pub(crate) id: Option<String>,
    /// The schema and its property whose greatest moment is that of the newest row.
    pub(crate) schema: String,
    pub(crate) property: String,
    /// At most so many units.
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The unit in attoseconds.
    pub(crate) length: i128,
}

impl Latency {
    /// What is expected, in words.
    pub(crate) fn expected(&self) -> String {
        format!("latency at most {} {}", self.value, self.unit)
    }
}

impl Reader {
    /// The latencies among the promises.
    pub(super) fn latencies(&mut self, contract: &Fields<'_>, schemas: &[Schema]) -> Vec<Latency> {
        let default = self.text(contract, "slaDefaultElement").map(str::to_owned);
        let mut latencies = Vec::new();
        for node in self.list(contract, "slaProperties") {
            let Some(fields) = self.fields(node, "an SLA property", &KEYS) else { continue };
            let property = self.required_text(&fields, "property", "an SLA property");
            if property.is_some_and(|property| matches!(property, "latency" | "ly")) {
                latencies.extend(self.latency(node, &fields, default.as_deref(), schemas));
            }
        }
        latencies
    }

    fn latency(
        &mut self,
        node: &Node,
        fields: &Fields<'_>,
        default: Option<&str>,
        schemas: &[Schema],
    ) -> Vec<Latency> {
        let value = fields.get("value").and_then(|node| self.number(node, "value"));
        let value = value.as_ref().and_then(Value::as_f64).filter(|value| *value >= 0.0);
        if value.is_none() {
            self.at(node, "latency needs a 'value' that is a number and not negative");
        }
        let word = self.text(fields, "unit").unwrap_or("d");
        let unit = UNITS.iter().find(|(words, ..)| words.contains(&word));
        if let (None, Some(node)) = (unit, fields.get("unit")) {
            let names = UNITS.map(|(_, name, _)| name).join(", ");
            self.at(node, format!("unknown unit '{word}' of a latency; it is one of {names}"));
        }
        let Some(elements) = self.text(fields, "element").or(default) else {
            self.at(node, "latency needs an 'element', as table.column");
            return Vec::new();
        };
        let mut found = Vec::new();
        for element in elements.split(',').map(str::trim) {
            match moment(element, schemas) {
                Ok(place) => found.push(place),
                Err(message) => self.at(fields.get("element").unwrap_or(node), message),
            }
        }
        let (Some(value), Some((_, unit, length))) = (value, unit) else { return Vec::new() };
        let id = self.text(fields, "id").map(str::to_owned);
        let latency = |(schema, property)| Latency {
            id: id.clone(),
            schema,
            property,
            value,
            unit,
            length: *length,
        };
        found.into_iter().map(latency).collect()
    }
}

/// A schema and a property of it that is a date or timestamp.
fn moment(element: &str, schemas: &[Schema]) -> Result<(String, String), String> {
    let (table, column) = match element.split_once('.') {
        Some((table, column)) => (Some(table), column),
        None => (None, element),
    };
    let schema = match (table, schemas) {
        (None, [only]) => Some(only),
        (None, _) => return Err(format!("element '{element}' names no table; write table.column")),
        (Some(table), _) => schemas.iter().find(|schema| schema.is_named(table)),
    };
    let property = schema.and_then(|schema| {
        let named = |p: &&super::Property| p.name == column || p.column == column;
        Some((schema.name.clone(), schema.properties.iter().find(named)?))
    });
    match property {
        None => Err(format!("element '{element}' is no column of this contract")),
        Some((schema, property))
            if matches!(property.kind, Kind::Date(_) | Kind::Timestamp { .. }) =>
        {
            Ok((schema, property.name.clone()))
        }
        Some(_) => Err(format!("element '{element}' is neither a date nor a timestamp")),
    }
}
