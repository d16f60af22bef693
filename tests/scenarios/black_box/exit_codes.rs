//! One exit code for each answer to "whose fault is it?".

use pawl_tests::containers::image_option;
use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;

const ONE_STEP: &str = "\
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - run: SCRIPT
";

fn project(script: &str) -> Project {
    Project::new().file("ci.yml", &ONE_STEP.replace("SCRIPT", script))
}

#[test]
fn a_run_that_succeeds_is_0() {
    let project = project("echo fine");
    let outcome =
        Pawl::new(&project).args(["run", "ci.yml", &image_option()]).store(project.store()).run();
    outcome.code(0).stderr_is("");
}

#[test]
fn a_step_that_fails_is_1_and_its_own_code_is_reported() {
    let project = project("exit 7");
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let outcome = call.store(project.store()).run();
    outcome.code(1).stderr_is("");
    let events = outcome.events();
    let finished =
        events.iter().find(|event| event["event"] == "step-finished" && event["exit_code"] == 7);
    assert_eq!(finished.expect("the step's end is told")["conclusion"], "failure");
    assert_eq!(outcome.report()["conclusion"], "failure");
}

#[test]
fn a_workflow_with_a_fault_is_2_before_anything_starts() {
    let project = Project::new()
        .file("ci.yml", "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    stepz: []\n");
    let outcome = Pawl::new(&project).args(["run", "ci.yml"]).store(project.store()).run();
    outcome.code(2).stdout_is("");
    assert!(outcome.stderr().contains("ci.yml:5:5"), "the place is told: {}", outcome.stderr());
    assert!(outcome.stderr().contains("stepz"), "the key is told: {}", outcome.stderr());
}

#[test]
fn a_missing_file_and_an_unknown_option_are_2() {
    let project = Project::new();
    let missing = Pawl::new(&project).args(["run", "nowhere.yml"]).store(project.store()).run();
    missing.code(2);
    assert!(missing.stderr().contains("nowhere.yml"), "{}", missing.stderr());
    let unknown = Pawl::new(&project).args(["run", "--colour"]).run();
    unknown.code(2);
    assert!(unknown.stderr().contains("--colour"), "{}", unknown.stderr());
}

#[test]
fn under_json_every_refusal_is_one_event_of_one_shape() {
    let project = Project::new()
        .file("ci.yml", "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    stepz: []\n")
        .file("ok.yml", ONE_STEP)
        .file("list.json", "[1]");
    for (args, message) in [
        (&["run", "ci.yml", "--json"] as &[&str], "ci.yml:"),
        (&["plan", "ci.yml", "--json"], "ci.yml:"),
        (&["run", "nowhere.yml", "--json"], "nowhere.yml"),
        (&["run", "--colour", "--json"], "--colour"),
        (&["run", "--resume", "nowhere", "--json"], "nowhere"),
        (&["run", "ok.yml", "--event-path", "list.json", "--json"], "list.json"),
    ] {
        let outcome = Pawl::new(&project).args(args).store(project.store()).run();
        outcome.code(2);
        let [event] = &outcome.events()[..] else { panic!("{args:?}: {}", outcome.stdout()) };
        let shape = (&event["event"], &event["class"], &event["exit_code"]);
        assert_eq!(shape, (&"error".into(), &"input".into(), &2.into()), "{args:?}");
        let said = event["message"].as_str().expect("there is a message");
        assert!(said.contains(message) && event["hint"].is_string(), "{args:?}: {event}");
        assert!(!outcome.stderr().is_empty(), "{args:?}");
    }
}

#[test]
fn an_event_that_nothing_listens_to_is_2_with_the_reason() {
    let project = project("echo never");
    let call = Pawl::new(&project).args(["run", "ci.yml", "--event", "release", "--json"]);
    let outcome = call.store(project.store()).run();
    outcome.code(2);
    assert!(
        outcome.stderr().contains("release") && outcome.stderr().contains("push"),
        "{}",
        outcome.stderr()
    );
    let errors: Vec<_> =
        outcome.events().into_iter().filter(|event| event["event"] == "error").collect();
    assert_eq!(errors.len(), 1, "{}", outcome.stdout());
    assert_eq!((&errors[0]["class"], &errors[0]["exit_code"]), (&"input".into(), &2.into()));
}

#[test]
fn an_input_that_is_undeclared_or_missing_is_2() {
    let workflow = "\
on:
  workflow_dispatch:
    inputs:
      rows: { required: true }
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - run: echo ${{ inputs.rows }}
";
    let project = Project::new().file("ci.yml", workflow);
    let run = |options: &[&str]| {
        let call = Pawl::new(&project).args(["run", "ci.yml", "--event", "workflow_dispatch"]);
        call.args(options).store(project.store()).run()
    };
    let undeclared = run(&["--input", "rows=3", "--input", "columns=4"]);
    undeclared.code(2);
    assert!(undeclared.stderr().contains("columns"), "{}", undeclared.stderr());
    let missing = run(&[]);
    missing.code(2);
    assert!(missing.stderr().contains("rows"), "{}", missing.stderr());
}

#[test]
fn an_engine_that_does_not_answer_is_3_with_what_to_do() {
    let project = project("echo never");
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", "--image=ubuntu-latest=any:1"]);
    let socket = format!("unix://{}/nobody.sock", project.home().display());
    let outcome = call.env("DOCKER_HOST", socket).store(project.store()).run();
    outcome.code(3);
    assert!(outcome.stderr().contains("nobody.sock"), "{}", outcome.stderr());
    assert!(outcome.stderr().contains("hint: "), "{}", outcome.stderr());
    let events = outcome.events();
    let error = events.iter().find(|event| event["event"] == "error").expect("an error event");
    assert_eq!((&error["class"], &error["exit_code"]), (&"environment".into(), &3.into()));
}

#[test]
fn a_store_that_cannot_be_made_is_3() {
    let project = Project::new().file("occupied", "a file, not a folder");
    let store = project.folder().join("occupied/store");
    let outcome = Pawl::new(&project).args(["runs"]).store(&store).run();
    outcome.code(3).stdout_is("");
    assert!(outcome.stderr().contains("occupied/store"), "{}", outcome.stderr());
}

/// The engine is wanted only in the middle of the run, by an action.
#[test]
fn an_action_that_meets_a_fault_of_the_environment_ends_the_run_with_3() {
    let model = r#"{"format":"pawl-model","format_version":1,"kind":"logistic-regression","name":"m","features":["a"],"label":"y > 0","training":{"seed":0,"rows":1,"data_digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","commit":"","hyperparameters":{}},"parameters":{"intercept":0.0,"coefficients":[1.0],"means":[0.0],"scales":[1.0]}}"#;
    let workflow = "\
on: push
jobs:
  a:
    runs-on: pawl-host
    steps:
      - run: cp \"$MODEL\" model.json
      - uses: pawl/build
        with: { model: model.json }
";
    let project = Project::new().file("ci.yml", workflow).file("model.json", model);
    let path = format!("MODEL={}", project.folder().join("model.json").display());
    let call = |host: &str| {
        Pawl::new(&project)
            .args(["run", "ci.yml", "--json", "--env", &path])
            .env("DOCKER_HOST", host)
            .store(project.store())
            .run()
    };
    let outcome = call("unix:///nowhere/docker.sock");
    outcome.code(3);
    let events = outcome.events();
    let last = events.last().expect("events");
    assert_eq!((&last["event"], &last["exit_code"]), (&"error".into(), &3.into()), "{last}");
    let report = events.iter().rev().find(|event| event["event"] == "run-finished");
    assert_eq!(report.expect("the run ended in order")["conclusion"], "failure");
}
