//! From an event to the question whether a workflow runs for it, and to the inputs that it gives.

pub use crate::github::github_context;
use crate::github::{base_ref, reference};
use crate::glob::{deciding_pattern, matches_list};
pub use crate::payload::payload;
use crate::payload::text_at;
use crate::workflow::model::value_fault;
use crate::workflow::{Filter, InputDeclaration, InputType, Trigger, Workflow};
use crate::yaml::json_number;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

/// What is known of the source tree. Everything may be empty outside a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GitFacts {
    /// The commit, full length.
    pub sha: String,
    /// Where the event began: for a push the commit before it, full length; empty when there was none.
    pub before: String,
    /// Tip of the branch that a pull request goes to.
    pub base_sha: String,
    /// Name of that branch; empty is the default branch.
    pub base_branch: String,
    /// The event's commits, the newest last.
    pub commits: Vec<CommitFacts>,
    /// What stood before is no ancestor of the commit.
    pub forced: bool,
    /// Full name of the reference, such as `refs/heads/main` or `refs/tags/v1`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Name of the checked-out branch; empty for a detached head.
    pub branch: String,
    /// Name of the default branch.
    pub default_branch: String,
    /// `OWNER/NAME`
    pub repository: String,
    /// First line and body of the commit's message.
    pub message: String,
    /// The commit's author.
    pub author_name: String,
    /// The author's address.
    pub author_email: String,
    /// Paths that the event changed, relative to the root; `None` when that is not known.
    pub changed_paths: Option<Vec<String>>,
    /// Folder of the source tree on the runner's host.
    pub folder: String,
    /// It has changes that are not committed.
    pub is_dirty: bool,
}

impl GitFacts {
    /// The branch that a pull request goes to.
    pub fn base(&self) -> &str {
        if self.base_branch.is_empty() { &self.default_branch } else { &self.base_branch }
    }
}

/// What is known of one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommitFacts {
    /// Full length.
    pub id: String,
    /// Its tree.
    pub tree_id: String,
    /// Its message.
    pub message: String,
    /// When it was committed, RFC 3339.
    pub timestamp: String,
    /// Who wrote it.
    pub author_name: String,
    /// The author's address.
    pub author_email: String,
    /// Who committed it.
    pub committer_name: String,
    /// The committer's address.
    pub committer_email: String,
    /// New paths.
    pub added: Vec<String>,
    /// Paths that are gone.
    pub removed: Vec<String>,
    /// Changed paths.
    pub modified: Vec<String>,
}

/// Something that may start workflows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TriggerEvent {
    /// Name of the event, such as `push`.
    pub name: String,
    /// Its payload; null when none was given.
    pub payload: Json,
    /// The activity that is asked for beside the payload (`--type`), such as `labeled`; empty for the usual one.
    pub activity: String,
    /// For `schedule` without a payload: the cron line that is due.
    pub cron: String,
    /// Path of the workflow that was dispatched, where the event says one.
    pub workflow: String,
    /// The source tree.
    pub git: GitFacts,
    /// Who did it.
    pub actor: String,
    /// Inputs given beside the payload (`--input K=V`); they win over `payload.inputs`.
    pub inputs: IndexMap<String, String>,
    /// Name of the run; empty while there is none.
    pub run_id: String,
    /// Number of the run among the workflow's, from 1; 0 while there is none.
    pub run_number: u64,
}

