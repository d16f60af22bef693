//! Which workflows run for which event, what they see of it, and `pawl explain`.

use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::{Value, json};
use std::process::Command;

fn git(project: &Project, words: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-C", &project.folder().display().to_string()]);
    command.args([
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.test",
        "-c",
        "init.defaultBranch=main",
    ]);
    let output = command.args(words).output().expect("git is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const WORKFLOW: &str = "\
name: check
on:
  push: {branches: [main, 'rel/**', '!rel/old/**'], paths: ['src/**', '!src/*.md']}
  pull_request: {branches: [main], paths: ['src/**'], types: [labeled, opened]}
  workflow_dispatch:
    inputs:
      level: {type: choice, options: [low, high], default: low}
      sure: {type: boolean, required: true}
      count: {type: number, default: 2}
      where: {type: environment}
jobs:
  a:
    runs-on: pawl-host
    steps:
      - run: echo '${{ toJSON(inputs) }}' | tr -d ' \\n'; echo '${{ toJSON(github.event.inputs) }}' | tr -d ' \\n'
  b: {if: github.event_name == 'push', runs-on: pawl-host, steps: [{run: echo}]}
  c: {needs: b, runs-on: pawl-host, steps: [{run: echo}]}
  d: {needs: a, if: needs.a.outputs.x, runs-on: pawl-host, steps: [{run: echo}]}
  e: {needs: b, if: always(), runs-on: pawl-host, steps: [{run: echo}]}
";

/// A main branch with two commits, and a topic branch that left after the first.
fn project() -> Project {
    let project =
        Project::new().file(".github/workflows/check.yml", WORKFLOW).file("README.md", "1");
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "First"]);
    git(&project, &["checkout", "-qb", "topic"]);
    let project = project.file("src/a.rs", "1");
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "Add a\n\nbody"]);
    git(&project, &["checkout", "-q", "main"]);
    let project = project.file("docs.md", "1");
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "Write docs"]);
    project
}

fn call(project: &Project, words: &[&str]) -> Outcome {
    Pawl::new(project).args(words).store(project.store()).run()
}

fn explained(project: &Project, words: &[&str]) -> Value {
    let outcome = call(project, &[&["explain", "--json"], words].concat());
    outcome.code(0);
    outcome.json()["workflows"][0].clone()
}

#[test]
fn explain_names_the_filter_and_the_pattern_that_decided() {
    let project = project();
    for (words, runs, reason) in [
        (
            &["--event", "push"][..],
            false,
            "none of the 1 changed paths passes its filter 'paths': src/**, !src/*.md",
        ),
        (
            &["--event", "push", "--changed", "src/x.py"],
            true,
            "it listens to 'push', and every filter passes",
        ),
        (
            &["--event", "push", "--changed", "src/x.md"],
            false,
            "none of the 1 changed paths passes its filter 'paths': src/**, !src/*.md",
        ),
        (
            &["--event", "push", "--branch", "rel/old/1", "--changed", "src/x"],
            false,
            "the branch 'rel/old/1' does not pass its filter 'branches': main, rel/**, !rel/old/** (decided by '!rel/old/**')",
        ),
        (
            &["--event", "push", "--ref", "refs/tags/v1"],
            false,
            "it filters only branches, and 'v1' is a tag",
        ),
        (
            &["--event", "schedule"],
            false,
            "it does not listen to 'schedule', only to: push, pull_request, workflow_dispatch",
        ),
        (
            &["--event", "pull_request", "--type", "closed"],
            false,
            "the activity 'closed' of 'pull_request' is not among its types: labeled, opened",
        ),
    ] {
        let found = explained(&project, words);
        assert_eq!((&found["runs"], &found["reason"]), (&json!(runs), &json!(reason)), "{words:?}");
    }
}

#[test]
fn pull_requests_are_judged_by_what_the_branch_changed_since_it_left() {
    let project = project();
    git(&project, &["checkout", "-q", "topic"]);
    // Two dots would show docs.md of main, too, and three dots do not.
    let found = explained(&project, &["--event", "pull_request"]);
    assert_eq!(found["runs"], true);
    let paths: Vec<&Value> = found["filters"]
        .as_array()
        .expect("filters")
        .iter()
        .map(|filter| &filter["subject"])
        .collect();
    assert_eq!(paths, [&json!("main"), &json!("src/a.rs")]);
    git(&project, &["checkout", "-q", "main"]);
    assert_eq!(explained(&project, &["--event", "pull_request"])["runs"], false);
}

