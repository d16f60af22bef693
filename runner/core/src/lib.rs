//! The pure heart of Pawl: workflow model, expressions, plan, run state, decisions, ports.
//!
//! Nothing here does I/O, knows tokio, looks at a clock or reads the environment: everything comes in as a value.

pub mod check;
pub mod commands;
pub mod config;
pub mod container;
pub mod contexts;
pub mod decide;
pub mod diagnostic;
pub mod event;
pub mod expr;
pub mod file_patterns;
pub mod finish;
pub mod glob;
pub mod ids;
pub mod matcher;
pub mod matrix;
pub mod plan;
pub mod planner;
pub mod ports;
pub mod quantity;
pub mod registry;
pub mod resolve;
pub mod rollout;
mod shells;
pub mod span;
pub mod state;
pub mod trigger;
pub mod workflow;
pub mod yaml;
