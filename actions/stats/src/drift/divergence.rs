//! Divergences of two discrete distributions, given as shares in one order for both.

/// Gives empty categories a small share, as is done before a logarithm: 0.0001, or a millionth of the smallest share
/// that is there where that is no larger than 0.0001. What is filled no longer adds up to 1.
pub fn fill_zeros(shares: &mut [f64]) {
    let smallest =
        shares.iter().copied().filter(|share| *share != 0.0).fold(f64::INFINITY, f64::min);
    let fill = if smallest <= 0.0001 { smallest / 1e6 } else { 0.0001 };
    shares.iter_mut().filter(|share| **share == 0.0).for_each(|share| *share = fill);
}

/// Population stability index. No share may be 0: see [`fill_zeros`].
pub fn psi(reference: &[f64], current: &[f64]) -> f64 {
    reference.iter().zip(current).map(|(r, c)| (r - c) * (r / c).ln()).sum()
}

/// Kullback-Leibler divergence of the reference from the current shares, each made to add up to 1 first. In nats.
pub fn kullback_leibler(reference: &[f64], current: &[f64]) -> f64 {
    let (all, other) = (total(reference), total(current));
    reference.iter().zip(current).map(|(r, c)| relative_entropy(r / all, c / other)).sum()
}

/// Jensen-Shannon distance, the root of the divergence in nats. Zeros are welcome.
pub fn jensen_shannon(reference: &[f64], current: &[f64]) -> f64 {
    let (all, other) = (total(reference), total(current));
    let sum: f64 = reference
        .iter()
        .zip(current)
        .map(|(r, c)| {
            let (p, q) = (r / all, c / other);
            let middle = (p + q) / 2.0;
            relative_entropy(p, middle) + relative_entropy(q, middle)
        })
        .sum();
    // Rounding may leave equal distributions a hair below zero.
    (sum.max(0.0) / 2.0).sqrt()
}

/// Hellinger distance of two sets of shares.
pub fn hellinger(reference: &[f64], current: &[f64]) -> f64 {
    distance(reference.iter().zip(current).map(|(r, c)| (r * c).sqrt()).sum())
}

/// Hellinger distance of two histograms over the same `edges`, as densities.
pub fn hellinger_binned(reference: &[u64], current: &[u64], edges: &[f64]) -> f64 {
    let double = |low: f64, high: f64| high - low;
    let (left, right) = (densities(reference, edges, double), densities(current, edges, double));
    let bins = edges.len() - 1;
    let width = (edges[bins] - edges[0]) / bins as f64;
    distance(left.iter().zip(&right).map(|(r, c)| (r * c).sqrt() * width).sum())
}

/// [`hellinger_binned`] as it comes out for values stored with 32 bits, where the width and the sum have 32 bits too.
pub fn hellinger_binned_single(reference: &[u64], current: &[u64], edges: &[f64]) -> f64 {
    let single = |low: f64, high: f64| f64::from(high as f32 - low as f32);
    let (left, right) = (densities(reference, edges, single), densities(current, edges, single));
    let bins = edges.len() - 1;
    let width = (edges[bins] as f32 - edges[0] as f32) / bins as f32;
    let affinity =
        left.iter().zip(&right).fold(0f32, |sum, (r, c)| sum + (r * c).sqrt() as f32 * width);
    f64::from(1.0 - affinity.clamp(0.0, 1.0)).sqrt()
}

fn distance(affinity: f64) -> f64 {
    (1.0 - affinity.clamp(0.0, 1.0)).sqrt()
}

fn densities(counts: &[u64], edges: &[f64], width: fn(f64, f64) -> f64) -> Vec<f64> {
    let all = counts.iter().sum::<u64>() as f64;
    counts
        .iter()
        .zip(edges.windows(2))
        .map(|(n, bin)| *n as f64 / width(bin[0], bin[1]) / all)
        .collect()
}

fn total(shares: &[f64]) -> f64 {
    shares.iter().sum()
}

/// `p ln(p / q)`, 0 where `p` is, infinite where only `q` is.
fn relative_entropy(p: f64, q: f64) -> f64 {
    if p == 0.0 {
        0.0
    } else if q == 0.0 {
        f64::INFINITY
    } else {
        p * (p / q).ln()
    }
}
