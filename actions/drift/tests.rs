use super::performance::{Metric, Question, WatchState, compare_performance};
use super::{
    Drift, DriftError, DriftReport, Method, Status, compare_as_evidently, compare_by_effect,
};
use crate::testing::Bench;
use pawl_core::ports::ActionOutcome;
use pawl_data::Format;
use pawl_data::pandas::Frame;
use pawl_stats::random::Lcg;
use std::fmt::Write;

fn compare(
    reference: &str,
    current: &str,
    method: Option<Method>,
) -> Result<DriftReport, DriftError> {
    compare_as_evidently(&frame(reference), &frame(current), method)
}

fn frame(text: &str) -> Frame {
    Frame::read("t.csv", Format::Csv { delimiter: b',' }, text.as_bytes().to_vec()).unwrap()
}

fn effect(reference: &str, current: &str) -> DriftReport {
    compare_by_effect(&frame(reference), &frame(current), None).unwrap()
}

/// Columns of numbers and categories from one distribution each, `shift` away.
fn drawn(seed: u64, rows: usize, shift: f64) -> String {
    let mut random = Lcg::new(seed);
    let mut text = "a,b,c,d,e\n".to_owned();
    for _ in 0..rows {
        let mut bell = || (0..6).map(|_| random.uniform()).sum::<f64>() + shift;
        let (a, b, c) = (bell(), bell().exp(), (bell() * 4.0).floor());
        let d = ["x", "y", "z"][random.index(3)];
        writeln!(text, "{a},{b},{c},{d},{}", random.uniform() < 0.3).unwrap();
    }
    text
}

fn column(values: impl Iterator<Item = String>) -> String {
    values.fold("c,z\n".to_owned(), |mut text, value| {
        writeln!(text, "{value},0").unwrap();
        text
    })
}

/// Type and method of the column `c`.
#[track_caller]
fn assert_rule(reference: &str, current: &str, kind: &str, method: &str) {
    let report = compare(reference, current, None).unwrap();
    let found = report.columns.iter().find(|column| column.column == "c").unwrap();
    assert_eq!((found.kind.word(), found.method.name()), (kind, method));
}

#[test]
fn the_method_follows_type_size_and_values() {
    let ints = |n: usize, values: usize| column((0..n).map(|i| (i % values).to_string()));
    let floats = |n: usize, values: usize| column((0..n).map(|i| format!("{}.5", i % values)));
    let words = |n: usize, values: usize| column((0..n).map(|i| format!("word{}", i % values)));
    assert_rule(&ints(100, 11), &ints(100, 11), "num", "ks");
    assert_rule(&ints(100, 10), &ints(100, 10), "cat", "chisquare");
    assert_rule(&ints(100, 2), &ints(100, 2), "cat", "z");
    assert_rule(&floats(100, 5), &floats(100, 5), "num", "chisquare");
    assert_rule(&floats(100, 2), &floats(100, 2), "num", "z");
    assert_rule(&floats(100, 6), &floats(100, 5), "num", "ks");
    assert_rule(&floats(1000, 6), &floats(10, 6), "num", "ks");
    assert_rule(&floats(1001, 6), &floats(10, 6), "num", "wasserstein");
    assert_rule(&floats(1001, 5), &floats(10, 5), "num", "jensenshannon");
    assert_rule(&ints(1001, 4), &ints(10, 4), "cat", "jensenshannon");
    assert_rule(&words(100, 50), &words(100, 50), "cat", "chisquare");
    assert_rule(&words(100, 51), &words(100, 51), "text", "perc_text_content_drift");
    assert_rule(&words(1001, 9), &words(10, 9), "text", "abs_text_content_drift");
}

#[test]
fn the_type_comes_from_the_current_data() {
    // A null makes a float of a whole number.
    let with_null = column(["1", "2", ""].iter().map(|text| (*text).to_owned()));
    let without = column(["1", "2", "2"].iter().map(|text| (*text).to_owned()));
    assert_rule(&without, &with_null, "num", "z");
    assert_rule(&with_null, &without, "cat", "z");
}

