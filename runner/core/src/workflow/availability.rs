//! Which contexts and special functions an expression may use at which key: GitHub's own table, from its published
//! workflow schema.

/// Names in the form that `expr::Names::listed` takes.
pub type Allowed = &'static [&'static str];

/// No expression at all.
pub const NOTHING: Allowed = &[];
/// `run-name`, `concurrency`, defaults of called inputs.
pub const RUN: Allowed = &["github", "inputs", "vars"];
/// `env` of the workflow.
pub const WORKFLOW_ENV: Allowed = &["github", "inputs", "vars", "secrets"];
/// `on.workflow_call.outputs`
pub const CALL_OUTPUT: Allowed = &["github", "inputs", "vars", "jobs"];
/// `strategy` of a job.
pub const STRATEGY: Allowed = &["github", "inputs", "vars", "needs"];
/// `if` of a job.
pub const JOB_IF: Allowed = &[
    "github",
    "inputs",
    "vars",
    "needs",
    "always(0,0)",
    "failure(0,MAX)",
    "cancelled(0,0)",
    "success(0,MAX)",
];
/// `name`, `runs-on`, `timeout-minutes`, `container`, `environment` of a job and the like.
pub const JOB: Allowed = &["github", "inputs", "vars", "needs", "strategy", "matrix"];
/// `secrets` of a job that calls a workflow.
pub const CALL_SECRETS: Allowed =
    &["github", "inputs", "vars", "needs", "secrets", "strategy", "matrix"];
/// `environment.url` of a job: known once its steps are over.
pub const ENVIRONMENT_URL: Allowed =
    &["github", "inputs", "vars", "needs", "strategy", "matrix", "steps", "job", "runner", "env"];
/// `env` of a job.
pub const JOB_ENV: Allowed =
    &["github", "inputs", "vars", "needs", "strategy", "matrix", "secrets"];
/// `defaults.run` of a job.
pub const JOB_DEFAULTS: Allowed =
    &["github", "inputs", "vars", "strategy", "matrix", "needs", "env"];
/// `container.env`, `container.credentials`, `outputs` of a job.
pub const RUNNER: Allowed = &[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "steps", "job", "runner",
    "env",
];
/// `snapshot.if`
pub const SNAPSHOT_IF: Allowed = &[
    "github",
    "inputs",
    "vars",
    "needs",
    "strategy",
    "matrix",
    "always(0,0)",
    "failure(0,0)",
    "cancelled(0,0)",
    "success(0,0)",
];
/// `container.credentials`
pub const CREDENTIALS: Allowed = &["github", "inputs", "vars", "secrets", "env"];
/// Everything in a step but `if`.
pub const STEP: Allowed = &[
    "github",
    "inputs",
    "vars",
    "needs",
    "strategy",
    "matrix",
    "secrets",
    "steps",
    "job",
    "runner",
    "env",
    "hashFiles(1,255)",
];
/// `if` of a step.
pub const STEP_IF: Allowed = &[
    "github",
    "inputs",
    "vars",
    "needs",
    "strategy",
    "matrix",
    "steps",
    "job",
    "runner",
    "env",
    "always(0,0)",
    "failure(0,0)",
    "cancelled(0,0)",
    "success(0,0)",
    "hashFiles(1,255)",
];
/// Everything in a step of a composite action but `if`.
pub const COMPOSITE_STEP: Allowed = &[
    "github",
    "inputs",
    "strategy",
    "matrix",
    "steps",
    "job",
    "runner",
    "env",
    "hashFiles(1,255)",
];
/// `if` of a step of a composite action.
pub const COMPOSITE_STEP_IF: Allowed = &[
    "github",
    "inputs",
    "strategy",
    "matrix",
    "steps",
    "job",
    "runner",
    "env",
    "always(0,0)",
    "failure(0,0)",
    "cancelled(0,0)",
    "success(0,0)",
    "hashFiles(1,255)",
];
/// `outputs` of a composite action.
pub const COMPOSITE_OUTPUT: Allowed =
    &["github", "strategy", "matrix", "steps", "inputs", "job", "runner", "env"];
/// Defaults of the inputs of an action.
pub const ACTION_DEFAULT: Allowed =
    &["github", "strategy", "matrix", "job", "runner", "hashFiles(1,255)"];
/// `args` and `env` of an action in a container.
pub const CONTAINER_ACTION: Allowed =
    &["github", "inputs", "strategy", "matrix", "job", "runner", "env"];
/// `pre-if` and `post-if` of an action.
pub const RUNS_IF: Allowed = &[
    "github",
    "inputs",
    "strategy",
    "matrix",
    "job",
    "runner",
    "env",
    "steps",
    "needs",
    "always(0,0)",
    "failure(0,0)",
    "cancelled(0,0)",
    "success(0,0)",
    "hashFiles(1,255)",
];
