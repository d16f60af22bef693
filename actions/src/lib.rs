//! Built-in actions: one folder each beside `src/`, with its `action.yml`, code and README.
//!
//! `action` says what an action is, `registry` lists them, `workspace` is how they touch a job's files, `model` is
//! the model file.

pub mod action;
mod dataset;
pub mod model;
pub mod reference;
pub mod registry;
pub mod serving;
mod versions;
pub mod workspace;

#[path = "../baseline/mod.rs"]
pub mod baseline;
#[path = "../build/mod.rs"]
pub mod build;
#[path = "../cache/mod.rs"]
pub mod cache;
#[path = "../checkout/mod.rs"]
pub mod checkout;
#[path = "../deploy/mod.rs"]
pub mod deploy;
#[path = "../download/mod.rs"]
pub mod download;
#[path = "../drift/mod.rs"]
pub mod drift;
#[path = "../dvc-pull/mod.rs"]
pub mod dvc_pull;
#[path = "../dvc-push/mod.rs"]
pub mod dvc_push;
#[path = "../dvc-repro/mod.rs"]
pub mod dvc_repro;
#[path = "../evaluate/mod.rs"]
pub mod evaluate;
#[path = "../gate/mod.rs"]
pub mod gate;
#[path = "../report/mod.rs"]
pub mod report;
#[path = "../rollback/mod.rs"]
pub mod rollback;
#[path = "../split/mod.rs"]
pub mod split;
#[path = "../train/mod.rs"]
pub mod train;
#[path = "../upload/mod.rs"]
pub mod upload;
#[path = "../validate/mod.rs"]
pub mod validate;

#[cfg(test)]
pub(crate) mod testing;
