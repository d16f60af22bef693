//! What a built-in action is: its manifest, its typed inputs, the two places where it can run, and its
//! errors.

use crate::model::ModelError;
use crate::workspace::{Workspace, WorkspaceError};
use async_trait::async_trait;
use indexmap::IndexMap;
use pawl_core::ports::{ActionOutcome, Clock, RunFacts};
use pawl_core::registry::{Artifacts, ModelRegistry, Objects, RegistryError};
use pawl_core::rollout::{ImageBuilder, Revisions, RolloutError, RolloutTarget};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

// ---------------------------------------------------------------- manifest

/// Where an action runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// As a process inside the job's sandbox, without credentials.
    Job,
    /// In the runner's own process, where the registry and the container engine are reached.
    Runner,
}

impl Place {
    /// The word that `action.yml` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Runner => "runner",
        }
    }
}

/// What an input's text must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputType {
    /// Any text.
    #[default]
    String,
    /// A finite decimal number.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A path beneath the job's workspace.
    Path,
    /// One of `options`.
    Choice,
}

impl InputType {
    /// The word that `action.yml` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Path => "path",
            Self::Choice => "choice",
        }
    }
}

/// One input, as `action.yml` declares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// What it is for.
    pub description: String,
    /// True when a call without it is wrong.
    #[serde(default)]
    pub required: bool,
    /// Text used when the call does not give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What its text must be.
    #[serde(default, rename = "type")]
    pub kind: InputType,
    /// The allowed texts of a `choice`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// One output, as `action.yml` declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// What it holds.
    pub description: String,
}

/// An action's `action.yml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name after `pawl/`.
    pub name: String,
    /// What it does, in one or two sentences.
    pub description: String,
    /// Where it runs.
    #[serde(rename = "in")]
    pub place: Place,
    /// It runs once more after the job's steps, when the job has succeeded. Only for actions in the job.
    #[serde(default)]
    pub post: bool,
    /// Inputs, in the order of the file.
    #[serde(default)]
    pub inputs: IndexMap<String, InputSpec>,
    /// Outputs, in the order of the file.
    #[serde(default)]
    pub outputs: IndexMap<String, OutputSpec>,
}

impl Manifest {
    /// Parses the text of an `action.yml`.
    ///
    /// # Errors
    /// A message with line and column when the text is not a manifest, or when an input contradicts itself (a `choice`
    /// without options, a default that is not of the input's type).
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        for (name, input) in &manifest.inputs {
            if (input.kind == InputType::Choice) == input.options.is_empty() {
                return Err(format!("input {name}: options belong to type choice, and only there"));
            }
            if input.required && input.default.is_some() {
                return Err(format!("input {name}: a required input has no default"));
            }
            if let Some(default) = &input.default {
                check_type(name, default, input).map_err(|error| error.to_string())?;
            }
        }
        Ok(manifest)
    }
}

/// Parses a manifest that is part of the program, once.
///
/// # Panics
/// When the text is not a manifest: a test reads every built-in manifest, so that this cannot reach a user.
pub fn built_in_manifest(text: &str) -> Manifest {
    match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => panic!("a built-in action.yml is wrong: {error}"),
    }
}

// ---------------------------------------------------------------- inputs

/// The inputs of one call: checked against the manifest, with defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    values: IndexMap<String, String>,
}

impl Inputs {
    /// Checks the texts that a call gives. An empty text counts as not given, as in GitHub Actions.
    ///
    /// # Errors
    /// `Input`: an unknown name, a required input missing, a text that is not of the input's type.
    pub fn check(
        manifest: &Manifest,
        given: &IndexMap<String, String>,
    ) -> Result<Self, ActionError> {
        if let Some(unknown) = given.keys().find(|name| !manifest.inputs.contains_key(*name)) {
            let known: Vec<&str> = manifest.inputs.keys().map(String::as_str).collect();
            return Err(ActionError::input(
                format!("pawl/{} has no input {unknown}", manifest.name),
                format!("its inputs are {}", known.join(", ")),
            ));
        }
        let mut values = IndexMap::new();
        for (name, spec) in &manifest.inputs {
            let text = given.get(name).filter(|text| !text.trim().is_empty());
            let Some(text) = text.or(spec.default.as_ref()) else {
                if spec.required {
                    return Err(ActionError::input(
                        format!("pawl/{} needs the input {name}", manifest.name),
                        format!("{name}: {}", spec.description.trim()),
                    ));
                }
                continue;
            };
            check_type(name, text, spec)?;
            values.insert(name.clone(), text.clone());
        }
        Ok(Self { values })
    }

