//! The command line. Doc comments are the help texts; `docs/cli.md` is generated from them.

use crate::commands::data::DataCommand;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;

/// CI/CD for machine learning: run workflows in Docker on your own machine, gate models statistically, roll out and back.
#[derive(Debug, Parser)]
#[command(name = "pawl", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a first workflow into this project
    Init(InitArgs),
    /// Check workflows and say everything that is wrong with them
    Check(CheckArgs),
    /// Show exactly what `run` would do
    Plan(RunArgs),
    /// Say for each workflow and job why it would or would not run for an event
    Explain(RunArgs),
    /// Write down which commits the project's actions are, in pawl.lock
    Lock(LockArgs),
    /// Run workflows
    Run(RunArgs),
    /// List runs, newest first
    Runs(RunsArgs),
    /// Show the whole log of a run
    Logs(LogsArgs),
    /// Show a recorded run again as it was
    Replay(ReplayArgs),
    /// List models, their versions and aliases
    Models(ModelsArgs),
    /// Return a service to an earlier revision
    Rollback(RollbackArgs),
    /// Evaluate an expression of the workflow language
    Eval(EvalArgs),
    /// List, explain and run built-in actions
    #[command(subcommand)]
    Actions(ActionsCommand),
    /// Versions of data, and what is true of it
    #[command(subcommand)]
    Data(DataCommand),
    /// Remove images that were built for actions, and with --actions fetched actions and Node
    Prune(PruneArgs),
    /// Check that this machine has what Pawl needs
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// PID 1 of a job's container
    #[command(hide = true)]
    Agent {
        /// Ports that lead to services, `PORT=ADDRESS:PORT`
        forwards: Vec<String>,
    },
    /// PID 1 of a service's container, and its health check
    #[command(hide = true)]
    Service {
        /// What to become
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// A built-in action inside a job's container
    #[command(hide = true)]
    JobAction {
        /// Name after `pawl/`
        name: String,
        /// What comes after the job's steps
        #[arg(long)]
        post: bool,
    },
    /// Answer predictions of a model file over HTTP
    Serve(ServeArgs),
    /// The weighted reverse proxy before a service's revisions
    #[command(hide = true)]
    Proxy(ProxyArgs),
    /// Print the generated reference of a part (used by tests and documentation)
    #[command(hide = true)]
    Reference {
        /// Which part
        part: String,
        /// Which schema
        name: Option<String>,
    },
}

/// Where the store is.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreArgs {
    /// Folder of the store: runs, logs, models, artifacts [default: $XDG_STATE_HOME/pawl or ~/.local/state/pawl]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
}

/// `pawl init`
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Folder of the project
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Write the workflow that does what the project's dvc.yaml says
    #[arg(long)]
    pub(crate) from_dvc: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// How diagnostics are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people: the line with a caret under the place
    Human,
    /// One JSON object
    Json,
    /// A SARIF 2.1.0 log, for code scanning
    Sarif,
    /// Workflow commands, which become annotations in a job on GitHub
    Github,
}

/// `pawl check`
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Workflow files, files or folders of actions [default: the workflows of .pawl/workflows and .github/workflows]
    pub(crate) files: Vec<PathBuf>,
    /// How to print what was found
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: CheckFormat,
    /// The same as --format json
    #[arg(long)]
    pub(crate) json: bool,
    /// Warnings are errors
    #[arg(long)]
    pub(crate) strict: bool,
}

