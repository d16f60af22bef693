//! `environment`, `permissions`, `cancel-timeout-minutes`, values that are known only while jobs run, and the event's file.

use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::json;
use std::time::{Duration, Instant};

fn project(workflow: &str) -> Project {
    Project::new().file("w.yml", workflow)
}

fn call(project: &Project, words: &[&str]) -> Outcome {
    let call = Pawl::new(project).args(words).args(["w.yml", "--json", "--workspace", "."]);
    call.store(project.store()).run()
}

const DEPLOY: &str = "\
on: push
jobs:
  out:
    runs-on: pawl-host
    steps:
      - run: echo [${{ secrets.KEY }}] [${{ vars.PLACE }}] [${{ secrets.ONLY }}]
  deploy:
    needs: out
    runs-on: pawl-host
    environment:
      name: ${{ format('{0}uction', 'prod') }}
      url: https://${{ steps.up.outputs.host }}/${{ vars.PLACE }}
      deployment: false
    steps:
      - id: up
        run: |
          test '${{ secrets.KEY }}' = of-production && echo the right key
          echo host=example.test >> \"$GITHUB_OUTPUT\"
  hiding:
    runs-on: pawl-host
    environment: {name: staging, url: 'https://x.test/?${{ steps.s.outputs.q }}'}
    steps:
      - id: s
        run: echo \"q=of-everyone\" >> \"$GITHUB_OUTPUT\"
";

#[test]
fn an_environment_brings_its_own_secrets_and_variables_and_its_address_is_recorded() {
    let project = project(DEPLOY).file("s.env", "Production:ONLY=only-there\nKEY=of-everyone\n");
    let words = ["run", "--secret-file", "s.env", "--secret", "production:KEY=of-production"];
    let vars = ["--var", "PLACE=here", "--var", "production:PLACE=there"];
    let outcome = call(&project, &[&words[..], &vars].concat());
    outcome.code(0);
    let log = outcome.log();
    assert!(log.contains(&"[***] [here] []".to_owned()), "{log:?}");
    assert!(log.contains(&"the right key".to_owned()), "{log:?}");
    let report = outcome.report();
    let jobs = report["jobs"].as_array().expect("jobs");
    let expected =
        json!({ "name": "production", "url": "https://example.test/there", "deployment": false });
    assert_eq!(jobs[1]["environment"], expected);
    // The address would show a secret: it is dropped, the name stays.
    assert_eq!(jobs[2]["environment"], json!({ "name": "staging", "deployment": true }));
    assert!(jobs[0].get("environment").is_none());
}

#[test]
fn the_plan_shows_what_each_job_may_do() {
    let workflow = "on: push\npermissions: {contents: write, id-token: write}\njobs:\n  a: {runs-on: pawl-host, steps: [{run: x}]}\n  b: {runs-on: pawl-host, permissions: {}, steps: [{run: x}]}\n  c: {runs-on: pawl-host, permissions: read-all, environment: prod, concurrency: g, steps: [{run: x}]}\n";
    let plan = call(&project(workflow), &["plan"]).json();
    let jobs = plan["jobs"].as_array().expect("jobs");
    assert_eq!(
        jobs[0]["permissions"],
        json!({ "contents": "write", "id-token": "write", "metadata": "read" })
    );
    assert_eq!(jobs[1]["permissions"], json!({ "metadata": "read" }));
    assert_eq!(jobs[2]["permissions"]["issues"], "read");
    assert_eq!(jobs[2]["permissions"].get("id-token"), None);
    assert_eq!(
        (&jobs[2]["environment"], &jobs[2]["concurrency"]["group"]),
        (&json!("prod"), &json!("g"))
    );
    let quiet =
        call(&project("on: push\njobs: {a: {runs-on: pawl-host, steps: [{run: x}]}}\n"), &["plan"]);
    let quiet = quiet.json();
    let standard = json!({ "contents": "read", "packages": "read", "metadata": "read" });
    assert_eq!(quiet["jobs"][0]["permissions"], standard);
}

/// Without the limit the step would go on for a minute after the cancellation.
#[test]
fn a_cancellation_takes_no_longer_than_cancel_timeout_minutes() {
    let workflow = "on: push\njobs:\n  a:\n    runs-on: pawl-host\n    cancel-timeout-minutes: 0.02\n    steps:\n      - run: echo begun; sleep 100\n      - if: always()\n        run: echo cleaning; trap '' INT TERM; for i in $(seq 600); do sleep 0.1; done\n      - if: always()\n        run: echo never\n";
    let project = project(workflow);
    let call = Pawl::new(&project).args(["run", "w.yml", "--json", "--workspace", "."]);
    let mut running = call.store(project.store()).spawn();
    running.wait_for_log("begun");
    running.interrupt();
    let since = Instant::now();
    let outcome = running.finish();
    outcome.code(1);
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
    assert_eq!(outcome.report()["conclusion"], "cancelled");
    assert!(!outcome.log().contains(&"never".to_owned()));
}

#[test]
fn limits_that_depend_on_other_jobs_hold() {
    let workflow = "\
on: push
jobs:
  say:
    runs-on: pawl-host
    outputs: {most: '1', minutes: '0.02', fast: 'false'}
    steps: [{run: echo}]
  legs:
    needs: say
    runs-on: pawl-host
    strategy:
      matrix: {n: [1, 2]}
      max-parallel: ${{ fromJSON(needs.say.outputs.most) }}
      fail-fast: ${{ fromJSON(needs.say.outputs.fast) }}
    timeout-minutes: ${{ fromJSON(needs.say.outputs.minutes) }}
    continue-on-error: ${{ matrix.n == 1 }}
    steps:
      - run: |
          echo leg ${{ matrix.n }} fast=${{ strategy.fail-fast }} most=${{ strategy.max-parallel }} of ${{ strategy.job-total }}
          sleep 60
";
    let outcome = call(&project(workflow), &["run"]);
    outcome.code(1);
    let log = outcome.log();
    // `fail-fast: false`: the second leg began after the first was stopped by its limit.
    assert!(log.contains(&"leg 1 fast=false most=1 of 2".to_owned()), "{log:?}");
    assert!(log.contains(&"leg 2 fast=false most=1 of 2".to_owned()), "{log:?}");
}

#[test]
fn the_events_payload_is_a_file_that_steps_can_read() {
    let workflow = "on: push\nrun-name: by ${{ github.actor }}\njobs:\n  a:\n    runs-on: pawl-host\n    steps:\n      - run: |\n          test \"$GITHUB_EVENT_PATH\" = '${{ github.event_path }}' && grep -c '\"marked\": \"yes\"' \"$GITHUB_EVENT_PATH\"\n          echo $GITHUB_REF_NAME $GITHUB_REF_TYPE $GITHUB_WORKFLOW_REF\n";
    let project = project(workflow).file("e.json", r#"{"ref": "refs/tags/v1", "before": "a", "after": "b", "marked": "yes", "repository": {"full_name": "o/r"}}"#);
    let outcome = call(&project, &["run", "--event-file", "e.json", "--actor", "ada"]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["1", "v1 tag o/r/w.yml@refs/tags/v1"]);
}
