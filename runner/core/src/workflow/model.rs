//! A workflow as its author wrote it: every value with its place, expressions parsed and not evaluated.

use crate::expr::{Condition, Template};
pub use crate::permissions::Permissions;
use crate::plan::Retry;
use crate::span::{Span, Spanned};
use crate::yaml::{Kind, Node};
use indexmap::IndexMap;

/// Texts with expressions, by name.
pub type Texts = IndexMap<String, Spanned<Template>>;

/// A whole workflow file.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// Path of the file, as given.
    pub file: String,
    /// `name:`
    pub name: Option<Spanned<String>>,
    /// `run-name:`
    pub run_name: Option<Spanned<Template>>,
    /// `on:`, in order.
    pub triggers: Vec<Trigger>,
    /// `permissions:`
    pub permissions: Option<Spanned<Permissions>>,
    /// `concurrency:`
    pub concurrency: Option<Concurrency>,
    /// `env:`
    pub env: Texts,
    /// `defaults.run`
    pub defaults: Defaults,
    /// `jobs:`, in order.
    pub jobs: Vec<Job>,
}

impl Workflow {
    /// `name:`, else the file's path.
    pub fn display_name(&self) -> &str {
        self.name.as_ref().map_or(&self.file, |name| &name.value)
    }

    /// The job with this id.
    pub fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id.value == id)
    }

    /// The trigger of this event.
    pub fn trigger(&self, event: &str) -> Option<&Trigger> {
        self.triggers.iter().find(|trigger| trigger.event == event)
    }
}

/// One event of `on:` with its filters.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// Name of the event.
    pub event: String,
    /// Where it is written.
    pub span: Span,
    /// `types:`; `None` is GitHub's default for the event.
    pub types: Option<Vec<Spanned<String>>>,
    /// `branches` and `branches-ignore`
    pub branches: Option<Filter>,
    /// `tags` and `tags-ignore`
    pub tags: Option<Filter>,
    /// `paths` and `paths-ignore`
    pub paths: Option<Filter>,
    /// `workflows` of `workflow_run`
    pub workflows: Vec<Spanned<String>>,
    /// `cron` lines of `schedule`
    pub crons: Vec<Spanned<String>>,
    /// `inputs` of `workflow_dispatch` and `workflow_call`
    pub inputs: IndexMap<String, InputDeclaration>,
    /// `outputs` of `workflow_call`
    pub outputs: Texts,
    /// `secrets` of `workflow_call`: name, and whether it is required.
    pub secrets: IndexMap<String, bool>,
}

impl Trigger {
    /// An event without any filter.
    pub fn new(event: &str, span: Span) -> Self {
        Self {
            event: event.to_owned(),
            span,
            types: None,
            branches: None,
            tags: None,
            paths: None,
            workflows: Vec::new(),
            crons: Vec::new(),
            inputs: IndexMap::new(),
            outputs: Texts::new(),
            secrets: IndexMap::new(),
        }
    }
}

/// A list of patterns.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// True for the `-ignore` form.
    pub ignore: bool,
    /// The patterns in order; `!` is still at the front of theirs.
    pub patterns: Vec<Spanned<String>>,
}

/// What an input takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputType {
    /// Any text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// One of these.
    Choice(Vec<String>),
    /// Name of an environment.
    Environment,
}

/// An input of `workflow_dispatch` or `workflow_call`.
#[derive(Debug, Clone, PartialEq)]
pub struct InputDeclaration {
    /// Where its name is written.
    pub span: Span,
    /// What it takes.
    pub kind: InputType,
    /// It must be given.
    pub required: bool,
    /// Used when it is not given.
    pub default: Option<Spanned<Template>>,
}

/// `defaults.run`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defaults {
    /// `shell`
    pub shell: Option<Spanned<Template>>,
    /// `working-directory`
    pub working_directory: Option<Spanned<Template>>,
}

