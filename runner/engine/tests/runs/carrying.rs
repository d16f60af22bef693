//! Runs from their request to their end.

use crate::rig::{Rig, essence, log_of, planned, reader, remarks_of, run_id};
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use pawl_core::contexts::Secrets;
use pawl_core::event::{Conclusion, RunEvent, Stream};
use pawl_core::ids::{JobUid, RunId, StepUid};
use pawl_core::ports::{
    ActionOutcome, Attachment, CommandFiles, Executor, ExecutorError, JobRequest, StepRequest,
    StepSignal, StopLadder,
};
use pawl_core::state::RunState;
use pawl_engine::error::{EngineError, ErrorClass};
use pawl_engine::journal::sqlite::SqliteJournal;
use pawl_executors::fake::{FakeCall, FakeStep};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const TWO_JOBS: &str = "
on: push
jobs:
  first:
    runs-on: linux
    outputs: { answer: '${{ steps.think.outputs.answer }}' }
    steps:
      - { id: think, run: think }
      - run: second
  last:
    needs: first
    runs-on: linux
    env: { ANSWER: '${{ needs.first.outputs.answer }}' }
    steps:
      - run: say
";

fn thinker(uid: &StepUid) -> FakeStep {
    match (uid.job.0.as_str(), uid.step.0[0]) {
        ("first", 0) => FakeStep {
            files: CommandFiles { output: "answer=42\n".to_owned(), ..CommandFiles::default() },
            ..FakeStep::prints(&["thinking", "done"])
        },
        _ => FakeStep::prints(&["hello"]),
    }
}

#[tokio::test]
async fn a_run_goes_from_its_request_to_its_end() {
    let rig = Rig::new(thinker);
    let (state, seen) = rig.run(TWO_JOBS).await;
    let state = state.unwrap();
    assert_eq!(state.conclusion, Some(Conclusion::Success));
    assert_eq!(seen, rig.journalled().await, "the reader sees what is durable, all of it");
    assert_eq!(RunState::fold(&seen).unwrap(), state);
    assert!(matches!(seen[0].event, RunEvent::RunRequested { .. }));
    assert!(matches!(seen[1].event, RunEvent::RunPlanned { .. }));
    assert!(matches!(seen.last().unwrap().event, RunEvent::RunFinished { .. }));
    assert_eq!(log_of(&seen), ["thinking", "done", "hello", "hello"]);
    assert_eq!(rig.world.open_jobs(), []);
    assert_eq!(std::fs::read_dir(rig.work.path()).unwrap().count(), 0, "workspaces are gone");
}

#[tokio::test]
async fn outputs_reach_the_jobs_that_need_them() {
    let rig = Rig::new(thinker);
    rig.run(TWO_JOBS).await.0.unwrap();
    let calls = rig.world.calls();
    let last = calls.iter().rev().find_map(|call| match call {
        FakeCall::Start(request) => Some(request),
        _ => None,
    });
    let env = &last.unwrap().env;
    assert!(env.contains(&("ANSWER".to_owned(), "42".to_owned())), "{env:?}");
    let workspace = rig.work.path().join(run_id().0).join("jobs/last");
    let expected = ("GITHUB_WORKSPACE".to_owned(), workspace.to_string_lossy().into_owned());
    assert!(env.contains(&expected), "the executor says where the workspace is");
}