    /// The text of an input, or `None` when it was not given and has no default.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The text of an input; empty when it was not given and has no default.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// A `boolean` input; false when it was not given.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).trim() == "true"
    }

    /// A `number` input.
    ///
    /// # Errors
    /// `Input` when it is absent.
    pub fn number(&self, name: &str) -> Result<f64, ActionError> {
        let number = self.get(name).and_then(finite_number);
        number.ok_or_else(|| ActionError::input(format!("the input {name} is missing"), ""))
    }

    /// An `integer` input that must lie in `range`.
    ///
    /// # Errors
    /// `Input` when it is absent or outside.
    pub fn integer(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<i64, ActionError> {
        let number = self.get(name).and_then(|text| text.trim().parse().ok());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            ActionError::input(
                format!("the input {name} is {}", self.get(name).unwrap_or("missing")),
                format!("give a whole number from {} to {}", range.start(), range.end()),
            )
        })
    }

    /// Refuses inputs that name one file twice: one file in the place of another would be lost without a word. Inputs
    /// without a value do not count.
    ///
    /// # Errors
    /// `Input`: two of them are the same file, or a path leads out of the workspace.
    pub fn different_files(
        &self,
        workspace: &Workspace,
        names: &[&str],
    ) -> Result<(), ActionError> {
        let mut taken: Vec<(&str, String)> = Vec::new();
        for name in names {
            let Some(path) = self.get(name) else { continue };
            let path = workspace.relative(path)?;
            if let Some((other, _)) = taken.iter().find(|(_, other)| *other == path) {
                return Err(ActionError::input(
                    format!("the inputs {other} and {name} are both {path}"),
                    "give each a file of its own",
                ));
            }
            taken.push((name, path));
        }
        Ok(())
    }

    /// An input that lists things, separated by commas or line ends; blanks around an item do not count.
    pub fn list(&self, name: &str) -> Vec<String> {
        let items = self.text(name).split([',', '\n']).map(str::trim);
        items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }
}

fn finite_number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

fn check_type(name: &str, text: &str, spec: &InputSpec) -> Result<(), ActionError> {
    let (fits, wanted) = match spec.kind {
        InputType::String => (true, String::new()),
        InputType::Number => (finite_number(text).is_some(), "a number".to_owned()),
        InputType::Integer => (text.trim().parse::<i64>().is_ok(), "a whole number".to_owned()),
        InputType::Boolean => (matches!(text.trim(), "true" | "false"), "true or false".to_owned()),
        InputType::Path => (!text.contains('\0'), "a path".to_owned()),
        InputType::Choice => (
            spec.options.iter().any(|option| option == text.trim()),
            format!("one of {}", spec.options.join(", ")),
        ),
    };
    if fits {
        return Ok(());
    }
    Err(ActionError::input(
        format!("the input {name} is {text:?}, which is not {wanted}"),
        format!("give {wanted}"),
    ))
}

// ---------------------------------------------------------------- errors

/// Why an action could not give a result. A result that says "no" (a contract broken, a gate closed) is an
/// `ActionOutcome` with `success: false` instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// User: an input, or a file that an input names, is wrong.
    #[error("{message}")]
    Input {
        /// What is wrong.
        message: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// Environment: disk full, container engine gone, port taken.
    #[error("{message}")]
    Environment {
        /// What is wrong.
        message: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// Ours: something that cannot be, was.
    #[error("{message}")]
    Internal {
        /// What is wrong.
        message: String,
    },
}

impl ActionError {
    /// The user's fault.
    pub fn input(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Input { message: message.into(), hint: hint.into() }
    }

    /// The environment's fault.
    pub fn environment(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Environment { message: message.into(), hint: hint.into() }
    }

    /// Our fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal { message: message.into() }
    }

    /// What to do about it; may be empty.
    pub fn hint(&self) -> &str {
        match self {
            Self::Input { hint, .. } | Self::Environment { hint, .. } => hint,
            Self::Internal { .. } => "this is a defect of pawl: please report it",
        }
    }

    /// The exit code of a program that stops for it: 2 input, 3 environment, 4 ours.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Input { .. } => 2,
            Self::Environment { .. } => 3,
            Self::Internal { .. } => 4,
        }
    }

    /// The outcome of a step whose action could not give a result.
    pub fn into_outcome(self) -> ActionOutcome {
        let hint = self.hint();
        let reason = if hint.is_empty() { self.to_string() } else { format!("{self} ({hint})") };
        ActionOutcome { log: vec![reason.clone()], reason: Some(reason), ..Default::default() }
    }
}

