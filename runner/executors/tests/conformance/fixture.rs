//! `pawl agent` without the rest of pawl. Any other arguments are printed, one a line: the suite's stand-in for a
//! built-in action.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args == ["agent"] {
        return pawl_executors::agent::run_agent();
    }
    let mut out = std::io::stdout();
    match args.iter().try_for_each(|arg| writeln!(out, "{arg}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
