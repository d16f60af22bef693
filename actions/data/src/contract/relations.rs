//! Foreign keys: which columns of which table they speak of.

use super::node::Node;
use super::read::{Fields, Reader};
use super::{Reference, Schema};

impl Reader {
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

    pub(super) fn property_reference(&mut self, node: &Node, name: &str) -> Option<Reference> {
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

    pub(super) fn schema_reference(&mut self, node: &Node) -> Option<Reference> {
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
    pub(super) fn resolve(&mut self, mut schemas: Vec<Schema>, nodes: &[Node]) -> Vec<Schema> {
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
