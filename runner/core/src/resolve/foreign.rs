//! What a step with an action in JavaScript or in a container needs to run.

use super::{action_path, error, evaluated_inputs, input_variable};
use crate::contexts::{EvaluationError, Scope, WORKSPACE, text};
use crate::expr::{Contexts, Template, Value};
use crate::ids::StepPath;
use crate::plan::{
    ForeignAction, ForeignArgs, ForeignImage, ForeignProgram, NODE_FOLDER, PhaseAt, PlannedJob,
    PlannedStep,
};
use crate::ports::{Command, ContainerCommand, ImageBuild};
use crate::state::JobState;
use crate::workflow::{Uses, uses_of};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

/// Home of programs in containers of their own, as on GitHub.
const CONTAINER_HOME: &str = "/github/home";

/// The variables that say which action runs; `GITHUB_ACTION` for a step without an id.
pub(crate) fn name_action(uses: &str, env: &mut IndexMap<String, String>) {
    let Some(Uses::Remote { repository, reference, .. }) = uses_of(uses) else { return };
    env.insert("GITHUB_ACTION_REPOSITORY".to_owned(), repository);
    env.insert("GITHUB_ACTION_REF".to_owned(), reference);
}

/// Name of a step without an id, as GitHub makes it from the action.
pub(super) fn default_id(uses: &str) -> String {
    let clean = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
    };
    match uses_of(uses) {
        Some(Uses::Remote { repository, .. }) => format!("__{}", clean(&repository)),
        Some(Uses::Docker(image)) => format!("__{}", clean(&image)),
        _ => "__self".to_owned(),
    }
}

/// The command of such a step; its inputs and states go into `env`.
pub(super) fn command(
    scope: &Scope<'_>,
    planned: &PlannedJob,
    job: &JobState,
    path: &StepPath,
    action: &ForeignAction,
    contexts: &Contexts<'_>,
    env: &mut IndexMap<String, String>,
) -> Result<Command, EvaluationError> {
    let inputs = evaluated_inputs(&action.with, contexts)?;
    for (name, value) in &inputs {
        env.insert(input_variable(name), value.clone());
    }
    env.extend(state_variables(planned, job, path));
    if !action.folder.is_empty() {
        let folder = action_path(planned, &action.folder);
        env.insert("GITHUB_ACTION_PATH".to_owned(), folder);
    }
    name_action(&action.uses, env);
    match &action.program {
        ForeignProgram::Node { script, .. } => {
            // It would point Node at the data of another version.
            env.shift_remove("NODE_ICU_DATA");
            let script = format!("{}/{script}", action_path(planned, &action.folder));
            Ok(Command::Argv(vec![node_program(scope, planned)?, script]))
        }
        ForeignProgram::Container { image, entrypoint, args, env: own } => {
            let inside = with_inputs(contexts, inputs);
            for (name, template) in own {
                if !env.contains_key(name) {
                    env.insert(name.clone(), text(&format!("runs.env.{name}"), template, &inside)?);
                }
            }
            env.insert("HOME".to_owned(), CONTAINER_HOME.to_owned());
            env.insert("GITHUB_WORKSPACE".to_owned(), WORKSPACE.to_owned());
            let entrypoint =
                entrypoint.as_ref().map(|it| text("entrypoint", it, &inside)).transpose()?;
            let args = args.as_ref().map(|args| arguments(args, &inside)).transpose()?;
            let (image, build) = match image {
                ForeignImage::Name(name) => (name.clone(), None),
                ForeignImage::Dockerfile(file) => {
                    let folder = action.folder.clone().into();
                    (String::new(), Some(ImageBuild { folder, dockerfile: file.clone() }))
                }
            };
            Ok(Command::Container(Box::new(ContainerCommand { image, build, entrypoint, args })))
        }
    }
}

fn node_program(scope: &Scope<'_>, planned: &PlannedJob) -> Result<String, EvaluationError> {
    let node = scope.plan.node.as_ref();
    let node = node.ok_or_else(|| error("uses", "the plan was made without Node".to_owned()))?;
    Ok(match planned.image.source() == crate::planner::HOST_LABEL {
        true => node.program.clone(),
        false => format!("{NODE_FOLDER}/node"),
    })
}

fn with_inputs<'c>(contexts: &Contexts<'c>, inputs: IndexMap<String, String>) -> Contexts<'c> {
    let inputs: Map<String, Json> =
        inputs.into_iter().map(|(name, value)| (name, Json::String(value))).collect();
    let mut inside = contexts.clone();
    inside.values.insert("inputs", Value::from(Json::Object(inputs)));
    inside
}

fn arguments(args: &ForeignArgs, contexts: &Contexts<'_>) -> Result<Vec<String>, EvaluationError> {
    match args {
        ForeignArgs::Line(line) => Ok(words(&text("with.args", line, contexts)?)),
        ForeignArgs::List(list) => {
            let one = |template: &Template| text("runs.args", template, contexts);
            list.iter().map(one).collect()
        }
    }
}

/// The variables with what the action's earlier programs have left.
pub(super) fn state_variables(
    planned: &PlannedJob,
    job: &JobState,
    path: &StepPath,
) -> IndexMap<String, String> {
    let states = states(planned, job, path);
    states.into_iter().map(|(name, value)| (format!("STATE_{name}"), value)).collect()
}

/// What the programs of the same action have left with `save-state`: those before the steps first.
fn states(planned: &PlannedJob, job: &JobState, path: &StepPath) -> IndexMap<String, String> {
    let phase = planned.step(path).and_then(|step| step.phase.as_ref());
    let main = phase.map_or(path, |phase| &phase.main);
    let is_pre = |step: &PlannedStep| {
        step.phase.as_ref().is_some_and(|phase| phase.at == PhaseAt::Pre && phase.main == *main)
    };
    let pre = planned.steps.iter().position(is_pre).map(StepPath::top);
    let left = pre.iter().chain([main]).filter_map(|path| job.steps.get(path));
    left.flat_map(|step| step.effects.state.clone()).collect()
}

/// Words of a line: blanks part them, quotes of both kinds hold them together, a backslash takes a quote's meaning away.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if matches!(letters.peek(), Some('"' | '\'' | '\\')) => {
                word.get_or_insert_default().extend(letters.next());
            }
            '"' | '\'' if quote == Some(letter) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            blank if blank.is_whitespace() && quote.is_none() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::{default_id, words};

    #[test]
    fn a_line_of_arguments_is_split_as_a_shell_splits_it() {
        for (line, expected) in [
            ("a  b\tc", vec!["a", "b", "c"]),
            (r#"--name "two words" 'a "b"'"#, vec!["--name", "two words", "a \"b\""]),
            (r#"say \"hi\" "" x"y z""#, vec!["say", "\"hi\"", "", "xy z"]),
            ("", vec![]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
    }

    #[test]
    fn a_step_without_an_id_is_named_by_its_action() {
        assert_eq!(default_id("acme/my-tool/sub@v1"), "__acme_my_tool");
        assert_eq!(default_id("./here"), "__self");
    }
}
