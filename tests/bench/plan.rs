//! From the text of a workflow of 2,000 lines to its plan, in this process: reading, checking and planning. Run by `run.sh`.
//!
//! Prints `plan LINES JOBS MILLISECONDS`, the median.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use pawl_core::planner::{PlanOptions, plan};
use pawl_core::trigger::TriggerEvent;
use pawl_core::workflow::parse;
use std::fmt::Write as _;
use std::time::Instant;

const LINES: usize = 2_000;
const ROUNDS: usize = 51;

/// Jobs of all that workflows usually have: needs, conditions, a matrix, environment, expressions, scripts of several lines.
fn workflow() -> String {
    let mut text = String::from(
        "name: bench\non:\n  push:\n    branches: [main, 'release/**']\nenv:\n  ROOT: /data\njobs:\n",
    );
    for index in 0.. {
        if text.lines().count() + 20 > LINES {
            break;
        }
        write!(
            text,
            r"  job-{index}:
    name: Job {index} of ${{{{ github.ref_name }}}}
    runs-on: ubuntu-latest
    timeout-minutes: 30
    strategy:
      matrix:
        seed: [1, 2]
    env:
      KEY: ${{{{ format('{{0}}-{{1}}', github.sha, matrix.seed) }}}}
    steps:
      - id: train
        if: ${{{{ github.event_name == 'push' && !contains(github.ref, 'skip') }}}}
        working-directory: models
        run: |
          python train.py --seed $SEED
          echo model=$MODEL >> $GITHUB_OUTPUT
        env:
          SEED: ${{{{ matrix.seed }}}}
      - run: echo $MODEL
        env: {{ MODEL: '${{{{ steps.train.outputs.model }}}}' }}
"
        )
        .expect("a string takes all");
    }
    while text.lines().count() < LINES {
        text.push_str("# the end\n");
    }
    text
}

fn main() {
    let text = workflow();
    let mut options = PlanOptions::default();
    options.images.insert("ubuntu-latest".to_owned(), "pawl-test/busybox:1".to_owned());
    let mut event = TriggerEvent { name: "push".to_owned(), ..TriggerEvent::default() };
    event.git.reference = "refs/heads/main".to_owned();
    event.git.branch = "main".to_owned();
    let mut times: Vec<f64> = Vec::new();
    let mut jobs = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let (workflow, found) = parse("w.yml", &text);
        let workflow = workflow.unwrap_or_else(|| panic!("{found:?}"));
        let plan = plan(&workflow, &event, &options).unwrap_or_else(|found| panic!("{found:?}"));
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        jobs = plan.jobs.len();
    }
    times.sort_by(f64::total_cmp);
    println!("plan\t{}\t{jobs}\t{:.2}", text.lines().count(), times[ROUNDS / 2]);
}
