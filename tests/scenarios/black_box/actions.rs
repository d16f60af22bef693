//! `pawl actions`: the built-in actions, listed, explained, and run by themselves.

use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;
use serde_json::{Value, json};

#[test]
fn every_action_is_listed_with_the_place_where_it_runs() {
    let project = Project::new();
    let listed = Pawl::new(&project).args(["actions", "list", "--json"]).run().code(0).json();
    let all = listed["actions"].as_array().expect("a list of actions");
    let names: Vec<_> = all.iter().map(|one| one["name"].as_str().unwrap_or_default()).collect();
    for name in
        ["checkout", "validate", "split", "train", "evaluate", "gate", "build", "deploy", "report"]
    {
        assert!(
            names.iter().any(|listed| listed.trim_start_matches("pawl/") == name),
            "{name}: {names:?}"
        );
    }
    for one in all {
        assert!(["job", "runner"].contains(&one["in"].as_str().unwrap_or_default()), "{one}");
    }
}

#[test]
fn an_action_is_explained_with_its_inputs_and_an_unknown_one_is_2() {
    let project = Project::new();
    let shown = Pawl::new(&project)
        .args(["actions", "show", "pawl/validate", "--json"])
        .run()
        .code(0)
        .json();
    assert!(shown["inputs"]["contract"].is_object(), "{shown:#}");
    let unknown = Pawl::new(&project).args(["actions", "show", "valdate"]).run();
    unknown.code(2);
    assert!(unknown.stderr().contains("valdate"), "{}", unknown.stderr());
}

const CONTRACT: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: visits
version: 1.0.0
status: active
schema:
  - name: visits
    properties:
      - name: age
        logicalType: integer
        required: true
        logicalTypeOptions: { minimum: 0, maximum: 120 }
";

fn validate(rows: &str) -> (i32, Value) {
    let project = Project::new().file("contract.yml", CONTRACT).file("visits.csv", rows);
    let call = Pawl::new(&project).args(["actions", "run", "validate", "--json"]);
    let call = call.args(["--with", "contract=contract.yml", "--with", "data=visits.csv"]);
    let outcome = call.store(project.store()).run();
    let found = outcome.json();
    let code = if found["conclusion"] == "success" { 0 } else { 1 };
    outcome.code(code);
    (code, found)
}

#[test]
fn an_action_runs_by_itself_and_reports() {
    let (code, found) = validate("age\n3\n44\n");
    assert_eq!((code, &found["conclusion"]), (0, &json!("success")), "{found:#}");
    assert_eq!(
        (&found["report"]["verdict"], &found["report"]["rows"]),
        (&json!("pass"), &json!(2))
    );
}

#[test]
fn an_action_that_fails_is_1_and_its_report_says_why() {
    let (code, found) = validate("age\n3\n444\n");
    assert_eq!((code, &found["conclusion"]), (1, &json!("failure")), "{found:#}");
    assert_eq!(found["report"]["verdict"], "fail");
    let checks = found["report"]["checks"].as_array().expect("a list of checks");
    let failed = checks.iter().find(|check| check["verdict"] == "fail").expect("one check fails");
    assert_eq!(
        (&failed["column"], &failed["failing_rows"]),
        (&json!("age"), &json!(1)),
        "{failed:#}"
    );
}
