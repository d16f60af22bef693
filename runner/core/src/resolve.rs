//! From the plan and the state to what an executor is asked for. Values of secrets appear here and are never stored.

mod foreign;

pub(crate) use foreign::name_action;

use crate::container::Gpus;
use crate::contexts::{EVENT_FILE, EvaluationError, RUNNER_TEMP, RUNNER_TOOL_CACHE, Scope, text};
use crate::expr::{Contexts, Template, Value};
use crate::ids::{JobKey, StepPath};
use crate::plan::{
    ForeignProgram, NODE_FOLDER, PhaseAt, Place, PlannedJob, PlannedStep, StepCache, StepKind,
};
use crate::ports::{Command, ContainerRequest, ServiceRequest};
use crate::sandbox;
use crate::shells;
use crate::state::JobState;
use indexmap::IndexMap;
use sha2::{Digest, Sha256};

/// What a job's sandbox must be. May hold secret values in the environments and logins of its containers.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSpec {
    /// The image.
    pub image: String,
    /// Environment of the container itself.
    pub env: IndexMap<String, String>,
    /// Folders of the composite actions that the job uses, read-only: (folder on the runner's host, path in the sandbox).
    pub mounts: Vec<(String, String)>,
    /// What `container:` asks for besides.
    pub container: ContainerRequest,
    /// Its services.
    pub services: Vec<ServiceRequest>,
    /// The job has no container of its own asking.
    pub has_services_at_localhost: bool,
    /// Its graphics processors.
    pub gpus: Option<Gpus>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// A process in the job's sandbox.
    Sandbox(Command),
    /// A built-in action in the runner.
    Runner {
        /// Name after `pawl/`.
        action: String,
        /// Its inputs as text.
        inputs: IndexMap<String, String>,
    },
}

/// What a step needs to run. May hold secret values: no `Debug` output of it is ever stored or shown.
#[derive(Clone, PartialEq)]
pub struct StepSpec {
    /// What it does.
    pub work: Work,
    /// Its environment.
    pub env: IndexMap<String, String>,
    /// Folders before `PATH`.
    pub path: Vec<String>,
    /// Working folder, relative to the workspace or absolute in the sandbox.
    pub working_dir: String,
    /// Its time limit.
    pub timeout_ms: Option<u64>,
    /// What it depends on, when it need not run again.
    pub cache: Option<CacheSpec>,
}

/// What a step with a `cache-key` depends on, and what it writes.
#[derive(Clone, PartialEq)]
pub struct CacheSpec {
    /// Everything that it depends on but the content of its inputs. May hold secret values.
    pub depends_on: String,
    /// Digest of its inputs' content.
    pub inputs: String,
    /// Patterns of the files that it writes.
    pub outputs: Vec<String>,
}

/// The shown name of a job instance: `name:` evaluated, else the id with the matrix values. That of a called job comes after
/// its caller's, as on GitHub.
pub fn job_name<'a>(scope: &Scope<'a>, planned: &PlannedJob, job: &'a JobState) -> String {
    let own = own_job_name(scope, planned, job);
    let caller = scope.state.caller(job);
    match caller.and_then(|caller| Some((scope.state.planned(caller)?, caller))) {
        Some((planned, caller)) => format!("{} / {own}", job_name(scope, planned, caller)),
        None => own,
    }
}

fn own_job_name<'a>(scope: &Scope<'a>, planned: &PlannedJob, job: &'a JobState) -> String {
    let evaluated = planned.name.as_ref().and_then(|name| {
        if name.is_literal() {
            return Some(name.source().to_owned());
        }
        name.evaluate_string(&scope.job_without_steps(planned, job).ok()?).ok()
    });
    match evaluated {
        Some(name) if !name.is_empty() => name,
        _ => default_job_name(&planned.id, &job.instance.matrix),
    }
}

/// `id`, or `id (value, value)` for an instance of a matrix, as GitHub shows it.
pub fn default_job_name(id: &str, matrix: &serde_json::Map<String, serde_json::Value>) -> String {
    if matrix.is_empty() {
        return id.to_owned();
    }
    let show = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let values: Vec<String> = matrix.values().map(show).collect();
    format!("{id} ({})", values.join(", "))
}

/// The shown name of a step: `name:` evaluated where that is possible, else one made from what it runs.
pub fn step_name(step: &PlannedStep, contexts: Option<&Contexts<'_>>) -> String {
    let name = own_name(step, contexts);
    match step.phase.as_ref().map(|phase| phase.at) {
        None => name,
        Some(PhaseAt::Pre) => format!("Pre {name}"),
        Some(PhaseAt::Post) => format!("Post {name}"),
    }
}

