//! The list of built-in actions: one line each.

use crate::action::{JobAction, Manifest, RunnerAction};

/// One built-in action.
#[derive(Clone, Copy)]
pub enum Builtin {
    /// Runs inside the job's sandbox.
    Job(&'static dyn JobAction),
    /// Runs in the runner's process.
    Runner(&'static dyn RunnerAction),
}

impl Builtin {
    /// Its `action.yml`.
    pub fn manifest(&self) -> &'static Manifest {
        match self {
            Self::Job(action) => action.manifest(),
            Self::Runner(action) => action.manifest(),
        }
    }
}

/// Every built-in action, in the order in which a pipeline uses them.
static BUILTINS: &[Builtin] = &[
    Builtin::Runner(&crate::checkout::Checkout),
    Builtin::Job(&crate::dvc_pull::DvcPull),
    Builtin::Job(&crate::dvc_repro::DvcRepro),
    Builtin::Job(&crate::dvc_push::DvcPush),
    Builtin::Job(&crate::validate::Validate),
    Builtin::Job(&crate::drift::Drift),
    Builtin::Job(&crate::split::Split),
    Builtin::Job(&crate::train::Train),
    Builtin::Runner(&crate::baseline::Baseline),
    Builtin::Job(&crate::evaluate::Evaluate),
    Builtin::Runner(&crate::gate::Gate),
    Builtin::Runner(&crate::report::Report),
    Builtin::Runner(&crate::upload::Upload),
    Builtin::Runner(&crate::download::Download),
    Builtin::Job(&crate::cache::Cache),
    Builtin::Job(&crate::cache::CacheRestore),
    Builtin::Job(&crate::cache::CacheSave),
    Builtin::Runner(&crate::build::Build),
    Builtin::Runner(&crate::deploy::Deploy),
    Builtin::Runner(&crate::rollback::Rollback),
];

/// All built-in actions.
pub fn all() -> &'static [Builtin] {
    BUILTINS
}

/// Finds an action by its name after `pawl/`.
pub fn find(name: &str) -> Option<Builtin> {
    BUILTINS.iter().find(|action| action.manifest().name == name).copied()
}
