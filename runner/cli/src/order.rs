//! From the command line to plans: reading files, asking git, choosing the workflows that listen.

use crate::args::RunArgs;
use crate::catalog;
use crate::configuration;
use crate::error::{Class, CommandError};
use crate::files;
use crate::git;
use crate::output::{print, print_error};
use crate::settings::{actor, environment, pairs, secrets};
use crate::sources::ProjectSources;
use indexmap::IndexMap;
use pawl_core::config::Config;
use pawl_core::contexts::Secrets;
use pawl_core::diagnostic::{self, Diagnostic};
use pawl_core::explain::{WorkflowExplanation, explain};
use pawl_core::payload::inferred;
use pawl_core::plan::Plan;
use pawl_core::planner::{PlanOptions, called_workflows, plan_with_warnings};
use pawl_core::trigger::{TriggerEvent, matches};
use pawl_core::workflow::{Workflow, parse};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// Label of the empty image that built-in actions need no more than, and the executor's word for it.
pub(crate) const EMPTY_IMAGE: (&str, &str) = ("pawl", "scratch");

/// What the command line asks for.
pub(crate) struct Order {
    /// Plans, each of one workflow that listens to the event.
    pub(crate) plans: Vec<Plan>,
    /// The event's name.
    pub(crate) event: String,
    /// Who asks.
    pub(crate) actor: String,
    /// Values of secrets.
    pub(crate) secrets: Secrets,
    /// What the configuration files say.
    pub(crate) config: Config,
}

/// One workflow file, read and parsed.
struct Source {
    path: String,
    text: String,
    workflow: Workflow,
}

/// Reads, parses, chooses and plans. Warnings are shown on stderr and change nothing.
///
/// # Errors
/// Everything that is wrong with the input, all diagnostics at once.
pub(crate) fn read(args: &RunArgs) -> Result<Order, CommandError> {
    let folder = source_folder(args)?;
    let sources = parsed(args, &folder)?;
    let secrets = secrets(&args.secret_file, &args.secret)?;
    let event = event(args, &folder, &sources)?;
    let chosen = listening(&sources, &event)?;
    let config = configuration::load(Some(&folder))?.config;
    let options = options(args, &secrets, &config)?;
    let mut plans = Vec::new();
    let mut sources = ProjectSources::open(&args.source, &args.store, &folder)?;
    for source in chosen {
        plans.push(planned(args, source, &event, options.clone(), &mut sources)?);
    }
    sources.save()?;
    Ok(Order { plans, event: event.name, actor: event.actor, secrets: Secrets(secrets), config })
}

/// What each workflow would do for the event, and the event's name.
///
/// # Errors
/// Files that cannot be read, workflows that are faulty.
pub(crate) fn explanations(
    args: &RunArgs,
) -> Result<(String, Vec<WorkflowExplanation>), CommandError> {
    let folder = source_folder(args)?;
    let sources = parsed(args, &folder)?;
    let event = event(args, &folder, &sources)?;
    let vars = pairs("--var", &args.var)?;
    let one = |source: &Source| explain(&source.workflow, &event, &vars);
    Ok((event.name.clone(), sources.iter().map(one).collect()))
}

/// The source tree: the named folder, else the top of the git work tree around the current one.
pub(crate) fn source_folder(args: &RunArgs) -> Result<PathBuf, CommandError> {
    let found = match &args.workspace {
        Some(named) => named.clone(),
        None => git::top(Path::new(".")).unwrap_or_else(|| PathBuf::from(".")),
    };
    let folder = found.canonicalize().map_err(|error| {
        CommandError::input(
            format!("--workspace {}: {error}", found.display()),
            "name a folder that is there",
        )
    })?;
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(CommandError::input(
            format!("--workspace {}: not a folder", found.display()),
            "name a folder that is there",
        )),
    }
}

