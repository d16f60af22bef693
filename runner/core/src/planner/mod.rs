//! From a workflow, an event and options to a plan: everything that is known before the run is settled here, and everything
//! that cannot be carried out is refused here.

mod action_file;
mod calls;
mod containers;
mod foreign;
mod inputs;
mod jobs;
mod labels;
mod matrix;
mod missing;
mod phases;
mod select;
mod stand_ins;
mod steps;
mod timing;
mod view;

pub(crate) use action_file::action_faults;
pub use action_file::{AbsentAction, LoadedAction, node_wanted};
pub use calls::{CallName, LoadedWorkflow, called_workflows, missing_workflows};
pub use inputs::{ActionManifest, InputKind, InputManifest};
pub use labels::HOST_LABEL;
pub use stand_ins::is_answered;
pub use steps::missing_actions;
pub use view::plan_view;

use crate::diagnostic::{Code, Diagnostic, Reporter};
use crate::expr::{Contexts, Template, TemplateError};
use crate::group::GroupRequest;
use crate::memo::Memo;
use crate::permissions::Grant;
use crate::plan::{NodeRuntime, Plan};
use crate::span::{Span, Spanned};
use crate::trigger::{self, InputFault, TriggerEvent};
use crate::workflow::reader::suggestion;
use crate::workflow::{Texts, Workflow};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

/// What a plan depends on besides workflow and event.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// Images by `runs-on` label (`images` of the configuration, `--image LABEL=IMAGE`).
    pub images: IndexMap<String, String>,
    /// Built-in actions by name after `pawl/`.
    pub builtins: IndexMap<String, ActionManifest>,
    /// Actions that were loaded from files, by their `uses:` as written (`./path`, or `OWNER/REPO@REF` for which
    /// `--action` names a folder). [`missing_actions`] says which ones are wanted.
    pub actions: IndexMap<String, LoadedAction>,
    /// Workflows that jobs call. [`missing_workflows`] says which ones are wanted.
    pub workflows: IndexMap<CallName, LoadedWorkflow>,
    /// Why other actions are not at hand, by their `uses:`; for what is in neither, a general reason is given.
    pub absent: IndexMap<String, AbsentAction>,
    /// The Node that this machine has for actions in JavaScript, or why it has none; `None` while nobody has looked.
    pub node: Option<Result<NodeRuntime, AbsentAction>>,
    /// The `vars` context.
    pub vars: IndexMap<String, String>,
    /// `env` from outside, under the workflow's own.
    pub outer_env: IndexMap<String, String>,
    /// Names of the secrets that are given.
    pub secrets: Vec<String>,
    /// Matrix values to keep (`--matrix K:V`): several values of one key are alternatives; jobs without the key are kept.
    pub matrix: Vec<(String, String)>,
    /// Jobs to keep (`--job ID`), with what they need; empty keeps all.
    pub jobs: Vec<String>,
    /// Folders of the runner's host that `volumes` of a container may name, with everything below them.
    pub volumes: Vec<String>,
    /// Checkouts of the user's tree take the commit alone (`--clean`).
    pub clean: bool,
    /// `actions/checkout` and the others that built-in actions answer come from their repositories (`--real-actions`).
    pub real_actions: bool,
}

/// Makes the plan.
///
/// # Errors
///
/// Every reason why the run cannot be carried out as written, with its place. The user's fault.
pub fn plan(
    workflow: &Workflow,
    event: &TriggerEvent,
    options: &PlanOptions,
) -> Result<Plan, Vec<Diagnostic>> {
    let (plan, diagnostics) = plan_with_warnings(workflow, event, options);
    plan.ok_or(diagnostics)
}

/// As [`plan`], with the warnings beside a plan that can be carried out.
pub fn plan_with_warnings(
    workflow: &Workflow,
    event: &TriggerEvent,
    options: &PlanOptions,
) -> (Option<Plan>, Vec<Diagnostic>) {
    let mut planner = Planner::new(workflow, event, options);
    let plan = planner.plan();
    let diagnostics = planner.finish();
    let sound = !diagnostics.iter().any(Diagnostic::is_error);
    (sound.then_some(plan), diagnostics)
}

