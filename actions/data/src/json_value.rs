//! One JSON value that is known to be sound: what it is, what stands in it, and whether it equals another one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::value::{self, Value};

/// The value by its JSON type; `None` for null.
pub(crate) fn value(raw: &str) -> Option<Value<'_>> {
    Some(match raw.as_bytes()[0] {
        b'n' => return None,
        b't' => Value::Bool(true),
        b'f' => Value::Bool(false),
        b'"' => Value::Text(unescaped(raw)),
        b'{' => Value::Object(raw),
        b'[' => Value::Array(raw),
        _ => value::read_number(raw).unwrap_or(Value::Float(f64::NAN)),
    })
}

/// The keys and values of an object, as they are written.
pub(crate) fn members(object: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let mut finder = Finder::inside(object);
    std::iter::from_fn(move || {
        let (key, start, end) = finder.entry()?;
        Some((unescaped(&object[key.0..key.1]), &object[start..end]))
    })
}

/// The value of a key, as it is written. Of a key that stands twice it is the last one, as most readers have it.
pub(crate) fn member<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    members(object).filter(|(name, _)| name == key).map(|(_, raw)| raw).last()
}

/// The items of an array, as they are written.
pub(crate) fn items(array: &str) -> impl Iterator<Item = &str> {
    let mut finder = Finder::inside(array);
    std::iter::from_fn(move || finder.item().map(|(start, end)| &array[start..end]))
}

/// The text that all equal values share: keys in order and once, numbers by value, no blanks.
pub(crate) fn canonical(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    write(raw, &mut out);
    out
}

/// Nesting is limited by the parser that found the value sound.
fn write(raw: &str, out: &mut String) {
    match raw.as_bytes()[0] {
        b'{' => {
            let entries: BTreeMap<Cow<'_, str>, &str> = members(raw).collect();
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(&quoted(&key));
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        b'[' => {
            out.push('[');
            for (index, value) in items(raw).enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write(value, out);
            }
            out.push(']');
        }
        b'"' => out.push_str(&quoted(&unescaped(raw))),
        b't' | b'f' | b'n' => out.push_str(raw),
        _ => out.push_str(&number(raw)),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// 1, 1.0 and 1e0 are one number.
fn number(raw: &str) -> String {
    // Whole numbers from here on are not all floats.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    match value::read_number(raw) {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        Some(Value::Float(number)) if number.fract() == 0.0 && number.abs() < WHOLE => {
            (number as i64).to_string()
        }
        Some(number) => number.display().into_owned(),
        None => raw.to_owned(),
    }
}

/// Walks over an object or array that is known to be sound.
pub(crate) struct Finder<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Finder<'a> {
    /// Begins behind the first bracket.
    pub(crate) fn inside(text: &'a str) -> Self {
        Self { line: text.as_bytes(), at: 1 }
    }

    /// The next key (with its quotes) and value.
    pub(crate) fn entry(&mut self) -> Option<((usize, usize), usize, usize)> {
        self.skip(b" \t\r,");
        if self.line.get(self.at) != Some(&b'"') {
            return None;
        }
        let key = self.at;
        self.string();
        let key = (key, self.at);
        self.skip(b" \t\r:");
        let start = self.at;
        self.value();
        Some((key, start, self.at))
    }

    /// The next item of an array.
    fn item(&mut self) -> Option<(usize, usize)> {
        self.skip(b" \t\r,");
        if matches!(self.line.get(self.at), None | Some(b']')) {
            return None;
        }
        let start = self.at;
        self.value();
        Some((start, self.at))
    }

    fn skip(&mut self, blanks: &[u8]) {
        while self.line.get(self.at).is_some_and(|byte| blanks.contains(byte)) {
            self.at += 1;
        }
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(found) = memchr::memchr2(b'"', b'\\', &self.line[self.at..]) {
            self.at += found + 1;
            if self.line[self.at - 1] == b'"' {
                return;
            }
            self.at += 1;
        }
        self.at = self.line.len();
    }

    fn value(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.line.get(self.at) {
            match byte {
                b'"' => {
                    self.string();
                    if depth == 0 {
                        return;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => return,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return;
                    }
                }
                b',' | b' ' | b'\t' | b'\r' if depth == 0 => return,
                _ => {}
            }
            self.at += 1;
        }
    }
}

/// A JSON text without its quotes. Half of a surrogate pair is no character: it becomes the replacement character.
pub(crate) fn unescaped(raw: &str) -> Cow<'_, str> {
    let inner = &raw[1..raw.len() - 1];
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    match serde_json::from_str::<String>(raw) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Owned(inner.replace('\\', "\u{fffd}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{canonical, items, member};

    #[test]
    fn equal_values_share_one_text() {
        let text = r#"{"b": [1.0, {"x" : "\u00e9"}, null, true], "a":-0.5e1}"#;
        assert_eq!(canonical(text), r#"{"a":-5,"b":[1,{"x":"é"},null,true]}"#);
        assert_eq!(canonical("9007199254740993"), "9007199254740993");
        assert_ne!(canonical("\"1\""), canonical("1"));
    }

    #[test]
    fn what_stands_in_a_value_is_found() {
        let array = "[1, [2, 3], {\"a\": \"]\"} ,\"x,y\"]";
        let found: Vec<&str> = items(array).collect();
        assert_eq!(found, ["1", "[2, 3]", "{\"a\": \"]\"}", "\"x,y\""]);
        assert_eq!(items("[ ]").count(), 0);
        assert_eq!(member("{\"a\":1,\"b\":{\"a\":2},\"a\":3}", "a"), Some("3"));
        assert_eq!(member("{}", "a"), None);
    }
}
