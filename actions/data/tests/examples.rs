//! Rules of our own about whole columns and other tables: each once broken and once kept, with the figures that decide.

use indexmap::IndexMap;
use pawl_data::{
    Check, Contract, Format, Shard, Source, ValidateOptions, ValidationReport, Verdict,
    merge_states, validate, validate_shard,
};

const HEAD: &str = "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\nschema:\n  - name: t\n    properties:\n";

fn text(properties: &[(&str, &str)], rule: &str) -> String {
    let lines: String = properties
        .iter()
        .map(|(name, kind)| format!("      - {{ name: {name}, logicalType: {kind} }}\n"))
        .collect();
    format!(
        "{HEAD}{lines}    quality:\n      - {{ id: r, type: custom, engine: pawl, implementation: {{ {rule} }} }}\n"
    )
}

fn contract(properties: &[(&str, &str)], rule: &str) -> Contract {
    Contract::parse("c.yaml", &text(properties, rule)).unwrap_or_else(|error| panic!("{error}"))
}

fn csv(text: &str) -> Source {
    Source::from_bytes("d.csv", Format::Csv { delimiter: b',' }, text.into())
}

fn options(other: Option<&str>) -> ValidateOptions {
    let tables = other.map(|text| ("other".to_owned(), csv(text))).into_iter();
    let tables: IndexMap<String, Source> = tables.collect();
    ValidateOptions { tables, threads: 2, ..ValidateOptions::default() }
}

/// The rule's check on this data, with another table beside it.
fn check(
    properties: &[(&str, &str)],
    rule: &str,
    data: &str,
    other: Option<&str>,
) -> (Check, ValidationReport) {
    let report = validate(&contract(properties, rule), &csv(data), &options(other))
        .unwrap_or_else(|error| panic!("{error}"));
    (report.checks.iter().find(|check| check.id == "r").expect("the rule").clone(), report)
}

/// What counts against the rule: column, measure, figure.
fn bad(check: &Check) -> Vec<(&str, &str, f64)> {
    let bad = check.findings.iter().filter(|finding| finding.counts);
    bad.map(|finding| (finding.column.as_str(), finding.measure.as_str(), finding.value)).collect()
}

fn table(head: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    let rows: String = (0..rows).map(|index| row(index) + "\n").collect();
    format!("{head}\n{rows}")
}

const LEAK: [(&str, &str); 4] =
    [("y", "boolean"), ("score", "number"), ("word", "string"), ("noise", "integer")];

/// A score that puts nine of ten positives above all negatives, a word that is the label, and neither.
fn leaking(rows: usize) -> String {
    table("y,score,word,noise", rows, |row| {
        let y = row % 2 == 0;
        let score = if y && row % 20 != 0 { 10 + row % 5 } else { row % 7 };
        format!("{y},{score},{},{}", if y { "a" } else { "b" }, (row * 7919) % 101)
    })
}

#[test]
fn a_column_that_tells_the_label_leaks_it() {
    let rule = "rule: labelLeakage, label: y";
    let (check, report) = check(&LEAK, rule, &leaking(2_000), None);
    assert_eq!((report.verdict, check.metric.as_str()), (Verdict::Fail, "labelLeakage"));
    assert_eq!(check.expected, "mustBe 0 columns that tell the label");
    assert_eq!((check.observed.clone(), check.failing_rows), (Some(2.into()), 0));
    let found: Vec<_> =
        check.findings.iter().map(|f| (f.column.as_str(), f.measure.as_str(), f.counts)).collect();
    let expected = [
        ("score", "AUC", false),
        ("score", "predictive power", true),
        ("word", "predictive power", true),
        ("noise", "AUC", false),
        ("noise", "predictive power", false),
    ];
    assert_eq!(found, expected);
    // One of ten positives is told no better than by chance: 0.9 + 0.1 / 2, but for the steps of 7.
    let area = &check.findings[0];
    assert!((area.value - area_of_scores(2_000)).abs() < 1e-12, "{area:?}");
    let [low, high] = area.interval.expect("an interval");
    assert!(low > 0.93 && low < area.value && high > area.value && high < 0.97, "{area:?}");
    // 100 of 2,000 rows are told wrongly, where always naming one label gets 1,000 wrong.
    assert!((check.findings[1].value - 0.9).abs() < 0.02, "{:?}", check.findings[1]);
    assert_eq!((check.findings[2].value, check.findings[2].rows), (1.0, 2_000));
}

