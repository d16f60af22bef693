//! What a test of a run needs: a plan from YAML, a world of fake steps, a journal, a clock that tests own.

use async_trait::async_trait;
use indexmap::IndexMap;
use pawl_core::contexts::Secrets;
use pawl_core::diagnostic::{Diagnostic, render};
use pawl_core::event::{Recorded, RunEvent, UnixMs};
use pawl_core::ids::{RunId, StepUid};
use pawl_core::plan::{Place, Plan};
use pawl_core::planner::{
    ActionManifest, InputKind, InputManifest, LoadedWorkflow, PlanOptions, plan,
};
use pawl_core::ports::{
    ActionCall, ActionOutcome, ActionRunner, Clock, Executor, Groups, Journal, RunFacts,
};
use pawl_core::state::RunState;
use pawl_core::trigger::TriggerEvent;
use pawl_engine::cancel::Cancel;
use pawl_engine::engine::{Engine, Limits, ResumeOrder, RunOrder};
use pawl_engine::error::EngineError;
use pawl_engine::journal::memory::MemoryJournal;
use pawl_executors::fake::{FakeStep, FakeWorld};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A clock that runs with tokio's, so that a paused runtime owns it.
pub(crate) struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now_ms(&self) -> UnixMs {
        1_700_000_000_000 + UnixMs::try_from(self.0.elapsed().as_millis()).unwrap()
    }
}

type Act =
    dyn Fn(&ActionCall, &(dyn Fn(String) + Send + Sync)) -> Option<ActionOutcome> + Send + Sync;

/// Built-in actions that do what a test says; one without an outcome never ends.
pub(crate) struct ScriptedActions {
    act: Box<Act>,
    calls: Mutex<Vec<ActionCall>>,
}

impl ScriptedActions {
    pub(crate) fn calls(&self) -> Vec<ActionCall> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl ActionRunner for ScriptedActions {
    async fn run(&self, call: ActionCall, log: &(dyn Fn(String) + Send + Sync)) -> ActionOutcome {
        self.calls.lock().unwrap().push(call.clone());
        match (self.act)(&call, log) {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }
}

pub(crate) struct Rig {
    pub(crate) world: Arc<FakeWorld>,
    pub(crate) actions: Arc<ScriptedActions>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) groups: Arc<dyn Groups>,
    pub(crate) cancel: Cancel,
    pub(crate) limits: Limits,
    pub(crate) secrets: Secrets,
    pub(crate) work: tempfile::TempDir,
    clock: Arc<TokioClock>,
}

impl Rig {
    pub(crate) fn new(script: impl Fn(&StepUid) -> FakeStep + Send + Sync + 'static) -> Self {
        let succeed = |_: &ActionCall, _: &(dyn Fn(String) + Send + Sync)| {
            Some(ActionOutcome { success: true, ..ActionOutcome::default() })
        };
        Self {
            world: FakeWorld::new(script),
            actions: Arc::new(ScriptedActions { act: Box::new(succeed), calls: Mutex::default() }),
            journal: Arc::new(MemoryJournal::default()),
            groups: Arc::new(MemoryJournal::default()),
            cancel: Cancel::new(),
            limits: Limits { max_jobs: 4, max_idle_jobs: 4, ..Limits::default() },
            secrets: Secrets::default(),
            work: tempfile::tempdir().unwrap(),
            clock: Arc::new(TokioClock(Instant::now())),
        }
    }

    pub(crate) fn with_actions(
        mut self,
        act: impl Fn(&ActionCall, &(dyn Fn(String) + Send + Sync)) -> Option<ActionOutcome>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.actions = Arc::new(ScriptedActions { act: Box::new(act), calls: Mutex::default() });
        self
    }

    pub(crate) fn with_secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.0.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine_over(Arc::new(self.world.executor()))
    }

    pub(crate) fn engine_over(&self, executor: Arc<dyn Executor>) -> Engine {
        Engine {
            results: None,
            executor,
            actions: Arc::clone(&self.actions) as Arc<dyn ActionRunner>,
            journal: Arc::clone(&self.journal),
            groups: Arc::clone(&self.groups),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            work: self.work.path().to_owned(),
            limits: self.limits.clone(),
        }
    }

    pub(crate) fn order(&self, yaml: &str) -> RunOrder {
        RunOrder {
            run: run_id(),
            workflow: "w.yml".to_owned(),
            trigger: "push".to_owned(),
            actor: "ann".to_owned(),
            plan: planned(yaml, &self.secrets),
            secrets: self.secrets.clone(),
            facts: RunFacts { actor: "ann".to_owned(), ..RunFacts::default() },
        }
    }

