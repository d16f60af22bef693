//! Values of configuration files as Python holds them, so that they are compared and written as DVC does.

use std::sync::Arc;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Line in its file, from 1; 0 when it stands in none.
    pub(crate) line: u64,
    pub(crate) value: Value,
}

/// A value. Collections are shared: two places that hold one and the same are written with a YAML alias, as DVC does.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Arc<Vec<Node>>),
    Map(Arc<Pairs>),
}

/// Keys and values in the order of the file.
pub(crate) type Pairs = Vec<(Node, Node)>;

impl Node {
    /// A value that stands in no file.
    pub(crate) fn new(value: Value) -> Self {
        Self { line: 0, value }
    }

    /// A text that stands in no file.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::new(Value::Text(text.into()))
    }

    /// A list that stands in no file.
    pub(crate) fn list(items: Vec<Self>) -> Self {
        Self::new(Value::List(Arc::new(items)))
    }

    /// A map with texts for keys, which stands in no file.
    pub(crate) fn map<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Self)>) -> Self {
        let pairs = pairs.into_iter().map(|(key, value)| (Self::text(key), value)).collect();
        Self::new(Value::Map(Arc::new(pairs)))
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> Option<&[Self]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The keys and values of a map; none for anything else.
    pub(crate) fn pairs(&self) -> Option<&[(Self, Self)]> {
        match &self.value {
            Value::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value under a text key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let found = self.pairs()?.iter().find(|(name, _)| name.as_text() == Some(key));
        found.map(|(_, value)| value)
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// What Python's `type(x).__name__` says.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// As Python compares: numbers and truth values by value, maps without regard to order.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => {
                let has = |(key, value): &(Self, Self)| {
                    b.iter().any(|(other, found)| other == key && found == value)
                };
                a.len() == b.len() && a.iter().all(has)
            }
            (a, b) => match (number(a), number(b)) {
                (Some(a), Some(b)) => a.equals(b),
                _ => false,
            },
        }
    }
}

/// A number of either kind.
#[derive(Clone, Copy)]
enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    #[expect(clippy::float_cmp, reason = "Python compares them exactly, too")]
    #[expect(clippy::cast_precision_loss, reason = "the way back is looked at as well")]
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which no equal number does")]
    fn equals(self, other: Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Int(a), Self::Float(b)) | (Self::Float(b), Self::Int(a)) => {
                a as f64 == b && b as i128 == a
            }
        }
    }
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Bool(value) => Some(Number::Int(i128::from(*value))),
        Value::Int(value) => Some(Number::Int(*value)),
        Value::Float(value) => Some(Number::Float(*value)),
        _ => None,
    }
}

/// Python's `repr` of a float: the fewest digits that are read as the same number.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{value}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::{Node, Value, float_text};

    #[test]
    fn floats_are_written_as_python_writes_them() {
        // From `repr` of Python 3.
        for (value, text) in [
            (0.1, "0.1"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (123_456_789.123, "123456789.123"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(float_text(value), text);
        }
    }

    #[test]
    fn values_are_compared_as_python_compares_them() {
        let node = Node::new;
        assert_eq!(node(Value::Int(1)), node(Value::Float(1.0)));
        assert_eq!(node(Value::Int(1)), node(Value::Bool(true)));
        assert_ne!(node(Value::Int(1)), Node::text("1"));
        assert_ne!(node(Value::Int((1 << 53) + 1)), node(Value::Float(9_007_199_254_740_992.0)));
        let map = |keys: [&str; 2]| Node::map(keys.map(|key| (key, Node::text(key))));
        assert_eq!(map(["a", "b"]), map(["b", "a"]));
        assert_ne!(map(["a", "b"]), map(["a", "c"]));
    }
}
