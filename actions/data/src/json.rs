//! JSON Lines: one object a line, kept as the bytes of the file and an index of values.
//!
//! `serde_json` checks every line, so what is wrong has its own words; here the values are only found. They are read when
//! asked for, so an integer of any length stays exact.

use std::collections::HashMap;

use serde::de::IgnoredAny;

use crate::json_value::{self, Finder, unescaped};
use crate::table::ReadError;
use crate::value::Value;

/// Different keys in one part of a file; beyond it the keys are data, not columns.
const MAX_COLUMNS: usize = 100_000;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Parsed lines: their text and where their values stand.
#[derive(Debug, Clone)]
pub(crate) struct JsonText {
    text: String,
    rows: usize,
    columns: Vec<Vec<Cell>>,
}

/// A value of a row; a row without one has none.
#[derive(Debug, Clone, Copy)]
struct Cell {
    row: u32,
    start: u32,
    end: u32,
}

/// The columns found so far.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    by_name: HashMap<String, usize>,
    cells: Vec<Vec<Cell>>,
}

impl JsonText {
    /// Parses lines; blank ones are no rows. `file` names them in errors, whose rows count from 1 here. Returns the names of
    /// the keys in the order in which they first stand.
    pub(crate) fn parse(file: &str, bytes: Vec<u8>) -> Result<(Vec<String>, Self), ReadError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(ReadError::too_large(file, bytes.len()));
        }
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(ReadError::file(file, "is UTF-16 text; save it as UTF-8"));
        }
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(file, &error))?;
        let start = if text.as_bytes().starts_with(BOM) { BOM.len() } else { 0 };
        let mut columns = Columns::default();
        let (mut rows, mut at) = (0, start);
        while at < text.len() {
            let end = memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |n| at + n);
            let line = text[at..end].trim_ascii();
            if !line.is_empty() {
                rows += 1;
                // The slice is a part of the text, so the difference of their places is its offset.
                let offset = at + (text[at..end].len() - text[at..end].trim_ascii_start().len());
                columns.add(line, offset, rows).map_err(|bad| bad.at(file, rows as usize))?;
            }
            at = end + 1;
        }
        Ok((columns.names, Self { text, rows: rows as usize, columns: columns.cells }))
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The value as it is written; `None` where the row lacks the key.
    pub(crate) fn raw(&self, row: usize, column: usize) -> Option<&str> {
        let cells = &self.columns[column];
        let cell = match cells.get(row) {
            Some(cell) if cell.row as usize == row => cell,
            _ => {
                let found = cells.binary_search_by_key(&row, |cell| cell.row as usize).ok()?;
                &cells[found]
            }
        };
        Some(&self.text[cell.start as usize..cell.end as usize])
    }

    /// The value by its JSON type; `None` for null and for an absent key.
    pub(crate) fn value(&self, row: usize, column: usize) -> Option<Value<'_>> {
        json_value::value(self.raw(row, column)?)
    }
}

/// What is wrong with a line.
enum BadLine {
    Line(String),
    Key(String, String),
}

impl BadLine {
    fn at(self, file: &str, row: usize) -> ReadError {
        match self {
            Self::Line(reason) => ReadError::row(file, row, reason),
            Self::Key(key, reason) => ReadError::cell(file, row, &key, reason),
        }
    }
}

impl Columns {
    fn add(&mut self, line: &str, offset: usize, row: u32) -> Result<(), BadLine> {
        serde_json::from_str::<IgnoredAny>(line).map_err(|error| {
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or_default();
            BadLine::Line(format!("is not JSON: {reason} (byte {} of the line)", error.column()))
        })?;
        if !line.starts_with('{') {
            return Err(BadLine::Line("is not a JSON object".to_owned()));
        }
        let mut finder = Finder::inside(line);
        let mut expected = 0;
        while let Some((key, start, end)) = finder.entry() {
            let name = unescaped(&line[key.0..key.1]);
            let column = self.column(&name, expected)?;
            expected = column + 1;
            let place = |at: usize| u32::try_from(offset + at).unwrap_or(u32::MAX);
            let cell = Cell { row: row - 1, start: place(start), end: place(end) };
            if self.cells[column].last().is_some_and(|last| last.row == cell.row) {
                let reason = "stands twice in the object".to_owned();
                return Err(BadLine::Key(name.into_owned(), reason));
            }
            self.cells[column].push(cell);
        }
        Ok(())
    }

