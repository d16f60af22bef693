use super::Validate;
use crate::model::digest;
use crate::testing::Bench;

const CONTRACT: &str = "
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
      - name: plan
        logicalType: string
";

fn run(data: &str, contract: &str) -> Result<pawl_core::ports::ActionOutcome, String> {
    let bench = Bench::new();
    bench.workspace().write("d.csv", data.as_bytes()).unwrap();
    bench.workspace().write("c.yml", contract.as_bytes()).unwrap();
    let outcome = bench.run_job(&Validate, &[("data", "d.csv"), ("contract", "c.yml")]);
    outcome.map_err(|error| {
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    })
}

#[test]
fn data_that_keeps_the_contract_passes() {
    let data = "age,plan\n30,free\n40,paid\n";
    let outcome = run(data, CONTRACT).unwrap();
    assert!(outcome.success);
    assert_eq!(outcome.outputs["verdict"], "pass");
    assert_eq!(outcome.outputs["rows"], "2");
    assert_eq!(outcome.outputs["data-digest"], digest(data.as_bytes()));
    let columns = ["age", "plan"].map(|name| serde_json::json!({ "name": name, "type": "csv" }));
    assert_eq!(
        outcome.report["data"],
        serde_json::json!({
            "uri": "file:d.csv", "digest": digest(data.as_bytes()), "schema": columns, "rows": 2,
        })
    );
    assert_eq!(outcome.report["rows"], 2);
}

#[test]
fn data_that_breaks_it_is_a_failed_result_with_the_rows() {
    let outcome = run("age,plan\n30,free\n,paid\n", CONTRACT).unwrap();
    assert!(!outcome.success);
    assert_eq!(outcome.outputs["verdict"], "fail");
    assert!(outcome.reason.unwrap().starts_with("the data breaks 1 of the "));
    let checks = outcome.report["checks"].as_array().unwrap();
    let failed: Vec<_> = checks.iter().filter(|check| check["verdict"] == "fail").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["column"], "age");
    assert_eq!(failed[0]["samples"][0]["row"], 2);
    let wanted = "❌ **fail**: 2 rows, 2 of 3 checks pass\n\n| | check | expected | failing rows | first of them |\n|-|-|-|-:|-|\n| ❌ | `age.required` | not null | 1: 50.0 % (9.5 to 90.5) | row 2: null |\n";
    assert_eq!(outcome.summary, wanted);
}

#[test]
fn personal_data_is_in_no_report() {
    let lines = "logicalType: string\n        classification: pii\n        logicalTypeOptions: { maxLength: 2 }";
    let contract = CONTRACT.replace("logicalType: string", lines);
    let outcome = run("age,plan\n30,secret\n", &contract).unwrap();
    assert!(!outcome.success);
    let text = format!("{} {}", outcome.report, outcome.summary);
    assert!(text.contains("(personal data)") && !text.contains("secret"), "{text}");
}

#[test]
fn a_contract_or_file_that_cannot_be_read_is_wrong_input() {
    let broken = CONTRACT.replace("logicalType: string", "logicalTipe: string");
    assert!(run("age,plan\n1,a\n", &broken).unwrap_err().contains("logicalTipe"));
    assert!(run("age,plan\n1\n", CONTRACT).unwrap_err().contains("d.csv"));
    let bench = Bench::new();
    let given = [("data", "none.csv"), ("contract", "c.yml")];
    assert_eq!(bench.run_job(&Validate, &given).unwrap_err().exit_code(), 2);
    bench.workspace().write("c.yml", CONTRACT.as_bytes()).unwrap();
    bench.workspace().write("d.csv", b"age,plan\n1,a\n").unwrap();
    let given = [("data", "d.csv"), ("contract", "c.yml"), ("tables", "plans")];
    let error = bench.run_job(&Validate, &given).unwrap_err();
    assert!(error.to_string().contains("is not name=path"), "{error}");
}

