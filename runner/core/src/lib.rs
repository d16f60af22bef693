//! The pure heart of Pawl: workflow model, expressions, plan, run state, decisions, ports.
//!
//! Nothing here does I/O, knows tokio, looks at a clock or reads the environment: everything comes in as a value.

pub mod event;
pub mod expr;
pub mod ids;
pub mod plan;
pub mod ports;
pub mod registry;
pub mod rollout;