/// What all parts of the planning share.
pub(crate) struct Planner<'a> {
    pub(crate) workflow: &'a Workflow,
    pub(crate) event: &'a TriggerEvent,
    pub(crate) options: &'a PlanOptions,
    pub(crate) reporter: Reporter,
    /// Findings about files of actions.
    pub(crate) elsewhere: Vec<Diagnostic>,
    /// `github`, `inputs` and `vars`.
    pub(crate) known: Contexts<'static>,
    /// How deep this workflow is called.
    pub(crate) nest: Nest,
    /// Jobs that may still be planned, those of called workflows included.
    pub(crate) jobs_left: usize,
}

/// Most planned jobs of a run: matrices over nested calls multiply.
const MAX_JOBS: usize = 10_000;

/// Where a called workflow stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nest {
    /// Files from the first workflow to this one.
    pub(crate) files: Vec<String>,
    /// What the calling job grants; `None` in the first workflow.
    pub(crate) grant: Option<Grant>,
}

impl<'a> Planner<'a> {
    fn new(workflow: &'a Workflow, event: &'a TriggerEvent, options: &'a PlanOptions) -> Self {
        Self {
            workflow,
            event,
            options,
            reporter: Reporter::new(&workflow.file),
            elsewhere: Vec::new(),
            known: Contexts::new(),
            nest: Nest { files: vec![workflow.file.clone()], grant: None },
            jobs_left: MAX_JOBS,
        }
    }

    /// For a workflow that a job of `outer` calls. Its inputs are not known yet.
    fn inside(outer: &Self, workflow: &'a Workflow, nest: Nest) -> Self {
        let known = outer.known.values.iter().filter(|(name, _)| *name != "inputs");
        let mut values = crate::expr::Object::new();
        known.for_each(|(name, value)| values.insert(name, value.clone()));
        Self {
            workflow,
            event: outer.event,
            options: outer.options,
            reporter: Reporter::new(&workflow.file),
            elsewhere: Vec::new(),
            known: Contexts { values, ..Contexts::new() },
            nest,
            jobs_left: outer.jobs_left,
        }
    }

    /// Findings about other files, each once.
    pub(crate) fn note_elsewhere(&mut self, found: Vec<Diagnostic>) {
        for diagnostic in found {
            if !self.elsewhere.contains(&diagnostic) {
                self.elsewhere.push(diagnostic);
            }
        }
    }

    /// True when whoever looked for this action says why it is not there.
    pub(crate) fn is_explained(&self, uses: &str) -> bool {
        self.options.absent.get(uses).is_some_and(|absent| !absent.message.is_empty())
    }

    fn finish(self) -> Vec<Diagnostic> {
        let mut all = self.reporter.finish();
        all.extend(self.elsewhere);
        all
    }

    fn plan(&mut self) -> Plan {
        let (github, inputs) = self.contexts();
        missing::warn(self, &github);
        let workflow = self.workflow;
        let run_name = workflow
            .run_name
            .as_ref()
            .and_then(|name| self.evaluated(name))
            .map(|value| value.to_text())
            .unwrap_or_default();
        let group = self.group();
        let selected = select::jobs(self);
        let jobs = workflow
            .jobs
            .iter()
            .filter(|job| selected.contains(&job.id.value))
            .filter_map(|job| jobs::plan(self, job))
            .collect();
        let outputs = match workflow.trigger("workflow_call") {
            Some(trigger) if self.event.name == "workflow_call" => templates(&trigger.outputs),
            _ => IndexMap::new(),
        };
        Plan {
            workflow: workflow.display_name().to_owned(),
            file: workflow.file.clone(),
            run_name,
            github,
            github_value: Memo::default(),
            inputs: Json::Object(inputs),
            vars: self.options.vars.clone(),
            source: self.event.git.folder.clone(),
            is_dirty: self.event.git.is_dirty,
            secrets: self.options.secrets.clone(),
            outer_env: self.options.outer_env.clone(),
            env: templates(&workflow.env),
            outputs,
            group,
            node: self.options.node.clone().and_then(Result::ok),
            jobs,
        }
    }

