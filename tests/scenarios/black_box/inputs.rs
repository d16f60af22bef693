//! What a caller gives to a run, and how it arrives.

use pawl_tests::containers::image_option;
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::json;

fn run(project: &Project, options: &[&str]) -> Outcome {
    let call = Pawl::new(project).args(["run", "ci.yml", "--json", &image_option()]).args(options);
    call.store(project.store()).run()
}

fn echoing(on: &str, text: &str) -> Project {
    let workflow = format!(
        "on:\n{on}\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo {text}\n"
    );
    Project::new().file("ci.yml", &workflow)
}

#[test]
fn a_called_workflow_is_started_directly_with_the_inputs_of_its_event() {
    let on = "  workflow_call:\n    inputs:\n      size: { type: number, required: true }\n      word: { type: string, default: two }";
    let project = echoing(on, "${{ inputs.size }} ${{ inputs.word }}")
        .file("event.json", &json!({ "inputs": { "size": 3 } }).to_string());
    let outcome = run(&project, &["--event", "workflow_call", "--event-path", "event.json"]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["3 two"]);
}

#[test]
fn a_called_workflow_reports_its_outputs() {
    let workflow = "\
on:
  workflow_call:
    outputs:
      word: { value: \"${{ jobs.make.outputs.word }}!\" }
      none: { value: \"${{ jobs.make.outputs.none }}\" }
jobs:
  make:
    runs-on: ubuntu-latest
    outputs: { word: \"${{ steps.say.outputs.word }}\" }
    steps:
      - id: say
        run: echo word=done >> $GITHUB_OUTPUT
";
    let project = Project::new().file("ci.yml", workflow);
    let outcome = run(&project, &["--event", "workflow_call"]);
    outcome.code(0);
    assert_eq!(outcome.report()["outputs"], json!({ "word": "done!", "none": "" }));
}

#[test]
fn the_payload_is_the_event_context() {
    let project =
        echoing("  push:", "${{ github.event.head_commit.message }} by ${{ github.actor }}")
            .file("event.json", &json!({ "head_commit": { "message": "hello" } }).to_string());
    let outcome =
        run(&project, &["--event", "push", "--event-path", "event.json", "--actor", "ann"]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["hello by ann"]);
}

#[test]
fn a_payload_that_is_no_json_is_2_with_its_name() {
    let project = echoing("  push:", "never").file("event.json", "{");
    let outcome = run(&project, &["--event-path", "event.json"]);
    outcome.code(2);
    assert!(outcome.stderr().contains("event.json"), "{}", outcome.stderr());
}

#[test]
fn variables_and_environment_come_from_options_and_files() {
    let project = echoing("  push:", "${{ vars.SIZE }} ${{ env.FROM_FILE }} ${{ env.BOTH }}")
        .file("some.env", "FROM_FILE=file\nBOTH=file\n");
    let options = ["--var", "SIZE=3", "--env-file", "some.env", "--env", "BOTH=option"];
    let outcome = run(&project, &options);
    outcome.code(0);
    assert_eq!(outcome.log(), ["3 file option"]);
}

#[test]
fn only_the_named_job_and_what_it_needs_run() {
    let job = |id: &str, needs: &str| {
        format!("  {id}:\n    runs-on: ubuntu-latest\n{needs}    steps:\n      - run: echo {id}\n")
    };
    let workflow = format!(
        "on: push\njobs:\n{}{}{}",
        job("first", ""),
        job("second", "    needs: first\n"),
        job("other", "")
    );
    let project = Project::new().file("ci.yml", &workflow);
    let outcome = run(&project, &["--job", "second"]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["first", "second"]);
    run(&project, &["--job", "nowhere"]).code(2);
}

#[test]
fn a_resumed_run_needs_its_secrets_again() {
    let workflow = "\
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    env:
      TOKEN: ${{ secrets.TOKEN }}
    steps:
      - run: |
          echo waiting
          until test -e go; do sleep 0.1; done
";
    let project = Project::new().file("ci.yml", workflow);
    let call = Pawl::new(&project).args([
        "run",
        "ci.yml",
        "--json",
        &image_option(),
        "--secret=TOKEN=abcdefgh",
    ]);
    let mut running = call.store(project.store()).spawn();
    let first = running.wait_for("the run's name", |event| event["event"] == "run-requested");
    let run = first["run"].as_str().expect("the run is named").to_owned();
    running.wait_for_log("waiting");
    running.kill();
    running.finish();
    let resume = |options: &[&str]| {
        let call = Pawl::new(&project).args(["run", "--resume", &run, "--json"]).args(options);
        call.store(project.store())
    };
    let refused = resume(&[]).run();
    refused.code(2);
    assert!(refused.stderr().contains("TOKEN"), "{}", refused.stderr());
    for container in pawl_tests::containers::of_run(&run) {
        pawl_tests::containers::exec(&container, &["touch", "/github/workspace/go"]);
    }
    resume(&["--secret=TOKEN=abcdefgh"]).run().code(0);
}

#[test]
fn a_job_on_the_host_needs_no_engine_and_knows_its_folders() {
    let workflow = "\
on: push
jobs:
  one:
    runs-on: pawl-host
    steps:
      - run: |
          test \"${{ github.workspace }}\" = \"$PWD\"
          test \"$GITHUB_WORKSPACE\" = \"$PWD\"
          test -d \"${{ runner.temp }}\"
          test \"${{ runner.temp }}\" = \"$RUNNER_TEMP\"
";
    let project = Project::new().file("ci.yml", workflow);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json"]);
    let call = call.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    call.store(project.store()).run().code(0);
}
