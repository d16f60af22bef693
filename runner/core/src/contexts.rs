//! The contexts that expressions see at each place of a run: `github`, `env`, `steps`, `needs` and so on.

use crate::call::SecretPassing;
use crate::event::Conclusion;
use crate::expr::{Condition, Contexts, Expr, HashFiles, Object, Status, Template, Value};
use crate::ids::{JobKey, StepPath};
use crate::plan::{ForeignArgs, ForeignProgram, Plan, PlannedJob, PlannedStep, StepKind};
use crate::ports::{ContainerFacts, JobFiles};
use crate::state::{JobState, RunState};
use crate::tree::Frame;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};
use std::path::Path;
use std::sync::Arc;

/// Secret values by name. They exist only here, in a step's environment and in the masker; `Debug` shows names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(pub IndexMap<String, String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Everything that expressions of one run are evaluated against.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The run.
    pub state: &'a RunState,
    /// Its plan.
    pub plan: &'a Plan,
    /// Its secrets.
    pub secrets: &'a Secrets,
    /// Folder of the jobs' workspaces on the runner's host: a job that runs there sees its own in `github.workspace`.
    pub workspaces: &'a Path,
    /// For `hashFiles`.
    pub files: &'a dyn JobFiles,
}

/// Which steps some expressions look at. A job may have thousands of steps, so that showing all of them to each would cost
/// the square of their number.
#[derive(Debug, Default)]
struct WantedSteps<'a> {
    all: bool,
    ids: Vec<&'a str>,
}

impl<'a> WantedSteps<'a> {
    /// All of them.
    const ALL: Self = Self { all: true, ids: Vec::new() };

    fn add(&mut self, expr: &'a Expr) {
        for reference in expr.references() {
            if !reference.context.eq_ignore_ascii_case("steps") {
                continue;
            }
            match reference.path.first() {
                Some(id) => self.ids.push(id),
                None => self.all = true,
            }
        }
    }

    fn add_all(&mut self, templates: impl IntoIterator<Item = &'a Template>) {
        templates.into_iter().flat_map(Template::exprs).for_each(|expr| self.add(expr));
    }

    fn add_step(&mut self, step: &'a PlannedStep) {
        step.condition.iter().flat_map(Condition::exprs).for_each(|expr| self.add(expr));
        self.add_all(step.env.values().chain(&step.name));
        self.add_all(step.continue_on_error.iter().chain(&step.timeout_minutes));
        if let Some(cache) = &step.cache {
            self.add_all(cache.inputs.iter().chain(&cache.outputs).chain([&cache.key]));
        }
        match &step.kind {
            StepKind::Run { script, working_directory, .. } => {
                self.add_all(working_directory.iter().chain([script]));
            }
            StepKind::Builtin { with, .. } => self.add_all(with.values()),
            StepKind::Composite { with, outputs, .. } => {
                self.add_all(with.values().chain(outputs.values()));
            }
            StepKind::Foreign(action) => {
                self.add_all(action.with.values());
                if let ForeignProgram::Container { entrypoint, args, env, .. } = &action.program {
                    self.add_all(env.values().chain(entrypoint));
                    match args {
                        Some(ForeignArgs::List(list)) => self.add_all(list),
                        Some(ForeignArgs::Line(line)) => self.add_all([line]),
                        None => {}
                    }
                }
            }
            StepKind::Wait { .. } | StepKind::WaitAll | StepKind::Cancel { .. } => {}
        }
    }
}

/// An expression that could not be evaluated, with the key it stands at. User: the workflow's author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct EvaluationError {
    /// Such as `if` or `env.PATH`.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

/// Folder of the workspace in a sandbox.
pub const WORKSPACE: &str = "/github/workspace";

/// File of the event's payload in a sandbox.
pub const EVENT_FILE: &str = "/github/workflow/event.json";