fn own_name(step: &PlannedStep, contexts: Option<&Contexts<'_>>) -> String {
    if let Some(name) = &step.name {
        let evaluated = contexts.and_then(|contexts| name.evaluate_string(contexts).ok());
        return evaluated.unwrap_or_else(|| name.source().to_owned());
    }
    match &step.kind {
        StepKind::Run { script, .. } => {
            format!("Run {}", script.source().trim().lines().next().unwrap_or_default())
        }
        StepKind::Builtin { action, .. } => format!("Run pawl/{action}"),
        StepKind::Composite { uses, .. } => format!("Run {uses}"),
        StepKind::Foreign(action) => format!("Run {}", action.uses),
        StepKind::Wait { .. } => "Wait".to_owned(),
        StepKind::WaitAll => "Wait for all".to_owned(),
        StepKind::Cancel { .. } => "Cancel".to_owned(),
    }
}

/// What a job's sandbox must be.
///
/// # Errors
/// An expression of the image or of a container cannot be evaluated, or what it gives is not allowed.
pub fn job(scope: &Scope<'_>, key: &JobKey) -> Result<JobSpec, EvaluationError> {
    let (planned, job) = find(scope, key)?;
    let contexts = scope.job(planned, job)?;
    let mut whole =
        sandbox::container(&planned.image, &planned.container_env, &planned.container, &contexts)?;
    let is_none = whole.image.trim().is_empty();
    if is_none {
        // A container that turns out to be none asks for nothing else either.
        let image = match &planned.label_image {
            Some(image) => text("image", image, &contexts)?,
            None => String::new(),
        };
        whole = sandbox::Whole { image, ..sandbox::Whole::default() };
    }
    if whole.image.is_empty() {
        return Err(error("runs-on", no_image(&planned.runs_on)));
    }
    let mut services = Vec::new();
    for (id, service) in &planned.services {
        services.extend(sandbox::service(id, service, &contexts)?);
    }
    let gpus = match &planned.gpus {
        Some(gpus) => sandbox::gpus(gpus, &contexts)?,
        None => None,
    };
    let event_file = scope.event_file().display().to_string();
    let mut mounts = vec![(event_file, EVENT_FILE.to_owned())];
    add_mounts(planned, &planned.steps, &mut mounts);
    if let Some(node) = scope.plan.node.as_ref().filter(|_| uses_node(&planned.steps)) {
        mounts.push((node.folder.clone(), NODE_FOLDER.to_owned()));
    }
    Ok(JobSpec {
        image: whole.image,
        env: whole.env,
        mounts,
        gpus: gpus.or_else(|| whole.request.options.gpus.clone()),
        container: whole.request,
        services,
        has_services_at_localhost: !planned.has_container || is_none,
    })
}

fn no_image(labels: &[String]) -> String {
    let first = labels.first().map_or("LABEL", String::as_str);
    format!(
        "no image is given for the labels {}: give one with --image {first}=IMAGE or `images:` in the configuration",
        labels.join(", ")
    )
}

fn add_mounts(planned: &PlannedJob, steps: &[PlannedStep], mounts: &mut Vec<(String, String)>) {
    let mut add = |folder: &String| {
        let mount = (folder.clone(), action_path(planned, folder));
        if !folder.is_empty() && !mounts.contains(&mount) {
            mounts.push(mount);
        }
    };
    for step in steps {
        match &step.kind {
            StepKind::Foreign(action) => add(&action.folder),
            StepKind::Composite { folder, .. } => add(folder),
            _ => {}
        }
    }
    for step in steps {
        if let StepKind::Composite { steps, .. } = &step.kind {
            add_mounts(planned, steps, mounts);
        }
    }
}

fn uses_node(steps: &[PlannedStep]) -> bool {
    steps.iter().any(|step| match &step.kind {
        StepKind::Foreign(action) => matches!(action.program, ForeignProgram::Node { .. }),
        StepKind::Composite { steps, .. } => uses_node(steps),
        _ => false,
    })
}

/// True when one of the steps may use the runner's services for artifacts and caches: every action of others may.
pub fn uses_services(steps: &[PlannedStep]) -> bool {
    steps.iter().any(|step| match &step.kind {
        StepKind::Foreign(_) => true,
        StepKind::Builtin { action, .. } => {
            matches!(action.as_str(), "cache" | "cache-restore" | "cache-save")
        }
        StepKind::Composite { steps, .. } => uses_services(steps),
        _ => false,
    })
}

/// Where an action's folder is for the steps of this job: mounted under a name made from its path, or on the host
/// executor the folder itself.
pub(crate) fn action_path(planned: &PlannedJob, folder: &str) -> String {
    if planned.image.source() == crate::planner::HOST_LABEL {
        return folder.to_owned();
    }
    let digest = Sha256::digest(folder.as_bytes());
    let name: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("/github/actions/{name}")
}

