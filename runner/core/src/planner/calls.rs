//! Jobs that call workflows: what is given is held against what the called file declares, and its jobs are planned as the
//! caller's own.

use super::jobs::{Instances, instance_contexts};
use super::{Nest, Planner, jobs, templates};
use crate::call::{
    CallInput, CallInputKind, MAX_LEVELS, MAX_WORKFLOWS, PlannedCall, SecretPassing,
};
use crate::diagnostic::{Code, Diagnostic};
use crate::expr::Contexts;
use crate::group::PlannedGroup;
use crate::permissions::Grant;
use crate::span::Span;
use crate::workflow::reader::{shorten, suggestion};
use crate::workflow::{
    Call, CallArgument, CallSecrets, Concurrency, InputDeclaration, InputType, Job, Trigger,
    Workflow, parse,
};
use crate::yaml::Kind;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};
use std::collections::HashSet;

/// A workflow file that a job calls, read from wherever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedWorkflow {
    /// Its path, for messages. What it calls itself with `./` is looked up by this path.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// A call as written: path of the calling file, and `uses` of the job.
pub type CallName = (String, String);

/// The calls of the workflow, and of those already loaded, that are not loaded. To be called again after loading them, until
/// nothing is new.
pub fn missing_workflows(
    workflow: &Workflow,
    loaded: &IndexMap<CallName, LoadedWorkflow>,
) -> Vec<CallName> {
    let mut missing: Vec<CallName> = Vec::new();
    let mut note = |workflow: &Workflow| {
        for call in workflow.jobs.iter().filter_map(|job| job.call.as_ref()) {
            let name = (workflow.file.clone(), call.uses.value.to_string());
            if !loaded.contains_key(&name) && !missing.contains(&name) {
                missing.push(name);
            }
        }
    };
    note(workflow);
    for called in called_workflows(loaded) {
        note(&called);
    }
    missing
}

/// The workflows that were loaded, each once, as far as they can be read.
pub fn called_workflows(loaded: &IndexMap<CallName, LoadedWorkflow>) -> Vec<Workflow> {
    let mut seen = HashSet::new();
    let files = loaded.values().filter(|called| seen.insert(called.file.as_str()));
    files.filter_map(|called| parse(&called.file, &called.text).0).collect()
}

/// What the job calls, for each of its instances or once for all; `None` when something forbids it, which is reported.
pub(super) fn plan(
    planner: &mut Planner<'_>,
    job: &Job,
    call: &Call,
    instances: &Instances,
    grant: &Grant,
) -> Option<Vec<PlannedCall>> {
    let called = called(planner, call)?;
    let trigger = called.trigger("workflow_call")?.clone();
    let sound = check_inputs(planner, call, &trigger) & check_secrets(planner, call, &trigger);
    if !sound {
        return None;
    }
    let all = match instances {
        Instances::Known(all) => all.as_slice(),
        Instances::Later(_) => &[],
    };
    let mut calls: Vec<PlannedCall> = Vec::new();
    for instance in all {
        let contexts = instance_contexts(planner, job, instance);
        calls.push(one(planner, call, &called, &trigger, &contexts, grant)?);
    }
    if all.is_empty() {
        let contexts = planner.known.clone();
        calls.push(one(planner, call, &called, &trigger, &contexts, grant)?);
    }
    // Most matrices change nothing of what is planned: once is enough then.
    if calls.windows(2).all(|pair| pair[0] == pair[1]) {
        calls.truncate(1);
    }
    Some(calls)
}

/// The called file, when it can be called from here.
fn called(planner: &mut Planner<'_>, call: &Call) -> Option<Workflow> {
    let uses = call.uses.value.to_string();
    let span = call.uses.span;
    let options = planner.options;
    let name = (planner.workflow.file.clone(), uses.clone());
    let Some(loaded) = options.workflows.get(&name) else {
        if let Some(absent) = options.absent.get(&uses) {
            let message =
                format!("the workflow '{}' is not at hand: {}", shorten(&uses), absent.message);
            planner.reporter.add(Code::UnknownWorkflow, span, message, Some(absent.help.clone()));
            return None;
        }
        let message = format!("the workflow '{}' is not at hand", shorten(&uses));
        let help = match &call.uses.value {
            crate::workflow::CalledWorkflow::Local(_) => {
                "the file must be in the repository of the calling workflow".to_owned()
            }
            crate::workflow::CalledWorkflow::Remote { repository, .. } => {
                format!("say which folder stands for its repository: --action {repository}=DIR")
            }
        };
        planner.reporter.add(Code::UnknownWorkflow, span, message, Some(help));
        return None;
    };
    if planner.nest.files.contains(&loaded.file) {
        let message = format!("the workflow '{}' calls itself", shorten(&uses));
        let help = format!("by way of: {}", planner.nest.files.join(" -> "));
        planner.reporter.add(Code::CallDepth, span, message, Some(help));
        return None;
    }
    let files: HashSet<&str> = options.workflows.values().map(|one| one.file.as_str()).collect();
    if planner.nest.files.len() >= MAX_LEVELS || files.len() > MAX_WORKFLOWS {
        let message = format!(
            "workflows are nested deeper than {MAX_LEVELS} levels here, or more than {MAX_WORKFLOWS} are called"
        );
        let help = Some("these are GitHub's limits: call fewer".to_owned());
        planner.reporter.add(Code::CallDepth, span, message, help);
        return None;
    }
    let (workflow, found) = parse(&loaded.file, &loaded.text);
    if found.iter().any(Diagnostic::is_error) {
        planner.note_elsewhere(found);
        return None;
    }
    let workflow = workflow?;
    if workflow.trigger("workflow_call").is_none() {
        let message = "workflow_call key is not defined in the referenced workflow.";
        let help = format!("add 'workflow_call:' to 'on' of {}", loaded.file);
        planner.reporter.add(Code::InvalidCall, span, message.to_owned(), Some(help));
        return None;
    }
    Some(workflow)
}

