//! Distances and tests between a reference sample and a current one, by the exact formulas of the tools that people
//! compare with: scipy's Kolmogorov-Smirnov and chi-square tests, numpy's Sturges bins, and the zero fills, zero
//! rules and norms around them.
//!
//! Whatever is a distribution comes as counts or shares in one order for both sides; whatever is a sample comes
//! sorted. What a column's type is, and which method it gets, is decided elsewhere.

pub mod bins;
pub mod chi_square;
pub mod concept;
pub mod divergence;
pub mod effect_size;
pub mod interval;
pub mod kolmogorov;
pub mod ks;
pub mod radix;
pub mod saddle;
pub mod two_values;
pub mod unlabelled;
pub mod wasserstein;

#[cfg(test)]
mod tests;