/// What a step needs to run.
///
/// # Errors
/// An expression of it cannot be evaluated: the step fails with this reason.
pub fn step(scope: &Scope<'_>, key: &JobKey, path: &StepPath) -> Result<StepSpec, EvaluationError> {
    let (planned, job) = find(scope, key)?;
    let step =
        planned.step(path).ok_or_else(|| error("step", format!("there is no step {path}")))?;
    let (contexts, own_env) = scope.step(planned, job, path)?;
    let mut env = default_env(&contexts, planned, step);
    if let Some(run) = &scope.state.run {
        env.insert("PAWL_RUN".to_owned(), run.0.clone());
    }
    if scope.plan.is_dirty {
        env.insert("PAWL_DIRTY".to_owned(), "true".to_owned());
    }
    if scope.is_debugging() {
        env.insert("RUNNER_DEBUG".to_owned(), "1".to_owned());
    }
    env.extend(own_env);
    let timeout_ms = timeout(step, &contexts)?;
    let (work, working_dir) = match &step.kind {
        StepKind::Run { script, shell, working_directory } => {
            let folder = working_directory.as_ref().or(planned.working_directory.as_ref());
            let folder =
                folder.map_or(Ok(String::new()), |at| text("working-directory", at, &contexts))?;
            let body = text("run", script, &contexts)?;
            let own = shell.as_ref().map(|shell| text("shell", shell, &contexts)).transpose()?;
            let shell = match own.filter(|shell| !shell.is_empty()) {
                Some(own) => Some(own),
                None => Scope::default_shell(planned, &contexts)?,
            };
            let command = shells::script(body, shell.as_deref(), planned.has_container);
            (Work::Sandbox(command.map_err(|reason| error("shell", reason))?), folder)
        }
        StepKind::Builtin { action, place, with } => {
            let inputs = evaluated_inputs(with, &contexts)?;
            if step.phase.is_some() {
                env.extend(foreign::state_variables(planned, job, path));
            }
            (builtin(action, *place, inputs, step.phase.is_some(), &mut env), String::new())
        }
        StepKind::Foreign(action) => {
            let command = foreign::command(scope, planned, job, path, action, &contexts, &mut env)?;
            (Work::Sandbox(command), String::new())
        }
        _ => {
            return Err(error("step", format!("step {path} runs nothing itself")));
        }
    };
    let cache = match &step.cache {
        None => None,
        Some(wanted) => {
            let own = (scope.step(planned, job, path)?.1, &working_dir);
            Some(cache(wanted, &contexts, planned, &work, &own)?)
        }
    };
    Ok(StepSpec { work, env, path: job.set_for(Some(path)).1, working_dir, timeout_ms, cache })
}

/// The step's own environment and working folder count, not what differs between two runs of the same, such as the run's name.
fn cache(
    wanted: &StepCache,
    contexts: &Contexts<'_>,
    planned: &PlannedJob,
    work: &Work,
    (env, folder): &(IndexMap<String, String>, &String),
) -> Result<CacheSpec, EvaluationError> {
    let texts = |name: &str, all: &[Template]| -> Result<Vec<String>, EvaluationError> {
        all.iter().map(|one| text(&format!("cache-key.{name}"), one, contexts)).collect()
    };
    let inputs = texts("inputs", &wanted.inputs)?;
    let digest = match (&contexts.hash_files, inputs.is_empty()) {
        (Some(hash), false) => hash(&inputs).map_err(|why| error("cache-key.inputs", why))?,
        _ => String::new(),
    };
    let mut env: Vec<(&String, &String)> = env.iter().collect();
    env.sort();
    let work = match work {
        Work::Sandbox(Command::Script { body, shells, .. }) => serde_json::json!([body, shells]),
        Work::Sandbox(Command::Argv(words) | Command::Pawl(words)) => serde_json::json!(words),
        // Only `run:` steps and built-in actions have the key.
        Work::Sandbox(Command::Container(_)) => serde_json::Value::Null,
        Work::Runner { action, inputs } => serde_json::json!([action, inputs]),
    };
    let depends_on = serde_json::json!({
        "format": 1,
        "key": text("cache-key", &wanted.key, contexts)?,
        "work": work,
        "env": env,
        "folder": folder,
        "image": text("image", &planned.image, contexts)?,
        "inputs": inputs,
    });
    let outputs = texts("outputs", &wanted.outputs)?;
    Ok(CacheSpec { depends_on: depends_on.to_string(), inputs: digest, outputs })
}

