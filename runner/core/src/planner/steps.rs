//! Steps of the plan: scripts as they are, built-ins checked against their manifests, composite actions opened.

use super::action_file::{self, ActionFile, Composite, LoadedAction, Runs};
use super::stand_ins::{self, StandIn};
use super::{Planner, foreign, inputs, phases, template, templates};
use crate::diagnostic::{Code, Diagnostic, Reporter};
use crate::expr::Template;
use crate::plan::{Place, PlannedStep, StepCache, StepKind};
use crate::span::Spanned;
use crate::workflow::reader::{shorten, suggestion};
use crate::workflow::{Argument, Step, StepAction, Uses, Workflow};
use indexmap::IndexMap;

/// Deepest nesting of composite actions: GitHub's limit.
const MAX_NESTING: usize = 10;

/// Most planned steps of one job, those inside actions included: nested actions multiply.
const MAX_STEPS: usize = 20_000;

/// Plans the steps of a job.
pub(super) fn plan_all(planner: &mut Planner<'_>, steps: &[Step]) -> Vec<PlannedStep> {
    let mut budget = MAX_STEPS;
    let builtins = &planner.options.builtins;
    let planned = plan_list(planner, steps, 0, &mut budget);
    phases::surround(planned, |name| builtins.get(name).is_some_and(|known| known.has_post))
}

fn plan_list(
    planner: &mut Planner<'_>,
    steps: &[Step],
    depth: usize,
    budget: &mut usize,
) -> Vec<PlannedStep> {
    let mut planned = Vec::new();
    for step in steps {
        if *budget == 0 {
            let message = format!("the job has more than {MAX_STEPS} steps");
            planner.reporter.error(Code::ActionDepth, step.span, message);
            break;
        }
        *budget -= 1;
        planned.extend(plan_one(planner, step, depth, budget));
    }
    planned
}

fn plan_one(
    planner: &mut Planner<'_>,
    step: &Step,
    depth: usize,
    budget: &mut usize,
) -> Option<PlannedStep> {
    let kind = match &step.action {
        StepAction::Run { script, shell, working_directory, .. } => StepKind::Run {
            script: script.value.clone(),
            shell: template(shell),
            working_directory: template(working_directory),
        },
        StepAction::Uses { uses, with } => used(planner, step, uses, with, depth, budget)?,
        StepAction::Wait(steps) => StepKind::Wait { steps: steps.iter().map(index).collect() },
        StepAction::WaitAll => StepKind::WaitAll,
        StepAction::Cancel(step) => StepKind::Cancel { step: index(step) },
    };
    Some(PlannedStep {
        id: step.id.as_ref().map(|id| id.value.clone()).unwrap_or_default(),
        name: template(&step.name).or_else(|| name_of_stand_in(planner, step)),
        condition: step.condition.as_ref().map(|condition| condition.value.clone()),
        env: templates(&step.env),
        continue_on_error: template(&step.continue_on_error),
        timeout_minutes: template(&step.timeout_minutes),
        retry: step.retry.clone(),
        cache: cache(planner, step, &kind),
        background: step.background,
        phase: None,
        kind,
        line: step.span.line,
    })
}

/// `cache-key` belongs to a step that is one process: a group could be skipped in part only.
fn cache(planner: &mut Planner<'_>, step: &Step, kind: &StepKind) -> Option<StepCache> {
    let cache = step.cache.as_ref()?;
    if !matches!(kind, StepKind::Run { .. } | StepKind::Builtin { place: Place::Job, .. }) {
        let message = "'cache-key' is not supported yet for this kind of step";
        let help = "it belongs to a script ('run') or to a built-in action that runs in the job"
            .to_owned();
        planner.reporter.add(Code::NotSupported, cache.key.span, message.to_owned(), Some(help));
        return None;
    }
    let values = |all: &[Spanned<Template>]| all.iter().map(|one| one.value.clone()).collect();
    Some(StepCache {
        key: cache.key.value.clone(),
        inputs: values(&cache.inputs),
        outputs: values(&cache.outputs),
    })
}

fn index(step: &usize) -> u32 {
    u32::try_from(*step).unwrap_or(u32::MAX)
}

fn used(
    planner: &mut Planner<'_>,
    step: &Step,
    uses: &Spanned<Uses>,
    with: &IndexMap<String, Argument>,
    depth: usize,
    budget: &mut usize,
) -> Option<StepKind> {
    let text = uses.value.to_string();
    if let Some(action) = planner.options.actions.get(&text) {
        return loaded(planner, action, uses, with, depth, budget);
    }
    if let Some(stand_in) = answering(planner, &uses.value) {
        let with = stand_in.arguments(planner, uses, with);
        return builtin(planner, stand_in.builtin, uses, &with, step);
    }
    match &uses.value {
        Uses::Builtin(name) => builtin(planner, name, uses, with, step),
        Uses::Docker(image) => Some(foreign::image(image, &uses.value, with)),
        Uses::Local(_) | Uses::Remote { .. } if planner.is_explained(&text) => {
            let absent = &planner.options.absent[&text];
            let (message, help) = (absent.message.clone(), Some(absent.help.clone()));
            planner.reporter.add(Code::UnknownAction, uses.span, message, help);
            None
        }
        Uses::Local(path) => {
            let message = format!("there is no action in '{}'", shorten(path));
            let help = "the folder must hold an action.yml or action.yaml".to_owned();
            planner.reporter.add(Code::UnknownAction, uses.span, message, Some(help));
            None
        }
        Uses::Remote { repository, .. } => {
            let message = format!("the action '{}' is not at hand", shorten(&text));
            let help = format!("say which folder stands for it: --action {repository}=DIR");
            planner.reporter.add(Code::UnknownAction, uses.span, message, Some(help));
            None
        }
    }
}

