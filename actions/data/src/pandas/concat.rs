//! Several files as one table, by the types that pandas gives a joined column.

use super::{Frame, NULL, Series, SeriesValues, Texts};
use crate::table::ReadError;
use std::collections::HashMap;

/// Puts the rows of `more`, read from `file`, behind those of `frame`.
pub(super) fn join(frame: Frame, more: Frame, file: &str) -> Result<Frame, ReadError> {
    let mut others: HashMap<String, SeriesValues> =
        more.columns.into_iter().map(|series| (series.name, series.values)).collect();
    let mut columns = Vec::with_capacity(frame.columns.len());
    for Series { name, values } in frame.columns {
        let other = others.remove(&name).ok_or_else(|| {
            ReadError::file(file, format!("has no column '{name}', which the files before it have"))
        })?;
        columns.push(Series { values: join_values(values, other), name });
    }
    if let Some(name) = others.keys().min() {
        let reason = format!("has a column '{name}', which the files before it lack");
        return Err(ReadError::file(file, reason));
    }
    Ok(Frame { rows: frame.rows + more.rows, columns })
}

fn join_values(left: SeriesValues, right: SeriesValues) -> SeriesValues {
    use SeriesValues::{Bool, Datetime, Empty, Flags, Float, Int, Text, Unsigned};
    match (left, right) {
        (Int(a), Int(b)) => Int([a, b].concat()),
        (Unsigned(a), Unsigned(b)) => Unsigned([a, b].concat()),
        (Bool(a), Bool(b)) => Bool([a, b].concat()),
        (Text(a), Text(b)) => Text(join_texts(a, &b)),
        (Datetime, Datetime) => Datetime,
        (Empty, other) | (other, Empty) => other,
        (a, b) => match (flags(&a), flags(&b), floats(&a), floats(&b)) {
            (Some(a), Some(b), ..) => Flags([a, b].concat()),
            (.., Some((a, single)), Some((b, other))) => {
                Float { values: [a, b].concat(), single: single && other }
            }
            _ => SeriesValues::Opaque("a mixture"),
        },
    }
}

fn flags(values: &SeriesValues) -> Option<Vec<Option<bool>>> {
    match values {
        SeriesValues::Bool(values) => Some(values.iter().copied().map(Some).collect()),
        SeriesValues::Flags(values) => Some(values.clone()),
        _ => None,
    }
}

fn floats(values: &SeriesValues) -> Option<(Vec<f64>, bool)> {
    match values {
        SeriesValues::Int(values) => {
            Some((values.iter().map(|value| *value as f64).collect(), false))
        }
        SeriesValues::Unsigned(values) => {
            Some((values.iter().map(|value| *value as f64).collect(), false))
        }
        SeriesValues::Float { values, single } => Some((values.clone(), *single)),
        _ => None,
    }
}

fn join_texts(mut texts: Texts, more: &Texts) -> Texts {
    let known: HashMap<String, u32> = texts.words.iter().cloned().zip(0..).collect();
    let mut numbers = Vec::with_capacity(more.words.len());
    for word in &more.words {
        numbers.push(known.get(word).copied().unwrap_or(texts.words.len() as u32));
        if !known.contains_key(word) {
            texts.words.push(word.clone());
        }
    }
    let code = |code: &u32| numbers.get(*code as usize).copied().unwrap_or(NULL);
    texts.codes.extend(more.codes.iter().map(code));
    texts.is_category &= more.is_category;
    texts
}