/// Folder for temporary files: the one that every sandbox has.
pub(crate) const RUNNER_TEMP: &str = "/tmp";

/// Folder of tools that are installed beforehand, where GitHub's own images have it.
pub(crate) const RUNNER_TOOL_CACHE: &str = "/opt/hostedtoolcache";

pub(crate) fn text(
    key: &str,
    template: &Template,
    contexts: &Contexts<'_>,
) -> Result<String, EvaluationError> {
    let result = template.evaluate_string(contexts);
    result.map_err(|error| EvaluationError { key: key.to_owned(), message: error.to_string() })
}

fn object<V: Into<Json>>(entries: impl IntoIterator<Item = (String, V)>) -> Json {
    Json::Object(entries.into_iter().map(|(name, value)| (name, value.into())).collect())
}

impl<'a> Scope<'a> {
    /// The workflow that this job belongs to.
    pub fn frame(&self, job: &'a JobState) -> Frame<'a> {
        Frame::of(self.state, self.plan, job)
    }

    /// The workflow that this job calls, or for `None` that of the run.
    pub fn frame_of_caller(&self, caller: Option<&'a JobState>) -> Frame<'a> {
        Frame::of_caller(self.state, self.plan, caller)
    }

    /// Contexts of a workflow as a whole: for workflow-level values and jobs that have not started.
    fn base(&self, frame: Frame<'_>) -> Object {
        self.base_with(frame, self.github())
    }

    fn base_with(&self, frame: Frame<'_>, github: Object) -> Object {
        let mut values = Object::new();
        values.insert("github", github);
        values.insert("inputs", Value::from(frame.inputs()));
        values.insert("vars", Value::from(object(scoped(&self.plan.vars, None))));
        values
    }

    /// Contexts for a job's `if`, name and matrix, before it has instances.
    pub fn job_condition(&self, frame: Frame<'a>, job: &PlannedJob) -> Contexts<'a> {
        let mut values = self.base(frame);
        values.insert("needs", Value::from(self.needs(frame, job)));
        Contexts { values, status: Some(self.ancestors_status(frame, job)), ..Contexts::new() }
    }

    /// Contexts for what is settled before an instance starts: its concurrency group, what it gives to a called workflow.
    pub fn before_start(&self, planned: &PlannedJob, job: &'a JobState) -> Contexts<'a> {
        let mut contexts = self.job_condition(self.frame(job), planned);
        let matrix = Json::Object(job.instance.matrix.clone());
        contexts.values.insert("matrix", Value::from(matrix));
        contexts.values.insert("strategy", Value::from(self.strategy(planned, job)));
        contexts
    }

    /// Contexts that defaults of a called workflow's inputs may see.
    pub fn bare(&self) -> Contexts<'a> {
        let mut values = self.base(self.frame_of_caller(None));
        values.insert("inputs", Object::new());
        Contexts { values, ..Contexts::new() }
    }

    /// True when steps are to be debugged: the secret or variable `ACTIONS_STEP_DEBUG` says so.
    pub fn is_debugging(&self) -> bool {
        let name = "ACTIONS_STEP_DEBUG";
        let value = self.secrets.0.get(name).or_else(|| self.plan.vars.get(name));
        value.is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }

    /// Outputs of a workflow that was called, from those of its jobs. One that cannot be evaluated is empty, as on GitHub.
    /// `frame` is the called workflow.
    pub fn workflow_outputs(&self, frame: Frame<'a>) -> IndexMap<String, String> {
        let one = |job: &PlannedJob| {
            let id = frame.id(&job.id);
            let result = self.result(&id).map_or("", Conclusion::as_github);
            (job.id.clone(), json!({ "result": result, "outputs": self.outputs(&id) }))
        };
        let mut contexts = Contexts { values: self.base(frame), ..Contexts::new() };
        contexts.values.insert("jobs", Value::from(object(frame.jobs().iter().map(one))));
        let outputs = frame.outputs().iter();
        outputs
            .map(|(name, value)| (name.clone(), text(name, value, &contexts).unwrap_or_default()))
            .collect()
    }

    /// The secrets that the jobs of a workflow see: those of the run, or what the caller passes on.
    ///
    /// # Errors
    /// An expression of the caller's `secrets` fails.
    pub fn secrets(&self, frame: Frame<'a>) -> Result<IndexMap<String, String>, EvaluationError> {
        let Some((caller, call)) = frame.caller else { return Ok(scoped(&self.secrets.0, None)) };
        let outer = self.secrets(self.frame(caller))?;
        let SecretPassing::Named(named) = &call.secrets else { return Ok(outer) };
        let planned = self.state.planned(caller);
        let planned = planned.ok_or_else(|| missing(&StepPath(Vec::new())))?;
        let mut contexts = self.before_start(planned, caller);
        contexts.values.insert("secrets", Value::from(object(outer.clone())));
        let mut inner = IndexMap::new();
        for (name, template) in named {
            inner.insert(name.clone(), text(&format!("secrets.{name}"), template, &contexts)?);
        }
        // The token is every workflow's, however it is called.
        let token = outer.get_key_value("GITHUB_TOKEN");
        inner.extend(token.map(|(name, value)| (name.clone(), value.clone())));
        Ok(inner)
    }

    /// Name of the job's environment; empty without one.
    ///
    /// # Errors
    /// Its expression fails.
    pub fn environment_name(
        &self,
        planned: &PlannedJob,
        job: &'a JobState,
    ) -> Result<String, EvaluationError> {
        let Some(environment) = &planned.environment else { return Ok(String::new()) };
        if environment.name.is_literal() {
            return Ok(environment.name.source().to_owned());
        }
        text("environment", &environment.name, &self.before_start(planned, job))
    }

    /// The secrets of a job: its workflow's, and over them those of its environment.
    fn job_secrets(
        &self,
        job: &'a JobState,
        environment: &str,
    ) -> Result<IndexMap<String, String>, EvaluationError> {
        let mut secrets = self.secrets(self.frame(job))?;
        if !environment.is_empty() {
            secrets.extend(scoped(&self.secrets.0, Some(environment)));
        }
        Ok(secrets)
    }

    /// Contexts for what belongs to a job instance but not to one step: image, outputs, environment.
    pub fn job(
        &self,
        planned: &PlannedJob,
        job: &'a JobState,
    ) -> Result<Contexts<'a>, EvaluationError> {
        self.job_with(planned, job, None, &WantedSteps::ALL)
    }

    /// The same, for what no step has a say in: the job's name.
    pub(crate) fn job_without_steps(
        &self,
        planned: &PlannedJob,
        job: &'a JobState,
    ) -> Result<Contexts<'a>, EvaluationError> {
        self.job_with(planned, job, None, &WantedSteps::default())
    }

    fn job_with(
        &self,
        planned: &PlannedJob,
        job: &'a JobState,
        path: Option<&StepPath>,
        wanted: &WantedSteps<'_>,
    ) -> Result<Contexts<'a>, EvaluationError> {
        let frame = self.frame(job);
        let environment = self.environment_name(planned, job)?;
        let secrets = self.job_secrets(job, &environment)?;
        let token = secrets.get("GITHUB_TOKEN").map(String::as_str);
        let mut contexts = Contexts {
            values: self.base_with(frame, self.github_of_job(planned, job, token)),
            status: Some(self.job_status(job, None, None)),
            ..Contexts::new()
        };
        let values = &mut contexts.values;
        if !environment.is_empty() {
            let mut vars = scoped(&self.plan.vars, None);
            vars.extend(scoped(&self.plan.vars, Some(&environment)));
            values.insert("vars", Value::from(object(vars)));
        }
        values.insert("needs", Value::from(self.needs(frame, planned)));
        values.insert("matrix", Value::from(Json::Object(job.instance.matrix.clone())));
        values.insert("strategy", Value::from(self.strategy(planned, job)));
        values.insert("runner", Value::from(runner(self.is_debugging())));
        values.insert("job", Value::from(job_context(job, self.state)));
        values.insert("secrets", Value::from(object(secrets)));
        values.insert("steps", Value::from(steps(&planned.steps, job, None, wanted)));
        let env = self.job_env(planned, job, path, &contexts)?;
        contexts.values.insert("env", Value::from(object(env)));
        Ok(contexts)
    }

