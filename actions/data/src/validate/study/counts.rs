//! What is counted of whole columns: how often each value stands, and what its texts look like.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::sample::{bytes, hex};
use crate::value::{self, Value};

/// Different values up to which all are counted.
const MOST_VALUES: usize = 10_000;

/// How often each value of a column stands, null among them; nothing once there are more than [`MOST_VALUES`]. That is so
/// of the column as a whole, so it does not matter how it is cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Option<Vec<(String, u64)>>", into = "Option<Vec<(String, u64)>>")]
pub(crate) enum ValueCounts {
    Few(HashMap<Vec<u8>, u64>),
    Many,
}

impl Default for ValueCounts {
    fn default() -> Self {
        Self::Few(HashMap::new())
    }
}

impl ValueCounts {
    pub(crate) fn add(&mut self, key: &[u8], count: u64) {
        let Self::Few(counts) = self else { return };
        if let Some(known) = counts.get_mut(key) {
            *known += count;
        } else if counts.len() == MOST_VALUES {
            *self = Self::Many;
        } else {
            counts.insert(key.to_vec(), count);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        match other {
            Self::Many => *self = Self::Many,
            Self::Few(counts) => counts.iter().for_each(|(key, count)| self.add(key, *count)),
        }
    }

    /// How often the most frequent value stands.
    pub(crate) fn most(&self) -> Option<u64> {
        match self {
            Self::Few(counts) => counts.values().copied().max(),
            Self::Many => None,
        }
    }
}

impl From<Option<Vec<(String, u64)>>> for ValueCounts {
    fn from(stored: Option<Vec<(String, u64)>>) -> Self {
        let counts = |stored: Vec<(String, u64)>| {
            Self::Few(stored.into_iter().map(|(key, count)| (bytes(&key), count)).collect())
        };
        stored.map_or(Self::Many, counts)
    }
}

impl From<ValueCounts> for Option<Vec<(String, u64)>> {
    fn from(counts: ValueCounts) -> Self {
        let ValueCounts::Few(counts) = counts else { return None };
        let mut stored: Vec<(String, u64)> =
            counts.iter().map(|(key, count)| (hex(key), *count)).collect();
        stored.sort();
        Some(stored)
    }
}

/// What the cells of a column look like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Forms {
    pub(crate) nulls: u64,
    /// Numbers, also written as text.
    pub(crate) numbers: u64,
    pub(crate) others: u64,
    /// By the tokens of the rule: texts that stand for null.
    pub(crate) tokens: Vec<u64>,
}

impl Forms {
    pub(crate) fn add(&mut self, cell: Option<&Value<'_>>, tokens: &[String]) {
        self.tokens.resize(tokens.len(), 0);
        match cell {
            None => self.nulls += 1,
            Some(Value::Text(text)) => match tokens.iter().position(|token| token == text.trim()) {
                Some(index) => self.tokens[index] += 1,
                None if value::read_number(text).is_some() => self.numbers += 1,
                None => self.others += 1,
            },
            Some(value) if value.as_f64().is_some() && !matches!(value, Value::Bool(_)) => {
                self.numbers += 1;
            }
            Some(_) => self.others += 1,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.nulls += other.nulls;
        self.numbers += other.numbers;
        self.others += other.others;
        self.tokens.resize(self.tokens.len().max(other.tokens.len()), 0);
        self.tokens.iter_mut().zip(&other.tokens).for_each(|(own, other)| *own += other);
    }

    /// The share of the rarer of numbers and others, where both are there.
    pub(crate) fn rarer(&self) -> Option<(u64, u64)> {
        let rarer = self.numbers.min(self.others);
        (rarer > 0).then_some((rarer, self.numbers + self.others))
    }
}

#[cfg(test)]
mod tests {
    use super::{Forms, MOST_VALUES, ValueCounts};
    use crate::value::Value;

    #[test]
    fn too_many_values_are_too_many_in_any_order() {
        let key = |n: usize| n.to_le_bytes();
        let part = |range: std::ops::Range<usize>| {
            let mut counts = ValueCounts::default();
            range.for_each(|n| counts.add(&key(n), 1));
            counts
        };
        let mut few = part(0..MOST_VALUES);
        few.merge(part(0..5));
        assert_eq!(few.most(), Some(2));
        let text = serde_json::to_string(&few).expect("written");
        assert_eq!(serde_json::from_str::<ValueCounts>(&text).expect("read"), few);
        few.merge(part(MOST_VALUES..MOST_VALUES + 1));
        assert_eq!((few.clone(), few.most()), (ValueCounts::Many, None));
        assert_eq!(part(0..MOST_VALUES + 1), ValueCounts::Many);
    }

    #[test]
    fn forms_are_told_apart() {
        let mut forms = Forms::default();
        let tokens = ["NA".to_owned(), "-".to_owned()];
        let text = |text: &'static str| Value::Text(text.into());
        for cell in
            [text("1"), text("NA"), text(" - "), text("x"), Value::Int(2), Value::Bool(true)]
        {
            forms.add(Some(&cell), &tokens);
        }
        forms.add(None, &tokens);
        let expected = Forms { nulls: 1, numbers: 2, others: 2, tokens: vec![1, 1] };
        assert_eq!((forms.clone(), forms.rarer()), (expected, Some((2, 4))));
    }
}
