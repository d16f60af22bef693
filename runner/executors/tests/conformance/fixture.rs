//! `pawl agent` without the rest of pawl. Any other arguments are printed, one a line: the suite's stand-in for a
//! built-in action.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_first() {
        Some((first, forwards)) if first == "agent" => {
            return pawl_executors::agent::run_agent(forwards);
        }
        Some((first, words)) if first == "service" => {
            return pawl_executors::agent::service::run_service(words.to_vec());
        }
        _ => {}
    }
    let mut out = std::io::stdout();
    match args.iter().try_for_each(|arg| writeln!(out, "{arg}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