#[tokio::test]
async fn an_intent_is_durable_before_the_executor_is_called() {
    /// Looks into the journal at each call.
    struct Watching(pawl_executors::fake::FakeExecutor, Arc<dyn pawl_core::ports::Journal>);

    #[async_trait]
    impl Executor for Watching {
        async fn check(&self) -> Result<String, ExecutorError> {
            self.0.check().await
        }
        async fn open_job(&self, request: &JobRequest) -> Result<bool, ExecutorError> {
            let uid = request.uid.clone().unwrap();
            let events = self.1.load(&uid.run, 0).await.unwrap();
            let is_intended = events
                .iter()
                .any(|e| matches!(&e.event, RunEvent::JobStarted { job } if *job == uid.job));
            assert!(is_intended, "{uid} was opened before that was written");
            assert_eq!(std::fs::read_dir(&request.workspace).unwrap().count(), 0);
            self.0.open_job(request).await
        }
        async fn start(&self, request: &StepRequest) -> Result<(), ExecutorError> {
            let uid = &request.uid;
            let events = self.1.load(&uid.run, 0).await.unwrap();
            let is_intended = events.iter().any(|e| {
                matches!(&e.event, RunEvent::StepIntended { job, step, attempt }
                    if *job == uid.job && *step == uid.step && *attempt == uid.attempt)
            });
            assert!(is_intended, "{uid} was started before that was written");
            self.0.start(request).await
        }
        async fn attach(&self, uid: &StepUid) -> Result<Attachment, ExecutorError> {
            self.0.attach(uid).await
        }
        async fn follow(
            &self,
            uid: &StepUid,
            from: u64,
        ) -> Result<BoxStream<'static, StepSignal>, ExecutorError> {
            self.0.follow(uid, from).await
        }
        async fn stop(&self, uid: &StepUid, ladder: StopLadder) -> Result<(), ExecutorError> {
            self.0.stop(uid, ladder).await
        }
        fn workspace_path(&self, request: &JobRequest) -> String {
            self.0.workspace_path(request)
        }
        async fn close_job(&self, uid: &JobUid) -> Result<(), ExecutorError> {
            self.0.close_job(uid).await
        }
        async fn close_run(&self, run: &RunId) -> Result<(), ExecutorError> {
            self.0.close_run(run).await
        }
    }

    let rig = Rig::new(thinker);
    let watching = Watching(rig.world.executor(), Arc::clone(&rig.journal));
    let (state, _) = rig.run_over(&rig.engine_over(Arc::new(watching)), TWO_JOBS).await;
    assert_eq!(state.unwrap().conclusion, Some(Conclusion::Success));
}

#[tokio::test]
async fn a_failing_step_is_a_result_and_not_an_error() {
    let rig =
        Rig::new(|uid| if uid.job.0 == "first" { FakeStep::exits(7) } else { FakeStep::default() });
    let (state, seen) = rig.run(TWO_JOBS).await;
    let state = state.unwrap();
    assert_eq!(state.conclusion, Some(Conclusion::Failure));
    let expected = "run Some(Failure)
job first Some(Failure) {\"answer\": \"\"} {}
  step 0 1 Some(Failure) Some(Failure) Some(7) {}
  step 1 0 Some(Skipped) Some(Skipped) None {}
job last Some(Skipped) {} {}
";
    assert_eq!(essence(&state), expected);
    assert_eq!(RunState::fold(&seen).unwrap(), state);
}

#[tokio::test]
async fn failed_workspaces_are_kept_when_that_is_wanted() {
    let mut rig = Rig::new(|_| FakeStep::exits(1));
    rig.limits.keep_failed_workspaces = true;
    rig.run(TWO_JOBS).await.0.unwrap();
    assert!(rig.work.path().join(run_id().0).join("jobs/first").is_dir());
}

#[tokio::test]
async fn no_more_jobs_are_open_at_once_than_allowed() {
    let mut rig = Rig::new(|_| FakeStep::default());
    (rig.limits.max_jobs, rig.limits.max_idle_jobs) = (2, 2);
    let yaml = "
on: push
jobs:
  many:
    runs-on: linux
    strategy: { matrix: { i: [1, 2, 3, 4, 5, 6] } }
    steps: [{ run: x }, { run: y }]
";
    assert_eq!(rig.run(yaml).await.0.unwrap().conclusion, Some(Conclusion::Success));
    let (mut open, mut most) = (0, 0);
    for call in rig.world.calls() {
        match call {
            FakeCall::OpenJob(_) => open += 1,
            FakeCall::CloseJob(_) => open -= 1,
            _ => {}
        }
        most = most.max(open);
    }
    // A sandbox that is being removed does not count: its job is over.
    assert!((2..=4).contains(&most), "{most}");
}

#[tokio::test]
async fn actions_in_the_runner_get_their_inputs_and_leave_their_report() {
    let yaml = "
on: push
jobs:
  a:
    runs-on: linux
    steps:
      - { id: one, uses: pawl/report, with: { text: 'hi ${{ github.event_name }}' } }
      - { run: 'echo ${{ steps.one.outputs.said }}' }
      - { id: two, uses: pawl/report }
";
    let rig = Rig::new(|_| FakeStep::default()).with_actions(|call, log| {
        log("working".to_owned());
        Some(ActionOutcome {
            success: true,
            outputs: [("said".to_owned(), call.inputs.get("text").cloned().unwrap_or_default())]
                .into(),
            report: serde_json::json!({"n": 1}),
            log: vec!["and\ndone".to_owned()],
            ..ActionOutcome::default()
        })
    });
    let (state, seen) = rig.run(yaml).await;
    assert_eq!(state.unwrap().conclusion, Some(Conclusion::Success));
    assert_eq!(log_of(&seen), ["working", "and", "done", "working", "and", "done"]);
    let calls = rig.actions.calls();
    assert_eq!(calls[0].inputs["text"], "hi push");
    assert_eq!(calls[0].run.run, run_id().0);
    assert!(calls[0].run.reports.is_empty());
    assert_eq!(calls[1].run.reports["a/one"], serde_json::json!({"n": 1}));
    assert_eq!(calls[1].workspace, rig.work.path().join(run_id().0).join("jobs/a"));
    let script = rig.world.calls().into_iter().find_map(|call| match call {
        FakeCall::Start(request) => Some(format!("{:?}", request.command)),
        _ => None,
    });
    assert!(script.unwrap().contains("echo hi push"));
}

#[tokio::test]
async fn an_action_that_fails_fails_its_step_and_one_that_panics_is_our_fault() {
    let yaml = "
on: push
jobs:
  a:
    runs-on: linux
    steps: [{ uses: pawl/report }]
";
    let rig = Rig::new(|_| FakeStep::default()).with_actions(|_, _| {
        Some(ActionOutcome { reason: Some("too bad".to_owned()), ..ActionOutcome::default() })
    });
    let state = rig.run(yaml).await.0.unwrap();
    assert_eq!(state.conclusion, Some(Conclusion::Failure));
    let step = state.jobs.values().next().unwrap().steps.values().next().unwrap();
    assert_eq!(step.reason.as_deref(), Some("too bad"));

    let rig = Rig::new(|_| FakeStep::default()).with_actions(|_, _| panic!("on purpose"));
    let (outcome, seen) = rig.run(yaml).await;
    assert_eq!(outcome.unwrap_err().class(), ErrorClass::Ours);
    assert!(matches!(seen.last().unwrap().event, RunEvent::RunFinished { .. }), "still in order");
    assert_eq!(rig.world.open_jobs(), []);
}

#[tokio::test]
async fn an_environment_fault_ends_the_run_in_order_and_is_told_with_a_hint() {
    let rig = Rig::new(thinker);
    let fault = || ExecutorError::Environment {
        message: "the engine does not answer".to_owned(),
        hint: "start it".to_owned(),
    };
    rig.world.fail_next_open(fault());
    let (outcome, seen) = rig.run(TWO_JOBS).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.class(), error.hint()), (ErrorClass::Environment, Some("start it")));
    assert_eq!(error.to_string(), "the engine does not answer");
    let EngineError::Environment { state, .. } = error else { panic!() };
    assert_eq!(state.conclusion, Some(Conclusion::Failure));
    assert_eq!(RunState::fold(&seen).unwrap(), *state);
    assert_eq!(rig.world.open_jobs(), []);

    let rig = Rig::new(thinker);
    rig.world.fail_next_start(fault());
    let (outcome, _) = rig.run(TWO_JOBS).await;
    assert_eq!(outcome.unwrap_err().class(), ErrorClass::Environment);
    assert_eq!(rig.world.open_jobs(), []);
}