#[test]
fn explain_says_of_each_job_what_becomes_of_it() {
    let project = project();
    let found = explained(&project, &["--event", "workflow_dispatch", "--input", "sure=true"]);
    let jobs = found["jobs"].as_array().expect("jobs");
    let told: Vec<(&str, &str)> = jobs
        .iter()
        .map(|job| (job["verdict"].as_str().expect("a word"), job["reason"].as_str().expect("why")))
        .collect();
    assert_eq!(
        told,
        [
            ("runs", "it has no condition"),
            ("skipped", "its condition is false"),
            ("skipped", "it needs b, which is skipped"),
            ("depends", "its condition looks at jobs that it needs"),
            ("runs", "its condition is true, whatever its needs do"),
        ]
    );
}

#[test]
fn inputs_are_typed_in_inputs_and_texts_in_the_event() {
    let project = project();
    let words = ["run", "--json", "--job", "a", "--event", "workflow_dispatch"];
    let outcome =
        call(&project, &[&words[..], &["--input", "sure=false", "--input", "where=prod"]].concat());
    outcome.code(0);
    let typed = r#"{"level":"low","sure":false,"count":2,"where":"prod"}"#;
    let texts = r#"{"level":"low","sure":"false","count":"2","where":"prod"}"#;
    assert_eq!(outcome.log(), [format!("{typed}{texts}")]);
    for bad in
        [&["--input", "level=mid", "--input", "sure=true"][..], &[], &["--input", "sure=maybe"]]
    {
        call(&project, &[&words[..], bad].concat()).code(2);
    }
}

fn context(project: &Project, words: &[&str], expression: &str) -> Value {
    let text = format!(
        "on:\n  push:\n  pull_request:\n  schedule: [{{cron: '0 3 * * *'}}]\n  issue_comment:\njobs:\n  a:\n    runs-on: pawl-host\n    steps:\n      - run: echo \"$IT\"\n        env:\n          IT: ${{{{ toJSON({expression}) }}}}\n"
    );
    std::fs::write(project.folder().join("show.yml"), text).expect("a file can be written");
    let outcome = call(project, &[&["run", "show.yml", "--json"], words].concat());
    outcome.code(0);
    serde_json::from_str(&outcome.log().join("")).expect("the step printed JSON")
}

#[test]
fn payloads_are_made_from_git_in_githubs_shape() {
    let project = project();
    let push = context(&project, &["--event", "push", "--actor", "ada"], "github.event");
    for (pointer, expected) in [
        ("/ref", json!("refs/heads/main")),
        ("/created", json!(false)),
        ("/forced", json!(false)),
        ("/head_commit/message", json!("Write docs")),
        ("/head_commit/added", json!(["docs.md"])),
        ("/head_commit/author/email", json!("ada@example.test")),
        ("/sender/login", json!("ada")),
        ("/pusher/name", json!("ada")),
        ("/repository/default_branch", json!("main")),
    ] {
        assert_eq!(push.pointer(pointer), Some(&expected), "{pointer}: {push:#}");
    }
    assert_eq!(push["commits"].as_array().map(Vec::len), Some(1));
    assert_eq!(push["after"], push["head_commit"]["id"]);
    git(&project, &["checkout", "-q", "topic"]);
    let pull = context(&project, &["--event", "pull_request"], "github");
    for (pointer, expected) in [
        ("/event/action", json!("opened")),
        ("/event/pull_request/head/ref", json!("topic")),
        ("/event/pull_request/base/ref", json!("main")),
        ("/event/pull_request/title", json!("Add a")),
        ("/event/pull_request/body", json!("body")),
        ("/ref", json!("refs/pull/1/merge")),
        ("/ref_name", json!("1/merge")),
        ("/head_ref", json!("topic")),
        ("/base_ref", json!("main")),
    ] {
        assert_eq!(pull.pointer(pointer), Some(&expected), "{pointer}: {pull:#}");
    }
    // Events about no ref belong to the default branch, whatever is checked out.
    for event in ["schedule", "issue_comment"] {
        assert_eq!(
            context(&project, &["--event", event], "github.ref"),
            "refs/heads/main",
            "{event}"
        );
    }
}

#[test]
fn a_given_payload_stands_and_names_its_event() {
    let project = project().file(
        "e.json",
        r#"{"action": "created", "issue": {"number": 7, "pull_request": {}}, "comment": {"body": "/deploy"}, "sender": {"login": "bob"}, "repository": {"full_name": "o/r", "private": false}}"#,
    );
    let github = context(&project, &["--event-file", "e.json"], "github");
    for (pointer, expected) in [
        ("/event_name", json!("issue_comment")),
        ("/actor", json!("bob")),
        ("/repository", json!("o/r")),
        ("/repository_owner", json!("o")),
        ("/event/issue/number", json!(7)),
        ("/event/issue/state", json!("open")),
        ("/event/comment/body", json!("/deploy")),
        ("/event/repository/private", json!(false)),
        ("/event/repository/default_branch", json!("main")),
    ] {
        assert_eq!(github.pointer(pointer), Some(&expected), "{pointer}: {github:#}");
    }
}