    /// The column of a key. Lines mostly have their keys in the same order, so the next one is tried first.
    fn column(&mut self, name: &str, expected: usize) -> Result<usize, BadLine> {
        if self.names.get(expected).is_some_and(|known| known == name) {
            return Ok(expected);
        }
        if let Some(column) = self.by_name.get(name) {
            return Ok(*column);
        }
        if self.names.len() == MAX_COLUMNS {
            let reason = format!("is one of more than {MAX_COLUMNS} different keys");
            return Err(BadLine::Key(name.to_owned(), reason));
        }
        self.by_name.insert(name.to_owned(), self.names.len());
        self.names.push(name.to_owned());
        self.cells.push(Vec::new());
        Ok(self.names.len() - 1)
    }
}

fn not_utf8(file: &str, error: &std::string::FromUtf8Error) -> ReadError {
    let bad = error.utf8_error().valid_up_to();
    let bytes = error.as_bytes();
    let before = bytes[..bad].split(|byte| *byte == b'\n');
    let rows = before.filter(|line| !line.trim_ascii().is_empty()).count();
    let begins = bytes[..bad].last().is_none_or(|byte| *byte == b'\n');
    let row = rows + usize::from(begins);
    let byte = bytes[bad];
    ReadError::row(
        file,
        row.max(1),
        format!("is not UTF-8 text (byte 0x{byte:02x}); save the file as UTF-8"),
    )
}

#[cfg(test)]
mod tests {
    use super::JsonText;
    use crate::value::Value;

    fn parse(text: &str) -> Result<(Vec<String>, JsonText), String> {
        JsonText::parse("t.jsonl", text.as_bytes().to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn values_have_their_json_types_and_absent_keys_are_null() {
        let (names, json) = parse(
            "{\"a\": 1, \"b\": \"x\\u00e9\\n\", \"c\": [1, {\"d\": \"]\"}]}\r\n\n {\"b\": null, \"d\" : {}, \"a\":9007199254740993}\n{}",
        )
        .expect("parses");
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!(json.rows(), 3);
        assert_eq!(json.value(0, 0), Some(Value::Int(1)));
        assert_eq!(json.value(0, 1), Some(Value::Text("xé\n".into())));
        assert_eq!(json.value(0, 2), Some(Value::Array("[1, {\"d\": \"]\"}]")));
        assert_eq!(json.value(0, 3), None);
        assert_eq!(json.value(1, 0), Some(Value::Int(9_007_199_254_740_993)));
        assert_eq!((json.value(1, 1), json.value(1, 2)), (None, None));
        assert_eq!(json.value(1, 3), Some(Value::Object("{}")));
        assert_eq!(json.value(2, 0), None);
        let (_, json) =
            parse("{\"a\": 1.0, \"b\": true, \"c\": -1e3, \"d\": \"\"}").expect("parses");
        assert_eq!(json.value(0, 0), Some(Value::Float(1.0)));
        assert_eq!(json.value(0, 1), Some(Value::Bool(true)));
        assert_eq!(json.value(0, 2), Some(Value::Float(-1000.0)));
        assert_eq!(json.value(0, 3), Some(Value::Text("".into())));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_row() {
        let cases = [
            (
                "{\"a\": 1}\n\n{\"a\": }\n",
                "t.jsonl: row 2 is not JSON: expected value (byte 7 of the line)",
            ),
            ("{\"a\": 1}\n[1]\n", "t.jsonl: row 2 is not a JSON object"),
            ("{\"a\": NaN}\n", "t.jsonl: row 1 is not JSON: expected value (byte 7 of the line)"),
            ("{\"a\": 1, \"a\": 2}", "t.jsonl: row 1, column 'a' stands twice in the object"),
            (
                "{\"a\": 1",
                "t.jsonl: row 1 is not JSON: EOF while parsing an object (byte 7 of the line)",
            ),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse(text).map(|_| ()), Err(wanted.to_owned()));
        }
        let bad = JsonText::parse("t.jsonl", b"{}\n{\"a\": \"\xff\"}".to_vec()).map(|_| ());
        assert!(
            bad.expect_err("not UTF-8")
                .to_string()
                .starts_with("t.jsonl: row 2 is not UTF-8 text (byte 0xff)")
        );
    }
}
