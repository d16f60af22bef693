//! Steps that print or leave what no sane one would: each is bounded, and the job goes on or fails with a reason.

use pawl_tests::containers::{image_option, of_run};
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use std::time::{Duration, Instant};

fn run(steps: &str) -> Outcome {
    let steps: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!("on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n{steps}");
    let project = Project::new().file("ci.yml", &text);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let outcome = call.store(project.store()).run();
    assert_eq!(of_run(&outcome.run_name()), Vec::<String>::new(), "nothing is left");
    outcome
}

fn reason(outcome: &Outcome) -> String {
    let events = outcome.events();
    let end = events.iter().find(|event| event["event"] == "step-finished").expect("a step ends");
    end["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn ten_megabytes_without_a_newline_come_in_pieces() {
    let outcome = run("- run: head -c 10485760 /dev/zero | tr '\\0' x; echo; echo after");
    outcome.code(0);
    let log = outcome.log();
    assert!(log.iter().all(|line| line.len() <= 64 << 10));
    assert_eq!(log.iter().map(String::len).sum::<usize>(), 10_485_760 + 5);
    assert_eq!(log.last().map(String::as_str), Some("after"));
}

#[test]
fn binary_output_and_nul_bytes_are_text_in_the_log() {
    let outcome = run(
        "- run: printf 'a\\000b\\377\\376c\\033[31m\\n'; head -c 100000 /dev/urandom; echo; echo after",
    );
    outcome.code(0);
    assert_eq!(outcome.log()[0], "a\0b\u{fffd}\u{fffd}c\x1b[31m");
    assert_eq!(outcome.log().last().map(String::as_str), Some("after"));
}

#[test]
fn an_output_of_a_hundred_megabytes_fails_its_step_and_no_more() {
    let outcome = run("- id: big
  continue-on-error: true
  run: (printf v=; head -c 104857600 /dev/zero | tr '\\0' x; echo) >>\"$GITHUB_OUTPUT\"
- run: echo \"'${{ steps.big.outputs.v }}'\"");
    outcome.code(0);
    assert_eq!(
        reason(&outcome),
        "the step's GITHUB_OUTPUT holds 104857603 bytes, more than the 1048576 that are allowed"
    );
    assert_eq!(outcome.log(), ["''"]);
}

#[test]
fn a_command_of_ten_megabytes_is_no_command_that_hurts() {
    let outcome = run("- id: a
  run: |
    printf '::set-output name=v::'; head -c 10485760 /dev/zero | tr '\\0' x; echo
    echo after
- run: echo '${{ steps.a.outcome }}'");
    outcome.code(0);
    assert_eq!(outcome.log().last().map(String::as_str), Some("success"));
}

#[test]
fn command_files_that_are_folders_links_or_gone() {
    for (deed, expected) in [
        (
            "rm $GITHUB_ENV; mkdir $GITHUB_ENV",
            "cannot read the step's GITHUB_ENV: it is not a regular file",
        ),
        (
            "ln -sf /etc/shadow $GITHUB_OUTPUT",
            "cannot read the step's GITHUB_OUTPUT: it is a symbolic link",
        ),
        (
            "rm $GITHUB_STATE; mkfifo $GITHUB_STATE",
            "cannot read the step's GITHUB_STATE: it is not a regular file",
        ),
    ] {
        let outcome = run(&format!("- run: {deed}"));
        outcome.code(1);
        assert_eq!(reason(&outcome), expected);
    }
    run("- run: rm $GITHUB_ENV $GITHUB_OUTPUT $GITHUB_PATH\n- run: echo fine").code(0);
}

#[test]
fn an_environment_that_no_process_could_start_with_fails_the_step_that_needs_it() {
    // Each file is small enough; together they are more than the kernel takes.
    let outcome =
        run("- run: (printf A=; head -c 1000000 /dev/zero | tr '\\0' x; echo) >>$GITHUB_ENV
- id: b
  continue-on-error: true
  run: echo never
- env: { A: small }
  run: echo again");
    outcome.code(0);
    assert_eq!(outcome.log(), ["again"]);
    let events = outcome.events();
    let failed = events.iter().find(|event| event["outcome"] == "failure").expect("it fails");
    let reason = failed["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("Argument list too long"), "{reason}");
}

#[test]
fn a_step_that_closes_its_output_or_leaves_a_daemon_ends_with_its_own_process() {
    let begun = Instant::now();
    let outcome = run("- run: exec >&- 2>&-; sleep 0.2; exit 3
  continue-on-error: true
- run: (sleep 300 &); echo left
- run: setsid sleep 300 >/dev/null 2>&1 & echo daemon
- run: echo next");
    outcome.code(0);
    assert_eq!(reason(&outcome), "the process ended with exit code 3");
    assert_eq!(outcome.log(), ["left", "daemon", "next"]);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn a_step_that_ignores_every_gentle_signal_is_killed_by_its_limit() {
    let begun = Instant::now();
    let outcome = run("- timeout-minutes: ${{ fromJSON('0.02') }}
  run: trap '' INT TERM HUP; while :; do sleep 1; done");
    outcome.code(1);
    assert_eq!(reason(&outcome), "the step's time limit of 1.2 s is over");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn escape_sequences_do_not_reach_a_persons_terminal() {
    let text = "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - run: printf '\\033]0;title\\007\\033[2J\\033[31mred\\n'; exit 1\n";
    let project = Project::new().file("ci.yml", text);
    let call = Pawl::new(&project).args(["run", "ci.yml", &image_option()]);
    let outcome = call.store(project.store()).run();
    outcome.code(1);
    let shown = outcome.stdout();
    assert!(
        shown.contains("red") && !shown.contains('\x07') && !shown.contains("\x1b[2J"),
        "{shown:?}"
    );
}
