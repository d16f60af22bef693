//! One side of a column without its nulls, as numbers or as keys that are equal when Python finds them equal.

use pawl_data::pandas::{NULL, SeriesValues, Texts};
use pawl_stats::drift::bins::Storage;
use pawl_stats::drift::radix;
use std::borrow::Cow;
use std::collections::HashMap;

/// A value by which rows are counted. `True`, `1` and `1.0` are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    /// A whole number, whatever it is stored as.
    Whole(i128),
    /// Bits of a number that is not whole.
    Real(u64),
    /// A text.
    Word(&'a str),
}

impl Key<'_> {
    fn number(value: f64) -> Self {
        if value.fract() == 0.0 && value.abs() < 1e38 {
            return Self::Whole(value as i128);
        }
        Self::Real(value.to_bits())
    }

    /// The number, for putting keys in order.
    pub(super) fn value(self) -> Option<f64> {
        match self {
            Self::Whole(value) => Some(value as f64),
            Self::Real(bits) => Some(f64::from_bits(bits)),
            Self::Word(_) => None,
        }
    }
}

/// How numbers are stored, as far as results depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// Signed whole numbers and booleans.
    Whole,
    /// Whole numbers without a sign: beside signed ones they become floats.
    Unsigned,
    /// 64-bit floats.
    Double,
    /// 32-bit floats.
    Single,
}

/// One side of a column, cleaned.
pub(super) enum Sample<'a> {
    /// Numbers.
    Numbers(Numbers<'a>),
    /// Texts with nulls, which the methods pass over.
    Words(&'a Texts),
}

/// Numbers without null.
pub(super) struct Numbers<'a> {
    pub(super) values: Cow<'a, [f64]>,
    /// Exact values where the floats may not tell them apart.
    whole: Option<Cow<'a, [i64]>>,
    pub(super) stored: Stored,
}

impl<'a> Sample<'a> {
    /// The values of a column without nulls and, unless `infinite`, without infinities. None for types that no method takes.
    pub(super) fn of(values: &'a SeriesValues, infinite: bool) -> Option<Self> {
        let floats = |values: Vec<f64>, stored| {
            Some(Self::Numbers(Numbers { values: Cow::Owned(values), whole: None, stored }))
        };
        match values {
            SeriesValues::Int(whole) => Some(Self::Numbers(Numbers {
                values: whole.iter().map(|value| *value as f64).collect(),
                whole: Some(Cow::Borrowed(whole)),
                stored: Stored::Whole,
            })),
            SeriesValues::Unsigned(values) => {
                floats(values.iter().map(|value| *value as f64).collect(), Stored::Unsigned)
            }
            SeriesValues::Float { values, single } => {
                let stored = if *single { Stored::Single } else { Stored::Double };
                let is_kept =
                    |value: &f64| if infinite { !value.is_nan() } else { value.is_finite() };
                if values.iter().all(is_kept) {
                    let values = Cow::Borrowed(values.as_slice());
                    return Some(Self::Numbers(Numbers { values, whole: None, stored }));
                }
                floats(values.iter().copied().filter(is_kept).collect(), stored)
            }
            SeriesValues::Bool(values) => {
                let values = values.iter().map(|value| f64::from(u8::from(*value))).collect();
                floats(values, Stored::Whole)
            }
            SeriesValues::Flags(values) => {
                let values = values.iter().flatten().map(|value| f64::from(u8::from(*value)));
                floats(values.collect(), Stored::Whole)
            }
            SeriesValues::Text(texts) => Some(Self::Words(texts)),
            SeriesValues::Datetime | SeriesValues::Empty | SeriesValues::Opaque(_) => None,
        }
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.values.len(),
            Self::Words(texts) => texts.codes.iter().filter(|code| **code != NULL).count(),
        }
    }

    /// The values, one a row.
    pub(super) fn keys(&self) -> Box<dyn Iterator<Item = Key<'_>> + '_> {
        match self {
            Self::Numbers(numbers) => match &numbers.whole {
                Some(whole) => Box::new(whole.iter().map(|value| Key::Whole(i128::from(*value)))),
                None => Box::new(numbers.values.iter().map(|value| Key::number(*value))),
            },
            Self::Words(texts) => {
                let codes = texts.codes.iter().filter(|code| **code != NULL);
                Box::new(codes.map(|code| Key::Word(texts.words[*code as usize].as_str())))
            }
        }
    }

    /// How often each value occurs.
    pub(super) fn tally(&self) -> HashMap<Key<'_>, u64> {
        let mut counts = HashMap::new();
        if let Self::Words(texts) = self {
            let mut rows = vec![0u64; texts.words.len()];
            for code in texts.codes.iter().filter(|code| **code != NULL) {
                rows[*code as usize] += 1;
            }
            let words = texts.words.iter().map(|word| Key::Word(word));
            counts.extend(words.zip(rows).filter(|(_, rows)| *rows > 0));
            return counts;
        }
        self.keys().for_each(|key| *counts.entry(key).or_insert(0) += 1);
        counts
    }

    /// Adds the different values to `seen` until there are more than `most`.
    pub(super) fn distinct<'s>(&'s self, seen: &mut Vec<Key<'s>>, most: usize) {
        if let Self::Words(texts) = self {
            let words = texts.words.iter().take(most + 1 + seen.len()).map(|word| Key::Word(word));
            add(words, seen, most);
            return;
        }
        add(self.keys(), seen, most);
    }
}