impl From<WorkspaceError> for ActionError {
    fn from(error: WorkspaceError) -> Self {
        match error {
            WorkspaceError::Io { .. } => Self::environment(error.to_string(), ""),
            _ => Self::input(error.to_string(), "paths are taken from the job's workspace"),
        }
    }
}

impl From<ModelError> for ActionError {
    fn from(error: ModelError) -> Self {
        let hint = match error {
            ModelError::Version(_) => "use the version of pawl that wrote it, or train again",
            ModelError::Digest { .. } => "it was changed after it was made: train again",
            _ => "",
        };
        Self::input(error.to_string(), hint)
    }
}

impl From<RegistryError> for ActionError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Unknown(_) | RegistryError::Taken(_) => {
                Self::input(error.to_string(), "")
            }
            RegistryError::Moved { .. } => {
                Self::environment(error.to_string(), "somebody else moved it: run again")
            }
            RegistryError::Damaged(_) => Self::environment(
                error.to_string(),
                "the store's disk changed or lost data: restore the store from a backup",
            ),
            RegistryError::Storage(_) => Self::environment(error.to_string(), ""),
        }
    }
}

impl From<RolloutError> for ActionError {
    fn from(error: RolloutError) -> Self {
        match error {
            RolloutError::Environment { message, hint } => Self::Environment { message, hint },
            RolloutError::Request { message, hint } => Self::Input { message, hint },
            RolloutError::Unreachable(message) => Self::environment(message, ""),
        }
    }
}

// ---------------------------------------------------------------- the two kinds of action

/// What a `job` action knows of the run it is part of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFacts {
    /// Name of the run, or empty.
    pub run: String,
    /// Commit of the source tree, `-dirty` appended when it had changes, or empty.
    pub commit: String,
}

impl JobFacts {
    /// Takes the facts from a job's environment: `PAWL_RUN`, `GITHUB_SHA`, `PAWL_DIRTY` (`true`).
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut commit = variable("GITHUB_SHA").unwrap_or_default();
        if !commit.is_empty() && variable("PAWL_DIRTY").as_deref() == Some("true") {
            commit.push_str("-dirty");
        }
        Self { run: variable("PAWL_RUN").unwrap_or_default(), commit }
    }
}

/// What a `job` action gets: the workspace, its environment, a place to log to, and facts; no credentials.
pub struct JobContext<'a> {
    /// The job's workspace.
    pub workspace: Workspace,
    /// What it knows of the run.
    pub facts: JobFacts,
    /// Gives a variable of the step's environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Takes one line at a time.
    pub log: &'a dyn Fn(String),
}

