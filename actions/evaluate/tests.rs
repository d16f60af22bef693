use super::{DATA_ENTRY, Evaluate, MODEL_ENTRY};
use crate::model::{LogisticParameters, Model, ModelHead, digest};
use crate::testing::Bench;
use pawl_core::ports::ActionOutcome;
use pawl_data::{Format, Predictions, RowId, Table};

/// A model of one feature: `p = sigmoid(slope * x)`.
fn model(slope: f64) -> Vec<u8> {
    let head = ModelHead {
        features: vec!["x".to_owned()],
        label: "y > 0".to_owned(),
        ..ModelHead::default()
    };
    let parameters = LogisticParameters {
        intercept: 0.0,
        coefficients: vec![slope],
        means: vec![0.0],
        scales: vec![1.0],
    };
    Model::logistic(head, parameters).unwrap().to_bytes()
}

/// `x` is -2, -1, 1, 2 by turns; the label is 1 for positive `x`, except in every tenth row.
fn bench() -> Bench {
    let bench = Bench::new();
    let rows: String = (0..40)
        .map(|row| {
            let x = [-2, -1, 1, 2][row % 4];
            let y = u8::from((x > 0) != (row % 10 == 0));
            format!("{y},{x},{}\n", ["a", "b"][row % 2])
        })
        .collect();
    let work = bench.workspace();
    work.write("test.csv", format!("y,x,g\n{rows}").as_bytes()).unwrap();
    work.write("model.json", &model(1.0)).unwrap();
    bench
}

fn run(bench: &Bench, given: &[(&str, &str)]) -> Result<ActionOutcome, String> {
    let all = [&[("data", "test.csv")], given].concat();
    bench.run_job(&Evaluate, &all).map_err(|error| {
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    })
}

fn predictions(bench: &Bench, path: &str) -> (Predictions, indexmap::IndexMap<String, String>) {
    let bytes = bench.workspace().read(path, 1 << 20).unwrap();
    let facts = Predictions::parquet_facts(path, bytes.clone()).unwrap();
    let table = Table::from_bytes(path, Format::Parquet, bytes).unwrap();
    (Predictions::from_table(&table).unwrap(), facts.metadata)
}

#[test]
fn the_candidate_alone_is_scored_and_no_old_baseline_stays() {
    let bench = bench();
    bench.workspace().write("baseline.parquet", b"old").unwrap();
    let outcome = run(&bench, &[("baseline", "none.json")]).unwrap();
    assert!(outcome.success);
    assert_eq!(outcome.outputs["n"], "40");
    // Four of forty labels are turned round.
    assert_eq!(outcome.outputs["accuracy"], "0.9");
    assert_eq!(outcome.outputs["baseline-accuracy"], "");
    assert!(outcome.report["baseline"].is_null());
    assert_eq!(outcome.report["candidate"]["confusion"]["tp"], 18);
    assert_eq!(outcome.report["candidate"]["confusion"]["fp"], 2);
    assert!(!bench.workspace().has_file("baseline.parquet").unwrap());
}

#[test]
fn prediction_files_name_rows_model_data_and_slices() {
    let bench = bench();
    run(&bench, &[("slices", "g")]).unwrap();
    let (read, entries) = predictions(&bench, "candidate.parquet");
    assert_eq!(read.ids, (1..=40).map(RowId::from).collect::<Vec<_>>());
    let expected = 1.0 / (1.0 + 2.0_f64.exp());
    assert_eq!(read.p[0].to_bits(), (((-2.0_f64).exp()) / (1.0 + (-2.0_f64).exp())).to_bits());
    assert!((read.p[0] - expected).abs() < 1e-15);
    assert_eq!(read.slices["g"][..2], [Some("a".to_owned()), Some("b".to_owned())]);
    assert_eq!(entries[MODEL_ENTRY], digest(&model(1.0)));
    let data = bench.workspace().read("test.csv", 1 << 20).unwrap();
    assert_eq!(entries[DATA_ENTRY], digest(&data));
}

#[test]
fn a_baseline_predicts_the_same_rows_and_flips_are_counted() {
    let bench = bench();
    bench.workspace().write("old.json", &model(-1.0)).unwrap();
    let outcome = run(&bench, &[("baseline", "old.json")]).unwrap();
    assert_eq!(outcome.outputs["baseline-accuracy"], "0.1");
    assert_eq!(outcome.report["flips"]["fixed"], 36);
    assert_eq!(outcome.report["flips"]["broken"], 4);
    assert_eq!(outcome.report["flips"]["worst"].as_array().unwrap().len(), 4);
    let (base, entries) = predictions(&bench, "baseline.parquet");
    let (candidate, _) = predictions(&bench, "candidate.parquet");
    assert_eq!(base.ids, candidate.ids);
    assert_eq!(base.y_true, candidate.y_true);
    assert_eq!(entries[MODEL_ENTRY], digest(&model(-1.0)));
}

#[test]
fn golden_rows_hold_what_the_candidate_said() {
    let bench = bench();
    run(&bench, &[("golden-rows", "25")]).unwrap();
    let text = String::from_utf8(bench.workspace().read("golden.jsonl", 1 << 20).unwrap()).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 25);
    let candidate = Model::from_bytes(&model(1.0)).unwrap();
    for line in lines {
        let value = |feature: &String| line["row"][feature.as_str()].as_f64().unwrap();
        let row: Vec<f64> = candidate.features().iter().map(value).collect();
        assert_eq!(
            line["probability"].as_f64().unwrap().to_bits(),
            candidate.predict(&row).to_bits()
        );
    }
}

#[test]
fn what_cannot_be_evaluated_is_wrong_input() {
    let bench = bench();
    let work = bench.workspace();
    work.write("bad.json", b"{}").unwrap();
    work.write("empty.csv", b"y,x\n").unwrap();
    work.write("other.csv", b"y,z\n1,2\n").unwrap();
    for (given, message) in [
        (vec![("candidate", "bad.json")], "bad.json: this is not a model file"),
        (vec![("candidate", "none.json")], "none.json is not in the workspace"),
        (vec![("baseline", "bad.json")], "bad.json: this is not a model file"),
        (vec![("data", "empty.csv")], "has no rows"),
        (vec![("data", "other.csv")], "no column 'x'"),
        (vec![("slices", "z")], "no column z to slice by"),
        (vec![("threshold", "1.5")], "threshold is 1.5"),
        (vec![("golden-rows", "2")], "golden-rows is 2"),
        (vec![("label", "q > 0")], "no column 'q'"),
    ] {
        let error = run(&bench, &given).unwrap_err();
        assert!(error.contains(message), "{given:?}: {error}");
    }
}

#[test]
fn no_predictions_are_written_over_others_or_over_what_is_read() {
    let bench = bench();
    for (given, message) in [
        (("baseline-predictions", "candidate.parquet"), "are both candidate.parquet"),
        (("golden", "./candidate.parquet"), "are both candidate.parquet"),
        (("candidate-predictions", "model.json"), "are both model.json"),
    ] {
        let error = run(&bench, &[given]).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}
