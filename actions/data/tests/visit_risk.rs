//! The example's real data against its real contract.

use std::path::PathBuf;

use pawl_data::{
    Contract, FeatureMatrix, LabelRule, Profile, Source, SplitOptions, Table, ValidateOptions,
    Verdict, digest_file, overlap, split, validate,
};

fn example(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../workflows/visit-risk").join(file)
}

/// The version of the data that the example's pointer names, under a name that says its format.
fn data() -> PathBuf {
    let version = example("storage/files/md5/72/755c2540ef4e93f6356e0c2bb1db31");
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("randhie.csv");
    // In one step: other tests read it at the same time.
    let own = place.with_extension(format!("{:?}", std::thread::current().id()));
    std::fs::copy(version, &own).expect("the data is there");
    std::fs::rename(own, &place).expect("the folder is ours");
    place
}

fn contract() -> Contract {
    let text =
        std::fs::read_to_string(example("contract.odcs.yaml")).expect("the contract is there");
    Contract::parse("contract.odcs.yaml", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn table() -> Table {
    Table::open(&data()).expect("the data is there")
}

fn source() -> Source {
    let path = data();
    Source::open(path.to_str().expect("a text"), None).expect("the data is there")
}

fn label() -> LabelRule {
    "mdvis > 0".parse().expect("a rule")
}

#[test]
fn the_data_keeps_its_contract() {
    let report = validate(&contract(), &source(), &ValidateOptions::default()).expect("checked");
    let bad: Vec<_> = report.checks.iter().filter(|check| check.verdict != Verdict::Pass).collect();
    assert_eq!(
        (report.verdict, report.rows, report.checks.len()),
        (Verdict::Pass, 20_190, 43),
        "{bad:#?}"
    );
    let repeated = report.checks.iter().find(|check| check.id == "repeated-rows").expect("listed");
    // As pandas counts them: DataFrame.duplicated().sum().
    assert_eq!(repeated.failing_rows, 11_065);
}

#[test]
fn the_data_is_what_its_readme_says() {
    let digest = digest_file(&data()).expect("read");
    let readme = std::fs::read_to_string(example("data/README.md")).expect("read");
    assert!(readme.contains(&digest), "{digest}");
}

#[test]
fn damaged_data_breaks_it() {
    let text = std::fs::read_to_string(data()).expect("read");
    let mut lines: Vec<&str> = text.lines().collect();
    lines[2] = "2.5,4.61512,1,6.907755,0,0,13.73189,1,0,0";
    lines[4] = "0,4.61512,2,,0,0,13.73189,1,0,0";
    let damaged = (lines.join("\n") + "\n").into_bytes();
    let format = pawl_data::Format::Csv { delimiter: b',' };
    let table = Source::from_bytes("damaged.csv", format, damaged);
    let report = validate(&contract(), &table, &ValidateOptions::default()).expect("checked");
    let failed: Vec<(&str, usize)> = report
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Fail)
        .map(|check| (check.id.as_str(), check.samples[0].row))
        .collect();
    assert_eq!(failed, [("mdvis.logicalType", 2), ("idp-binary", 4), ("lpi.required", 4)]);
}

#[test]
fn it_splits_into_two_files_that_share_no_row() {
    let table = table();
    let options =
        SplitOptions { test_fraction: 0.3, seed: 42, label: Some(label()), group: Vec::new() };
    let parted = split(&table, &options).expect("splits");
    let report = &parted.report;
    assert_eq!((report.rows, report.duplicate_rows, report.overlap), (20_190, 11_065, 0));
    assert_eq!(report.train_rows + report.test_rows, 20_190);
    assert!(report.test_rows.abs_diff(6057) <= 1, "{report:?}");
    let share = report.test_positive.expect("labelled") as f64 / report.test_rows as f64;
    assert!((share - 13_882.0 / 20_190.0).abs() < 0.001, "{share}");
    let file = |rows: &[usize]| {
        let mut bytes = Vec::new();
        table.write_rows(rows, &mut bytes).expect("a vector takes all");
        Table::from_bytes("part.csv", pawl_data::Format::Csv { delimiter: b',' }, bytes)
            .expect("a table")
    };
    let (train, test) = (file(&parted.train), file(&parted.test));
    assert_eq!(overlap(&train, &test, &[]).expect("same columns").rows, 0);
    let features: Vec<String> = table.columns()[1..].to_vec();
    let matrix = FeatureMatrix::extract(&test, &features, Some(&label())).expect("all numbers");
    assert_eq!((matrix.rows, matrix.values.len()), (report.test_rows, report.test_rows * 9));
}

#[test]
fn its_profile_has_the_figures_that_pandas_has() {
    let profile = Profile::of(&table());
    let mdvis = &profile.columns[0];
    assert_eq!(
        (mdvis.kind.as_str(), mdvis.count, mdvis.nulls, mdvis.max),
        ("integer", 20_190, 0, Some(77.0))
    );
    assert!((mdvis.mean.expect("numbers") - 2.860_426).abs() < 1e-6);
    assert_eq!(mdvis.histogram.iter().sum::<u64>(), 20_190);
}
