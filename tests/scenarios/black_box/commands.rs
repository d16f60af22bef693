//! Workflow commands and problem matchers, through the binary.

use pawl_tests::containers::image_option;
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::{Value, json};

fn run_with(steps: &str, files: &[(&str, &str)], more: &[&str]) -> Outcome {
    let steps: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!("on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n{steps}");
    let mut project = Project::new().file("ci.yml", &text);
    for (name, text) in files {
        project = project.file(name, text);
    }
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]).args(more);
    call.store(project.store()).run()
}

fn run(steps: &str) -> Outcome {
    run_with(steps, &[], &[])
}

/// The remarks, without what says where in the run they belong.
fn remarks(outcome: &Outcome) -> Vec<Value> {
    let events = outcome.events().into_iter();
    let remarks = events.filter(|event| event["event"] == "step-annotated").map(|mut event| {
        let fields = event.as_object_mut().expect("an event is an object");
        for name in ["seq", "time", "event", "run", "job", "matrix", "name", "step"] {
            fields.remove(name);
        }
        event
    });
    remarks.collect()
}

#[test]
fn remarks_have_every_place_and_values_are_unescaped() {
    let outcome = run("- run: |
    echo '::error file=src%2Ca.py,line=3,endLine=3,col=7,endColumn=9,title=Bad%3A one::first%0Asecond 100%25'
    echo 'text ::error::is no command'
- run: echo '  ::WARNING file=/github/workspace/b.py,line=1::on the error stream' >&2
- run: echo '##[notice]old form'");
    outcome.code(0);
    assert_eq!(
        remarks(&outcome),
        [
            json!({ "level": "error", "message": "first\nsecond 100%", "title": "Bad: one", "file": "src,a.py",
                "line": 3, "column": 7, "end_line": 3, "end_column": 9 }),
            json!({ "level": "warning", "message": "on the error stream", "file": "b.py", "line": 1 }),
            json!({ "level": "notice", "message": "old form" }),
        ]
    );
    assert_eq!(
        outcome.log(),
        [
            "##[error]first%0Asecond 100%",
            "text ::error::is no command",
            "##[warning]on the error stream",
            "##[notice]old form",
        ]
    );
}

#[test]
fn outputs_groups_echo_and_stopped_commands() {
    let outcome = run("- id: a
  run: |
    echo '::group::Fold'
    echo '::set-output name=x::1'
    echo '::endgroup::'
    echo '::echo::on'
    echo '::set-output name=y::2'
    echo '::stop-commands::w0rd'
    echo '::set-output name=x::changed'
    echo '::W0RD::'
    echo '::debug::not shown'
- run: echo \"${{ steps.a.outputs.x }}${{ steps.a.outputs.y }}$RUNNER_DEBUG\"");
    outcome.code(0);
    assert_eq!(
        outcome.log(),
        [
            "##[group]Fold",
            "##[endgroup]",
            "::set-output name=y::2",
            "::stop-commands::w0rd",
            "::set-output name=x::changed",
            "::W0RD::",
            "12",
        ]
    );
}

#[test]
fn debug_lines_are_shown_with_step_debugging() {
    let steps = "- run: echo '::debug::deep'; echo \"debug=$RUNNER_DEBUG ${{ runner.debug }}\"";
    let outcome = run_with(steps, &[], &["--var", "ACTIONS_STEP_DEBUG=true"]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["##[debug]deep", "debug=1 1"]);
}

#[test]
fn unsecure_commands_fail_their_step_unless_it_allows_them() {
    let outcome = run("- run: echo '::set-env name=A::b'
- run: echo never");
    outcome.code(1);
    let remarks = remarks(&outcome);
    let message = remarks[0]["message"].as_str().expect("a message");
    assert!(
        message.starts_with("Unable to process command '::set-env name=A::b' successfully."),
        "{message}"
    );
    assert!(message.contains("The `set-env` command is disabled."), "{message}");
    assert_eq!(outcome.log().len(), 1, "the next step does not run");

    let outcome = run("- env: { ACTIONS_ALLOW_UNSECURE_COMMANDS: true }
  run: echo '::set-env name=A::b'; echo '::add-path::/some/where'; echo '::set-env name=NODE_OPTIONS::--evil'
- run: echo \"$A $NODE_OPTIONS ${PATH%%:*}\"");
    outcome.code(0);
    assert_eq!(outcome.log(), ["b  /some/where"]);
}

#[test]
fn a_weak_stop_word_fails_the_step() {
    for word in ["", "pause-logging", "error"] {
        let outcome = run(&format!("- run: echo '::stop-commands::{word}'"));
        outcome.code(1);
        let remarks = remarks(&outcome);
        let message = remarks[0]["message"].as_str().expect("a message");
        assert!(message.contains("You cannot use a endToken that is an empty string"), "{message}");
    }
}

const MATCHERS: &str = r#"{"problemMatcher": [
  {"owner": "mypy", "pattern": [{"regexp": "^(.+?):(\\d+): (error|warning): (.+?)  \\[(.+)\\]$",
     "file": 1, "line": 2, "severity": 3, "message": 4, "code": 5}]},
  {"owner": "python", "pattern": [
     {"regexp": "^\\s*File\\s\\\"(.*)\\\",\\sline\\s(\\d+),\\sin\\s(.*)$", "file": 1, "line": 2},
     {"regexp": "^\\s*raise\\s(.*)\\(\\'(.*)\\'\\)$", "message": 2}]}]}"#;

