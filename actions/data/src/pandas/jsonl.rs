//! `read_json(lines=True)`: columns are coerced to numbers where each value allows it, texts too, and columns whose names
//! say so are dates.

use super::{Frame, NULL, Series, SeriesValues, Texts};
use crate::table::ReadError;
use indexmap::IndexMap;
use std::collections::HashMap;

/// A value of one row.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    /// A list or an object.
    Nested,
}

pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Frame, ReadError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| ReadError::file(file, "is not UTF-8 text: save it as UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut columns: IndexMap<String, Vec<Cell>> = IndexMap::new();
    let mut rows = 0;
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let bad = |reason: &str| ReadError::file(file, format!("line {}: {reason}", number + 1));
        let fields = Line { text: line, at: 0 }.object().map_err(bad)?;
        for (name, cell) in fields {
            let cells = columns.entry(name).or_default();
            cells.resize(rows, Cell::Null);
            cells.push(cell);
        }
        rows += 1;
    }
    if rows == 0 {
        return Err(ReadError::file(file, "is empty: there is no row"));
    }
    let columns = columns
        .into_iter()
        .map(|(name, mut cells)| {
            cells.resize(rows, Cell::Null);
            Series { values: coerce(&name, &cells), name }
        })
        .collect();
    Ok(Frame { rows, columns })
}

/// A line on its way to an object.
struct Line<'a> {
    text: &'a str,
    at: usize,
}

impl Line<'_> {
    fn object(mut self) -> Result<Vec<(String, Cell)>, &'static str> {
        let mut fields: Vec<(String, Cell)> = Vec::new();
        self.expect(b'{').ok_or("is not a JSON object")?;
        if self.expect(b'}').is_none() {
            loop {
                let name = self.string().ok_or("a name must be a JSON string")?;
                self.expect(b':').ok_or("a colon is missing after a name")?;
                let cell = self.value()?;
                // The last of two fields with one name counts.
                match fields.iter_mut().find(|(other, _)| *other == name) {
                    Some(field) => field.1 = cell,
                    None => fields.push((name, cell)),
                }
                if self.expect(b',').is_none() {
                    break;
                }
            }
            self.expect(b'}').ok_or("the object is not closed")?;
        }
        self.blanks();
        if self.at == self.text.len() {
            Ok(fields)
        } else {
            Err("there is something after the object")
        }
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes one character after blanks, if it is there.
    fn expect(&mut self, byte: u8) -> Option<()> {
        self.blanks();
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn string(&mut self) -> Option<String> {
        self.blanks();
        let start = self.at;
        if self.peek() != Some(b'"') {
            return None;
        }
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    fn value(&mut self) -> Result<Cell, &'static str> {
        self.blanks();
        match self.peek() {
            Some(b'"') => self.string().map(Cell::Text).ok_or("a string is not valid JSON"),
            Some(b'{' | b'[') => self.nested(),
            _ => {
                let start = self.at;
                while self
                    .peek()
                    .is_some_and(|byte| !matches!(byte, b',' | b'}' | b' ' | b'\t' | b'\r'))
                {
                    self.at += 1;
                }
                scalar(&self.text[start..self.at])
            }
        }
    }

    fn nested(&mut self) -> Result<Cell, &'static str> {
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..])
            .into_iter::<serde::de::IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => {
                self.at += values.byte_offset();
                Ok(Cell::Nested)
            }
            _ => Err("a list or an object is not valid JSON"),
        }
    }
}

fn scalar(word: &str) -> Result<Cell, &'static str> {
    match word {
        "null" | "NaN" => Ok(Cell::Null),
        "true" => Ok(Cell::Bool(true)),
        "false" => Ok(Cell::Bool(false)),
        "Infinity" => Ok(Cell::Float(f64::INFINITY)),
        "-Infinity" => Ok(Cell::Float(f64::NEG_INFINITY)),
        _ if word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => integer(word),
        _ if word.parse::<f64>().is_ok() => Ok(Cell::Float(decimal(word))),
        _ => Err("a value is not valid JSON"),
    }
}

fn integer(word: &str) -> Result<Cell, &'static str> {
    if let Ok(value) = word.parse::<i64>() {
        return Ok(Cell::Int(value));
    }
    word.parse::<u64>().map(Cell::Unsigned).map_err(|_| "a whole number is beyond 64 bits")
}

/// Decimals beyond these do not count.
const MAX_DECIMALS: usize = 15;

/// A number as pandas' JSON parser adds it up: whole part, decimals times a power of ten, and the exponent's power.
fn decimal(word: &str) -> f64 {
    let (mantissa, exponent) = word.split_once(['e', 'E']).unwrap_or((word, "0"));
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let add =
        |digits: &str| digits.bytes().fold(0.0, |sum, byte| sum * 10.0 + f64::from(byte - b'0'));
    let fraction = &fraction[..fraction.len().min(MAX_DECIMALS)];
    let scale: f64 = format!("1e-{}", fraction.len()).parse().unwrap_or(1.0);
    let number = add(whole) + add(fraction) * scale;
    let power = 10f64.powi(exponent.parse().unwrap_or(0));
    if negative { -number * power } else { number * power }
}