#[test]
fn infinities_are_no_values_but_count_when_columns_are_counted() {
    let reference = column((0..2000).map(|i| format!("{}.5", i % 100)));
    let current =
        column((0..100).map(|i| if i == 0 { "inf".to_owned() } else { format!("{i}.5") }));
    let report = compare(&reference, &current, None).unwrap();
    let c = report.columns.iter().find(|column| column.column == "c").unwrap();
    assert!(!c.drifted && c.score < 0.1, "{c:?}");
    // z is equal on both sides; c is infinitely far away where it is counted.
    assert!((report.share - 0.5).abs() < 1e-12 && report.drifted);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let numbers = column((0..30).map(|i| format!("{i}.5")));
    let words = column((0..30).map(|i| format!("w{}", i % 3)));
    let nothing = column((0..30).map(|_| String::new()));
    let mixed = DriftError::Mixed("c".to_owned());
    assert_eq!(compare(&words, &numbers, None), Err(mixed.clone()));
    assert_eq!(compare(&numbers, &words, None), Err(mixed));
    let none = |side| DriftError::NoValue { column: "c".to_owned(), side };
    assert_eq!(compare(&nothing, &numbers, None), Err(none("reference")));
    assert_eq!(compare(&numbers, &nothing, None), Err(none("current")));
    assert_eq!(compare("z\n1\n", &numbers, None), Err(DriftError::Missing("c".to_owned())));
    assert_eq!(compare(&numbers, "c,z\n", None), Err(DriftError::NoRows("current")));
    let error = compare(&numbers, &numbers, Some(Method::Ks)).unwrap_err();
    assert_eq!(error.to_string(), "method ks does not fit column 'z', which is of type cat");
    // A column that only the reference has is passed over.
    assert!(compare(&numbers.replace("c,z", "c,y"), "c\n1.5\n2.5\n", None).is_ok());
}

#[test]
fn a_method_that_is_asked_for_is_used_for_each_column() {
    let numbers = column((0..300).map(|i| format!("{}.5", i % 77)));
    let report = compare(&numbers, &numbers, Some(Method::Psi)).unwrap();
    assert!(report.columns.iter().all(|column| column.method == Method::Psi));
    assert!(report.columns.iter().all(|column| column.score.abs() < 1e-15 && !column.drifted));
}

#[test]
fn the_number_of_rows_alone_never_makes_drift() {
    for (n, m, rounds) in [(100, 100, 20), (200, 200, 20), (200, 5_000, 6), (20_000, 20_000, 2)] {
        for seed in 0..rounds {
            let report = effect(&drawn(2 * seed, n, 0.0), &drawn(2 * seed + 1, m, 0.0));
            assert!(!report.drifted, "{n} and {m} rows, seed {seed}: {report:?}");
        }
    }
    // A shift of 0.02 deviations: a test would see it in so many rows, but it is no drift.
    let report = effect(&drawn(1, 60_000, 0.0), &drawn(2, 60_000, 0.015));
    assert!(!report.drifted, "{report:?}");
    let tested = compare(&drawn(1, 60_000, 0.0), &drawn(2, 60_000, 0.015), None).unwrap();
    assert_eq!(tested.columns.len(), report.columns.len());
}

#[test]
fn a_real_shift_is_found_in_those_columns_that_have_it() {
    // Half a deviation.
    for rows in [300, 20_000] {
        let report = effect(&drawn(1, rows, 0.0), &drawn(2, rows, 0.36));
        let drifted: Vec<_> =
            report.columns.iter().filter(|c| c.drifted).map(|c| c.column.as_str()).collect();
        assert_eq!(drifted, ["a", "b", "c"], "{rows} rows");
        assert!(report.drifted && (report.share - 0.6).abs() < 1e-12);
        for column in &report.columns {
            let uncertainty = column.uncertainty.as_ref().unwrap();
            let [low, high] = uncertainty.interval.unwrap();
            assert!(low <= high);
            assert_eq!(uncertainty.status == Status::Drifted, low > column.threshold);
        }
    }
}

