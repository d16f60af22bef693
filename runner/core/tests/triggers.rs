//! Which events start which workflows, and the contexts that they give.

use indexmap::IndexMap;
use pawl_core::trigger::{GitFacts, TriggerEvent, github_context, matches, payload};
use pawl_core::workflow::{Workflow, parse};
use serde_json::{Map, json};

fn workflow(on: &str) -> Workflow {
    let text = format!("{on}\njobs: {{a: {{runs-on: x, steps: [{{run: echo}}]}}}}\n");
    let (workflow, found) = parse("w.yml", &text);
    assert_eq!(found, [], "{text}");
    workflow.expect("is sound")
}

fn push(reference: &str, paths: Option<&[&str]>) -> TriggerEvent {
    let git = GitFacts {
        sha: "2222222222222222222222222222222222222222".to_owned(),
        reference: reference.to_owned(),
        default_branch: "main".to_owned(),
        repository: "alba/visits".to_owned(),
        message: "Fix the gate\n\nbody".to_owned(),
        changed_paths: paths.map(|paths| paths.iter().map(|&path| path.to_owned()).collect()),
        ..GitFacts::default()
    };
    TriggerEvent { name: "push".to_owned(), git, actor: "alba".to_owned(), ..Default::default() }
}

fn reason(on: &str, event: &TriggerEvent) -> String {
    match matches(&workflow(on), event) {
        Ok(()) => "runs".to_owned(),
        Err(why) => why.to_string(),
    }
}

#[test]
fn pushes_pass_the_filters_as_on_github() {
    let main = "refs/heads/main";
    let paths: &[&str] = &["docs/a.md", "src/lib.rs"];
    let docs: &[&str] = &["docs/a.md"];
    for (on, reference, changed, expected) in [
        ("on: push", main, None, "runs"),
        ("on: pull_request", main, None, "it does not listen to 'push', only to: pull_request"),
        ("on: {push: {branches: [main]}}", main, None, "runs"),
        (
            "on: {push: {branches: ['release/**']}}",
            main,
            None,
            "the branch 'main' does not pass its filter 'branches': release/**",
        ),
        (
            "on: {push: {branches: ['**', '!feature/**']}}",
            "refs/heads/feature/x",
            None,
            "the branch 'feature/x' does not pass its filter 'branches': **, !feature/**",
        ),
        (
            "on: {push: {branches-ignore: [main]}}",
            main,
            None,
            "the branch 'main' does not pass its filter 'branches-ignore': main",
        ),
        ("on: {push: {branches-ignore: [dev]}}", main, None, "runs"),
        ("on: {push: {tags: [v*]}}", main, None, "it filters only tags, and 'main' is a branch"),
        ("on: {push: {tags: [v*]}}", "refs/tags/v1.2", None, "runs"),
        (
            "on: {push: {branches: [main]}}",
            "refs/tags/v1",
            None,
            "it filters only branches, and 'v1' is a tag",
        ),
        ("on: {push: {tags: [v*], branches: [main]}}", main, None, "runs"),
        ("on: {push: {paths: ['src/**']}}", main, Some(paths), "runs"),
        (
            "on: {push: {paths: ['src/**']}}",
            main,
            Some(docs),
            "none of the 1 changed paths passes its filter 'paths': src/**",
        ),
        (
            "on: {push: {paths-ignore: ['**.md']}}",
            main,
            Some(docs),
            "none of the 1 changed paths passes its filter 'paths-ignore': **.md",
        ),
        ("on: {push: {paths-ignore: ['**.md']}}", main, Some(paths), "runs"),
        ("on: {push: {paths: ['src/**']}}", main, None, "runs"),
        ("on: {push: {paths: ['src/**'], tags: ['*']}}", "refs/tags/v1", Some(docs), "runs"),
    ] {
        assert_eq!(reason(on, &push(reference, changed)), expected, "{on} {reference}");
    }
}

