//! `pawl job-action`: a built-in action as a step's process inside a job's container. Inputs, outputs and report travel as
//! they do for actions of others: in `INPUT_` variables and command files.

use crate::commands::actions::command_error;
use crate::error::CommandError;
use crate::output::print;
use indexmap::IndexMap;
use pawl_actions::action::{Inputs, JobContext, JobFacts};
use pawl_actions::registry::{self, Builtin};
use pawl_actions::workspace::Workspace;
use pawl_core::ports::ActionOutcome;
use pawl_core::resolve::input_variable;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Runs the action in the current folder: its main part, or what comes after the job's steps.
pub(crate) fn run(name: &str, is_post: bool) -> Result<(), CommandError> {
    let Some(Builtin::Job(action)) = registry::find(name) else {
        return Err(CommandError::internal(format!("pawl/{name} does not run in a job")));
    };
    let manifest = action.manifest();
    let given: IndexMap<String, String> = manifest
        .inputs
        .keys()
        .filter_map(|input| Some((input.clone(), std::env::var(input_variable(input)).ok()?)))
        .collect();
    let inputs = Inputs::check(manifest, &given).map_err(|error| command_error(&error))?;
    let workspace = Workspace::open(Path::new("."))
        .map_err(|error| CommandError::internal(format!("the workspace: {error}")))?;
    let variable = |name: &str| std::env::var(name).ok();
    let facts = JobFacts::from_env(variable);
    let log = |line: String| drop(print(&line));
    let context = JobContext { workspace, facts, variable: &variable, log: &log };
    let outcome = match is_post {
        false => action.run(&context, &inputs),
        true => action.post(&context, &inputs),
    };
    let outcome = outcome.map_err(|error| command_error(&error))?;
    hand_over(&outcome)?;
    match outcome.success {
        true => Ok(()),
        false => {
            if let Some(reason) = &outcome.reason {
                print(reason)?;
            }
            Err(CommandError::failed())
        }
    }
}

fn hand_over(outcome: &ActionOutcome) -> Result<(), CommandError> {
    outcome.log.iter().try_for_each(|line| print(line))?;
    for warning in &outcome.warnings {
        // As a command takes it: one line, with nothing in it that the reader of commands would undo.
        let text = warning.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        print(&format!("::warning::{text}"))?;
    }
    append("GITHUB_OUTPUT", &pairs(&outcome.outputs))?;
    append("GITHUB_STATE", &pairs(&outcome.state))?;
    append("GITHUB_STEP_SUMMARY", &outcome.summary)?;
    let report = if outcome.report.is_null() { String::new() } else { outcome.report.to_string() };
    append("PAWL_REPORT", &report)
}

/// Names and values as a command file takes them.
fn pairs(values: &IndexMap<String, String>) -> String {
    let one = |(name, value): (&String, &String)| {
        let delimiter = delimiter(value);
        format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
    };
    values.iter().map(one).collect()
}

/// A delimiter that is no line of the value.
fn delimiter(value: &str) -> String {
    let mut delimiter = "END".to_owned();
    while value.lines().any(|line| line == delimiter) {
        delimiter.push('_');
    }
    delimiter
}

fn append(variable: &str, text: &str) -> Result<(), CommandError> {
    let Some(path) = std::env::var_os(variable).filter(|_| !text.is_empty()) else { return Ok(()) };
    let written = OpenOptions::new().append(true).create(true).open(&path);
    written
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| CommandError::internal(format!("{variable}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::delimiter;

    #[test]
    fn a_delimiter_is_never_a_line_of_the_value() {
        assert_eq!(delimiter("a\nb"), "END");
        assert_eq!(delimiter("END\nEND_\nx"), "END__");
    }
}
