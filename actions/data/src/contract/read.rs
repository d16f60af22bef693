//! From a YAML tree to a contract, collecting every problem on the way.

use std::collections::HashSet;

use super::node::{self, Entry, Node, Value as Yaml};
use super::property::Within;
use super::{Contract, Problem, Property, Schema, rules};
use crate::digest::digest_bytes;
use crate::pattern::Pattern;
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

    pub(super) fn wrong(&mut self, node: &Node, key: &str, wanted: &str) {
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

    pub(super) fn boolean(&mut self, fields: &Fields<'_>, key: &str) -> bool {
        match fields.get(key) {
            None => false,
            Some(Node { value: Yaml::Bool(value), .. }) => *value,
            Some(node) => {
                self.wrong(node, key, "true or false");
                false
            }
        }
    }

    pub(super) fn integer(&mut self, fields: &Fields<'_>, key: &str) -> Option<i128> {
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
        let latencies = self.latencies(&fields, &schemas);
        Some(Contract {
            id: id?.to_owned(),
            version: version?.to_owned(),
            status: status?.to_owned(),
            digest: String::new(),
            schemas,
            latencies,
        })
    }

    /// Names may stand only once.
    pub(super) fn no_twins<'s>(
        &mut self,
        names: impl Iterator<Item = &'s str>,
        nodes: &[Node],
        what: &str,
    ) {
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
            nodes.iter().filter_map(|node| self.property(node, &Within::Table)).collect();
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
}