fn parsed(args: &RunArgs, folder: &Path) -> Result<Vec<Source>, CommandError> {
    let mut sources = Vec::new();
    let mut found: Vec<(Vec<Diagnostic>, String)> = Vec::new();
    for path in files::workflows(&args.files, Some(folder))? {
        let text = files::read(&path)?;
        let path = path.display().to_string();
        let (workflow, diagnostics) = parse(&path, &text);
        found.push((diagnostics, text.clone()));
        sources.extend(workflow.map(|workflow| Source { path, text, workflow }));
    }
    refuse(args, &found)?;
    Ok(sources)
}

/// Shows what was found; an error among it ends the command.
fn refuse(args: &RunArgs, found: &[(Vec<Diagnostic>, String)]) -> Result<(), CommandError> {
    let all: Vec<Diagnostic> =
        found.iter().flat_map(|(diagnostics, _)| diagnostics.clone()).collect();
    if all.is_empty() {
        return Ok(());
    }
    for (diagnostics, text) in found {
        print_error(diagnostic::render(diagnostics, text).trim_end());
    }
    if !all.iter().any(Diagnostic::is_error) {
        return Ok(());
    }
    if args.json {
        print(&refusal(&all).to_string())?;
    }
    Err(CommandError { class: Class::Input, message: String::new(), hint: String::new() })
}

/// The event that stands for faulty workflows: as for any other error, and all diagnostics.
fn refusal(all: &[Diagnostic]) -> Json {
    let errors: Vec<&Diagnostic> = all.iter().filter(|found| found.is_error()).collect();
    let (message, hint) = errors.first().map_or((String::new(), ""), |first| {
        let place = format!("{}:{}:{}", first.file, first.line, first.column);
        let more = match errors.len() - 1 {
            0 => String::new(),
            1 => " (and one error more)".to_owned(),
            more => format!(" (and {more} errors more)"),
        };
        (format!("{place}: {}{more}", first.message), first.help.as_deref().unwrap_or_default())
    });
    let mut event = CommandError::input(message, hint).to_json();
    event["diagnostics"] = diagnostic::to_json(all)["diagnostics"].take();
    event
}

fn event(args: &RunArgs, folder: &Path, sources: &[Source]) -> Result<TriggerEvent, CommandError> {
    let payload = match &args.event_path {
        Some(path) => payload(path)?,
        None => Json::Null,
    };
    let inputs = pairs("--input", &args.input)?;
    let name = match &args.event {
        Some(name) => name.clone(),
        None => inferred(&payload).map_or_else(|| default_event(args, sources), str::to_owned),
    };
    let question = git::Question {
        event: &name,
        reference: args.reference.as_deref(),
        base: args.base.as_deref(),
        payload: &payload,
        changed: &args.changed,
    };
    let git = git::facts(folder, &question);
    let sender = payload.pointer("/sender/login").and_then(Json::as_str);
    let crons = sources.iter().flat_map(|source| source.workflow.trigger("schedule"));
    let cron = crons.flat_map(|trigger| &trigger.crons).next().map(|cron| cron.value.clone());
    Ok(TriggerEvent {
        actor: actor(args.actor.as_deref().or(sender)),
        activity: args.activity.clone().unwrap_or_default(),
        cron: cron.unwrap_or_default(),
        workflow: String::new(),
        name,
        payload,
        git,
        inputs,
        run_id: String::new(),
        run_number: 1,
    })
}

fn payload(path: &Path) -> Result<Json, CommandError> {
    let payload = files::read_json(path)?;
    match payload.is_object() {
        true => Ok(payload),
        false => Err(CommandError::input(
            format!("--event-path {}: the payload is not a JSON object", path.display()),
            "write an object, such as {\"inputs\": {}}",
        )),
    }
}