fn check_inputs(planner: &mut Planner<'_>, call: &Call, trigger: &Trigger) -> bool {
    let names: Vec<&str> = trigger.inputs.keys().map(String::as_str).collect();
    let mut sound = true;
    for (name, argument) in &call.with {
        let Some((_, declared)) = find(&trigger.inputs, name) else {
            let message =
                format!("Invalid input, {name} is not defined in the referenced workflow.");
            let help = Some(suggestion(name, &names));
            planner.reporter.add(Code::UnknownInput, argument.name_span, message, help);
            sound = false;
            continue;
        };
        if let Some(message) = literal_fault(argument, declared) {
            planner.reporter.error(Code::InvalidInput, argument.value.span, message);
            sound = false;
        }
    }
    for (name, declared) in &trigger.inputs {
        if declared.required && find(&call.with, name).is_none() {
            let message = format!("Input {name} is required, but not provided while calling.");
            let help = Some(format!("add 'with: {{{name}: …}}' to the job"));
            planner.reporter.add(Code::MissingInput, call.uses.span, message, help);
            sound = false;
        }
    }
    sound
}

/// A value written without an expression is of the input's type in the file, too: `'true'` is no boolean.
fn literal_fault(argument: &CallArgument, declared: &InputDeclaration) -> Option<String> {
    if !argument.value.value.is_literal() {
        return None;
    }
    let kind = kind_of(declared);
    let fits = match kind {
        CallInputKind::String => true,
        CallInputKind::Boolean => argument.kind == Kind::Bool,
        CallInputKind::Number => matches!(argument.kind, Kind::Int | Kind::Float),
    };
    let text = literal_text(argument);
    let fault = kind.literal(&text).err();
    let wrong = || format!("Unexpected value '{text}', expected {}", kind_name(kind));
    fault.or_else(|| (!fits).then(wrong))
}

fn literal_text(argument: &CallArgument) -> String {
    let source = argument.value.value.source();
    match argument.kind {
        Kind::Bool => source.to_ascii_lowercase(),
        _ => source.to_owned(),
    }
}

fn check_secrets(planner: &mut Planner<'_>, call: &Call, trigger: &Trigger) -> bool {
    let CallSecrets::Named(named) = &call.secrets else { return true };
    let names: Vec<&str> = trigger.secrets.keys().map(String::as_str).collect();
    let mut sound = true;
    for (name, argument) in named {
        if find(&trigger.secrets, name).is_none() {
            let message =
                format!("Invalid secret, {name} is not defined in the referenced workflow.");
            let help = Some(suggestion(name, &names));
            planner.reporter.add(Code::UnknownSecret, argument.name_span, message, help);
            sound = false;
        }
    }
    for (name, required) in &trigger.secrets {
        if *required && find(named, name).is_none() {
            let message = format!("Secret {name} is required, but not provided while calling.");
            let help =
                Some(format!("add 'secrets: {{{name}: …}}' to the job, or 'secrets: inherit'"));
            planner.reporter.add(Code::MissingSecret, call.uses.span, message, help);
            sound = false;
        }
    }
    sound
}

