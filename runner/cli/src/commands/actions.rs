//! `pawl actions`

use crate::args::{ActionRunArgs, ActionsCommand};
use crate::compose;
use crate::error::{Class, CommandError};
use crate::output::{print, print_error};
use crate::settings::pairs;
use pawl_actions::action::{ActionError, InputSpec, Inputs, JobContext, JobFacts, Manifest};
use pawl_actions::registry::{self, Builtin};
use pawl_actions::workspace::Workspace;
use pawl_core::ports::{ActionOutcome, RunFacts};
use serde_json::{Value, json};

/// Lists, explains, runs.
pub(crate) async fn run(command: &ActionsCommand) -> Result<(), CommandError> {
    match command {
        ActionsCommand::List { json } => list(*json),
        ActionsCommand::Show { name, json } => show(name, *json),
        ActionsCommand::Run(args) => run_one(args).await,
    }
}

fn list(json: bool) -> Result<(), CommandError> {
    let manifests = || registry::all().iter().map(Builtin::manifest);
    if json {
        let all: Vec<Value> = manifests().map(to_json).collect();
        return print(&json!({ "actions": all }).to_string());
    }
    for manifest in manifests() {
        let first = manifest.description.split(". ").next().unwrap_or_default().trim();
        print(&format!("pawl/{:<10} {:<7} {first}", manifest.name, manifest.place.as_str()))?;
    }
    Ok(())
}

fn to_json(manifest: &Manifest) -> Value {
    json!({
        "name": format!("pawl/{}", manifest.name),
        "description": manifest.description.trim(),
        "in": manifest.place,
        "inputs": manifest.inputs,
        "outputs": manifest.outputs,
    })
}

fn show(name: &str, json: bool) -> Result<(), CommandError> {
    let manifest = found(name)?.manifest();
    if json {
        return print(&to_json(manifest).to_string());
    }
    print(&format!("pawl/{}  (runs in the {})\n", manifest.name, manifest.place.as_str()))?;
    print(manifest.description.trim())?;
    print("\ninputs:")?;
    for (name, input) in &manifest.inputs {
        print(&format!("  {name:<20} {}  {}", input.kind.as_str(), input_line(input)))?;
    }
    print("\noutputs:")?;
    for (name, output) in &manifest.outputs {
        print(&format!("  {name:<20} {}", output.description.trim()))?;
    }
    Ok(())
}

fn input_line(input: &InputSpec) -> String {
    let mut line = input.description.trim().to_owned();
    if !input.options.is_empty() {
        line.push_str(&format!(" One of: {}.", input.options.join(", ")));
    }
    match &input.default {
        Some(default) => line.push_str(&format!(" [default: {default}]")),
        None if input.required => line.push_str(" [required]"),
        None => {}
    }
    line
}

fn found(name: &str) -> Result<Builtin, CommandError> {
    let short = name.strip_prefix("pawl/").unwrap_or(name);
    registry::find(short).ok_or_else(|| {
        CommandError::input(
            format!("there is no built-in action {name}"),
            "`pawl actions list` names them all",
        )
    })
}

/// How a failed call is an error of the command line.
pub(crate) fn command_error(error: &ActionError) -> CommandError {
    let class = match error.exit_code() {
        2 => Class::Input,
        3 => Class::Environment,
        _ => Class::Internal,
    };
    CommandError { class, message: error.to_string(), hint: error.hint().to_owned() }
}

async fn run_one(args: &ActionRunArgs) -> Result<(), CommandError> {
    let action = found(&args.name)?;
    let manifest = action.manifest();
    let given = pairs("--with", &args.with)?;
    let inputs = Inputs::check(manifest, &given).map_err(|error| command_error(&error))?;
    let workspace = Workspace::open(&args.workspace).map_err(|error| {
        CommandError::input(
            format!("--workspace: {error}"),
            "name a folder that you may read and write",
        )
    })?;
    let log = |line: String| print_error(&line);
    let outcome = match action {
        Builtin::Job(action) => {
            let variable = |name: &str| std::env::var(name).ok();
            let facts = JobFacts::from_env(variable);
            action.run(&JobContext { workspace, facts, variable: &variable, log: &log }, &inputs)
        }
        Builtin::Runner(action) => {
            let parts = compose::action_parts(&args.store)?;
            let facts =
                RunFacts { source: args.workspace.clone(), ..compose::facts_outside_a_run() };
            action.run(&parts.context(workspace, facts, &log), &inputs).await
        }
    };
    finished(args, manifest, outcome)
}

fn finished(
    args: &ActionRunArgs,
    manifest: &Manifest,
    outcome: Result<ActionOutcome, ActionError>,
) -> Result<(), CommandError> {
    let outcome = outcome.map_err(|error| command_error(&error))?;
    let conclusion = if outcome.success { "success" } else { "failure" };
    if args.json {
        let line = json!({
            "action": format!("pawl/{}", manifest.name),
            "conclusion": conclusion,
            "outputs": outcome.outputs,
            "report": outcome.report,
        });
        print(&line.to_string())?;
    } else {
        outcome.log.iter().try_for_each(|line| print(line))?;
        for (name, value) in &outcome.outputs {
            print(&format!("{name}: {value}"))?;
        }
        print(&format!("pawl/{}: {conclusion}", manifest.name))?;
        if let Some(reason) = &outcome.reason {
            print(reason)?;
        }
    }
    if outcome.success { Ok(()) } else { Err(CommandError::failed()) }
}
