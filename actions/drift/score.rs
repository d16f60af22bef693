//! The score of one column by one method.

use super::method::{ColumnType, Method};
use super::sample::{Key, Numbers, Sample, Stored, joined};
use super::text;
use pawl_stats::drift::bins::{BinError, Span, Storage, counts, sturges};
use pawl_stats::drift::effect_size::{Distance, Histogram};
use pawl_stats::drift::{chi_square, divergence, ks, two_values, wasserstein};
use std::cmp::Ordering;

/// Numbers with more different values than these in the reference are binned.
const MAX_VALUES: usize = 20;

/// A score and what it decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scored {
    pub(super) score: f64,
    pub(super) drifted: bool,
}

/// Why a column has no score.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum ScoreError {
    #[error(transparent)]
    Bins(#[from] BinError),
    #[error("holds texts on one side and numbers on the other")]
    Mixed,
}

/// Compares two sides, neither of them empty.
pub(super) fn score(
    method: Method,
    kind: ColumnType,
    reference: &Sample<'_>,
    current: &Sample<'_>,
) -> Result<Scored, ScoreError> {
    let score = match method {
        Method::Ks => kolmogorov_smirnov(pair(reference, current)?),
        Method::Wasserstein => moved(pair(reference, current)?),
        Method::ChiSquare => chi_square_of(reference, current),
        Method::Z => two_proportions(reference, current)?,
        Method::Hellinger if kind == ColumnType::Num => hellinger(pair(reference, current)?)?,
        Method::Hellinger => {
            let shares = by_value(reference, current);
            divergence::hellinger(&shares.reference, &shares.current)
        }
        Method::JensenShannon | Method::Psi | Method::KlDiv => {
            let shares = shares(kind, reference, current)?;
            distance(method).of_shares(&shares.reference, &shares.current)
        }
        Method::PercText | Method::AbsText => return texts(method, reference, current),
    };
    Ok(Scored { score, drifted: method.decides(score) })
}

/// The effect size that a method is.
pub(super) fn distance(method: Method) -> Distance {
    match method {
        Method::JensenShannon => Distance::JensenShannon,
        Method::Psi => Distance::Psi,
        Method::KlDiv => Distance::KullbackLeibler,
        Method::Hellinger => Distance::Hellinger,
        _ => Distance::Wasserstein,
    }
}

type Pair<'a> = (&'a Numbers<'a>, &'a Numbers<'a>);

fn pair<'a>(reference: &'a Sample<'a>, current: &'a Sample<'a>) -> Result<Pair<'a>, ScoreError> {
    match (reference, current) {
        (Sample::Numbers(reference), Sample::Numbers(current)) => Ok((reference, current)),
        _ => Err(ScoreError::Mixed),
    }
}

fn kolmogorov_smirnov((reference, current): Pair<'_>) -> f64 {
    let whole = reference.sorted_whole().zip(current.sorted_whole());
    let statistic = match whole {
        Some((r, c)) => ks::statistic(&r, &c),
        None => ks::statistic(&reference.sorted(), &current.sorted()),
    };
    ks::p_value(statistic, reference.values.len(), current.values.len())
}

fn moved((reference, current): Pair<'_>) -> f64 {
    let (r, c) = (reference.sorted(), current.sorted());
    let repeated = |infinite: f64| {
        [&r, &c].iter().flat_map(|side| side.iter()).filter(|value| **value == infinite).count() > 1
    };
    if repeated(f64::INFINITY) || repeated(f64::NEG_INFINITY) {
        // The way between two infinite values is no number.
        return f64::NAN;
    }
    let deviation = match reference.stored {
        Stored::Single => wasserstein::deviation_single(&reference.values),
        _ => wasserstein::deviation(&reference.values),
    };
    wasserstein::normed(wasserstein::distance(&r, &c), deviation)
}

/// Counts of both sides, key by key.
struct Tally<'a> {
    keys: Vec<(Key<'a>, u64, u64)>,
    rows: (u64, u64),
}

