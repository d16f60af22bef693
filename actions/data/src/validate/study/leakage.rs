//! Columns that tell the label alone: what a model learns from them it will not have when it matters.

use pawl_stats::area_bounds::score_interval;
use pawl_stats::auc::auc;
use pawl_stats::predictive_power::{Column, predictive_power};

use super::sample::Cell;
use super::{Answered, codes, numbers};
use crate::validate::report::Finding;

/// Rows of each label without which nothing is said: by chance alone a column would tell fewer of them.
const FEW: usize = 30;

/// Looks at each column beside the labels. `limits` are those of the area and of the power.
pub(super) fn judge(
    columns: &[Vec<Cell>],
    labels: &[bool],
    limits: (f64, f64),
    name: impl Fn(usize) -> String,
) -> Answered {
    let mut answered = Answered::default();
    let positive = labels.iter().filter(|label| **label).count();
    if positive.min(labels.len() - positive) < FEW {
        return answered;
    }
    for (place, cells) in columns.iter().enumerate() {
        let numbers = numbers(cells);
        let area = numbers.as_deref().and_then(|numbers| area(numbers, labels, limits.0));
        let power = power(cells, numbers.as_deref(), labels, limits.1);
        answered.judged += usize::from(area.is_some() || power.is_some());
        let found = area.into_iter().chain(power);
        answered.findings.extend(found.map(|finding| Finding { column: name(place), ..finding }));
    }
    answered
}

/// The area under the ROC curve of a column as a score, whichever way it points. Rows without a number are left out.
fn area(numbers: &[f64], labels: &[bool], limit: f64) -> Option<Finding> {
    let rows = numbers.iter().zip(labels).filter(|(number, _)| !number.is_nan());
    let (scores, labels): (Vec<f64>, Vec<bool>) =
        rows.map(|(number, label)| (*number, *label)).unzip();
    let positive = labels.iter().filter(|label| **label).count();
    let negative = labels.len() - positive;
    if positive.min(negative) < FEW {
        return None;
    }
    let area = auc(&labels, &scores)?;
    let value = area.max(1.0 - area);
    let interval = score_interval(value, positive as u64, negative as u64, 0.05);
    Some(Finding {
        column: String::new(),
        measure: "AUC".to_owned(),
        value,
        interval: Some([interval.low, interval.high]),
        threshold: limit,
        rows: labels.len() as u64,
        counts: value > limit,
    })
}

fn power(cells: &[Cell], numbers: Option<&[f64]>, labels: &[bool], limit: f64) -> Option<Finding> {
    let codes = if numbers.is_none() { codes(cells) } else { Vec::new() };
    let column = numbers.map_or(Column::Codes(&codes), Column::Numbers);
    let power = predictive_power(column, labels)?;
    Some(Finding {
        column: String::new(),
        measure: "predictive power".to_owned(),
        value: power.score,
        interval: Some([power.interval.low, power.interval.high]),
        threshold: limit,
        rows: power.rows,
        counts: power.score > limit,
    })
}
