//! From a YAML tree to a contract, collecting every problem on the way.

use std::collections::HashSet;

use super::kind::Kind;
use super::node::{self, Entry, Node, Value as Yaml};
use super::{Bound, Contract, Options, Problem, Property, Reference, Schema, rules};
use crate::digest::digest_bytes;
use crate::format::Format;
use crate::pattern::Pattern;
use crate::time;
use crate::value::Value;

const CONTRACT_KEYS: [&str; 20] = [
    "apiVersion",
    "kind",
    "id",
    "name",
    "version",
    "status",
    "tenant",
    "tags",
    "servers",
    "dataProduct",
    "description",
    "domain",
    "schema",
    "support",
    "price",
    "team",
    "roles",
    "slaProperties",
    "customProperties",
    "authoritativeDefinitions",
];
const CONTRACT_OTHER_KEYS: [&str; 2] = ["slaDefaultElement", "contractCreatedTs"];
const SCHEMA_KEYS: [&str; 14] = [
    "id",
    "name",
    "physicalName",
    "physicalType",
    "logicalType",
    "businessName",
    "description",
    "tags",
    "customProperties",
    "authoritativeDefinitions",
    "dataGranularityDescription",
    "properties",
    "quality",
    "relationships",
];
const PROPERTY_KEYS: [&str; 28] = [
    "id",
    "name",
    "physicalName",
    "physicalType",
    "logicalType",
    "logicalTypeOptions",
    "businessName",
    "description",
    "tags",
    "customProperties",
    "authoritativeDefinitions",
    "required",
    "unique",
    "primaryKey",
    "primaryKeyPosition",
    "partitioned",
    "partitionKeyPosition",
    "classification",
    "encryptedName",
    "transformSourceObjects",
    "transformLogic",
    "transformDescription",
    "examples",
    "criticalDataElement",
    "quality",
    "relationships",
    "properties",
    "items",
];
/// Words that mark personal data.
const PERSONAL: [&str; 6] = ["pii", "phi", "personal", "sensitive", "confidential", "restricted"];

const LOGICAL_TYPES: &str =
    "string, date, timestamp, time, number, integer, object, array, boolean";

/// Collects problems while the tree is read.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<Problem>,
}

/// A mapping's entries with its place.
#[derive(Clone, Copy)]
pub(super) struct Fields<'n> {
    entries: &'n [Entry],
    pub(super) line: u64,
    pub(super) column: u64,
}

impl<'n> Fields<'n> {
    /// The value of a key; a key with nothing behind it counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|e| &e.node)
            .filter(|node| node.value != Yaml::Null)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'n Entry> {
        self.entries.iter()
    }
}

impl Reader {
    pub(super) fn problem(&mut self, line: u64, column: u64, message: impl Into<String>) {
        self.problems.push(Problem { line, column, message: message.into() });
    }

    pub(super) fn at(&mut self, node: &Node, message: impl Into<String>) {
        self.problem(node.line, node.column, message);
    }

