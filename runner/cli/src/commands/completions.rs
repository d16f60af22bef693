//! `pawl completions`

use crate::args::{Cli, CompletionsArgs};
use crate::error::CommandError;
use crate::output::print;
use clap::CommandFactory;

/// Prints a completion script.
pub(crate) fn run(args: &CompletionsArgs) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pawl", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())
}
