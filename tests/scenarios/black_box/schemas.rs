//! `schemas/`: what the program prints, and real files and real output held to it.

use jsonschema::{Validator, meta, validator_for};
use pawl_tests::containers::image_option;
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use pawl_tests::repository::{files, read};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn schema(name: &str) -> Value {
    serde_json::from_str(&read(&format!("schemas/{name}.json"))).expect("a schema is JSON")
}

fn compiled(schema: &Value) -> Validator {
    validator_for(schema).unwrap_or_else(|error| panic!("{error}"))
}

/// The same schema, in which every object has exactly the fields that are named: output that says more than its schema is a
/// schema that was forgotten.
fn strict(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            let mut object: serde_json::Map<_, _> =
                object.iter().map(|(key, value)| (key.clone(), strict(value))).collect();
            if object.contains_key("properties") && object.contains_key("type") {
                object.entry("additionalProperties").or_insert(json!(false));
            }
            Value::Object(object)
        }
        Value::Array(items) => items.iter().map(strict).collect(),
        other => other.clone(),
    }
}

#[track_caller]
fn hold(validator: &Validator, value: &Value) {
    let faults: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}\n{value:#}");
}

/// The schema by its name, strict but for the place where every event of another kind has other fields.
fn strictly(name: &str) -> Validator {
    let mut schema = strict(&schema(name));
    if let Some(object) = schema.as_object_mut().filter(|object| object.contains_key("oneOf")) {
        object.remove("additionalProperties");
    }
    compiled(&schema)
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn committed_schemas_are_those_that_the_program_prints() {
    let project = Project::new();
    let listed = Pawl::new(&project).args(["reference", "schema"]).run();
    listed.code(0);
    let names: BTreeSet<String> = listed.stdout().lines().map(str::to_owned).collect();
    let committed: BTreeSet<String> = files()
        .iter()
        .filter_map(|file| file.strip_prefix("schemas/")?.strip_suffix(".json").map(str::to_owned))
        .collect();
    assert_eq!(names, committed);
    for name in names {
        let printed = Pawl::new(&project).args(["reference", "schema", &name]).run();
        printed.code(0);
        let file = format!("schemas/{name}.json");
        assert!(printed.stdout() == read(&file), "{file} is stale: run `sh docs/generate.sh`");
        assert!(meta::is_valid(&schema(&name)), "{file} is no schema");
    }
    Pawl::new(&project).args(["reference", "schema", "workflw"]).run().code(2);
}

#[test]
fn every_workflow_and_action_of_the_repository_fits_its_schema() {
    let (workflow, action) = (compiled(&schema("workflow")), compiled(&schema("action")));
    let mut counts = (0, 0);
    for file in files() {
        if file.starts_with("workflows/")
            && file.ends_with(".yml")
            && !file.ends_with("/action.yml")
        {
            hold(&workflow, &yaml(&read(&file)));
            counts.0 += 1;
        }
        if file.starts_with("actions/") && file.ends_with("/action.yml") {
            hold(&action, &yaml(&read(&file)));
            counts.1 += 1;
        }
    }
    assert!(counts.0 >= 2 && counts.1 >= 13, "{counts:?}");
    for wrong in [
        json!({ "name": "x", "description": "d", "in": "cloud" }),
        json!({ "name": "x", "description": "d", "in": "job", "inputs": { "a": {} } }),
        json!({ "name": "x", "description": "d", "in": "job", "runs": {} }),
    ] {
        assert!(!action.is_valid(&wrong), "{wrong}");
    }
}

fn job(more: &Value) -> Value {
    let mut job = json!({ "runs-on": "linux", "steps": [{ "run": "true" }] });
    for (key, value) in more.as_object().expect("fields of a job") {
        job[key] = value.clone();
    }
    json!({ "on": "push", "jobs": { "a": job } })
}

fn step(step: Value) -> Value {
    json!({ "on": "push", "jobs": { "a": { "runs-on": "linux", "steps": [step] } } })
}

fn on(on: Value) -> Value {
    json!({ "on": on, "jobs": { "a": { "runs-on": "linux", "steps": [{ "run": "true" }] } } })
}

/// Workflows that are right. JSON is YAML, so that the program reads them as they are.
fn right() -> Vec<Value> {
    vec![
        on(json!("push")),
        on(json!(["push", "pull_request"])),
        on(json!({ "push": null, "schedule": [{ "cron": "0 3 * * *" }] })),
        on(json!({ "push": { "branches": "main", "paths": ["src/**", "!docs/**"] } })),
        on(json!({ "pull_request": { "types": ["opened"] } })),
        on(json!({ "workflow_dispatch": { "inputs": {
            "n": { "type": "number", "default": 3 },
            "kind": { "type": "choice", "options": ["a", "b"] },
        } } })),
        on(json!({ "workflow_call": {
            "inputs": { "n": { "type": "string", "required": true } },
            "outputs": { "o": { "value": "${{ jobs.a.outputs.o }}" } },
            "secrets": { "TOKEN": { "required": true } },
        } })),
        job(&json!({ "runs-on": ["linux", "x64"], "needs": [], "env": { "A": 1 } })),
        job(&json!({ "runs-on": { "labels": ["linux"] }, "timeout-minutes": 0.02 })),
        job(
            &json!({ "strategy": { "matrix": { "n": [1, 2], "include": [{ "n": 3 }] }, "max-parallel": 2 } }),
        ),
        job(&json!({ "strategy": { "matrix": "${{ fromJSON(vars.M) }}", "fail-fast": false } })),
        job(&json!({ "container": "python:3.12-slim" })),
        job(&json!({ "container": { "image": "python:3.12-slim", "env": { "A": "b" } } })),
        job(&json!({ "permissions": "read-all", "environment": { "name": "production" } })),
        job(&json!({ "defaults": { "run": { "shell": "bash", "working-directory": "src" } } })),
        step(json!({ "uses": "pawl/checkout", "with": { "clean": true } })),
        step(json!({ "run": "true", "shell": "python {0}", "if": "always()", "id": "a" })),
        step(json!({ "run": "x", "retry": { "attempts": 3, "backoff": "10s", "on": ["lost"] } })),
        step(json!({ "run": "x", "continue-on-error": "${{ github.ref == 'x' }}" })),
    ]
}

/// Workflows that are wrong in a way that a schema can tell.
fn wrong() -> Vec<Value> {
    vec![
        json!({ "on": "push" }),
        json!({ "on": "push", "jobs": {} }),
        json!({ "on": "push", "jobs": { "1a": { "runs-on": "linux", "steps": [{ "run": "x" }] } } }),
        json!({ "on": "push", "jobs": { "a": { "steps": [{ "run": "x" }] } } }),
        on(json!("pusch")),
        on(json!([])),
        on(json!({ "push": { "types": ["opened"] } })),
        on(json!({ "pull_request": { "types": ["oped"] } })),
        on(json!({ "push": { "branches": ["a"], "branches-ignore": ["b"] } })),
        on(json!({ "workflow_dispatch": { "inputs": { "k": { "type": "choice" } } } })),
        on(json!({ "workflow_call": { "inputs": { "n": { "required": true } } } })),
        on(json!({ "workflow_run": { "types": ["completed"] } })),
        job(&json!({ "runs_on": "linux" })),
        job(&json!({ "runs-on": [] })),
        job(&json!({ "steps": [] })),
        job(&json!({ "timeout-minutes": 0 })),
        job(&json!({ "timeout-minutes": "soon" })),
        job(&json!({ "strategy": { "matrix": {} } })),
        job(&json!({ "strategy": { "matrix": { "n": [] } } })),
        job(&json!({ "strategy": { "max-parallel": 0 } })),
        job(&json!({ "container": { "env": {} } })),
        job(&json!({ "permissions": { "contents": "all" } })),
        job(&json!({ "with": { "a": "b" } })),
        step(json!({ "name": "nothing to do" })),
        step(json!({ "run": "x", "uses": "pawl/checkout" })),
        step(json!({ "run": "x", "with": {} })),
        step(json!({ "uses": "pawl/checkout", "shell": "bash" })),
        step(json!({ "uses": "checkout" })),
        step(json!({ "run": ["x"] })),
        step(json!({ "run": "x", "shell": "fish" })),
        step(json!({ "run": "x", "retry": { "attempts": 0 } })),
        step(json!({ "run": "x", "retry": {} })),
        step(json!({ "run": "x", "continue-on-error": "maybe" })),
    ]
}

fn check(workflow: &Value) -> Outcome {
    let project = Project::new().file("ci.yml", &format!("{workflow:#}"));
    Pawl::new(&project).args(["check", "ci.yml", "--format", "json"]).run()
}

#[test]
fn schema_and_parser_agree_on_workflows() {
    let (workflow, diagnostics) = (compiled(&schema("workflow")), strictly("diagnostics"));
    for right in right() {
        hold(&workflow, &right);
        check(&right).code(0);
    }
    for wrong in wrong() {
        assert!(!workflow.is_valid(&wrong), "the schema takes {wrong}");
        let outcome = check(&wrong);
        outcome.code(2);
        hold(&diagnostics, &outcome.json());
    }
}

const EVENTFUL: &str = "\
on: push
jobs:
  list:
    runs-on: ubuntu-latest
    outputs:
      all: ${{ steps.say.outputs.all }}
    steps:
      - id: say
        run: echo 'all=[1,2]' >> \"$GITHUB_OUTPUT\"
  each:
    needs: list
    runs-on: ubuntu-latest
    strategy:
      matrix:
        n: ${{ fromJSON(needs.list.outputs.all) }}
    steps:
      - run: echo '::warning file=a.py,line=3,col=1,title=Look::odd'
  again:
    runs-on: ubuntu-latest
    steps:
      - run: exit 3
        retry: { attempts: 2, backoff: 1ms }
        continue-on-error: true
      - if: failure()
        run: echo never
  slow:
    runs-on: ubuntu-latest
    timeout-minutes: 0.02
    steps:
      - run: sleep 60
  after:
    needs: slow
    runs-on: ubuntu-latest
    steps:
      - run: echo never
";

#[test]
fn every_line_of_a_run_fits_the_schema_of_events() {
    let validator = strictly("event");
    let project = Project::new().file("ci.yml", EVENTFUL);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let outcome = call.store(project.store()).run();
    outcome.code(1);
    let mut kinds = BTreeSet::new();
    for event in outcome.events() {
        hold(&validator, &event);
        kinds.insert(event["event"].as_str().unwrap_or_default().to_owned());
    }
    let expected = [
        "job-cancel-requested",
        "job-closed",
        "job-expanded",
        "job-finished",
        "job-ready",
        "job-started",
        "log",
        "run-finished",
        "run-planned",
        "run-requested",
        "step-annotated",
        "step-finished",
        "step-intended",
        "step-retried",
        "step-started",
    ];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert!(!validator.is_valid(&json!({ "event": "log", "text": "x" })));
}

#[test]
fn errors_fit_the_schema_of_events() {
    let validator = strictly("event");
    let project = Project::new().file("ci.yml", "on: push\njobs: []\n");
    for file in ["ci.yml", "nowhere.yml"] {
        let call = Pawl::new(&project).args(["run", file, "--json"]);
        let outcome = call.store(project.store()).run();
        outcome.code(2);
        let events = outcome.events();
        assert_eq!(events.len(), 1, "{events:?}");
        hold(&validator, &events[0]);
    }
}

#[test]
fn plans_fit_their_schema() {
    let project = Project::new().file("ci.yml", EVENTFUL);
    let call =
        Pawl::new(&project).args(["plan", "ci.yml", "--json", "--image=ubuntu-latest=any:1"]);
    let plan = call.store(project.store()).run().code(0).json();
    hold(&strictly("plan"), &plan);
    let folder = "workflows/visit-risk/train-gate-deploy.yml";
    let project = Project::new().file("ci.yml", &read(folder));
    let call = Pawl::new(&project).args(["plan", "ci.yml", "--json", "--event=workflow_dispatch"]);
    let plan = call.store(project.store()).run().code(0).json();
    hold(&strictly("plan"), &plan);
}

/// A run of one action in the project; the code is not looked at.
fn action(project: &Project, name: &str, with: &[&str]) -> Value {
    let with: Vec<String> = with.iter().map(|pair| format!("--with={pair}")).collect();
    let call = Pawl::new(project).args(["actions", "run", name, "--json"]).args(with);
    call.store(project.store()).run().json()
}

#[test]
fn reports_and_models_fit_their_schemas() {
    let rows: String =
        (0..400).map(|n| format!("{n},{},{}\n", n % 7, u8::from(n % 7 + n % 3 > 4))).collect();
    let contract = "apiVersion: v3.1.0\nkind: DataContract\nid: d\nversion: 1.0.0\nstatus: active\nschema:\n  - name: d\n    properties:\n      - { name: x, logicalType: integer, logicalTypeOptions: { maximum: 5 } }\n      - { name: id, logicalType: integer, unique: true }\n";
    let project =
        Project::new().file("d.csv", &format!("id,x,y\n{rows}")).file("contract.yml", contract);
    let found = action(&project, "validate", &["data=d.csv", "contract=contract.yml"]);
    assert_eq!(found["report"]["verdict"], "fail", "{found:#}");
    hold(&strictly("validation-report"), &found["report"]);

    let model = strictly("model");
    for algorithm in ["logistic-regression", "random-forest"] {
        let algorithm = format!("algorithm={algorithm}");
        let with = ["data=d.csv", "label=y > 0", "features=x", algorithm.as_str()];
        assert_eq!(action(&project, "train", &with)["conclusion"], "success");
        let bytes = std::fs::read(project.folder().join("model.json")).expect("a model is there");
        let mut value: Value = serde_json::from_slice(&bytes).expect("a model file is JSON");
        hold(&model, &value);
        value["format_version"] = json!(2);
        assert!(!model.is_valid(&value), "another version is another schema");
    }

    let predicted = |shift: usize| -> String {
        let rows = (0..400).map(|n| {
            let p = if (n + shift).is_multiple_of(5) { 0.3 } else { 0.8 };
            format!("{n},{},{},{p}\n", n % 2, u8::from(p > 0.5))
        });
        format!("id,y_true,y_pred,p\n{}", rows.collect::<String>())
    };
    let project = project.file("c.csv", &predicted(0)).file("b.csv", &predicted(1));
    let gate = strictly("gate-report");
    for (with, verdicts) in [
        (&["candidate=c.csv", "baseline=b.csv"][..], &["pass", "fail", "inconclusive"][..]),
        (&["candidate=c.csv", "baseline=none.csv"], &["no-baseline"]),
    ] {
        let found = action(&project, "gate", with);
        let verdict = found["report"]["verdict"].as_str().unwrap_or_default();
        assert!(verdicts.contains(&verdict), "{found:#}");
        hold(&gate, &found["report"]);
    }
}

#[test]
fn reports_of_drift_fit_their_schema_in_both_modes() {
    let row =
        |shift: usize| move |n: usize| format!("{},{}\n", n * 7 % 50 + shift, ["a", "b"][n % 2]);
    let side = |shift: usize| format!("n,c\n{}", (0..150).map(row(shift)).collect::<String>());
    let project = Project::new().file("r.csv", &side(0)).file("c.csv", &side(90));
    let few = project.file("few.csv", "n,c\n1,a\n2,b\n");
    for more in [&["c.csv"][..], &["few.csv"], &["c.csv", "--compat", "evidently"]] {
        let call = Pawl::new(&few).args(["data", "drift", "r.csv", "--json"]).args(more);
        let report = call.run().code(0).json();
        hold(&strictly("drift-report"), &report);
        assert_eq!(report["drifted"], more[0] == "c.csv", "{report:#}");
    }
}

#[test]
fn reports_of_performance_fit_the_schema_of_drift() {
    let row = |n: usize, every: usize| format!("0.9,{}\n", u8::from(!n.is_multiple_of(every)));
    let side = |every| format!("p,y_true\n{}", (0..400).map(|n| row(n, every)).collect::<String>());
    let open = format!("{}0.9,\n", side(10));
    let project =
        Project::new().file("r.csv", &side(10)).file("c.csv", &side(3)).file("o.csv", &open);
    for (file, drifted) in [("c.csv", true), ("o.csv", false)] {
        let call = ["data", "drift", "r.csv", file, "--performance", "brier", "--json"];
        let report = Pawl::new(&project).args(call).run().code(0).json();
        hold(&strictly("drift-report"), &report);
        assert_eq!(report["drifted"], drifted, "{report:#}");
    }
}

#[test]
fn samples_of_events_in_the_documents_fit_their_schema() {
    let validator = strictly("event");
    let mut count = 0;
    for file in ["docs/events.md", "docs/exit-codes.md"] {
        for block in read(file).split("```json\n").skip(1) {
            let sample = block.split("```").next().expect("a block ends");
            hold(&validator, &serde_json::from_str(sample).expect("a sample is JSON"));
            count += 1;
        }
    }
    assert_eq!(count, 2);
}

/// Files of actions that are right and wrong; the program and the schema say the same of each.
#[test]
fn the_schema_of_ordinary_actions_and_check_agree() {
    let schema = compiled(&schema("github-action"));
    let base = json!({ "name": "a", "description": "d" });
    let with = |runs: Value| {
        let mut action = base.clone();
        action["runs"] = runs;
        action
    };
    let step = |step: Value| with(json!({ "using": "composite", "steps": [step] }));
    let mut styled = with(
        json!({ "using": "node20", "main": "index.js", "post": "end.js", "post-if": "always()" }),
    );
    styled["branding"] = json!({ "icon": "box", "color": "blue" });
    styled["inputs"] =
        json!({ "i": { "description": "x", "required": true, "default": "1", "type": "text" } });
    let mut coloured = styled.clone();
    coloured["branding"]["color"] = json!("pink");
    for (action, is_right) in [
        (styled, true),
        (coloured, false),
        (step(json!({ "run": "echo", "shell": "bash" })), true),
        (step(json!({ "run": "echo" })), false),
        (step(json!({ "uses": "./x", "with": { "a": "b" } })), true),
        (step(json!({ "uses": "./x", "run": "echo", "shell": "bash" })), false),
        (step(json!({ "run": "echo", "shell": "bash", "timeout-minutes": 1 })), false),
        (
            with(
                json!({ "using": "docker", "image": "Dockerfile", "args": ["a"], "env": { "A": "x" } }),
            ),
            true,
        ),
        (with(json!({ "using": "docker" })), false),
        (with(json!({ "using": "node24" })), false),
        (with(json!({ "using": "node18", "main": "index.js" })), false),
        (base.clone(), false),
    ] {
        assert_eq!(schema.is_valid(&action), is_right, "{action}");
        let project = Project::new().file("action.yml", &action.to_string());
        let code = if is_right { 0 } else { 2 };
        Pawl::new(&project).args(["check", "action.yml"]).run().code(code);
    }
}
