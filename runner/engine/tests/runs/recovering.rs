//! Going on after a crash: a recorded journal is cut after every event, and each time the end is the same.

use crate::rig::{Rig, essence, log_of, reader, run_id};
use pawl_core::event::{Conclusion, Recorded, RunEvent};
use pawl_core::ids::{JobKey, JobUid, StepUid};
use pawl_core::ports::{Command, CommandFiles, Executor, JobRequest, StepRequest};
use pawl_core::state::RunState;
use pawl_engine::error::{EngineError, ErrorClass};
use pawl_engine::journal::memory::MemoryJournal;
use pawl_executors::fake::{FakeCall, FakeStep};
use std::collections::HashSet;
use std::sync::Arc;

pub(crate) const YAML: &str = "
on: push
jobs:
  prepare:
    runs-on: linux
    outputs: { list: '${{ steps.list.outputs.list }}' }
    steps:
      - { id: list, run: list }
      - { uses: pawl/report, id: note, with: { text: noted } }
  many:
    needs: prepare
    runs-on: linux
    strategy: { fail-fast: false, matrix: { i: '${{ fromJSON(needs.prepare.outputs.list) }}' } }
    steps:
      - { run: x, retry: { attempts: 2, on: [failure] } }
      - run: 'echo ${{ matrix.i }}'
      - { run: cleanup, if: always() }
  fragile:
    runs-on: linux
    steps:
      - { run: fails, continue-on-error: true }
      - { run: fails }
      - { run: skipped }
      - { run: explains, if: failure() }
  side:
    runs-on: linux
    outputs: { made: '${{ steps.made.outputs.x }}' }
    steps:
      - { id: made, run: makes, background: true }
      - { id: serves, run: serves, background: true }
      - { run: uses }
      - { wait: made }
      - { run: 'echo ${{ steps.made.outputs.x }}' }
      - { cancel: serves }
      - { run: fails, background: true, continue-on-error: true }
      - parallel: [{ run: a }, { run: b }]
  calls:
    needs: prepare
    concurrency: 'g-${{ matrix.i }}'
    strategy: { matrix: { i: '${{ fromJSON(needs.prepare.outputs.list) }}' } }
    uses: ./.github/workflows/called.yml
    with: { word: '${{ matrix.i }}' }
  last:
    needs: [many, fragile]
    if: always()
    runs-on: linux
    steps: [{ run: '${{ needs.fragile.result }}' }]
";

pub(crate) fn script(uid: &StepUid) -> FakeStep {
    match (uid.job.0.as_str(), uid.step.0[0]) {
        ("prepare", 0) => FakeStep {
            files: CommandFiles { output: "list=[1, 2]\n".to_owned(), ..CommandFiles::default() },
            ..FakeStep::prints(&["one", "::debug::two", "::set-output name=old::1", "three"])
        },
        ("side", 0) => FakeStep {
            files: CommandFiles { output: "x=1\n".to_owned(), ..CommandFiles::default() },
            ..FakeStep::default()
        },
        ("side", 1) => FakeStep { never_ends: true, ..FakeStep::default() },
        ("side", 6) => FakeStep::exits(1),
        ("many~1", 0) if uid.attempt == 1 => FakeStep::exits(3),
        ("fragile", 0 | 1) => FakeStep::exits(1),
        _ => FakeStep::prints(&["a", "b"]),
    }
}

fn job_uid(job: &JobKey) -> JobUid {
    JobUid { run: run_id(), job: job.clone() }
}

/// The world as it was when these events had been written. What happened just before they were is told by `eager`: with
/// it, every effect that was intended had also been performed.
async fn replay(rig: &Rig, events: &[Recorded], eager: bool) {
    let executor = rig.world.executor();
    for recorded in events {
        match &recorded.event {
            RunEvent::JobStarted { job } if eager => open(&executor, job).await,
            RunEvent::JobReady { job, .. } => open(&executor, job).await,
            RunEvent::StepIntended { job, step, attempt } if eager => {
                let uid = StepUid {
                    run: run_id(),
                    job: job.clone(),
                    step: step.clone(),
                    attempt: *attempt,
                };
                start(&executor, uid).await;
            }
            RunEvent::StepStarted { job, step, attempt } => {
                let uid = StepUid {
                    run: run_id(),
                    job: job.clone(),
                    step: step.clone(),
                    attempt: *attempt,
                };
                start(&executor, uid).await;
            }
            RunEvent::JobFinished { job, .. } if eager => {
                executor.close_job(&job_uid(job)).await.unwrap();
            }
            RunEvent::JobClosed { job } => executor.close_job(&job_uid(job)).await.unwrap(),
            _ => {}
        }
    }
}

async fn open(executor: &dyn Executor, job: &JobKey) {
    let request = JobRequest { uid: Some(job_uid(job)), ..JobRequest::default() };
    executor.open_job(&request).await.unwrap();
}

