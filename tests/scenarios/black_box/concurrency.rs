//! `concurrency` over processes that share a store, and inside one run.

use pawl_tests::pawl::{Outcome, Pawl, Running};
use pawl_tests::project::Project;
use serde_json::{Value, json};

/// A run that says that it is there and goes on until the file `go` is in the project.
fn waiting(concurrency: &str) -> String {
    format!(
        "on: push\nconcurrency: {concurrency}\njobs:\n  a:\n    runs-on: pawl-host\n    steps:\n      - run: |\n          echo is in\n          while [ ! -e \"$MARK\" ]; do sleep 0.05; done\n"
    )
}

fn start(project: &Project, file: &str) -> Running {
    let mark = format!("MARK={}", project.folder().join("go").display());
    let call = Pawl::new(project).args(["run", file, "--json", "--env", &mark]);
    call.args(["--workspace", "."]).store(project.store()).spawn()
}

fn is_in(event: &Value) -> bool {
    event["event"] == "log" && event["text"] == "is in"
}

fn is_asked(event: &Value) -> bool {
    event["event"] == "group-asked"
}

fn go(project: &Project) {
    std::fs::write(project.folder().join("go"), "").expect("the project can be written");
}

fn kinds(outcome: &Outcome) -> Vec<String> {
    let events = outcome.events();
    events.iter().filter_map(|event| event["event"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_second_run_waits_and_a_third_takes_its_place() {
    let project =
        Project::new().file("w.yml", &waiting("Deploy")).file("x.yml", &waiting("deploy"));
    let mut first = start(&project, "w.yml");
    first.wait_for("a step", is_in);
    let mut second = start(&project, "x.yml");
    second.wait_for("its wish", is_asked);
    let mut third = start(&project, "w.yml");
    third.wait_for("its wish", is_asked);
    let second = second.finish();
    second.code(1);
    assert_eq!(second.report()["conclusion"], "cancelled");
    assert!(!kinds(&second).contains(&"job-started".to_owned()), "it never began");
    go(&project);
    first.finish().code(0);
    let third = third.finish();
    third.code(0);
    assert!(kinds(&third).contains(&"group-entered".to_owned()));
}

#[test]
fn a_newer_run_cancels_the_one_in_progress_when_it_says_so() {
    let newer = waiting("{group: g, cancel-in-progress: \"${{ github.event_name == 'push' }}\"}");
    let project = Project::new().file("w.yml", &waiting("g")).file("x.yml", &newer);
    let mut first = start(&project, "w.yml");
    first.wait_for("a step", is_in);
    let mut second = start(&project, "x.yml");
    second.wait_for("a step", is_in);
    let first = first.finish();
    first.code(1);
    assert_eq!(first.report()["conclusion"], "cancelled");
    let events = first.events();
    let why = events.iter().find(|event| event["event"] == "cancel-requested");
    let why = why.expect("it says why")["reason"].as_str().expect("in words").to_owned();
    assert!(why.contains("is next in the concurrency group 'g'"), "{why}");
    go(&project);
    second.finish().code(0);
}

#[test]
fn other_groups_do_not_wait_for_each_other() {
    let project = Project::new().file("w.yml", &waiting("one")).file("x.yml", &waiting("two"));
    let (mut first, mut second) = (start(&project, "w.yml"), start(&project, "x.yml"));
    first.wait_for("a step", is_in);
    second.wait_for("a step", is_in);
    go(&project);
    first.finish().code(0);
    second.finish().code(0);
}

#[test]
fn a_queue_runs_one_after_the_other_and_cancels_nobody() {
    let queue = waiting("{group: q, queue: max}");
    let project = Project::new().file("w.yml", &queue);
    let mut runs: Vec<Running> = Vec::new();
    for index in 0..3 {
        let mut run = start(&project, "w.yml");
        let sign: fn(&Value) -> bool = if index == 0 { is_in } else { is_asked };
        run.wait_for("its sign", sign);
        runs.push(run);
    }
    go(&project);
    for run in runs {
        run.finish().code(0);
    }
}

#[test]
fn the_group_of_a_killed_process_is_free() {
    let project = Project::new().file("w.yml", &waiting("g"));
    let mut first = start(&project, "w.yml");
    first.wait_for("a step", is_in);
    first.kill();
    go(&project);
    start(&project, "w.yml").finish().code(0);
}

/// Legs of one matrix that share a group: one runs, the newest waits, those between are cancelled.
#[test]
fn jobs_of_one_run_share_groups_as_well() {
    let workflow = "on: push\njobs:\n  a:\n    strategy: {fail-fast: false, matrix: {n: [1, 2, 3]}}\n    concurrency: same\n    runs-on: pawl-host\n    steps:\n      - run: sleep 1\n";
    let project = Project::new().file("w.yml", workflow);
    let outcome = start(&project, "w.yml").finish();
    outcome.code(1);
    let report = outcome.report();
    let ends: Vec<&Value> =
        report["jobs"].as_array().expect("jobs").iter().map(|job| &job["conclusion"]).collect();
    assert_eq!(ends, [&json!("success"), &json!("cancelled"), &json!("success")], "{report:#}");
}

#[test]
fn a_job_in_the_group_of_its_own_run_is_no_deadlock_but_a_cancellation() {
    let workflow = "on: push\nconcurrency: same\njobs:\n  a:\n    concurrency: Same\n    runs-on: pawl-host\n    steps: [{run: echo}]\n";
    let project = Project::new().file("w.yml", workflow);
    let outcome = start(&project, "w.yml").finish();
    outcome.code(1);
    let report = outcome.report();
    let reason = report["jobs"][0]["reason"].as_str().expect("it says why");
    assert!(reason.contains("deadlock"), "{reason}");
}
