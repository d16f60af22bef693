//! `pawl run`

use crate::args::RunArgs;
use crate::compose::{self, Faults};
use crate::configuration;
use crate::error::{Class, CommandError};
use crate::order::{self, Order};
use crate::output::{self, Sink};
use crate::reaper;
use crate::reproduce;
use crate::settings::{pairs, secrets};
use crate::store::{self, Store};
use pawl_core::config::Config;
use pawl_core::contexts::Secrets;
use pawl_core::event::{Conclusion, Recorded};
use pawl_core::ids::RunId;
use pawl_core::plan::Plan;
use pawl_core::planner::HOST_LABEL;
use pawl_core::ports::{Clock, Journal, RunFacts};
use pawl_core::state::RunState;
use pawl_engine::cancel::Cancel;
use pawl_engine::clock::SystemClock;
use pawl_engine::engine::{Engine, Limits, ResumeOrder, RunOrder};
use pawl_engine::error::{EngineError, ErrorClass};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Events on the way to the output. When the reader is this far behind, the run's logs wait for it.
const SINK_EVENTS: usize = 4096;

/// Longest wait at a run's end for the removal of what others have left: the next run goes on with it.
const REAPING: Duration = Duration::from_secs(10);

/// How often the foot of the terminal output is redrawn.
const REDRAW: Duration = Duration::from_millis(200);

/// Runs workflows, or goes on with a run.
pub(crate) async fn run(args: &RunArgs) -> Result<(), CommandError> {
    let cancel = Cancel::new();
    watch_signals(&cancel)?;
    if let Some(run) = &args.resume {
        let store = store::open(&args.store)?;
        return Box::pin(resume(args, &store, RunId(run.clone()), &cancel)).await;
    }
    let order = order::read(args)?;
    let store = store::open(&args.store)?;
    let (engine, faults) = compose::engine(&store, limits(args, &order.config), &order.config)?;
    let mut jobs = order.plans.iter().flat_map(Plan::all_jobs).filter(|job| !job.is_call());
    let mut reaping = None;
    if jobs.any(|job| job.image.source() != HOST_LABEL) {
        // Before anything is written: without an engine there is no run.
        engine.executor.ready().await.map_err(|error| compose::executor_error(&error))?;
        let docker = compose::docker_executor(&store, &order.config)?;
        let reap = reaper::reap(docker, store.journal.clone(), engine.clock.now_ms());
        reaping = Some(tokio::spawn(reap));
    }
    let mut all_succeeded = true;
    for plan in &order.plans {
        let conclusion = Box::pin(run_plan(args, &order, plan.clone(), &engine, &cancel)).await?;
        all_succeeded &= matches!(conclusion, Conclusion::Success | Conclusion::Skipped);
    }
    if let Some(reaping) = reaping {
        // It went on beside the run; where nothing was left it ended long ago.
        drop(tokio::time::timeout(REAPING, reaping).await);
    }
    if all_succeeded { Ok(()) } else { Err(blamed(&faults)) }
}

fn limits(args: &RunArgs, config: &Config) -> Limits {
    let defaults = Limits::default();
    Limits {
        max_jobs: args.jobs.map_or(defaults.max_jobs, |jobs| jobs.max(1)),
        max_idle_jobs: args.jobs.map_or(defaults.max_idle_jobs, |jobs| jobs.max(1)),
        memory_bytes: config.memory_bytes,
        cpu_millis: config.cpu_millis,
        pids: config.pids,
        keep_failed_workspaces: args.keep_on_failure,
        ..defaults
    }
}

/// Ctrl-C cancels in order; a second one at once; a third ends this process, and `--resume` cleans up.
fn watch_signals(cancel: &Cancel) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::environment(format!("cannot watch signals: {error}"), "")
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let cancel = cancel.clone();
    tokio::spawn(async move {
        loop {
            let reason = tokio::select! {
                got = interrupt.recv() => got.map(|()| "interrupted from the keyboard"),
                got = terminate.recv() => got.map(|()| "asked to terminate"),
            };
            match reason {
                Some(reason) => cancel.request(reason),
                None => return,
            }
        }
    });
    Ok(())
}

async fn run_plan(
    args: &RunArgs,
    order: &Order,
    plan: Plan,
    engine: &Engine,
    cancel: &Cancel,
) -> Result<Conclusion, CommandError> {
    let run = new_run_id(engine.clock.now_ms());
    let facts = facts_of(args, &plan, &run, &order.actor)?;
    let request = RunOrder {
        run,
        workflow: plan.file.clone(),
        trigger: order.event.clone(),
        actor: order.actor.clone(),
        plan,
        secrets: order.secrets.clone(),
        facts,
    };
    let (sender, receiver) = mpsc::channel(SINK_EVENTS);
    let shown = tokio::spawn(show(args.json, args.verbose, RunState::new(), receiver));
    let outcome = Box::pin(engine.run(request, sender, cancel)).await;
    end(outcome, shown).await
}

