//! YAML as DVC writes it: blocks, lists at the column of their key, lines folded at 80 columns.

use super::value::{Node, Value, float_text};
use crate::scalar;
use std::collections::HashMap;

/// A document whose top is a map.
pub(crate) fn document(node: &Node) -> String {
    let mut writer = Writer::default();
    writer.count(node);
    writer.map(node.pairs().unwrap_or_default(), 0)
}

/// The entry `name` of a map whose keys stand at `column`.
pub(crate) fn entry(name: &str, node: &Node, column: usize) -> String {
    let mut writer = Writer::default();
    writer.count(node);
    writer.pair(&Node::text(name), node, column)
}

#[derive(Default)]
struct Writer {
    /// How often each collection is there, by its address.
    uses: HashMap<usize, usize>,
    /// Collections that were met a second time, in that order: the numbers of their anchors.
    shared: HashMap<usize, usize>,
    /// Those that have been written.
    written: HashMap<usize, ()>,
}

/// The address of a collection, which says whether it is one and the same. Empty ones are values like any other.
fn address(node: &Node) -> Option<usize> {
    match &node.value {
        Value::List(items) => Some(std::sync::Arc::as_ptr(items) as usize),
        Value::Map(pairs) => Some(std::sync::Arc::as_ptr(pairs) as usize),
        _ => None,
    }
}

impl Writer {
    fn count(&mut self, node: &Node) {
        if let Some(address) = address(node) {
            let uses = self.uses.entry(address).or_default();
            *uses += 1;
            if *uses > 1 {
                let number = self.shared.len() + 1;
                self.shared.entry(address).or_insert(number);
                return;
            }
        }
        node.items().unwrap_or_default().iter().for_each(|item| self.count(item));
        node.pairs().unwrap_or_default().iter().for_each(|(_, value)| self.count(value));
    }

    fn map(&mut self, pairs: &[(Node, Node)], column: usize) -> String {
        pairs.iter().map(|(key, value)| self.pair(key, value, column)).collect()
    }

    fn pair(&mut self, key: &Node, value: &Node, column: usize) -> String {
        let key = match &key.value {
            Value::Null => "null".to_owned(),
            Value::Text(text) => scalar::key(text),
            other => plain(other),
        };
        let lead = format!("{}{key}:", " ".repeat(column));
        let (mark, is_alias) = self.mark(value);
        if is_alias {
            return format!("{lead}{mark}\n");
        }
        match &value.value {
            Value::Null => format!("{lead}\n"),
            Value::Text(text) => {
                let at = column + key.chars().count() + 1;
                format!("{lead}{}\n", scalar::value(text, at, column + 2))
            }
            Value::List(items) if items.is_empty() => format!("{lead}{mark} []\n"),
            Value::Map(pairs) if pairs.is_empty() => format!("{lead}{mark} {{}}\n"),
            Value::List(items) => format!("{lead}{mark}\n{}", self.list(items, column)),
            Value::Map(pairs) => format!("{lead}{mark}\n{}", self.map(pairs, column + 2)),
            other => format!("{lead} {}\n", plain(other)),
        }
    }

    fn list(&mut self, items: &[Node], column: usize) -> String {
        items.iter().map(|item| self.item(item, column)).collect()
    }

    fn item(&mut self, item: &Node, column: usize) -> String {
        let lead = format!("{}-", " ".repeat(column));
        let (mark, is_alias) = self.mark(item);
        if is_alias {
            return format!("{lead}{mark}\n");
        }
        let inner = match &item.value {
            // DVC leaves the blank.
            Value::Null => return format!("{lead} \n"),
            Value::Text(text) => {
                return format!("{lead}{}\n", scalar::value(text, column + 1, column + 2));
            }
            Value::List(items) if items.is_empty() => return format!("{lead}{mark} []\n"),
            Value::Map(pairs) if pairs.is_empty() => return format!("{lead}{mark} {{}}\n"),
            Value::List(items) => self.list(items, column + 2),
            Value::Map(pairs) => self.map(pairs, column + 2),
            other => return format!("{lead} {}\n", plain(other)),
        };
        match mark.is_empty() {
            // The first line of what is inside follows the dash.
            true => format!("{lead} {}", &inner[column + 2..]),
            false => format!("{lead}{mark}\n{inner}"),
        }
    }

    /// The anchor or alias of a collection that is there more than once, and whether it is an alias.
    fn mark(&mut self, node: &Node) -> (String, bool) {
        let Some(address) = address(node) else { return (String::new(), false) };
        let Some(number) = self.shared.get(&address) else { return (String::new(), false) };
        match self.written.insert(address, ()) {
            None => (format!(" &id{number:03}"), false),
            Some(()) => (format!(" *id{number:03}"), true),
        }
    }
}

/// A number or truth value.
fn plain(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) if value.is_finite() => float_text(*value),
        Value::Float(value) => float_text(*value).replace("inf", ".inf").replace("nan", ".nan"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::document;
    use crate::repro::yaml::parse;

    /// Written by DVC 3.67.1 itself (`dvc.utils.serialize.dumps_yaml`).
    const WRITTEN: &str = include_str!("../../tests/written.yaml");

    #[test]
    fn what_dvc_wrote_is_read_and_written_again_as_it_was() {
        assert_eq!(document(&parse(WRITTEN, "written.yaml").unwrap()), WRITTEN);
    }
}