    /// The node as a mapping that has only known keys.
    pub(super) fn fields<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        known: &[&str],
    ) -> Option<Fields<'n>> {
        let Yaml::Map(entries) = &node.value else {
            self.at(node, format!("{what} must be a mapping, not {}", node.value.kind()));
            return None;
        };
        for entry in entries {
            if !known.contains(&entry.key.as_str()) {
                let hint = nearest(&entry.key, known)
                    .map_or(String::new(), |key| format!(" (did you mean '{key}'?)"));
                self.problem(
                    entry.line,
                    entry.column,
                    format!("unknown key '{}' in {what}{hint}", entry.key),
                );
            }
        }
        Some(Fields { entries, line: node.line, column: node.column })
    }

    fn wrong(&mut self, node: &Node, key: &str, wanted: &str) {
        self.at(node, format!("'{key}' must be {wanted}, not {}", node.value.kind()));
    }

    pub(super) fn text<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<&'n str> {
        let node = fields.get(key)?;
        match &node.value {
            Yaml::Text(text) => Some(text),
            _ => {
                self.wrong(node, key, "text (put it in quotes)");
                None
            }
        }
    }

    pub(super) fn required_text<'n>(
        &mut self,
        fields: &Fields<'n>,
        key: &str,
        what: &str,
    ) -> Option<&'n str> {
        if fields.get(key).is_none() {
            self.problem(fields.line, fields.column, format!("{what} has no '{key}'"));
        }
        self.text(fields, key).filter(|text| !text.is_empty())
    }

    fn boolean(&mut self, fields: &Fields<'_>, key: &str) -> bool {
        match fields.get(key) {
            None => false,
            Some(Node { value: Yaml::Bool(value), .. }) => *value,
            Some(node) => {
                self.wrong(node, key, "true or false");
                false
            }
        }
    }

    fn integer(&mut self, fields: &Fields<'_>, key: &str) -> Option<i128> {
        let node = fields.get(key)?;
        match node.value {
            Yaml::Int(value) => Some(value),
            _ => {
                self.wrong(node, key, "an integer");
                None
            }
        }
    }

    pub(super) fn list<'n>(&mut self, fields: &Fields<'n>, key: &str) -> &'n [Node] {
        match fields.get(key) {
            None => &[],
            Some(Node { value: Yaml::List(items), .. }) => items,
            Some(node) => {
                self.wrong(node, key, "a list");
                &[]
            }
        }
    }

    /// A list of texts; one text alone is a list of one.
    pub(super) fn names(&mut self, fields: &Fields<'_>, key: &str) -> Vec<(String, u64, u64)> {
        let Some(node) = fields.get(key) else { return Vec::new() };
        let items = match &node.value {
            Yaml::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut names = Vec::new();
        for item in items {
            match &item.value {
                Yaml::Text(text) => names.push((text.clone(), item.line, item.column)),
                _ => self.wrong(item, key, "text"),
            }
        }
        names
    }

    pub(super) fn pattern(&mut self, node: &Node) -> Option<Pattern> {
        let Yaml::Text(text) = &node.value else {
            self.wrong(node, "pattern", "text");
            return None;
        };
        match Pattern::new(text) {
            Ok(pattern) => Some(pattern),
            Err(message) => {
                self.at(node, message);
                None
            }
        }
    }

    /// A YAML number as a value.
    pub(super) fn number(&mut self, node: &Node, key: &str) -> Option<Value<'static>> {
        match node.value {
            Yaml::Int(value) => Some(Value::Int(value)),
            Yaml::Float(value) if !value.is_nan() => Some(Value::Float(value)),
            _ => {
                self.wrong(node, key, "a number");
                None
            }
        }
    }
}

/// The known key that is at most two edits away.
fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let scored = known.iter().map(|candidate| (edits(key, candidate), *candidate));
    scored.min().filter(|(distance, _)| *distance <= 2).map(|(_, candidate)| candidate)
}

/// Levenshtein distance; letters of the other case count as equal.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Parses a contract or says everything that is wrong with it.
pub(super) fn contract(text: &str) -> Result<Contract, Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = node::parse(text).map_err(|error| {
        vec![Problem { line: error.line, column: error.column, message: error.message }]
    })?;
    let mut reader = Reader::default();
    let contract = reader.contract(&root);
    match contract {
        Some(contract) if reader.problems.is_empty() => {
            Ok(Contract { digest: digest_bytes(text.as_bytes()), ..contract })
        }
        _ => {
            reader.problems.sort_by_key(|problem| (problem.line, problem.column));
            Err(reader.problems)
        }
    }
}