    /// The `github` context; the plan's own, which is the same for each run of it, and the run's numbers.
    fn github(&self) -> Object {
        let known = self.plan.github_value.get(|| Value::from(self.plan.github.clone()));
        let mut github = match known {
            Value::Object(github) => Object::clone(github),
            _ => Object::new(),
        };
        if let Some(run) = &self.state.run {
            github.insert("run_id", run.number().to_string());
            github.insert("run_number", self.state.number.to_string());
        }
        github
    }

    /// What this step, its groups and the environments around it look at.
    fn wanted_steps<'b>(
        frame: Frame<'b>,
        planned: &'b PlannedJob,
        path: &StepPath,
    ) -> WantedSteps<'b> {
        let mut wanted = WantedSteps::default();
        wanted.add_all(frame.env().values().chain(planned.env.values()));
        wanted.add_all(&planned.working_directory);
        let mut place = Some(path.clone());
        while let Some(path) = place {
            planned.step(&path).into_iter().for_each(|step| wanted.add_step(step));
            place = path.parent();
        }
        wanted
    }

    /// Where the job's workspace is for its own steps.
    pub fn workspace_of(&self, planned: &PlannedJob, job: &JobState) -> String {
        if planned.image.source() != crate::planner::HOST_LABEL {
            return WORKSPACE.to_owned();
        }
        let key = JobKey::new(&job.id, job.instance.index);
        self.workspaces.join(key.file_name()).display().to_string()
    }

    /// Where the event's payload is for the job's steps.
    fn event_path(&self, planned: &PlannedJob) -> String {
        if planned.image.source() != crate::planner::HOST_LABEL {
            return EVENT_FILE.to_owned();
        }
        self.event_file().display().to_string()
    }

    /// The file of the event's payload on the runner's host.
    pub(crate) fn event_file(&self) -> std::path::PathBuf {
        self.workspaces.with_file_name("event.json")
    }

    fn github_of_job(&self, planned: &PlannedJob, job: &JobState, token: Option<&str>) -> Object {
        let mut github = self.github();
        github.insert("job", planned.id.as_str());
        github.insert("event_path", self.event_path(planned));
        github.insert("workspace", self.workspace_of(planned, job));
        if let Some(token) = token {
            github.insert("token", token);
        }
        github
    }

    /// The environment that every step of the job starts from: given from outside, the workflow's, the job's, and what
    /// earlier steps have set.
    fn job_env(
        &self,
        planned: &PlannedJob,
        job: &'a JobState,
        path: Option<&StepPath>,
        contexts: &Contexts<'_>,
    ) -> Result<IndexMap<String, String>, EvaluationError> {
        let mut env = self.plan.outer_env.clone();
        let mut contexts = contexts.clone();
        for layer in [self.frame(job).env(), &planned.env] {
            contexts.values.insert("env", Value::from(object(env.clone())));
            for (name, template) in layer {
                env.insert(name.clone(), text(&format!("env.{name}"), template, &contexts)?);
            }
        }
        env.extend(job.set_for(path).0);
        Ok(env)
    }

    /// Contexts for one step: its `if`, and, with its own environment in `env`, everything else of it. The second value is
    /// the step's environment.
    pub fn step(
        &self,
        planned: &PlannedJob,
        job: &'a JobState,
        path: &StepPath,
    ) -> Result<(Contexts<'a>, IndexMap<String, String>), EvaluationError> {
        let parent = path.parent();
        if let Some(phase) = planned.step(path).and_then(|step| step.phase.as_ref()) {
            // What it sees is what the step of its action sees, now; how the job stands is its own.
            let (mut contexts, env) = self.step(planned, job, &phase.main)?;
            contexts.status = Some(self.job_status(job, None, Some(path)));
            return Ok((contexts, env));
        }
        let mut contexts = match &parent {
            None => {
                let wanted = Self::wanted_steps(self.frame(job), planned, path);
                self.job_with(planned, job, Some(path), &wanted)?
            }
            Some(parent) => self.inside(planned, job, parent)?,
        };
        contexts.status = Some(self.job_status(job, parent.as_ref(), Some(path)));
        contexts.hash_files = Some(self.hash_files(planned, job, path));
        let step = planned.step(path).ok_or_else(|| missing(path))?;
        let mut env = env_of(&contexts);
        for (name, template) in &step.env {
            env.insert(name.clone(), text(&format!("env.{name}"), template, &contexts)?);
        }
        contexts.values.insert("env", Value::from(object(env.clone())));
        Ok((contexts, env))
    }

    /// `hashFiles` as this step asks it.
    fn hash_files(
        &self,
        planned: &PlannedJob,
        job: &JobState,
        path: &StepPath,
    ) -> Arc<HashFiles<'a>> {
        let (files, path) = (self.files, path.clone());
        let workspace = self.workspace_of(planned, job);
        let key = JobKey::new(&job.id, job.instance.index);
        Arc::new(move |arguments: &[String]| files.hash(&key, &path, arguments, &workspace))
    }

    /// Contexts inside a composite action.
    pub fn inside(
        &self,
        planned: &PlannedJob,
        job: &'a JobState,
        parent: &StepPath,
    ) -> Result<Contexts<'a>, EvaluationError> {
        let (outer, _) = self.step(planned, job, parent)?;
        let step = planned.step(parent).ok_or_else(|| missing(parent))?;
        let StepKind::Composite { uses, with, steps: inner, folder, .. } = &step.kind else {
            return Err(missing(parent));
        };
        let mut inputs = Map::new();
        for (name, template) in with {
            inputs.insert(name.clone(), json!(text(&format!("with.{name}"), template, &outer)?));
        }
        let mut contexts = outer;
        contexts.values.insert("inputs", Value::from(Json::Object(inputs)));
        contexts
            .values
            .insert("steps", Value::from(steps(inner, job, Some(parent), &WantedSteps::ALL)));
        // An action sees the secrets that its inputs are given, and no others.
        let token = text_of(&contexts, "secrets", "GITHUB_TOKEN");
        contexts.values.insert("secrets", Object::new());
        let mut github = self.github_of_job(planned, job, token.as_deref());
        github.insert("action_path", crate::resolve::action_path(planned, folder));
        let mut names = IndexMap::new();
        crate::resolve::name_action(uses, &mut names);
        for (variable, value) in names {
            github.insert(variable.trim_start_matches("GITHUB_").to_ascii_lowercase(), value);
        }
        contexts.values.insert("github", github);
        Ok(contexts)
    }

    /// `needs`: the result and outputs of each job that this one needs.
    fn needs(&self, frame: Frame<'_>, job: &PlannedJob) -> Json {
        let one = |need: &String| {
            let id = frame.id(need);
            let result = self.result(&id).map_or("", Conclusion::as_github);
            (need.clone(), json!({ "result": result, "outputs": self.outputs(&id) }))
        };
        object(job.needs.iter().map(one))
    }

    /// Outputs of all instances of a job: as on GitHub, the last one that set a name wins.
    fn outputs(&self, id: &str) -> IndexMap<&'a str, &'a str> {
        let mut outputs = IndexMap::new();
        let over = self.state.instances(id).map(|(_, job)| job);
        for (name, value) in over.flat_map(|job| &job.outputs) {
            if !value.is_empty() || !outputs.contains_key(name.as_str()) {
                outputs.insert(name.as_str(), value.as_str());
            }
        }
        outputs
    }

    /// How a job ended, over all its instances; `None` while one is not over.
    pub fn result(&self, id: &str) -> Option<Conclusion> {
        if !self.state.is_job_over(id) {
            return None;
        }
        let conclusions = self.state.instances(id).map(|(_, job)| counted(job));
        Some(worst(conclusions))
    }

    /// Whether everything that the job needs, and what that needs, succeeded.
    pub(crate) fn ancestors_status(&self, frame: Frame<'_>, job: &PlannedJob) -> Status {
        let mut success = true;
        let mut failure = false;
        let mut seen: Vec<&str> = Vec::new();
        let mut open: Vec<&str> = job.needs.iter().map(String::as_str).collect();
        while let Some(id) = open.pop() {
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
            let result = self.result(&frame.id(id));
            success &= result == Some(Conclusion::Success);
            failure |= matches!(result, Some(Conclusion::Failure | Conclusion::Lost));
            open.extend(frame.job(id).iter().flat_map(|job| &job.needs).map(String::as_str));
        }
        let cancelled = self.state.cancel.is_some();
        Status { success: success && !cancelled, failure: failure && !cancelled, cancelled }
    }

    /// The `strategy` context of an instance.
    fn strategy(&self, planned: &PlannedJob, job: &'a JobState) -> Json {
        json!({
            "fail-fast": self.fail_fast(planned, job),
            "job-index": job.instance.index.unwrap_or(0),
            "job-total": job.instance.total,
            "max-parallel": self.max_parallel(planned, job).unwrap_or(job.instance.total),
        })
    }

    fn job_status(
        &self,
        job: &JobState,
        parent: Option<&StepPath>,
        path: Option<&StepPath>,
    ) -> Status {
        let cancelled = match path {
            Some(path) => is_step_cancelled(self.state, job, path),
            None => is_cancelled(self.state, job),
        };
        let failure = job.has_failed(parent);
        Status { success: !failure && !cancelled, failure: failure && !cancelled, cancelled }
    }
}