/// A built-in action that runs inside the job's sandbox.
pub trait JobAction: Send + Sync {
    /// Its `action.yml`.
    fn manifest(&self) -> &'static Manifest;
    /// Does the work. Repeating it with the same workspace and inputs gives the same result.
    ///
    /// # Errors
    /// When there is no result; see [`ActionError`].
    fn run(&self, context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError>;
    /// What comes after the job's steps, where the manifest says `post: true`.
    ///
    /// # Errors
    /// When there is no result; `Internal` for an action without such a part.
    fn post(
        &self,
        context: &JobContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError> {
        let _ = (context, inputs);
        Err(ActionError::internal("this action has nothing to do after the job's steps"))
    }
}

/// What a `runner` action may use.
#[derive(Clone)]
pub struct RunnerContext<'a> {
    /// The job's workspace, whose content is hostile.
    pub workspace: Workspace,
    /// What is known of the run.
    pub facts: RunFacts,
    /// Models, versions, aliases.
    pub registry: Arc<dyn ModelRegistry>,
    /// Bytes named by their digest.
    pub objects: Arc<dyn Objects>,
    /// The run's named artifacts.
    pub artifacts: Arc<dyn Artifacts>,
    /// Revisions of services.
    pub revisions: Arc<dyn Revisions>,
    /// Where services run.
    pub target: Arc<dyn RolloutTarget>,
    /// Builds images.
    pub images: Arc<dyn ImageBuilder>,
    /// This program's own file, which goes into images.
    pub binary: PathBuf,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Takes one line at a time.
    pub log: &'a (dyn Fn(String) + Send + Sync),
}

/// A built-in action that runs in the runner's process.
#[async_trait]
pub trait RunnerAction: Send + Sync {
    /// Its `action.yml`.
    fn manifest(&self) -> &'static Manifest;
    /// Does the work. Idempotent: after a crash the same call is made again.
    ///
    /// # Errors
    /// When there is no result; see [`ActionError`].
    async fn run(
        &self,
        context: &RunnerContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError>;
}

/// The start of a successful outcome: a report, no outputs yet.
pub fn succeeded(report: serde_json::Value) -> ActionOutcome {
    ActionOutcome { success: true, report, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::{ActionError, InputType, Inputs, JobFacts, Manifest, Place};
    use indexmap::IndexMap;

    const TEXT: &str = "
name: sample
description: For tests.
in: job
inputs:
  data: { description: The file., required: true, type: path }
  rows: { description: How many., type: integer, default: '5' }
  share: { description: How much., type: number, default: '0.5' }
  kind: { description: Which., type: choice, options: [a, b], default: a }
  loud: { description: Whether., type: boolean, default: 'false' }
  names: { description: Which ones. }
outputs:
  n: { description: Rows. }
";

    fn given(pairs: &[(&str, &str)]) -> IndexMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn inputs(pairs: &[(&str, &str)]) -> Result<Inputs, ActionError> {
        Inputs::check(&Manifest::parse(TEXT).unwrap(), &given(pairs))
    }

    #[test]
    fn a_manifest_is_read_with_its_types_in_order() {
        let manifest = Manifest::parse(TEXT).unwrap();
        assert_eq!(manifest.place, Place::Job);
        assert_eq!(manifest.inputs["rows"].kind, InputType::Integer);
        assert_eq!(manifest.inputs["names"].kind, InputType::String);
        assert_eq!(manifest.inputs.keys().next().map(String::as_str), Some("data"));
    }

    #[test]
    fn a_manifest_that_contradicts_itself_is_refused() {
        let unknown = TEXT.replace("in: job", "in: job\nruns: docker");
        assert!(Manifest::parse(&unknown).unwrap_err().contains("runs"));
        let default = TEXT.replace("default: '5'", "default: five");
        assert!(Manifest::parse(&default).unwrap_err().contains("whole number"));
        let choice = TEXT.replace("options: [a, b], ", "");
        assert!(Manifest::parse(&choice).unwrap_err().contains("options"));
    }

    #[test]
    fn defaults_fill_in_and_values_are_typed() {
        let inputs =
            inputs(&[("data", "a.csv"), ("share", " 0.25 "), ("names", "x, y\n z ,")]).unwrap();
        assert_eq!(inputs.text("data"), "a.csv");
        assert_eq!(inputs.integer("rows", 1..=9).unwrap(), 5);
        assert_eq!(inputs.number("share").unwrap().to_bits(), 0.25_f64.to_bits());
        assert!(!inputs.flag("loud"));
        assert_eq!(inputs.list("names"), ["x", "y", "z"]);
        assert_eq!(inputs.integer("rows", 1..=4).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn wrong_calls_say_what_is_wrong() {
        for (call, message) in [
            (vec![("data", "a"), ("colour", "red")], "no input colour"),
            (vec![("data", "  ")], "needs the input data"),
            (vec![("data", "a"), ("rows", "1.5")], "not a whole number"),
            (vec![("data", "a"), ("share", "NaN")], "not a number"),
            (vec![("data", "a"), ("kind", "c")], "one of a, b"),
            (vec![("data", "a"), ("loud", "yes")], "true or false"),
        ] {
            let error = inputs(&call).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn facts_come_from_the_environment() {
        let facts = JobFacts::from_env(|name| match name {
            "GITHUB_SHA" => Some("abc".to_owned()),
            "PAWL_DIRTY" => Some("true".to_owned()),
            "PAWL_RUN" => Some("r-1".to_owned()),
            _ => None,
        });
        assert_eq!(facts, JobFacts { run: "r-1".to_owned(), commit: "abc-dirty".to_owned() });
        assert_eq!(JobFacts::from_env(|_| None), JobFacts::default());
    }

    #[test]
    fn an_error_becomes_a_failed_outcome_with_its_hint() {
        let outcome = ActionError::input("no such file", "write it").into_outcome();
        assert!(!outcome.success);
        assert_eq!(outcome.reason.as_deref(), Some("no such file (write it)"));
    }
}
