//! The events of `--json`.

use pawl_tests::containers::{image_option, of_run};
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::{Value, json};

fn run(workflow: &str, options: &[&str]) -> Outcome {
    let project = Project::new().file("ci.yml", workflow);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]).args(options);
    call.store(project.store()).run()
}

const TWO_JOBS: &str = "\
on: push
jobs:
  make:
    runs-on: ubuntu-latest
    outputs:
      word: ${{ steps.say.outputs.word }}
    steps:
      - id: say
        name: Say it
        run: |
          echo out
          echo err >&2
          echo '  kept as written  '
          echo word=hello >> \"$GITHUB_OUTPUT\"
  take:
    needs: make
    runs-on: ubuntu-latest
    steps:
      - run: echo got ${{ needs.make.outputs.word }}
      - if: failure()
        run: echo never
";

#[test]
fn the_first_line_names_the_run_and_the_last_one_is_the_report() {
    let outcome = run(TWO_JOBS, &[]);
    outcome.code(0).stderr_is("");
    let name = outcome.run_name();
    let report = outcome.report();
    assert_eq!((&report["run"], &report["conclusion"]), (&json!(name), &json!("success")));
    let jobs = report["jobs"].as_array().expect("the report lists jobs");
    assert_eq!(jobs.len(), 2);
    assert_eq!(jobs[0]["id"], "make");
    assert_eq!(jobs[0]["matrix"], Value::Null);
    assert_eq!(jobs[0]["outputs"], json!({ "word": "hello" }));
    let steps: Vec<_> = jobs[1]["steps"]
        .as_array()
        .expect("a job lists steps")
        .iter()
        .map(|step| (step["index"].clone(), step["conclusion"].clone()))
        .collect();
    assert_eq!(steps, [(json!(0), json!("success")), (json!(1), json!("skipped"))]);
    assert_eq!(of_run(&name), Vec::<String>::new(), "nothing is left behind");
}

#[test]
fn every_event_has_its_number_time_and_place() {
    let outcome = run(TWO_JOBS, &[]);
    outcome.code(0);
    let (events, name) = (outcome.events(), outcome.run_name());
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], index as u64 + 1, "{event}");
        assert_eq!(event["run"], name, "{event}");
        let time = event["time"].as_str().expect("an event has a time");
        assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000Z".len(), "{event}");
    }
    let said = events.iter().find(|event| event["event"] == "log" && event["text"] == "err");
    let said = said.expect("the line is told");
    assert_eq!(
        (&said["stream"], &said["job"], &said["step"]),
        (&json!("stderr"), &json!("make"), &json!("say"))
    );
    assert_eq!(said["name"], "Say it");
    let got = events.iter().find(|event| event["text"] == "got hello").expect("the output arrived");
    assert_eq!(
        (&got["job"], &got["step"], &got["stream"]),
        (&json!("take"), &json!(0), &json!("stdout"))
    );
    assert!(outcome.log().contains(&"  kept as written  ".to_owned()), "{:?}", outcome.log());
}

/// As on GitHub: each run of a workflow has the next number, and one that programs can read as a number.
#[test]
fn runs_of_a_workflow_are_counted() {
    let job = "jobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      \
               - run: echo \"$GITHUB_RUN_NUMBER ${{ github.run_number }} $((GITHUB_RUN_ID - ${{ github.run_id }}))\"\n";
    let project = Project::new()
        .file(".pawl/workflows/a.yml", &format!("on: push\n{job}"))
        .file(".pawl/workflows/b.yml", &format!("on: push\n{job}"));
    let log = |name: &str| {
        let file = format!(".pawl/workflows/{name}.yml");
        let call = Pawl::new(&project).args(["run", "--json", &file]).args([image_option()]);
        let outcome = call.store(project.store()).run();
        outcome.code(0);
        let first = &outcome.events()[0];
        assert_eq!(first["event"], "run-requested");
        (outcome.log(), first["run_number"].as_u64(), first["run_id"].clone())
    };
    let (first, second, other) = (log("a"), log("a"), log("b"));
    assert_eq!((first.0, first.1), (vec!["1 1 0".to_owned()], Some(1)));
    assert_eq!((second.0, second.1), (vec!["2 2 0".to_owned()], Some(2)));
    assert_eq!(other.1, Some(1), "workflows are counted apart");
    assert_ne!(first.2, second.2);
}

#[test]
fn a_finished_step_tells_outcome_and_conclusion_apart() {
    let outcome = run(
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - id: flaky\n        continue-on-error: true\n        run: exit 3\n",
        &[],
    );
    outcome.code(0);
    let events = outcome.events();
    let finished =
        events.iter().find(|event| event["event"] == "step-finished" && event["step"] == "flaky");
    let finished = finished.expect("the step's end is told");
    assert_eq!(finished["outcome"], "failure");
    assert_eq!(finished["conclusion"], "success");
    assert_eq!(finished["exit_code"], 3);
    assert!(finished["duration_ms"].is_u64(), "{finished}");
}

const MATRIX: &str = "\
on: push
jobs:
  try:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix:
        size: [1, 2]
        kind: [a, b]
    steps:
      - run: test ${{ matrix.size }}${{ matrix.kind }} != 2b
";

#[test]
fn every_matrix_instance_is_an_entry_of_its_own() {
    let outcome = run(MATRIX, &[]);
    outcome.code(1);
    let report = outcome.report();
    let entries: Vec<_> = report["jobs"]
        .as_array()
        .expect("the report lists jobs")
        .iter()
        .map(|job| (job["id"].clone(), job["matrix"].clone(), job["conclusion"].clone()))
        .collect();
    let entry = |size: u32, kind: &str, conclusion: &str| {
        (json!("try"), json!({ "size": size, "kind": kind }), json!(conclusion))
    };
    let expected = [
        entry(1, "a", "success"),
        entry(1, "b", "success"),
        entry(2, "a", "success"),
        entry(2, "b", "failure"),
    ];
    assert_eq!(entries, expected);
}

#[test]
fn matrix_options_of_one_key_are_alternatives_and_of_two_keys_both_must_fit() {
    let outcome = run(MATRIX, &["--matrix", "size:1", "--matrix", "size:2", "--matrix", "kind:a"]);
    outcome.code(0);
    let report = outcome.report();
    let jobs = report["jobs"].as_array().expect("the report lists jobs");
    let kinds: Vec<_> =
        jobs.iter().map(|job| (&job["matrix"]["size"], &job["matrix"]["kind"])).collect();
    assert_eq!(kinds, [(&json!(1), &json!("a")), (&json!(2), &json!("a"))]);
}

#[test]
fn env_from_outside_reaches_the_env_context() {
    let workflow = "\
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - run: echo ${{ env.GREETING }} $GREETING
";
    let outcome = run(workflow, &["--env", "GREETING=hello"]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["hello hello"]);
}

#[test]
fn a_recorded_run_is_shown_again_as_it_was() {
    let project = Project::new().file("ci.yml", TWO_JOBS);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let live = call.store(project.store()).run();
    live.code(0);
    let again = Pawl::new(&project).args(["replay", "--json"]).store(project.store()).run();
    again.code(0);
    assert_eq!(again.stdout(), live.stdout());
    let runs = Pawl::new(&project).args(["runs", "--json"]).store(project.store()).run();
    let runs = runs.code(0).json();
    assert_eq!(
        (&runs["runs"][0]["run"], &runs["runs"][0]["conclusion"]),
        (&json!(live.run_name()), &json!("success"))
    );
}
