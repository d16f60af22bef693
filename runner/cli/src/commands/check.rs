//! `pawl check`

use crate::args::{CheckArgs, CheckFormat};
use crate::error::CommandError;
use crate::output::print;
use crate::sources;
use crate::{catalog, files, git};
use pawl_core::check;
use pawl_core::diagnostic::{Code, Diagnostic, Severity, render, to_github, to_json, to_sarif};
use pawl_core::planner::{PlanOptions, plan};
use pawl_core::trigger::TriggerEvent;
use pawl_core::workflow::{self, Workflow};
use std::path::{Path, PathBuf};

/// Finds everything that is wrong, in all files at once.
pub(crate) fn run(args: &CheckArgs) -> Result<(), CommandError> {
    let named: Vec<PathBuf> = args.files.iter().flat_map(|path| files_of(path)).collect();
    let paths = files::workflows(&named, None)?;
    let format = if args.json { CheckFormat::Json } else { args.format };
    let mut all = Vec::new();
    for path in &paths {
        let (text, found) = match files::examine(path)? {
            Ok(text) => {
                let found = checked(&path.display().to_string(), &text);
                (text, found)
            }
            Err(fault) => (String::new(), vec![fault]),
        };
        if format == CheckFormat::Human && !found.is_empty() {
            print(render(&found, &text).trim_end())?;
        }
        all.extend(found);
    }
    match format {
        CheckFormat::Human => print(&summary(paths.len(), &all))?,
        CheckFormat::Json => print(&to_json(&all).to_string())?,
        CheckFormat::Sarif => print(&to_sarif(&all, env!("CARGO_PKG_VERSION")).to_string())?,
        CheckFormat::Github if all.is_empty() => {}
        CheckFormat::Github => print(to_github(&all).trim_end())?,
    }
    let is_bad = |diagnostic: &Diagnostic| {
        diagnostic.is_error() || (args.strict && diagnostic.severity == Severity::Warning)
    };
    match all.iter().any(is_bad) {
        true => Err(CommandError {
            class: crate::error::Class::Input,
            message: String::new(),
            hint: String::new(),
        }),
        false => Ok(()),
    }
}

/// What a named path stands for: a folder for its action's file, or for the workflows in it.
fn files_of(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let action = ACTION_FILES.iter().map(|name| path.join(name)).find(|file| file.is_file());
    if let Some(action) = action {
        return vec![action];
    }
    let entries = std::fs::read_dir(path).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml"))
        .collect();
    found.sort();
    // An empty folder is told of as a file that cannot be read.
    if found.is_empty() { vec![path.to_owned()] } else { found }
}

const ACTION_FILES: [&str; 2] = ["action.yml", "action.yaml"];

/// The repository's top as a workflow file's own path tells it, else the folder that git says.
fn top_of(file: &str) -> PathBuf {
    let file = Path::new(file);
    let is_workflows = |folder: &&Path| {
        folder.ends_with(".github/workflows") || folder.ends_with(".pawl/workflows")
    };
    let top = file.parent().filter(is_workflows).and_then(|folder| folder.parent()?.parent());
    match top {
        Some(top) if top.as_os_str().is_empty() => PathBuf::from("."),
        Some(top) => top.to_owned(),
        None => git::top(Path::new(".")).unwrap_or_else(|| ".".into()),
    }
}

/// Whether a file is an action's: by its name, unless it has jobs.
fn is_action(file: &str, text: &str) -> bool {
    let name = Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ACTION_FILES.contains(&name) && !text.lines().any(|line| line.starts_with("jobs:"))
}

/// Everything that is wrong with one workflow: the file itself, and how it uses actions.
pub(crate) fn checked(file: &str, text: &str) -> Vec<Diagnostic> {
    if is_action(file, text) {
        return check::check_action(file, text);
    }
    let mut found = check::check(file, text);
    let read = |path: &str| {
        let is_inside = !path.split('/').any(|part| part == "..");
        let file = is_inside.then(|| top_of(file).join(path))?;
        files::examine(&file).ok()?.ok()
    };
    let calls = check::check_calls(file, text, &read);
    let told: Vec<(u32, u32)> = found.iter().map(|one| (one.line, one.column)).collect();
    found.extend(
        calls.into_iter().filter(|one| !told.contains(&(one.line, one.column)) || one.is_error()),
    );
    if found.iter().any(Diagnostic::is_error) {
        return found;
    }
    if let (Some(workflow), _) = workflow::parse(file, text) {
        let is_told = |one: &Diagnostic| {
            found
                .iter()
                .any(|told| (told.line, told.column, told.code) == (one.line, one.column, one.code))
        };
        let new: Vec<Diagnostic> =
            uses(&workflow).into_iter().filter(|one| !is_told(one)).collect();
        found.extend(new);
    }
    found
}

/// What only planning finds: inputs of actions that are unknown, missing or of the wrong type. What depends on the command
/// line of a run (images of labels, folders of actions, inputs of the dispatch) is not judged here.
fn uses(workflow: &Workflow) -> Vec<Diagnostic> {
    let Some(trigger) = workflow.triggers.first() else { return Vec::new() };
    let folder = top_of(&workflow.file);
    let event = TriggerEvent { name: trigger.event.clone(), ..TriggerEvent::default() };
    let options = PlanOptions {
        builtins: catalog::builtins(),
        actions: sources::local_actions(workflow, &folder),
        ..PlanOptions::default()
    };
    // Inputs of the event are given at the run, so that their want is no fault of the file.
    let declared =
        trigger.inputs.values().map(|declaration| declaration.span).chain([trigger.span]);
    let of_event: Vec<_> = declared.map(|span| (span.line, span.column)).collect();
    let is_about_actions = |diagnostic: &Diagnostic| {
        let codes = [
            Code::UnknownInput,
            Code::MissingInput,
            Code::InvalidInput,
            Code::UndeclaredInput,
            Code::InvalidAction,
        ];
        // An action of the project or of somebody else may still come, from a checkout or from `--action`.
        let is_about_builtin = diagnostic.code == Code::UnknownAction
            && diagnostic.message.starts_with("there is no built-in action");
        let is_of_event = of_event.contains(&(diagnostic.line, diagnostic.column));
        (codes.contains(&diagnostic.code) || is_about_builtin) && !is_of_event
    };
    let found = plan(workflow, &event, &options).err().unwrap_or_default();
    let mut found: Vec<Diagnostic> = found.into_iter().filter(is_about_actions).collect();
    let is_there = |uses: &str| options.actions.contains_key(uses);
    found.extend(check::check_local_actions(workflow, &is_there));
    found
}

fn summary(files: usize, found: &[Diagnostic]) -> String {
    let count =
        |severity| found.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    format!(
        "{}: {}, {}",
        plural(files, "file"),
        plural(errors, "error"),
        plural(warnings, "warning")
    )
}

#[cfg(test)]
mod tests {
    use super::checked;

    /// The same workflow with its `on:` first and last: an input of the event is never missing, one of an action is.
    #[test]
    fn inputs_of_the_event_are_given_at_the_run_and_those_of_actions_in_the_file() {
        let on =
            "on:\n  workflow_dispatch:\n    inputs:\n      name: {type: string, required: true}\n";
        let jobs = "jobs:\n  a:\n    runs-on: pawl\n    steps:\n      - uses: pawl/upload\n";
        for text in [format!("{on}{jobs}"), format!("{jobs}{on}")] {
            let found = checked("w.yml", &text);
            let codes: Vec<&str> =
                found.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
            assert_eq!(codes, ["missing-input"], "{text}");
            assert!(found[0].message.contains("path"), "{}", found[0].message);
        }
    }
}
