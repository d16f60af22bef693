//! The first Wasserstein distance of two samples, and the deviation that it is divided by.

/// A sum that carries the digits which each addition loses (Neumaier 1974).
#[derive(Debug, Clone, Copy, Default)]
struct Compensated {
    sum: f64,
    lost: f64,
}

impl Compensated {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() {
            (self.sum - sum) + value
        } else {
            (value - sum) + self.sum
        };
        self.sum = sum;
    }

    fn value(self) -> f64 {
        // Beyond the largest number the rest is NaN, and says nothing.
        if self.sum.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

/// Standard deviation with divisor `n`, by two passes; NaN where a value is infinite.
pub fn deviation(values: &[f64]) -> f64 {
    variance(values).sqrt()
}

/// [`deviation`] as it comes out for numbers that are stored with 32 bits: the variance rounded to that, and its root too.
pub fn deviation_single(values: &[f64]) -> f64 {
    f64::from((variance(values) as f32).sqrt())
}

fn variance(values: &[f64]) -> f64 {
    let mean = sum(values.iter().copied()) / values.len() as f64;
    sum(values.iter().map(|value| (mean - value) * (mean - value))) / values.len() as f64
}

fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut total = Compensated::default();
    values.for_each(|value| total.add(value));
    total.value()
}

/// The area between the two distribution functions. Both samples sorted, neither empty, no NaN.
pub fn distance(reference: &[f64], current: &[f64]) -> f64 {
    let (n, m) = (reference.len() as f64, current.len() as f64);
    let (mut i, mut j) = (0, 0);
    let mut area = Compensated::default();
    let mut last = reference[0].min(current[0]);
    loop {
        let next = match (reference.get(i), current.get(j)) {
            (Some(a), Some(b)) => a.min(*b),
            (Some(a), None) => *a,
            (None, Some(b)) => *b,
            (None, None) => return area.value(),
        };
        if next != last {
            area.add((i as f64 / n - j as f64 / m).abs() * (next - last));
        }
        while reference.get(i) == Some(&next) {
            i += 1;
        }
        while current.get(j) == Some(&next) {
            j += 1;
        }
        last = next;
    }
}

/// The distance in deviations of the reference, which count as at least 0.001.
pub fn normed(distance: f64, deviation: f64) -> f64 {
    // A NaN deviation stays NaN: f64::max would hide it.
    let norm = if deviation < 0.001 { 0.001 } else { deviation };
    distance / norm
}
