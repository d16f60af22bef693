//! `pawl check`

use crate::args::{CheckArgs, CheckFormat};
use crate::error::CommandError;
use crate::output::print;
use crate::sources;
use crate::{catalog, files, git};
use pawl_core::check;
use pawl_core::diagnostic::{Code, Diagnostic, Severity, render, to_json};
use pawl_core::planner::{PlanOptions, plan};
use pawl_core::trigger::TriggerEvent;
use pawl_core::workflow::{self, Workflow};
use std::path::Path;

/// Finds everything that is wrong, in all files at once.
pub(crate) fn run(args: &CheckArgs) -> Result<(), CommandError> {
    let paths = files::workflows(&args.files, None)?;
    let mut all = Vec::new();
    for path in &paths {
        let (text, found) = match files::examine(path)? {
            Ok(text) => {
                let found = checked(&path.display().to_string(), &text);
                (text, found)
            }
            Err(fault) => (String::new(), vec![fault]),
        };
        if !is_json(args) && !found.is_empty() {
            print(render(&found, &text).trim_end())?;
        }
        all.extend(found);
    }
    if is_json(args) {
        print(&to_json(&all).to_string())?;
    } else {
        print(&summary(paths.len(), &all))?;
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

fn is_json(args: &CheckArgs) -> bool {
    args.json || args.format == CheckFormat::Json
}

/// Everything that is wrong with one workflow: the file itself, and how it uses actions.
pub(crate) fn checked(file: &str, text: &str) -> Vec<Diagnostic> {
    let mut found = check::check(file, text);
    if found.iter().any(Diagnostic::is_error) {
        return found;
    }
    if let (Some(workflow), _) = workflow::parse(file, text) {
        found.extend(uses(&workflow));
    }
    found
}

/// What only planning finds: inputs of actions that are unknown, missing or of the wrong type. What depends on the command
/// line of a run (images of labels, folders of actions, inputs of the dispatch) is not judged here.
fn uses(workflow: &Workflow) -> Vec<Diagnostic> {
    let Some(trigger) = workflow.triggers.first() else { return Vec::new() };
    let folder = git::top(Path::new(".")).unwrap_or_else(|| ".".into());
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
    found.into_iter().filter(is_about_actions).collect()
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