fn find<'a>(
    scope: &Scope<'a>,
    key: &JobKey,
) -> Result<(&'a PlannedJob, &'a JobState), EvaluationError> {
    let job =
        scope.state.jobs.get(key).ok_or_else(|| error("job", format!("there is no job {key}")))?;
    let planned = scope.state.planned(job);
    let planned = planned.ok_or_else(|| error("job", format!("there is no job {key}")))?;
    Ok((planned, job))
}

fn error(key: &str, message: String) -> EvaluationError {
    EvaluationError { key: key.to_owned(), message }
}

fn evaluated_inputs(
    with: &IndexMap<String, Template>,
    contexts: &Contexts<'_>,
) -> Result<IndexMap<String, String>, EvaluationError> {
    let one = |(name, template): (&String, &Template)| {
        Ok((name.clone(), text(&format!("with.{name}"), template, contexts)?))
    };
    with.iter().map(one).collect()
}

/// A built-in action inside the sandbox gets its inputs as GitHub's actions do: in `INPUT_` variables.
fn builtin(
    action: &str,
    place: Place,
    inputs: IndexMap<String, String>,
    is_post: bool,
    env: &mut IndexMap<String, String>,
) -> Work {
    if place == Place::Runner {
        return Work::Runner { action: action.to_owned(), inputs };
    }
    for (name, value) in inputs {
        env.insert(input_variable(&name), value);
    }
    let mut words = vec!["job-action".to_owned(), action.to_owned()];
    if is_post {
        words.push("--post".to_owned());
    }
    Work::Sandbox(Command::Pawl(words))
}

/// The variable that carries an input: `INPUT_`, the name in capitals, blanks replaced by `_`.
pub fn input_variable(name: &str) -> String {
    format!("INPUT_{}", name.to_ascii_uppercase().replace(' ', "_"))
}

fn timeout(step: &PlannedStep, contexts: &Contexts<'_>) -> Result<Option<u64>, EvaluationError> {
    let Some(template) = &step.timeout_minutes else { return Ok(None) };
    let minutes = text("timeout-minutes", template, contexts)?;
    match minutes.trim().parse::<f64>() {
        // More than a year is as good as no limit, and would not fit the arithmetic.
        Ok(minutes) if minutes > 0.0 && minutes <= 525_600.0 => {
            Ok(Some(std::time::Duration::from_secs_f64(minutes * 60.0).as_millis() as u64))
        }
        _ => Err(error("timeout-minutes", format!("{minutes} is not a number of minutes above 0"))),
    }
}

/// The variables that GitHub gives every step.
fn default_env(
    contexts: &Contexts<'_>,
    planned: &PlannedJob,
    step: &PlannedStep,
) -> IndexMap<String, String> {
    let github = contexts.values.get("github").and_then(Value::as_object);
    let field = |name: &str| {
        github.and_then(|github| github.get(name)).map(Value::to_text).unwrap_or_default()
    };
    let mut env = IndexMap::new();
    let mut set = |name: &str, value: String| drop(env.insert(name.to_owned(), value));
    set("CI", "true".to_owned());
    set("GITHUB_ACTIONS", "true".to_owned());
    let id = match (&step.kind, step.id.as_str()) {
        (StepKind::Foreign(action), "") => foreign::default_id(&action.uses),
        (_, "") => "__run".to_owned(),
        (_, id) => id.to_owned(),
    };
    set("GITHUB_ACTION", id);
    set("GITHUB_JOB", planned.id.clone());
    set("GITHUB_WORKSPACE", field("workspace"));
    for name in [
        "actor",
        "actor_id",
        "base_ref",
        "event_name",
        "event_path",
        "head_ref",
        "ref",
        "ref_name",
        "ref_protected",
        "ref_type",
        "repository",
        "repository_id",
        "repository_owner",
        "repository_owner_id",
        "run_attempt",
        "run_id",
        "run_number",
        "server_url",
        "sha",
        "workflow",
        "workflow_ref",
        "workflow_sha",
        "api_url",
        "graphql_url",
        "triggering_actor",
        "retention_days",
    ] {
        set(&format!("GITHUB_{}", name.to_ascii_uppercase()), field(name));
    }
    let action_path = field("action_path");
    if !action_path.is_empty() {
        set("GITHUB_ACTION_PATH", action_path);
    }
    set("RUNNER_OS", "Linux".to_owned());
    set("RUNNER_ARCH", if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" }.to_owned());
    set("RUNNER_NAME", "pawl".to_owned());
    set("RUNNER_TEMP", RUNNER_TEMP.to_owned());
    set("RUNNER_TOOL_CACHE", RUNNER_TOOL_CACHE.to_owned());
    set("RUNNER_ENVIRONMENT", "self-hosted".to_owned());
    env
}
