//! Mergeable summaries of many values: moments, quantiles, distinct values, frequent values.
//!
//! Each gives the same result for the same values in any order and division, but for moments (to the last digits) and for
//! frequent values beyond [`TOP`] different ones.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use serde::{Deserialize, Serialize};

/// Count, mean and sum of squared distances (Welford; merged as Chan, Golub and LeVeque do).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moments {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    m2: f64,
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 values")]
impl Moments {
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.m2 += before * (value - self.mean);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let distance = other.mean - self.mean;
        self.mean += distance * (b / (a + b));
        self.m2 += other.m2 + distance * distance * (a * b / (a + b));
        self.count += other.count;
    }

    /// The standard deviation of a sample; `None` below two values.
    pub(crate) fn sd(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.m2 / (self.count - 1) as f64).max(0.0).sqrt())
    }
}

/// Parts of each power of two that are counted apart.
const STEPS_BITS: u32 = 7;
const STEPS: usize = 1 << STEPS_BITS;

/// Counts of numbers in buckets of a width of at most 1/128 of their values: the first bits of the number itself say its
/// bucket. Whole numbers below 256 have buckets of their own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Buckets {
    /// By sign and exponent.
    octaves: HashMap<u16, Vec<u64>>,
}

impl Buckets {
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        // Both zeros are one number.
        let bits = (value + 0.0).to_bits() >> (52 - STEPS_BITS);
        let (octave, step) = ((bits >> STEPS_BITS) as u16, bits as usize & (STEPS - 1));
        self.octaves.entry(octave).or_insert_with(|| vec![0; STEPS])[step] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (octave, counts) in &other.octaves {
            let own = self.octaves.entry(*octave).or_insert_with(|| vec![0; STEPS]);
            own.iter_mut().zip(counts).for_each(|(own, other)| *own += other);
        }
    }

    /// The end of each bucket that is nearer to zero, with its count, in ascending order.
    pub(crate) fn ascending(&self) -> Vec<(f64, u64)> {
        let mut all = Vec::new();
        for (octave, counts) in &self.octaves {
            for (step, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let bits = (u64::from(*octave) << STEPS_BITS) | step as u64;
                all.push((f64::from_bits(bits << (52 - STEPS_BITS)), *count));
            }
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }
}

/// The value below which a share of all values is, from ascending buckets; within `least` and `most`.
pub(crate) fn quantile(ascending: &[(f64, u64)], share: f64, least: f64, most: f64) -> f64 {
    let total: u64 = ascending.iter().map(|(_, count)| count).sum();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank from 0 to the number of values"
    )]
    let rank = (share * total.saturating_sub(1) as f64).round() as u64;
    let mut before = 0;
    for (value, count) in ascending {
        before += count;
        if before > rank {
            return value.clamp(least, most);
        }
    }
    most
}

/// Registers of the estimate of different values: 2^14, a standard error of 0.8 %.
const REGISTER_BITS: u32 = 14;

/// Different values that are counted exactly.
const EXACT: usize = 4096;

/// How many different values there are (HyperLogLog), exactly up to [`EXACT`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Distinct {
    Exact(std::collections::BTreeSet<u64>),
    Registers(Vec<u8>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Exact(std::collections::BTreeSet::new())
    }
}

/// A hash that is the same on every machine.
pub(crate) fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    hasher.finish()
}

impl Distinct {
    #[inline]
    pub(crate) fn add(&mut self, hash: u64) {
        match self {
            Self::Registers(registers) => register(registers, hash),
            Self::Exact(hashes) => {
                hashes.insert(hash);
                if hashes.len() > EXACT {
                    *self = Self::Registers(self.registers());
                }
            }
        }
    }

    fn registers(&self) -> Vec<u8> {
        match self {
            Self::Registers(registers) => registers.clone(),
            Self::Exact(hashes) => {
                let mut registers = vec![0; 1 << REGISTER_BITS];
                hashes.iter().for_each(|hash| register(&mut registers, *hash));
                registers
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if let (Self::Exact(_), Self::Exact(hashes)) = (&*self, other) {
            hashes.iter().for_each(|hash| self.add(*hash));
            return;
        }
        let mut registers = self.registers();
        for (own, other) in registers.iter_mut().zip(other.registers()) {
            *own = (*own).max(other);
        }
        *self = Self::Registers(registers);
    }

    /// Whether the count is exact but for two values with one 64-bit hash.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self, Self::Exact(_))
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate of a count"
    )]
    pub(crate) fn estimate(&self) -> u64 {
        let registers = match self {
            Self::Exact(hashes) => return hashes.len() as u64,
            Self::Registers(registers) => registers,
        };
        let m = registers.len() as f64;
        let sum: f64 = registers.iter().map(|rank| 0.5_f64.powi(i32::from(*rank))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let zeros = registers.iter().filter(|rank| **rank == 0).count();
        // Few values: counting empty registers is better.
        if raw <= 2.5 * m && zeros > 0 {
            return (m * (m / zeros as f64).ln()).round() as u64;
        }
        raw.round() as u64
    }
}

#[inline]
fn register(registers: &mut [u8], hash: u64) {
    #[expect(clippy::cast_possible_truncation, reason = "14 bits, and a count of bits")]
    let (index, rank) = (
        (hash >> (64 - REGISTER_BITS)) as usize,
        ((hash << REGISTER_BITS) | (1 << (REGISTER_BITS - 1))).leading_zeros() as u8 + 1,
    );
    registers[index] = registers[index].max(rank);
}

/// Different values that are counted one by one.
pub(crate) const TOP: usize = 1024;

/// The most frequent values with their counts (Misra and Gries): exact up to [`TOP`] different values, else each count is too
/// small by at most `lost`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub(crate) struct Frequent {
    counts: HashMap<Vec<u8>, u64>,
    pub(crate) lost: u64,
}

