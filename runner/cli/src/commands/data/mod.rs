//! `pawl data`: one file a subcommand, with its options.

mod add;
mod bar;
mod diff;
mod drift;
mod gc;
mod history;
mod infer;
mod init;
mod profile;
mod pull;
mod push;
mod reference;
mod repro;
mod serve;
mod status;
mod table;
mod validate;

use crate::error::CommandError;
use clap::Subcommand;
use pawl_versions::{Repository, Surroundings, VersionError};
use std::path::Path;

/// `pawl data`
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Begin versions of data in a git repository, in DVC's own formats
    Init(init::InitArgs),
    /// Check data against a contract (Open Data Contract Standard)
    Validate(validate::ValidateArgs),
    /// Make versions of files and folders
    Add(add::AddArgs),
    /// Send the objects of versions to a remote
    Push(push::PushArgs),
    /// Bring versions from a remote, verified, and put their files in place
    Pull(pull::PullArgs),
    /// Put the files of versions in place from the cache
    Checkout(pull::CheckoutArgs),
    /// Compare versions with the files in place; ends with 1 when they differ
    Status(status::StatusArgs),
    /// Draft a contract from data
    Infer(infer::InferArgs),
    /// Say what each column of a table holds
    Profile(profile::ProfileArgs),
    /// Compare versions of two commits, or of one and the files in place; or two contracts or profiles, and say what was loosened
    Diff(diff::DiffArgs),
    /// Say which stages of dvc.yaml would run, and why; ends with 1 when one would
    Repro(repro::ReproArgs),
    /// List the commits that changed versions
    Log(history::LogArgs),
    /// Remove objects that nothing refers to from the cache
    Gc(gc::GcArgs),
    /// Be a remote: DVC and Pawl read objects over HTTP, and write them with a token
    Serve(serve::ServeArgs),
    /// Say whether data has drifted away from a reference, column by column
    Drift(drift::DriftArgs),
}

impl DataCommand {
    /// True when stdout is for a program.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Init(args) => args.json,
            Self::Validate(args) => args.json,
            Self::Add(args) => args.json,
            Self::Push(args) => args.json,
            Self::Pull(args) => args.json,
            Self::Checkout(args) => args.json,
            Self::Status(args) => args.json,
            Self::Infer(args) => args.json,
            Self::Profile(args) => args.json,
            Self::Diff(args) => args.json,
            Self::Repro(args) => args.json,
            Self::Log(args) => args.json,
            Self::Gc(args) => args.json,
            Self::Serve(args) => args.json,
            Self::Drift(args) => args.json,
        }
    }
}

/// Runs one subcommand.
pub(crate) async fn run(command: &DataCommand) -> Result<(), CommandError> {
    match command {
        DataCommand::Init(args) => init::run(args),
        DataCommand::Validate(args) => validate::run(args),
        DataCommand::Add(args) => add::run(args),
        DataCommand::Push(args) => push::run(args).await,
        DataCommand::Pull(args) => pull::run(args).await,
        DataCommand::Checkout(args) => pull::checkout(args),
        DataCommand::Status(args) => status::run(args).await,
        DataCommand::Infer(args) => infer::run(args),
        DataCommand::Profile(args) => profile::run(args),
        DataCommand::Diff(args) => diff::run(args),
        DataCommand::Repro(args) => repro::run(args),
        DataCommand::Log(args) => history::log(args),
        DataCommand::Gc(args) => gc::run(args),
        DataCommand::Serve(args) => serve::run(args).await,
        DataCommand::Drift(args) => drift::run(args),
    }
}

/// The repository around this folder, with the settings of system and user.
fn repository() -> Result<Repository, CommandError> {
    repository_in(Path::new("."))
}

/// The one around another folder.
pub(super) fn repository_in(folder: &Path) -> Result<Repository, CommandError> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let surroundings = Surroundings::of(variables.collect());
    Ok(Repository::open(folder, surroundings)?)
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