/// `pawl run` and `pawl plan`
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Workflow files [default: those of .pawl/workflows and .github/workflows]
    pub(crate) files: Vec<PathBuf>,
    /// The triggering event [default: workflow_dispatch with --input, else the first of push, workflow_dispatch and the
    /// workflow's own that it listens to]
    #[arg(long, value_name = "NAME")]
    pub(crate) event: Option<String>,
    /// The event's payload, a JSON file; what it does not say is made from the source tree
    #[arg(long, visible_alias = "event-file", value_name = "JSON")]
    pub(crate) event_path: Option<PathBuf>,
    /// The activity of the event, such as `labeled` for pull_request
    #[arg(long = "type", value_name = "ACTIVITY")]
    pub(crate) activity: Option<String>,
    /// The branch or tag that the event is about [default: the checked-out one]
    #[arg(long = "ref", visible_alias = "branch", value_name = "REF")]
    pub(crate) reference: Option<String>,
    /// The branch that a pull request goes to [default: the default branch]
    #[arg(long, value_name = "BRANCH")]
    pub(crate) base: Option<String>,
    /// A path that the event changes; may be repeated [default: what git says]
    #[arg(long, value_name = "PATH")]
    pub(crate) changed: Vec<String>,
    /// The source tree [default: the git work tree around this folder, else this folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// Image for a `runs-on` label; may be repeated
    #[arg(long, value_name = "LABEL=IMAGE")]
    pub(crate) image: Vec<String>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Check out the commit alone, without uncommitted changes and new files
    #[arg(long)]
    pub(crate) clean: bool,
    /// A secret; may be repeated (`--secret K` takes the value of the variable K, `--secret ENVIRONMENT:K=V` is for jobs of that
    /// environment alone, and so in files)
    #[arg(long, value_name = "K=V")]
    pub(crate) secret: Vec<String>,
    /// A file of secrets, K=V lines
    #[arg(long, value_name = "F")]
    pub(crate) secret_file: Vec<PathBuf>,
    /// A configuration variable (`vars`); may be repeated (`--var ENVIRONMENT:K=V` is for jobs of that environment alone)
    #[arg(long, value_name = "K=V")]
    pub(crate) var: Vec<String>,
    /// An environment variable of all jobs (`env`); may be repeated
    #[arg(long, value_name = "K=V")]
    pub(crate) env: Vec<String>,
    /// A file of environment variables, K=V lines
    #[arg(long, value_name = "F")]
    pub(crate) env_file: Vec<PathBuf>,
    /// An input of workflow_dispatch; may be repeated
    #[arg(long, value_name = "K=V")]
    pub(crate) input: Vec<String>,
    /// Only matrix instances with this value; several of one key are alternatives
    #[arg(long, value_name = "K:V")]
    pub(crate) matrix: Vec<String>,
    /// Only this job and those that it needs; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) job: Vec<String>,
    /// Who asks [default: the user]
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// Continue a run whose process died
    #[arg(long, value_name = "RUN", conflicts_with_all = ["files", "event", "event_path", "input", "job", "matrix"])]
    pub(crate) resume: Option<String>,
    /// Most jobs at once [default: one a processor and at least 2, and up to four times as many while processors idle]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Keep the workspaces of a run that failed
    #[arg(long)]
    pub(crate) keep_on_failure: bool,
    /// Show every log line as it comes
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Print one JSON event a line on stdout, nothing else
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// Where actions of other repositories come from.
#[derive(Debug, Clone, Args)]
pub(crate) struct SourceArgs {
    /// A folder or a bare git repository that stands for an action's repository; may be repeated
    #[arg(long, value_name = "OWNER/REPO[@REF]=DIR")]
    pub(crate) action: Vec<String>,
    /// Ask no server for actions: only what pawl.lock names and the store holds
    #[arg(long)]
    pub(crate) offline: bool,
    /// Refuse what pawl.lock does not name instead of adding it
    #[arg(long)]
    pub(crate) locked: bool,
    /// Server of actions, an https, http, ssh or file URL before OWNER/REPO [default: $PAWL_ACTIONS_SERVER or
    /// github.server_url]
    #[arg(long, value_name = "URL")]
    pub(crate) actions_server: Option<String>,
    /// Run `actions/checkout` from its repository, in place of the built-in action that answers it
    #[arg(long)]
    pub(crate) real_actions: bool,
}

