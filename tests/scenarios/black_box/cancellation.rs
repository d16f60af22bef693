//! Ctrl-C: once in order, twice at once.

use pawl_tests::containers::{image_option, of_run};
use pawl_tests::pawl::{Pawl, Running};
use pawl_tests::project::Project;

const POLITE: &str = "\
on: push
jobs:
  work:
    runs-on: ubuntu-latest
    steps:
      - id: long
        run: |
          trap 'echo asked to stop; exit 0' INT
          echo ready
          while true; do sleep 0.1 || true; done
      - id: never
        run: echo never
      - id: cleaning
        if: always()
        run: echo cleaning
  later:
    needs: work
    runs-on: ubuntu-latest
    steps:
      - run: echo never
";

const STUBBORN: &str = "\
on: push
jobs:
  work:
    runs-on: ubuntu-latest
    steps:
      - id: long
        run: |
          trap '' INT TERM
          echo ready
          while true; do sleep 0.1 || true; done
      - id: cleaning
        if: always()
        run: echo cleaning
";

fn started(project: &Project) -> (Running, String) {
    let call = Pawl::new(project).args(["run", "ci.yml", "--json", &image_option()]);
    let mut running = call.store(project.store()).spawn();
    let first = running.wait_for("the run's name", |event| event["event"] == "run-requested");
    let run = first["run"].as_str().expect("the run is named").to_owned();
    running.wait_for_log("ready");
    (running, run)
}

#[test]
fn the_first_one_stops_in_order_and_leaves_nothing() {
    let project = Project::new().file("ci.yml", POLITE);
    let (running, run) = started(&project);
    running.interrupt();
    let outcome = running.finish();
    outcome.code(1);
    let report = outcome.report();
    assert_eq!(report["conclusion"], "cancelled");
    let steps = &report["jobs"][0]["steps"];
    assert_eq!(steps[0]["conclusion"], "cancelled", "{report:#}");
    assert_ne!(steps[1]["conclusion"], "success", "{report:#}");
    assert_eq!(steps[2]["conclusion"], "success", "{report:#}");
    let log = outcome.log();
    assert_eq!(log, ["ready", "asked to stop", "cleaning"]);
    assert_eq!(of_run(&run), Vec::<String>::new());
}

#[test]
fn the_second_one_stops_at_once_and_leaves_nothing() {
    let project = Project::new().file("ci.yml", STUBBORN);
    let (mut running, run) = started(&project);
    running.interrupt();
    running.wait_for("the request to cancel", |event| event["event"] == "cancel-requested");
    running.interrupt();
    let outcome = running.finish();
    outcome.code(1);
    assert_eq!(outcome.report()["conclusion"], "cancelled");
    assert!(!outcome.log().contains(&"cleaning".to_owned()), "at once: {:?}", outcome.log());
    assert_eq!(of_run(&run), Vec::<String>::new());
}
