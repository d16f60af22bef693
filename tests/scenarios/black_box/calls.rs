//! Jobs that call workflows.

use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::{Value, json};

const CALLER: &str = "\
name: caller
on: push
permissions:
  contents: read
env:
  CALLERS: own
jobs:
  first:
    runs-on: pawl-host
    outputs:
      word: ${{ steps.say.outputs.word }}
    steps:
      - id: say
        run: echo word=hello >> \"$GITHUB_OUTPUT\"
  greet:
    needs: first
    strategy:
      matrix:
        who: [ada, bob]
    uses: ./.github/workflows/greet.yml
    with:
      who: ${{ matrix.who }}
      word: ${{ needs.first.outputs.word }}
      loud: true
    secrets:
      key: ${{ secrets.GIVEN }}
  last:
    needs: greet
    runs-on: pawl-host
    steps:
      - run: echo result=${{ needs.greet.result }} said=${{ needs.greet.outputs.said }}
";

const GREET: &str = "\
name: greet
on:
  workflow_call:
    inputs:
      who: {type: string, required: true}
      word: {type: string}
      loud: {type: boolean, default: false}
      count: {type: number, default: 3}
    secrets:
      key: {required: true}
    outputs:
      said: {value: '${{ jobs.speak.outputs.said }}'}
jobs:
  speak:
    runs-on: pawl-host
    outputs:
      said: ${{ steps.it.outputs.said }}
    steps:
      - id: it
        name: Greet ${{ inputs.who }}
        run: |
          echo \"${{ inputs.word }} ${{ inputs.who }} loud=${{ inputs.loud == true }} count=${{ inputs.count == 3 }}\"
          echo \"caller=${{ env.CALLERS }} key=${{ secrets.key == 'k-e-y-1' }} other=${{ secrets.OTHER }} event=${{ github.event_name }} job=$GITHUB_JOB\"
          echo said=${{ inputs.word }}-${{ inputs.who }} >> \"$GITHUB_OUTPUT\"
  after:
    needs: speak
    uses: ./.github/workflows/deeper.yml
    secrets: inherit
";

const DEEPER: &str = "\
on: workflow_call
jobs:
  end:
    runs-on: pawl-host
    steps:
      - run: echo deep=${{ secrets.key == 'k-e-y-1' }} callers=${{ secrets.GIVEN }}.
";

fn project() -> Project {
    Project::new()
        .file(".github/workflows/caller.yml", CALLER)
        .file(".github/workflows/greet.yml", GREET)
        .file(".github/workflows/deeper.yml", DEEPER)
}

fn call(project: &Project, words: &[&str]) -> Outcome {
    let call = Pawl::new(project).args(words).args([".github/workflows/caller.yml", "--json"]);
    call.args(["--workspace", "."]).store(project.store()).run()
}

fn secrets() -> [&'static str; 5] {
    ["run", "--secret", "GIVEN=k-e-y-1", "--secret", "OTHER=o-t-h-e-r"]
}

fn lines(outcome: &Outcome, job: &str) -> Vec<String> {
    let events = outcome.events();
    let of_job = events.iter().filter(|event| event["event"] == "log" && event["job"] == job);
    of_job.map(|event| event["text"].as_str().expect("a line is text").to_owned()).collect()
}

#[test]
fn called_jobs_see_their_inputs_and_secrets_and_nothing_else_of_the_caller() {
    let project = project();
    let outcome = call(&project, &secrets());
    outcome.code(0);
    assert_eq!(
        lines(&outcome, "greet~0.speak"),
        ["hello ada loud=true count=true", "caller= key=true other= event=push job=speak"]
    );
    assert_eq!(lines(&outcome, "greet~1.speak")[0], "hello bob loud=true count=true");
    // `inherit` passes on what the caller itself was given, under its own names.
    assert_eq!(lines(&outcome, "greet~0.after.end"), ["deep=true callers=."]);
    assert_eq!(lines(&outcome, "last"), ["result=success said=hello-bob"]);
}

#[test]
fn called_jobs_are_shown_after_their_caller() {
    let project = project();
    let report = call(&project, &secrets()).report();
    let jobs = report["jobs"].as_array().expect("jobs are listed");
    let names: Vec<&str> = jobs.iter().filter_map(|job| job["name"].as_str()).collect();
    let expected = [
        "first",
        "greet (ada)",
        "greet (ada) / speak",
        "greet (ada) / after",
        "greet (ada) / after / end",
        "greet (bob)",
        "greet (bob) / speak",
        "greet (bob) / after",
        "greet (bob) / after / end",
        "last",
    ];
    assert_eq!(names, expected);
    assert_eq!(jobs[1]["outputs"], json!({ "said": "hello-ada" }));
}

