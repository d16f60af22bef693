//! How the values of each column were spread in a reference and are now, as little bars for people.

use super::columns::{Paired, inferred_widely};
use super::summary::bars;
use pawl_data::pandas::Frame;
use serde::{Deserialize, Serialize};

/// One column's bars: the same bins on both sides, the tallest one of both as high as a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// The column's name.
    pub column: String,
    /// In the reference.
    pub reference: String,
    /// Now.
    pub current: String,
}

/// The bars of every column of numbers or categories that both tables have, in the order of the current one; without those
/// that are `hidden`.
#[must_use]
pub fn deltas(reference: &Frame, current: &Frame, hidden: &[String]) -> Vec<Delta> {
    let shown = current.columns.iter().filter(|series| !hidden.contains(&series.name));
    shown
        .filter_map(|series| {
            let kind = inferred_widely(&series.values)?;
            let pair = Paired { reference: reference.column(&series.name)?, current: series, kind };
            let (reference, current) = bars(&pair)?;
            Some(Delta { column: series.name.clone(), reference, current })
        })
        .collect()
}
