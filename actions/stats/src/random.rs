//! The one random generator of this crate: small enough to repeat in any language, so that a bootstrap can be
//! reproduced outside.

/// Knuth's MMIX linear congruential generator; only its top 53 bits are used. Good enough for resampling,
/// never for secrets.
#[derive(Clone, Debug)]
pub struct Lcg(u64);

impl Lcg {
    /// A generator whose sequence is fixed by `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn step(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 11
    }

    /// The next number in `[0, 1)`, a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        self.step() as f64 / (1u64 << 53) as f64
    }

    /// The next index below `n`: `floor(uniform * n)`. `n` must be positive.
    pub fn index(&mut self, n: usize) -> usize {
        // A product can round up to n itself only beyond 2^52 rows; min keeps the promise anyway.
        ((self.uniform() * n as f64) as usize).min(n - 1)
    }
}
