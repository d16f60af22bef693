//! Limits: time, log, lengths of paths.

use pawl_tests::containers::{image_option, of_run};
use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;

#[test]
fn a_time_limit_may_be_a_fraction_of_a_minute() {
    let workflow = "\
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - id: slow
        timeout-minutes: 0.02
        run: |
          echo begun
          sleep 600
";
    let project = Project::new().file("ci.yml", workflow);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let outcome = call.store(project.store()).run();
    outcome.code(1);
    let events = outcome.events();
    let finished =
        events.iter().find(|event| event["event"] == "step-finished").expect("the step ends");
    assert_eq!(finished["conclusion"], "failure");
    assert_eq!(finished["reason"], "the step's time limit of 1.2 s is over");
    assert_eq!(outcome.log(), ["begun"]);
    assert_eq!(
        of_run(&outcome.run_name()),
        Vec::<String>::new(),
        "the process is gone with its container"
    );
}

#[test]
fn a_log_that_is_cut_says_so_and_the_step_goes_on() {
    // 80 MB in lines of 1000 characters; the limit is 64 MiB.
    let workflow = "\
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - run: yes $(printf %0999d 0) | head -n 80000
      - run: echo after
";
    let project = Project::new().file("ci.yml", workflow);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let outcome = call.store(project.store()).run();
    outcome.code(0);
    let events = outcome.events();
    let remarks = events.iter().filter(|event| event["event"] == "step-annotated");
    let said: Vec<_> = remarks.filter_map(|event| event["message"].as_str()).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("the log is cut: ") && said[0].contains("67108864"), "{said:?}");
    let log = outcome.log();
    assert!(log.len() > 60_000 && log.len() < 70_000, "{} lines are shown", log.len());
    assert_eq!(log.last().map(String::as_str), Some("after"));
}

#[test]
fn store_and_project_may_have_paths_that_no_socket_could() {
    let workflow =
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo fine\n";
    // A unix socket's path holds 107 bytes.
    let deep = ["a-folder-with-a-long-name"; 6].join("/");
    let project = Project::new().file(&format!("{deep}/ci.yml"), workflow);
    let (workspace, store) =
        (project.folder().join(&deep), project.folder().join(format!("{deep}/store")));
    let file = workspace.join("ci.yml");
    let call = Pawl::new(&project).args(["run", "--json", &image_option()]).args([&file]);
    let call = call.args([std::ffi::OsStr::new("--workspace"), workspace.as_os_str()]);
    let outcome = call.store(&store).run();
    outcome.code(0);
    assert_eq!(outcome.log(), ["fine"]);
}
