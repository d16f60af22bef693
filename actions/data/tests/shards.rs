//! Counting in parts and on several machines gives what one count gives, and both give what a plain loop finds.

use std::collections::HashMap;
use std::path::PathBuf;

use indexmap::IndexMap;
use pawl_data::{
    Contract, Format, Shard, Source, ValidateOptions, ValidationReport, merge_states, validate,
    validate_shard,
};
use proptest::prelude::*;

const CSV: Format = Format::Csv { delimiter: b',' };

const CONTRACT: &str = "apiVersion: v3.1.0
kind: DataContract
id: c
version: 1.0.0
status: active
schema:
  - name: t
    properties:
      - name: a
        logicalType: integer
        required: true
        unique: true
        logicalTypeOptions: { minimum: 2, exclusiveMaximum: 7 }
        relationships: [{ to: known.id }]
      - name: b
        logicalType: string
        logicalTypeOptions: { minLength: 1, pattern: 'x' }
        quality:
          - { metric: invalidValues, mustBe: 0, arguments: { validValues: [x, yx] } }
          - { metric: missingValues, mustBe: 0, arguments: { missingValues: [null, NA] } }
          - { metric: duplicateValues, unit: percent, mustBeLessThan: 50 }
    quality:
      - { metric: rowCount, mustBeGreaterThan: 3 }
      - { metric: duplicateValues, mustBe: 0, arguments: { properties: [a, b] } }
      - type: custom
        engine: pawl
        implementation: { rule: conflictingLabels, label: \"b == 'x'\", features: [a] }
        mustBeLessThan: 2
";

fn contract() -> Contract {
    Contract::parse("c.yaml", CONTRACT).unwrap_or_else(|error| panic!("{error}"))
}

fn options() -> ValidateOptions {
    let known = Source::from_bytes("known.csv", CSV, b"id\n1\n2\n3\n".to_vec());
    let tables = IndexMap::from([("known".to_owned(), known)]);
    ValidateOptions { tables, threads: 2, ..ValidateOptions::default() }
}

/// Rows as texts of a CSV field; `None` is a null.
type Rows = Vec<(Option<&'static str>, Option<&'static str>)>;

fn rows() -> impl Strategy<Value = Rows> {
    let a = prop::sample::select(vec![
        None,
        Some("1"),
        Some("2"),
        Some("03"),
        Some("3"),
        Some("8"),
        Some("z"),
        Some("7"),
    ]);
    let b =
        prop::sample::select(vec![Some("x"), Some("\"\""), Some("yx"), Some("NA"), Some("\"x\"")]);
    prop::collection::vec((a, b), 0..60)
}

fn text(rows: &Rows) -> String {
    let row = |(a, b): &(Option<&str>, Option<&str>)| {
        format!("{},{}\n", a.unwrap_or_default(), b.unwrap_or_default())
    };
    format!("a,b\n{}", rows.iter().map(row).collect::<String>())
}

/// What a plain loop finds: failing rows by check, in the report's order.
fn oracle(rows: &Rows) -> Vec<usize> {
    let a: Vec<Option<Option<i64>>> =
        rows.iter().map(|(a, _)| a.map(|text| text.parse().ok())).collect();
    let b: Vec<String> =
        rows.iter().map(|(_, b)| b.unwrap_or_default().trim_matches('"').to_owned()).collect();
    let whole: Vec<i64> = a.iter().filter_map(|a| a.flatten()).collect();
    let count = |test: &dyn Fn(i64) -> bool| whole.iter().filter(|a| test(**a)).count();
    let texts = |test: &dyn Fn(&str) -> bool| b.iter().filter(|b| test(b)).count();
    let distinct = |values: Vec<String>| {
        let total = values.len();
        total - values.into_iter().collect::<std::collections::HashSet<_>>().len()
    };
    let pairs = a.iter().zip(&b).filter_map(|(a, b)| Some(format!("{}|{b}", a.flatten()?)));
    // Features compare as they stand where their type cannot read them; a null is a value of its own.
    let feature = |row: usize| match (a[row], rows[row].0) {
        (Some(Some(number)), _) => number.to_string(),
        (_, text) => format!("{text:?}"),
    };
    let mut labels: HashMap<String, [bool; 2]> = HashMap::new();
    for (row, text) in b.iter().enumerate() {
        labels.entry(feature(row)).or_default()[usize::from(text == "x")] = true;
    }
    vec![
        a.iter().filter(|a| **a == Some(None)).count(),
        a.iter().filter(|a| a.is_none()).count(),
        distinct(whole.iter().map(i64::to_string).collect()),
        count(&|a| a < 2),
        count(&|a| a >= 7),
        count(&|a| !(1..=3).contains(&a)),
        0,
        texts(&|b| b.is_empty()),
        texts(&|b| !b.contains('x')),
        texts(&|b| b != "x" && b != "yx"),
        texts(&|b| b == "NA"),
        distinct(b.clone()),
        0,
        distinct(pairs.collect()),
        (0..rows.len()).filter(|row| labels[&feature(*row)] == [true, true]).count(),
    ]
}

/// The report put together from `count` shards.
fn sharded(source: &Source, count: u64, order: &[u64]) -> ValidationReport {
    let folder = tempfile::tempdir().expect("a folder");
    let state = |index: u64| folder.path().join(format!("{index}.state"));
    for index in 0..count {
        validate_shard(&contract(), source, &options(), Shard { index, count }, &state(index))
            .unwrap_or_else(|error| panic!("{error}"));
    }
    let states: Vec<PathBuf> = order.iter().map(|index| state(*index)).collect();
    merge_states(&contract(), &options(), &states).unwrap_or_else(|error| panic!("{error}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn counts_are_those_of_a_plain_loop(rows in rows()) {
        let source = Source::from_bytes("d.csv", CSV, text(&rows).into_bytes());
        let report = validate(&contract(), &source, &options()).expect("a report");
        let failing: Vec<usize> = report.checks.iter().map(|check| check.failing_rows).collect();
        prop_assert_eq!(failing, oracle(&rows), "{}", text(&rows));
        for check in report.checks.iter().filter(|check| check.failing_rows > 0) {
            let mut shown: Vec<usize> = check.samples.iter().map(|sample| sample.row).collect();
            if check.verdict != pawl_data::Verdict::Pass {
                prop_assert_eq!(shown.len(), check.failing_rows.min(5));
                shown.dedup();
                prop_assert_eq!(shown.len(), check.failing_rows.min(5));
                prop_assert!(shown.is_sorted() && shown.iter().all(|row| *row <= rows.len()));
            }
        }
    }
}

#[test]
fn shards_in_any_order_give_the_report_of_one() {
    let mut data = String::from("a,b\n");
    for row in 0..120_000_u64 {
        let a = if row % 15_000 == 14_999 { row - 10_000 } else { row };
        let b = ["x", "yx", "NA", "\"\""][(row % 4) as usize];
        data.push_str(&format!(
            "{a},{b}{}\n",
            if row % 9 == 0 { "long enough to be no short key" } else { "" }
        ));
    }
    let data = data.replace("\"\"long", "long");
    let source = Source::from_bytes("d.csv", CSV, data.into_bytes());
    let expected = validate(&contract(), &source, &options()).expect("a report");
    assert_eq!(expected.rows, 120_000);
    assert_eq!(expected.checks[2].failing_rows, 8);
    assert_eq!(sharded(&source, 1, &[0]), expected);
    assert_eq!(sharded(&source, 3, &[2, 0, 1]), expected);
    // More shards than there are parts.
    assert_eq!(sharded(&source, 9, &[8, 7, 6, 5, 4, 3, 2, 1, 0]), expected);
}

#[test]
fn states_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = Source::from_bytes("d.csv", CSV, b"a,b\n1,x\n".to_vec());
    let state = |index: u64, count: u64| {
        let path = folder.path().join(format!("{index}-{count}"));
        validate_shard(&contract(), &source, &options(), Shard { index, count }, &path)
            .expect("written");
        path
    };
    let merge = |states: &[PathBuf]| {
        merge_states(&contract(), &options(), states).map(|_| ()).expect_err("refused").to_string()
    };
    let (first, second, third) = (state(0, 2), state(1, 2), state(2, 3));
    let name = |path: &PathBuf| path.display().to_string();
    assert_eq!(merge(std::slice::from_ref(&first)), "--merge: shard 2 of 2 is missing");
    assert_eq!(
        merge(&[first.clone(), first.clone()]),
        format!("{} is shard 1, which stands twice", name(&first))
    );
    assert_eq!(
        merge(&[first.clone(), third.clone()]),
        format!("{} is one of 3 shards, the others are not", name(&third))
    );
    let other = CONTRACT.replace("minimum: 2", "minimum: 3");
    let other = Contract::parse("o.yaml", &other).expect("parses");
    let error = merge_states(&other, &options(), &[first.clone(), second.clone()]).map(|_| ());
    assert_eq!(
        error.expect_err("refused").to_string(),
        format!("{} was counted with another contract or schema", name(&first))
    );
    let whole = std::fs::read(&second).expect("written");
    for end in [0, 10, whole.len() - 1] {
        std::fs::write(&second, &whole[..end]).expect("a temporary folder");
        assert!(merge(&[first.clone(), second.clone()]).contains("is not what --state wrote"));
    }
}
