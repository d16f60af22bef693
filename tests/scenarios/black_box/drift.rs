//! `pawl data drift` against Evidently itself on random tables, and what it refuses.

use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;
use pawl_tests::repository::root;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Cases and seed: half a minute of Evidently's time.
const CASES: &str = "36";
const SEED: &str = "20261128";

/// The pinned environment of `tests/images/python-drift.sh`, made when it is not there.
fn python() -> PathBuf {
    let status = Command::new("sh").arg(root().join("tests/images/python-drift.sh")).status();
    assert!(status.expect("sh starts").success(), "the environment of Evidently cannot be made");
    let home = PathBuf::from(std::env::var_os("HOME").expect("a home"));
    home.join(".cache/pawl/python-drift-1/bin/python")
}

#[test]
fn answers_are_those_of_evidently() {
    let project = Project::new();
    let cases = project.folder().join("cases");
    let script = root().join("tests/scenarios/black_box/drift.py");
    let status = Command::new(python()).arg(script).arg(&cases).args([CASES, SEED]).status();
    assert!(status.expect("python starts").success(), "the script with Evidently failed");
    let mut answered = 0;
    for case in cases.read_dir().expect("a folder of cases") {
        answered += u32::from(check(&project, &case.expect("a case").path()));
    }
    assert!(answered > 30, "only {answered} of the cases have an answer");
}

