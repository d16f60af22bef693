//! Every check once violated and once kept, and every refusal of a contract with its place.

use indexmap::IndexMap;
use pawl_data::{
    Check, Contract, Format, Source, ValidateOptions, ValidationReport, Verdict, validate,
};

const HEAD: &str =
    "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\nschema:\n";

fn csv(text: &str) -> Source {
    Source::from_bytes("data.csv", Format::Csv { delimiter: b',' }, text.into())
}

fn contract(schema: &str) -> Contract {
    Contract::parse("c.odcs.yaml", &format!("{HEAD}{schema}"))
        .unwrap_or_else(|error| panic!("{error}\n{schema}"))
}

fn check_with(schema: &str, data: &str, tables: &[(&str, &str)]) -> ValidationReport {
    let tables: IndexMap<String, Source> =
        tables.iter().map(|(name, text)| ((*name).to_owned(), csv(text))).collect();
    let options = ValidateOptions { tables, ..ValidateOptions::default() };
    validate(&contract(schema), &csv(data), &options).unwrap_or_else(|error| panic!("{error}"))
}

fn check(schema: &str, data: &str) -> ValidationReport {
    check_with(schema, data, &[])
}

/// A table `t` with one property `v`, whose further lines are given.
fn property(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("        {line}\n")).collect();
    format!("  - name: t\n    properties:\n      - name: v\n{lines}")
}

/// The only check of a metric.
fn only<'r>(report: &'r ValidationReport, metric: &str) -> &'r Check {
    let found: Vec<_> = report.checks.iter().filter(|check| check.metric == metric).collect();
    assert_eq!(found.len(), 1, "{metric} in {report:#?}");
    found[0]
}

fn rows(check: &Check) -> Vec<usize> {
    check.samples.iter().map(|sample| sample.row).collect()
}

/// One metric of one property: which rows of a column `v` fail it.
fn failing(lines: &str, metric: &str, cells: &[&str]) -> Vec<usize> {
    let report = check(
        &property(lines),
        &format!("v,w\n{}", cells.iter().map(|c| format!("{c},\n")).collect::<String>()),
    );
    let check = only(&report, metric);
    assert_eq!(check.failing_rows, check.samples.len(), "{check:#?}");
    assert_eq!(check.verdict == Verdict::Pass, check.failing_rows == 0, "{check:#?}");
    rows(check)
}

/// Lines of a property, the metric, cells of the column, and the rows that fail.
type Case = (String, &'static str, Vec<&'static str>, Vec<usize>);

/// Every case as it is, then on the rows alone that keep the rule.
fn assert_cases(cases: Vec<Case>) {
    for (lines, metric, cells, expected) in cases {
        assert_eq!(failing(&lines, metric, &cells), expected, "{lines} on {cells:?}");
        let keeps = |row: &usize| !expected.contains(&(row + 1));
        let kept: Vec<&str> = (0..cells.len()).filter(keeps).map(|row| cells[row]).collect();
        assert_eq!(failing(&lines, metric, &kept), Vec::<usize>::new(), "{lines} on {kept:?}");
    }
}

