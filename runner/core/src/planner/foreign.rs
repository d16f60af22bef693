//! Steps with actions in JavaScript or in images: inputs, programs, phases.

use super::action_file::{Container, Input, Node};
use super::{Planner, templates};
use crate::diagnostic::Code;
use crate::expr::Template;
use crate::plan::{
    ForeignAction, ForeignArgs, ForeignImage, ForeignPhase, ForeignProgram, PlannedStep, StepKind,
};
use crate::span::{Span, Spanned};
use crate::workflow::reader::{shorten, suggestion};
use crate::workflow::{Argument, Uses};
use indexmap::IndexMap;

/// Inputs that every action in a container takes.
const CONTAINER_INPUTS: [&str; 2] = ["entrypoint", "args"];

/// An action in JavaScript.
pub(super) fn node(
    planner: &mut Planner<'_>,
    uses: &Spanned<Uses>,
    folder: &str,
    node: &Node,
    with: IndexMap<String, Template>,
) -> Option<StepKind> {
    if let Some(Err(absent)) = &planner.options.node {
        let message = format!("'{}' runs with Node: {}", uses.value, absent.message);
        let help = Some(absent.help.clone());
        planner.reporter.add(Code::UnknownAction, uses.span, message, help);
        return None;
    }
    let program = |script: &String| ForeignProgram::Node {
        using: node.using.clone(),
        script: script.clone(),
    };
    let phase = |script: &Option<String>, condition| {
        Some(ForeignPhase { program: program(script.as_ref()?), condition })
    };
    Some(StepKind::Foreign(Box::new(ForeignAction {
        uses: uses.value.to_string(),
        folder: folder.to_owned(),
        program: program(&node.main),
        with,
        pre: not_local(&uses.value, phase(&node.pre, node.pre_if.clone())),
        post: phase(&node.post, node.post_if.clone()),
    })))
}

/// An action in a container.
pub(super) fn container(
    planner: &mut Planner<'_>,
    uses: &Spanned<Uses>,
    folder: &str,
    container: &Container,
    with: IndexMap<String, Template>,
) -> Option<StepKind> {
    let image = match container.image.get(..9) {
        Some(scheme) if scheme.eq_ignore_ascii_case("docker://") => {
            ForeignImage::Name(container.image[9..].to_owned())
        }
        _ if container.image.ends_with("ockerfile") => {
            ForeignImage::Dockerfile(container.image.clone())
        }
        _ => {
            let message =
                format!("'image: {}' is no image of an action", shorten(&container.image));
            let help = "write 'docker://IMAGE', or the path of a Dockerfile".to_owned();
            planner.reporter.add(Code::InvalidAction, uses.span, message, Some(help));
            return None;
        }
    };
    let args = match &container.args {
        Some(args) => Some(ForeignArgs::List(args.clone())),
        None => given(&with, "args").map(ForeignArgs::Line),
    };
    let program = |entrypoint: Option<Template>| ForeignProgram::Container {
        image: image.clone(),
        entrypoint,
        args: args.clone(),
        env: templates(&container.env),
    };
    let phase = |entrypoint: &Option<String>, condition| {
        let entrypoint = Template::literal(entrypoint.as_ref()?);
        Some(ForeignPhase { program: program(Some(entrypoint)), condition })
    };
    let pre = phase(&container.pre_entrypoint, container.pre_if.clone());
    let post = phase(&container.post_entrypoint, container.post_if.clone());
    let own = container.entrypoint.as_deref().map(Template::literal);
    Some(StepKind::Foreign(Box::new(ForeignAction {
        uses: uses.value.to_string(),
        folder: folder.to_owned(),
        program: program(own.or_else(|| given(&with, "entrypoint"))),
        pre: not_local(&uses.value, pre),
        post,
        with,
    })))
}

/// `uses: docker://IMAGE`
pub(super) fn image(name: &str, uses: &Uses, with: &IndexMap<String, Argument>) -> StepKind {
    let with: IndexMap<String, Template> =
        with.iter().map(|(name, given)| (name.clone(), given.value.value.clone())).collect();
    StepKind::Foreign(Box::new(ForeignAction {
        uses: uses.to_string(),
        folder: String::new(),
        program: ForeignProgram::Container {
            image: ForeignImage::Name(name.to_owned()),
            entrypoint: given(&with, "entrypoint"),
            args: given(&with, "args").map(ForeignArgs::Line),
            env: IndexMap::new(),
        },
        with,
        pre: None,
        post: None,
    }))
}

fn given(with: &IndexMap<String, Template>, name: &str) -> Option<Template> {
    let found = with.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.clone()).filter(|value| !value.source().is_empty())
}

/// GitHub runs nothing before the steps for an action of the workflow's own repository: it is not there yet.
fn not_local(uses: &Uses, phase: Option<ForeignPhase>) -> Option<ForeignPhase> {
    phase.filter(|_| !matches!(uses, Uses::Local(_)))
}

/// A job on the host has no container that another could stand beside.
pub(super) fn refuse_containers(planner: &mut Planner<'_>, job: Span, steps: &[PlannedStep]) {
    for step in steps {
        match &step.kind {
            StepKind::Composite { steps, .. } => refuse_containers(planner, job, steps),
            StepKind::Foreign(action) if step.phase.is_none() => {
                if let ForeignProgram::Container { .. } = action.program {
                    let message = format!(
                        "'{}' runs in a container, which jobs on pawl-host do not have",
                        action.uses
                    );
                    let help =
                        "give the job another label, or an image with 'container:'".to_owned();
                    planner.reporter.add(Code::NotSupported, job, message, Some(help));
                }
            }
            _ => {}
        }
    }
}

/// The inputs as the action sees them: those that are given, declared or not, then the defaults. GitHub lets the want of a
/// required one pass, and one that is not declared, too; both are worth a warning.
pub(super) fn inputs(
    planner: &mut Planner<'_>,
    declared: &IndexMap<String, Input>,
    is_container: bool,
    uses: &Spanned<Uses>,
    with: &IndexMap<String, Argument>,
) -> IndexMap<String, Template> {
    let text = uses.value.to_string();
    let names: Vec<&str> = declared.keys().map(String::as_str).collect();
    let mut complete = IndexMap::new();
    for (name, argument) in with {
        let input = declared.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let is_usual =
            is_container && CONTAINER_INPUTS.iter().any(|usual| usual.eq_ignore_ascii_case(name));
        if input.is_none() && !is_usual {
            let message = format!("'{}' declares no input '{}'", shorten(&text), shorten(name));
            let help = Some(suggestion(name, &names));
            planner.reporter.add(Code::UndeclaredInput, argument.name_span, message, help);
        }
        if let Some(message) = input.and_then(|(_, input)| input.deprecation.as_ref()) {
            let message = format!("Input '{name}' has been deprecated with message: {message}");
            planner.reporter.warn(Code::UndeclaredInput, argument.name_span, message);
        }
        let known = input.map_or(name, |(known, _)| known);
        complete.insert(known.clone(), argument.value.value.clone());
    }
    for (name, input) in declared {
        if complete.contains_key(name) {
            continue;
        }
        let default = input.default.as_ref().map(|default| default.value.clone());
        if input.required && default.is_none() {
            let message = format!("'{}' needs the input '{name}'", shorten(&text));
            planner.reporter.warn(Code::MissingInput, uses.span, message);
        }
        complete.insert(name.clone(), default.unwrap_or_else(|| Template::literal("")));
    }
    complete
}
