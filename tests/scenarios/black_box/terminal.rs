//! What people see.

use pawl_tests::containers::image_option;
use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;

const WORKFLOW: &str = "\
name: Demo
on: push
jobs:
  make:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix: { size: [1, 2] }
    steps:
      - name: Say ${{ matrix.size }}
        run: echo hello
      - run: |
          echo wrong >&2
          test ${{ matrix.size }} = 1
      - if: failure()
        run: echo '::warning file=a.py,line=3::look Here'
  take:
    needs: make
    runs-on: ubuntu-latest
    steps:
      - run: echo done
";

#[test]
fn a_run_is_a_tree_with_folded_logs_and_a_summary() {
    let project = Project::new().file("ci.yml", WORKFLOW);
    // One job at a time, or the order of the two instances would be chance.
    let call = Pawl::new(&project).args(["run", "ci.yml", "--jobs", "1", &image_option()]);
    let outcome = call.store(project.store()).run();
    let expected = "\
Demo  run [RUN]
make (1)
  ✓ Say 1  [DURATION]
  ✓ Run echo wrong >&2  [DURATION]
  ○ Run echo '::warning file=a.py,line=3::look Here'  skipped
make (2)
  ✓ Say 2  [DURATION]
  ✗ Run echo wrong >&2  [DURATION] · the process ended with exit code 1
    │ wrong
    warning: a.py:3: look Here
  ✓ Run echo '::warning file=a.py,line=3::look Here'  [DURATION]
○ take  job make, which it needs, did not succeed

✓ make (1)  [DURATION]
✗ make (2)  [DURATION]
○ take  [DURATION]
run [RUN]: failure in [DURATION]
the whole log: pawl logs [RUN]
";
    outcome.code(1).stdout_is(expected).stderr_is("");
    let logs = Pawl::new(&project)
        .args(["logs", "--job", "make", "--step", "0"])
        .store(project.store())
        .run();
    logs.code(0).stdout_is("== make (1) › Say 1\nhello\n== make (2) › Say 2\nhello\n");
    let runs = Pawl::new(&project).args(["runs"]).store(project.store()).run();
    runs.code(0).stdout_is("[RUN]  failure      [DURATION]  ci.yml  push  by tester\n");
}

#[test]
fn an_empty_store_says_so() {
    let project = Project::new();
    let call = |args: &[&str]| Pawl::new(&project).args(args).store(project.store()).run();
    call(&["runs"]).code(0).stdout_is("no run yet; start one with `pawl run`\n");
    call(&["models", "--json"]).code(0).stdout_is("{\"models\":[]}\n");
    let logs = call(&["logs"]);
    logs.code(2).stderr_is("error: this store has no run yet\n  hint: start one with `pawl run`\n");
}

#[test]
fn the_store_is_in_the_users_state_folder_unless_told_otherwise() {
    let project = Project::new();
    Pawl::new(&project).args(["runs"]).run().code(0);
    assert!(project.home().join(".local/state/pawl/pawl.db").is_file());
    let state = project.home().join("state");
    Pawl::new(&project).args(["runs"]).env("XDG_STATE_HOME", &state).run().code(0);
    assert!(state.join("pawl/pawl.db").is_file());
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_run() {
    let project = Project::new().file("ci.yml", WORKFLOW);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let run = call.store(project.store()).run_and_read_one_line();
    let listed = Pawl::new(&project).args(["runs", "--json"]).store(project.store()).run();
    let listed = listed.code(0).json();
    assert_eq!(listed["runs"][0]["run"], run.as_str());
    assert_eq!(listed["runs"][0]["conclusion"], "failure", "{listed}");
}

#[test]
fn a_first_workflow_is_written_once_and_runs() {
    let project = Project::new();
    let init = || Pawl::new(&project).args(["init"]).run();
    let first = init();
    first.code(0);
    assert!(first.stdout().contains(".pawl/workflows/hello.yml"), "{}", first.stdout());
    init().code(2);
    let outcome = Pawl::new(&project).args(["run", "--json"]).store(project.store()).run();
    outcome.code(0);
}

#[test]
fn doctor_says_what_is_missing() {
    let project = Project::new();
    let good =
        Pawl::new(&project).args(["doctor", "--json"]).store(project.store()).run().code(0).json();
    let all = good["findings"].as_array().expect("a list of findings");
    assert!(all.len() >= 3 && all.iter().all(|finding| finding["ok"] == true), "{good:#}");
    let call = Pawl::new(&project)
        .args(["doctor", "--json"])
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let bad = call.store(project.store()).run();
    let found = bad.code(3).json();
    let docker =
        found["findings"].as_array().and_then(|all| all.iter().find(|one| one["part"] == "docker"));
    assert_eq!(docker.expect("docker is looked at")["ok"], false, "{found:#}");
}

#[test]
fn completions_are_printed_for_every_shell() {
    let project = Project::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let outcome = Pawl::new(&project).args(["completions", shell]).run();
        outcome.code(0);
        assert!(outcome.stdout().contains("rollback"), "{shell}");
    }
}

#[test]
fn summaries_are_shown_again_and_go_into_the_events() {
    let workflow = "\
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - name: Write
        run: echo '# Good' >> \"$GITHUB_STEP_SUMMARY\"; echo printed
      - run: echo nothing
";
    let project = Project::new().file("ci.yml", workflow);
    let call = |args: &[&str]| Pawl::new(&project).args(args).store(project.store()).run();
    let outcome = call(&["run", "ci.yml", "--json", &image_option()]);
    outcome.code(0);
    let events = outcome.events();
    let finished: Vec<_> =
        events.iter().filter(|event| event["event"] == "step-finished").collect();
    assert_eq!(finished[0]["summary"], "# Good\n");
    assert!(finished[1].get("summary").is_none(), "{}", finished[1]);
    call(&["logs", "--summary"]).code(0).stdout_is("== a › Write\n# Good\n");
    call(&["logs", "--step", "0"]).code(0).stdout_is("== a › Write\nprinted\n");
}