async fn start(executor: &dyn Executor, uid: StepUid) {
    let is_action = uid.job.0 == "prepare" && uid.step.0 == [1];
    let is_control = uid.job.0 == "side" && matches!(uid.step.0[0], 3 | 5 | 9);
    if is_action || is_control {
        return;
    }
    let request = StepRequest {
        uid,
        command: Command::Argv(vec![]),
        env: vec![],
        path: vec![],
        working_dir: String::new(),
        log_limit_bytes: u64::MAX,
    };
    executor.start(&request).await.unwrap();
}

fn finished(events: &[Recorded]) -> HashSet<StepUid> {
    let ends = events.iter().filter_map(|recorded| match &recorded.event {
        RunEvent::StepFinished { job, step, attempt, .. }
        | RunEvent::StepRetried { job, step, attempt, .. } => Some((job, step, attempt)),
        _ => None,
    });
    ends.map(|(job, step, attempt)| StepUid {
        run: run_id(),
        job: job.clone(),
        step: step.clone(),
        attempt: *attempt,
    })
    .collect()
}

#[tokio::test]
async fn a_journal_cut_after_any_event_leads_to_the_same_end() {
    let original = Rig::new(script);
    let (state, events) = original.run(YAML).await;
    let expected = essence(&state.unwrap());
    assert!(
        expected.contains("run Some(Failure)")
            && expected.contains("job many~1 Some(Success)")
            && expected.contains("job side Some(Success) {\"made\": \"1\"}")
    );
    let lines = sorted_log(&events);
    // The request and the plan are one write: no crash comes between them.
    for cut in 2..=events.len() {
        for eager in [false, true] {
            let mut rig = Rig::new(script);
            let prefix = &events[..cut];
            rig.journal = Arc::new(MemoryJournal::with_events(&run_id(), prefix.to_vec()));
            replay(&rig, prefix, eager).await;
            let before = rig.world.calls().len();
            let (state, seen) = rig.resume().await;
            let place =
                format!("cut after {cut}, {:?}, eager {eager}", prefix[cut - 1].event.kind());
            let state = state.unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(essence(&state), expected, "{place}");
            let all: Vec<Recorded> = [prefix, &seen[..]].concat();
            assert_eq!(all, rig.journalled().await, "{place}: only new events are shown");
            assert_eq!(RunState::fold(&all).unwrap(), state, "{place}");
            assert_eq!(sorted_log(&all), lines, "{place}: no line twice, none lost");
            assert_eq!(rig.world.open_jobs(), [], "{place}");
            let done = finished(prefix);
            for call in &rig.world.calls()[before..] {
                if let FakeCall::Start(request) = call {
                    assert!(!done.contains(&request.uid), "{place}: {} again", request.uid);
                }
            }
        }
    }
}

