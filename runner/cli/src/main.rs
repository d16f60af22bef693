//! The pawl binary: the command line and the composition root.

mod args;
mod calls;
mod catalog;
mod commands;
mod compose;
mod configuration;
mod error;
mod files;
mod git;
mod lazy;
mod order;
mod output;
mod reaper;
mod reproduce;
mod settings;
mod signals;
mod sources;
mod store;

use args::{Cli, Command};
use clap::Parser;
use error::CommandError;
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let command = match cli.command {
        // PID 1 of a container: no runtime, no logging, nothing that it does not need.
        Command::Agent { forwards } => return commands::agent::run(&forwards),
        Command::Service { words } => return commands::agent::serve(words),
        command => command,
    };
    start_logging();
    let is_json = command.is_json();
    let outcome = match runtime() {
        Ok(runtime) => runtime.block_on(Box::pin(dispatch(command))),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error, is_json);
            error.exit_code()
        }
    }
}

/// A command line that cannot be understood, or a wish for help. What was meant by it is not known, but a program that asked
/// for JSON gets its event.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") {
        let text = error.render().to_string();
        let said = text.trim_start_matches("error: ");
        let (message, rest) = said.split_once("\n\n").unwrap_or((said.trim_end(), ""));
        let event = CommandError::input(message, rest.trim()).to_json();
        drop(output::print(&event.to_string()));
    }
    drop(error.print());
    // 2 is also clap's own code for what it refuses.
    if error.use_stderr() { ExitCode::from(error::Class::Input.code()) } else { ExitCode::SUCCESS }
}

fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        CommandError::environment(format!("cannot start: {error}"), "raise the limit of threads")
    })
}

/// `PAWL_LOG=debug` shows what happens inside, on stderr.
fn start_logging() {
    let filter = EnvFilter::try_from_env("PAWL_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(output::wants_color(std::io::stderr().is_terminal()))
        .without_time()
        .init();
}

fn report(error: &CommandError, is_json: bool) {
    if error.message.is_empty() {
        return;
    }
    if is_json {
        drop(output::print(&error.to_json().to_string()));
    }
    output::print_error(&error.to_string());
}

async fn dispatch(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Init(args) => commands::init::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Plan(args) => commands::plan::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Lock(args) => commands::lock::run(&args),
        Command::Run(args) => commands::run::run(&args).await,
        Command::Runs(args) => commands::runs::run(&args).await,
        Command::Logs(args) => commands::logs::run(&args).await,
        Command::Replay(args) => commands::replay::run(&args).await,
        Command::Models(args) => commands::models::run(&args).await,
        Command::Rollback(args) => commands::rollback::run(&args).await,
        Command::Eval(args) => commands::eval::run(&args),
        Command::Actions(command) => commands::actions::run(&command).await,
        Command::Data(command) => commands::data::run(&command).await,
        Command::Prune(args) => commands::prune::run(&args).await,
        Command::Doctor(args) => commands::doctor::run(&args).await,
        Command::Completions(args) => commands::completions::run(&args),
        Command::Agent { .. } | Command::Service { .. } => {
            Err(CommandError::internal("a first process has no runtime"))
        }
        Command::JobAction { name, post } => commands::job_action::run(&name, post),
        Command::Serve(args) => commands::serve::run(&args).await,
        Command::Proxy(args) => commands::proxy::run(&args).await,
        Command::Reference { part, name } => commands::reference::run(&part, name.as_deref()),
    }
}
