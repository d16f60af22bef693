//! `pawl/cache` and what it answers, through the binary, on an image without any of what it needs.

use pawl_tests::containers::image_option;
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;

const WORKFLOW: &str = "on: [push, pull_request]
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - id: cache
        uses: actions/cache@v4
        with:
          path: |
            ~/.tool
            made/**
            !made/skip
          key: ${{ vars.KEY }}
          restore-keys: |
            tool-
          upload-chunk-size: 1000
      - run: |
          echo \"hit '${{ steps.cache.outputs.cache-hit }}'\"
          cat ~/.tool/deep/file made/x 2>/dev/null || true; ls made 2>/dev/null | tr '\\n' ' '
          mkdir -p ~/.tool/deep made; echo ${{ vars.KEY }} > ~/.tool/deep/file; ln -sf /nowhere/else ~/.tool/link; chmod 700 ~/.tool/deep/file
          echo x > made/x; echo y > made/skip; exit ${{ vars.END }}
      - run: stat -c '%a' ~/.tool/deep/file; readlink ~/.tool/link
";

fn project() -> Project {
    Project::new().file(".pawl/workflows/a.yml", WORKFLOW)
}

fn run(project: &Project, key: &str, end: i32, more: &[&str]) -> (Outcome, Vec<String>) {
    let outcome = Pawl::new(project)
        .args(["run", "--json", &image_option(), "--var", &format!("KEY={key}")])
        .args(["--var", &format!("END={end}"), "--offline"])
        .args(more)
        .store(project.store())
        .run();
    outcome.code(end.min(1));
    let log = outcome.log();
    (outcome, log)
}

#[track_caller]
fn has(log: &[String], text: &str) {
    assert!(log.iter().any(|line| line.contains(text)), "{text}: {log:?}");
}

#[track_caller]
fn has_not(log: &[String], text: &str) {
    assert!(!log.iter().any(|line| line.contains(text)), "{text}: {log:?}");
}

#[test]
fn what_a_run_leaves_comes_back_by_key_or_by_the_beginning_of_one() {
    let project = project();
    let (_, first) = run(&project, "tool-1", 0, &[]);
    has(&first, "there is no cache of tool-1, tool-");
    has(&first, "hit ''");
    has(&first, "as the cache tool-1");
    let (_, second) = run(&project, "tool-1", 0, &[]);
    has(&second, "hit 'true'");
    assert!(second.contains(&"tool-1".to_owned()), "the file: {second:?}");
    has(&second, "700");
    has(&second, "/nowhere/else");
    has(&second, "the cache tool-1 is there already");
    has_not(&second, "skip");
    let (_, third) = run(&project, "tool-2", 0, &[]);
    has(&third, "hit 'false'");
    has(&third, "from the cache tool-1");
    has(&third, "as the cache tool-2");
    let (_, other) = run(&project, "other-1", 0, &[]);
    has(&other, "from the cache tool-2");
}

#[test]
fn a_job_that_failed_leaves_nothing() {
    let project = project();
    let (_, first) = run(&project, "tool-1", 3, &[]);
    has_not(&first, "as the cache");
    let (_, second) = run(&project, "tool-1", 0, &[]);
    has(&second, "there is no cache of tool-1");
}

#[test]
fn a_branch_sees_its_own_caches_and_those_of_the_default_branch_alone() {
    let project = project();
    run(&project, "tool-main", 0, &["--ref", "main"]);
    let (_, branch) = run(&project, "tool-x", 0, &["--ref", "x"]);
    has(&branch, "from the cache tool-main");
    has(&branch, "as the cache tool-x");
    let (_, main) = run(&project, "tool-x", 0, &["--ref", "main"]);
    has(&main, "hit 'false'");
    let (_, other) = run(&project, "tool-x", 0, &["--ref", "y"]);
    has(&other, "hit 'true'");
    let kept = Project::new().file(".pawl/workflows/a.yml", WORKFLOW);
    run(&kept, "tool-x", 0, &["--ref", "x"]);
    let (_, other) = run(&kept, "tool-x", 0, &["--ref", "y"]);
    has(&other, "there is no cache of tool-x");
}

#[test]
fn halves_and_failures_are_those_of_the_real_action() {
    let steps = |steps: &str| {
        let workflow = format!(
            "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo f > f\n{steps}"
        );
        Project::new().file(".pawl/workflows/a.yml", &workflow)
    };
    let run = |project: &Project| {
        let call = Pawl::new(project).args(["run", "--json", &image_option()]);
        call.store(project.store()).run()
    };
    let project = steps(
        "      - {uses: actions/cache/save@v4, with: {path: f, key: k}}\n      - {uses: actions/cache/save@v4, with: {path: f, key: k}}\n      \
         - run: rm f\n      - {id: r, uses: actions/cache/restore@v4, with: {path: f, key: k, lookup-only: true}}\n      \
         - run: test ! -e f; echo \"${{ steps.r.outputs.cache-hit }} ${{ steps.r.outputs.cache-matched-key }}\"\n      \
         - {uses: pawl/cache-restore, with: {path: f, key: k}}\n      - run: cat f\n      \
         - {uses: pawl/cache-save, with: {path: nothing, key: n}}\n",
    );
    let outcome = run(&project);
    let log = outcome.code(0).log();
    has(&log, "the cache k is there already, or another job makes it");
    has(&log, "true k");
    assert!(log.contains(&"f".to_owned()), "{log:?}");
    let events = outcome.events();
    let warned = events.iter().filter_map(|event| event["message"].as_str());
    assert!(warned.clone().any(|text| text.contains("none of the paths is there")), "{events:?}");
    let missed = "      - {uses: actions/cache/restore@v4, with: {path: f, key: none, fail-on-cache-miss: true}}\n";
    let outcome = run(&steps(missed));
    has(&outcome.code(1).log(), "there is no cache of none, and fail-on-cache-miss is set");
    // GitHub's own action has given it up: it says so and does nothing for it.
    let given_up = "      - {uses: actions/cache@v4, with: {path: f, key: k, save-always: true}}\n      - run: exit 1\n";
    let outcome = run(&steps(given_up));
    has(&outcome.code(1).log(), "there is no cache of k");
    assert!(
        outcome.stderr().contains("Input 'save-always' has been deprecated"),
        "{}",
        outcome.stderr()
    );
}

#[test]
fn what_is_too_large_is_not_kept_and_says_why() {
    let workflow = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      \
                    - run: head -c 3000000 /dev/urandom > f\n      - {uses: pawl/cache-save, with: {path: f, key: k}}\n";
    let project = Project::new()
        .file(".pawl/workflows/a.yml", workflow)
        .file(".pawl/config.yml", "limits: {caches: 1m}\n");
    let call = Pawl::new(&project).args(["run", "--json", &image_option()]);
    let outcome = call.store(project.store()).run();
    let events = outcome.code(0).events();
    let warned = events.iter().filter_map(|event| event["message"].as_str());
    assert!(warned.clone().any(|text| text.contains("limit of 1048576 bytes")), "{events:?}");
}