impl Reader {
    fn contract(&mut self, root: &Node) -> Option<Contract> {
        let known: Vec<&str> = CONTRACT_KEYS.iter().chain(&CONTRACT_OTHER_KEYS).copied().collect();
        let fields = self.fields(root, "the contract", &known)?;
        let api = self.required_text(&fields, "apiVersion", "the contract");
        if let (Some(api), Some(node)) = (api, fields.get("apiVersion"))
            && !api.starts_with("v3.")
        {
            self.at(node, format!("apiVersion '{api}' is not supported; write v3.1.0"));
        }
        let kind = self.required_text(&fields, "kind", "the contract");
        if let (Some(kind), Some(node)) = (kind, fields.get("kind"))
            && kind != "DataContract"
        {
            self.at(node, format!("kind must be DataContract, not '{kind}'"));
        }
        let id = self.required_text(&fields, "id", "the contract");
        let version = self.required_text(&fields, "version", "the contract");
        let status = self.required_text(&fields, "status", "the contract");
        let nodes = self.list(&fields, "schema");
        if nodes.is_empty() {
            self.problem(
                fields.line,
                fields.column,
                "the contract has no schema, so there is nothing to check",
            );
        }
        let schemas: Vec<Schema> = nodes.iter().filter_map(|node| self.schema(node)).collect();
        self.no_twins(schemas.iter().map(|schema| schema.name.as_str()), nodes, "schema");
        let schemas = self.resolve(schemas, nodes);
        Some(Contract {
            id: id?.to_owned(),
            version: version?.to_owned(),
            status: status?.to_owned(),
            digest: String::new(),
            schemas,
        })
    }