fn add<'s>(keys: impl Iterator<Item = Key<'s>>, seen: &mut Vec<Key<'s>>, most: usize) {
    let mut last = None;
    for key in keys {
        // Runs of one value are the rule in columns with few.
        if last == Some(key) || seen.contains(&key) {
            last = Some(key);
            continue;
        }
        last = Some(key);
        seen.push(key);
        if seen.len() > most {
            return;
        }
    }
}

impl Numbers<'_> {
    /// The values in order; minus zero is zero.
    pub(super) fn sorted(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.values.iter().map(|value| value + 0.0).collect();
        radix::sort(&mut values);
        values
    }

    /// The values in order as whole numbers, where they are.
    pub(super) fn sorted_whole(&self) -> Option<Vec<i64>> {
        let mut values = self.whole.as_ref()?.to_vec();
        values.sort_unstable();
        Some(values)
    }

    /// Smallest and largest, exact for whole numbers. There must be one.
    pub(super) fn range(&self) -> Range {
        if let Some(whole) = &self.whole {
            let low = whole.iter().copied().min().unwrap_or(0);
            let high = whole.iter().copied().max().unwrap_or(0);
            let exact = Some((i128::from(low), i128::from(high)));
            return Range { low: low as f64, high: high as f64, exact };
        }
        let fold = |start, pick: fn(f64, f64) -> f64| self.values.iter().copied().fold(start, pick);
        Range {
            low: fold(f64::INFINITY, f64::min),
            high: fold(f64::NEG_INFINITY, f64::max),
            exact: None,
        }
    }
}

/// From the smallest to the largest value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
    exact: Option<(i128, i128)>,
}

impl Range {
    /// The range of both.
    pub(super) fn join(self, other: Self) -> Self {
        let exact = self.exact.zip(other.exact);
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            exact: exact.map(|((a, b), (c, d))| (a.min(c), b.max(d))),
        }
    }

    /// How far it reaches.
    pub(super) fn width(self) -> f64 {
        self.exact.map_or(self.high - self.low, |(low, high)| (high - low) as f64)
    }
}

/// What two sides are stored as together.
pub(super) fn joined(a: Stored, b: Stored) -> Storage {
    match (a, b) {
        (Stored::Whole, Stored::Whole) | (Stored::Unsigned, Stored::Unsigned) => Storage::Whole,
        (Stored::Single, Stored::Single) => Storage::Single,
        _ => Storage::Double,
    }
}
