use super::Split;
use crate::testing::Bench;
use std::collections::BTreeSet;

/// 100 rows, every fourth positive, each with its own number.
fn bench() -> Bench {
    let bench = Bench::new();
    let rows: String = (0..100).map(|row| format!("{row},{}\n", row % 4 / 3)).collect();
    bench.workspace().write("d.csv", format!("n,y\n{rows}").as_bytes()).unwrap();
    bench
}

fn lines(bench: &Bench, path: &str) -> Vec<String> {
    let text = String::from_utf8(bench.workspace().read(path, 9999).unwrap()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_row_is_on_one_side_and_positives_are_shared_out() {
    let bench = bench();
    let outcome = bench.run_job(&Split, &[("data", "d.csv"), ("label", "y > 0")]).unwrap();
    assert_eq!(outcome.outputs["train-rows"], "80");
    assert_eq!(outcome.outputs["test-rows"], "20");
    assert_eq!(outcome.outputs["overlap"], "0");
    let (train, test) = (lines(&bench, "train.csv"), lines(&bench, "test.csv"));
    assert_eq!(train[0], "n,y");
    assert_eq!(test[0], "n,y");
    let all: BTreeSet<&String> = train[1..].iter().chain(&test[1..]).collect();
    assert_eq!(all.len(), 100);
    assert_eq!(test.iter().filter(|line| line.ends_with(",1")).count(), 5);
}

#[test]
fn a_seed_repeats_and_another_seed_does_not() {
    let bench = bench();
    let digest = |seed: &str| {
        let outcome = bench.run_job(&Split, &[("data", "d.csv"), ("seed", seed)]).unwrap();
        outcome.outputs["test-digest"].clone()
    };
    assert_eq!(digest("7"), digest("7"));
    assert_ne!(digest("7"), digest("8"));
}

#[test]
fn wrong_fractions_labels_and_files_are_wrong_input() {
    let bench = bench();
    bench.workspace().write("d.txt", b"x").unwrap();
    for given in [
        [("data", "d.csv"), ("test-fraction", "1.0")],
        [("data", "d.csv"), ("label", "z > 0")],
        [("data", "d.csv"), ("label", "> 0")],
        [("data", "d.csv"), ("seed", "-1")],
        [("data", "d.txt"), ("seed", "1")],
        [("data", "d.csv"), ("train", "../t.csv")],
    ] {
        assert_eq!(bench.run_job(&Split, &given).unwrap_err().exit_code(), 2, "{given:?}");
    }
}

#[test]
fn no_file_is_written_over_another() {
    let bench = bench();
    let before = lines(&bench, "d.csv");
    for (given, wanted) in [
        (("train", "test.csv"), "the inputs train and test are both test.csv"),
        (("train", "./d.csv"), "the inputs data and train are both d.csv"),
        (("test", "x/../d.csv"), "d.csv"),
    ] {
        let error = bench.run_job(&Split, &[("data", "d.csv"), given]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(wanted), "{error}");
    }
    assert_eq!(lines(&bench, "d.csv"), before);
    assert!(!bench.workspace().has_file("test.csv").unwrap());
}