async fn resume(
    args: &RunArgs,
    store: &Store,
    run: RunId,
    cancel: &Cancel,
) -> Result<(), CommandError> {
    let events = store.journal.load(&run, 0).await?;
    let known = RunState::fold(&events).map_err(CommandError::internal)?;
    let Some(plan) = known.plan.clone() else {
        return Err(CommandError::input(format!("run {run} was never planned"), "start it anew"));
    };
    let config = configuration::load(Some(plan.source.as_ref()))?.config;
    let (engine, faults) = compose::engine(store, limits(args, &config), &config)?;
    if let Some(conclusion) = known.conclusion
        && !engine.can_reopen(&known)
    {
        return already_over(args, &events, &known, conclusion);
    }
    let facts = facts_of(args, &plan, &run, &crate::settings::actor(args.actor.as_deref()))?;
    let secrets = Secrets(secrets(&args.secret_file, &args.secret)?);
    let (sender, receiver) = mpsc::channel(SINK_EVENTS);
    let shown = tokio::spawn(show(args.json, args.verbose, known, receiver));
    let outcome =
        Box::pin(engine.resume(ResumeOrder { run, secrets, facts }, sender, cancel)).await;
    result(end(outcome, shown).await?).map_err(|_| blamed(&faults))
}

/// Why a run did not succeed: the workflow's fault, unless an action met one of the environment.
fn blamed(faults: &Faults) -> CommandError {
    faults.take().unwrap_or_else(CommandError::failed)
}

fn result(conclusion: Conclusion) -> Result<(), CommandError> {
    match conclusion {
        Conclusion::Success | Conclusion::Skipped => Ok(()),
        Conclusion::Failure | Conclusion::Cancelled | Conclusion::Lost => {
            Err(CommandError::failed())
        }
    }
}

/// A run that is over is not touched: its last event, the report, is shown again.
fn already_over(
    args: &RunArgs,
    events: &[Recorded],
    state: &RunState,
    conclusion: Conclusion,
) -> Result<(), CommandError> {
    let mut sink = output::sink(args.json, args.verbose, false);
    let report = events.iter().rev().find(|recorded| recorded.event.kind() == "run-finished");
    if let Some(recorded) = report {
        sink.event(recorded, state);
    }
    sink.flush(state, state.last_ms);
    result(conclusion)
}

/// Shows events as they come; gives back the last state.
async fn show(
    json: bool,
    verbose: bool,
    mut state: RunState,
    mut events: mpsc::Receiver<Recorded>,
) {
    let mut sink = output::sink(json, verbose, true);
    let mut redraw = tokio::time::interval(REDRAW);
    loop {
        tokio::select! {
            received = events.recv() => match received {
                None => break,
                Some(recorded) => {
                    take(sink.as_mut(), &mut state, &recorded);
                    while let Ok(recorded) = events.try_recv() {
                        take(sink.as_mut(), &mut state, &recorded);
                    }
                    sink.flush(&state, SystemClock.now_ms());
                }
            },
            _ = redraw.tick() => sink.flush(&state, SystemClock.now_ms()),
        }
    }
    sink.flush(&state, SystemClock.now_ms());
}

fn take(sink: &mut dyn Sink, state: &mut RunState, recorded: &Recorded) {
    // The engine has applied the same events to its own state before it sent them.
    if state.apply(recorded).is_ok() {
        sink.event(recorded, state);
    }
}

async fn end(
    outcome: Result<RunState, EngineError>,
    shown: tokio::task::JoinHandle<()>,
) -> Result<Conclusion, CommandError> {
    // The engine has dropped its sender: the output ends once it has shown everything.
    drop(shown.await);
    match outcome {
        Ok(state) => Ok(state.conclusion.unwrap_or(Conclusion::Lost)),
        Err(error) => Err(engine_error(&error)),
    }
}

/// How an engine's error is an error of the command line.
fn engine_error(error: &EngineError) -> CommandError {
    let class = match error.class() {
        ErrorClass::Input => Class::Input,
        ErrorClass::Environment => Class::Environment,
        ErrorClass::Ours => Class::Internal,
    };
    CommandError {
        class,
        message: error.to_string(),
        hint: error.hint().unwrap_or_default().to_owned(),
    }
}

fn facts_of(
    args: &RunArgs,
    plan: &Plan,
    run: &RunId,
    actor: &str,
) -> Result<RunFacts, CommandError> {
    let text =
        |name: &str| plan.github.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    Ok(RunFacts {
        run: run.0.clone(),
        workflow: plan.workflow.clone(),
        commit: text("sha").to_owned(),
        dirty: plan.is_dirty,
        actor: actor.to_owned(),
        source: plan.source.clone().into(),
        reproduce: reproduce::command(plan),
        github: plan.github.clone(),
        overrides: pairs("--action", &args.source.action)?,
        ..RunFacts::default()
    })
}

/// A name that sorts by time and that no other run of this machine has: the UTC time and six random letters.
fn new_run_id(now_ms: i64) -> RunId {
    use std::hash::{BuildHasher, Hasher};
    let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let mut random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let mut letters = String::new();
    for _ in 0..6 {
        letters.push(char::from(b"0123456789abcdefghjkmnpqrstvwxyz"[(random % 32) as usize]));
        random /= 32;
    }
    RunId(format!("{}-{letters}", time.strftime("%Y%m%d-%H%M%S")))
}

#[cfg(test)]
mod tests {
    use super::new_run_id;

    #[test]
    fn run_names_sort_by_time_and_differ() {
        let (a, b) = (new_run_id(0), new_run_id(1_000));
        assert!(a.0 < b.0 && a.0.starts_with("19700101-000000-"), "{a} {b}");
        assert_ne!(new_run_id(0), new_run_id(0));
    }
}
