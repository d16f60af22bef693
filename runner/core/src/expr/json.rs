//! Values from and to JSON.

use std::fmt::Write;

use super::number;
use super::value::{Object, Value};

/// Beyond this, not every whole number is an f64 of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(b) => Self::Bool(b),
            serde_json::Value::Number(n) => Self::Number(n.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(s) => Self::String(s),
            serde_json::Value::Array(items) => {
                Self::array(items.into_iter().map(Self::from).collect())
            }
            serde_json::Value::Object(map) => map.into_iter().collect::<Object>().into(),
        }
    }
}

impl From<&Value> for serde_json::Value {
    /// NaN and the infinities, which JSON lacks, become strings.
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Number(n) => number_to_json(*n),
            Value::String(s) => Self::String(s.clone()),
            Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Value::Object(object) => {
                Self::Object(object.iter().map(|(name, v)| (name.to_owned(), v.into())).collect())
            }
        }
    }
}

fn number_to_json(n: f64) -> serde_json::Value {
    if n.fract() == 0.0 && n.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and inside the exact range")]
        return serde_json::Value::from(n as i64);
    }
    serde_json::Number::from_f64(n)
        .map_or_else(|| serde_json::Value::String(number::format(n)), serde_json::Value::Number)
}

/// What `toJSON` writes: two spaces an indent, empty collections on one line, numbers as text, and the
/// escapes of the runner's JSON library.
pub(super) fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value, 0);
    out
}

fn write_value(out: &mut String, value: &Value, level: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_text()),
        Value::String(s) => write_string(out, s),
        Value::Array(items) if items.is_empty() => out.push_str("[]"),
        Value::Object(object) if object.is_empty() => out.push_str("{}"),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                out.push(if i == 0 { '[' } else { ',' });
                new_line(out, level + 1);
                write_value(out, item, level + 1);
            }
            new_line(out, level);
            out.push(']');
        }
        Value::Object(object) => {
            for (i, (name, item)) in object.iter().enumerate() {
                out.push(if i == 0 { '{' } else { ',' });
                new_line(out, level + 1);
                write_string(out, name);
                out.push_str(": ");
                write_value(out, item, level + 1);
            }
            new_line(out, level);
            out.push('}');
        }
    }
}

fn new_line(out: &mut String, level: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", level));
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}') => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes all text");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
