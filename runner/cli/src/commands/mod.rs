//! One file a subcommand.

pub(crate) mod actions;
pub(crate) mod agent;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod job_action;
pub(crate) mod lock;
pub(crate) mod logs;
pub(crate) mod models;
pub(crate) mod plan;
pub(crate) mod proxy;
pub(crate) mod prune;
pub(crate) mod reference;
pub(crate) mod replay;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod serve;