    /// Names may stand only once.
    fn no_twins<'s>(&mut self, names: impl Iterator<Item = &'s str>, nodes: &[Node], what: &str) {
        let mut seen = HashSet::new();
        for (name, node) in names.zip(nodes) {
            if !seen.insert(name) {
                self.at(node, format!("{what} '{name}' stands twice"));
            }
        }
    }

    fn schema(&mut self, node: &Node) -> Option<Schema> {
        let fields = self.fields(node, "a schema", &SCHEMA_KEYS)?;
        let name = self.required_text(&fields, "name", "a schema")?.to_owned();
        if let Some(kind) = self.text(&fields, "logicalType")
            && kind != "object"
        {
            self.at(node, format!("logicalType of a schema must be object, not '{kind}'"));
        }
        let nodes = self.list(&fields, "properties");
        let properties: Vec<Property> =
            nodes.iter().filter_map(|node| self.property(node)).collect();
        if properties.len() == nodes.len() {
            self.no_twins(
                properties.iter().map(|property| property.name.as_str()),
                nodes,
                "property",
            );
        }
        let known: Vec<String> = properties.iter().map(|property| property.name.clone()).collect();
        let quality = self.list(&fields, "quality");
        let rules =
            quality.iter().filter_map(|node| rules::at_schema(self, node, &known)).collect();
        let nodes = self.list(&fields, "relationships");
        let references = nodes.iter().filter_map(|node| self.schema_reference(node)).collect();
        Some(Schema {
            id: self.text(&fields, "id").map(str::to_owned),
            name,
            physical_name: self.text(&fields, "physicalName").map(str::to_owned),
            properties,
            rules,
            references,
        })
    }

    fn property(&mut self, node: &Node) -> Option<Property> {
        let fields = self.fields(node, "a property", &PROPERTY_KEYS)?;
        let name = self.required_text(&fields, "name", "a property")?.to_owned();
        let (kind, options) = self.logical_type(&fields, &name);
        let position = self.integer(&fields, "primaryKeyPosition").unwrap_or(-1);
        let key_position = self.boolean(&fields, "primaryKey").then_some(position);
        let quality = self.list(&fields, "quality");
        let rules =
            quality.iter().filter_map(|node| rules::at_property(self, node, &kind)).collect();
        let nodes = self.list(&fields, "relationships");
        let references =
            nodes.iter().filter_map(|node| self.property_reference(node, &name)).collect();
        Some(Property {
            id: self.text(&fields, "id").map(str::to_owned),
            column: self.text(&fields, "physicalName").unwrap_or(&name).to_owned(),
            name,
            kind,
            required: self.boolean(&fields, "required"),
            unique: self.boolean(&fields, "unique"),
            key_position,
            options,
            rules,
            references,
            personal: self.is_personal(&fields),
        })
    }

    /// A classification or tag that says so. Contracts name it in many ways; one word too many only hides a sample.
    fn is_personal(&mut self, fields: &Fields<'_>) -> bool {
        let classification = self.text(fields, "classification").map(str::to_owned);
        let tags = self.names(fields, "tags").into_iter().map(|(tag, ..)| tag);
        tags.chain(classification).any(|word| {
            let word = word.to_lowercase();
            let mut parts = word.split(|letter: char| !letter.is_alphanumeric());
            parts.any(|part| PERSONAL.contains(&part))
        })
    }

    fn logical_type(&mut self, fields: &Fields<'_>, name: &str) -> (Kind, Options) {
        let word = self.text(fields, "logicalType");
        let options = fields.get("logicalTypeOptions");
        let Some(word) = word else {
            if let Some(options) = options {
                self.at(options, format!("logicalTypeOptions of '{name}' need a logicalType"));
            }
            return (Kind::Untyped, Options::default());
        };
        let known: &[&str] = match word {
            "string" => &["minLength", "maxLength", "pattern", "format"],
            "integer" | "number" => &[
                "minimum",
                "maximum",
                "exclusiveMinimum",
                "exclusiveMaximum",
                "multipleOf",
                "format",
            ],
            "date" => &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"],
            "timestamp" | "time" => &[
                "minimum",
                "maximum",
                "exclusiveMinimum",
                "exclusiveMaximum",
                "format",
                "timezone",
                "defaultTimezone",
            ],
            _ => &[],
        };
        let what = format!("logicalTypeOptions of a property of type {word}");
        let options = options.and_then(|node| self.fields(node, &what, known));
        let kind = self.kind(fields, word, options.as_ref());
        let options =
            options.map_or_else(Options::default, |options| self.options(&options, &kind));
        (kind, options)
    }

    fn kind(&mut self, fields: &Fields<'_>, word: &str, options: Option<&Fields<'_>>) -> Kind {
        match word {
            "string" => Kind::Text,
            "integer" => Kind::Integer,
            "number" => Kind::Number,
            "boolean" => Kind::Boolean,
            "object" => Kind::Object,
            "array" => Kind::Array,
            "date" => Kind::Date(self.date_format(options, time::Pattern::has_date)),
            "time" => {
                if let Some(node) =
                    options.and_then(|o| o.get("timezone").or(o.get("defaultTimezone")))
                {
                    self.at(node, "a time of day with a time zone is not supported");
                }
                Kind::Time(self.date_format(options, time::Pattern::has_time))
            }
            "timestamp" => Kind::Timestamp {
                format: self.date_format(options, |format| format.has_date() && format.has_time()),
                zone: options.map_or(0, |options| self.zone(options)),
                zoned: options.is_some_and(|options| self.boolean(options, "timezone")),
            },
            other => {
                if let Some(node) = fields.get("logicalType") {
                    self.at(
                        node,
                        format!("unknown logicalType '{other}'; it is one of {LOGICAL_TYPES}"),
                    );
                }
                Kind::Untyped
            }
        }
    }

    fn date_format(
        &mut self,
        options: Option<&Fields<'_>>,
        complete: impl Fn(&time::Pattern) -> bool,
    ) -> Option<time::Pattern> {
        let options = options?;
        let node = options.get("format")?;
        let text = self.text(options, "format")?;
        match time::Pattern::new(text) {
            Ok(pattern) if complete(&pattern) => Some(pattern),
            Ok(_) => {
                self.at(node, format!("format '{text}' does not say all that the type needs"));
                None
            }
            Err(reason) => {
                self.at(node, format!("format '{text}' {reason}"));
                None
            }
        }
    }

    fn zone(&mut self, options: &Fields<'_>) -> i32 {
        let (Some(node), Some(text)) =
            (options.get("defaultTimezone"), self.text(options, "defaultTimezone"))
        else {
            return 0;
        };
        time::read_zone(text).unwrap_or_else(|| {
            self.at(
                node,
                format!(
                    "defaultTimezone '{text}' is not supported; write UTC or an offset like +02:00"
                ),
            );
            0
        })
    }

    fn options(&mut self, options: &Fields<'_>, kind: &Kind) -> Options {
        let mut read = Options::default();
        // Where a type has no bounds, the keys were already reported as unknown.
        let bounded = !matches!(
            kind,
            Kind::Untyped | Kind::Text | Kind::Boolean | Kind::Object | Kind::Array
        );
        for bound in Bound::ALL.into_iter().filter(|_| bounded) {
            if let Some(node) = options.get(bound.name())
                && let Some(value) = self.bound(node, bound.name(), kind)
            {
                read.bounds.push((bound, value));
            }
        }
        if let Some(node) = options.get("multipleOf")
            && let Some(step) = self.number(node, "multipleOf")
        {
            if step.compare(&Value::Int(0)).is_some_and(|order| order.is_gt()) {
                read.multiple_of = Some(step);
            } else {
                self.at(node, "'multipleOf' must be greater than 0");
            }
        }
        read.min_length = self.length(options, "minLength");
        read.max_length = self.length(options, "maxLength");
        read.pattern = options.get("pattern").and_then(|node| self.pattern(node));
        read.format = self.format(options, kind);
        read
    }

    fn bound(&mut self, node: &Node, key: &str, kind: &Kind) -> Option<Value<'static>> {
        if matches!(kind, Kind::Integer | Kind::Number) {
            return self.number(node, key);
        }
        let value = match &node.value {
            Yaml::Text(text) => kind.read_text(text),
            _ => None,
        };
        if value.is_none() {
            self.at(
                node,
                format!("'{key}' must be a {} in quotes, written as the data is", kind.name()),
            );
        }
        value
    }

    fn length(&mut self, options: &Fields<'_>, key: &str) -> Option<u64> {
        let value = self.integer(options, key)?;
        let length = u64::try_from(value).ok();
        if let (None, Some(node)) = (length, options.get(key)) {
            self.at(node, format!("'{key}' must not be negative"));
        }
        length
    }

    fn format(&mut self, options: &Fields<'_>, kind: &Kind) -> Option<(String, Format)> {
        let (of, known): (fn(&str) -> Option<Format>, &str) = match kind {
            Kind::Text => {
                (Format::of_text, "email, uuid, uri, hostname, ipv4, ipv6, byte, binary, password")
            }
            Kind::Integer => {
                (Format::of_integer, "i8, i16, i32, i64, i128, u8, u16, u32, u64, u128")
            }
            Kind::Number => (Format::of_number, "f32, f64"),
            _ => return None,
        };
        let node = options.get("format")?;
        let name = self.text(options, "format")?;
        let format = of(name);
        if format.is_none() {
            self.at(
                node,
                format!("unknown format '{name}'; for type {} it is one of {known}", kind.name()),
            );
        }
        format.map(|format| (name.to_owned(), format))
    }

    fn reference_type(&mut self, fields: &Fields<'_>) {
        if let Some(kind) = self.text(fields, "type")
            && kind != "foreignKey"
        {
            self.problem(
                fields.line,
                fields.column,
                format!("relationship type '{kind}' is not supported; write foreignKey"),
            );
        }
    }

    fn property_reference(&mut self, node: &Node, name: &str) -> Option<Reference> {
        let fields = self.fields(
            node,
            "a relationship of a property",
            &["type", "to", "id", "customProperties"],
        )?;
        self.reference_type(&fields);
        let to = self.names(&fields, "to");
        if to.len() != 1 {
            self.at(node, "a relationship of a property needs one 'to', as table.column");
            return None;
        }
        Some(Reference {
            from: vec![name.to_owned()],
            table: String::new(),
            to: to.into_iter().map(|to| to.0).collect(),
        })
    }

    fn schema_reference(&mut self, node: &Node) -> Option<Reference> {
        let fields = self.fields(
            node,
            "a relationship of a schema",
            &["type", "from", "to", "id", "customProperties"],
        )?;
        self.reference_type(&fields);
        let (from, to) = (self.names(&fields, "from"), self.names(&fields, "to"));
        if from.is_empty() || from.len() != to.len() {
            self.at(node, "a relationship needs 'from' and 'to' with as many columns each");
            return None;
        }
        let plain = |names: Vec<(String, u64, u64)>| names.into_iter().map(|name| name.0).collect();
        Some(Reference { from: plain(from), table: String::new(), to: plain(to) })
    }
}