fn tally<'a>(reference: &'a Sample<'a>, current: &'a Sample<'a>) -> Tally<'a> {
    let (left, mut right) = (reference.tally(), current.tally());
    let rows = (left.values().sum(), right.values().sum());
    let mut keys: Vec<(Key<'a>, u64, u64)> =
        left.into_iter().map(|(key, n)| (key, n, right.remove(&key).unwrap_or(0))).collect();
    keys.extend(right.into_iter().map(|(key, n)| (key, 0, n)));
    // The order of a sum is then always the same.
    keys.sort_unstable_by_key(|(key, ..)| *key);
    Tally { keys, rows }
}

fn chi_square_of(reference: &Sample<'_>, current: &Sample<'_>) -> f64 {
    let tally = tally(reference, current);
    let scale = tally.rows.1 as f64 / tally.rows.0 as f64;
    let expected: Vec<f64> = tally.keys.iter().map(|(_, n, _)| *n as f64 * scale).collect();
    let observed: Vec<f64> = tally.keys.iter().map(|(.., n)| *n as f64).collect();
    chi_square::p_value(&observed, &expected)
}

/// The smallest value against all others.
fn two_proportions(reference: &Sample<'_>, current: &Sample<'_>) -> Result<f64, ScoreError> {
    let tally = tally(reference, current);
    if tally.keys.len() == 1 {
        return Ok(1.0);
    }
    let words = tally.keys.iter().filter(|(key, ..)| matches!(key, Key::Word(_))).count();
    if words != 0 && words != tally.keys.len() {
        return Err(ScoreError::Mixed);
    }
    let Some((_, n, m)) = tally.keys.iter().min_by(|(a, ..), (b, ..)| order(*a, *b)) else {
        return Ok(f64::NAN);
    };
    let (all, other) = tally.rows;
    Ok(two_values::p_value((all - n, all), (other - m, other)))
}

fn order(a: Key<'_>, b: Key<'_>) -> Ordering {
    match (a, b) {
        (Key::Whole(a), Key::Whole(b)) => a.cmp(&b),
        (Key::Word(a), Key::Word(b)) => a.cmp(b),
        _ => a.value().partial_cmp(&b.value()).unwrap_or(Ordering::Equal),
    }
}

/// Shares of both sides in one order.
struct Shares {
    reference: Vec<f64>,
    current: Vec<f64>,
}

fn by_value(reference: &Sample<'_>, current: &Sample<'_>) -> Shares {
    let tally = tally(reference, current);
    let (n, m) = (tally.rows.0 as f64, tally.rows.1 as f64);
    let (reference, current) =
        tally.keys.iter().map(|(_, a, b)| (*a as f64 / n, *b as f64 / m)).unzip();
    Shares { reference, current }
}

fn shares(
    kind: ColumnType,
    reference: &Sample<'_>,
    current: &Sample<'_>,
) -> Result<Shares, ScoreError> {
    let mut seen = Vec::new();
    reference.distinct(&mut seen, MAX_VALUES);
    if kind != ColumnType::Num || seen.len() <= MAX_VALUES {
        return Ok(by_value(reference, current));
    }
    let (r, c) = pair(reference, current)?;
    let range = r.range().join(c.range());
    let span = Span {
        low: range.low,
        high: range.high,
        width: range.width(),
        count: (r.values.len() + c.values.len()) as u64,
        storage: joined(r.stored, c.stored),
    };
    let edges = sturges(&span)?;
    let share = |side: &Numbers<'_>| -> Vec<f64> {
        let all = side.values.len() as f64;
        counts(side.values.iter().copied(), &edges).into_iter().map(|n| n as f64 / all).collect()
    };
    Ok(Shares { reference: share(r), current: share(c) })
}

/// The counts of a distance. Wasserstein's are those between quantiles of both sides together.
pub(super) fn histogram(
    method: Method,
    kind: ColumnType,
    reference: &Sample<'_>,
    current: &Sample<'_>,
) -> Result<Histogram, ScoreError> {
    if method == Method::Wasserstein {
        return Ok(quantiles(pair(reference, current)?));
    }
    let shares = shares(kind, reference, current)?;
    let counts =
        |shares: &[f64], rows: usize| shares.iter().map(|share| share * rows as f64).collect();
    Ok(Histogram::of_counts(
        counts(&shares.reference, reference.len()),
        counts(&shares.current, current.len()),
    ))
}

fn quantiles((reference, current): Pair<'_>) -> Histogram {
    let deviation = wasserstein::deviation(&reference.values);
    Histogram::of_quantiles(&reference.sorted(), &current.sorted(), deviation)
}

/// Bins are laid over the different values here, each counted once.
fn hellinger((reference, current): Pair<'_>) -> Result<f64, ScoreError> {
    let (mut r, mut c) = (reference.sorted(), current.sorted());
    r.dedup();
    c.dedup();
    let new = c
        .iter()
        .filter(|value| r.binary_search_by(|other| other.total_cmp(value)).is_err())
        .count();
    // Equal values are kept as the reference stores them.
    let storage = if new == 0 {
        joined(reference.stored, reference.stored)
    } else {
        joined(reference.stored, current.stored)
    };
    let range = reference.range().join(current.range());
    let count = (r.len() + new) as u64;
    let span = Span { low: range.low, high: range.high, width: range.width(), count, storage };
    let edges = sturges(&span)?;
    let left = counts(reference.values.iter().copied(), &edges);
    let right = counts(current.values.iter().copied(), &edges);
    Ok(match storage {
        Storage::Single => divergence::hellinger_binned_single(&left, &right, &edges),
        _ => divergence::hellinger_binned(&left, &right, &edges),
    })
}

fn texts(
    method: Method,
    reference: &Sample<'_>,
    current: &Sample<'_>,
) -> Result<Scored, ScoreError> {
    let (Sample::Words(reference), Sample::Words(current)) = (reference, current) else {
        return Err(ScoreError::Mixed);
    };
    let told = text::told_apart(reference, current);
    let drifted = match method {
        Method::AbsText => method.decides(told.auc),
        _ => told.auc > told.chance,
    };
    Ok(Scored { score: told.auc, drifted })
}