/// Counts and what was lost, as a file holds them: keys are bytes, not texts.
type Stored = (Vec<(Vec<u8>, u64)>, u64);

impl From<Stored> for Frequent {
    fn from((counts, lost): Stored) -> Self {
        Self { counts: counts.into_iter().collect(), lost }
    }
}

impl From<Frequent> for Stored {
    fn from(frequent: Frequent) -> Self {
        (frequent.counts.into_iter().collect(), frequent.lost)
    }
}

impl Frequent {
    #[inline]
    pub(crate) fn add(&mut self, key: &[u8]) {
        if let Some(count) = self.counts.get_mut(key) {
            *count += 1;
        } else if self.counts.len() < TOP {
            self.counts.insert(key.to_vec(), 1);
        } else {
            self.lose(1);
        }
    }

    fn lose(&mut self, lost: u64) {
        self.counts.retain(|_, count| {
            *count = count.saturating_sub(lost);
            *count > 0
        });
        self.lost += lost;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (key, count) in &other.counts {
            *self.counts.entry(key.clone()).or_default() += count;
        }
        self.lost += other.lost;
        if self.counts.len() > TOP {
            let mut counts: Vec<u64> = self.counts.values().copied().collect();
            counts.sort_unstable_by(|a, b| b.cmp(a));
            self.lose(counts[TOP]);
        }
    }

    /// All that are known, the most frequent ones first; equal ones by their keys.
    pub(crate) fn descending(&self) -> Vec<(&[u8], u64)> {
        let mut all: Vec<(&[u8], u64)> =
            self.counts.iter().map(|(key, count)| (key.as_slice(), *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Buckets, Distinct, Frequent, Moments, hash, quantile};

    proptest! {
        #[test]
        fn any_division_gives_what_one_pass_gives(
            values in prop::collection::vec(-1e6_f64..1e6, 2..400), cut in any::<prop::sample::Index>(),
        ) {
            let cut = cut.index(values.len());
            let mut whole = (Moments::default(), Buckets::default());
            let mut parts = [whole.clone(), whole.clone()];
            for (index, value) in values.iter().enumerate() {
                let part = &mut parts[usize::from(index >= cut)];
                for (moments, buckets) in [&mut whole, part] {
                    moments.add(*value);
                    buckets.add(*value);
                }
            }
            let [mut first, second] = parts;
            first.0.merge(&second.0);
            first.1.merge(&second.1);
            prop_assert_eq!(first.0.count, whole.0.count);
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * 1e6_f64.max(a.abs());
            prop_assert!(close(first.0.mean, whole.0.mean));
            prop_assert!(close(first.0.sd().unwrap_or(0.0), whole.0.sd().unwrap_or(0.0)));
            prop_assert_eq!(first.1.ascending(), whole.1.ascending());
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let median = sorted[((sorted.len() - 1) as f64 * 0.5).round() as usize];
            let found = quantile(&whole.1.ascending(), 0.5, sorted[0], sorted[sorted.len() - 1]);
            prop_assert!((found - median).abs() <= median.abs() / 128.0, "{} {}", found, median);
        }
    }

    #[test]
    fn different_values_are_estimated_within_three_errors() {
        for count in [10_u64, 4_096, 4_097, 50_000, 300_000] {
            let mut halves = [Distinct::default(), Distinct::default()];
            let mut whole = Distinct::default();
            for value in 0..count {
                let hash = hash(&value.to_le_bytes());
                halves[(value % 2) as usize].add(hash);
                whole.add(hash);
            }
            let [mut first, second] = halves;
            first.merge(&second);
            assert_eq!(first.estimate(), whole.estimate(), "{count}");
            let error = (whole.estimate() as f64 / count as f64 - 1.0).abs();
            assert!(error < if whole.is_exact() { 1e-9 } else { 0.025 }, "{count}: {error}");
        }
    }

    #[test]
    fn frequent_values_are_found_among_many() {
        let mut parts = [Frequent::default(), Frequent::default()];
        for row in 0..100_000_u64 {
            let key = if row % 3 == 0 { b"often".to_vec() } else { row.to_le_bytes().to_vec() };
            parts[(row % 2) as usize].add(&key);
        }
        let [mut first, second] = parts;
        first.merge(&second);
        let (key, count) = first.descending()[0];
        assert_eq!(key, b"often");
        assert!(count <= 33_334 && count + first.lost >= 33_334, "{count} {}", first.lost);
    }
}
