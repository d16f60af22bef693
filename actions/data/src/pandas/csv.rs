//! `read_csv`: names, chunks, and the type of each column.

use super::number::{self, Unsigned, Whole};
use super::scan::{Cells, scan};
use super::{Frame, NULL, Series, SeriesValues, TextBuilder, Texts};
use crate::table::ReadError;
use std::collections::HashMap;
use std::ops::Range;

const BOM: &[u8] = b"\xef\xbb\xbf";

pub(super) fn read(file: &str, bytes: &[u8], delimiter: u8) -> Result<Frame, ReadError> {
    let body = bytes.strip_prefix(BOM).unwrap_or(bytes);
    if let Err(error) = std::str::from_utf8(body) {
        let before = &body[..error.valid_up_to()];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        return Err(ReadError::file(
            file,
            format!("is not UTF-8 text (line {line}): save it as UTF-8"),
        ));
    }
    let cells = scan(file, body, delimiter)?;
    let names = names(&cells);
    // What stands to the left of the header's columns is an index.
    let index = cells.width - cells.header.len();
    let columns = names
        .into_iter()
        .enumerate()
        .map(|(i, name)| Series { name, values: column(&cells, index + i) })
        .collect();
    Ok(Frame { rows: cells.rows, columns })
}

/// The names of the header: empty ones get a number, repeated ones a suffix.
fn names(cells: &Cells<'_>) -> Vec<String> {
    let given: Vec<String> = cells
        .header
        .iter()
        .map(|span| String::from_utf8_lossy(cells.text(*span)).into_owned())
        .collect();
    let mut names = given.clone();
    for (i, name) in names.iter_mut().enumerate().filter(|(_, name)| name.is_empty()) {
        *name = format!("Unnamed: {i}");
    }
    // Columns with a name of their own go first.
    let named = (0..names.len()).filter(|i| !given[*i].is_empty());
    let unnamed = (0..names.len()).filter(|i| given[*i].is_empty());
    let mut seen: HashMap<String, usize> = HashMap::new();
    for i in named.chain(unnamed).collect::<Vec<_>>() {
        let original = names[i].clone();
        let mut name = original.clone();
        let mut count = seen.get(&name).copied().unwrap_or(0);
        while count > 0 {
            seen.insert(original.clone(), count + 1);
            name = format!("{original}.{count}");
            count = if names.contains(&name) {
                count + 1
            } else {
                seen.get(&name).copied().unwrap_or(0)
            };
        }
        names[i].clone_from(&name);
        seen.insert(name, count + 1);
    }
    names
}

/// Rows that pandas looks at together: with its default `low_memory`, types are inferred for each such part alone.
fn chunk_rows(width: usize) -> usize {
    let most = (1usize << 20) / width.max(1);
    let mut rows = 1;
    while rows * 2 < most {
        rows *= 2;
    }
    rows
}

/// One column's fields in some rows.
struct Part<'a> {
    cells: &'a Cells<'a>,
    column: usize,
    rows: Range<usize>,
}

impl<'a> Part<'a> {
    fn words(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (cells, column) = (self.cells, self.column);
        self.rows.clone().map(move |row| cells.cell(row, column))
    }
}

fn column(cells: &Cells<'_>, column: usize) -> SeriesValues {
    let size = chunk_rows(cells.width);
    if cells.rows == 0 {
        return SeriesValues::Empty;
    }
    let part = |rows| Part { cells, column, rows };
    if cells.rows <= size {
        return infer(&part(0..cells.rows)).finish();
    }
    let starts = (0..cells.rows).step_by(size);
    let parts: Vec<Found<'_>> =
        starts.map(|start| infer(&part(start..cells.rows.min(start + size)))).collect();
    join(parts, &part(0..cells.rows))
}

/// The type and values of a part.
enum Found<'a> {
    Int(Vec<i64>),
    Unsigned(Vec<u64>),
    Float(Vec<f64>),
    Bool(Vec<bool>),
    Flags(Vec<Option<bool>>),
    /// Python's own whole numbers: some are beyond 64 bits.
    Long,
    Text {
        words: Part<'a>,
        has_nulls: bool,
    },
}

impl Found<'_> {
    fn finish(self) -> SeriesValues {
        match self {
            Self::Int(values) => SeriesValues::Int(values),
            Self::Unsigned(values) => SeriesValues::Unsigned(values),
            Self::Float(values) => SeriesValues::Float { values, single: false },
            Self::Bool(values) => SeriesValues::Bool(values),
            Self::Flags(values) => SeriesValues::Flags(values),
            Self::Long => SeriesValues::Opaque("integers beyond 64 bits"),
            Self::Text { words, has_nulls } => SeriesValues::Text(texts(&words, has_nulls)),
        }
    }

    fn floats(self) -> Option<Vec<f64>> {
        match self {
            Self::Int(values) => Some(values.into_iter().map(|value| value as f64).collect()),
            Self::Unsigned(values) => Some(values.into_iter().map(|value| value as f64).collect()),
            Self::Float(values) => Some(values),
            _ => None,
        }
    }

    fn is_all_null(&self) -> bool {
        matches!(self, Self::Float(values) if values.iter().all(|value| value.is_nan()))
    }
}

