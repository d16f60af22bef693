//! `pawl data validate` as scripts use it: the report's shape, exit codes, and what is said about wrong input.

use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::json;

const CONTRACT: &str = "apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - { name: id, logicalType: integer, required: true, unique: true }
      - name: customer
        logicalType: string
        relationships: [{ to: customers.id }]
      - name: amount
        physicalName: amt
        logicalType: number
        quality:
          - { id: few-nulls, metric: nullValues, unit: percent, mustBeLessThan: 50, severity: warning }
    quality:
      - { id: enough, metric: rowCount, mustBeBetween: [1, 10] }
";
const CUSTOMERS: &str = "id\na\nb\n";

fn validate(project: &Project, more: &[&str]) -> Outcome {
    let fixed = ["data", "validate", "orders.csv", "--contract", "c.odcs.yaml"];
    Pawl::new(project).args(fixed).args(more).run()
}

fn project(data: &str) -> Project {
    let project = Project::new().file("c.odcs.yaml", CONTRACT).file("orders.csv", data);
    project.file("customers.csv", CUSTOMERS)
}

#[test]
fn the_report_is_one_object_and_the_exit_code_its_verdict() {
    let project = project("id,customer,amt\n1,a,1.5\n2,c,\n2,b,\n");
    let outcome = validate(&project, &["--table", "customers=customers.csv", "--json"]);
    outcome.code(1).stderr_is("");
    let check = |id: &str, column: &str, metric: &str, expected: &str| {
        json!({ "id": id, "column": column, "metric": metric, "severity": "error", "expected": expected,
                "observed": 0, "failing_rows": 0, "samples": [], "verdict": "pass" })
    };
    let mut unique = check("id.unique", "id", "unique", "unique");
    unique["observed"] = 1.into();
    unique["failing_rows"] = 1.into();
    unique["verdict"] = "fail".into();
    unique["samples"] = json!([{ "row": 3, "values": { "id": "2" }, "first_row": 2 }]);
    let mut key = check("customer.foreignKey", "customer", "foreignKey", "in customers.id");
    key["observed"] = 1.into();
    key["failing_rows"] = 1.into();
    key["verdict"] = "fail".into();
    key["samples"] = json!([{ "row": 2, "values": { "customer": "c" } }]);
    let expected = json!({ "verdict": "fail", "rows": 3, "checks": [
        check("id.logicalType", "id", "logicalType", "integer"),
        check("id.required", "id", "required", "not null"),
        unique,
        check("customer.logicalType", "customer", "logicalType", "string"),
        key,
        check("amount.logicalType", "amount", "logicalType", "number"),
        { "id": "few-nulls", "column": "amount", "metric": "nullValues", "severity": "warning",
          "expected": "mustBeLessThan 50 percent", "observed": 200.0 / 3.0, "failing_rows": 2,
          "samples": [{ "row": 2, "values": { "amount": null } }, { "row": 3, "values": { "amount": null } }],
          "verdict": "warn" },
        { "id": "enough", "column": null, "metric": "rowCount", "severity": "error",
          "expected": "mustBeBetween 1 and 10 rows", "observed": 3, "failing_rows": 0, "samples": [], "verdict": "pass" },
    ] });
    assert_eq!(outcome.json(), expected);
}

#[test]
fn data_that_keeps_its_contract_passes_and_a_warning_does_too() {
    let good = project("id,customer,amt\n1,a,1.5\n2,b,2\n");
    let customers = ["--table", "customers=customers.csv"];
    let outcome = validate(&good, &customers);
    outcome.code(0).stderr_is("");
    assert!(
        outcome.stdout().starts_with("pass: 2 rows, 8 of 8 checks pass\n"),
        "{}",
        outcome.stdout()
    );
    let warned = project("id,customer,amt\n1,a,\n2,b,\n");
    let outcome = validate(&warned, &customers);
    outcome.code(0);
    assert!(
        outcome.stdout().starts_with("warn: 2 rows, 7 of 8 checks pass\n"),
        "{}",
        outcome.stdout()
    );
}

#[test]
fn wrong_input_is_2_and_says_where() {
    let ragged = project("id,customer,amt\n1,a,1.5\n2,b\n");
    let customers = ["--table", "customers=customers.csv"];
    validate(&ragged, &customers).code(2).stderr_is(
        "error: orders.csv: row 2, column 'amt' has 2 fields where the header has 3 (line 3)\n",
    );
    let good = project("id,customer,amt\n1,a,1.5\n");
    validate(&good, &[]).code(2).stderr_is(
        "error: rule 'customer.foreignKey' needs the data of 'customers'; name its file among the other tables, as customers=FILE\n  hint: add --table customers=DATA\n",
    );
    let schema = validate(&good, &["--schema", "bills"]);
    schema.code(2).stderr_is("error: the contract has no schema 'bills'; it has orders\n");
    let wrong = CONTRACT.replace("required: true", "requierd: true");
    validate(&good.file("c.odcs.yaml", &wrong), &customers).code(2).stderr_is(
        "error: c.odcs.yaml:9:43: unknown key 'requierd' in a property (did you mean 'required'?)\n",
    );
}