/// One job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its key in `jobs`.
    pub id: Spanned<String>,
    /// `name:`
    pub name: Option<Spanned<Template>>,
    /// `needs:`
    pub needs: Vec<Spanned<String>>,
    /// `if:`
    pub condition: Option<Spanned<Condition>>,
    /// `runs-on:`
    pub runs_on: RunsOn,
    /// `strategy:`
    pub strategy: Strategy,
    /// `container:`
    pub container: Option<Container>,
    /// `services:`, in order
    pub services: Vec<Service>,
    /// `gpus:`
    pub gpus: Option<GpuWish>,
    /// `env:`
    pub env: Texts,
    /// `defaults.run`
    pub defaults: Defaults,
    /// `timeout-minutes:`
    pub timeout_minutes: Option<Spanned<Template>>,
    /// `continue-on-error:`
    pub continue_on_error: Option<Spanned<Template>>,
    /// `cancel-timeout-minutes:`
    pub cancel_timeout_minutes: Option<Spanned<Template>>,
    /// `environment:`
    pub environment: Option<Environment>,
    /// `permissions:`
    pub permissions: Option<Spanned<Permissions>>,
    /// `concurrency:`
    pub concurrency: Option<Concurrency>,
    /// `uses`, `with` and `secrets`: the workflow that the job calls instead of running steps.
    pub call: Option<Call>,
    /// `outputs:`
    pub outputs: Texts,
    /// `steps:`
    pub steps: Vec<Step>,
}

/// `concurrency:` of a workflow or job.
#[derive(Debug, Clone, PartialEq)]
pub struct Concurrency {
    /// `group`
    pub group: Spanned<Template>,
    /// `cancel-in-progress`
    pub cancel_in_progress: Option<Spanned<Template>>,
    /// `queue: max`: several may wait, none is cancelled for a newer one.
    pub is_queue: bool,
}

impl Concurrency {
    /// A group of which one may wait.
    pub fn new(group: Spanned<Template>) -> Self {
        Self { group, cancel_in_progress: None, is_queue: false }
    }
}

/// `environment:` of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// `name`, or the whole value.
    pub name: Spanned<Template>,
    /// `url`
    pub url: Option<Spanned<Template>>,
    /// `deployment`
    pub deployment: Option<Spanned<Template>>,
}

/// The workflow that a job calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `uses:`
    pub uses: Spanned<CalledWorkflow>,
    /// `with:`
    pub with: IndexMap<String, CallArgument>,
    /// `secrets:`
    pub secrets: CallSecrets,
}

/// One entry of a call's `with` or `secrets`.
#[derive(Debug, Clone, PartialEq)]
pub struct CallArgument {
    /// Where the name is written.
    pub name_span: Span,
    /// The value.
    pub value: Spanned<Template>,
    /// What the value is in the file: `true` and `'true'` are not the same for an input of type boolean.
    pub kind: Kind,
}

/// `secrets:` of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum CallSecrets {
    /// `inherit`: all that the caller itself has.
    Inherit,
    /// Those named, under the names that the called workflow knows.
    Named(IndexMap<String, CallArgument>),
}

/// What `uses:` of a job names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CalledWorkflow {
    /// `./PATH` or `$/PATH`: a file of the repository that the calling workflow is in.
    Local(String),
    /// `OWNER/REPO/PATH@REF`
    Remote {
        /// `OWNER/REPO`
        repository: String,
        /// Path of the file inside the repository.
        path: String,
        /// Branch, tag or commit.
        reference: String,
    },
}

impl std::fmt::Display for CalledWorkflow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(path) => write!(f, "./{path}"),
            Self::Remote { repository, path, reference } => {
                write!(f, "{repository}/{path}@{reference}")
            }
        }
    }
}

/// `runs-on:`
#[derive(Debug, Clone, PartialEq)]
pub struct RunsOn {
    /// Where it is written.
    pub span: Span,
    /// Labels; one may be an expression that gives a whole list.
    pub labels: Vec<Spanned<Template>>,
}

/// `strategy:`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Strategy {
    /// `matrix:` as written: a mapping, or one expression. Strings may hold expressions.
    pub matrix: Option<Node>,
    /// `fail-fast:`
    pub fail_fast: Option<Spanned<Template>>,
    /// `max-parallel:`
    pub max_parallel: Option<Spanned<Template>>,
}

/// `container:`
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// `image`; an expression alone in the place of the whole container may give a mapping.
    pub image: Spanned<Template>,
    /// `env`
    pub env: Texts,
    /// Everything else.
    pub settings: ContainerSettings,
}

/// What `container:` and a service have besides image and environment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerSettings {
    /// `options`
    pub options: Option<Spanned<Template>>,
    /// `volumes`; one may be an expression that gives a whole list.
    pub volumes: Vec<Spanned<Template>>,
    /// `ports`; likewise.
    pub ports: Vec<Spanned<Template>>,
    /// `credentials`
    pub credentials: Option<RegistryLogin>,
}

