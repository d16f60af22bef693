//! Doing what was decided: opening and closing sandboxes, starting and stopping steps.

use crate::carry::Carry;
use crate::coordinator::{Coordinator, LiveStep};
use crate::drive::{self, Happened, Signal, StepKey};
use crate::error::EngineError;
use crate::lines::{LineReader, Manners};
use indexmap::IndexMap;
use pawl_core::finish::{self, StopReason};
use pawl_core::ids::{JobKey, JobUid, StepUid};
use pawl_core::plan::{PlannedJob, PlannedStep, StepKind};
use pawl_core::ports::{
    ActionCall, Command, ExecutorError, JobRequest, RunFacts, StepExit, StepRequest, StopLadder,
};
use pawl_core::resolve::{self, StepSpec, Work};
use std::path::PathBuf;
use std::sync::Arc;

/// Names and values.
type Pairs = Vec<(String, String)>;

impl Coordinator<'_> {
    // ------------------------------------------------------------ jobs

    /// Makes a job's sandbox, in an empty workspace unless some of its steps are over.
    pub(crate) fn open_job(&mut self, job: JobKey) {
        // A run that goes on where it failed has steps that are over before its sandbox is made.
        let keep = self.state.jobs.get(&job).is_some_and(|state| !state.steps.is_empty());
        self.open_job_in(job, keep);
    }

    /// With `keep`, the workspace stays as an earlier process left it: the sandbox that it made may hold on to it.
    pub(crate) fn open_job_in(&mut self, job: JobKey, keep: bool) {
        let refuse = |error: ExecutorError| Signal::Opened {
            job: job.clone(),
            result: Err(error),
            logs: Vec::new(),
        };
        if self.is_killed {
            // The cancellation is recorded; the next round ends the job.
            return;
        }
        let request = match self.job_request(&job, keep) {
            Ok(request) => request,
            Err(error) => return self.pending.push_back(refuse(error)),
        };
        let executor = Arc::clone(&self.engine.executor);
        let name = job.clone();
        let opening = self.spawn(refuse(broke_off("opening a sandbox")), |teller| {
            drive::open_job(executor, name, request, teller)
        });
        self.jobs.entry(job).or_default().opening = Some(opening);
    }

    /// What the sandbox must be, its workspace made.
    pub(crate) fn job_request(
        &mut self,
        job: &JobKey,
        keep: bool,
    ) -> Result<JobRequest, ExecutorError> {
        let user_fault = |message: String| ExecutorError::Request { message, hint: String::new() };
        let plan = self.plan().map_err(|e| ExecutorError::Internal(e.to_string()))?;
        let spec = resolve::job(&self.scope(&plan), job).map_err(|e| user_fault(e.to_string()))?;
        let event = plan.github.get("event").unwrap_or(&serde_json::Value::Null);
        let workspace =
            self.folder.write_event(event).and_then(|()| self.folder.make_job(job, keep)).map_err(
                |e| ExecutorError::Environment {
                    message: format!("cannot make the workspace of job {job}: {e}"),
                    hint: "check the permissions and the free space of the store".to_owned(),
                },
            )?;
        let open = |mut value: String| {
            self.scrubber.vault.open(&mut value);
            value
        };
        let image = open(spec.image);
        let limits = &self.engine.limits;
        // Whoever asks the engine about a container sees its environment: secrets come to the steps another way.
        let (env, _) = self.parted(spec.env);
        let mut services = spec.services;
        for service in &mut services {
            let all = std::mem::take(&mut service.env).into_iter().collect();
            (service.env, service.secret_env) = self.parted(all);
        }
        let mut request = JobRequest {
            uid: Some(self.job_uid(job)),
            image,
            workspace,
            env,
            container: spec.container,
            services,
            has_services_at_localhost: spec.has_services_at_localhost,
            gpus: spec.gpus,
            pids: limits.pids,
            mounts: spec.mounts.into_iter().map(|(from, to)| (PathBuf::from(from), to)).collect(),
            user: limits.user.clone(),
            memory_bytes: limits.memory_bytes,
            cpu_millis: limits.cpu_millis,
            labels: vec![
                ("pawl.run".to_owned(), self.run.0.clone()),
                ("pawl.job".to_owned(), job.0.clone()),
            ],
            sockets: Vec::new(),
        };
        self.open_door(job, &mut request)?;
        Ok(request)
    }

    /// An environment in two parts: what everybody may see, and what holds secrets.
    fn parted(&self, env: IndexMap<String, String>) -> (Pairs, Pairs) {
        let opened = env.into_iter().map(|(name, mut value)| {
            self.scrubber.vault.open(&mut value);
            (name, value)
        });
        opened.partition(|(_, value)| !self.scrubber.masker.finds(value))
    }

    /// Variables of the job's container that hold secrets: each step gets them below its own.
    fn secret_env(&self, job: &JobKey) -> Pairs {
        let has_secrets = |planned: &PlannedJob| {
            let whole = !planned.image.is_literal();
            planned.has_container
                && (whole || planned.container_env.values().any(|it| !it.is_literal()))
        };
        let state = self.state.jobs.get(job);
        let planned = state.and_then(|state| self.state.planned(state));
        let Some(plan) = self.state.plan.clone().filter(|_| planned.is_some_and(has_secrets))
        else {
            return Pairs::new();
        };
        // It could be evaluated when the job started.
        let spec = resolve::job(&self.scope(&plan), job).ok();
        spec.map(|spec| self.parted(spec.env).1).unwrap_or_default()
    }

    fn job_uid(&self, job: &JobKey) -> JobUid {
        JobUid { run: self.run.clone(), job: job.clone() }
    }

    /// Ends a job's sandbox. Asked again while it is being done, it does nothing.
    pub(crate) fn close_job(&mut self, job: JobKey) {
        let live = self.jobs.entry(job.clone()).or_default();
        if std::mem::replace(&mut live.is_closing, true) {
            return;
        }
        live.door = None;
        let executor = Arc::clone(&self.engine.executor);
        let uid = self.job_uid(&job);
        let leaving = self.leaving(&job);
        let fallback = Signal::Closed { job, result: Err(broke_off("closing a sandbox")) };
        self.spawn(fallback, |teller| drive::close_job(executor, uid, leaving, teller));
    }

    /// The job's workspace, when nothing can write to it once the sandbox is gone and nobody wants to look at it.
    fn leaving(&self, job: &JobKey) -> Option<drive::Leaving> {
        let state = self.state.jobs.get(job)?;
        let planned = self.state.planned(state)?;
        // A job on this machine may leave processes.
        let is_free = planned.image.source() != pawl_core::planner::HOST_LABEL
            && !self.engine.limits.keep_failed_workspaces;
        is_free.then(|| drive::Leaving {
            actions: Arc::clone(&self.engine.actions),
            workspace: self.folder.job(job),
            run: self.facts.clone(),
        })
    }

    // ------------------------------------------------------------ steps

    /// Starts a step that is intended.
    pub(crate) fn start_step(&mut self, key: StepKey) {
        let live = self.jobs.entry(key.job.clone()).or_default();
        if live.is_reopening {
            return live.deferred.push((key.step, key.attempt));
        }
        self.insert_live(&key, false, None);
        if self.is_killed {
            return self.kill_unstarted(&key);
        }
        match self.spec(&key) {
            Err(reason) => self.refuse(key, reason),
            Ok(spec) => {
                self.prepare_reader(&key, &spec);
                if !self.take_unchanged(&key, &spec) {
                    self.start_work(key, spec);
                }
            }
        }
    }

    fn start_work(&mut self, key: StepKey, spec: StepSpec) {
        let timeout_ms = spec.timeout_ms;
        let task = match spec.work {
            Work::Sandbox(ref command) => {
                let request = self.step_request(&key, command.clone(), spec);
                let executor = Arc::clone(&self.engine.executor);
                let name = key.clone();
                self.spawn(panicked(&key), |teller| {
                    drive::run_step(executor, name, request, teller)
                })
            }
            Work::Runner { action, inputs } => {
                let call = ActionCall {
                    uid: self.step_uid(&key),
                    action,
                    inputs,
                    workspace: self.folder.job(&key.job),
                    run: self.facts_for(&key),
                };
                let actions = Arc::clone(&self.engine.actions);
                let (name, limit) = (key.clone(), self.engine.limits.log_bytes);
                self.spawn(panicked(&key), |teller| {
                    drive::run_action(actions, name, call, limit, teller)
                })
            }
        };
        if let Some(live) = self.live.get_mut(&key) {
            live.timeout_ms = timeout_ms;
            live.task = Some(task);
        }
    }

    /// What a built-in action may know: the run's facts, and where the steps of its own job see the workspace.
    fn facts_for(&self, key: &StepKey) -> RunFacts {
        let mut facts = self.facts.clone();
        facts.step = format!("{}/{}", key.job, key.step);
        let job = self.state.jobs.get(&key.job);
        let planned = job.and_then(|job| Some((job, self.state.planned(job)?)));
        if let (Some(plan), Some((job, planned))) = (&self.state.plan, planned)
            && let serde_json::Value::Object(github) = &mut facts.github
        {
            let workspace = self.scope(plan).workspace_of(planned, job);
            github.insert("workspace".to_owned(), workspace.into());
        }
        facts
    }

    /// Tells the reader of the step's lines what is known of the step.
    pub(crate) fn prepare_reader(&mut self, key: &StepKey, spec: &StepSpec) {
        let Some(job) = self.state.jobs.get(&key.job) else { return };
        let Some((plan, planned)) = self.state.plan.as_ref().zip(self.state.planned(job)) else {
            return;
        };
        let is_on = |name: &str| {
            spec.env.get(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
        };
        let scope = self.scope(plan);
        let manners = Manners {
            debug: scope.is_debugging(),
            unsecure_commands: is_on("ACTIONS_ALLOW_UNSECURE_COMMANDS"),
            unsecure_tokens: is_on("ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS"),
            workspace: scope.workspace_of(planned, job),
        };
        if let Some(live) = self.live.get_mut(key) {
            live.reader = std::mem::take(&mut live.reader).prepared(manners, &job.matchers);
        }
    }

    /// What the step is, with the values of sealed secrets in their places.
    pub(crate) fn spec(&self, key: &StepKey) -> Result<StepSpec, String> {
        let plan = self.plan().map_err(|e| e.to_string())?;
        let mut spec =
            resolve::step(&self.scope(&plan), &key.job, &key.step).map_err(|e| e.to_string())?;
        let open = |value: &mut String| self.scrubber.vault.open(value);
        spec.env.values_mut().for_each(open);
        spec.path.iter_mut().for_each(open);
        open(&mut spec.working_dir);
        match &mut spec.work {
            Work::Runner { inputs, .. } => inputs.values_mut().for_each(open),
            Work::Sandbox(Command::Script { body, .. }) => open(body),
            Work::Sandbox(Command::Argv(words) | Command::Pawl(words)) => {
                words.iter_mut().for_each(open);
            }
            Work::Sandbox(Command::Container(container)) => {
                open(&mut container.image);
                container.entrypoint.iter_mut().for_each(open);
                container.args.iter_mut().flatten().for_each(open);
            }
        }
        Ok(spec)
    }

    fn step_request(&mut self, key: &StepKey, command: Command, mut spec: StepSpec) -> StepRequest {
        self.show_door(key, &mut spec.env);
        let place = JobRequest {
            uid: Some(self.job_uid(&key.job)),
            workspace: self.folder.job(&key.job),
            ..JobRequest::default()
        };
        let workspace = self.engine.executor.workspace_path(&place);
        spec.env.insert("GITHUB_WORKSPACE".to_owned(), workspace);
        for (name, value) in self.secret_env(&key.job) {
            spec.env.entry(name).or_insert(value);
        }
        StepRequest {
            uid: self.step_uid(key),
            command,
            env: spec.env.into_iter().collect(),
            path: spec.path,
            working_dir: spec.working_dir,
            log_limit_bytes: self.engine.limits.log_bytes,
        }
    }

    pub(crate) fn step_uid(&self, key: &StepKey) -> StepUid {
        StepUid {
            run: self.run.clone(),
            job: key.job.clone(),
            step: key.step.clone(),
            attempt: key.attempt,
        }
    }

    pub(crate) fn insert_live(&mut self, key: &StepKey, started: bool, timeout_ms: Option<u64>) {
        let state = self.state.jobs.get(&key.job).and_then(|job| job.steps.get(&key.step));
        let live = LiveStep {
            uid: self.step_uid(key),
            reader: LineReader::new(self.engine.limits.log_bytes),
            carry: Carry::default(),
            known_lines: state.map_or(0, |step| step.next_line),
            started,
            started_ms: state.map_or_else(|| self.now(), |step| step.intended_ms),
            timeout_ms,
            stop: None,
            abandon_at: None,
            is_killed: false,
            is_action: self.planned_step(key).is_some_and(is_action),
            task: None,
            keep: None,
        };
        self.live.insert(key.clone(), live);
    }

    pub(crate) fn planned_step(&self, key: &StepKey) -> Option<&PlannedStep> {
        self.state.planned(self.state.jobs.get(&key.job)?)?.step(&key.step)
    }

    /// A step that cannot be run for a reason in the workflow.
    fn refuse(&mut self, key: StepKey, message: String) {
        let error = ExecutorError::Request { message, hint: String::new() };
        self.pending.push_back(Signal::Step { key, what: Happened::Refused(error) });
    }

    /// Ends a step that was intended when the second request to stop had come already.
    fn kill_unstarted(&mut self, key: &StepKey) {
        if let Some(live) = self.live.get_mut(key) {
            live.stop = Some(StopReason::Cancelled);
        }
        let exit = drive::lost("it was not started".to_owned());
        self.pending.push_back(Signal::Step { key: key.clone(), what: Happened::Ended(exit) });
    }

    /// Begins to stop a step. Asked again, it does nothing: the ladder is the executor's.
    pub(crate) fn stop_step(&mut self, key: &StepKey, reason: StopReason) {
        let ladder = if self.is_killed { StopLadder::NOW } else { self.engine.limits.ladder };
        let abandon_at = self.abandon_time();
        self.drop_deferred(key);
        let Some(live) = self.live.get_mut(key).filter(|live| live.stop.is_none()) else { return };
        live.stop = Some(reason);
        live.abandon_at = Some(abandon_at);
        self.send_stop(key, ladder);
    }

    /// Kills a step whose time to stop is over. Asked again, it does nothing.
    pub(crate) fn kill_step(&mut self, key: &StepKey) {
        let abandon_at = self.abandon_time();
        self.drop_deferred(key);
        let Some(live) = self.live.get_mut(key).filter(|live| !live.is_killed) else { return };
        live.is_killed = true;
        live.stop.get_or_insert(StopReason::Cancelled);
        live.abandon_at = Some(abandon_at);
        self.send_stop(key, StopLadder::NOW);
    }

    /// A step that waits for its sandbox after a restart needs no stopping: it never started.
    fn drop_deferred(&mut self, key: &StepKey) {
        let Some(job) = self.jobs.get_mut(&key.job) else { return };
        let before = job.deferred.len();
        job.deferred.retain(|(step, attempt)| *step != key.step || *attempt != key.attempt);
        if job.deferred.len() < before {
            self.insert_live(key, false, None);
            self.kill_unstarted(key);
        }
    }

    /// Stops the step's process, or drops the action. A step that is still being started is stopped once it has: a stop before
    /// the start would find nothing.
    pub(crate) fn send_stop(&mut self, key: &StepKey, ladder: StopLadder) {
        let Some(live) = self.live.get_mut(key) else { return };
        if live.is_action {
            if let Some(task) = live.task.take() {
                task.abort();
            }
            let exit = StepExit {
                duration_ms: u64::try_from(self.now() - self.live[key].started_ms).unwrap_or(0),
                ..drive::lost("it was stopped".to_owned())
            };
            self.pending.push_back(Signal::Step { key: key.clone(), what: Happened::Ended(exit) });
            return;
        }
        if !live.started {
            return;
        }
        let (executor, uid) = (Arc::clone(&self.engine.executor), live.uid.clone());
        self.spawn(panicked(key), |_| async move {
            // When this fails the step is given up in time.
            if let Err(error) = executor.stop(&uid, ladder).await {
                tracing::warn!(step = %uid, %error, "the step could not be stopped");
            }
        });
    }

    /// The second request to stop: everything that runs is killed at once.
    pub(crate) fn kill_all(&mut self) {
        let keys: Vec<StepKey> = self.live.keys().cloned().collect();
        let abandon_at = self.abandon_time();
        for key in keys {
            if let Some(live) = self.live.get_mut(&key) {
                live.stop.get_or_insert(StopReason::Cancelled);
                live.abandon_at = Some(abandon_at);
            }
            self.send_stop(&key, StopLadder::NOW);
        }
    }

    /// Gives up a step that did not end although it was killed.
    pub(crate) fn abandon_step(&mut self, key: &StepKey) -> Result<(), EngineError> {
        let Some(live) = self.live.get_mut(key) else { return Ok(()) };
        if let Some(task) = live.task.take() {
            task.abort();
        }
        self.needs_sweep = true;
        let reason = "it did not end when it was killed";
        tracing::warn!(run = %self.run, job = %key.job, step = %key.step, "{reason}");
        self.take(Signal::Step {
            key: key.clone(),
            what: Happened::Ended(drive::lost(reason.to_owned())),
        })
    }

    /// The executor says of a step what cannot be.
    pub(crate) fn lose_step(&mut self, key: &StepKey, reason: String) -> Result<(), EngineError> {
        self.end_step(key, finish::of_loss(reason))
    }
}

fn is_action(step: &PlannedStep) -> bool {
    use pawl_core::plan::Place;
    matches!(step.kind, StepKind::Builtin { place: Place::Runner, .. })
}

fn broke_off(what: &str) -> ExecutorError {
    ExecutorError::Internal(format!("{what} broke off: a part of pawl panicked"))
}

pub(crate) fn panicked(key: &StepKey) -> Signal {
    let what = format!("step {} of job {}", key.step, key.job);
    Signal::Step { key: key.clone(), what: Happened::Refused(broke_off(&what)) }
}
