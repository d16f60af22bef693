//! Bins of equal width by Sturges' rule, to the last bit as numpy lays them.

/// How the values that are binned are stored, which decides how the edges come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// 64-bit floats.
    Double,
    /// 32-bit floats: edges are computed and rounded in 32 bits.
    Single,
    /// Whole numbers: no bin is narrower than 1.
    Whole,
}

/// What is to be binned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Smallest value.
    pub low: f64,
    /// Largest value.
    pub high: f64,
    /// `high - low`, which is exact for whole numbers even where `low` and `high` are rounded.
    pub width: f64,
    /// How many values.
    pub count: u64,
    /// How they are stored.
    pub storage: Storage,
}

/// Why there are no bins.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum BinError {
    /// An infinite end, or ends whose difference is.
    #[error("ranges from {0} to {1}, which is too wide for bins")]
    TooWide(f64, f64),
    /// Neighbouring edges are one number.
    #[error("ranges from {0} to {1}, which is too narrow for {2} bins")]
    TooNarrow(f64, f64, usize),
}

/// The edges of the bins, one more than there are bins. A bin holds its left edge; the last one holds both.
///
/// # Errors
/// When the span is not finite, or so narrow that edges coincide.
pub fn sturges(span: &Span) -> Result<Vec<f64>, BinError> {
    let (low, high, range) = if span.low == span.high {
        (span.low - 0.5, span.high + 0.5, 1.0)
    } else {
        (span.low, span.high, span.width)
    };
    if !low.is_finite() || !high.is_finite() || !range.is_finite() {
        return Err(BinError::TooWide(span.low, span.high));
    }
    // The rule divides the width of the values, which is 0 where all are one value; the range is then 1.
    let mut width = span.width / ((span.count as f64).log2() + 1.0);
    if span.storage == Storage::Whole && width < 1.0 {
        width = 1.0;
    }
    let bins = if width > 0.0 { (range / width).ceil() } else { 1.0 };
    edges(low, high, bins as usize, span.storage == Storage::Single)
}

/// `bins` bins of equal width between two ends, as numpy's `linspace` has them.
///
/// # Errors
/// When edges coincide.
pub fn edges(low: f64, high: f64, bins: usize, single: bool) -> Result<Vec<f64>, BinError> {
    let mut edges: Vec<f64> = if single {
        let (start, step) = (low as f32, (high as f32 - low as f32) / bins as f32);
        (0..=bins).map(|i| f64::from(i as f32 * step + start)).collect()
    } else {
        let step = (high - low) / bins as f64;
        (0..=bins).map(|i| i as f64 * step + low).collect()
    };
    edges[bins] = high;
    if !edges.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(BinError::TooNarrow(low, high, bins));
    }
    Ok(edges)
}

/// How many values are in each bin; what lies outside is in none.
pub fn counts(values: impl Iterator<Item = f64>, edges: &[f64]) -> Vec<u64> {
    let bins = edges.len() - 1;
    let (low, high) = (edges[0], edges[bins]);
    let scale = bins as f64 / (high - low);
    let mut counts = vec![0; bins];
    for value in values.filter(|value| *value >= low && *value <= high) {
        // A guess that is at most one bin off for evenly spaced edges; the edges themselves decide.
        let mut bin = (((value - low) * scale) as usize).min(bins - 1);
        while value < edges[bin] {
            bin -= 1;
        }
        while bin + 1 < bins && value >= edges[bin + 1] {
            bin += 1;
        }
        counts[bin] += 1;
    }
    counts
}