#[test]
fn few_rows_say_nothing() {
    let report = effect(&drawn(1, 99, 0.0), &drawn(2, 5_000, 9.0));
    assert!(!report.drifted);
    for column in &report.columns {
        let uncertainty = column.uncertainty.as_ref().unwrap();
        assert_eq!(uncertainty.status, Status::Insufficient);
        assert_eq!((uncertainty.interval, uncertainty.n.reference), (None, 99));
    }
}

#[test]
fn a_method_that_gives_no_effect_size_is_refused() {
    let table = frame(&drawn(1, 200, 0.0));
    for method in [Method::Ks, Method::ChiSquare, Method::Z, Method::PercText] {
        let error = compare_by_effect(&table, &table, Some(method)).unwrap_err();
        assert_eq!(error, DriftError::NoEffect(method));
    }
    let report = compare_by_effect(&table, &table, Some(Method::Psi)).unwrap();
    assert!(report.columns.iter().all(|column| column.method == Method::Psi && !column.drifted));
}

fn act(given: &[(&str, &str)]) -> ActionOutcome {
    let bench = Bench::new();
    let write = |name: &str, text: &str| bench.workspace().write(name, text.as_bytes()).unwrap();
    write("old.csv", &drawn(1, 400, 0.0));
    write("same.csv", &drawn(2, 400, 0.0));
    write("far.csv", &drawn(3, 400, 0.7));
    write("few.csv", &drawn(3, 50, 0.7));
    bench.run_job(&Drift, given).unwrap()
}

#[test]
fn the_step_fails_when_the_data_has_drifted_unless_it_may_not() {
    let outcome = act(&[("reference", "old.csv"), ("current", "same.csv")]);
    assert!(outcome.success);
    assert_eq!(outcome.outputs["verdict"], "same");
    let far = [("reference", "old.csv"), ("current", "far.csv")];
    let outcome = act(&far);
    assert!(!outcome.success);
    assert_eq!(outcome.outputs["drifted-columns"], "a,b,c");
    assert_eq!(outcome.reason.unwrap(), "3 of 5 columns have drifted: a, b, c");
    assert!(outcome.summary.contains("### Drift: drifted"), "{}", outcome.summary);
    assert!(outcome.summary.contains("| `a` | **drifted** | wasserstein |"), "{}", outcome.summary);
    assert!(outcome.summary.contains('█'));
    assert!(act(&[far[0], far[1], ("fail-on", "never")]).success);
    let outcome = act(&[far[0], far[1], ("columns", "d, e")]);
    assert!(outcome.success);
    assert_eq!(outcome.report["columns"].as_array().unwrap().len(), 2);
}

#[test]
fn the_step_answers_as_evidently_when_asked_and_says_when_rows_are_too_few() {
    let given = [("reference", "old.csv"), ("current", "far.csv"), ("compat", "evidently")];
    let outcome = act(&given);
    assert_eq!(outcome.report["columns"][0]["method"], "ks");
    assert!(outcome.report["columns"][0].get("interval").is_none());
    let outcome = act(&[("reference", "old.csv"), ("current", "few.csv")]);
    assert!(outcome.success);
    assert_eq!(outcome.outputs["verdict"], "insufficient");
}

#[test]
fn columns_that_are_not_there_are_wrong_input() {
    let bench = Bench::new();
    bench.workspace().write("t.csv", drawn(1, 200, 0.0).as_bytes()).unwrap();
    let given = [("reference", "t.csv"), ("current", "t.csv"), ("columns", "a,nothing")];
    let error = bench.run_job(&Drift, &given).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("t.csv has no column 'nothing'"), "{error}");
}

