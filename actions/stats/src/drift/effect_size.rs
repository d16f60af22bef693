//! Distances that say how far apart two columns are, on counts that can be drawn anew.

use super::divergence;
use super::interval::{Effect, effect, noise};
use super::{radix, wasserstein};

/// Points at which distribution functions are looked at when rows are drawn anew.
const MAX_POINTS: usize = 256;
/// The draws are the same in each run.
const SEED: u64 = 42;

/// How far apart two columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    /// Wasserstein's, in deviations of the reference.
    Wasserstein,
    /// Jensen-Shannon's, the root of the divergence.
    JensenShannon,
    /// The population stability index.
    Psi,
    /// Kullback and Leibler's divergence.
    KullbackLeibler,
    /// Hellinger's distance.
    Hellinger,
}

impl Distance {
    /// The distance of two sets of shares in one order. Not for Wasserstein's, which needs to know how far it is between them.
    pub fn of_shares(self, reference: &[f64], current: &[f64]) -> f64 {
        match self {
            Self::JensenShannon => divergence::jensen_shannon(reference, current),
            Self::Hellinger => divergence::hellinger(reference, current),
            Self::Wasserstein => f64::NAN,
            Self::Psi | Self::KullbackLeibler => {
                let (mut reference, mut current) = (reference.to_vec(), current.to_vec());
                divergence::fill_zeros(&mut reference);
                divergence::fill_zeros(&mut current);
                match self {
                    Self::Psi => divergence::psi(&reference, &current),
                    _ => divergence::kullback_leibler(&reference, &current),
                }
            }
        }
    }

    fn is_root(self) -> bool {
        matches!(self, Self::JensenShannon | Self::Hellinger)
    }
}

/// The counts behind a distance.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The reference's.
    pub reference: Vec<f64>,
    /// The current ones.
    pub current: Vec<f64>,
    /// Wasserstein's: how far it is to the next point, in deviations.
    gaps: Vec<f64>,
}

impl Histogram {
    /// Counts in one order for both sides.
    pub fn of_counts(reference: Vec<f64>, current: Vec<f64>) -> Self {
        Self { reference, current, gaps: Vec::new() }
    }

    /// Counts between quantiles of both sides together, for Wasserstein's distance. Both samples sorted, neither empty;
    /// `deviation` is the reference's.
    pub fn of_quantiles(reference: &[f64], current: &[f64], deviation: f64) -> Self {
        let mut all = [reference, current].concat();
        radix::sort(&mut all);
        let step = all.len().div_ceil(MAX_POINTS);
        let mut points: Vec<f64> = all.iter().copied().step_by(step).collect();
        points.dedup();
        let counts = |side: &[f64]| -> Vec<f64> {
            let below =
                points.iter().skip(1).map(|point| side.partition_point(|value| value < point));
            let ends: Vec<usize> = below.chain([side.len()]).collect();
            let starts = [0].iter().chain(&ends);
            starts.zip(&ends).map(|(start, end)| (end - start) as f64).collect()
        };
        let norm = deviation.max(0.001);
        let gaps = points.windows(2).map(|pair| (pair[1] - pair[0]) / norm).collect();
        Self { reference: counts(reference), current: counts(current), gaps }
    }

    /// How sure it is that a distance found as `score` is above `threshold`, by drawing the rows anew. Distances that are roots
    /// are drawn as squares, which have no kink at 0.
    pub fn effect(&self, distance: Distance, score: f64, threshold: f64) -> Effect {
        let power = |value: f64| if distance.is_root() { value * value } else { value };
        let drawn = noise(&self.reference, &self.current, SEED, |left, right| {
            power(self.distance(distance, left, right))
        });
        let mut found = effect(power(score), drawn, power(threshold));
        if distance.is_root() {
            found.low = found.low.sqrt();
            found.high = found.high.sqrt();
        }
        found
    }

    /// The distance of other counts in the same bins.
    fn distance(&self, distance: Distance, reference: &[f64], current: &[f64]) -> f64 {
        let shares = |counts: &[f64]| -> Vec<f64> {
            let all: f64 = counts.iter().sum();
            counts.iter().map(|count| count / all).collect()
        };
        let (reference, current) = (shares(reference), shares(current));
        match distance {
            Distance::Wasserstein => self.area(&reference, &current),
            _ => distance.of_shares(&reference, &current),
        }
    }

    fn area(&self, reference: &[f64], current: &[f64]) -> f64 {
        let mut difference = 0.0;
        let both = reference.iter().zip(current);
        both.zip(&self.gaps)
            .map(|((r, c), gap)| {
                difference += r - c;
                f64::abs(difference) * gap
            })
            .sum()
    }
}

/// Wasserstein's distance of two sorted samples, neither empty, in deviations of the reference; and that deviation.
pub fn moved(reference: &[f64], current: &[f64]) -> (f64, f64) {
    let deviation = wasserstein::deviation(reference);
    (wasserstein::normed(wasserstein::distance(reference, current), deviation), deviation)
}