    /// The run's concurrency group.
    fn group(&mut self) -> Option<GroupRequest> {
        let concurrency = self.workflow.concurrency.as_ref()?;
        let planned = calls::group(concurrency);
        match planned.evaluated(&self.known) {
            Ok(request) => request,
            Err(error) => {
                let span = concurrency.group.span;
                self.reporter.error(Code::ExpressionEvaluation, span, error.to_string());
                None
            }
        }
    }

    /// Settles the inputs and the contexts that are known before the run.
    fn contexts(&mut self) -> (Json, Map<String, Json>) {
        let vars: Map<String, Json> = crate::contexts::scoped(&self.options.vars, None)
            .into_iter()
            .map(|(name, value)| (name, Json::String(value)))
            .collect();
        let vars = Json::Object(vars);
        let without_inputs = trigger::github_context(self.workflow, self.event, &Map::new());
        let early = Contexts::new()
            .with("github", without_inputs)
            .with("vars", vars.clone())
            .with("inputs", Json::Object(Map::new()));
        let default_of = |declaration: &crate::workflow::InputDeclaration| {
            let template = &declaration.default.as_ref()?.value;
            template.evaluate(&early).ok().map(|value| Json::from(&value))
        };
        let inputs = match trigger::inputs(self.workflow, self.event, default_of) {
            Ok(inputs) => inputs,
            Err(faults) => {
                for fault in &faults {
                    self.input_fault(fault);
                }
                Map::new()
            }
        };
        let github = trigger::github_context(self.workflow, self.event, &inputs);
        self.known = Contexts::new()
            .with("github", github.clone())
            .with("vars", vars)
            .with("inputs", Json::Object(inputs.clone()));
        (github, inputs)
    }

    fn input_fault(&mut self, fault: &InputFault) {
        let trigger = self.workflow.trigger(&self.event.name);
        let place = trigger.map_or(Span::START, |trigger| {
            trigger.inputs.get(fault.name()).map_or(trigger.span, |declaration| declaration.span)
        });
        let (code, help) = match fault {
            InputFault::Undeclared { name, known } => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                (Code::UnknownInput, suggestion(name, &known))
            }
            InputFault::Missing { name } => {
                (Code::MissingInput, format!("give it with --input {name}=VALUE"))
            }
            InputFault::Unfit { name, .. } => {
                (Code::InvalidInput, format!("give another value with --input {name}=VALUE"))
            }
        };
        self.reporter.add(code, place, fault.to_string(), Some(help));
    }

    /// A value that depends only on what is known before the run; `None` when it does not, or when it fails, which is
    /// reported.
    pub(crate) fn evaluated(&mut self, template: &Spanned<Template>) -> Option<crate::expr::Value> {
        let known = self.known.clone();
        self.evaluated_with(template, &known)
    }

    /// As [`Self::evaluated`] with more contexts.
    pub(crate) fn evaluated_with(
        &mut self,
        template: &Spanned<Template>,
        known: &Contexts<'_>,
    ) -> Option<crate::expr::Value> {
        match template.value.const_eval(known) {
            Ok(value) => value,
            Err(error) => {
                self.evaluation_fault(template.span, &error);
                None
            }
        }
    }

    pub(crate) fn evaluation_fault(&mut self, span: Span, error: &TemplateError) {
        self.reporter.error(Code::ExpressionEvaluation, span, error.to_string());
    }

    /// Reports something that this stage would have to know before the run.
    pub(crate) fn too_late(&mut self, span: Span, what: &str) {
        let message = format!("{what} is not supported yet where it is only known while jobs run");
        let help = "use a literal, or an expression over github, inputs, vars (and matrix)";
        self.reporter.add(Code::NotSupported, span, message, Some(help.to_owned()));
    }
}

/// Named texts without their places.
pub(crate) fn templates(texts: &Texts) -> IndexMap<String, Template> {
    texts.iter().map(|(name, text)| (name.clone(), text.value.clone())).collect()
}

/// A named text of an optional key without its place.
pub(crate) fn template(text: &Option<Spanned<Template>>) -> Option<Template> {
    text.as_ref().map(|text| text.value.clone())
}