#[test]
fn the_step_watches_performance_and_hands_its_state_on() {
    let bench = Bench::new();
    let side = |every: usize| {
        let row = |n: usize| format!("1,{}\n", u8::from(!n.is_multiple_of(every)));
        format!("y_pred,y_true\n{}", (0..400).map(row).collect::<String>())
    };
    for (file, every) in [("reference.csv", 10), ("good.csv", 10), ("bad.csv", 3)] {
        bench.workspace().write(file, side(every).as_bytes()).unwrap();
    }
    let asked = |current: &'static str| {
        [
            ("reference", "reference.csv"),
            ("current", current),
            ("performance", "accuracy"),
            ("state", "watch.json"),
        ]
    };
    let outcome = bench.run_job(&Drift, &asked("good.csv")).unwrap();
    assert!(outcome.success);
    assert_eq!(outcome.outputs["verdict"], "same");
    let outcome = bench.run_job(&Drift, &asked("bad.csv")).unwrap();
    assert!(!outcome.success);
    assert_eq!(outcome.report["labelled"]["rows"], 800, "the first look counts");
    assert!(outcome.reason.unwrap().contains("shown after"), "{}", outcome.summary);
    assert!(outcome.summary.starts_with("### Performance: drifted"), "{}", outcome.summary);
    // With what has no meaning here nothing runs.
    for more in [("columns", "a"), ("method", "psi"), ("compat", "evidently")] {
        let mut given = asked("good.csv").to_vec();
        given.push(more);
        let error = bench.run_job(&Drift, &given).unwrap_err();
        assert_eq!(error.to_string(), format!("{} says nothing of performance", more.0));
    }
    let columns = [("reference", "good.csv"), ("current", "bad.csv"), ("state", "watch.json")];
    let error = bench.run_job(&Drift, &columns).unwrap_err();
    assert_eq!(error.to_string(), "state is of performance alone");
}

/// Answers with the probability that `said` makes of the true one, and labels of the first `labelled` rows.
fn answers(seed: u64, rows: usize, labelled: usize, wrong: f64) -> pawl_data::Answers {
    let mut random = Lcg::new(seed);
    let mut text = "p,y_true\n".to_owned();
    for row in 0..rows {
        let positive = random.uniform() < 0.5;
        let p = if positive { 1.0 - wrong } else { wrong };
        let label = positive == (random.uniform() >= wrong);
        let label = if row < labelled { u8::from(label).to_string() } else { String::new() };
        writeln!(text, "{p},{label}").unwrap();
    }
    let format = Format::Csv { delimiter: b',' };
    pawl_data::Answers::open(&pawl_data::Source::from_bytes("a.csv", format, text.into())).unwrap()
}

const ASKED: Question = Question { metric: Metric::Accuracy, margin: 0.01 };

#[test]
fn labels_say_that_a_model_is_worse_and_since_when() {
    let reference = answers(1, 2_000, 2_000, 0.1);
    for metric in [Metric::Accuracy, Metric::Brier] {
        let asked = Question { metric, ..ASKED };
        let bad = answers(2, 3_000, 3_000, 0.25);
        let (report, _) = compare_performance(&reference, &bad, asked, None).unwrap();
        let found = report.labelled.unwrap();
        assert!(report.drifted && found.status == Status::Drifted, "{report:?}");
        assert!(found.change.unwrap().found_after < 1_500, "{report:?}");
        assert_eq!((found.rows, report.reference.rows, report.unlabelled), (3_000, 2_000, None));
        let good = answers(3, 3_000, 3_000, 0.1);
        let (report, _) = compare_performance(&reference, &good, asked, None).unwrap();
        assert_eq!((report.status, report.drifted), (Status::Same, false), "{report:?}");
        assert_eq!(report.labelled.unwrap().change, None);
    }
}