/// `credentials:`
#[derive(Debug, Clone, PartialEq)]
pub struct RegistryLogin {
    /// `username`
    pub username: Spanned<Template>,
    /// `password`
    pub password: Spanned<Template>,
}

/// One of `services:`
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its key, which is its host name.
    pub id: Spanned<String>,
    /// What it has in common with `container:`.
    pub container: Container,
    /// `entrypoint`
    pub entrypoint: Option<Spanned<Template>>,
    /// `command`
    pub command: Option<Spanned<Template>>,
}

/// `gpus:`: a number or `all`, perhaps with the memory that each must have.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuWish {
    /// How many.
    pub count: Spanned<Template>,
    /// Memory of each.
    pub memory: Option<Spanned<Template>>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where it begins.
    pub span: Span,
    /// `id:`
    pub id: Option<Spanned<String>>,
    /// `name:`
    pub name: Option<Spanned<Template>>,
    /// `if:`
    pub condition: Option<Spanned<Condition>>,
    /// `env:`
    pub env: Texts,
    /// `continue-on-error:`
    pub continue_on_error: Option<Spanned<Template>>,
    /// `timeout-minutes:`
    pub timeout_minutes: Option<Spanned<Template>>,
    /// `retry:`
    pub retry: Option<Retry>,
    /// `cache-key:`
    pub cache: Option<CacheKey>,
    /// `background:`, and every step of a `parallel:` group.
    pub background: bool,
    /// What it does.
    pub action: StepAction,
}

/// `cache-key:`
#[derive(Debug, Clone, PartialEq)]
pub struct CacheKey {
    /// `key`, or the text that stands alone.
    pub key: Spanned<Template>,
    /// `inputs`
    pub inputs: Vec<Spanned<Template>>,
    /// `outputs`
    pub outputs: Vec<Spanned<Template>>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum StepAction {
    /// `run:`
    Run {
        /// The script.
        script: Spanned<Template>,
        /// The script as written, for places inside it.
        node: Node,
        /// `shell:`
        shell: Option<Spanned<Template>>,
        /// `working-directory:`
        working_directory: Option<Spanned<Template>>,
    },
    /// `uses:`
    Uses {
        /// What is used.
        uses: Spanned<Uses>,
        /// `with:`, with the places of the names.
        with: IndexMap<String, Argument>,
    },
    /// `wait:`, and the end of a `parallel:` group: indices of steps before it.
    Wait(Vec<usize>),
    /// `wait-all:`
    WaitAll,
    /// `cancel:`: index of a step before it.
    Cancel(usize),
}

/// One entry of `with:`.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// Where the name is written.
    pub name_span: Span,
    /// The value.
    pub value: Spanned<Template>,
}

/// What `uses:` of a step names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uses {
    /// `pawl/NAME`
    Builtin(String),
    /// `./path`, as written.
    Local(String),
    /// `OWNER/REPO[/PATH]@REF`
    Remote {
        /// `OWNER/REPO`
        repository: String,
        /// Folder inside the repository, or empty.
        path: String,
        /// Branch, tag or commit.
        reference: String,
    },
    /// `docker://IMAGE`
    Docker(String),
}

impl std::fmt::Display for Uses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Builtin(name) => write!(f, "pawl/{name}"),
            Self::Local(path) => f.write_str(path),
            Self::Remote { repository, path, reference } if path.is_empty() => {
                write!(f, "{repository}@{reference}")
            }
            Self::Remote { repository, path, reference } => {
                write!(f, "{repository}/{path}@{reference}")
            }
            Self::Docker(image) => write!(f, "docker://{image}"),
        }
    }
}

/// Why an input of this type does not take a text, or nothing.
pub fn value_fault(kind: &InputType, text: &str) -> Option<String> {
    match kind {
        InputType::String => None,
        InputType::Boolean => (!matches!(text, "true" | "false"))
            .then(|| format!("'{text}' is not 'true' or 'false'")),
        InputType::Number => {
            let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            number.is_none().then(|| format!("'{text}' is not a number"))
        }
        InputType::Choice(options) => (!options.iter().any(|option| option == text))
            .then(|| format!("'{text}' is not one of: {}", options.join(", "))),
        InputType::Environment => text.is_empty().then(|| "an environment has a name".to_owned()),
    }
}
