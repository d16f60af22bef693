//! Rules about what stands in objects and arrays of JSON Lines: each once broken and once kept, and what is refused.

use pawl_data::{
    Contract, Effect, Format, Shard, Source, ValidateError, ValidateOptions, ValidationReport,
    Verdict, diff_contracts, infer, merge_states, validate, validate_shard,
};

const HEAD: &str = "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\nschema:\n  - name: t\n    properties:\n";

/// A table `t` with these lines of properties.
fn contract(properties: &str) -> Contract {
    let lines: String = properties.lines().map(|line| format!("      {line}\n")).collect();
    Contract::parse("c.yaml", &format!("{HEAD}{lines}")).unwrap_or_else(|error| panic!("{error}"))
}

fn problems(properties: &str) -> Vec<String> {
    let lines: String = properties.lines().map(|line| format!("      {line}\n")).collect();
    let error = Contract::parse("c.yaml", &format!("{HEAD}{lines}")).expect_err("refused");
    error.problems.into_iter().map(|problem| problem.message).collect()
}

fn jsonl(text: &str) -> Source {
    Source::from_bytes("d.jsonl", Format::JsonLines, text.into())
}

fn check(properties: &str, data: &str) -> ValidationReport {
    validate(&contract(properties), &jsonl(data), &ValidateOptions::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The checks that do not pass: id, failing rows, rows of the samples.
fn broken(report: &ValidationReport) -> Vec<(&str, usize, Vec<usize>)> {
    let bad = report.checks.iter().filter(|check| check.verdict != Verdict::Pass);
    let rows = |check: &pawl_data::Check| check.samples.iter().map(|sample| sample.row).collect();
    bad.map(|check| (check.id.as_str(), check.failing_rows, rows(check))).collect()
}

fn ids(report: &ValidationReport) -> Vec<&str> {
    report.checks.iter().map(|check| check.id.as_str()).collect()
}

const ADDRESS: &str = "- name: address
  logicalType: object
  properties:
    - { name: street, logicalType: string, required: true, logicalTypeOptions: { maxLength: 5 } }
    - name: geo
      physicalName: position
      logicalType: object
      properties:
        - { name: lat, logicalType: number, logicalTypeOptions: { minimum: -90, maximum: 90 } }";

#[test]
fn keys_of_objects_are_checked_by_their_path() {
    let data = r#"{"address": {"street": "Elm", "position": {"lat": 91}}}
{"address": {"street": null}}
{"address": {"position": {"lat": "x"}}}
{"address": null}
{}
{"address": {"street": "Longer", "position": {"lat": -90.0}}}
{"address": "text"}
{"address": {"street": 5, "position": null}}
"#;
    let report = check(ADDRESS, data);
    let expected = [
        ("address.logicalType", 1, vec![7]),
        ("address.street.logicalType", 1, vec![8]),
        ("address.street.required", 2, vec![2, 3]),
        ("address.street.maxLength", 1, vec![6]),
        ("address.geo.lat.logicalType", 1, vec![3]),
        ("address.geo.lat.maximum", 1, vec![1]),
    ];
    assert_eq!(broken(&report), expected);
    assert_eq!(report.checks[3].column.as_deref(), Some("address.street"));
    let shown = &report.checks.iter().find(|c| c.id == "address.geo.lat.maximum").unwrap().samples;
    assert_eq!(shown[0].values["address.geo.lat"].as_deref(), Some("91"));
    let kept = r#"{"address": {"street": "Elm", "position": {"lat": 90}}}"#;
    assert_eq!(broken(&check(ADDRESS, kept)), []);
}

#[test]
fn a_key_that_no_object_has_is_an_absent_column() {
    let report = check(ADDRESS, "{\"address\": {\"steet\": \"a\"}}\n{}\n{\"address\": {}}\n");
    let expected =
        [("address.street.column", 2, vec![1, 3]), ("address.geo.column", 2, vec![1, 3])];
    assert_eq!(broken(&report), expected);
    assert_eq!(ids(&report).len(), 3);
    // Where there is no object, nothing lacks a key.
    let report = check(ADDRESS, "{\"address\": null}\n");
    assert_eq!(broken(&report), []);
    assert!(ids(&report).contains(&"address.geo.lat.minimum"));
    // An absent column is all that is said of what would stand in it.
    assert_eq!(broken(&check(ADDRESS, "{\"a\": 1}\n")), [("address.column", 1, vec![1])]);
}

const TAGS: &str = "- name: tags
  logicalType: array
  logicalTypeOptions: { minItems: 1, maxItems: 3, uniqueItems: true }
  items:
    name: tag
    logicalType: string
    required: true
    logicalTypeOptions: { pattern: '^[a-z]+$' }
    quality:
      - { id: known, metric: invalidValues, mustBeLessThan: 2, arguments: { validValues: [a, b, c] } }";

#[test]
fn a_row_counts_once_however_many_items_are_bad() {
    let data = r#"{"tags": ["a", "b", "c"]}
{"tags": []}
{"tags": ["a", "A", "B", "b"]}
{"tags": ["a", "a"]}
{"tags": ["x", null, 1]}
{"tags": null}
{"tags": [1, 1.0]}
"#;
    let expected = [
        ("tags.minItems", 1, vec![2]),
        ("tags.maxItems", 1, vec![3]),
        ("tags.uniqueItems", 2, vec![4, 7]),
        ("tags[].logicalType", 2, vec![5, 7]),
        ("tags[].required", 1, vec![5]),
        ("tags[].pattern", 1, vec![3]),
        ("known", 2, vec![3, 5]),
    ];
    assert_eq!(broken(&check(TAGS, data)), expected);
    assert_eq!(broken(&check(TAGS, "{\"tags\": [\"a\", \"c\"]}\n")), []);
}

const LINES: &str = "- name: lines
  logicalType: array
  logicalTypeOptions: { uniqueItems: true }
  items:
    logicalType: object
    logicalTypeOptions: { minProperties: 1, maxProperties: 2, required: [sku, qty] }
    properties:
      - { name: qty, logicalType: integer, logicalTypeOptions: { minimum: 1 } }";

#[test]
fn objects_in_arrays_have_their_rules_too() {
    let data = r#"{"lines": [{"sku": "a", "qty": 1}, {"sku": "b", "qty": 0}]}
{"lines": [{}]}
{"lines": [{"sku": "a", "qty": 2, "note": ""}]}
{"lines": [{"sku": null, "qty": null}]}
{"lines": [{"sku": "a", "qty": 2}, {"qty": 2.0, "sku": "a"}]}
"#;
    let expected = [
        ("lines.uniqueItems", 1, vec![5]),
        ("lines[].minProperties", 1, vec![2]),
        ("lines[].maxProperties", 1, vec![3]),
        ("lines[].requiredProperties", 1, vec![2]),
        ("lines[].qty.logicalType", 1, vec![5]),
        ("lines[].qty.minimum", 1, vec![1]),
    ];
    assert_eq!(broken(&check(LINES, data)), expected);
    assert_eq!(broken(&check(LINES, "{\"lines\": [{\"sku\": \"a\", \"qty\": 1}]}\n")), []);
}

#[test]
fn objects_are_equal_by_value() {
    let unique = "- { name: o, logicalType: object, unique: true }";
    let data =
        "{\"o\": {\"a\": 1, \"b\": [2]}}\n{\"o\": {\"b\": [2.0], \"a\": 1}}\n{\"o\": {\"a\": 2}}\n";
    assert_eq!(broken(&check(unique, data)), [("o.unique", 1, vec![2])]);
    assert_eq!(broken(&check(unique, "{\"o\": {\"a\": 1}}\n{\"o\": {\"a\": \"1\"}}\n")), []);
}

#[test]
fn what_is_personal_inside_is_hidden_outside() {
    let personal = "- name: who
  logicalType: object
  logicalTypeOptions: { maxProperties: 1 }
  properties:
    - { name: mail, logicalType: string, classification: pii, logicalTypeOptions: { maxLength: 1 } }";
    let report = check(personal, "{\"who\": {\"mail\": \"secret\", \"x\": 1}}\n");
    assert_eq!(broken(&report).len(), 2);
    assert!(!format!("{report:?}").contains("secret"), "{report:?}");
}

#[test]
fn what_cannot_be_carried_out_is_refused_with_its_place() {
    let cases = [
        (
            "- name: o\n  logicalType: object\n  properties:\n    - { name: a, unique: true }",
            "'unique' of 'o.a' is not supported: only columns are compared across rows",
        ),
        (
            "- name: o\n  logicalType: object\n  properties:\n    - { name: a, primaryKey: true }",
            "'primaryKey' of 'o.a' is not supported: only columns are compared across rows",
        ),
        (
            "- name: o\n  logicalType: array\n  items: { relationships: [{ to: x.y }] }",
            "'relationships' of 'o[]' is not supported: only columns are compared across rows",
        ),
        (
            "- name: o\n  logicalType: array\n  items: { quality: [{ metric: duplicateValues, mustBe: 0 }] }",
            "duplicateValues belongs under a column, not under what stands in one",
        ),
        (
            "- { name: o, properties: [{ name: a }] }",
            "'properties' of 'o' need 'logicalType: object'",
        ),
        (
            "- { name: o, logicalType: object, items: { logicalType: string } }",
            "'items' of 'o' need 'logicalType: array'",
        ),
        (
            "- { name: o, logicalType: object, logicalTypeOptions: { required: sku } }",
            "'required' must be a list of names, not text",
        ),
        (
            "- name: o\n  logicalType: object\n  properties: [{ name: a }, { name: a }]",
            "property 'o.a' stands twice",
        ),
    ];
    for (properties, message) in cases {
        assert_eq!(problems(properties), [message], "{properties}");
    }
}

#[test]
fn other_formats_are_refused_by_name() {
    let csv = Source::from_bytes("d.csv", Format::Csv { delimiter: b',' }, b"tags\n1\n".to_vec());
    let refusal = |properties: &str| {
        validate(&contract(properties), &csv, &ValidateOptions::default()).map(|_| ())
    };
    let error = refusal(TAGS).expect_err("refused");
    assert!(matches!(error, ValidateError::NotNested { .. }) && !error.is_environment());
    let end = "cannot be checked in d.csv: only in JSON Lines rules look into objects and arrays";
    assert_eq!(error.to_string(), format!("'minItems' of 'tags' {end}"));
    let error = refusal(ADDRESS).expect_err("refused");
    assert_eq!(error.to_string(), format!("'properties' of 'address' {end}"));
    assert!(refusal("- { name: tags, logicalType: array }").is_ok());
}

#[test]
fn shards_count_what_one_counts() {
    let mut data = String::new();
    for row in 0..60_000 {
        data.push_str(&format!(
            "{{\"tags\": [\"a\", {}, \"{}\"], \"fill\": \"{:40}\"}}\n",
            if row % 7 == 0 { "null" } else { "\"b\"" },
            if row % 11 == 0 { "X" } else { "c" },
            row
        ));
    }
    let (contract, source) = (contract(TAGS), jsonl(&data));
    let options = ValidateOptions { threads: 2, ..ValidateOptions::default() };
    let whole = validate(&contract, &source, &options).unwrap();
    let counts: Vec<_> = broken(&whole).into_iter().map(|(id, count, _)| (id, count)).collect();
    assert_eq!(counts, [("tags[].required", 8572), ("tags[].pattern", 5455), ("known", 5455)]);
    let folder = tempfile::tempdir().unwrap();
    let states: Vec<_> = (0..3).map(|index| folder.path().join(index.to_string())).collect();
    for (index, state) in states.iter().enumerate() {
        let shard = Shard { index: index as u64, count: 3 };
        validate_shard(&contract, &source, &options, shard, state).unwrap();
    }
    assert_eq!(merge_states(&contract, &options, &states).unwrap(), whole);
}

#[test]
fn differences_inside_are_told() {
    let new = TAGS.replace("maxItems: 3", "maxItems: 4").replace("    required: true\n", "");
    let changes = diff_contracts(&contract(TAGS), &contract(&new));
    let told: Vec<_> =
        changes.iter().map(|c| (c.place.as_str(), c.what.as_str(), c.effect)).collect();
    let expected =
        [("t.tags", "maxItems", Effect::Loosened), ("t.tags[]", "required", Effect::Loosened)];
    assert_eq!(told, expected);
}

#[test]
fn a_draft_of_nested_data_holds_for_it() {
    let data = jsonl("{\"o\": {\"a\": 1}, \"l\": [1]}\n{\"o\": {}, \"l\": []}\n");
    let options = ValidateOptions::default();
    let draft = infer(&data, "t", &options).unwrap();
    assert!(draft.contains("logicalType: object") && draft.contains("logicalType: array"));
    let report = validate(&Contract::parse("c", &draft).unwrap(), &data, &options).unwrap();
    assert_eq!(broken(&report), []);
}
