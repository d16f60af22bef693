//! Parameter files: YAML, JSON and TOML.

use super::value::{Node, Pairs, Value};
use super::yaml;
use crate::{VersionError, document};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What to do about a file that cannot be read.
const HINT: &str = "repair the file";

/// Reads a parameter file below `root`; an empty one is an empty map. The ending says what it is, YAML when it says nothing.
pub(crate) fn read(root: &Path, path: &str) -> Result<Node, VersionError> {
    crate::path::refuse_links(root, path)?;
    parse(&document::read_text(root, path)?, path)
}

fn parse(text: &str, path: &str) -> Result<Node, VersionError> {
    let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.'));
    let ending = ending.map_or(String::new(), |(_, ending)| ending.to_ascii_lowercase());
    let node = match ending.as_str() {
        "json" => {
            let read = serde_json::from_str::<Loose>(text).map_err(|error| {
                VersionError::input(format!("{path}:{}", error.line()), error, HINT)
            });
            Node::new(read?.0)
        }
        "toml" => toml_of(text, path)?,
        "py" => {
            let hint = "keep the parameters in a YAML, JSON or TOML file";
            return Err(VersionError::input(path, "parameters in Python are not read here", hint));
        }
        _ => yaml::parse(text, path)?,
    };
    Ok(match node.value {
        Value::Null | Value::Bool(false) => Node { line: node.line, ..Node::map::<String>([]) },
        _ => node,
    })
}

/// The value under a name with dots; `None` when there is none.
pub(crate) fn select(node: &Node, name: &str) -> Option<Node> {
    let mut found = node.clone();
    for part in name.trim_start_matches('.').split('.') {
        let next = match &found.value {
            Value::Map(pairs) => {
                let named = |(key, _): &&(Node, Node)| super::template::shown(key) == part;
                pairs.iter().find(named).map(|(_, value)| value.clone())
            }
            Value::List(items) => part.parse().ok().and_then(|at: usize| items.get(at).cloned()),
            _ => None,
        };
        found = next?;
    }
    Some(found)
}

fn toml_of(text: &str, path: &str) -> Result<Node, VersionError> {
    let line = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
    toml::from_str::<Loose>(text).map(|read| Node::new(read.0)).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        VersionError::input(format!("{path}:{}", line(at)), error.message(), HINT)
    })
}

/// A value of JSON or TOML.
struct Loose(Value);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor).map(Self)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Loose(value)) = items.next_element()? {
            all.push(Node::new(value));
        }
        Ok(Value::List(Arc::new(all)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let mut all = Pairs::new();
        while let Some((key, Loose(value))) = pairs.next_entry::<String, Loose>()? {
            // How TOML's dates come; DVC can write none of them into its lock.
            if key.starts_with("$__toml") {
                return Err(serde::de::Error::custom("a date is no parameter: write it in quotes"));
            }
            match all.iter_mut().find(|(other, _)| other.as_text() == Some(&key)) {
                // As Python reads JSON: the last one counts, in the place of the first.
                Some((_, old)) => *old = Node::new(value),
                None => all.push((Node::text(key), Node::new(value))),
            }
        }
        Ok(Value::Map(Arc::new(all)))
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, select};
    use crate::repro::emit;

    fn shown(text: &str, path: &str) -> String {
        parse(text, path).map_or_else(|error| error.to_string(), |node| emit::document(&node))
    }

    #[test]
    fn all_three_formats_give_the_same_values() {
        let expected = "a: 1\nb:\n  c: 0.5\n  d:\n  - x\n  - true\n";
        assert_eq!(shown("a: 1\nb: {c: 0.5, d: [x, true]}", "p.yaml"), expected);
        assert_eq!(
            shown("{\"a\": 1, \"b\": {\"c\": 0.5, \"d\": [\"x\", true]}}", "p.json"),
            expected
        );
        assert_eq!(shown("a = 1\n[b]\nc = 0.5\nd = [\"x\", true]\n", "p.TOML"), expected);
        assert_eq!(shown("", "p.yaml"), "");
        assert!(shown("a = 1\nb = 2020-01-02\n", "p.toml").contains("a date is no parameter"));
        assert!(shown("a = 1\nb = \n", "p.toml").starts_with("p.toml:2: "));
        assert!(shown("{\"a\": }", "p.json").starts_with("p.json:1: "));
        assert!(shown("a = 1", "p.py").contains("Python"));
    }

    #[test]
    fn names_with_dots_lead_into_maps_and_lists() {
        let node = parse("a: {b: [x, {c: 1}]}\n2: y\n", "p.yaml").unwrap();
        let found = |name| select(&node, name).map(|found| emit::entry("v", &found, 0));
        assert_eq!(found("a.b.1.c").as_deref(), Some("v: 1\n"));
        assert_eq!(found("2").as_deref(), Some("v: y\n"));
        assert_eq!(found("a.x"), None);
        assert_eq!(found("a.b.9"), None);
    }
}
