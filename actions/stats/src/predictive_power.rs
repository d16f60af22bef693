//! How well one column alone tells a label: a step function, learnt on some rows and tried on others.
//!
//! The score is scaled as the predictive power score of Wetschoreck, Krabel and Krishnamurthy (2020) is: 0 for a column that is of no
//! more use than always naming the more frequent label, 1 for one that is never wrong. The figure that is scaled is the share of
//! right answers, as in Goodman and Kruskal's lambda (1954), because its interval is known.

use crate::outcome::Interval;
use crate::proportion_bounds::wilson;
use std::collections::HashMap;

/// Parts of the rows; each is told by a function that was learnt on the others.
const FOLDS: usize = 4;
/// Steps of a function of numbers: as many rows as possible in each.
const STEPS: usize = 32;

/// One column, a value a row.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    /// Numbers; NaN for none.
    Numbers(&'a [f64]),
    /// Categories.
    Codes(&'a [u32]),
}

/// What a column alone tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// From 0, of no use, to 1, never wrong.
    pub score: f64,
    /// Of the score, two-sided at 95 %, by Wilson's interval of the share of right answers.
    pub interval: Interval,
    /// Rows told rightly.
    pub right: u64,
    /// Rows told rightly by always naming the more frequent label.
    pub naive: u64,
    /// All rows.
    pub rows: u64,
}

/// The power of a column. Rows should come in no order of their own: every fourth one is told by the others. `None` without both
/// labels.
pub fn predictive_power(column: Column<'_>, labels: &[bool]) -> Option<Power> {
    let rows = labels.len() as u64;
    let (mut right, mut naive) = (0, 0);
    for fold in 0..FOLDS {
        let learnt = Learnt::of(column, labels, fold);
        for row in (fold..labels.len()).step_by(FOLDS) {
            right += u64::from(learnt.tell(column, row) == labels[row]);
            naive += u64::from(learnt.frequent == labels[row]);
        }
    }
    if naive == rows {
        return None;
    }
    let base = naive as f64 / rows as f64;
    let scaled = |share: f64| ((share - base) / (1.0 - base)).max(0.0);
    let share = wilson(right, rows, 0.05);
    let interval = Interval { low: scaled(share.low), high: scaled(share.high) };
    Some(Power { score: scaled(right as f64 / rows as f64), interval, right, naive, rows })
}

/// A step function.
struct Learnt {
    /// The first number of each step but the first; empty for categories.
    edges: Vec<f64>,
    /// The more frequent label of each step or category.
    labels: HashMap<usize, bool>,
    /// The more frequent label of all; also for categories that were not seen.
    frequent: bool,
}

impl Learnt {
    /// Learns from all rows but those of one fold.
    fn of(column: Column<'_>, labels: &[bool], fold: usize) -> Self {
        let rows = || (0..labels.len()).filter(move |row| row % FOLDS != fold);
        let edges = match column {
            Column::Numbers(values) => edges(rows().map(|row| values[row])),
            Column::Codes(_) => Vec::new(),
        };
        let mut counts: HashMap<usize, [u64; 2]> = HashMap::new();
        let mut all = [0_u64; 2];
        for row in rows() {
            let label = usize::from(labels[row]);
            counts.entry(place(column, &edges, row)).or_default()[label] += 1;
            all[label] += 1;
        }
        let frequent = all[1] > all[0];
        let label = |[no, yes]: [u64; 2]| if no == yes { frequent } else { yes > no };
        let labels = counts.into_iter().map(|(place, counts)| (place, label(counts))).collect();
        Self { edges, labels, frequent }
    }

    fn tell(&self, column: Column<'_>, row: usize) -> bool {
        self.labels.get(&place(column, &self.edges, row)).copied().unwrap_or(self.frequent)
    }
}

/// The step or category of a row; rows without a number have a step of their own.
fn place(column: Column<'_>, edges: &[f64], row: usize) -> usize {
    match column {
        Column::Codes(codes) => codes[row] as usize,
        Column::Numbers(values) if values[row].is_nan() => usize::MAX,
        Column::Numbers(values) => edges.partition_point(|edge| *edge <= values[row]),
    }
}

/// Where steps begin: quantiles, each value once.
fn edges(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    let quantile = |step: usize| values.get(step * values.len() / STEPS).copied();
    let mut edges: Vec<f64> = (1..STEPS).filter_map(quantile).collect();
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    use super::{Column, predictive_power};
    use crate::random::Lcg;

    fn labels(n: usize) -> (Vec<bool>, Lcg) {
        let mut random = Lcg::new(5);
        ((0..n).map(|_| random.uniform() < 0.3).collect(), random)
    }

    #[test]
    fn a_column_that_is_the_label_is_never_wrong() {
        let (y, _) = labels(400);
        let codes: Vec<u32> = y.iter().map(|y| u32::from(*y)).collect();
        let power = predictive_power(Column::Codes(&codes), &y).expect("both labels");
        assert_eq!((power.score, power.right, power.rows), (1.0, 400, 400));
        assert!(power.interval.low > 0.95 && power.interval.high == 1.0, "{power:?}");
        let numbers: Vec<f64> = y.iter().map(|y| if *y { f64::NAN } else { 7.0 }).collect();
        assert_eq!(predictive_power(Column::Numbers(&numbers), &y).map(|p| p.score), Some(1.0));
    }

    #[test]
    fn a_column_of_its_own_is_of_no_use_though_it_identifies_every_row() {
        let (y, mut random) = labels(2_000);
        let codes: Vec<u32> = (0..2_000).collect();
        assert_eq!(predictive_power(Column::Codes(&codes), &y).map(|p| p.score), Some(0.0));
        let noise: Vec<f64> = y.iter().map(|_| random.uniform()).collect();
        let power = predictive_power(Column::Numbers(&noise), &y).expect("both labels");
        assert!(power.score < 0.02, "{power:?}");
    }

    #[test]
    fn the_score_is_the_share_of_mistakes_that_are_avoided() {
        // Nine of ten rows of each label are told by the column.
        let y: Vec<bool> = (0..4_000).map(|row| (row / 4) % 2 == 0).collect();
        let codes: Vec<u32> =
            (0..4_000).map(|row| u32::from(y[row] == ((row / 8) % 10 != 0))).collect();
        let power = predictive_power(Column::Codes(&codes), &y).expect("both labels");
        assert!((power.score - 0.8).abs() < 0.01, "{power:?}");
        assert!(power.interval.low < 0.8 && power.interval.high > 0.8);
    }

    #[test]
    fn one_label_alone_tells_nothing() {
        assert_eq!(predictive_power(Column::Codes(&[1; 8]), &[true; 8]), None);
        assert_eq!(predictive_power(Column::Codes(&[]), &[]), None);
    }
}
