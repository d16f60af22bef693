//! Columns that drifted away from a reference, judged as `pawl data drift` judges numbers and categories.

use std::collections::BTreeMap;

use pawl_stats::drift::effect_size::{Distance, Histogram, moved};
use pawl_stats::drift::interval::Effect;
use pawl_stats::multiplicity::benjamini_hochberg;

use super::sample::Cell;
use super::{Answered, numbers};
use crate::validate::report::Finding;

/// With fewer rows on either side nothing is said.
const MIN_ROWS: usize = 100;
/// The share of false claims among the columns that are said to have drifted.
const MAX_FALSE: f64 = 0.05;
/// A column of whole numbers with no more values than these is one of categories.
const MAX_CATEGORIES: usize = 10;

/// Compares each column with the reference's: numbers by Wasserstein's distance in deviations of the reference, categories by
/// Jensen-Shannon's. Columns of texts that are mostly different have no such distance and are left out.
pub(super) fn judge(
    reference: &[Vec<Cell>],
    current: &[Vec<Cell>],
    threshold: f64,
    name: impl Fn(usize) -> String,
) -> Answered {
    let mut found: Vec<(Finding, Effect)> = Vec::new();
    for (place, (before, now)) in reference.iter().zip(current).enumerate() {
        let Some((distance, score, effect)) = compare(before, now, threshold) else { continue };
        let finding = Finding {
            column: name(place),
            measure: distance.to_owned(),
            value: score,
            interval: Some([effect.low, effect.high]),
            threshold,
            rows: now.len() as u64,
            counts: false,
        };
        found.push((finding, effect));
    }
    let p_values: Vec<f64> = found.iter().map(|(_, effect)| effect.p_value).collect();
    let adjusted = benjamini_hochberg(&p_values);
    let judged = found.len();
    let decided = found.into_iter().zip(adjusted).map(|((finding, effect), p_value)| Finding {
        counts: effect.low > threshold && p_value <= MAX_FALSE,
        ..finding
    });
    Answered { findings: decided.collect(), judged }
}

fn compare(before: &[Cell], now: &[Cell], threshold: f64) -> Option<(&'static str, f64, Effect)> {
    if let (Some(before), Some(now)) = (numbers(before), numbers(now)) {
        let (before, now) = (sorted(&before), sorted(&now));
        if !is_category(&now) {
            if before.len().min(now.len()) < MIN_ROWS {
                return None;
            }
            let (score, deviation) = moved(&before, &now);
            let counts = Histogram::of_quantiles(&before, &now, deviation);
            let effect = counts.effect(Distance::Wasserstein, score, threshold);
            return effect.p_value.is_finite().then_some(("wasserstein", score, effect));
        }
    }
    categories(before, now, threshold)
}

fn sorted(numbers: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = numbers.iter().copied().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn is_category(sorted: &[f64]) -> bool {
    let mut values = sorted.to_vec();
    values.dedup();
    values.len() <= MAX_CATEGORIES && values.iter().all(|value| value.fract() == 0.0)
}

fn categories(
    before: &[Cell],
    now: &[Cell],
    threshold: f64,
) -> Option<(&'static str, f64, Effect)> {
    let mut counts: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    let mut rows = [0_usize; 2];
    for (side, cells) in [before, now].into_iter().enumerate() {
        for cell in cells {
            let key = match cell {
                Cell::Null => continue,
                Cell::Number(number) => number.to_string(),
                Cell::Word(word) => word.clone(),
            };
            counts.entry(key).or_default()[side] += 1.0;
            rows[side] += 1;
        }
    }
    // Texts that are mostly different are no categories.
    if rows[0].min(rows[1]) < MIN_ROWS || counts.len() * 2 > rows[0].max(rows[1]) {
        return None;
    }
    let (left, right): (Vec<f64>, Vec<f64>) = counts.into_values().map(|[a, b]| (a, b)).unzip();
    let score = Distance::JensenShannon.of_shares(&left, &right);
    let counts = Histogram::of_counts(left, right);
    let effect = counts.effect(Distance::JensenShannon, score, threshold);
    effect.p_value.is_finite().then_some(("jensenshannon", score, effect))
}
