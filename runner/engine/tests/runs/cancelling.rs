//! Stopping: in order, at once, by a time limit, and of what will not stop.

use crate::rig::{Rig, reader, run_id};
use pawl_core::event::{Conclusion, Recorded, RunEvent};
use pawl_core::ids::{JobKey, JobUid};
use pawl_core::ports::StopLadder;
use pawl_core::state::RunState;
use pawl_engine::error::EngineError;
use pawl_executors::fake::{FakeCall, FakeStep};
use std::time::Duration;

const YAML: &str = "
on: push
jobs:
  a:
    runs-on: linux
    steps:
      - run: forever
      - run: never
      - { run: cleanup, if: always() }
";

fn stops(rig: &Rig) -> Vec<StopLadder> {
    let calls = rig.world.calls().into_iter();
    calls
        .filter_map(|call| if let FakeCall::Stop(_, ladder) = call { Some(ladder) } else { None })
        .collect()
}

fn outcomes(state: &RunState) -> Vec<Option<Conclusion>> {
    state.jobs.values().next().unwrap().steps.values().map(|step| step.outcome).collect()
}

/// Runs, and asks to stop each time the world has come to rest.
async fn run_and_cancel(
    rig: &Rig,
    yaml: &str,
    times: u32,
) -> (Result<RunState, EngineError>, Vec<Recorded>) {
    let (sink, seen) = reader();
    let (engine, order, cancel) = (rig.engine(), rig.order(yaml), rig.cancel.clone());
    let run = tokio::spawn(async move { engine.run(order, sink, &cancel).await });
    for _ in 0..times {
        // Paused time moves only when nothing else can.
        tokio::time::sleep(Duration::from_secs(1)).await;
        rig.cancel.request("the user pressed Ctrl-C");
    }
    (run.await.unwrap(), seen.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_first_request_interrupts_and_runs_what_always_runs() {
    let rig = Rig::new(|uid| FakeStep { never_ends: uid.step.0 == [0], ..FakeStep::default() });
    let (state, seen) = run_and_cancel(&rig, YAML, 1).await;
    let state = state.unwrap();
    assert_eq!(state.conclusion, Some(Conclusion::Cancelled));
    assert_eq!(
        outcomes(&state),
        [Some(Conclusion::Cancelled), Some(Conclusion::Skipped), Some(Conclusion::Success)]
    );
    assert_eq!(stops(&rig), [StopLadder::GITHUB]);
    assert_eq!(rig.world.open_jobs(), []);
    let reasons = seen.iter().filter_map(|recorded| match &recorded.event {
        RunEvent::CancelRequested { reason } => Some(reason.as_str()),
        _ => None,
    });
    assert_eq!(reasons.collect::<Vec<_>>(), ["the user pressed Ctrl-C"]);
}

#[tokio::test(start_paused = true)]
async fn the_second_request_kills_at_once_and_starts_nothing_more() {
    let rig = Rig::new(|uid| FakeStep { never_ends: uid.step.0 != [1], ..FakeStep::default() });
    let (state, _) = run_and_cancel(&rig, YAML, 2).await;
    let state = state.unwrap();
    assert_eq!(
        outcomes(&state),
        [Some(Conclusion::Cancelled), Some(Conclusion::Skipped), Some(Conclusion::Cancelled)]
    );
    assert_eq!(stops(&rig), [StopLadder::GITHUB, StopLadder::NOW]);
    assert_eq!(state.conclusion, Some(Conclusion::Cancelled));
    assert_eq!(rig.world.open_jobs(), []);
}

#[tokio::test(start_paused = true)]
async fn a_request_before_the_start_cancels_everything() {
    let rig = Rig::new(|_| FakeStep::default());
    rig.cancel.request("too late");
    let state = rig.run(YAML).await.0.unwrap();
    assert_eq!(state.conclusion, Some(Conclusion::Cancelled));
    assert_eq!(rig.world.processes(), 0);
    assert_eq!(rig.world.open_jobs(), []);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_always_runs_runs_after_the_cancellation() {
    let yaml = "
on: push
jobs:
  a: { runs-on: linux, steps: [{ run: forever }] }
  b: { runs-on: linux, needs: a, if: always(), steps: [{ run: cleanup, if: always() }] }
";
    let rig = Rig::new(|uid| FakeStep { never_ends: uid.job.0 == "a", ..FakeStep::default() });
    let state = run_and_cancel(&rig, yaml, 1).await.0.unwrap();
    let of = |job: &str| state.jobs[&JobKey(job.to_owned())].steps.values().next().unwrap().outcome;
    assert_eq!((of("a"), of("b")), (Some(Conclusion::Cancelled), Some(Conclusion::Success)));
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_stops_a_step_and_fails_it() {
    let yaml = "
on: push
jobs:
  a:
    runs-on: linux
    steps:
      - { run: forever, timeout-minutes: 0.02 }
      - { uses: pawl/report, timeout-minutes: 0.5, if: always() }
";
    let rig = Rig::new(|_| FakeStep { never_ends: true, ..FakeStep::default() })
        .with_actions(|_, _| None);
    let start = tokio::time::Instant::now();
    let state = rig.run(yaml).await.0.unwrap();
    assert_eq!(state.conclusion, Some(Conclusion::Failure));
    let reasons: Vec<Option<&str>> =
        state.jobs[0].steps.values().map(|step| step.reason.as_deref()).collect();
    assert_eq!(
        reasons,
        [
            Some("the step's time limit of 1.2 s is over"),
            Some("the step's time limit of 30 s is over")
        ]
    );
    let elapsed = start.elapsed().as_millis();
    assert!((31_200..31_400).contains(&elapsed), "{elapsed}");
    assert_eq!(stops(&rig), [StopLadder::GITHUB], "an action is dropped, not stopped");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_action_is_dropped() {
    let yaml = "{on: push, jobs: {a: {runs-on: linux, steps: [{uses: pawl/report}]}}}";
    let rig = Rig::new(|_| FakeStep::default()).with_actions(|_, _| None);
    let state = run_and_cancel(&rig, yaml, 1).await.0.unwrap();
    assert_eq!(outcomes(&state), [Some(Conclusion::Cancelled)]);
}

#[tokio::test(start_paused = true)]
async fn retries_wait_for_their_pause_and_stop_at_their_limit() {
    let yaml = "
on: push
jobs:
  a:
    runs-on: linux
    steps:
      - { run: x, retry: { attempts: 3, backoff: 10s, on: [failure] } }
";
    let rig = Rig::new(|uid| FakeStep::exits(if uid.attempt < 3 { 1 } else { 0 }));
    let start = tokio::time::Instant::now();
    let state = rig.run(yaml).await.0.unwrap();
    assert_eq!(state.conclusion, Some(Conclusion::Success));
    assert_eq!(state.jobs[0].steps[&pawl_core::ids::StepPath::top(0)].attempt, 3);
    assert_eq!(start.elapsed().as_secs(), 30, "10 s and then 20 s");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_will_not_die_is_given_up() {
    let rig = Rig::new(|_| FakeStep::default());
    rig.world.pause();
    let world = std::sync::Arc::clone(&rig.world);
    let executor = std::sync::Arc::new(crate::crashing::Deaf(world.executor()));
    let engine = rig.engine_over(executor);
    let (sink, seen) = reader();
    let (order, cancel) = (rig.order(YAML), rig.cancel.clone());
    let run = tokio::spawn(async move { engine.run(order, sink, &cancel).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.cancel.request("one");
    rig.cancel.request("two");
    let state = run.await.unwrap().unwrap();
    assert_eq!(outcomes(&state)[0], Some(Conclusion::Cancelled));
    let swept = rig.world.calls().contains(&FakeCall::CloseRun(run_id()));
    assert!(swept, "its sandbox is ended with the run");
    drop(seen.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_being_opened_does_not_hold_the_cancellation_up() {
    let rig = Rig::new(|_| FakeStep::default());
    let engine = rig.engine_over(std::sync::Arc::new(crate::crashing::Slow(rig.world.executor())));
    let (sink, seen) = reader();
    let (order, cancel) = (rig.order(YAML), rig.cancel.clone());
    let run = tokio::spawn(async move { engine.run(order, sink, &cancel).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.cancel.request("no time");
    let state = run.await.unwrap().unwrap();
    assert_eq!(state.jobs[0].conclusion, Some(Conclusion::Cancelled));
    assert_eq!(state.conclusion, Some(Conclusion::Cancelled));
    let closed = FakeCall::CloseJob(JobUid { run: run_id(), job: JobKey("a".to_owned()) });
    assert!(rig.world.calls().contains(&closed), "what was half made is ended");
    drop(seen.await.unwrap());
}
