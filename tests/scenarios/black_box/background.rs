//! Steps in the background, and those that wait for them or stop them.

use pawl_tests::containers::{image_option, of_run};
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::Value;

fn run(steps: &str) -> Outcome {
    let steps: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!(
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    timeout-minutes: 2\n    steps:\n{steps}"
    );
    let project = Project::new().file("ci.yml", &text);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    call.store(project.store()).run()
}

fn outcomes(outcome: &Outcome) -> Vec<(String, String)> {
    let report = outcome.report();
    let steps = report["jobs"][0]["steps"].as_array().expect("steps").clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    steps.iter().map(|step| (text(&step["name"]), text(&step["outcome"]))).collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())).to_vec()
}

#[test]
fn a_server_runs_beside_the_steps_that_use_it_until_it_is_cancelled() {
    // The foreground waits for the server's word, and the server for the foreground's: in sequence neither could end.
    let outcome = run("- id: server
  name: server
  background: true
  run: |
    echo \"at=$$\" >>\"$GITHUB_OUTPUT\"
    touch ready
    while :; do [ ! -e asked ] || touch answered; sleep 0.05; done
- name: client
  run: |
    while [ ! -e ready ]; do sleep 0.05; done
    touch asked
    while [ ! -e answered ]; do sleep 0.05; done
    echo \"the server answered, its output is '${{ steps.server.outputs.at }}'\"
- cancel: server
- name: after
  run: test -n \"${{ steps.server.outputs.at }}\"");
    outcome.code(0);
    assert_eq!(
        outcomes(&outcome),
        pairs([
            ("server", "cancelled"),
            ("client", "success"),
            ("Cancel", "success"),
            ("after", "success"),
        ])
    );
    assert_eq!(outcome.log(), ["the server answered, its output is ''"]);
    assert_eq!(of_run(&outcome.run_name()), Vec::<String>::new());
}

#[test]
fn a_parallel_group_runs_side_by_side_and_its_failure_ends_the_job_after_it() {
    // Each waits for the file of the other.
    let outcome = run("- parallel:
    - name: left
      run: touch l; while [ ! -e r ]; do sleep 0.05; done
    - name: right
      run: touch r; while [ ! -e l ]; do sleep 0.05; done; exit 3
- name: never
  run: echo never");
    outcome.code(1);
    assert_eq!(
        outcomes(&outcome),
        pairs([
            ("left", "success"),
            ("right", "failure"),
            ("Parallel group", "failure"),
            ("never", "skipped"),
        ])
    );
    let events = outcome.events();
    let ends = events.iter().filter(|event| event["event"] == "step-finished");
    let group: Vec<_> = ends.filter(|event| event["step"] == 2).collect();
    assert_eq!(group[0]["reason"], "did not succeed: right");
}

#[test]
fn outputs_and_variables_of_a_background_step_come_with_the_wait() {
    let outcome = run("- id: make
  background: true
  run: echo 'x=1' >>\"$GITHUB_OUTPUT\"; echo 'SET=2' >>\"$GITHUB_ENV\"; touch made
- run: |
    while [ ! -e made ]; do sleep 0.05; done
    echo \"before ${{ steps.make.outputs.x }}$SET.\"
- wait: [make]
- run: echo \"after ${{ steps.make.outputs.x }}$SET.\"");
    outcome.code(0);
    assert_eq!(outcome.log(), ["before .", "after 12."]);
}

#[test]
fn a_job_waits_for_its_background_steps_and_fails_with_them() {
    let outcome = run("- { name: late, background: true, run: 'while [ ! -e go ]; do sleep 0.05; done; echo late; exit 1' }
- run: touch go; echo done");
    outcome.code(1);
    let mut log = outcome.log();
    log.sort();
    assert_eq!(log, ["done", "late"]);
}

#[test]
fn a_background_step_that_is_interrupted_ends_with_the_run() {
    let text = "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - { background: true, run: 'echo up; sleep 600' }\n      - run: sleep 600\n";
    let project = Project::new().file("ci.yml", text);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let mut running = call.store(project.store()).spawn();
    running.wait_for_log("up");
    running.interrupt();
    let outcome = running.finish();
    outcome.code(1);
    let ends: Vec<String> = outcomes(&outcome).into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(ends, ["cancelled", "cancelled"]);
    assert_eq!(of_run(&outcome.run_name()), Vec::<String>::new());
}

#[test]
fn waiting_for_a_step_that_is_not_there_is_refused_before_anything_runs() {
    let project = Project::new().file(
        "ci.yml",
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo\n      - wait: server\n",
    );
    let call = Pawl::new(&project).args(["check", "ci.yml"]);
    let outcome = call.run();
    outcome.code(2);
    let told = outcome.stdout() + outcome.stderr();
    assert!(told.contains("Step references unknown step ID 'server'"), "{told}");
    assert!(told.contains("ci.yml:7:15"), "{told}");
}
