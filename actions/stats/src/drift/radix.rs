//! Sorting many numbers by their digits, several times as fast as by comparing them.

/// Bits of a digit: its counts stay in the nearest cache.
const BITS: usize = 11;
const BUCKETS: usize = 1 << BITS;
/// The digits that are sorted by: the upper 31 bits, in which few numbers are alike. Those are then sorted by comparing.
const PASSES: std::ops::Range<usize> = 3..6;
/// Fewer numbers are sorted by comparing.
const FEW: usize = 2048;

/// Sorts in the total order of f64, which for numbers without minus zero and NaN is the usual one.
pub fn sort(values: &mut Vec<f64>) {
    if values.len() < FEW {
        values.sort_unstable_by(f64::total_cmp);
        return;
    }
    let mut keys: Vec<u64> = values.iter().map(|value| key(*value)).collect();
    let mut spare = vec![0; keys.len()];
    let counts = count(&keys);
    for (pass, counts) in PASSES.zip(&counts) {
        // All numbers may have the same exponent: there is then nothing to move.
        if counts.contains(&keys.len()) {
            continue;
        }
        let mut next = 0;
        let mut places = counts.map(|count| {
            next += count;
            next - count
        });
        for key in &keys {
            let place = &mut places[digit(*key, pass)];
            spare[*place] = *key;
            *place += 1;
        }
        std::mem::swap(&mut keys, &mut spare);
    }
    let lowest = PASSES.start * BITS;
    for alike in keys.chunk_by_mut(|a, b| a >> lowest == b >> lowest) {
        alike.sort_unstable();
    }
    values.clear();
    values.extend(keys.into_iter().map(value));
}

fn count(keys: &[u64]) -> [[usize; BUCKETS]; 3] {
    let mut counts = [[0; BUCKETS]; 3];
    for key in keys {
        for (pass, counts) in PASSES.zip(counts.iter_mut()) {
            counts[digit(*key, pass)] += 1;
        }
    }
    counts
}

fn digit(key: u64, pass: usize) -> usize {
    (key >> (pass * BITS)) as usize & (BUCKETS - 1)
}

/// Bits whose order as a whole number is that of the number.
fn key(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn value(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::sort;
    use crate::random::Lcg;

    #[test]
    fn many_numbers_come_out_as_by_comparing() {
        let mut random = Lcg::new(5);
        for scale in [1.0, 1e-300, 1e300] {
            let mut values: Vec<f64> = (0..5_000)
                .map(|_| ((random.uniform() - 0.5) * 1e4).round() / 7.0 * scale)
                .chain([f64::INFINITY, f64::NEG_INFINITY, 0.0])
                .collect();
            let mut expected = values.clone();
            expected.sort_unstable_by(f64::total_cmp);
            sort(&mut values);
            assert!(values.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()));
            assert_eq!(values.len(), expected.len());
        }
        let mut equal = vec![1.5; 3_000];
        sort(&mut equal);
        assert!(equal.iter().all(|value| value.to_bits() == 1.5f64.to_bits()));
    }
}
