//! `pawl agent`

use std::process::ExitCode;

/// Runs as PID 1 of a job's container until the runner lets go.
pub(crate) fn run(forwards: &[String]) -> ExitCode {
    pawl_executors::agent::run_agent(forwards)
}

/// `pawl service`: becomes a service's own program.
pub(crate) fn serve(words: Vec<String>) -> ExitCode {
    pawl_executors::agent::service::run_service(words)
}