#[test]
fn a_call_that_does_not_fit_is_refused_before_anything_runs() {
    for (from, to, code) in [
        ("      who: ${{ matrix.who }}\n", "", "missing-input"),
        ("      loud: true\n", "      loud: 'true'\n", "invalid-input"),
        ("      loud: true\n", "      loud: ${{ matrix.who }}\n", "invalid-input"),
        ("      loud: true\n", "      load: true\n", "unknown-input"),
        ("      key: ${{ secrets.GIVEN }}\n", "      kee: x\n", "unknown-secret"),
        ("    secrets:\n      key: ${{ secrets.GIVEN }}\n", "", "missing-secret"),
        ("greet.yml", "nobody.yml", "unknown-workflow"),
    ] {
        let text = CALLER.replace(from, to);
        assert_ne!(text, CALLER);
        let project = project().file(".github/workflows/caller.yml", &text);
        let outcome = call(&project, &secrets());
        outcome.code(2);
        let events = outcome.events();
        let found: Vec<&Value> =
            events[0]["diagnostics"].as_array().expect("they are told").iter().collect();
        assert!(found.iter().any(|one| one["code"] == code), "{code}: {found:#?}");
        assert!(found.iter().all(|one| one["line"].as_u64() > Some(1)), "{found:#?}");
    }
}

#[test]
fn a_called_workflow_may_not_ask_for_more_than_its_caller_grants() {
    let more = GREET.replace("name: greet\n", "name: greet\npermissions: {contents: write}\n");
    let project = project().file(".github/workflows/greet.yml", &more);
    let outcome = call(&project, &secrets());
    outcome.code(2);
    let message = "The nested job 'speak' is requesting 'contents: write', but is only allowed 'contents: read'.";
    let text = outcome.events()[0].to_string();
    assert!(text.contains(message), "{text}");
}

#[test]
fn a_failed_called_job_fails_its_caller_and_skips_what_needs_it() {
    let failing = DEEPER.replace("- run: echo", "- run: exit 3; echo");
    // Both callers end by themselves: the first one that fails would cancel the other.
    let patient = CALLER.replace("    strategy:\n", "    strategy:\n      fail-fast: false\n");
    let project = project()
        .file(".github/workflows/caller.yml", &patient)
        .file(".github/workflows/deeper.yml", &failing);
    let outcome = call(&project, &secrets());
    outcome.code(1);
    let report = outcome.report();
    let conclusion = |id: &str| {
        let jobs = report["jobs"].as_array().expect("jobs are listed");
        jobs.iter().find(|job| job["id"] == id).map(|job| job["conclusion"].clone())
    };
    assert_eq!(conclusion("last"), Some(json!("skipped")));
    let ends = [conclusion("greet"), conclusion("greet~0.after")];
    assert_eq!(ends, [Some(json!("failure")), Some(json!("failure"))], "{report:#}");
}

#[test]
fn a_workflow_of_another_repository_comes_from_the_folder_that_stands_for_it() {
    let text =
        CALLER.replace("./.github/workflows/greet.yml", "some/repo/.github/workflows/greet.yml@v1");
    let project = Project::new()
        .file(".github/workflows/caller.yml", &text)
        .file("other/.github/workflows/greet.yml", GREET)
        .file("other/.github/workflows/deeper.yml", DEEPER);
    let outcome = call(&project, &[&secrets()[..], &["--action", "some/repo=other"]].concat());
    outcome.code(0);
    assert_eq!(lines(&outcome, "greet~0.after.end"), ["deep=true callers=."]);
}

#[test]
fn a_workflow_that_cannot_be_fetched_is_refused_with_the_reason() {
    let uses = "acme/flows/.github/workflows/fit.yml@v1";
    let text = format!("on: push\njobs:\n  fit:\n    uses: {uses}\n");
    let project = Project::new().file("ci.yml", &text);
    let outcome = Pawl::new(&project).args(["plan", "ci.yml", "--json", "--offline"]).run();
    let found = outcome.code(2).json();
    let message = found["diagnostics"][0]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with(&format!("the workflow '{uses}' is not at hand: ")), "{message}");
    assert!(message.contains("--offline asks no server"), "{message}");
}