#[tokio::test]
async fn a_bad_request_fails_its_job_alone() {
    let rig = Rig::new(thinker);
    rig.world.fail_next_open(ExecutorError::Request {
        message: "there is no image base:1".to_owned(),
        hint: "build it".to_owned(),
    });
    let state = rig.run(TWO_JOBS).await.0.unwrap();
    let first = state.jobs.values().next().unwrap();
    assert_eq!(first.conclusion, Some(Conclusion::Failure));
    assert_eq!(first.reason.as_deref(), Some("there is no image base:1: build it"));
}

#[tokio::test]
async fn a_run_of_a_known_name_is_refused() {
    let rig = Rig::new(thinker);
    rig.run(TWO_JOBS).await.0.unwrap();
    let before = rig.journalled().await;
    let (outcome, seen) = rig.run(TWO_JOBS).await;
    assert!(matches!(outcome, Err(EngineError::Exists(run)) if run == run_id()));
    assert_eq!(seen, []);
    assert_eq!(rig.journalled().await, before);
}

#[tokio::test]
async fn a_reader_that_goes_away_is_not_missed() {
    let rig = Rig::new(thinker);
    let (sink, events) = tokio::sync::mpsc::channel(1);
    drop(events);
    let state = rig.engine().run(rig.order(TWO_JOBS), sink, &rig.cancel).await.unwrap();
    assert_eq!(state.conclusion, Some(Conclusion::Success));
    assert_eq!(RunState::fold(&rig.journalled().await).unwrap(), state);
}

