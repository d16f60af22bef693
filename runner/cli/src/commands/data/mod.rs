//! `pawl data`: one file a subcommand, with its options.

mod init;
mod table;
mod validate;

use crate::error::CommandError;
use clap::Subcommand;
use pawl_versions::VersionError;

/// `pawl data`
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Begin versions of data in a git repository, in DVC's own formats
    Init(init::InitArgs),
    /// Check data against a contract (Open Data Contract Standard)
    Validate(validate::ValidateArgs),
}

impl DataCommand {
    /// True when stdout is for a program.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Init(args) => args.json,
            Self::Validate(args) => args.json,
        }
    }
}

/// Runs one subcommand.
pub(crate) async fn run(command: &DataCommand) -> Result<(), CommandError> {
    match command {
        DataCommand::Init(args) => init::run(args),
        DataCommand::Validate(args) => validate::run(args),
    }
}

/// A command of versions that did not do its work.
impl From<VersionError> for CommandError {
    fn from(error: VersionError) -> Self {
        match error.is_input() {
            true => Self::input(&error, error.hint()),
            false => Self::environment(&error, error.hint()),
        }
    }
}