/// Whole numbers, else numbers, else booleans, else texts.
fn infer<'a>(part: &Part<'a>) -> Found<'a> {
    let text = |has_nulls| {
        let words = Part { cells: part.cells, column: part.column, rows: part.rows.clone() };
        Found::Text { words, has_nulls }
    };
    match integers(part) {
        Integers::Whole(values) => return Found::Int(values),
        Integers::Nulls(values) => return Found::Float(values),
        Integers::Overflow => match unsigned(part) {
            Large::Fit(values) => return Found::Unsigned(values),
            // Nulls are then no nulls but texts.
            Large::Conflict => return text(false),
            Large::Beyond
                if part.words().all(|word| number::is_null(word) || number::is_long(word)) =>
            {
                return Found::Long;
            }
            Large::Beyond => return text(false),
            Large::Other => {}
        },
        Integers::Other => {}
    }
    if let Some(values) = floats(part) {
        return Found::Float(values);
    }
    booleans(part).unwrap_or_else(|| text(true))
}

enum Integers {
    Whole(Vec<i64>),
    Nulls(Vec<f64>),
    Overflow,
    Other,
}

fn integers(part: &Part<'_>) -> Integers {
    let mut values = Vec::with_capacity(part.rows.len());
    let mut nulls = Vec::new();
    for word in part.words() {
        match number::whole(word) {
            Whole::Number(value) => values.push(value),
            Whole::Overflow => return Integers::Overflow,
            Whole::Other if number::is_null(word) => {
                nulls.push(values.len());
                values.push(0);
            }
            Whole::Other => return Integers::Other,
        }
    }
    if nulls.is_empty() {
        return Integers::Whole(values);
    }
    let mut floats: Vec<f64> = values.into_iter().map(|value| value as f64).collect();
    nulls.into_iter().for_each(|row| floats[row] = f64::NAN);
    Integers::Nulls(floats)
}

enum Large {
    Fit(Vec<u64>),
    /// Beyond 63 bits beside a negative number or a null.
    Conflict,
    /// Beyond 64 bits.
    Beyond,
    Other,
}

fn unsigned(part: &Part<'_>) -> Large {
    let mut values = Vec::with_capacity(part.rows.len());
    let (mut is_large, mut is_negative, mut has_null) = (false, false, false);
    for word in part.words() {
        match number::unsigned(word) {
            Unsigned::Number(value) => {
                is_large |= value > i64::MAX as u64;
                values.push(value);
            }
            Unsigned::Negative => is_negative = true,
            Unsigned::Overflow => return Large::Beyond,
            Unsigned::Other if number::is_null(word) => has_null = true,
            Unsigned::Other => return Large::Other,
        }
    }
    if is_large && (is_negative || has_null) {
        Large::Conflict
    } else if is_negative {
        Large::Beyond
    } else {
        Large::Fit(values)
    }
}

fn floats(part: &Part<'_>) -> Option<Vec<f64>> {
    let mut values = Vec::with_capacity(part.rows.len());
    for word in part.words() {
        let value = number::float(word).or_else(|| number::is_null(word).then_some(f64::NAN))?;
        values.push(value);
    }
    Some(values)
}

fn booleans<'a>(part: &Part<'a>) -> Option<Found<'a>> {
    let mut values = Vec::with_capacity(part.rows.len());
    let mut has_null = false;
    for word in part.words() {
        let value = number::boolean(word);
        if value.is_none() && !number::is_null(word) {
            return None;
        }
        has_null |= value.is_none();
        values.push(value);
    }
    if has_null {
        return Some(Found::Flags(values));
    }
    Some(Found::Bool(values.into_iter().flatten().collect()))
}

fn texts(part: &Part<'_>, has_nulls: bool) -> Texts {
    let mut builder = TextBuilder::default();
    for word in part.words() {
        if has_nulls && number::is_null(word) {
            builder.push_null();
        } else {
            builder.push(word);
        }
    }
    builder.finish()
}

/// Puts parts together that were inferred apart.
fn join(parts: Vec<Found<'_>>, whole: &Part<'_>) -> SeriesValues {
    let all = |is: fn(&Found<'_>) -> bool| parts.iter().all(is);
    if all(|part| matches!(part, Found::Int(_))) {
        return SeriesValues::Int(parts.into_iter().flat_map(ints).collect());
    }
    if all(|part| matches!(part, Found::Unsigned(_))) {
        let values = parts.into_iter().flat_map(|part| match part {
            Found::Unsigned(values) => values,
            _ => Vec::new(),
        });
        return SeriesValues::Unsigned(values.collect());
    }
    if all(|part| matches!(part, Found::Int(_) | Found::Unsigned(_) | Found::Float(_))) {
        let values = parts.into_iter().filter_map(Found::floats).flatten().collect();
        return SeriesValues::Float { values, single: false };
    }
    if all(|part| matches!(part, Found::Bool(_) | Found::Flags(_)) || part.is_all_null()) {
        return booleans(whole).map_or(SeriesValues::Opaque("a mixture"), Found::finish);
    }
    if all(|part| matches!(part, Found::Text { .. }) || part.is_all_null()) {
        return SeriesValues::Text(texts(whole, true));
    }
    mixture(&parts, whole)
}

fn ints(part: Found<'_>) -> Vec<i64> {
    match part {
        Found::Int(values) => values,
        _ => Vec::new(),
    }
}

/// Numbers beside texts. Such a column counts as text where it begins and ends with one; a number in between is then taken
/// for its text.
fn mixture(parts: &[Found<'_>], whole: &Part<'_>) -> SeriesValues {
    let mut with_value = parts.iter().filter(|part| !part.is_all_null());
    let is_text = |part: Option<&Found<'_>>| matches!(part, Some(Found::Text { .. }));
    let first = with_value.next();
    let last = with_value.next_back().or(first);
    if is_text(first) && is_text(last) {
        let texts = texts(whole, true);
        debug_assert!(texts.codes.iter().any(|code| *code != NULL));
        return SeriesValues::Text(texts);
    }
    SeriesValues::Opaque("a mixture")
}
