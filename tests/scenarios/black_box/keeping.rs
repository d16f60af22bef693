//! Steps that need not run again, and runs that go on where they failed.

use pawl_tests::containers::{image_option, of_run};
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::Value;

fn run(project: &Project, more: &[&str]) -> Outcome {
    let call = Pawl::new(project).args(["run", "--json", &image_option()]).args(more);
    call.store(project.store()).run()
}

fn notices(outcome: &Outcome) -> Vec<String> {
    let events = outcome.events().into_iter();
    let remarks = events.filter(|event| event["event"] == "step-annotated");
    remarks.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The log without what the checkout tells of itself.
fn said(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.log().into_iter();
    lines.filter(|line| !line.starts_with("brought ")).collect()
}

const TRAIN: &str = "\
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - uses: pawl/checkout
      - id: train
        env: { SEED: '7' }
        cache-key:
          inputs: data/**
          outputs: [out/model.txt]
        run: |
          echo training
          mkdir -p out
          tr a-z A-Z <data/rows.txt >out/model.txt
          echo rows=$(wc -l <data/rows.txt) >>\"$GITHUB_OUTPUT\"
          echo MODEL=trained >>\"$GITHUB_ENV\"
      - run: echo \"$(cat out/model.txt) ${{ steps.train.outputs.rows }} $MODEL ${{ steps.train.outcome }}\"
";

#[test]
fn an_unchanged_step_is_skipped_and_what_it_left_comes_back() {
    let project = Project::new().file("ci.yml", TRAIN).file("data/rows.txt", "one\n");
    let first = run(&project, &["ci.yml"]);
    first.code(0);
    assert_eq!(said(&first), ["training", "ONE 1 trained success"]);
    assert_eq!(notices(&first), Vec::<String>::new());

    let second = run(&project, &["ci.yml"]);
    second.code(0);
    assert_eq!(said(&second), ["ONE 1 trained success"], "the script did not run");
    let told = notices(&second);
    let expected = format!("unchanged since run {}: not run again", first.run_name());
    assert!(told.len() == 1 && told[0].starts_with(&expected), "{told:?}");
}

#[test]
fn a_change_of_input_script_environment_or_key_runs_the_step_again() {
    let project = Project::new().file("ci.yml", TRAIN).file("data/rows.txt", "one\n");
    run(&project, &["ci.yml"]).code(0);
    let project = project.file("data/rows.txt", "two\n");
    assert_eq!(said(&run(&project, &["ci.yml"]))[0], "training", "another input");
    let project = project.file("data/rows.txt", "one\n");
    assert_eq!(said(&run(&project, &["ci.yml"])).len(), 1, "and back again");
    for (from, to) in [
        ("SEED: '7'", "SEED: '8'"),
        ("echo training", "echo training; :"),
        ("inputs: data/**", "inputs: data/**\n          key: v2"),
    ] {
        let project = Project::new()
            .file("ci.yml", TRAIN)
            .file("other.yml", &TRAIN.replace(from, to))
            .file("data/rows.txt", "one\n");
        run(&project, &["ci.yml"]).code(0);
        assert_eq!(said(&run(&project, &["other.yml"]))[0], "training", "{to}");
    }
}

#[test]
fn a_step_that_failed_or_whose_outputs_are_missing_is_not_kept() {
    let project = Project::new()
        .file("ci.yml", &TRAIN.replace("out/model.txt]", "out/gone.txt]"))
        .file("data/rows.txt", "one\n");
    let first = run(&project, &["ci.yml"]);
    first.code(0);
    assert_eq!(notices(&first), ["cache-key: not kept: no file matches its outputs"]);
    assert_eq!(said(&run(&project, &["ci.yml"]))[0], "training");

    let failing = TRAIN.replace("          echo MODEL", "          exit 1; echo MODEL");
    let project = Project::new().file("ci.yml", &failing).file("data/rows.txt", "one\n");
    run(&project, &["ci.yml"]).code(1);
    let again = run(&project, &["ci.yml"]);
    again.code(1);
    assert_eq!(said(&again), ["training"]);
}

#[test]
fn cache_key_belongs_to_scripts_and_is_refused_elsewhere_by_name() {
    let text = "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    cache-key: x\n    steps:\n      - { run: echo, cache-key: { paths: a } }\n";
    let project = Project::new().file("ci.yml", text);
    let outcome = Pawl::new(&project).args(["check", "ci.yml"]).run();
    outcome.code(2);
    let told = outcome.stdout() + outcome.stderr();
    assert!(told.contains("Unexpected value 'cache-key'"), "{told}");
    assert!(told.contains("Unexpected value 'paths'"), "{told}");
}

const STAGES: &str = "\
on: push
jobs:
  prepare:
    runs-on: ubuntu-latest
    outputs: { word: '${{ steps.w.outputs.word }}' }
    steps:
      - id: w
        run: echo prepared; echo word=ready >>\"$GITHUB_OUTPUT\"
  train:
    needs: prepare
    runs-on: ubuntu-latest
    steps:
      - id: data
        run: |
          echo downloading
          echo rows >data.txt
          echo FROM=earlier >>\"$GITHUB_ENV\"
          echo n=1 >>\"$GITHUB_OUTPUT\"
      - id: fit
        run: |
          echo \"fitting $(cat data.txt) $FROM ${{ steps.data.outputs.n }} ${{ needs.prepare.outputs.word }}\"
          if [ ! -e tried ]; then touch tried; exit 1; fi
      - run: echo after
  deploy:
    needs: train
    runs-on: ubuntu-latest
    steps: [{ run: echo deployed }]
";

#[test]
fn a_run_that_failed_goes_on_at_its_first_unfinished_step_with_its_workspace() {
    let project = Project::new().file("ci.yml", STAGES);
    let first = run(&project, &["ci.yml", "--keep-on-failure"]);
    first.code(1);
    assert_eq!(said(&first), ["prepared", "downloading", "fitting rows earlier 1 ready"]);
    let name = first.run_name();

    let second = run(&project, &["--resume", &name]);
    second.code(0);
    assert_eq!(
        said(&second),
        ["fitting rows earlier 1 ready", "after", "deployed"],
        "nothing that was finished is repeated"
    );
    let kinds: Vec<Value> = second.events().iter().map(|event| event["event"].clone()).collect();
    assert_eq!(kinds[..2], ["run-reopened", "run-resumed"]);
    assert_eq!(second.report()["conclusion"], "success");
    assert_eq!(of_run(&name), Vec::<String>::new());

    let third = run(&project, &["--resume", &name]);
    third.code(0);
    assert_eq!(said(&third), Vec::<String>::new(), "a run that succeeded is over");
    let runs = Pawl::new(&project).args(["runs", "--json"]).store(project.store()).run();
    assert!(runs.stdout().contains("success"), "{}", runs.stdout());
}

#[test]
fn a_failed_run_whose_workspace_was_not_kept_shows_its_report_again() {
    let project = Project::new().file("ci.yml", STAGES);
    let first = run(&project, &["ci.yml"]);
    first.code(1);
    let second = run(&project, &["--resume", &first.run_name()]);
    second.code(1);
    assert_eq!(said(&second), Vec::<String>::new());
}
