//! `pawl agent`

use std::process::ExitCode;

/// Runs as PID 1 of a job's container until the runner lets go.
pub(crate) fn run() -> ExitCode {
    pawl_executors::agent::run_agent()
}