fn coerce(name: &str, cells: &[Cell]) -> SeriesValues {
    if cells.iter().all(|cell| matches!(cell, Cell::Bool(_))) {
        let values = cells.iter().map(|cell| matches!(cell, Cell::Bool(true)));
        return SeriesValues::Bool(values.collect());
    }
    let is_date = is_date_name(name);
    match numbers(cells) {
        Some(_) if is_date && are_stamps(cells) => SeriesValues::Datetime,
        Some(values) => values,
        None if is_date && are_dates(cells) => SeriesValues::Datetime,
        None => others(cells),
    }
}

/// Everything as a number, if everything is one.
fn numbers(cells: &[Cell]) -> Option<SeriesValues> {
    let floats: Option<Vec<f64>> = cells.iter().map(float).collect();
    let floats = floats?;
    let whole = |cell: &Cell| match cell {
        Cell::Int(value) => Some(*value),
        Cell::Bool(value) => Some(i64::from(*value)),
        other => float(other)
            .filter(|value| value.fract() == 0.0 && value.abs() < 9.2e18)
            .map(|value| value as i64),
    };
    if let Some(values) = cells.iter().map(whole).collect() {
        return Some(SeriesValues::Int(values));
    }
    let unsigned = |cell: &Cell| match cell {
        Cell::Int(value) => u64::try_from(*value).ok(),
        Cell::Unsigned(value) => Some(*value),
        _ => None,
    };
    if let Some(values) = cells.iter().map(unsigned).collect() {
        return Some(SeriesValues::Unsigned(values));
    }
    Some(SeriesValues::Float { values: floats, single: false })
}

fn float(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Null => Some(f64::NAN),
        Cell::Bool(value) => Some(f64::from(u8::from(*value))),
        Cell::Int(value) => Some(*value as f64),
        Cell::Unsigned(value) => Some(*value as f64),
        Cell::Float(value) => Some(*value),
        Cell::Text(text) => python_float(text),
        Cell::Nested => None,
    }
}

/// A text as Python's `float` reads it, `inf`, `nan` and `1_0` included.
fn python_float(text: &str) -> Option<f64> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let separated = bytes
        .iter()
        .enumerate()
        .all(|(i, byte)| *byte != b'_' || (digit(i.checked_sub(1)) && digit(Some(i + 1))));
    if !separated {
        return None;
    }
    text.replace('_', "").parse().ok()
}

fn is_date_name(name: &str) -> bool {
    let name = name.to_lowercase();
    name.ends_with("_at")
        || name.ends_with("_time")
        || name.starts_with("timestamp")
        || matches!(name.as_str(), "modified" | "date" | "datetime")
}

/// Seconds below which a number is no moment for pandas: a year after 1970.
const MIN_STAMP: f64 = 31_536_000.0;

fn are_stamps(cells: &[Cell]) -> bool {
    let mut values = cells.iter().filter_map(float).filter(|value| !value.is_nan()).peekable();
    values.peek().is_some() && values.all(|value| value > MIN_STAMP)
}

/// Texts that begin as an ISO date does. Others that pandas would understand are left as texts.
fn are_dates(cells: &[Cell]) -> bool {
    cells.iter().all(|cell| match cell {
        Cell::Null => true,
        Cell::Text(text) => {
            let text = text.as_bytes();
            text.len() >= 10
                && text[..10].iter().enumerate().all(|(i, byte)| match i {
                    4 | 7 => *byte == b'-',
                    _ => byte.is_ascii_digit(),
                })
        }
        _ => false,
    })
}

/// What is not all numbers: texts, or an object.
fn others(cells: &[Cell]) -> SeriesValues {
    let mut with_value = cells.iter().filter(|cell| **cell != Cell::Null);
    let first = with_value.next();
    let last = with_value.next_back().or(first);
    let is_text = |cell: Option<&Cell>| matches!(cell, Some(Cell::Text(_)));
    if is_text(first) && is_text(last) {
        return SeriesValues::Text(texts(cells));
    }
    SeriesValues::Opaque(if first == Some(&Cell::Nested) {
        "lists or objects"
    } else {
        "a mixture"
    })
}

fn texts(cells: &[Cell]) -> Texts {
    let mut known: HashMap<String, u32> = HashMap::new();
    let mut texts = Texts::default();
    for cell in cells {
        let word = match cell {
            Cell::Null => {
                texts.codes.push(NULL);
                continue;
            }
            Cell::Text(word) => word.clone(),
            other => format!("{other:?}"),
        };
        let next = known.len() as u32;
        let code = *known.entry(word.clone()).or_insert(next);
        if code == next {
            texts.words.push(word);
        }
        texts.codes.push(code);
    }
    texts
}