impl Conclusion {
    /// The word that workflows know: a lost step or job is a failure to them.
    pub fn as_github(self) -> &'static str {
        if self == Self::Lost { "failure" } else { self.as_str() }
    }
}

/// True when the run or this job must stop.
pub fn is_cancelled(state: &RunState, job: &JobState) -> bool {
    state.cancel.is_some() || job.cancel.is_some()
}

/// True when this step must stop: with the run, with its job, or because a `cancel` step said so.
pub fn is_step_cancelled(state: &RunState, job: &JobState, path: &StepPath) -> bool {
    is_cancelled(state, job) || job.step_cancel_seq(path) > 0
}

/// What a job's end counts as for others.
fn counted(job: &JobState) -> Conclusion {
    let conclusion = job.conclusion.unwrap_or(Conclusion::Lost);
    if job.tolerated { Conclusion::Success } else { conclusion }
}

/// The run's or a matrix's conclusion: a failure, else a cancellation, else a success; skipped only when all were.
pub(crate) fn worst(conclusions: impl Iterator<Item = Conclusion>) -> Conclusion {
    let all: Vec<Conclusion> = conclusions.collect();
    let any = |wanted: Conclusion| all.contains(&wanted);
    if any(Conclusion::Failure) || any(Conclusion::Lost) {
        Conclusion::Failure
    } else if any(Conclusion::Cancelled) {
        Conclusion::Cancelled
    } else if any(Conclusion::Success) || all.is_empty() {
        Conclusion::Success
    } else {
        Conclusion::Skipped
    }
}

