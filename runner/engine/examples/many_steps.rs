//! Carries a plan of many steps through on the fake executor with the real journal, and prints what it took:
//!
//! ```sh
//! cargo run --release -p pawl-engine --example many_steps -- JOBS STEPS AT_ONCE
//! ```

use async_trait::async_trait;
use indexmap::IndexMap;
use pawl_core::contexts::Secrets;
use pawl_core::ids::RunId;
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
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

struct NoActions;

#[async_trait]
impl ActionRunner for NoActions {
    async fn run(&self, _: ActionCall, _: &(dyn Fn(String) + Send + Sync)) -> ActionOutcome {
        ActionOutcome::default()
    }
}

/// Each step has an id and a condition, and looks at the outputs of the one before it.
fn workflow(jobs: usize, steps: usize) -> String {
    let mut text = "on: push\njobs:\n".to_owned();
    for job in 0..jobs {
        writeln!(text, "  j{job}:\n    runs-on: linux\n    steps:").expect("a String grows");
        for step in 0..steps {
            let before = step.saturating_sub(1);
            writeln!(
                text,
                "      - id: s{step}\n        if: always()\n        run: echo ${{{{ steps.s{before}.outputs.o }}}}"
            )
            .expect("a String grows");
        }
    }
    text
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Vec<usize> =
        std::env::args().skip(1).map(|word| word.parse()).collect::<Result<_, _>>()?;
    let [jobs, steps, max_jobs] = numbers[..] else {
        return Err("usage: many_steps JOBS STEPS AT_ONCE".into());
    };
    let text = workflow(jobs, steps);
    let started = Instant::now();
    let (parsed, _) = pawl_core::workflow::parse("w.yml", &text);
    let event = TriggerEvent { name: "push".to_owned(), ..TriggerEvent::default() };
    let options = PlanOptions {
        images: IndexMap::from([("linux".to_owned(), "base:1".to_owned())]),
        ..PlanOptions::default()
    };
    let plan = plan(&parsed.ok_or("no workflow")?, &event, &options)
        .map_err(|found| format!("{found:?}"))?;
    println!("planned in {} ms", started.elapsed().as_millis());
    let folder = std::env::temp_dir().join(format!("pawl-many-steps-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let engine = Engine {
        executor: Arc::new(FakeWorld::new(|_| FakeStep::prints(&["hello"])).executor()),
        actions: Arc::new(NoActions),
        journal: Arc::new(SqliteJournal::open(&folder.join("pawl.db"))?),
        clock: Arc::new(SystemClock),
        work: folder.join("work"),
        limits: Limits { max_jobs, ..Limits::default() },
    };
    let order = RunOrder {
        run: RunId("20261123-000000-aaaaaa".to_owned()),
        workflow: "w.yml".to_owned(),
        trigger: "push".to_owned(),
        actor: "a".to_owned(),
        plan,
        secrets: Secrets::default(),
        facts: RunFacts::default(),
    };
    let (sink, mut events) = mpsc::channel(64);
    let reader = tokio::spawn(async move { while events.recv().await.is_some() {} });
    let started = Instant::now();
    let state = engine.run(order, sink, &Cancel::new()).await?;
    reader.await?;
    println!("{:?}: {} events in {} ms", state.conclusion, state.last_seq, started.elapsed().as_millis());
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