/// Jobs run at the same time, so the order between them is free.
fn sorted_log(events: &[Recorded]) -> Vec<String> {
    let lines = events.iter().filter_map(|recorded| match &recorded.event {
        RunEvent::Log { job, step, attempt, offset, text, .. } => {
            Some(format!("{job} {step} {attempt} {offset} {text}"))
        }
        _ => None,
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

const ONE_STEP: &str = "{on: push, jobs: {a: {runs-on: linux, steps: [{run: x}, {run: y}]}}}";

/// A journal that ends while the first step of `yaml` runs.
async fn interrupted(yaml: &str, rig: &mut Rig) -> Vec<Recorded> {
    let (_, mut events) = Rig::new(|_| FakeStep::prints(&["1", "2"])).run(yaml).await;
    let cut = events.iter().position(|e| matches!(e.event, RunEvent::Log { .. })).unwrap();
    events.truncate(cut + 1);
    rig.journal = Arc::new(MemoryJournal::with_events(&run_id(), events.clone()));
    events
}

#[tokio::test]
async fn a_step_whose_sandbox_went_away_is_lost_and_not_run_again() {
    let mut rig = Rig::new(|_| FakeStep::default());
    interrupted(ONE_STEP, &mut rig).await;
    let state = rig.resume().await.0.unwrap();
    let steps: Vec<_> = state.jobs[0].steps.values().map(|step| step.outcome.unwrap()).collect();
    assert_eq!(steps, [Conclusion::Lost, Conclusion::Skipped]);
    assert_eq!(state.conclusion, Some(Conclusion::Failure));
    assert_eq!(rig.world.processes(), 0);
}

#[tokio::test]
async fn a_lost_step_is_repeated_when_its_retry_allows_that() {
    let yaml = "
on: push
jobs:
  a:
    runs-on: linux
    steps: [{ run: x, retry: { attempts: 2, on: [lost] } }, { run: y }]
";
    let mut rig = Rig::new(|_| FakeStep::default());
    interrupted(yaml, &mut rig).await;
    let state = rig.resume().await.0.unwrap();
    assert_eq!(state.conclusion, Some(Conclusion::Success));
    let attempts: Vec<u32> = state.jobs[0].steps.values().map(|step| step.attempt).collect();
    assert_eq!(attempts, [2, 1]);
    assert_eq!(rig.world.processes(), 2, "in a sandbox that was made anew");
}

#[tokio::test]
async fn a_step_that_still_runs_is_followed_where_the_journal_ends() {
    let mut rig = Rig::new(|_| FakeStep::prints(&["1", "2"]));
    let events = interrupted(ONE_STEP, &mut rig).await;
    replay(&rig, &events, false).await;
    let (state, seen) = rig.resume().await;
    assert_eq!(state.unwrap().conclusion, Some(Conclusion::Success));
    assert_eq!(log_of(&seen), ["2", "1", "2"], "then the second step");
    assert!(matches!(seen[0].event, RunEvent::RunResumed));
    assert_eq!(rig.world.processes(), 2);
}

#[tokio::test]
async fn a_mask_from_before_the_crash_still_holds() {
    const TOKEN: &str = "t0ken-of-an-hour";
    let step = |_: &StepUid| FakeStep::prints(&["::add-mask::t0ken-of-an-hour", "1", TOKEN]);
    let mut rig = Rig::new(step);
    let (_, mut events) = Rig::new(step).run(ONE_STEP).await;
    let cut = events.iter().position(|e| matches!(e.event, RunEvent::Log { .. })).unwrap();
    events.truncate(cut + 1);
    rig.journal = Arc::new(MemoryJournal::with_events(&run_id(), events.clone()));
    replay(&rig, &events, false).await;
    let (_, seen) = rig.resume().await;
    assert_eq!(log_of(&seen), ["***", "1", "***"]);
}

#[tokio::test]
async fn a_finished_run_gives_its_state_and_nothing_else() {
    let rig = Rig::new(script);
    let (first, _) = rig.run(YAML).await;
    let calls = rig.world.calls().len();
    let (again, seen) = rig.resume().await;
    assert_eq!(again.unwrap(), first.unwrap());
    assert_eq!(seen, []);
    assert_eq!(rig.world.calls().len(), calls);
}

#[tokio::test]
async fn a_run_of_a_living_process_is_refused() {
    let mut rig = Rig::new(|_| FakeStep::default());
    interrupted(ONE_STEP, &mut rig).await;
    assert!(rig.journal.lease(&run_id()).await.unwrap());
    let error = rig.resume().await.0.unwrap_err();
    assert!(matches!(&error, EngineError::Busy(run) if *run == run_id()));
    assert_eq!(error.class(), ErrorClass::Input);
    rig.journal.release(&run_id()).await.unwrap();
    rig.resume().await.0.unwrap();
    assert!(rig.journal.lease(&run_id()).await.unwrap(), "given back at the end");
}

#[tokio::test]
async fn secrets_are_wanted_again_by_name() {
    let mut rig = Rig::new(|_| FakeStep::default()).with_secret("KEY", "s3cret-k3y");
    let (_, mut events) = rig.run(ONE_STEP).await;
    events.truncate(4);
    rig.journal = Arc::new(MemoryJournal::with_events(&run_id(), events.clone()));
    let secrets = std::mem::take(&mut rig.secrets);
    let error = rig.resume().await.0.unwrap_err();
    assert!(matches!(&error, EngineError::SecretsMissing { names, .. } if names == &["KEY"]));
    assert_eq!(rig.journalled().await.len(), 4, "nothing was written");
    rig.secrets = secrets;
    assert_eq!(rig.resume().await.0.unwrap().conclusion, Some(Conclusion::Success));
}

#[tokio::test]
async fn an_unknown_run_is_the_users_fault() {
    let rig = Rig::new(|_| FakeStep::default());
    assert_eq!(rig.resume().await.0.unwrap_err().class(), ErrorClass::Input);
}

#[tokio::test]
async fn somebody_elses_append_stops_us_and_leaves_the_sandboxes_to_them() {
    let rig = Rig::new(|_| FakeStep::default());
    rig.world.pause();
    let (sink, seen) = reader();
    let (engine, order, cancel) = (rig.engine(), rig.order(ONE_STEP), rig.cancel.clone());
    let run = tokio::spawn(async move { engine.run(order, sink, &cancel).await });
    while rig.world.processes() == 0 {
        tokio::task::yield_now().await;
    }
    let last = loop {
        let events = rig.journalled().await;
        if matches!(events.last().unwrap().event, RunEvent::StepStarted { .. }) {
            break events.last().unwrap().clone();
        }
        tokio::task::yield_now().await;
    };
    let theirs = Recorded { seq: last.seq + 1, event: RunEvent::RunResumed, ..last };
    rig.journal.append(&run_id(), last.seq, &[theirs]).await.unwrap();
    rig.world.resume();
    let error = run.await.unwrap().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Ours, "{error}");
    assert_eq!(rig.world.open_jobs().len(), 1);
    drop(seen.await.unwrap());
}