/// Why a workflow does not run for an event. The user's fault, where the user has asked for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// The workflow does not name the event.
    #[error("it does not listen to '{event}', only to: {}", .listens.join(", "))]
    NotListening {
        /// The event.
        event: String,
        /// What it listens to.
        listens: Vec<String>,
    },
    /// The activity is not among `types`.
    #[error("the activity '{action}' of '{event}' is not among its types: {}", .types.join(", "))]
    Activity {
        /// The event.
        event: String,
        /// The activity.
        action: String,
        /// What it asks for.
        types: Vec<String>,
    },
    /// A branch or tag that the filter does not take.
    #[error("the {what} '{name}' does not pass its filter '{filter}': {}", .patterns.join(", "))]
    Name {
        /// `branch` or `tag`.
        what: &'static str,
        /// Its name.
        name: String,
        /// The filter's key.
        filter: String,
        /// The filter's patterns.
        patterns: Vec<String>,
        /// The pattern that decided; `None` when none matched.
        decided: Option<String>,
    },
    /// A ref was deleted: nothing is there to run.
    #[error("the push deletes '{name}'")]
    Deleted {
        /// The ref.
        name: String,
    },
    /// Only tags are filtered and a branch came, or the other way round.
    #[error("it filters only {filtered}, and '{name}' is a {what}")]
    OtherKind {
        /// `branches` or `tags`.
        filtered: &'static str,
        /// `branch` or `tag`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// No changed path passes.
    #[error("none of the {count} changed paths passes its filter '{filter}': {}", .patterns.join(", "))]
    Paths {
        /// How many paths changed.
        count: usize,
        /// The filter's key.
        filter: String,
        /// The filter's patterns.
        patterns: Vec<String>,
    },
    /// Another workflow ended than those it waits for.
    #[error("it follows other workflows than '{name}': {}", .workflows.join(", "))]
    OtherWorkflow {
        /// The workflow that ended.
        name: String,
        /// Those it follows.
        workflows: Vec<String>,
    },
    /// Another cron line.
    #[error("it has other schedules than '{cron}': {}", .crons.join("; "))]
    OtherSchedule {
        /// The line that is due.
        cron: String,
        /// Its own.
        crons: Vec<String>,
    },
}

/// Whether the workflow runs for the event.
///
/// # Errors
///
/// The first reason why not.
pub fn matches(workflow: &Workflow, event: &TriggerEvent) -> Result<(), WhyNot> {
    let trigger = workflow.trigger(&event.name).ok_or_else(|| WhyNot::NotListening {
        event: event.name.clone(),
        listens: workflow.triggers.iter().map(|trigger| trigger.event.clone()).collect(),
    })?;
    let payload = payload(event);
    check_activity(trigger, &payload)?;
    check_workflow_run(trigger, &payload)?;
    check_schedule(trigger, &payload)?;
    check_names(trigger, event, &payload)?;
    check_paths(trigger, event)
}

/// Activities that count when a workflow names none.
pub(crate) fn default_types(event: &str) -> &'static [&'static str] {
    match event {
        "pull_request" | "pull_request_target" => &["opened", "synchronize", "reopened"],
        _ => &[],
    }
}

fn check_activity(trigger: &Trigger, payload: &Json) -> Result<(), WhyNot> {
    let Some(action) = payload.get("action").and_then(Json::as_str) else { return Ok(()) };
    let types: Vec<String> = match &trigger.types {
        Some(types) => types.iter().map(|kind| kind.value.clone()).collect(),
        None => default_types(&trigger.event).iter().map(|&kind| kind.to_owned()).collect(),
    };
    if types.is_empty() || types.iter().any(|kind| kind == action) {
        return Ok(());
    }
    Err(WhyNot::Activity { event: trigger.event.clone(), action: action.to_owned(), types })
}

fn check_workflow_run(trigger: &Trigger, payload: &Json) -> Result<(), WhyNot> {
    let name = payload.pointer("/workflow_run/name").and_then(Json::as_str);
    let Some(name) = name.filter(|_| !trigger.workflows.is_empty()) else { return Ok(()) };
    let workflows: Vec<String> = trigger.workflows.iter().map(|name| name.value.clone()).collect();
    if matches_list(workflows.iter().map(String::as_str), name) {
        return Ok(());
    }
    Err(WhyNot::OtherWorkflow { name: name.to_owned(), workflows })
}

fn check_schedule(trigger: &Trigger, payload: &Json) -> Result<(), WhyNot> {
    let Some(cron) = payload.get("schedule").and_then(Json::as_str) else { return Ok(()) };
    let crons: Vec<String> = trigger.crons.iter().map(|cron| cron.value.clone()).collect();
    if crons.is_empty() || crons.iter().any(|own| own == cron) {
        return Ok(());
    }
    Err(WhyNot::OtherSchedule { cron: cron.to_owned(), crons })
}

