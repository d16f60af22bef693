//! Which columns are compared, and what both sides of one must have.

use super::DriftError;
use super::method::ColumnType;
use super::sample::Sample;
use pawl_data::pandas::{Frame, Series, SeriesValues};

/// A column of whole numbers with no more values than these is one of categories.
const MAX_CATEGORIES: usize = 10;

/// A column of the current data beside the one of the reference.
pub(super) struct Paired<'a> {
    pub(super) reference: &'a Series,
    pub(super) current: &'a Series,
    pub(super) kind: ColumnType,
}

/// The columns that are compared: numbers first, then categories, then texts. Those without a type are left out.
pub(super) fn paired<'a>(
    reference: &'a Frame,
    current: &'a Frame,
    kind: fn(&SeriesValues) -> Option<ColumnType>,
) -> Result<Vec<Paired<'a>>, DriftError> {
    for (frame, side) in [(reference, "reference"), (current, "current")] {
        if frame.rows == 0 {
            return Err(DriftError::NoRows(side));
        }
    }
    let mut columns = Vec::new();
    for series in &current.columns {
        let other = reference.column(&series.name);
        let other = other.ok_or_else(|| DriftError::Missing(series.name.clone()))?;
        if series.values == SeriesValues::Empty {
            return Err(DriftError::NoValue { column: series.name.clone(), side: "current" });
        }
        if let Some(kind) = kind(&series.values) {
            columns.push(Paired { reference: other, current: series, kind });
        }
    }
    if columns.is_empty() {
        return Err(DriftError::NoColumns);
    }
    columns.sort_by_key(|column| column.kind as usize);
    Ok(columns)
}

impl Paired<'_> {
    pub(super) fn name(&self) -> &str {
        &self.current.name
    }

    /// Both sides without nulls and infinities: neither is empty, and both are of one kind.
    pub(super) fn samples(&self) -> Result<(Sample<'_>, Sample<'_>), DriftError> {
        let column = self.name().to_owned();
        let (left, right) =
            (Sample::of(&self.reference.values, false), Sample::of(&self.current.values, false));
        let (Some(left), Some(right)) = (left, right) else {
            return Err(match self.reference.values {
                SeriesValues::Empty => DriftError::NoValue { column, side: "reference" },
                _ => DriftError::Mixed(column),
            });
        };
        for (sample, side) in [(&left, "reference"), (&right, "current")] {
            if sample.len() == 0 {
                return Err(DriftError::NoValue { column, side });
            }
        }
        if !comparable(self.kind, &self.reference.values, &self.current.values) {
            return Err(DriftError::Mixed(column));
        }
        Ok((left, right))
    }
}

/// Texts are not compared with numbers.
fn comparable(kind: ColumnType, reference: &SeriesValues, current: &SeriesValues) -> bool {
    let is_text = |values: &SeriesValues| matches!(values, SeriesValues::Text(_));
    let is_flag =
        |values: &SeriesValues| matches!(values, SeriesValues::Bool(_) | SeriesValues::Flags(_));
    match kind {
        ColumnType::Num => !is_text(reference) && !matches!(reference, SeriesValues::Flags(_)),
        ColumnType::Text => is_text(reference),
        ColumnType::Cat => {
            is_text(reference) == is_text(current) || is_flag(reference) || is_flag(current)
        }
    }
}

/// What Evidently takes a column for; None leaves it out.
pub(super) fn inferred(values: &SeriesValues) -> Option<ColumnType> {
    match values {
        SeriesValues::Float { .. } => Some(ColumnType::Num),
        SeriesValues::Int(_) => whole(values),
        SeriesValues::Bool(_) => Some(ColumnType::Cat),
        SeriesValues::Text(texts) if texts.is_category => Some(ColumnType::Cat),
        SeriesValues::Text(texts) => {
            let rows = Sample::of(values, false)?.len();
            let is_text = texts.words.len() as f64 > 0.5 * rows as f64;
            Some(if is_text { ColumnType::Text } else { ColumnType::Cat })
        }
        SeriesValues::Unsigned(_)
        | SeriesValues::Flags(_)
        | SeriesValues::Datetime
        | SeriesValues::Empty
        | SeriesValues::Opaque(_) => None,
    }
}

/// The same, and whole numbers without a sign and booleans with nulls as well.
pub(super) fn inferred_widely(values: &SeriesValues) -> Option<ColumnType> {
    match values {
        SeriesValues::Unsigned(_) => whole(values),
        SeriesValues::Flags(_) => Some(ColumnType::Cat),
        other => inferred(other),
    }
}

fn whole(values: &SeriesValues) -> Option<ColumnType> {
    let sample = Sample::of(values, false)?;
    let mut seen = Vec::new();
    sample.distinct(&mut seen, MAX_CATEGORIES);
    Some(if seen.len() > MAX_CATEGORIES { ColumnType::Num } else { ColumnType::Cat })
}
