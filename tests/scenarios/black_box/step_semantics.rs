//! `hashFiles`, shells and command files, through the binary.

use pawl_tests::containers::{image_option, python};
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;

fn run_in(job: &str, steps: &str, files: &[(&str, &str)]) -> Outcome {
    let steps: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    let text =
        format!("on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n{job}    steps:\n{steps}");
    let mut project = Project::new().file("ci.yml", &text);
    for (name, text) in files {
        project = project.file(name, text);
    }
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    call.store(project.store()).run()
}

fn run(steps: &str) -> Outcome {
    run_in("", steps, &[])
}

/// Why the first step that failed did so.
fn reason(outcome: &Outcome) -> String {
    let events = outcome.events();
    let failed = |event: &&serde_json::Value| {
        event["event"] == "step-finished" && event["outcome"] == "failure"
    };
    let event = events.iter().find(failed).expect("a step failed");
    event["reason"].as_str().unwrap_or_default().to_owned()
}

fn warnings(outcome: &Outcome) -> Vec<String> {
    let events = outcome.events().into_iter();
    let remarks = events.filter(|event| event["event"] == "step-annotated");
    remarks.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn hash_files_looks_at_the_workspace_when_the_step_is_reached() {
    let outcome = run("- run: mkdir sub; echo one >sub/a.lock; echo two >b.txt
- env: { KEY: \"${{ hashFiles('**/*.lock') }}\" }
  if: hashFiles('**/*.lock', '!sub/a.lock') == '' && hashFiles('**/*.lock') != ''
  run: |
    rm -r sub
    [ \"$KEY\" = \"${{ hashFiles('sub/a.lock') }}\" ] && echo ${#KEY}
    printf %s \"$(printf one\\\\n | sha256sum | cut -c1-64)\" | sed 's/../\\\\x&/g' >hex
    [ \"$(printf \"$(cat hex)\" | sha256sum | cut -c1-64)\" = \"$KEY\" ] && echo as github
- run: echo \"'${{ hashFiles('sub/*') }}'\"");
    outcome.code(0);
    assert_eq!(outcome.log(), ["64", "as github", "''"]);
}

#[test]
fn hash_files_reads_nothing_outside_of_the_workspace() {
    let outcome = run("- run: ln -s /etc/passwd out; ln -s / root
- run: echo ${{ hashFiles('out') }}");
    outcome.code(1);
    assert!(reason(&outcome).contains("out leads out of the workspace"), "{}", reason(&outcome));
    assert_eq!(outcome.log(), Vec::<String>::new());
}

#[test]
fn every_shell_runs_as_github_runs_it() {
    let outcome = run_in(
        &format!("    container: {}\n", python()),
        "- run: 'false | true; echo no pipefail; echo $0 | sed \"s/.*\\\\.//\"'
- shell: bash
  run: |
    echo $-
    shopt -qo pipefail && echo pipefail
- shell: sh
  run: echo sh
- shell: python
  run: |
    import sys
    print('python', sys.argv[0].endswith('.py'))
- shell: bash -c \"echo 'in quotes'; . {0}\"
  run: echo custom
- shell: cat {0}
  run: the text itself",
        &[],
    );
    outcome.code(0);
    let log = outcome.log();
    assert_eq!(log[0], "no pipefail");
    assert!(log[2].contains('e') && !log[2].contains('i'), "{log:?}");
    assert_eq!(
        log[3..],
        ["pipefail", "sh", "python True", "in quotes", "custom", "the text itself"]
    );
}

#[test]
fn a_shell_that_is_missing_is_named() {
    for shell in ["pwsh", "cmd", "powershell"] {
        let outcome = run(&format!("- shell: {shell}\n  run: echo x"));
        outcome.code(1);
        let reason = reason(&outcome);
        assert!(
            reason.starts_with(&format!("there is no shell: none of {shell} is on PATH")),
            "{reason}"
        );
    }
}

#[test]
fn faults_of_command_files_fail_the_step_in_githubs_words() {
    for (write, expected) in [
        (
            "echo nonsense >>$GITHUB_OUTPUT",
            "Unable to process file command 'output' successfully. GITHUB_OUTPUT: line 1: Invalid format 'nonsense'",
        ),
        (
            "printf 'a<<EOF\\nx\\n' >>$GITHUB_ENV",
            "Unable to process file command 'env' successfully. GITHUB_ENV: line 1: Invalid value. Matching delimiter not found 'EOF'",
        ),
        (
            "echo =x >>$GITHUB_STATE",
            "Unable to process file command 'state' successfully. GITHUB_STATE: line 1: Invalid format. Name must not be empty",
        ),
    ] {
        let outcome = run(&format!("- run: \"{}\"", write.replace('\\', "\\\\")));
        outcome.code(1);
        assert!(reason(&outcome).starts_with(expected), "{}", reason(&outcome));
    }
}

#[test]
fn command_files_hold_blocks_marks_and_windows_lines() {
    let outcome = run("- id: a
  run: |
    printf '\\357\\273\\277one=1\\r\\nmany<<E=F\\na=b\\n\\nc<<d\\nE=F\\n' >>\"$GITHUB_OUTPUT\"
    echo 'NODE_OPTIONS=--evil' >>\"$GITHUB_ENV\"
    echo 'GITHUB_SHA=0' >>\"$GITHUB_ENV\"
    echo 'CI=no' >>\"$GITHUB_ENV\"
    echo /first >>\"$GITHUB_PATH\"; echo /second >>\"$GITHUB_PATH\"
- run: |
    echo \"${{ steps.a.outputs.one }}|${{ join(steps.a.outputs.many, '') }}|$CI|$NODE_OPTIONS|${PATH%%:/bin*}\"");
    outcome.code(0);
    assert_eq!(outcome.log(), ["1|a=b", "", "c<<d|no||/second:/first"]);
    assert_eq!(
        warnings(&outcome),
        [
            "Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.",
            "Can't store GITHUB_SHA output parameter using '$GITHUB_ENV' command.",
        ]
    );
}

#[test]
fn the_files_of_one_step_are_not_those_of_the_next() {
    let outcome = run("- run: echo \"$GITHUB_ENV\" >path; echo A=1 >>\"$GITHUB_ENV\"
- run: |
    [ \"$GITHUB_ENV\" != \"$(cat path)\" ] && echo another
    echo B=2 >>\"$(cat path)\" 2>/dev/null || :
- run: echo \"$A$B\"");
    outcome.code(0);
    assert_eq!(outcome.log(), ["another", "1"]);
}

#[test]
fn summaries_over_the_limit_or_out_of_the_workspace_are_left_out_with_a_warning() {
    for (write, expected) in [
        (
            "head -c 2097152 /dev/zero >\"$GITHUB_STEP_SUMMARY\"",
            "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k, got 2048k.",
        ),
        (
            "ln -sf /etc/passwd \"$GITHUB_STEP_SUMMARY\"",
            "cannot read the step's GITHUB_STEP_SUMMARY: it is a symbolic link",
        ),
        (
            "rm \"$GITHUB_STEP_SUMMARY\"; mkfifo \"$GITHUB_STEP_SUMMARY\"",
            "cannot read the step's GITHUB_STEP_SUMMARY: it is not a regular file",
        ),
    ] {
        let outcome = run(&format!("- run: {write}"));
        outcome.code(0);
        assert_eq!(warnings(&outcome), [expected]);
        assert!(!outcome.stdout().contains("root:"), "nothing of the file is shown");
    }
}