#[test]
fn rows_without_labels_are_judged_by_their_probabilities() {
    let reference = answers(1, 2_000, 2_000, 0.1);
    let (report, _) =
        compare_performance(&reference, &answers(2, 2_000, 0, 0.1), ASKED, None).unwrap();
    assert_eq!((report.status, report.labelled), (Status::Same, None), "{report:?}");
    // Half of the rows are ones on which the model is far less sure.
    let mut unsure = answers(3, 2_000, 0, 0.1);
    (0..1_000).for_each(|row| unsure.p[row] = if unsure.positive[row] { 0.6 } else { 0.4 });
    let (report, _) = compare_performance(&reference, &unsure, ASKED, None).unwrap();
    let found = report.unlabelled.unwrap();
    // The curve runs straight from 0.1 to 0.9: 0.6 is right in 60 of 100 cases.
    assert!((found.value - 0.75).abs() < 0.02 && found.interval[0] > 0.1, "{found:?}");
    assert_eq!(report.status, Status::Drifted);
}

#[test]
fn few_rows_say_nothing_unless_labels_are_clear() {
    let reference = answers(1, 2_000, 2_000, 0.02);
    let few = answers(2, 50, 50, 0.02);
    let (report, _) = compare_performance(&reference, &few, ASKED, None).unwrap();
    assert_eq!(report.status, Status::Insufficient);
    let (report, _) =
        compare_performance(&reference, &answers(2, 60, 60, 0.45), ASKED, None).unwrap();
    assert_eq!(report.status, Status::Drifted, "{report:?}");
    let (report, _) =
        compare_performance(&answers(1, 60, 60, 0.02), &answers(2, 500, 500, 0.02), ASKED, None)
            .unwrap();
    assert_eq!(report.status, Status::Insufficient, "{report:?}");
}

#[test]
fn looks_one_after_another_say_what_one_look_says() {
    let reference = answers(1, 2_000, 2_000, 0.1);
    let all = answers(2, 1_200, 1_200, 0.2);
    let cut = |from: usize, to: usize| pawl_data::Answers {
        right: all.right[from..to].to_vec(),
        p: all.p[from..to].to_vec(),
        positive: all.positive[from..to].to_vec(),
    };
    let (whole, _) = compare_performance(&reference, &all, ASKED, None).unwrap();
    let mut state: Option<WatchState> = None;
    let mut last = None;
    for from in (0..1_200).step_by(300) {
        let part = cut(from, from + 300);
        let (report, next) = compare_performance(&reference, &part, ASKED, state).unwrap();
        (state, last) = (Some(next), Some(report));
    }
    assert_eq!(last.unwrap(), whole);
    let other = Question { margin: 0.02, ..ASKED };
    let error = compare_performance(&reference, &all, other, state).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the state is of accuracy with margin 0.01 and 2000 rows of reference, not of this comparison"
    );
}

#[test]
fn answers_that_cannot_be_compared_are_refused() {
    let known = answers(1, 200, 200, 0.1);
    let unknown = answers(2, 200, 0, 0.1);
    let error = |reference, current, asked| {
        compare_performance(reference, current, asked, None).unwrap_err().to_string()
    };
    assert_eq!(error(&unknown, &known, ASKED), "the reference has no row with a label in y_true");
    let mut bare = unknown.clone();
    bare.p.clear();
    bare.positive.clear();
    assert_eq!(
        error(&known, &bare, ASKED),
        "the current data has neither labels nor probabilities that the reference has, too"
    );
    let brier = Question { metric: Metric::Brier, ..ASKED };
    assert_eq!(error(&known, &bare, brier), "brier needs a probability in column p on both sides");
    let none = pawl_data::Answers::default();
    assert_eq!(error(&known, &none, ASKED), "the current data has no row");
    let wide = Question { margin: 1.0, ..ASKED };
    assert_eq!(error(&known, &known, wide), "the margin 1 is not from 0 to below 1");
}