/// What a filter of names is asked about: whether it is a tag, and the name.
pub(crate) fn filtered_name(event: &TriggerEvent, payload: &Json) -> Option<(bool, String)> {
    match event.name.as_str() {
        "push" => {
            let reference = reference(event, payload);
            Some(match reference.strip_prefix("refs/tags/") {
                Some(tag) => (true, tag.to_owned()),
                None => (false, strip(&reference, "refs/heads/")),
            })
        }
        "pull_request" | "pull_request_target" => Some((false, base_ref(event, payload))),
        "workflow_run" => Some((false, text_at(payload, "/workflow_run/head_branch"))),
        "merge_group" => {
            Some((false, strip(&text_at(payload, "/merge_group/base_ref"), "refs/heads/")))
        }
        _ => None,
    }
}

fn check_names(trigger: &Trigger, event: &TriggerEvent, payload: &Json) -> Result<(), WhyNot> {
    if event.name == "push" {
        return check_push(trigger, event, payload);
    }
    match (&trigger.branches, filtered_name(event, payload)) {
        (Some(filter), Some((_, branch))) => check_name(filter, "branch", "branches", &branch),
        _ => Ok(()),
    }
}

fn check_push(trigger: &Trigger, event: &TriggerEvent, payload: &Json) -> Result<(), WhyNot> {
    if payload.get("deleted").and_then(Json::as_bool) == Some(true) {
        return Err(WhyNot::Deleted { name: text_at(payload, "/ref") });
    }
    let reference = reference(event, payload);
    let (branches, tags) = (trigger.branches.as_ref(), trigger.tags.as_ref());
    if let Some(tag) = reference.strip_prefix("refs/tags/") {
        return match (tags, branches) {
            (Some(filter), _) => check_name(filter, "tag", "tags", tag),
            (None, Some(_)) => {
                Err(WhyNot::OtherKind { filtered: "branches", what: "tag", name: tag.to_owned() })
            }
            (None, None) => Ok(()),
        };
    }
    let branch = strip(&reference, "refs/heads/");
    match (branches, tags) {
        (Some(filter), _) => check_name(filter, "branch", "branches", &branch),
        (None, Some(_)) => {
            Err(WhyNot::OtherKind { filtered: "tags", what: "branch", name: branch })
        }
        (None, None) => Ok(()),
    }
}

fn check_name(filter: &Filter, what: &'static str, key: &str, name: &str) -> Result<(), WhyNot> {
    let patterns: Vec<String> = filter.patterns.iter().map(|one| one.value.clone()).collect();
    if matches_list(patterns.iter().map(String::as_str), name) != filter.ignore {
        return Ok(());
    }
    let decided = deciding_pattern(patterns.iter().map(String::as_str), name).map(str::to_owned);
    let filter = filter_key(filter, key);
    Err(WhyNot::Name { what, name: name.to_owned(), filter, patterns, decided })
}

pub(crate) fn filter_key(filter: &Filter, key: &str) -> String {
    if filter.ignore { format!("{key}-ignore") } else { key.to_owned() }
}

/// Paths count for pushes of branches and for pull requests, and only where the changes are known.
fn check_paths(trigger: &Trigger, event: &TriggerEvent) -> Result<(), WhyNot> {
    let (Some(filter), Some(paths)) = (&trigger.paths, &event.git.changed_paths) else {
        return Ok(());
    };
    if reference(event, &event.payload).starts_with("refs/tags/") {
        return Ok(());
    }
    let patterns: Vec<String> = filter.patterns.iter().map(|one| one.value.clone()).collect();
    let passes =
        |path: &String| matches_list(patterns.iter().map(String::as_str), path) != filter.ignore;
    if paths.iter().any(passes) {
        return Ok(());
    }
    Err(WhyNot::Paths { count: paths.len(), filter: filter_key(filter, "paths"), patterns })
}