/// The two ends of `table.column` or `schema/ID/properties/ID`.
struct Place {
    table: String,
    column: String,
}

impl Reader {
    /// Turns the names in relationships into tables and columns, now that every schema is known.
    fn resolve(&mut self, mut schemas: Vec<Schema>, nodes: &[Node]) -> Vec<Schema> {
        let all = schemas.clone();
        for (schema, node) in schemas.iter_mut().zip(nodes) {
            let name = schema.name.clone();
            let own =
                schema.properties.iter_mut().flat_map(|property| property.references.iter_mut());
            for reference in own.chain(schema.references.iter_mut()) {
                if let Err(message) = resolve_one(reference, &name, &all) {
                    self.at(node, format!("schema '{name}': {message}"));
                }
            }
        }
        schemas
    }
}

fn resolve_one(reference: &mut Reference, own: &str, all: &[Schema]) -> Result<(), String> {
    let schema = all.iter().find(|schema| schema.name == own).ok_or("schema is unknown")?;
    for from in &mut reference.from {
        if schema.property(from).is_none() {
            let place = place(from, all)?;
            if !schema.is_named(&place.table) {
                return Err(format!("relationship 'from' {from} is not a column of this schema"));
            }
            *from = place.column;
        }
        if schema.property(from).is_none() {
            return Err(format!(
                "relationship 'from' names '{from}', which is no property of this schema"
            ));
        }
    }
    for to in &mut reference.to {
        let place = place(to, all)?;
        if !reference.table.is_empty() && reference.table != place.table {
            return Err("relationship 'to' names columns of several tables".to_owned());
        }
        (reference.table, *to) = (place.table, place.column);
    }
    let Some(target) = all.iter().find(|schema| schema.is_named(&reference.table)) else {
        return Ok(());
    };
    match reference.to.iter().find(|to| target.property(to).is_none()) {
        Some(unknown) => Err(format!(
            "relationship 'to' names '{unknown}', which is no property of '{}'",
            target.name
        )),
        None => Ok(()),
    }
}

fn place(text: &str, all: &[Schema]) -> Result<Place, String> {
    let bad =
        || format!("relationship names '{text}'; write table.column or schema/ID/properties/ID");
    let parts: Vec<&str> = text.trim_start_matches('/').split('/').collect();
    if let ["schema", table, "properties", column] = parts[..] {
        let schema = all
            .iter()
            .find(|schema| schema.id.as_deref() == Some(table) || schema.name == table)
            .ok_or_else(|| {
                format!(
                    "relationship names the schema '{table}', which this contract does not have"
                )
            })?;
        let property =
            schema.properties.iter().find(|p| p.id.as_deref() == Some(column) || p.name == column);
        let property = property.ok_or_else(|| {
            format!(
                "relationship names the property '{column}', which '{}' does not have",
                schema.name
            )
        })?;
        return Ok(Place { table: schema.name.clone(), column: property.name.clone() });
    }
    if text.contains('/') || text.contains('#') {
        return Err(bad());
    }
    match text.split_once('.') {
        Some((table, column)) if !table.is_empty() && !column.is_empty() => {
            Ok(Place { table: table.to_owned(), column: column.to_owned() })
        }
        _ => Err(bad()),
    }
}