#[test]
fn pull_requests_are_filtered_by_their_base_and_activity() {
    let mut event = push("refs/heads/topic", None);
    event.name = "pull_request".to_owned();
    event.git.branch = "topic".to_owned();
    assert_eq!(reason("on: pull_request", &event), "runs");
    assert_eq!(reason("on: {pull_request: {branches: [main]}}", &event), "runs");
    let closed = json!({"action": "closed", "pull_request": {"base": {"ref": "dev"}, "number": 7}});
    event.payload = closed;
    assert_eq!(
        reason("on: pull_request", &event),
        "the activity 'closed' of 'pull_request' is not among its types: opened, synchronize, reopened"
    );
    assert_eq!(reason("on: {pull_request: {types: [closed]}}", &event), "runs");
    assert_eq!(
        reason("on: {pull_request: {types: [closed], branches: [main]}}", &event),
        "the branch 'dev' does not pass its filter 'branches': main"
    );
    let github = github_context(&workflow("on: pull_request"), &event, &Map::new());
    assert_eq!(github["ref"], "refs/pull/7/merge");
    assert_eq!((&github["base_ref"], &github["head_ref"]), (&json!("dev"), &json!("topic")));
}

#[test]
fn other_events_have_their_own_filters() {
    let mut event = push("refs/heads/main", None);
    event.name = "workflow_run".to_owned();
    event.payload =
        json!({"action": "completed", "workflow_run": {"name": "CI", "head_branch": "x"}});
    assert_eq!(reason("on: {workflow_run: {workflows: [CI]}}", &event), "runs");
    assert_eq!(
        reason("on: {workflow_run: {workflows: [Build]}}", &event),
        "it follows other workflows than 'CI': Build"
    );
    event.name = "schedule".to_owned();
    event.payload = json!({"schedule": "0 3 * * *"});
    assert_eq!(reason("on: {schedule: [{cron: '0 3 * * *'}]}", &event), "runs");
    assert_eq!(
        reason("on: {schedule: [{cron: '0 4 * * *'}]}", &event),
        "it has other schedules than '0 3 * * *': 0 4 * * *"
    );
    event.name = "repository_dispatch".to_owned();
    event.payload = json!({"action": "retrain"});
    assert_eq!(reason("on: {repository_dispatch: {types: [retrain]}}", &event), "runs");
    assert!(reason("on: {repository_dispatch: {types: [other]}}", &event).contains("'retrain'"));
}

#[test]
fn the_github_context_knows_references_and_the_payload() {
    let tag = push("refs/tags/v1", None);
    let github = github_context(&workflow("on: push"), &tag, &Map::new());
    assert_eq!((&github["ref_type"], &github["ref_name"]), (&json!("tag"), &json!("v1")));
    assert_eq!(github["repository_owner"], "alba");
    assert_eq!(github["workflow"], "w.yml");
    assert_eq!(github["event"]["head_commit"]["message"], "Fix the gate\n\nbody");
    assert_eq!(github["event"]["repository"]["full_name"], "alba/visits");
}

#[test]
fn a_given_payload_is_kept_and_completed() {
    let mut event = push("refs/heads/main", None);
    event.payload =
        json!({"ref": "refs/heads/dev", "after": "3333", "repository": {"name": "mine"}});
    let full = payload(&event);
    assert_eq!(full["repository"]["name"], "mine");
    assert_eq!(full["repository"]["full_name"], "alba/visits");
    assert_eq!(full["sender"]["login"], "alba");
    let github = github_context(&workflow("on: push"), &event, &Map::new());
    assert_eq!((&github["ref_name"], &github["sha"]), (&json!("dev"), &json!("3333")));
    event.inputs = IndexMap::from([("a".to_owned(), "b".to_owned())]);
    event.name = "workflow_dispatch".to_owned();
    event.payload = json!(null);
    assert_eq!(payload(&event)["inputs"], json!({"a": "b"}));
}