/// The run's conclusion once every job is over.
pub(crate) fn run_conclusion(state: &RunState) -> Conclusion {
    let result = worst(state.jobs.values().map(counted));
    if state.cancel.is_some() && result != Conclusion::Failure {
        Conclusion::Cancelled
    } else {
        result
    }
}

fn status_word(job: &JobState, state: &RunState) -> &'static str {
    if is_cancelled(state, job) {
        "cancelled"
    } else if job.has_failed(None) {
        "failure"
    } else {
        "success"
    }
}

fn steps(
    planned: &[PlannedStep],
    job: &JobState,
    parent: Option<&StepPath>,
    wanted: &WantedSteps<'_>,
) -> Json {
    let mut all = Map::new();
    let shown: Vec<usize> = if wanted.all || parent.is_some() {
        (0..planned.len()).collect()
    } else {
        wanted.ids.iter().filter_map(|id| job.step_over(id)).collect()
    };
    for index in shown {
        let Some(step) = planned.get(index).filter(|step| !step.id.is_empty()) else { continue };
        let path = parent.map_or_else(|| StepPath::top(index), |parent| parent.child(index));
        // What a background step left is there once it was waited for.
        let Some(state) = job.steps.get(&path).filter(|state| parent.is_some() || state.joined)
        else {
            continue;
        };
        let Some((outcome, conclusion)) = state.outcome.zip(state.conclusion) else { continue };
        let entry = json!({
            "outputs": state.effects.outputs,
            "outcome": outcome.as_github(),
            "conclusion": conclusion.as_github(),
        });
        all.insert(step.id.clone(), entry);
    }
    Json::Object(all)
}