/// Compares one case; true when Evidently had an answer.
fn check(project: &Project, case: &Path) -> bool {
    let note = std::fs::read_to_string(case.join("case.json")).expect("a note");
    let note: Value = serde_json::from_str(&note).expect("JSON");
    let ending = note["ending"].as_str().expect("an ending");
    let file = |side: &str| case.join(format!("{side}.{ending}")).display().to_string();
    let (reference, current) = (file("reference"), file("current"));
    let mut call = Pawl::new(project).args(["data", "drift", &reference, &current]);
    call = call.args(["--compat", "evidently", "--json"]);
    if let Some(method) = note["method"].as_str() {
        call = call.args(["--method", method]);
    }
    let outcome = call.run();
    let expected = &note["expected"];
    if let Some(error) = expected["error"].as_str() {
        // Evidently drops infinities when it scores a column, but not when it counts columns, and may fail there.
        if !error.contains("is not finite") {
            outcome.code(2);
        }
        return false;
    }
    let found = outcome.code(0).json();
    let place = case.display();
    assert_eq!(found["drifted"], expected["drifted"], "{place}");
    assert_near(&found["share"], &expected["share"], 1e-12, &format!("{place}: share"));
    let (columns, others) = (list(&found["columns"]), list(&expected["columns"]));
    assert_eq!(columns.len(), others.len(), "{place}");
    for (column, other) in columns.iter().zip(others) {
        check_column(column, other, &format!("{place}: {other}"));
    }
    true
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn check_column(found: &Value, expected: &Value, place: &str) {
    for key in ["column", "type", "method", "threshold", "drifted"] {
        assert_eq!(found[key], expected[key], "{place}");
    }
    // The score of texts comes from a trained classifier.
    if expected["type"] == "text" {
        return;
    }
    let least = match expected["method"].as_str() {
        Some("ks" | "chisquare" | "z") => 1e-15,
        // Roots: what is exact below them to 1e-14 may look far apart.
        Some("jensenshannon" | "hellinger") => {
            let square = |value: &Value| value.as_f64().map(|score| score * score);
            if let (Some(a), Some(b)) = (square(&found["score"]), square(&expected["score"]))
                && (a - b).abs() <= 1e-14
            {
                return;
            }
            0.0
        }
        _ => 0.0,
    };
    assert_near(&found["score"], &expected["score"], least, place);
}

/// Equal to 1e-9 of the value, or to `least`; null only where null is expected.
fn assert_near(found: &Value, expected: &Value, least: f64, place: &str) {
    match (found.as_f64(), expected.as_f64()) {
        (Some(a), Some(b)) => {
            assert!((a - b).abs() <= least.max(1e-9 * b.abs()), "{a} is not {b}: {place}");
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}

const NUMBERS: &str = "c\n1.5\n2.5\n3.25\n4.5\n5.5\n6.5\n7.5\n";

#[test]
fn what_cannot_be_compared_is_wrong_input_and_named() {
    let project = Project::new()
        .file("numbers.csv", NUMBERS)
        .file("words.csv", "c\none\ntwo\none\ntwo\none\n")
        .file("other.csv", "d\n1\n2\n")
        .file("empty.csv", "c,d\n,1\n,2\n")
        .file("ragged.csv", "c\n1\n2,3\n")
        .file("numbers.txt", NUMBERS);
    let refused = |reference: &str, current: &str, more: &[&str], words: &str| {
        let call = Pawl::new(&project).args(["data", "drift", reference, current]);
        let outcome = call.args(["--compat", "evidently", "--json"]).args(more).run();
        outcome.code(2);
        assert!(outcome.stderr().contains(words), "{}", outcome.stderr());
    };
    refused("numbers.csv", "words.csv", &[], "column 'c' has values of another kind");
    refused("words.csv", "numbers.csv", &[], "column 'c' has values of another kind");
    refused(
        "other.csv",
        "numbers.csv",
        &[],
        "column 'c' of the current data is not in the reference",
    );
    refused("empty.csv", "numbers.csv", &[], "column 'c' has no value in the reference data");
    refused("numbers.csv", "ragged.csv", &[], "ragged.csv row 2 has 2 fields where 1 are expected");
    refused("none.csv", "numbers.csv", &[], "none.csv");
    refused("numbers.txt", "numbers.csv", &[], "numbers.txt");
    refused("numbers.csv", "numbers.csv", &["--method", "magic"], "there is no method \"magic\"");
    refused("words.csv", "words.csv", &["--method", "ks"], "method ks does not fit column 'c'");
}

#[test]
fn drift_is_an_answer_and_no_failure() {
    let far = NUMBERS.replace('.', "00.");
    let project = Project::new().file("numbers.csv", NUMBERS).file("far.csv", &far);
    let call = |current: &str| {
        let call = Pawl::new(&project).args(["data", "drift", "numbers.csv", current]);
        call.args(["--compat", "evidently"])
    };
    let report = call("far.csv").args(["--json"]).run().code(0).json();
    assert_eq!(report["drifted"], true);
    assert_eq!(report["columns"][0]["method"], "ks");
    let text = call("numbers.csv").run().stdout();
    assert!(text.ends_with("0 of 1 columns drifted: the data has not drifted\n"), "{text}");
}

/// Answers that are right but for every `wrong`-th row; of the rows from `unlabelled` on no label has come.
fn answers(rows: usize, wrong: usize, unlabelled: usize) -> String {
    let row = |n: usize| {
        let said = (n * 7).is_multiple_of(3);
        let label = (n < unlabelled).then(|| u8::from(said != n.is_multiple_of(wrong)).to_string());
        format!("{},{}\n", if said { "0.9" } else { "0.1" }, label.unwrap_or_default())
    };
    format!("p,y_true\n{}", (0..rows).map(row).collect::<String>())
}

#[test]
fn a_model_that_answers_worse_is_found_by_its_labels_over_several_looks() {
    let project = Project::new()
        .file("reference.csv", &answers(1_000, 10, 1_000))
        .file("good.csv", &answers(400, 10, 400))
        .file("bad.csv", &answers(400, 4, 300));
    let look = |file: &str| {
        let call = ["data", "drift", "reference.csv", file, "--performance", "accuracy", "--json"];
        Pawl::new(&project).args(call).args(["--state", "watch.json"]).run().code(0).json()
    };
    let good = look("good.csv");
    assert_eq!((&good["status"], &good["drifted"]), (&"same".into(), &false.into()), "{good:#}");
    assert_eq!(
        (&good["labelled"]["rows"], &good["labelled"]["change"]),
        (&400.into(), &Value::Null)
    );
    assert_eq!(good["reference"]["value"], 0.9);
    let bad = look("bad.csv");
    assert_eq!(bad["drifted"], true, "{bad:#}");
    assert_eq!(bad["labelled"]["rows"], 700, "the earlier look counts");
    assert_eq!(bad["unlabelled"]["rows"], 100);
    let change = &bad["labelled"]["change"];
    let before = change["rows_before"].as_u64().expect("a number of rows");
    assert!((380..=440).contains(&before), "the change came after 400 labels: {change}");
    // Its own probabilities can't tell: they are as sure as they were.
    assert_eq!(bad["unlabelled"]["status"], "same");
    let text = Pawl::new(&project)
        .args(["data", "drift", "reference.csv", "bad.csv", "--performance", "accuracy"])
        .run();
    assert!(text.code(0).stdout().contains("worse by"), "{}", text.stdout());
}

#[test]
fn a_watch_refuses_what_it_cannot_go_on_with() {
    let project = Project::new()
        .file("reference.csv", &answers(1_000, 10, 1_000))
        .file("good.csv", &answers(400, 10, 400))
        .file("none.csv", "y_pred\n1\n")
        .file("other.json", "{}");
    for (file, more, message) in [
        ("good.csv", &["--state", "other.json"][..], "other.json is no state of this command"),
        ("good.csv", &["--margin", "2"], "the margin 2 is not from 0 to below 1"),
        ("none.csv", &[], "the current data has neither labels nor probabilities"),
        ("good.csv", &["--method", "psi"], "cannot be used with"),
    ] {
        let call = ["data", "drift", "reference.csv", file, "--performance", "accuracy"];
        let outcome = Pawl::new(&project).args(call).args(more).run();
        assert!(outcome.code(2).stderr().contains(message), "{}", outcome.stderr());
    }
}