    pub(crate) fn resume_order(&self) -> ResumeOrder {
        ResumeOrder { run: run_id(), secrets: self.secrets.clone(), facts: RunFacts::default() }
    }

    /// Carries a workflow through and gives the end and what the reader saw.
    pub(crate) async fn run(&self, yaml: &str) -> (Result<RunState, EngineError>, Vec<Recorded>) {
        self.run_over(&self.engine(), yaml).await
    }

    pub(crate) async fn run_over(
        &self,
        engine: &Engine,
        yaml: &str,
    ) -> (Result<RunState, EngineError>, Vec<Recorded>) {
        let (sink, seen) = reader();
        let outcome = Box::pin(engine.run(self.order(yaml), sink, &self.cancel)).await;
        (outcome, seen.await.unwrap())
    }

    pub(crate) async fn resume(&self) -> (Result<RunState, EngineError>, Vec<Recorded>) {
        let (sink, seen) = reader();
        let outcome = Box::pin(self.engine().resume(self.resume_order(), sink, &self.cancel)).await;
        (outcome, seen.await.unwrap())
    }

    pub(crate) async fn journalled(&self) -> Vec<Recorded> {
        self.journal.load(&run_id(), 0).await.unwrap()
    }
}

pub(crate) fn run_id() -> RunId {
    RunId("20261123-165512-k3f9q2".to_owned())
}

/// A sink and what comes out of it in the end.
pub(crate) fn reader() -> (mpsc::Sender<Recorded>, tokio::task::JoinHandle<Vec<Recorded>>) {
    let (sink, mut events) = mpsc::channel(16);
    let seen = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(event) = events.recv().await {
            seen.push(event);
        }
        seen
    });
    (sink, seen)
}

/// The workflow that jobs of tests call.
const CALLED: &str = "
on:
  workflow_call:
    inputs: { word: { type: string, required: true } }
    outputs: { said: { value: '${{ jobs.inner.outputs.it }}' } }
jobs:
  inner:
    runs-on: linux
    outputs: { it: '${{ inputs.word }}' }
    steps: [{ run: 'echo ${{ inputs.word }}' }]
";

pub(crate) fn planned(yaml: &str, secrets: &Secrets) -> Plan {
    let (workflow, found) = pawl_core::workflow::parse("w.yml", yaml);
    assert!(!found.iter().any(Diagnostic::is_error), "{}", render(&found, yaml));
    let workflow = workflow.expect("a workflow without errors is there");
    let event = TriggerEvent { name: "push".to_owned(), ..TriggerEvent::default() };
    let input = InputManifest { required: false, default: None, kind: InputKind::Text };
    let report = ActionManifest {
        place: Place::Runner,
        has_post: false,
        inputs: IndexMap::from([("text".to_owned(), input)]),
        outputs: vec!["said".to_owned()],
    };
    let called =
        LoadedWorkflow { file: ".github/workflows/called.yml".to_owned(), text: CALLED.to_owned() };
    let name = ("w.yml".to_owned(), "./.github/workflows/called.yml".to_owned());
    let options = PlanOptions {
        workflows: IndexMap::from([(name, called)]),
        images: IndexMap::from([("linux".to_owned(), "base:1".to_owned())]),
        builtins: IndexMap::from([("report".to_owned(), report)]),
        secrets: secrets.0.keys().cloned().collect(),
        ..PlanOptions::default()
    };
    plan(&workflow, &event, &options).unwrap_or_else(|found| panic!("{}", render(&found, yaml)))
}

/// Lines of the log, in order.
pub(crate) fn log_of(events: &[Recorded]) -> Vec<&str> {
    let lines = events.iter().filter_map(|recorded| match &recorded.event {
        RunEvent::Log { text, .. } => Some(text.as_str()),
        _ => None,
    });
    lines.collect()
}

/// Messages of the remarks, in order.
pub(crate) fn remarks_of(events: &[Recorded]) -> Vec<&str> {
    let remarks = events.iter().filter_map(|recorded| match &recorded.event {
        RunEvent::StepAnnotated { annotation, .. } => Some(annotation.message.as_str()),
        _ => None,
    });
    remarks.collect()
}

/// What a run came to, without times and numbers of events.
pub(crate) fn essence(state: &RunState) -> String {
    let mut text = format!("run {:?}\n", state.conclusion);
    for (key, job) in &state.jobs {
        text += &format!("job {key} {:?} {:?} {:?}\n", job.conclusion, job.outputs, job.env);
        for (path, step) in &job.steps {
            text += &format!(
                "  step {path} {} {:?} {:?} {:?} {:?}\n",
                step.attempt, step.outcome, step.conclusion, step.exit_code, step.effects.outputs
            );
        }
    }
    text
}