/// `pawl lock`
#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// Workflow files [default: those of .pawl/workflows and .github/workflows]
    pub(crate) files: Vec<PathBuf>,
    /// The project's folder, where pawl.lock is [default: the git work tree around this folder, else this folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// Ask anew what the names that are locked mean
    #[arg(long)]
    pub(crate) update: bool,
    /// With --update: only this repository or name; may be repeated
    #[arg(long, value_name = "OWNER/REPO[@REF]", requires = "update")]
    pub(crate) only: Vec<String>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// `pawl runs`
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// Most runs to list
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: u32,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// `pawl logs`
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The run [default: the newest]
    pub(crate) run: Option<String>,
    /// Only this job
    #[arg(long, value_name = "ID")]
    pub(crate) job: Option<String>,
    /// Only this step: its id, or its index from 0
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// Show what steps wrote for their summaries (Markdown) instead of what they printed
    #[arg(long)]
    pub(crate) summary: bool,
    /// Print one JSON event a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// `pawl replay`
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The run [default: the newest]
    pub(crate) run: Option<String>,
    /// Show every log line
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Print one JSON event a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// `pawl models`
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// Only this model, with all its versions
    pub(crate) model: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// `pawl rollback`
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The service
    pub(crate) service: String,
    /// The revision to return to [default: the one before the live one]
    #[arg(long, value_name = "REVISION")]
    pub(crate) to: Option<u64>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Who asks [default: the user]
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// `pawl actions`
#[derive(Debug, Subcommand)]
pub(crate) enum ActionsCommand {
    /// List the built-in actions
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Explain one action: inputs, outputs, where it runs
    Show {
        /// Name, with or without `pawl/`
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Run one action by itself, outside a workflow
    Run(ActionRunArgs),
}

/// `pawl actions run`
#[derive(Debug, Args)]
pub(crate) struct ActionRunArgs {
    /// Name, with or without `pawl/`
    pub(crate) name: String,
    /// An input; may be repeated
    #[arg(long = "with", value_name = "KEY=VALUE")]
    pub(crate) with: Vec<String>,
    /// The folder that the action works in
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) workspace: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// `pawl eval`
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// The expression, without `${{ }}`
    // `-1` and `-Infinity` are expressions, not options.
    #[arg(required_unless_present = "batch", conflicts_with = "batch", allow_hyphen_values = true)]
    pub(crate) expression: Option<String>,
    /// A JSON file whose keys are the contexts
    #[arg(long, value_name = "FILE", conflicts_with = "batch")]
    pub(crate) context: Option<PathBuf>,
    /// Read one {"expr", "contexts"} a line from stdin, and answer one a line
    #[arg(long)]
    pub(crate) batch: bool,
}

/// `pawl prune`
#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Fetched actions and the gathered Node, too: they are fetched again when they are needed
    #[arg(long)]
    pub(crate) actions: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// `pawl doctor`
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// `pawl completions`
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// `pawl serve`
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The model file
    #[arg(long, value_name = "FILE")]
    pub(crate) model: PathBuf,
    /// Address to listen at
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub(crate) host: IpAddr,
    /// Port to listen at
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) port: u16,
}

/// `pawl proxy`
#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    /// Folder with routes and token
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
}

impl Command {
    /// True when stdout is for a program.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Init(args) => args.json,
            Self::Check(args) => args.json || args.format != CheckFormat::Human,
            Self::Explain(args) | Self::Plan(args) | Self::Run(args) => args.json,
            Self::Lock(args) => args.json,
            Self::Prune(args) => args.json,
            Self::Runs(args) => args.json,
            Self::Logs(args) => args.json,
            Self::Replay(args) => args.json,
            Self::Models(args) => args.json,
            Self::Rollback(args) => args.json,
            Self::Actions(ActionsCommand::List { json } | ActionsCommand::Show { json, .. }) => {
                *json
            }
            Self::Actions(ActionsCommand::Run(args)) => args.json,
            Self::Data(command) => command.is_json(),
            Self::Doctor(args) => args.json,
            Self::Completions(_)
            | Self::Eval(_)
            | Self::Agent { .. }
            | Self::Service { .. }
            | Self::JobAction { .. }
            | Self::Serve(_)
            | Self::Proxy(_)
            | Self::Reference { .. } => false,
        }
    }
}