/// Names of inputs and secrets are the same without regard to case.
fn find<'m, V>(map: &'m IndexMap<String, V>, name: &str) -> Option<(&'m String, &'m V)> {
    map.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// The call of one instance, whose contexts are these.
fn one(
    planner: &mut Planner<'_>,
    call: &Call,
    called: &Workflow,
    trigger: &Trigger,
    contexts: &Contexts<'_>,
    grant: &Grant,
) -> Option<PlannedCall> {
    let inputs: IndexMap<String, CallInput> = trigger
        .inputs
        .iter()
        .map(|(name, declared)| (name.clone(), input(call, name, declared)))
        .collect();
    let known = known_inputs(planner, call, &inputs, contexts)?;
    let mut files = planner.nest.files.clone();
    files.push(called.file.clone());
    let mut inner = Planner::inside(planner, called, Nest { files, grant: Some(grant.clone()) });
    if let Some(known) = known {
        inner.known = inner.known.with("inputs", Json::Object(known));
    }
    let planned: Vec<_> =
        called.jobs.iter().filter_map(|job| jobs::plan(&mut inner, job)).collect();
    let left = inner.jobs_left;
    let found = inner.finish();
    planner.jobs_left = left;
    let sound = !found.iter().any(Diagnostic::is_error);
    planner.note_elsewhere(found);
    sound.then(|| PlannedCall {
        uses: call.uses.value.to_string(),
        file: called.file.clone(),
        name: called.display_name().to_owned(),
        inputs,
        secrets: passing(call, trigger),
        env: templates(&called.env),
        outputs: templates(&trigger.outputs),
        group: called.concurrency.as_ref().map(group),
        jobs: planned,
    })
}

fn input(call: &Call, name: &str, declared: &InputDeclaration) -> CallInput {
    let kind = kind_of(declared);
    let given = find(&call.with, name).map(|(_, argument)| argument.value.value.clone());
    let is_default = given.is_none();
    let value = given.or_else(|| declared.default.as_ref().map(|text| text.value.clone()));
    CallInput { kind, value, is_default }
}

/// The values of all inputs, when they are known before the run; the outer `None` is a fault, which is reported.
fn known_inputs(
    planner: &mut Planner<'_>,
    call: &Call,
    inputs: &IndexMap<String, CallInput>,
    contexts: &Contexts<'_>,
) -> Option<Option<Map<String, Json>>> {
    let bare = planner.known.clone().with("inputs", Json::Object(Map::new()));
    let mut known = Some(Map::new());
    for (name, input) in inputs {
        let seen = if input.is_default { &bare } else { contexts };
        let span = find(&call.with, name).map_or(call.uses.span, |(_, it)| it.value.span);
        let value = known_input(planner, input, seen, span)?;
        known = known.zip(value).map(|(mut known, value)| {
            known.insert(name.clone(), value);
            known
        });
    }
    Some(known)
}

fn known_input(
    planner: &mut Planner<'_>,
    input: &CallInput,
    contexts: &Contexts<'_>,
    span: Span,
) -> Option<Option<Json>> {
    let Some(template) = &input.value else { return Some(Some(input.kind.empty())) };
    let value = if template.is_literal() {
        input.kind.literal(template.source())
    } else {
        match template.const_eval(contexts) {
            Ok(None) => return Some(None),
            Ok(Some(value)) => input.kind.typed(&value),
            Err(error) => {
                planner.evaluation_fault(span, &error);
                return None;
            }
        }
    };
    match value {
        Ok(value) => Some(Some(value)),
        Err(message) => {
            planner.reporter.error(Code::InvalidInput, span, message);
            None
        }
    }
}

fn kind_of(declared: &InputDeclaration) -> CallInputKind {
    match declared.kind {
        InputType::Boolean => CallInputKind::Boolean,
        InputType::Number => CallInputKind::Number,
        InputType::String | InputType::Choice(_) | InputType::Environment => CallInputKind::String,
    }
}

fn kind_name(kind: CallInputKind) -> &'static str {
    match kind {
        CallInputKind::String => "a string",
        CallInputKind::Boolean => "a boolean",
        CallInputKind::Number => "a number",
    }
}

/// The secrets under the names that the called workflow declares.
fn passing(call: &Call, trigger: &Trigger) -> SecretPassing {
    let CallSecrets::Named(named) = &call.secrets else { return SecretPassing::Inherit };
    let one = |(name, argument): (&String, &CallArgument)| {
        let declared = find(&trigger.secrets, name).map_or(name, |(declared, _)| declared);
        (declared.clone(), argument.value.value.clone())
    };
    SecretPassing::Named(named.iter().map(one).collect())
}

/// `concurrency` without its places.
pub(super) fn group(concurrency: &Concurrency) -> PlannedGroup {
    PlannedGroup {
        group: concurrency.group.value.clone(),
        cancel_in_progress: super::template(&concurrency.cancel_in_progress),
        is_queue: concurrency.is_queue,
    }
}

/// What the job's token may do: what it asks for, within what the caller of its workflow grants. A job that asks for more than
/// that is refused, as on GitHub.
pub(super) fn grant(planner: &mut Planner<'_>, job: &Job) -> Grant {
    let written = job.permissions.as_ref().or(planner.workflow.permissions.as_ref());
    let outer = planner.nest.grant.clone();
    let Some(written) = written else { return outer.unwrap_or_else(Grant::standard) };
    let wanted = Grant::of(&written.value);
    let Some(outer) = outer else { return wanted };
    for (scope, level, most) in wanted.beyond(&outer) {
        let (level, most) = (level.as_str(), most.as_str());
        let message = format!(
            "The nested job '{}' is requesting '{scope}: {level}', but is only allowed '{scope}: {most}'.",
            job.id.value
        );
        let help = format!("grant it in the calling job: 'permissions: {{{scope}: {level}}}'");
        planner.reporter.add(Code::ExcessPermission, written.span, message, Some(help));
    }
    wanted.narrowed(&outer)
}