/// What GitHub shows for one of its own actions, whoever answers it.
fn name_of_stand_in(planner: &Planner<'_>, step: &Step) -> Option<Template> {
    let StepAction::Uses { uses, .. } = &step.action else { return None };
    answering(planner, &uses.value)?;
    Some(Template::literal(&format!("Run {}", uses.value)))
}

/// The built-in action that answers one of GitHub's own, unless the real ones are asked for.
fn answering(planner: &Planner<'_>, uses: &Uses) -> Option<&'static StandIn> {
    if planner.options.real_actions { None } else { stand_ins::of(uses) }
}

fn builtin(
    planner: &mut Planner<'_>,
    name: &str,
    uses: &Spanned<Uses>,
    with: &IndexMap<String, Argument>,
    step: &Step,
) -> Option<StepKind> {
    let options = planner.options;
    let Some(manifest) = options.builtins.get(name) else {
        let names: Vec<&str> = options.builtins.keys().map(String::as_str).collect();
        let message = format!("there is no built-in action 'pawl/{}'", shorten(name));
        let help = Some(suggestion(name, &names));
        planner.reporter.add(Code::UnknownAction, uses.span, message, help);
        return None;
    };
    let mut with = inputs::check(planner, name, manifest, with, step.span);
    if name == "checkout" && options.clean {
        with.insert("clean".to_owned(), Template::literal("true"));
    }
    Some(StepKind::Builtin { action: name.to_owned(), place: manifest.place, with })
}

fn loaded(
    planner: &mut Planner<'_>,
    action: &LoadedAction,
    uses: &Spanned<Uses>,
    with: &IndexMap<String, Argument>,
    depth: usize,
    budget: &mut usize,
) -> Option<StepKind> {
    let (file, found) = action_file::parse(action);
    if found.iter().any(Diagnostic::is_error) {
        planner.note_elsewhere(found);
        return None;
    }
    let ActionFile { inputs, runs } = file?;
    let is_container = matches!(runs, Runs::Container(_));
    let with = foreign::inputs(planner, &inputs, is_container, uses, with);
    match runs {
        Runs::Node(node) => foreign::node(planner, uses, &action.folder, &node, with),
        Runs::Container(own) => foreign::container(planner, uses, &action.folder, &own, with),
        Runs::Composite(own) => composite(planner, action, own, uses, with, depth, budget),
    }
}

fn composite(
    planner: &mut Planner<'_>,
    action: &LoadedAction,
    composite: Composite,
    uses: &Spanned<Uses>,
    with: IndexMap<String, Template>,
    depth: usize,
    budget: &mut usize,
) -> Option<StepKind> {
    if depth >= MAX_NESTING {
        let message = format!("actions are nested deeper than {MAX_NESTING} levels here");
        let help = "an action that uses itself never ends".to_owned();
        planner.reporter.add(Code::ActionDepth, uses.span, message, Some(help));
        return None;
    }
    // What is found inside belongs to the action's own file.
    let outer = std::mem::replace(&mut planner.reporter, Reporter::new(&action.file));
    let steps = plan_list(planner, &composite.steps, depth + 1, budget);
    let inner = std::mem::replace(&mut planner.reporter, outer);
    planner.note_elsewhere(inner.finish());
    Some(StepKind::Composite {
        uses: uses.value.to_string(),
        folder: action.folder.clone(),
        with,
        steps,
        outputs: templates(&composite.outputs),
    })
}

/// The actions that the workflow, and those already loaded, use and that are neither built in nor loaded: their `uses:` as
/// written. To be called again after loading them, until nothing is new.
pub fn missing_actions(
    workflow: &Workflow,
    loaded: &IndexMap<String, LoadedAction>,
) -> Vec<String> {
    let mut missing: Vec<String> = Vec::new();
    let mut note = |steps: &[Step]| {
        for step in steps {
            let StepAction::Uses { uses, .. } = &step.action else { continue };
            let text = uses.value.to_string();
            let loadable = matches!(uses.value, Uses::Local(_) | Uses::Remote { .. });
            if loadable && !loaded.contains_key(&text) && !missing.contains(&text) {
                missing.push(text);
            }
        }
    };
    for job in &workflow.jobs {
        note(&job.steps);
    }
    for action in loaded.values() {
        if let (Some(ActionFile { runs: Runs::Composite(composite), .. }), _) =
            action_file::parse(action)
        {
            note(&composite.steps);
        }
    }
    missing
}