/// `job`: how it stands, and the containers that it runs in and with.
fn job_context(job: &JobState, state: &RunState) -> Json {
    let mut context = json!({ "status": status_word(job, state) });
    let (container, services) = (&job.facts.container, &job.facts.services);
    if !container.id.is_empty() {
        context["container"] = json!({ "id": container.id, "network": container.network });
    }
    if !services.is_empty() {
        let one = |facts: &ContainerFacts| {
            let ContainerFacts { id, network, ports } = facts;
            json!({ "id": id, "network": network, "ports": ports })
        };
        context["services"] = object(services.iter().map(|(id, facts)| (id.clone(), one(facts))));
    }
    context
}

fn runner(is_debugging: bool) -> Json {
    json!({
        "os": "Linux",
        "arch": if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" },
        "name": "pawl",
        "environment": "self-hosted",
        "temp": RUNNER_TEMP,
        "tool_cache": RUNNER_TOOL_CACHE,
        "debug": if is_debugging { "1" } else { "" },
    })
}

/// Values by name. Those of an environment have its name and a colon before their own (`production:TOKEN`) and are for its jobs
/// alone.
pub fn scoped(
    all: &IndexMap<String, String>,
    environment: Option<&str>,
) -> IndexMap<String, String> {
    let one = |(name, value): (&String, &String)| match (name.split_once(':'), environment) {
        (None, None) => Some((name.clone(), value.clone())),
        (Some((of, own)), Some(wanted)) if of.eq_ignore_ascii_case(wanted) => {
            Some((own.to_owned(), value.clone()))
        }
        _ => None,
    };
    all.iter().filter_map(one).collect()
}

fn text_of(contexts: &Contexts<'_>, context: &str, name: &str) -> Option<String> {
    let object = contexts.values.get(context).and_then(Value::as_object)?;
    object.get(name).map(Value::to_text)
}

fn env_of(contexts: &Contexts<'_>) -> IndexMap<String, String> {
    let object = contexts.values.get("env").and_then(Value::as_object);
    let entries = object.into_iter().flat_map(|object| object.iter());
    entries.map(|(name, value)| (name.to_owned(), value.to_text())).collect()
}

fn missing(path: &StepPath) -> EvaluationError {
    EvaluationError { key: "step".to_owned(), message: format!("there is no step {path}") }
}
