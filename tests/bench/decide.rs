//! `decide` and the SQLite journal over plans of 10,000 steps, on the fake executor whose steps take no time. Run by `run.sh`, by
//! hand, and never by the tests.
//!
//! ```sh
//! cargo bench --package pawl-engine --bench decide
//! ```
//!
//! Prints one line of tab-separated values for each shape and each floor:
//! `shape NAME SECONDS PEAK_MIB EVENTS` and `floor NAME SECONDS`. Each is measured in a process of its own, because the peak
//! of memory belongs to a process.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use async_trait::async_trait;
use indexmap::IndexMap;
use pawl_core::contexts::Secrets;
use pawl_core::event::Conclusion;
use pawl_core::ids::RunId;
use pawl_core::plan::Plan;
use pawl_core::planner::{PlanOptions, plan};
use pawl_core::ports::{ActionCall, ActionOutcome, ActionRunner, RunFacts};
use pawl_core::trigger::TriggerEvent;
use pawl_engine::cancel::Cancel;
use pawl_engine::clock::SystemClock;
use pawl_engine::engine::{Engine, Limits, RunOrder};
use pawl_engine::journal::sqlite::SqliteJournal;
use pawl_executors::fake::{FakeStep, FakeWorld};
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Name, jobs, steps of each.
const SHAPES: &[(&str, usize, usize)] = &[("100x100", 100, 100), ("1x10000", 1, 10_000)];

/// Name, writes, bytes of each: what the disk alone takes for one event after the other, and for groups of a hundred.
const FLOORS: &[(&str, usize, usize)] =
    &[("10000-appends", 10_000, 256), ("100-commits", 100, 100 * 256)];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // The store's own disk: a folder of temporary files may be memory.
    let folder = match std::env::var_os("PAWL_BENCH_FOLDER") {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    match words.as_slice() {
        ["shape", name] => {
            let shape = SHAPES.iter().find(|shape| shape.0 == *name).ok_or("no such shape")?;
            measure_shape(shape, folder.path())
        }
        ["floor", name] => {
            let floor = FLOORS.iter().find(|floor| floor.0 == *name).ok_or("no such floor")?;
            let took = appends(&folder.path().join("floor"), floor.1, floor.2)?;
            println!("floor\t{name}\t{:.3}", took.as_secs_f64());
            Ok(())
        }
        // Cargo passes `--bench`.
        _ => all(),
    }
}

fn all() -> Outcome<()> {
    let program = std::env::current_exe()?;
    let floors = FLOORS.iter().map(|floor| ("floor", floor.0));
    for (what, name) in SHAPES.iter().map(|shape| ("shape", shape.0)).chain(floors) {
        if !Command::new(&program).args([what, name]).status()?.success() {
            return Err(format!("{what} {name} failed").into());
        }
    }
    Ok(())
}

fn measure_shape((name, jobs, steps): &(&str, usize, usize), folder: &Path) -> Outcome<()> {
    let plan = planned(&workflow(*jobs, *steps))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (took, events) = runtime.block_on(carried(plan, folder))?;
    println!("shape\t{name}\t{:.3}\t{}\t{events}", took.as_secs_f64(), peak_mib()?);
    Ok(())
}

/// Each step has an id and a condition, and reads an output of the step before it.
fn workflow(jobs: usize, steps: usize) -> String {
    const NEVER: &str = "a string takes everything";
    let mut text = "on: push\njobs:\n".to_owned();
    for job in 0..jobs {
        writeln!(text, "  j{job}:\n    runs-on: linux\n    steps:").expect(NEVER);
        for step in 0..steps {
            let before = format!("${{{{ steps.s{}.outputs.o }}}}", step.saturating_sub(1));
            writeln!(text, "      - {{ id: s{step}, if: always(), run: 'echo {before}' }}")
                .expect(NEVER);
        }
    }
    text
}

fn planned(text: &str) -> Outcome<Plan> {
    let (workflow, found) = pawl_core::workflow::parse("bench.yml", text);
    let workflow = workflow.ok_or_else(|| format!("{found:?}"))?;
    let event = TriggerEvent { name: "push".to_owned(), ..TriggerEvent::default() };
    let options = PlanOptions {
        images: IndexMap::from([("linux".to_owned(), "base:1".to_owned())]),
        ..PlanOptions::default()
    };
    Ok(plan(&workflow, &event, &options).map_err(|found| format!("{found:?}"))?)
}

struct NoActions;

#[async_trait]
impl ActionRunner for NoActions {
    async fn run(&self, _: ActionCall, _: &(dyn Fn(String) + Send + Sync)) -> ActionOutcome {
        ActionOutcome::default()
    }
}

/// Carries the plan through: how long it took, and how many events there are in the journal.
async fn carried(plan: Plan, folder: &Path) -> Outcome<(Duration, u64)> {
    let journal = Arc::new(SqliteJournal::open(&folder.join("pawl.db"))?);
    let engine = Engine {
        results: None,
        executor: Arc::new(FakeWorld::new(|_| FakeStep::prints(&["hello"])).executor()),
        actions: Arc::new(NoActions),
        journal: journal.clone(),
        groups: journal,
        clock: Arc::new(SystemClock),
        work: folder.join("work"),
        limits: Limits::default(),
    };
    let order = RunOrder {
        run: RunId("20260101-000000-aaaaaa".to_owned()),
        workflow: "bench.yml".to_owned(),
        trigger: "push".to_owned(),
        actor: "bench".to_owned(),
        plan,
        secrets: Secrets::default(),
        facts: RunFacts::default(),
    };
    // As far ahead as the command line lets the run get.
    let (sink, mut events) = mpsc::channel(64);
    let reader = tokio::spawn(async move { while events.recv().await.is_some() {} });
    let cancel = Cancel::new();
    let started = Instant::now();
    let state = Box::pin(engine.run(order, sink, &cancel)).await?;
    let took = started.elapsed();
    reader.await?;
    match state.conclusion {
        Some(Conclusion::Success) => Ok((took, state.last_seq)),
        other => Err(format!("the run ended with {other:?}").into()),
    }
}

/// Peak of this process's memory.
fn peak_mib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: u64 = line.split_whitespace().next().ok_or("no number in VmHWM")?.parse()?;
    Ok(kib.div_ceil(1024))
}

/// So many writes to the end of a file, each of them synced.
fn appends(path: &Path, writes: usize, bytes: usize) -> Outcome<Duration> {
    let block = vec![b'x'; bytes];
    let mut file = std::fs::OpenOptions::new().create_new(true).append(true).open(path)?;
    let started = Instant::now();
    for _ in 0..writes {
        file.write_all(&block)?;
        file.sync_data()?;
    }
    Ok(started.elapsed())
}