#[test]
fn structural_checks_of_a_property_fail_and_pass() {
    let integer =
        |options: &str| format!("logicalType: integer\nlogicalTypeOptions: {{ {options} }}");
    let number =
        |options: &str| format!("logicalType: number\nlogicalTypeOptions: {{ {options} }}");
    let text = |options: &str| format!("logicalType: string\nlogicalTypeOptions: {{ {options} }}");
    assert_cases(vec![
        ("required: true".into(), "required", vec!["1", "", "\"\"", "NA", "null"], vec![2]),
        ("unique: true".into(), "unique", vec!["a", "b", "", "", "a", "A"], vec![5]),
        (
            "unique: true\nlogicalType: number".into(),
            "unique",
            vec!["1", "1.0", "0.0", "-0", "nan", "NaN", "x", "x"],
            vec![2, 4, 6],
        ),
        (
            "unique: true\nlogicalType: integer".into(),
            "unique",
            vec!["9007199254740993", "9007199254740992", "+9007199254740992"],
            vec![3],
        ),
        (
            "unique: true\nlogicalType: timestamp".into(),
            "unique",
            vec!["2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00Z"],
            vec![2],
        ),
        (integer("minimum: 3"), "minimum", vec!["3", "2", "", "x"], vec![2]),
        (
            integer("maximum: 9223372036854775806"),
            "maximum",
            vec!["9223372036854775806", "9223372036854775807"],
            vec![2],
        ),
        (number("exclusiveMinimum: 0"), "exclusiveMinimum", vec!["0", "1e-300", "nan"], vec![1, 3]),
        (
            number("exclusiveMaximum: 1.5"),
            "exclusiveMaximum",
            vec!["1.5", "1.4999", "inf"],
            vec![1, 3],
        ),
        (number("multipleOf: 0.01"), "multipleOf", vec!["0.07", "1.005", "3"], vec![2]),
        (text("minLength: 2"), "minLength", vec!["é", "éé", "\"\""], vec![1, 3]),
        (text("maxLength: 2"), "maxLength", vec!["😀😀", "abc"], vec![2]),
        (text("pattern: '^\\d+$'"), "pattern", vec!["12", "1a", "١"], vec![2, 3]),
        (text("format: email"), "format", vec!["a@b.c", "a.b"], vec![2]),
        (integer("format: u8"), "format", vec!["255", "256", "-1"], vec![2, 3]),
        (
            "logicalType: date\nlogicalTypeOptions: { minimum: '2024-01-01' }".into(),
            "minimum",
            vec!["2023-12-31", "2024-01-01"],
            vec![1],
        ),
        (
            "logicalType: time\nlogicalTypeOptions: { maximum: '12:00:00' }".into(),
            "maximum",
            vec!["12:00:01", "12:00:00"],
            vec![1],
        ),
        (
            "logicalType: timestamp\nlogicalTypeOptions: { maximum: '2024-01-01T00:00:00Z' }"
                .into(),
            "maximum",
            vec!["2024-01-01T01:00:00+02:00", "2024-01-01T00:00:01"],
            vec![2],
        ),
    ]);
}

