//! A property: a column, or what stands in one.

use super::kind::Kind;
use super::node::{Node, Value as Yaml};
use super::read::{Fields, Reader};
use super::{Property, rules};

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

/// Where a property stands.
pub(super) enum Within<'a> {
    /// It is a column.
    Table,
    /// It is a key of the object of this name.
    Object(&'a str),
    /// It is every item of the array of this name.
    Array(&'a str),
}

impl Within<'_> {
    /// The property's name in reports; nested ones are named by their path.
    fn path(&self, name: &str) -> String {
        match self {
            Self::Table => name.to_owned(),
            Self::Object(parent) => format!("{parent}.{name}"),
            Self::Array(parent) => format!("{parent}[]"),
        }
    }
}

impl Reader {
    pub(super) fn property(&mut self, node: &Node, within: &Within<'_>) -> Option<Property> {
        let fields = self.fields(node, "a property", &PROPERTY_KEYS)?;
        let is_item = matches!(within, Within::Array(_));
        let own = match is_item {
            true => self.text(&fields, "name").unwrap_or_default(),
            false => self.required_text(&fields, "name", "a property")?,
        };
        let name = within.path(own);
        let (kind, options) = self.logical_type(&fields, &name);
        let position = self.integer(&fields, "primaryKeyPosition").unwrap_or(-1);
        let key_position = self.boolean(&fields, "primaryKey").then_some(position);
        let is_nested = !matches!(within, Within::Table);
        let quality = self.list(&fields, "quality");
        let place = if is_nested { rules::at_nested } else { rules::at_property };
        let rules = quality.iter().filter_map(|node| place(self, node, &kind)).collect();
        let nodes = self.list(&fields, "relationships");
        let references =
            nodes.iter().filter_map(|node| self.property_reference(node, &name)).collect();
        if is_nested {
            self.refuse_across_rows(&fields, &name);
        }
        let nested = self.nested(&fields, &name, &kind);
        // Whoever sees an object sees what stands in it.
        let personal = self.is_personal(&fields) | nested.iter().any(|property| property.personal);
        let mut property = Property {
            id: self.text(&fields, "id").map(str::to_owned),
            column: self.text(&fields, "physicalName").unwrap_or(own).to_owned(),
            name,
            kind,
            required: self.boolean(&fields, "required"),
            unique: self.boolean(&fields, "unique"),
            key_position,
            options,
            rules,
            references,
            personal,
            is_item,
            nested,
        };
        if personal {
            property.hide();
        }
        Some(property)
    }

    /// The properties of an object, or the one that all items of an array are.
    fn nested(&mut self, fields: &Fields<'_>, name: &str, kind: &Kind) -> Vec<Property> {
        for (key, wanted) in [("properties", Kind::Object), ("items", Kind::Array)] {
            if let Some(node) = fields.get(key)
                && *kind != wanted
            {
                let wanted = wanted.name();
                self.at(node, format!("'{key}' of '{name}' need 'logicalType: {wanted}'"));
                return Vec::new();
            }
        }
        let nodes = self.list(fields, "properties");
        let within = Within::Object(name);
        let mut nested: Vec<Property> =
            nodes.iter().filter_map(|node| self.property(node, &within)).collect();
        if nested.len() == nodes.len() {
            self.no_twins(nested.iter().map(|nested| nested.name.as_str()), nodes, "property");
        }
        let item = fields.get("items").and_then(|node| self.property(node, &Within::Array(name)));
        nested.extend(item);
        nested
    }

    /// Keys that compare rows with one another: what stands in a column has no row of its own.
    fn refuse_across_rows(&mut self, fields: &Fields<'_>, name: &str) {
        for key in ["unique", "primaryKey", "relationships"] {
            let said = fields.get(key).filter(|node| node.value != Yaml::Bool(false));
            if let Some(node) = said {
                self.at(
                    node,
                    format!("'{key}' of '{name}' is not supported: only columns are compared across rows"),
                );
            }
        }
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
}