fn default_event(args: &RunArgs, sources: &[Source]) -> String {
    let listens =
        |event: &str| sources.iter().any(|source| source.workflow.trigger(event).is_some());
    let preferred = if args.input.is_empty() {
        ["push", "workflow_dispatch"]
    } else {
        ["workflow_dispatch", "push"]
    };
    let first = || sources.iter().flat_map(|source| &source.workflow.triggers).next();
    match preferred.into_iter().find(|event| listens(event)) {
        Some(event) => event.to_owned(),
        None => first().map_or("push".to_owned(), |trigger| trigger.event.clone()),
    }
}

fn listening<'a>(
    sources: &'a [Source],
    event: &TriggerEvent,
) -> Result<Vec<&'a Source>, CommandError> {
    let mut chosen = Vec::new();
    let mut reasons = Vec::new();
    for source in sources {
        match matches(&source.workflow, event) {
            Ok(()) => chosen.push(source),
            Err(why) => reasons.push(format!("{}: {why}", source.path)),
        }
    }
    match chosen.is_empty() {
        false => Ok(chosen),
        true => Err(CommandError::input(
            format!("no workflow runs for the event {}:\n  {}", event.name, reasons.join("\n  ")),
            "name an event that the workflow listens to with --event",
        )),
    }
}

fn options(
    args: &RunArgs,
    secrets: &IndexMap<String, String>,
    config: &Config,
) -> Result<PlanOptions, CommandError> {
    let mut images: IndexMap<String, String> =
        [(EMPTY_IMAGE.0.to_owned(), EMPTY_IMAGE.1.to_owned())].into_iter().collect();
    images.extend(config.images.clone());
    images.extend(pairs("--image", &args.image)?);
    let matrix = args.matrix.iter().map(|text| match text.split_once(':') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(CommandError::input(
            format!("--matrix {text}: not KEY:VALUE"),
            "write --matrix KEY:VALUE",
        )),
    });
    Ok(PlanOptions {
        images,
        builtins: catalog::builtins(),
        vars: pairs("--var", &args.var)?,
        outer_env: environment(&args.env_file, &args.env)?,
        secrets: secrets.keys().cloned().collect(),
        matrix: matrix.collect::<Result<_, _>>()?,
        jobs: args.job.clone(),
        volumes: config.volumes.clone(),
        clean: args.clean,
        real_actions: args.source.real_actions || config.builtin_actions == Some(false),
        ..PlanOptions::default()
    })
}

fn planned(
    args: &RunArgs,
    source: &Source,
    event: &TriggerEvent,
    mut options: PlanOptions,
    sources: &mut ProjectSources,
) -> Result<Plan, CommandError> {
    let called = sources.workflows(&source.workflow);
    options.workflows = called.loaded;
    let mut found = sources.actions(&source.workflow)?;
    for called in called_workflows(&options.workflows) {
        found.extend(sources.actions(&called)?);
    }
    found.absent.extend(called.absent);
    (options.actions, options.absent, options.node) = (found.loaded, found.absent, found.node);
    let (plan, diagnostics) = plan_with_warnings(&source.workflow, event, &options);
    refuse(args, &by_file(diagnostics, source, &options))?;
    plan.ok_or_else(|| CommandError::internal("a plan was refused without a reason"))
}

/// Findings beside the texts that they are about: the workflow's own, those of workflows that it calls, those of actions.
fn by_file(
    diagnostics: Vec<Diagnostic>,
    source: &Source,
    options: &PlanOptions,
) -> Vec<(Vec<Diagnostic>, String)> {
    let texts = options.workflows.values().map(|called| (&called.file, &called.text));
    let texts = texts.chain(options.actions.values().map(|action| (&action.file, &action.text)));
    let mut texts: IndexMap<&String, &String> = texts.collect();
    texts.insert(&source.path, &source.text);
    let mut found: IndexMap<String, Vec<Diagnostic>> = IndexMap::new();
    for diagnostic in diagnostics {
        found.entry(diagnostic.file.clone()).or_default().push(diagnostic);
    }
    let text = |file: &String| texts.get(file).map(|text| (*text).clone()).unwrap_or_default();
    found.into_iter().map(|(file, found)| (found, text(&file))).collect()
}