#[test]
fn a_pattern_without_end_is_an_error_that_names_it() {
    let rule = "logicalTypeOptions: { pattern: '^((a+)\\2?)+$' }\n        relationships";
    let contract = CONTRACT.replace("relationships", rule);
    let project = project(&format!("id,customer,amt\n1,{}!,1\n", "a".repeat(60)));
    let project = project.file("c.odcs.yaml", &contract);
    let outcome = validate(&project, &["--table", "customers=customers.csv", "--json"]);
    outcome.code(2);
    assert_eq!(outcome.json()["verdict"], "error");
    let wanted =
        "rule 'customer.pattern': pattern ^((a+)\\2?)+$ reached the backtracking limit on row 1";
    assert!(outcome.stderr().contains(wanted), "{}", outcome.stderr());
}

#[test]
fn keys_beyond_the_memory_need_a_folder_for_temporary_files() {
    let mut data = String::from("id,customer,amt\n");
    (0..300_000).for_each(|row| data.push_str(&format!("{row},a,1\n")));
    let project = project(&data);
    let more = ["--table", "customers=customers.csv", "--memory", "1M", "--threads", "1"];
    validate(&project, &more).code(1);
    let fixed = ["data", "validate", "orders.csv", "--contract", "c.odcs.yaml"];
    let outcome = Pawl::new(&project).args(fixed).args(more).env("TMPDIR", "/nowhere").run();
    outcome.code(3);
    assert!(outcome.stderr().contains("set TMPDIR to a folder with room"), "{}", outcome.stderr());
}

#[test]
fn shards_are_counted_apart_and_judged_together() {
    let project = project("id,customer,amt\n1,a,1.5\n2,c,\n2,b,\n");
    let tables = ["--table", "customers=customers.csv", "--json"];
    let whole = validate(&project, &tables);
    for part in ["1/2", "2/2"] {
        let state = format!("{}.state", &part[..1]);
        let outcome =
            validate(&project, &[&tables[..], &["--shard", part, "--state", &state]].concat());
        outcome.code(0).stderr_is("");
        assert_eq!(outcome.json()["shard"], part);
    }
    let merge = |states: &[&str]| {
        let fixed = ["data", "validate", "--contract", "c.odcs.yaml", "--json", "--merge"];
        Pawl::new(&project).args(fixed).args(states).run()
    };
    let merged = merge(&["2.state", "1.state"]);
    merged.code(1).stderr_is("");
    assert_eq!(merged.json(), whole.json());
    let error = merge(&["1.state"]);
    error.code(2).stderr_is("error: --merge: shard 2 of 2 is missing\n");
    let wrong = validate(&project, &["--shard", "3/2", "--state", "x"]);
    wrong.code(2);
    assert!(wrong.stderr().contains("'3/2' is no part"), "{}", wrong.stderr());
}

#[test]
fn a_drafted_contract_holds_for_its_data_and_a_loosened_one_is_told() {
    let project = project("id,customer,amt\n1,a,1.5\n2,c,\n3,b,2\n");
    let draft = ["data", "infer", "orders.csv", "-o", "draft.odcs.yaml"];
    Pawl::new(&project).args(draft).run().code(0).stderr_is("");
    Pawl::new(&project).args(draft).run().code(2);
    let checked = ["data", "validate", "orders.csv", "--contract", "draft.odcs.yaml"];
    Pawl::new(&project).args(checked).run().code(0);
    let read =
        || std::fs::read_to_string(project.folder().join("draft.odcs.yaml")).expect("written");
    assert!(read().contains("status: draft\n") && read().contains("unique: true\n"), "{}", read());
    let loose = read().replacen("unique: true", "unique: false", 1);
    std::fs::write(project.folder().join("loose.odcs.yaml"), loose)
        .expect("the project can be written");
    let diff =
        |old: &str, new: &str| Pawl::new(&project).args(["data", "diff", old, new, "--json"]).run();
    diff("draft.odcs.yaml", "draft.odcs.yaml").code(0);
    let changed = diff("draft.odcs.yaml", "loose.odcs.yaml");
    changed.code(1);
    let expected = json!({ "loosened": 1, "changes": [
        { "place": "orders.id", "what": "unique", "old": "true", "new": "false", "effect": "loosened" },
    ] });
    assert_eq!(changed.json(), expected);
}

