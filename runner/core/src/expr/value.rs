//! What an expression is worth, and GitHub's rules for turning one kind of value into another.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use indexmap::IndexMap;

use super::{fold, number};

/// The kind of a [`Value`], with GitHub's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`, and every property that is not there.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A 64-bit float.
    Number,
    /// Text.
    String,
    /// A list.
    Array,
    /// A map from names to values.
    Object,
}

impl Kind {
    /// `Null`, `Boolean`, `Number`, `String`, `Array` or `Object`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::Boolean => "Boolean",
            Self::Number => "Number",
            Self::String => "String",
            Self::Array => "Array",
            Self::Object => "Object",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A value of the expression language. Cheap to clone: collections are shared.
///
/// `==` in Rust compares structure and is for tests and plans; the language's own `==` is
/// [`Value::equals`], which compares collections by identity.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    String(String),
    /// A list.
    Array(Arc<Array>),
    /// A map.
    Object(Arc<Object>),
}

/// A list of values. Reads like a slice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Array {
    items: Vec<Value>,
    /// Made by `.*`: a further `.name` or `[index]` applies to each item instead of to the list.
    pub(super) filtered: bool,
}

impl Array {
    /// An ordinary list.
    #[must_use]
    pub fn new(items: Vec<Value>) -> Self {
        Self { items, filtered: false }
    }

    /// What `.*` makes.
    pub(super) fn filtered(items: Vec<Value>) -> Self {
        Self { items, filtered: true }
    }
}

impl Deref for Array {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.items
    }
}

/// A map that keeps its order. Names are found without regard to case, unless it was made with
/// [`Object::case_sensitive`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object {
    /// From the folded name to the name as written and the value.
    entries: IndexMap<String, (String, Value)>,
    exact: bool,
}

impl Object {
    /// An empty map whose names are found without regard to case.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty map whose names must match exactly: the `env` context on Linux.
    #[must_use]
    pub fn case_sensitive() -> Self {
        Self { entries: IndexMap::new(), exact: true }
    }

    fn key(&self, name: &str) -> String {
        if self.exact { name.to_owned() } else { fold::folded(name).into_owned() }
    }

    /// Sets a value; a name that is there already (in any case, unless case-sensitive) keeps its place
    /// and takes the new spelling and value.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let name = name.into();
        self.entries.insert(self.key(&name), (name, value.into()));
    }

    /// The value under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let found = if self.exact {
            self.entries.get(name)
        } else {
            self.entries.get(fold::folded(name).as_ref())
        };
        found.map(|(_, value)| value)
    }

    /// Names as written and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.values().map(|(name, value)| (name.as_str(), value))
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut object = Self::new();
        pairs.into_iter().for_each(|(name, value)| object.insert(name, value));
        object
    }
}

impl Value {
    /// An ordinary list.
    #[must_use]
    pub fn array(items: Vec<Self>) -> Self {
        Self::Array(Arc::new(Array::new(items)))
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Boolean,
            Self::Number(_) => Kind::Number,
            Self::String(_) => Kind::String,
            Self::Array(_) => Kind::Array,
            Self::Object(_) => Kind::Object,
        }
    }

    /// Whether it is neither a list nor a map.
    #[must_use]
    pub fn is_primitive(&self) -> bool {
        !matches!(self, Self::Array(_) | Self::Object(_))
    }

    /// Whether it counts as true: not null, false, 0, NaN or the empty string.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(b) => *b,
            Self::Number(n) => *n != 0.0 && !n.is_nan(),
            Self::String(s) => !s.is_empty(),
            Self::Array(_) | Self::Object(_) => true,
        }
    }

    /// Its number: null 0, false 0, true 1, strings as written (blank 0, otherwise NaN), collections NaN.
    #[must_use]
    pub fn to_number(&self) -> f64 {
        match self {
            Self::Null => 0.0,
            Self::Bool(b) => f64::from(u8::from(*b)),
            Self::Number(n) => *n,
            Self::String(s) => number::parse(s),
            Self::Array(_) | Self::Object(_) => f64::NAN,
        }
    }

    /// Its text: null is empty, a list is `Array`, a map is `Object`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(b) => b.to_string(),
            Self::Number(n) => number::format(*n),
            Self::String(s) => s.clone(),
            Self::Array(_) | Self::Object(_) => self.kind().as_str().to_owned(),
        }
    }

    /// The text, if it is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(s) => Some(s),
            _ => None,
        }
    }

    /// The map, if it is one.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The language's `==`: strings without regard to case, unlike primitives as numbers, collections
    /// by identity, NaN equal to nothing.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::String(a), Self::String(b)) => fold::eq(a, b),
            (Self::Array(a), Self::Array(b)) => Arc::ptr_eq(a, b),
            (Self::Object(a), Self::Object(b)) => Arc::ptr_eq(a, b),
            #[expect(clippy::float_cmp, reason = "the language's == is exact equality of floats")]
            (a, b) if a.is_primitive() && b.is_primitive() => a.to_number() == b.to_number(),
            _ => false,
        }
    }

    /// The language's `<` and `>`. `None` where neither holds nor are they equal: NaN, collections.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::String(a), Self::String(b)) => Some(fold::cmp(a, b)),
            (a, b) if a.is_primitive() && b.is_primitive() => {
                a.to_number().partial_cmp(&b.to_number())
            }
            (a, b) => a.equals(b).then_some(Ordering::Equal),
        }
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<f64> for Value {
    fn from(n: f64) -> Self {
        Self::Number(n)
    }
}

impl From<i32> for Value {
    fn from(n: i32) -> Self {
        Self::Number(f64::from(n))
    }
}

impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Self::Number(f64::from(n))
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Self::String(s.to_owned())
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Self::String(s)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(Arc::new(object))
    }
}

impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::array(items)
    }
}
