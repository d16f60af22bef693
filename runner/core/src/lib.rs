//! The pure heart of Pawl: workflow model, expressions, plan, run state, decisions, ports.
//!
//! Nothing here does I/O, knows tokio, looks at a clock or reads the environment: everything comes in as a value.

pub mod call;
mod calling;
pub mod check;
pub mod commands;
pub mod config;
pub mod container;
pub mod contexts;
pub mod decide;
pub mod diagnostic;
mod environment;
pub mod event;
pub mod explain;
pub mod expr;
pub mod file_patterns;
pub mod finish;
pub mod github;
pub mod glob;
pub mod group;
pub mod ids;
mod late;
pub mod lock;
pub mod matcher;
pub mod matrix;
pub mod memo;
pub mod payload;
pub mod permissions;
pub mod plan;
pub mod planner;
pub mod ports;
pub mod quantity;
pub mod registry;
pub mod resolve;
pub mod rollout;
mod sandbox;
mod shells;
pub mod span;
pub mod state;
pub mod tree;
pub mod trigger;
pub mod workflow;
pub mod yaml;