#[test]
fn a_profile_says_what_each_column_holds() {
    let project = project("id,customer,amt\n1,a,1.5\n2,c,\n3,b,2\n");
    let outcome = Pawl::new(&project).args(["data", "profile", "orders.csv", "--json"]).run();
    outcome.code(0).stderr_is("");
    let amount = &outcome.json()["columns"][2];
    let found = ["name", "type", "count", "nulls", "distinct", "min", "max", "mean"]
        .map(|key| &amount[key]);
    let expected = [
        json!("amt"),
        json!("number"),
        json!(2),
        json!(1),
        json!(2),
        json!(1.5),
        json!(2.0),
        json!(1.75),
    ];
    assert_eq!(found, expected.each_ref());
    let text = Pawl::new(&project).args(["data", "profile", "orders.csv"]).run();
    assert!(
        text.code(0)
            .stdout()
            .starts_with("3 rows, 3 columns\n\nid  integer  0 nulls, 3 different\n"),
        "{}",
        text.stdout()
    );
}

const NESTED: &str = "apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - name: lines
        logicalType: array
        logicalTypeOptions: { minItems: 1 }
        items:
          logicalType: object
          properties: [{ name: sku, logicalType: string, required: true }]
";

#[test]
fn rules_look_into_json_and_say_where_they_cannot() {
    let project = Project::new()
        .file("c.yaml", NESTED)
        .file("d.jsonl", "{\"lines\": [{\"sku\": \"a\"}]}\n{\"lines\": [{\"sku\": \"b\"}, {}]}\n")
        .file("d.csv", "lines\n1\n");
    let validate = |data: &str| {
        let args = ["data", "validate", data, "--contract", "c.yaml", "--json"];
        Pawl::new(&project).args(args).run()
    };
    let outcome = validate("d.jsonl");
    outcome.code(1).stderr_is("");
    let report = outcome.json();
    let failed: Vec<_> = report["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .filter(|check| check["verdict"] == "fail")
        .map(|check| (check["id"].clone(), check["column"].clone(), check["samples"].clone()))
        .collect();
    let sample = json!([{ "row": 2, "values": { "lines[].sku": null } }]);
    assert_eq!(failed, [(json!("lines[].sku.required"), json!("lines[].sku"), sample)]);
    validate("d.csv").code(2).stderr_is(
        "error: 'minItems' of 'lines' cannot be checked in d.csv: only in JSON Lines rules look into objects and arrays\n",
    );
    let wrong = NESTED.replace("required: true", "unique: true");
    let project = project.file("w.yaml", &wrong);
    let args = ["data", "validate", "d.jsonl", "--contract", "w.yaml"];
    Pawl::new(&project).args(args).run().code(2).stderr_is(
        "error: w.yaml:14:66: 'unique' of 'lines[].sku' is not supported: only columns are compared across rows\n",
    );
}

const LEAKING: &str = "apiVersion: v3.1.0
kind: DataContract
id: visits
version: 1.0.0
status: active
schema:
  - name: visits
    properties:
      - { name: ill, logicalType: boolean }
      - { name: code, logicalType: string }
      - { name: age, logicalType: integer }
    quality:
      - id: leaks
        type: custom
        engine: pawl
        implementation: { rule: labelLeakage, label: ill }
      - id: moved
        type: custom
        engine: pawl
        severity: warning
        implementation: { rule: drift, table: before, columns: [age] }
";

#[test]
fn columns_that_tell_the_label_or_moved_are_named_with_their_figures() {
    let rows = |by: usize, leaks: bool| {
        let row = |row: usize| {
            let ill = row.is_multiple_of(3);
            let code = if leaks && ill { "x" } else { ["y", "z"][row / 3 % 2] };
            format!("{ill},{code},{}\n", 20 + (row * 37) % 60 + by)
        };
        format!("ill,code,age\n{}", (0..600).map(row).collect::<String>())
    };
    let project = Project::new()
        .file("c.yaml", LEAKING)
        .file("before.csv", &rows(0, false))
        .file("same.csv", &rows(1, false))
        .file("now.csv", &rows(20, true));
    let validate = |data: &str, more: &[&str]| {
        let args =
            ["data", "validate", data, "--contract", "c.yaml", "--table", "before=before.csv"];
        Pawl::new(&project).args(args).args(more).run()
    };
    validate("same.csv", &[]).code(0);
    let outcome = validate("now.csv", &["--json"]);
    outcome.code(1).stderr_is("");
    let report = outcome.json();
    let check = |id: &str| {
        let checks = report["checks"].as_array().expect("checks").iter();
        checks.clone().find(|check| check["id"] == id).expect("the check").clone()
    };
    let leaks = check("leaks");
    assert_eq!((&leaks["observed"], &leaks["failing_rows"]), (&json!(1), &json!(0)));
    let finding = &leaks["findings"][0];
    assert_eq!(
        (&finding["column"], &finding["measure"], &finding["value"], &finding["counts"]),
        (&json!("code"), &json!("predictive power"), &json!(1.0), &json!(true))
    );
    assert_eq!(check("moved")["verdict"], "warn");
    let text = validate("now.csv", &[]);
    text.code(1);
    assert!(text.stdout().contains("^ code: predictive power 1.0000 ["), "{}", text.stdout());
    assert!(text.stdout().contains("^ age: wasserstein 1."), "{}", text.stdout());
}

#[test]
fn the_age_of_data_is_measured_at_a_moment_that_can_be_named() {
    let contract = "apiVersion: v3.1.0
kind: DataContract
id: v
version: 1.0.0
status: active
schema:
  - name: visits
    properties: [{ name: at, logicalType: timestamp }]
slaProperties:
  - { id: daily, property: latency, value: 1, unit: d, element: visits.at }
";
    let project = Project::new()
        .file("c.yaml", contract)
        .file("d.csv", "at\n2024-05-01T00:00:00Z\n2024-05-01T12:00:00Z\n");
    let validate = |more: &[&str]| {
        let args = ["data", "validate", "d.csv", "--contract", "c.yaml", "--json"];
        Pawl::new(&project).args(args).args(more).run()
    };
    let fresh = validate(&["--now", "2024-05-02T11:00:00Z"]);
    fresh.code(0).stderr_is("");
    let expected = json!({ "id": "daily", "column": "at", "metric": "latency", "severity": "error",
        "expected": "latency at most 1 d", "observed": 23.0 / 24.0, "failing_rows": 0, "samples": [],
        "verdict": "pass" });
    assert_eq!(fresh.json()["checks"][1], expected);
    validate(&["--now", "2024-05-02T12:00:01Z"]).code(1);
    // By the clock it is years old.
    validate(&[]).code(1);
    let wrong = validate(&["--now", "noon"]);
    wrong.code(2);
    assert!(wrong.stderr().contains("'noon' is no moment; write one like"), "{}", wrong.stderr());
    validate(&["--shard", "1/1", "--state", "1.state"]).code(0);
    let merge = ["data", "validate", "--contract", "c.yaml", "--now", "2024-05-02T11:00:00Z"];
    Pawl::new(&project).args(merge).args(["--merge", "1.state"]).run().code(0);
}

#[test]
fn a_validation_is_also_a_page_of_html() {
    let project = project("id,customer,amt\n1,a,1.5\n2,<c>,\n2,b,9\n");
    let more = ["--table", "customers=customers.csv", "--html", "out.html"];
    let outcome = validate(&project, &[&more[..], &["--reference", "orders.csv"]].concat());
    outcome.code(1).stderr_is("");
    let page = std::fs::read_to_string(project.folder().join("out.html")).expect("written");
    for text in [
        "<h1><span class=\"fail\">fail</span>",
        "customer = &quot;&lt;c&gt;&quot;",
        "class=\"bars\"",
    ] {
        assert!(page.contains(text), "{text} not in {page}");
    }
    assert!(!page.contains("<c>") && !page.contains("<script"), "{page}");
    let nowhere = validate(&project, &[&more[..3], &["/nowhere/out.html"]].concat());
    nowhere.code(3);
    assert!(
        nowhere.stderr().contains("/nowhere/out.html cannot be written"),
        "{}",
        nowhere.stderr()
    );
}

#[test]
fn a_profile_is_put_together_from_shards() {
    let project = project("id,customer,amt\n1,a,1.5\n2,c,\n3,b,2\n");
    let profile = |more: &[&str]| {
        let fixed = ["data", "profile", "--json"];
        Pawl::new(&project).args(fixed).args(more).run()
    };
    for part in ["1/2", "2/2"] {
        let state = format!("{}.state", &part[..1]);
        profile(&["orders.csv", "--shard", part, "--state", &state]).code(0).stderr_is("");
    }
    let merged = profile(&["--merge", "2.state", "1.state"]);
    merged.code(0).stderr_is("");
    assert_eq!(merged.json(), profile(&["orders.csv"]).json());
    let lacking = profile(&["--merge", "2.state"]);
    lacking.code(2).stderr_is("error: --merge: shard 1 of 2 is missing\n");
}