#[test]
fn logical_types_read_texts_exactly() {
    let cases = [
        ("integer", vec!["1", "-1", "+1", ""], vec!["1.0", "1e3", "x", "\"\""]),
        ("number", vec!["1", "1.5", "1e3", "nan", "-inf"], vec!["NA", "1,5", "0x1"]),
        ("boolean", vec!["true", "FALSE"], vec!["1", "yes"]),
        ("date", vec!["2024-02-29"], vec!["2023-02-29", "2024-2-1", "2024-01-01T00:00:00Z"]),
        (
            "timestamp",
            vec!["2024-01-01T00:00:00", "2024-01-01T00:00:00.5+01:00"],
            vec!["2024-01-01", "x"],
        ),
        ("time", vec!["23:59:59"], vec!["24:00:00", "1:00:00"]),
        ("string", vec!["x", "\"\"", "1"], vec![]),
    ];
    for (kind, good, bad) in cases {
        let cells: Vec<String> = good
            .iter()
            .chain(&bad)
            .map(|cell| format!("\"{cell}\"").replace("\"\"\"\"", "\"\""))
            .collect();
        let cells: Vec<&str> = cells
            .iter()
            .map(|cell| if *cell == "\"\"" && kind != "string" { "" } else { cell.as_str() })
            .collect();
        let bad_rows: Vec<usize> = bad
            .iter()
            .enumerate()
            .filter(|(_, cell)| **cell != "\"\"")
            .map(|(i, _)| good.len() + i + 1)
            .collect();
        assert_eq!(
            failing(&format!("logicalType: {kind}"), "logicalType", &cells),
            bad_rows,
            "{kind}"
        );
    }
    let german =
        "logicalType: date\nlogicalTypeOptions: { format: dd.MM.yyyy, maximum: '31.12.2024' }";
    assert_eq!(failing(german, "logicalType", &["01.02.2024", "1.2.2024", "2024-02-01"]), [2, 3]);
    assert_eq!(failing(german, "maximum", &["01.02.2024", "01.01.2025", "2030-01-01"]), [2]);
    assert_eq!(failing("logicalType: integer", "logicalType", &["\"\"", ""]), [1]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn quality_metrics_count_what_they_say() {
    let rule = |body: &str| format!("quality:\n  - {{ id: r, {body} }}");
    let typed = |kind: &str, body: &str| format!("logicalType: {kind}\n{}", rule(body));
    assert_cases(vec![
        (
            rule("metric: nullValues, mustBe: 0"),
            "nullValues",
            vec!["a", "", "\"\"", "null"],
            vec![2],
        ),
        (
            rule("metric: missingValues, mustBe: 0, arguments: { missingValues: [null, '', N/A] }"),
            "missingValues",
            vec!["a", "", "\"\"", "N/A", "n/a"],
            vec![2, 3, 4],
        ),
        (
            rule("metric: missingValues, mustBe: 0, arguments: { missingValues: [''] }"),
            "missingValues",
            vec!["", "\"\""],
            vec![2],
        ),
        (
            typed(
                "integer",
                "metric: missingValues, mustBe: 0, arguments: { missingValues: [-1, 'N/A'] }",
            ),
            "missingValues",
            vec!["-1", "-01", "1", "N/A"],
            vec![1, 2],
        ),
        (
            rule("metric: invalidValues, mustBe: 0, arguments: { validValues: [a, b] }"),
            "invalidValues",
            vec!["a", "c", "", "A"],
            vec![2, 4],
        ),
        (
            rule("metric: invalidValues, mustBe: 0, arguments: { validValues: [1, 2.5, true] }"),
            "invalidValues",
            vec!["1", "2.5", "true", "01"],
            vec![4],
        ),
        (
            typed(
                "number",
                "metric: invalidValues, mustBe: 0, arguments: { validValues: [1, 2.5] }",
            ),
            "invalidValues",
            vec!["1.0", "2.50", "3", "x", ""],
            vec![3],
        ),
        (
            rule(
                "metric: invalidValues, mustBe: 0, arguments: { validValues: [a, b, c, d, e, f, g, h, i, j, k, l, m, n] }",
            ),
            "invalidValues",
            vec!["n", "o"],
            vec![2],
        ),
        (
            rule("metric: invalidValues, mustBe: 0, arguments: { pattern: '^x' }"),
            "invalidValues",
            vec!["xa", "ax", ""],
            vec![2],
        ),
        (
            rule(
                "metric: invalidValues, mustBe: 0, arguments: { validValues: [xa, b], pattern: '^x' }",
            ),
            "invalidValues",
            vec!["xa", "b", "xc"],
            vec![2, 3],
        ),
        (
            rule("metric: duplicateValues, mustBe: 0"),
            "duplicateValues",
            vec!["a", "a", "", "", "a"],
            vec![2, 5],
        ),
        (rule("rule: nullValues, mustBe: 0"), "nullValues", vec!["", "a"], vec![1]),
    ]);
}

#[test]
fn the_standards_own_example_has_its_pattern_beside_empty_arguments() {
    let lines = "quality:\n  - metric: invalidValues\n    mustBe: 0\n    arguments:\n    pattern: '^[A-Z]{2}$'";
    assert_eq!(failing(lines, "invalidValues", &["DE", "de"]), [2]);
}

#[test]
fn operators_compare_rows_and_percent() {
    // Two of eight values are null: 25 percent.
    let data = "v,w\n1,\n2,\n3,\n4,\n5,\n6,\n,\n,\n";
    let cases = [
        ("mustBe: 2", true),
        ("mustBe: 3", false),
        ("mustNotBe: 3", true),
        ("mustNotBe: 2", false),
        ("mustBeGreaterThan: 1.5", true),
        ("mustBeGreaterThan: 2", false),
        ("mustBeGreaterOrEqualTo: 2", true),
        ("mustBeGreaterOrEqualTo: 3", false),
        ("mustBeLessThan: 3", true),
        ("mustBeLessThan: 2", false),
        ("mustBeLessOrEqualTo: 2", true),
        ("mustBeLessOrEqualTo: 1", false),
        ("mustBeBetween: [1, 3]", true),
        ("mustBeBetween: [2, 3]", false),
        ("mustBeBetween: [1, 2]", false),
        ("mustNotBeBetween: [2, 3]", true),
        ("mustNotBeBetween: [1, 3]", false),
        ("mustBe: 25, unit: percent", true),
        ("mustBeLessThan: 25, unit: percent", false),
        ("mustBe: 2, unit: rows", true),
    ];
    for (operator, holds) in cases {
        let report =
            check(&property(&format!("quality: [{{ metric: nullValues, {operator} }}]")), data);
        let check = only(&report, "nullValues");
        assert_eq!(check.verdict == Verdict::Pass, holds, "{operator}");
        assert_eq!(check.failing_rows, 2, "{operator}");
        assert_eq!(rows(check), if holds { vec![] } else { vec![7, 8] }, "{operator}");
    }
    let empty =
        check(&property("quality: [{ metric: nullValues, mustBe: 0, unit: percent }]"), "v\n");
    assert_eq!((empty.verdict, empty.rows), (Verdict::Pass, 0));
    assert_eq!(
        only(&empty, "nullValues").observed.as_ref().and_then(serde_json::Number::as_f64),
        Some(0.0)
    );
}

#[test]
fn severity_makes_a_warning_and_texts_decide_nothing() {
    let report = |severity: &str| {
        check(
            &property(&format!(
                "quality: [{{ metric: nullValues, mustBe: 0, severity: {severity} }}]"
            )),
            "v,w\n,1\n",
        )
        .verdict
    };
    assert_eq!(
        [report("warning"), report("info"), report("error"), report("high")],
        [Verdict::Warn, Verdict::Warn, Verdict::Fail, Verdict::Fail]
    );
    let text = check(&property("quality: [{ type: text, description: be nice }]"), "v,w\n,1\n");
    let check = only(&text, "text");
    assert_eq!(
        (text.verdict, check.observed.clone(), check.expected.as_str()),
        (Verdict::Pass, None, "be nice")
    );
}

#[test]
fn checks_of_the_table_fail_and_pass() {
    let schema = "  - name: t
    properties:
      - { name: a, primaryKey: true, primaryKeyPosition: 2, logicalType: integer }
      - { name: b, primaryKey: true, primaryKeyPosition: 1 }
    quality:
      - { id: rows, metric: rowCount, mustBeBetween: [2, 5] }
      - { id: pairs, metric: duplicateValues, mustBe: 0, arguments: { properties: [a, b] } }
";
    let bad = check(schema, "a,b\n1,x\n01,x\n1,\n1,y\n,\n");
    let key = only(&bad, "primaryKey");
    assert_eq!((key.column.clone(), key.failing_rows, rows(key)), (None, 3, vec![2, 3, 5]));
    assert_eq!(key.expected, "unique and not null: b, a");
    assert_eq!(key.samples[0].first_row, Some(1));
    let pairs = only(&bad, "duplicateValues");
    assert_eq!((pairs.id.as_str(), pairs.column.clone(), rows(pairs)), ("pairs", None, vec![2]));
    let count = only(&bad, "rowCount");
    assert_eq!((count.failing_rows, count.verdict, count.samples.len()), (0, Verdict::Fail, 0));
    assert_eq!(count.observed.as_ref().and_then(serde_json::Number::as_u64), Some(5));
    let good = check(schema, "a,b\n1,x\n1,y\n2,x\n");
    assert_eq!(good.verdict, Verdict::Pass);
}

#[test]
fn an_absent_column_fails_all_rows_and_nothing_else_of_it_is_checked() {
    let schema = property(
        "physicalName: V\nlogicalType: integer\nrequired: true\nquality: [{ metric: nullValues, mustBe: 0 }]",
    );
    let report = check(&schema, "v\n1\n2\n3\n4\n5\n6\n");
    assert_eq!(report.checks.len(), 1);
    let check = only(&report, "column");
    assert_eq!(
        (check.column.as_deref(), check.failing_rows, rows(check)),
        (Some("v"), 6, vec![1, 2, 3, 4, 5])
    );
    assert_eq!(self::check(&schema, "v\n").verdict, Verdict::Fail);
    assert_eq!(self::check(&schema, "V,w\n1,\n").verdict, Verdict::Pass);
}

const ORDERS: &str = "  - name: orders
    properties:
      - { name: id, logicalType: integer }
      - name: customer
        logicalType: integer
        relationships: [{ type: foreignKey, to: TO }]
  - name: customers
    id: cust
    properties: [{ name: key, id: k, physicalName: customer_id, logicalType: integer }]
";

#[test]
fn foreign_keys_fail_and_pass() {
    for to in ["customers.key", "schema/cust/properties/k"] {
        let schema = ORDERS.replace("TO", to);
        let customers = [("customers", "customer_id\n1\n02\n\n")];
        let bad = check_with(&schema, "id,customer\n1,1\n2,2\n3,3\n4,\n5,x\n", &customers);
        let key = only(&bad, "foreignKey");
        assert_eq!((key.column.as_deref(), rows(key)), (Some("customer"), vec![3]));
        assert_eq!(
            only(&check_with(&schema, "id,customer\n1,1\n2,2\n", &customers), "foreignKey").verdict,
            Verdict::Pass
        );
    }
    let composite = "  - name: t
    properties: [{ name: a }, { name: b }]
    relationships: [{ from: [t.a, b], to: [other.x, other.y] }]
";
    let other = [("other", "x,y\n1,2\n2,1\n")];
    let report = check_with(composite, "a,b\n1,2\n1,1\n1,\n2,1\n", &other);
    let key = only(&report, "foreignKey");
    assert_eq!((key.column.clone(), rows(key)), (None, vec![2]));
    assert_eq!(check_with(composite, "a,b\n1,2\n", &other).verdict, Verdict::Pass);
    let itself = "  - name: t\n    properties: [{ name: id }, { name: boss, relationships: [{ to: t.id }] }]\n";
    assert_eq!(rows(only(&check(itself, "id,boss\n1,\n2,1\n3,9\n"), "foreignKey")), [3]);
}

#[test]
fn what_the_caller_left_out_is_an_error_not_a_verdict() {
    let schema = ORDERS.replace("TO", "customers.key");
    let contract = contract(&schema);
    let data = csv("id,customer\n1,1\n");
    let error = |options: &ValidateOptions| {
        validate(&contract, &data, options).expect_err("refused").to_string()
    };
    let needs = "rule 'customer.foreignKey' needs the data of 'customers'; name its file among the other tables, as customers=FILE";
    assert_eq!(error(&ValidateOptions::default()), needs);
    let lacking: IndexMap<_, _> = [("customers".to_owned(), csv("x\n1\n"))].into_iter().collect();
    let lacks = "rule 'customer.foreignKey': data.csv has no column 'customer_id'; it has x";
    assert_eq!(error(&ValidateOptions { tables: lacking, ..ValidateOptions::default() }), lacks);
    let unknown = ValidateOptions { schema: Some("x".to_owned()), ..ValidateOptions::default() };
    assert_eq!(error(&unknown), "the contract has no schema 'x'; it has orders, customers");
}

#[test]
fn rules_about_examples_fail_and_pass() {
    let rule = |body: &str| {
        format!(
            "  - name: t
    properties: [{{ name: a }}, {{ name: b }}, {{ name: y, logicalType: integer }}]
    quality: [{{ type: custom, engine: pawl, {body} }}]
"
        )
    };
    let overlap = rule("implementation: { rule: trainTestOverlap, table: train, columns: [a, b] }");
    let data = "a,b,y\n1,,0\n1,2,1\n1,2,0\n3,3,1\n";
    let train = |text: &'static str| [("train", text)];
    assert_eq!(
        rows(only(&check_with(&overlap, data, &train("b,a\n,1\n3,3\n")), "trainTestOverlap")),
        [1, 4]
    );
    assert_eq!(check_with(&overlap, data, &train("b,a\n\"\",1\n3,4\n")).verdict, Verdict::Pass);
    let conflict = rule("implementation: 'rule: conflictingLabels\n\n  label: y > 0'");
    assert_eq!(rows(only(&check(&conflict, data), "conflictingLabels")), [2, 3]);
    assert_eq!(check(&conflict, "a,b,y\n1,2,1\n1,3,0\n1,2,2\n").verdict, Verdict::Pass);
    let balance =
        rule("implementation: { rule: classBalance, label: y > 0 }, mustBeGreaterThan: 30");
    assert_eq!(check(&balance, data).verdict, Verdict::Pass);
    let report = check(&balance, "a,b,y\n1,1,1\n1,1,1\n1,1,1\n1,1,0\n");
    let found = only(&report, "classBalance");
    assert_eq!(
        (found.verdict, found.observed.as_ref().and_then(serde_json::Number::as_f64)),
        (Verdict::Fail, Some(25.0))
    );
    let unlabelled = check(&balance, "a,b,y\n1,1,\n");
    assert_eq!(unlabelled.verdict, Verdict::Error);
    let reason = "data.csv: row 1, column 'y' is null, so the row has no label";
    assert_eq!(unlabelled.checks.last().and_then(|check| check.reason.as_deref()), Some(reason));
}

#[test]
fn a_pattern_that_would_never_end_is_an_error_that_names_it() {
    let schema = property(
        "quality:\n  - { metric: invalidValues, mustBe: 0, arguments: { pattern: '^((a+)\\2?)+$' } }",
    );
    let report = check(&schema, &format!("v,w\naa,\n{}!,\n", "a".repeat(50)));
    let check = only(&report, "invalidValues");
    assert_eq!(
        (report.verdict, check.verdict, rows(check)),
        (Verdict::Error, Verdict::Error, vec![2])
    );
    assert!(
        check.reason.as_deref().is_some_and(|reason| reason.contains(r"^((a+)\2?)+$")),
        "{check:?}"
    );
}

#[test]
fn the_report_has_exactly_the_documented_shape() {
    let schema = property(
        "logicalType: integer\nquality: [{ id: few, metric: nullValues, mustBeLessThan: 50, unit: percent, severity: warning }]",
    );
    let report = check(&schema, "v,w\n1,\n,\n,\nx,\n");
    let expected = r#"{"verdict":"fail","rows":4,"checks":[{"id":"v.logicalType","column":"v","metric":"logicalType","severity":"error","expected":"integer","observed":1,"failing_rows":1,"samples":[{"row":4,"values":{"v":"x"}}],"verdict":"fail"},{"id":"few","column":"v","metric":"nullValues","severity":"warning","expected":"mustBeLessThan 50 percent","observed":50.0,"failing_rows":2,"samples":[{"row":2,"values":{"v":null}},{"row":3,"values":{"v":null}}],"verdict":"warn"}]}"#;
    assert_eq!(serde_json::to_string(&report).expect("serialises"), expected);
    let back: ValidationReport = serde_json::from_str(expected).expect("parses");
    assert_eq!(back, report);
}

#[test]
fn ids_are_unique_and_the_schema_can_be_chosen() {
    let schema = "  - name: one
    properties: [{ name: v, quality: [{ metric: nullValues, mustBe: 0 }, { metric: nullValues, mustBe: 1 }] }]
  - { name: two, physicalName: second, properties: [{ name: w }] }
";
    let report = check(schema, "v,w\n1,1\n");
    let ids: Vec<&str> = report.checks.iter().map(|check| check.id.as_str()).collect();
    assert_eq!(ids, ["v.nullValues", "v.nullValues#2"]);
    let options =
        ValidateOptions { schema: Some("second".to_owned()), ..ValidateOptions::default() };
    assert!(
        validate(&contract(schema), &csv("w,x\n1,1\n"), &options)
            .expect("checked")
            .checks
            .is_empty()
    );
}

fn problems(schema: &str) -> Vec<String> {
    let error = Contract::parse("c.odcs.yaml", &format!("{HEAD}{schema}")).expect_err(schema);
    error.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn every_problem_of_a_contract_is_named_with_its_place() {
    let schema = "  - name: t
    propertys: []
    properties:
      - name: v
        requierd: true
        required: yes
        logicalType: int
      - name: v
        logicalType: string
        logicalTypeOptions: { minimum: 1, minLength: x, pattern: '(' }
    quality:
      - { metric: rowCount }
      - { metric: nullValues, mustBe: 0 }
      - { type: sql, query: SELECT 1, mustBe: 1 }
      - { type: custom, engine: soda, implementation: x }
      - { metric: duplicateValues, mustBe: 0, mustNotBe: 1, arguments: { properties: [z] } }
      - { metric: rowCount, mustBeBetween: [3, 1], unit: metres }
";
    let expected = [
        "8:5: unknown key 'propertys' in a schema (did you mean 'properties'?)",
        "11:9: unknown key 'requierd' in a property (did you mean 'required'?)",
        "12:19: 'required' must be true or false, not text",
        "13:22: unknown logicalType 'int'; it is one of string, date, timestamp, time, number, integer, object, array, boolean",
        "14:9: property 'v' stands twice",
        "16:31: unknown key 'minimum' in logicalTypeOptions of a property of type string",
        "16:54: 'minLength' must be an integer, not text",
        "16:66: pattern '(' is not valid",
        "18:9: a quality rule has exactly one operator; this one has none",
        "19:9: nullValues belongs under a property, not under a schema",
        "20:9: a quality rule of type sql is not supported: this program has no SQL",
        "21:9: engine 'soda' is not supported",
        "22:9: a quality rule has exactly one operator; this one has mustBe and mustNotBe",
        "22:87: 'z' is no property of this schema",
        "23:44: 'mustBeBetween' must be two different numbers, the smaller first",
        "23:58: unknown unit 'metres'; it is rows or percent",
    ];
    let found = problems(schema);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (line, wanted) in found.iter().zip(&expected) {
        assert!(line.starts_with(&format!("c.odcs.yaml:{wanted}")), "{line}\nwanted {wanted}");
    }
}

#[test]
fn single_refusals() {
    let cases = [
        (property("logicalTypeOptions: { minimum: 1 }"), "need a logicalType"),
        (property("logicalType: integer\nlogicalTypeOptions: { minimum: '1' }"), "'minimum' must be a number"),
        (property("logicalType: date\nlogicalTypeOptions: { minimum: 2024 }"), "'minimum' must be a date in quotes"),
        (property("logicalType: number\nlogicalTypeOptions: { multipleOf: 0 }"), "greater than 0"),
        (property("logicalType: string\nlogicalTypeOptions: { format: phone }"), "unknown format 'phone'"),
        (property("logicalType: date\nlogicalTypeOptions: { format: 'yyyy-DDD' }"), "has 'DDD', which is not supported"),
        (property("logicalType: timestamp\nlogicalTypeOptions: { defaultTimezone: Europe/Berlin }"), "is not supported; write UTC"),
        (property("logicalType: array\nlogicalTypeOptions: { minLength: 1 }"), "unknown key 'minLength'"),
        (property("quality: [{ metric: nullRatio, mustBe: 0 }]"), "unknown metric 'nullRatio'"),
        (property("quality: [{ metric: missingValues, mustBe: 0 }]"), "missingValues needs arguments"),
        (property("quality: [{ metric: nullValues, mustBe: 0, pattern: x }]"), "'pattern' does not belong"),
        (property("quality: [{ type: text, mustBe: 0 }]"), "has no operator"),
        (property("quality: [{ metric: nullValues, mustBe: many }]"), "'mustBe' must be a number"),
        (property("relationships: [{ to: nowhere }]"), "write table.column"),
        (property("relationships: [{ type: partOf, to: a.b }]"), "'partOf' is not supported"),
        ("  - { name: t, properties: [{ name: v }], relationships: [{ from: [v], to: [a.b, a.c] }] }\n".into(), "as many columns"),
        ("  - { name: t, quality: [{ type: custom, engine: pawl, implementation: { rule: magic } }] }\n".into(), "rule 'magic'"),
        ("  - { name: t, quality: [{ type: custom, engine: pawl, implementation: { rule: classBalance, label: z > 0 }, mustBe: 1 }] }\n".into(), "'z', which is no property"),
        ("  []\n".into(), "no schema"),
    ];
    for (schema, wanted) in cases {
        let found = problems(&schema);
        assert!(found.iter().any(|line| line.contains(wanted)), "wanted {wanted}, got {found:#?}");
    }
    let whole = |text: &str| Contract::parse("c", text).expect_err(text).to_string();
    assert!(whole("").starts_with("c:1:1: the contract must be a mapping, not nothing"));
    assert!(whole("a: [").starts_with("c:1:"));
    assert!(
        whole(&HEAD.replace("1.0.0", "1.0"))
            .contains("c:4:10: 'version' must be text (put it in quotes), not a number")
    );
    assert!(
        whole(&HEAD.replace("v3.1.0", "v2.2.2")).contains("apiVersion 'v2.2.2' is not supported")
    );
}

#[test]
fn checks_that_cannot_fail_are_known() {
    let idle = |lines: &str, data: &str| -> Vec<String> {
        let report = check(&property(lines), data);
        report.checks.into_iter().filter(|check| check.idle).map(|check| check.metric).collect()
    };
    let rule = |operator: &str| format!("quality: [{{ metric: nullValues, {operator} }}]");
    for (operator, cannot) in [
        ("mustBe: 0", false),
        ("mustBeGreaterOrEqualTo: 0", true),
        ("mustBeLessThan: 4", true),
        ("mustBeLessThan: 3", false),
        ("unit: percent, mustBeLessOrEqualTo: 100", true),
        ("unit: percent, mustBeLessThan: 100", false),
        ("mustNotBe: -1", true),
        ("mustNotBe: 2", false),
        ("mustNotBeBetween: [5, 9]", true),
        ("mustNotBeBetween: [1, 3]", false),
    ] {
        assert_eq!(!idle(&rule(operator), "v,w\n1,\n2,\n3,\n").is_empty(), cannot, "{operator}");
    }
    let bounded = "logicalType: integer\nlogicalTypeOptions: { minimum: 0 }";
    assert_eq!(idle(bounded, "v,w\n,\nx,\n"), ["minimum"]);
    assert_eq!(idle(bounded, "v,w\n1,\n"), Vec::<String>::new());
}

#[test]
fn categories_that_another_table_lacks_are_new() {
    let rule = "      - { id: new, type: custom, engine: pawl, implementation: { rule: newCategories, table: train, column: v } }";
    let schema = format!(
        "  - name: t\n    properties: [{{ name: v, logicalType: string }}]\n    quality:\n{rule}\n"
    );
    let train = [("train", "v,w\na,\nb,\n")];
    let report = check_with(&schema, "v,w\na,\nc,\n,\nb,\nc,\n", &train);
    let new = only(&report, "newCategories");
    assert_eq!((new.verdict, new.failing_rows, rows(new)), (Verdict::Fail, 2, vec![2, 5]));
    let report = check_with(&schema, "v,w\na,\nb,\n,\n", &train);
    assert_eq!(only(&report, "newCategories").verdict, Verdict::Pass);
}
