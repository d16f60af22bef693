//! Pure f64 statistics: tests, intervals and power for comparing two models on the same rows, and the decision
//! a gate makes of them.
//!
//! Nothing here does I/O, reads a clock or draws entropy: every result is a function of its arguments, and what
//! is random takes a seed. Differences are candidate minus baseline throughout. Results are checked against
//! scipy, statsmodels and mpmath.

pub mod area_bounds;
pub mod auc;
pub mod binomial;
pub mod bootstrap;
pub mod calibration;
pub mod correlation;
pub mod cross_validation;
pub mod descriptive;
pub mod drift;
pub mod gate;
#[cfg(test)]
mod golden;
pub mod latency;
pub mod loss;
pub mod multiplicity;
pub mod normal;
pub mod outcome;
pub mod paired_mean;
pub mod power;
pub mod predictive_power;
pub mod proportion_bounds;
pub mod proportions;
pub mod random;
pub mod roots;
pub mod sequential;
pub mod sign_flip;
pub mod student;
pub mod tango;
pub mod wilcoxon;
