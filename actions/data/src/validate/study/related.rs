//! Correlations that are not what they were.

use pawl_stats::correlation::{difference_interval, pearson};

use super::sample::Cell;
use super::{Answered, numbers};
use crate::validate::report::Finding;

/// Rows of each table without which nothing is said.
const FEW: usize = 100;

/// Looks at each pair of columns of numbers, in the reference and now.
pub(super) fn judge(
    reference: &[Vec<Cell>],
    current: &[Vec<Cell>],
    change: f64,
    name: impl Fn(usize) -> String,
) -> Answered {
    let mut answered = Answered::default();
    let all = |columns: &[Vec<Cell>]| -> Vec<Option<Vec<f64>>> {
        columns.iter().map(|cells| numbers(cells)).collect()
    };
    let (before, now) = (all(reference), all(current));
    for left in 0..now.len() {
        for right in left + 1..now.len() {
            let of = |columns: &[Option<Vec<f64>>]| {
                together(columns[left].as_ref()?, columns[right].as_ref()?)
            };
            let (Some(first), Some(second)) = (of(&before), of(&now)) else { continue };
            answered.judged += 1;
            let interval = difference_interval(first, second, 0.05);
            // The change that is sure: none where the interval holds 0.
            let sure = interval.low.max(-interval.high);
            if sure > change {
                answered.findings.push(Finding {
                    column: format!("{} ~ {}", name(left), name(right)),
                    measure: format!("correlation {:.3}, was {:.3}: change", second.0, first.0),
                    value: second.0 - first.0,
                    interval: Some([interval.low, interval.high]),
                    threshold: change,
                    rows: second.1,
                    counts: true,
                });
            }
        }
    }
    answered
}

/// The correlation over the rows that have both numbers, and how many these are.
fn together(left: &[f64], right: &[f64]) -> Option<(f64, u64)> {
    let rows = left.iter().zip(right).filter(|(a, b)| a.is_finite() && b.is_finite());
    let (left, right): (Vec<f64>, Vec<f64>) = rows.map(|(a, b)| (*a, *b)).unzip();
    if left.len() < FEW {
        return None;
    }
    Some((pearson(&left, &right)?, left.len() as u64))
}