#[test]
fn a_pattern_that_backtracks_without_end_is_wrong_input_and_is_named() {
    let rule = "logicalType: string\n        logicalTypeOptions: { pattern: '^(a|aa)+\\1\\1\\1c' }";
    let contract = CONTRACT.replace("logicalType: string", rule);
    let error = run(&format!("age,plan\n1,{}\n", "a".repeat(60)), &contract).unwrap_err();
    let wanted = "d.csv: rule 'plan.pattern': pattern ^(a|aa)+\\1\\1\\1c reached the backtracking limit on row 1";
    assert!(error.starts_with(wanted), "{error}");
    assert!(run("age,plan\n1,aaaac\n", &contract).unwrap().success);
}

#[test]
fn histograms_beside_those_of_a_reference_hide_personal_columns() {
    let bench = Bench::new();
    let rows = |by: usize| -> String {
        (0..100).map(|row| format!("{},{}\n", row % 40 + by, ["free", "paid"][row % 2])).collect()
    };
    let data = |by| format!("age,plan\n{}", rows(by));
    bench.workspace().write("d.csv", data(20).as_bytes()).unwrap();
    bench.workspace().write("r.csv", data(0).as_bytes()).unwrap();
    let hidden = CONTRACT.replace("name: plan\n", "name: plan\n        tags: [pii]\n");
    bench.workspace().write("c.yml", hidden.as_bytes()).unwrap();
    let given =
        [("data", "d.csv"), ("contract", "c.yml"), ("reference", "r.csv"), ("html", "out.html")];
    let outcome = bench.run_job(&Validate, &given).unwrap();
    let histograms = outcome.report["histograms"].as_array().unwrap();
    assert_eq!(histograms.len(), 1);
    assert_eq!(histograms[0]["column"], "age");
    let bars = |side: &str| histograms[0][side].as_str().unwrap().to_owned();
    let (before, now) = (bars("reference"), bars("current"));
    assert_eq!(before.chars().count(), now.chars().count());
    assert!(before.ends_with('▁') && now.starts_with('▁') && before != now, "{before} {now}");
    let line = format!("| `age` | `{before}` | `{now}` |\n");
    assert!(outcome.summary.ends_with(&line), "{}", outcome.summary);
    let page = bench.workspace().read("out.html", 1 << 20).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains(&format!("<td class=\"bars\">{before}</td>")), "{page}");
}

#[test]
fn the_page_needs_nothing_else_and_nothing_in_it_is_markup() {
    let report = serde_json::from_str(
        r#"{"verdict":"fail","rows":4,"checks":[
            {"id":"<b>.unique","column":"v","metric":"unique","severity":"warning","expected":"a & b","observed":1,"failing_rows":1,"samples":[{"row":4,"values":{"v":"</code><script>alert(1)</script>"},"first_row":2}],"verdict":"warn"},
            {"id":"leaks","column":null,"metric":"labelLeakage","severity":"error","expected":"mustBe 0","observed":1,"failing_rows":0,"samples":[],"findings":[{"column":"x","measure":"AUC","value":0.995,"interval":[0.99,0.998],"threshold":0.99,"rows":200,"counts":true},{"column":"y","measure":"AUC","value":0.5,"threshold":0.99,"rows":200,"counts":false}],"verdict":"fail"}]}"#,
    )
    .unwrap();
    let page = super::page("d<i>.csv", "c.yml", &report, &[]);
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>"), "{page}");
    for text in ["<script", "<b>", "<i>", "http://", "https://", "src=", "@import"] {
        assert!(!page.contains(text), "{text} in {page}");
    }
    let told = [
        "d&lt;i&gt;.csv",
        "prefers-color-scheme: dark",
        "row 4: v = &quot;&lt;&#x2f;code&gt;&lt;script&gt;alert(1)",
        ", as in row 2",
        "x: AUC 0.9950 [0.9900, 0.9980], threshold 0.99, 200 rows",
        "1: 25.0 % (4.6 to 69.9)",
        "a &amp; b",
    ];
    for text in told {
        assert!(page.contains(text), "{text} not in {page}");
    }
    assert!(!page.contains("y: AUC"), "{page}");
}
