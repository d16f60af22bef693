//! A YAML document as a tree in which every node knows its line and column.
//!
//! serde-saphyr guards the parsing (alias bombs, depth, duplicate keys); this tree exists so that the contract reader
//! can report every unknown key and every wrong type at once, each with its place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_yaml::{NonFiniteFloatPolicy, Spanned, UserMessageFormatter};

/// One YAML value with the place (counted from 1) where it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) value: Value,
}

/// What a node holds. Numbers outside of `i64` and `u64` are `Float`, as YAML's core schema leaves room for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) node: Node,
}

impl Value {
    /// The kind in words, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// A failure of the YAML layer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) message: String,
}

/// Parses one YAML 1.2 document.
pub(crate) fn parse(text: &str) -> Result<Node, YamlError> {
    let options = serde_yaml::options! {
        strict_booleans: true,
        with_snippet: false,
        // NaN may stand in a list of values.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    };
    serde_yaml::from_str_with_options::<Node>(text, options).map_err(|error| {
        let place = error.location();
        let message = error.render_with_formatter(&UserMessageFormatter);
        let first = message.lines().next().unwrap_or_default();
        // The place is told apart.
        let message = first.split_once(" at line ").map_or(first, |(message, _)| message);
        YamlError {
            line: place.map_or(1, |p| p.line()),
            column: place.map_or(1, |p| p.column()),
            message: message.to_owned(),
        }
    })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            line: spanned.referenced.line(),
            column: spanned.referenced.column(),
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Int(v.into()))
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Int(v.into()))
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Float(v))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Text(v.to_owned()))
    }

    fn visit_string<E: Error>(self, v: String) -> Result<Value, E> {
        Ok(Value::Text(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let node = map.next_value()?;
            let (line, column) = (key.referenced.line(), key.referenced.column());
            entries.push(Entry { key: key.value, line, column, node });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, parse};

    #[test]
    fn keys_and_values_know_their_place() {
        let node = parse("a: 1\nb:\n  - x: 'yes'\n    y: yes\n  - 2.5\n  -\n").expect("parses");
        let Value::Map(top) = node.value else { panic!("a mapping") };
        assert_eq!((top[1].line, top[1].column), (2, 1));
        let Value::List(items) = &top[1].node.value else { panic!("a list") };
        let Value::Map(inner) = &items[0].value else { panic!("a mapping") };
        assert_eq!((inner[1].line, inner[1].column, inner[1].node.column), (4, 5, 8));
        assert_eq!(inner[1].node.value, Value::Text("yes".into()));
        assert_eq!(items[1].value, Value::Float(2.5));
        assert_eq!(items[2].value, Value::Null);
    }

    #[test]
    fn duplicate_keys_and_alias_bombs_are_refused_with_a_place() {
        let error = parse("a: 1\na: 2\n").expect_err("duplicate");
        assert_eq!((error.line, error.column), (2, 1));
        assert!(error.message.contains("duplicate"), "{}", error.message);
        assert!(!error.message.contains("Options"), "{}", error.message);
        assert!(!error.message.contains("line"), "{}", error.message);
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", below.trim_end_matches(", ")));
        }
        assert!(parse(&bomb).is_err());
    }
}
