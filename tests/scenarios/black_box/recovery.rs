//! A process that dies, and the run that goes on.

use pawl_tests::containers::{exec, image_option, of_run, remove};
use pawl_tests::pawl::{Pawl, Running};
use pawl_tests::project::Project;
use serde_json::{Value, json};

/// The middle step waits for a file that the test makes, so that nothing depends on time.
const WAITING: &str = "\
on: push
jobs:
  work:
    runs-on: ubuntu-latest
    steps:
      - id: first
        run: echo ran >> first.txt
      - id: middle
        run: |
          echo ran >> middle.txt
          echo waiting
          until test -e go; do sleep 0.1; done
          echo going on
      - id: last
        run: echo first $(wc -l < first.txt) middle $(wc -l < middle.txt)
";

/// Runs until the middle step waits, then kills the process. Returns the run's name and the last number seen.
fn killed_in_the_middle(project: &Project) -> (String, u64) {
    let call = Pawl::new(project).args(["run", "ci.yml", "--json", &image_option()]);
    let mut running: Running = call.store(project.store()).spawn();
    let first = running.wait_for("the run's name", |event| event["event"] == "run-requested");
    let run = first["run"].as_str().expect("the run is named").to_owned();
    let last = running.wait_for_log("waiting");
    running.kill();
    running.finish();
    (run, last["seq"].as_u64().expect("an event has a number"))
}

fn conclusions(report: &Value) -> Vec<(String, String)> {
    let steps = report["jobs"][0]["steps"].as_array().expect("a job lists steps");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    steps.iter().map(|step| (text(&step["id"]), text(&step["conclusion"]))).collect()
}

#[test]
fn after_sigkill_a_run_goes_on_without_running_a_finished_step_twice() {
    let project = Project::new().file("ci.yml", WAITING);
    let (run, seen) = killed_in_the_middle(&project);
    let containers = of_run(&run);
    assert_eq!(containers.len(), 1, "the job outlives the runner: {containers:?}");
    let resume =
        Pawl::new(&project).args(["run", "--resume", &run, "--json"]).store(project.store());
    let mut resumed = resume.spawn();
    let first = resumed.wait_for("the first new event", |event| event["seq"].is_u64());
    assert!(
        first["seq"].as_u64() > Some(seen),
        "only what is new is printed: {first} after {seen}"
    );
    exec(&containers[0], &["touch", "/github/workspace/go"]);
    let outcome = resumed.finish();
    outcome.code(0);
    let log = outcome.log();
    assert_eq!(log.last().map(String::as_str), Some("first 1 middle 1"), "{log:?}");
    let starts: Vec<_> =
        outcome.events().into_iter().filter(|event| event["event"] == "step-started").collect();
    assert_eq!(starts.len(), 1, "only the last step starts: {starts:?}");
    let all = ["first", "middle", "last"].map(|id| (id.to_owned(), "success".to_owned()));
    assert_eq!(conclusions(&outcome.report()), all);
    assert_eq!(of_run(&run), Vec::<String>::new());
}

#[test]
fn a_step_whose_end_nobody_saw_is_lost_and_not_repeated() {
    let project = Project::new().file("ci.yml", WAITING);
    let (run, _) = killed_in_the_middle(&project);
    for container in of_run(&run) {
        remove(&container);
    }
    let resume =
        Pawl::new(&project).args(["run", "--resume", &run, "--json"]).store(project.store());
    let outcome = resume.run();
    outcome.code(1);
    let report = outcome.report();
    assert_eq!(report["conclusion"], "failure");
    let expected = [("first", "success"), ("middle", "lost"), ("last", "skipped")];
    let expected = expected.map(|(id, conclusion)| (id.to_owned(), conclusion.to_owned()));
    assert_eq!(conclusions(&report), expected);
    assert!(
        !outcome.log().contains(&"waiting".to_owned()),
        "the script did not run again: {:?}",
        outcome.log()
    );
}

#[test]
fn a_finished_run_has_nothing_to_resume() {
    let workflow =
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo once\n";
    let project = Project::new().file("ci.yml", workflow);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let run = call.store(project.store()).run().run_name();
    let again =
        Pawl::new(&project).args(["run", "--resume", &run, "--json"]).store(project.store()).run();
    assert_eq!(again.log(), Vec::<String>::new());
    assert_eq!(again.report()["conclusion"], json!("success"));
    let unknown =
        Pawl::new(&project).args(["run", "--resume", "nowhere"]).store(project.store()).run();
    unknown.code(2);
    assert!(unknown.stderr().contains("there is no run nowhere"), "{}", unknown.stderr());
}

#[test]
fn a_run_that_a_living_process_works_on_is_not_taken_over() {
    let project = Project::new().file("ci.yml", WAITING);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let mut running = call.store(project.store()).spawn();
    let first = running.wait_for("the run's name", |event| event["event"] == "run-requested");
    let run = first["run"].as_str().expect("the run is named").to_owned();
    running.wait_for_log("waiting");
    let second = Pawl::new(&project).args(["run", "--resume", &run]).store(project.store()).run();
    second.code(2);
    assert!(second.stderr().contains("another process"), "{}", second.stderr());
    exec(&of_run(&run)[0], &["touch", "/github/workspace/go"]);
    running.finish().code(0);
}