/// The area by its definition: every pair of a positive and a negative.
fn area_of_scores(rows: usize) -> f64 {
    let score = |row: usize| {
        if row.is_multiple_of(2) && !row.is_multiple_of(20) { 10 + row % 5 } else { row % 7 }
    };
    let (mut above, mut pairs) = (0.0, 0.0);
    for positive in (0..rows).step_by(2) {
        for negative in (1..rows).step_by(2) {
            pairs += 1.0;
            above += match score(positive).cmp(&score(negative)) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    above / pairs
}

#[test]
fn columns_without_the_label_in_them_pass() {
    let rule = "rule: labelLeakage, label: y, features: [noise]";
    let (kept, _) = check(&LEAK, rule, &leaking(2_000), None);
    assert_eq!(
        (kept.verdict, kept.observed.clone(), kept.idle),
        (Verdict::Pass, Some(0.into()), false)
    );
    let loose = "rule: labelLeakage, label: y, features: [score], auc: 0.999, power: 0.95";
    assert_eq!(check(&LEAK, loose, &leaking(2_000), None).0.verdict, Verdict::Pass);
    let strict = "rule: labelLeakage, label: y, features: [score], auc: 0.9, power: 1";
    let (check_of, _) = check(&LEAK, strict, &leaking(2_000), None);
    assert_eq!(bad(&check_of).len(), 1);
    // With 20 rows of each label nothing can be said.
    let (few, _) = check(&LEAK, "rule: labelLeakage, label: y", &leaking(40), None);
    assert_eq!((few.verdict, few.idle), (Verdict::Pass, true));
}

const TIMED: [(&str, &str); 2] = [("at", "timestamp"), ("n", "integer")];

#[test]
fn rows_that_are_not_after_the_training_data_overlap_in_time() {
    let train = "at,n\n2024-01-01T00:00:00Z,1\n2024-01-10T12:00:00Z,2\n,3\n";
    let test = "at,n\n2024-01-10T12:00:00Z,1\n2024-01-11T00:00:00Z,2\n2024-01-10T13:00:00+02:00,3\n,4\nx,5\n";
    let rule = "rule: timeOverlap, table: other, column: at";
    let (broken, _) = check(&TIMED, rule, test, Some(train));
    let rows: Vec<usize> = broken.samples.iter().map(|sample| sample.row).collect();
    assert_eq!((broken.verdict, broken.failing_rows, rows), (Verdict::Fail, 2, vec![1, 3]));
    let later = "at,n\n2024-01-10T12:00:01Z,1\n";
    assert_eq!(check(&TIMED, rule, later, Some(train)).0.verdict, Verdict::Pass);
    // The other way round: this is the training data.
    let before = "rule: timeOverlap, table: other, column: at, order: before";
    let (kept, _) = check(&TIMED, before, "at,n\n2024-01-10T10:59:59Z,1\n", Some(test));
    assert_eq!(kept.verdict, Verdict::Pass);
    let early = "at,n\n2024-01-10T11:00:00Z,1\n2024-01-01T00:00:00Z,2\n";
    let (broken, _) = check(&TIMED, before, early, Some(test));
    assert_eq!((broken.verdict, broken.failing_rows), (Verdict::Fail, 1));
    // Without a moment there nothing can overlap, and the report says so.
    let (idle, _) = check(&TIMED, rule, test, Some("at,n\n,1\n"));
    assert_eq!((idle.verdict, idle.idle), (Verdict::Pass, true));
    let ids = [("n", "integer")];
    let numbers = "rule: timeOverlap, table: other, column: n";
    assert_eq!(check(&ids, numbers, "n\n3\n4\n", Some("n\n1\n3\n")).0.failing_rows, 1);
}

#[test]
fn columns_of_one_value_are_constant() {
    let columns = [("a", "string"), ("b", "integer"), ("c", "integer"), ("d", "string")];
    let data = table("a,b,c,d", 10_000, |row| {
        format!("x,{},{row},{}", u8::from(row == 5), if row < 9_989 { "" } else { "z" })
    });
    let (broken, _) = check(&columns, "rule: constant", &data, None);
    let what = "share of one value";
    assert_eq!(bad(&broken), [("a", what, 1.0), ("b", what, 0.9999)]);
    assert_eq!(broken.observed, Some(2.into()));
    let (all, _) = check(&columns, "rule: constant, share: 0.99", &data, None);
    assert_eq!(bad(&all)[2], ("d", what, 0.9989));
    let (kept, _) = check(&columns, "rule: constant, columns: [c, d]", &data, None);
    assert_eq!((kept.verdict, kept.idle), (Verdict::Pass, false));
    assert!(check(&columns, "rule: constant", "a,b,c,d\n", None).0.idle);
}

#[test]
fn columns_of_different_values_identify_the_row() {
    let columns = [("id", "integer"), ("key", "string"), ("age", "integer"), ("x", "number")];
    let data = table("id,key,age,x", 1_000, |row| {
        format!("{row},k{row},{},{}.5", if row == 999 { 0 } else { row }, row)
    });
    let (broken, _) = check(&columns, "rule: identifier", &data, None);
    let what = "share of different values";
    assert_eq!(bad(&broken), [("id", what, 1.0), ("key", what, 1.0)]);
    let (kept, _) = check(&columns, "rule: identifier, columns: [age]", &data, None);
    assert_eq!((kept.verdict, kept.idle), (Verdict::Pass, false));
    let (named, _) = check(&columns, "rule: identifier, columns: [x]", &data, None);
    assert_eq!(bad(&named), [("x", what, 1.0)]);
    let few = table("id,key,age,x", 99, |row| format!("{row},k{row},{row},1"));
    let (few, _) = check(&columns, "rule: identifier", &few, None);
    assert_eq!((few.verdict, few.idle), (Verdict::Pass, true));
}

#[test]
fn numbers_among_texts_and_nulls_of_several_ways_are_found() {
    let columns = [("a", "string"), ("b", "string"), ("c", "string")];
    let data = table("a,b,c", 100, |row| {
        let a = if row < 4 { "unknown".to_owned() } else { row.to_string() };
        let b = if row % 2 == 0 { "w".to_owned() } else { row.to_string() };
        let c = ["", "NA", "x", "x"][row % 4];
        format!("{a},{b},{c}")
    });
    let (mixed, _) = check(&columns, "rule: mixedTypes", &data, None);
    assert_eq!(bad(&mixed), [("a", "share of other texts", 0.04)]);
    let (kept, _) = check(&columns, "rule: mixedTypes, share: 0.03", &data, None);
    assert_eq!((kept.verdict, kept.idle), (Verdict::Pass, false));
    let (nulls, _) = check(&columns, "rule: nullTokens", &data, None);
    assert_eq!(bad(&nulls), [("c", "share of nulls (null 25, \"NA\" 25)", 0.5)]);
    let (kept, _) = check(&columns, "rule: nullTokens, tokens: [none]", &data, None);
    assert_eq!((kept.verdict, kept.idle), (Verdict::Pass, false));
}

const PAIRED: [(&str, &str); 2] = [("x", "number"), ("y", "number")];

fn pairs(sign: i64) -> String {
    table("x,y", 1_000, |row| {
        let x = (row * 37) % 100;
        format!("{x},{}", sign * x as i64 + ((row * 61) % 30) as i64)
    })
}

#[test]
fn a_correlation_that_turned_is_a_change() {
    let rule = "rule: correlationChange, table: other";
    let (broken, _) = check(&PAIRED, rule, &pairs(-1), Some(&pairs(1)));
    let finding = &broken.findings[0];
    assert_eq!((broken.verdict, finding.column.as_str()), (Verdict::Fail, "x ~ y"));
    let [low, high] = finding.interval.expect("an interval");
    assert!(finding.value < -1.8 && low < finding.value && finding.value < high && high < -1.8);
    assert_eq!(broken.expected, "mustBe 0 correlations that changed");
    let (kept, _) = check(&PAIRED, rule, &pairs(1), Some(&pairs(1)));
    assert_eq!((kept.verdict, kept.idle), (Verdict::Pass, false));
    assert!(check(&PAIRED, rule, "x,y\n1,2\n", Some(&pairs(1))).0.idle);
}

const DRIFTING: [(&str, &str); 3] = [("n", "number"), ("c", "string"), ("free", "string")];

fn drifting(rows: usize, by: usize, cut: usize) -> String {
    table("n,c,free", rows, |row| {
        let n = (row * 389) % 1_000 + by;
        format!("{n}.5,{},text {row}", if row % 10 < cut { "a" } else { "b" })
    })
}

#[test]
fn drift_against_a_reference_is_by_effect_and_not_by_rows() {
    let rule = "rule: drift, table: other";
    let reference = drifting(2_000, 0, 5);
    let (broken, _) = check(&DRIFTING, rule, &drifting(2_000, 150, 9), Some(&reference));
    assert_eq!(broken.expected, "mustBe 0 columns that drifted");
    let found: Vec<_> =
        broken.findings.iter().map(|f| (f.column.as_str(), f.measure.as_str(), f.counts)).collect();
    // Texts that are all different have no distance.
    assert_eq!(found, [("n", "wasserstein", true), ("c", "jensenshannon", true)]);
    // Every number moved by 150, whose deviation is that of 0.5 to 999.5.
    let deviation = (999_999.0_f64 / 12.0).sqrt();
    assert!((broken.findings[0].value - 150.0 / deviation).abs() < 1e-12, "{broken:?}");
    let js = |p: f64, q: f64| p * (p / ((p + q) / 2.0)).ln() + q * (q / ((p + q) / 2.0)).ln();
    let wanted = ((js(0.5, 0.9) + js(0.5, 0.1)) / 2.0).sqrt();
    assert!((broken.findings[1].value - wanted).abs() < 1e-12, "{broken:?}");
    let (kept, _) = check(&DRIFTING, rule, &drifting(2_000, 5, 5), Some(&reference));
    assert_eq!((kept.verdict, kept.idle, bad(&kept).len()), (Verdict::Pass, false, 0));
    let (few, _) = check(&DRIFTING, rule, &drifting(99, 900, 9), Some(&reference));
    assert_eq!((few.verdict, few.idle), (Verdict::Pass, true));
}

#[test]
fn what_a_rule_does_not_understand_is_refused() {
    let refused = |rule: &str| {
        let error = Contract::parse("c.yaml", &text(&LEAK, rule)).expect_err(rule);
        error.problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    let cases = [
        (
            "rule: leakage",
            "rule 'leakage' of engine pawl is not supported; it is one of trainTestOverlap, timeOverlap, newCategories, conflictingLabels, classBalance, labelLeakage, constant, identifier, mixedTypes, nullTokens, correlationChange, drift",
        ),
        ("rule: constant, table: x", "'table' does not belong to the rule constant"),
        ("rule: constant, share: 2", "'share' is a share; it is at most 1"),
        ("rule: constant, share: 0", "'share' must be greater than 0"),
        ("rule: labelLeakage, label: z", "label names 'z', which is no property of this schema"),
        ("rule: drift", "the rule drift has no 'table'"),
        (
            "rule: timeOverlap, table: t, column: y, order: later",
            "unknown order 'later'; it is after or before",
        ),
        ("rule: identifier, columns: [z]", "'z' is no property of this schema"),
    ];
    for (rule, message) in cases {
        assert_eq!(refused(rule), [message], "{rule}");
    }
    let percent =
        text(&LEAK, "rule: constant").replace("id: r,", "id: r, unit: percent, mustBe: 0,");
    let error = Contract::parse("c.yaml", &percent).expect_err("refused");
    assert_eq!(error.problems[0].message, "a rule about columns counts them; leave 'unit' out");
}

#[test]
fn shards_find_what_one_finds() {
    let properties =
        [("y", "boolean"), ("id", "integer"), ("n", "number"), ("c", "string"), ("k", "string")];
    let rules = [
        "rule: labelLeakage, label: y, power: 0.1",
        "rule: timeOverlap, table: other, column: id",
        "rule: constant, share: 0.9",
        "rule: identifier",
        "rule: mixedTypes",
        "rule: nullTokens",
        "rule: correlationChange, table: other, change: 0.001",
        "rule: drift, table: other",
    ];
    let row = |row: usize, by: usize| {
        let n = (row * 389) % 1_000 + by;
        let k = ["v", "v", "NA", ""][usize::from(row.is_multiple_of(50)) + row % 3 % 2];
        let y = n.is_multiple_of(3) || row.is_multiple_of(2);
        let fill = "x".repeat(60);
        format!("{y},{row},{n},{},{k},{fill}", ["a", "b", "7"][row % 3 % 2])
    };
    let data = table("y,id,n,c,k,fill", 30_000, |index| row(index, 300));
    let other = table("y,id,n,c,k,fill", 5_000, |index| row(index, 0));
    let lines: String = rules
        .iter()
        .map(|rule| {
            format!("      - {{ type: custom, engine: pawl, implementation: {{ {rule} }} }}\n")
        })
        .collect();
    let mut whole_text = text(&properties, rules[0]);
    whole_text.push_str(&lines);
    let contract = Contract::parse("c.yaml", &whole_text).unwrap_or_else(|error| panic!("{error}"));
    let (source, options) = (csv(&data), options(Some(&other)));
    let whole = validate(&contract, &source, &options).expect("a report");
    let ours: Vec<_> = whole.checks.iter().filter(|check| !check.findings.is_empty()).collect();
    assert!(ours.len() >= 5, "{ours:#?}");
    assert_eq!(
        whole.checks.iter().find(|c| c.metric == "timeOverlap").unwrap().failing_rows,
        5_000
    );
    let single = ValidateOptions { threads: 1, ..self::options(Some(&other)) };
    assert_eq!(validate(&contract, &source, &single).expect("a report"), whole);
    let folder = tempfile::tempdir().expect("a folder");
    let states: Vec<_> = (0..3).map(|index| folder.path().join(index.to_string())).collect();
    for (index, state) in states.iter().enumerate() {
        let shard = Shard { index: index as u64, count: 3 };
        validate_shard(&contract, &source, &options, shard, state).expect("counted");
    }
    let order = [states[2].clone(), states[0].clone(), states[1].clone()];
    assert_eq!(merge_states(&contract, &options, &order).expect("a report"), whole);
}