#[tokio::test]
async fn a_log_over_the_limit_is_cut_and_that_is_said() {
    let mut rig = Rig::new(|_| FakeStep::prints(&["123456789", "b", "c"]));
    rig.limits.log_bytes = 10;
    let (_, seen) = rig.run("{on: push, jobs: {a: {runs-on: linux, steps: [{run: x}]}}}").await;
    assert_eq!(log_of(&seen), ["123456789"]);
    assert_eq!(remarks_of(&seen), ["the log is cut: 4 bytes after the first 10 were dropped"]);
}

/// Counts the lines that were taken from the fake's stream.
struct Counting(pawl_executors::fake::FakeExecutor, Arc<AtomicU64>);

#[async_trait]
impl Executor for Counting {
    async fn check(&self) -> Result<String, ExecutorError> {
        self.0.check().await
    }
    async fn open_job(&self, request: &JobRequest) -> Result<bool, ExecutorError> {
        self.0.open_job(request).await
    }
    async fn start(&self, request: &StepRequest) -> Result<(), ExecutorError> {
        self.0.start(request).await
    }
    async fn attach(&self, uid: &StepUid) -> Result<Attachment, ExecutorError> {
        self.0.attach(uid).await
    }
    async fn follow(
        &self,
        uid: &StepUid,
        from: u64,
    ) -> Result<BoxStream<'static, StepSignal>, ExecutorError> {
        let count = Arc::clone(&self.1);
        let count = move |_: &StepSignal| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        Ok(self.0.follow(uid, from).await?.inspect(count).boxed())
    }
    async fn stop(&self, uid: &StepUid, ladder: StopLadder) -> Result<(), ExecutorError> {
        self.0.stop(uid, ladder).await
    }
    fn workspace_path(&self, request: &JobRequest) -> String {
        self.0.workspace_path(request)
    }
    async fn close_job(&self, uid: &JobUid) -> Result<(), ExecutorError> {
        self.0.close_job(uid).await
    }
    async fn close_run(&self, run: &RunId) -> Result<(), ExecutorError> {
        self.0.close_run(run).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_holds_the_steps_output_back_and_not_the_cancellation() {
    const LINES: usize = 50_000;
    let rig = Rig::new(|_| FakeStep {
        lines: (0..LINES).map(|n| (Stream::Stdout, format!("line {n}"))).collect(),
        never_ends: true,
        ..FakeStep::default()
    });
    let taken = Arc::new(AtomicU64::new(0));
    let engine = rig.engine_over(Arc::new(Counting(rig.world.executor(), Arc::clone(&taken))));
    let (sink, mut events) = tokio::sync::mpsc::channel(1);
    let order = rig.order("{on: push, jobs: {a: {runs-on: linux, steps: [{run: x}]}}}");
    let cancel = rig.cancel.clone();
    let run = tokio::spawn(async move { engine.run(order, sink, &cancel).await });
    // The runtime's clock is paused: this sleep ends only when nothing else can move.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let held = taken.load(Ordering::Relaxed);
    assert!(held > 1000 && held < 10_000, "{held} lines are in flight");
    rig.cancel.request("enough");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let is_stopped = rig.world.calls().iter().any(|call| matches!(call, FakeCall::Stop(..)));
    assert!(is_stopped, "the step is told to stop although nobody reads");
    let mut seen = Vec::new();
    while let Some(event) = events.recv().await {
        seen.push(event);
    }
    assert_eq!(run.await.unwrap().unwrap().conclusion, Some(Conclusion::Cancelled));
    assert_eq!(log_of(&seen).len(), LINES, "no line is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_steps_go_through_the_sqlite_journal() {
    let mut rig = Rig::new(|_| FakeStep::prints(&["a line"]));
    let folder = tempfile::tempdir().unwrap();
    rig.journal = Arc::new(SqliteJournal::open(&folder.path().join("store.db")).unwrap());
    let steps = "      - run: x\n".repeat(500);
    let instances: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let yaml = format!(
        "on: push\njobs:\n  a:\n    runs-on: linux\n    strategy: {{ matrix: {{ i: [{}] }} }}\n    steps:\n{steps}",
        instances.join(", ")
    );
    assert_eq!(planned(&yaml, &Secrets::default()).jobs[0].steps.len(), 500);
    let (sink, seen) = reader();
    let state = rig.engine().run(rig.order(&yaml), sink, &rig.cancel).await.unwrap();
    assert_eq!(state.conclusion, Some(Conclusion::Success));
    assert_eq!(rig.world.processes(), 10_000);
    let seen = seen.await.unwrap();
    assert_eq!(log_of(&seen).len(), 10_000);
    assert_eq!(RunState::fold(&rig.journalled().await).unwrap(), state);
}