// ---------------------------------------------------------------- inputs

/// An input that does not fit what the workflow declares. The user's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputFault {
    /// It is not declared.
    #[error("the workflow declares no input '{name}'")]
    Undeclared {
        /// The input.
        name: String,
        /// What is declared.
        known: Vec<String>,
    },
    /// It must be given.
    #[error("the required input '{name}' is not given")]
    Missing {
        /// The input.
        name: String,
    },
    /// Its value does not fit its type.
    #[error("the input '{name}' does not fit: {fault}")]
    Unfit {
        /// The input.
        name: String,
        /// Why.
        fault: String,
    },
}

impl InputFault {
    /// The input that it is about.
    pub fn name(&self) -> &str {
        match self {
            Self::Undeclared { name, .. } | Self::Missing { name } | Self::Unfit { name, .. } => {
                name
            }
        }
    }
}

/// The values of the inputs that the event's trigger declares: typed, defaults filled in. `default_of` evaluates a default.
/// Events without inputs give an empty mapping, and inputs given for them are undeclared.
///
/// # Errors
///
/// All faults at once.
pub fn inputs(
    workflow: &Workflow,
    event: &TriggerEvent,
    default_of: impl Fn(&InputDeclaration) -> Option<Json>,
) -> Result<Map<String, Json>, Vec<InputFault>> {
    let none = IndexMap::new();
    let takes_inputs = matches!(event.name.as_str(), "workflow_dispatch" | "workflow_call");
    let trigger = workflow.trigger(&event.name).filter(|_| takes_inputs);
    let declared = trigger.map_or(&none, |trigger| &trigger.inputs);
    let given = given_inputs(event, takes_inputs);
    let mut faults: Vec<InputFault> = given
        .keys()
        .filter(|name| !declared.contains_key(name.as_str()))
        .map(|name| InputFault::Undeclared {
            name: name.clone(),
            known: declared.keys().cloned().collect(),
        })
        .collect();
    let mut values = Map::new();
    for (name, declaration) in declared {
        match input_value(name, declaration, given.get(name), &default_of) {
            Ok(value) => {
                values.insert(name.clone(), value);
            }
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}

fn given_inputs(event: &TriggerEvent, takes_inputs: bool) -> IndexMap<String, String> {
    let mut given = IndexMap::new();
    if let Some(map) =
        event.payload.get("inputs").and_then(Json::as_object).filter(|_| takes_inputs)
    {
        for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            given.insert(name.clone(), plain_text(value));
        }
    }
    given.extend(event.inputs.clone());
    given
}

pub(crate) fn plain_text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn input_value(
    name: &str,
    declaration: &InputDeclaration,
    given: Option<&String>,
    default_of: &impl Fn(&InputDeclaration) -> Option<Json>,
) -> Result<Json, InputFault> {
    let text = match given {
        Some(text) => text.clone(),
        None => match default_of(declaration) {
            Some(default) => plain_text(&default),
            None if declaration.required => {
                return Err(InputFault::Missing { name: name.to_owned() });
            }
            None => return Ok(empty(&declaration.kind)),
        },
    };
    if let Some(fault) = value_fault(&declaration.kind, &text) {
        return Err(InputFault::Unfit { name: name.to_owned(), fault });
    }
    Ok(match declaration.kind {
        InputType::Boolean => Json::Bool(text == "true"),
        InputType::Number => {
            let number = text.trim().parse::<f64>().ok().and_then(json_number);
            number.unwrap_or(Json::Null)
        }
        _ => Json::String(text),
    })
}

/// What an input is worth that is neither given nor has a default.
fn empty(kind: &InputType) -> Json {
    match kind {
        InputType::Boolean => Json::Bool(false),
        InputType::Number => json!(0),
        _ => json!(""),
    }
}

fn strip(text: &str, prefix: &str) -> String {
    text.strip_prefix(prefix).unwrap_or(text).to_owned()
}