#[test]
fn problem_matchers_turn_the_output_of_tools_into_remarks_until_they_are_removed() {
    let outcome = run_with(
        "- uses: pawl/checkout
- run: echo '::add-matcher::.ci/matchers.json'
- run: |
    printf '\\033[1msrc/a.py:3:\\033[0m error: Incompatible types  [assignment]\\n'
    echo 'src/gone.py:4: warning: elsewhere  [x]'
    echo '  File \"/github/workspace/src/a.py\", line 9, in main'
    echo \"    raise ValueError('too small')\"
- run: |
    echo '::remove-matcher owner=MyPy::'
    echo 'src/a.py:3: error: Incompatible types  [assignment]'",
        &[(".ci/matchers.json", MATCHERS), ("src/a.py", "")],
        &[],
    );
    outcome.code(0);
    assert_eq!(
        remarks(&outcome),
        [
            json!({ "level": "error", "message": "Incompatible types", "title": "assignment", "file": "src/a.py", "line": 3 }),
            json!({ "level": "warning", "message": "elsewhere", "title": "x", "line": 4 }),
            json!({ "level": "error", "message": "too small", "file": "src/a.py", "line": 9 }),
        ]
    );
    assert!(
        outcome.log().contains(&"src/a.py:3: error: Incompatible types  [assignment]".to_owned())
    );
}

#[test]
fn files_of_matchers_that_are_faulty_or_lead_out_are_refused_with_a_warning() {
    let outcome = run("- run: |
    echo '{\"problemMatcher\": [{\"owner\": \"a\", \"pattern\": []}]}' >bad.json
    ln -s /etc/passwd link.json
    mkfifo pipe.json
    for file in bad.json link.json pipe.json gone.json ../../x.json /etc/passwd; do echo \"::add-matcher::$file\"; done
    echo ok");
    outcome.code(0);
    let remarks = remarks(&outcome);
    let told: Vec<&str> = remarks.iter().filter_map(|remark| remark["message"].as_str()).collect();
    assert_eq!(told.len(), 6, "{told:?}");
    assert_eq!(
        told[0],
        "add-matcher: cannot use 'bad.json': Matcher 'a' does not contain any patterns"
    );
    assert!(told[4].ends_with("it is neither in the workspace nor in an action"), "{told:?}");
    assert!(!format!("{told:?}").contains("root:"), "{told:?}");
    assert_eq!(outcome.log(), ["ok"]);
}

#[test]
fn thousands_of_remarks_are_bounded_and_the_log_has_all() {
    let outcome =
        run("- run: i=0; while [ $i -lt 3000 ]; do echo \"::error::e$i\"; i=$((i+1)); done");
    outcome.code(0);
    let remarks = remarks(&outcome);
    assert_eq!(remarks.len(), 11);
    assert_eq!(
        remarks[10]["message"],
        "2990 more remarks are only in the step's log: the first ten of each level are kept"
    );
    assert_eq!(outcome.log().len(), 3000);
}

#[test]
fn commands_that_files_have_replaced_are_told_of_once_a_step_and_only_where_they_were_used() {
    let outcome = run("- run: |
    echo '::set-output name=a::1'
    echo '::set-output name=b::2'
    echo '::save-state name=c::3'
- run: echo d=4 >> \"$GITHUB_OUTPUT\"");
    outcome.code(0);
    let said: Vec<String> = remarks(&outcome)
        .iter()
        .map(|remark| remark["message"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with("The `set-output` command is deprecated and will be disabled soon."),
        "{said:?}"
    );
    assert!(
        said[1].starts_with("The `save-state` command is deprecated and will be disabled soon."),
        "{said:?}"
    );
}
