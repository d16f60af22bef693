use super::Gate;
use crate::action::ActionError;
use crate::evaluate::{DATA_ENTRY, MODEL_ENTRY};
use crate::model::{LogisticParameters, Model, ModelHead, digest};
use crate::testing::Bench;
use pawl_core::ports::ActionOutcome;
use pawl_core::registry::{DataColumn, DataVersion, Lineage, ModelRegistry, Objects};
use pawl_data::{Predictions, RowId};

/// The golden rows of the statistics: a linear congruential generator, seed 42, 400 rows. Labels, baseline, candidate
/// and a slice of three values.
fn golden() -> (Vec<bool>, Vec<f64>, Vec<f64>, Vec<String>) {
    let mut x: u64 = 42;
    let mut draw = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 11) as f64 * 2f64.powi(-53)
    };
    let (mut y, mut base, mut cand, mut slice) = (vec![], vec![], vec![], vec![]);
    for _ in 0..400 {
        let label = draw() < 0.35;
        let one = f64::from(u8::from(label));
        let shared = 0.30 * draw() + 0.30 * draw();
        let baseline = shared + 0.40 * draw() * one + 0.10 * draw();
        let candidate = shared + 0.45 * draw() * one + 0.05 * draw();
        base.push(baseline.clamp(1e-6, 1.0 - 1e-6));
        cand.push(candidate.clamp(1e-6, 1.0 - 1e-6));
        slice.push(format!("{}", (3.0 * draw()).floor()));
        y.push(label);
    }
    (y, base, cand, slice)
}

fn predictions(y: &[bool], p: &[f64]) -> Predictions {
    Predictions {
        ids: (1..).map(RowId::from).take(y.len()).collect(),
        y_true: y.to_vec(),
        y_pred: p.iter().map(|p| *p >= 0.4).collect(),
        p: p.to_vec(),
        ..Predictions::default()
    }
}

fn model(intercept: f64) -> Vec<u8> {
    let head =
        ModelHead { name: "m".to_owned(), features: vec!["x".to_owned()], ..ModelHead::default() };
    let parameters = LogisticParameters {
        intercept,
        coefficients: vec![1.0],
        means: vec![0.0],
        scales: vec![1.0],
    };
    Model::logistic(head, parameters).unwrap().to_bytes()
}

fn save(bench: &Bench, path: &str, predictions: &Predictions, model: &[u8], data: &str) {
    let entries =
        [(MODEL_ENTRY.to_owned(), digest(model)), (DATA_ENTRY.to_owned(), data.to_owned())];
    let mut bytes = Vec::new();
    predictions.write_parquet_with(&mut bytes, &entries.into_iter().collect()).unwrap();
    bench.workspace().write(path, &bytes).unwrap();
}

/// A candidate beside the baseline of the golden rows, whose version 1 is in production.
async fn compared() -> Bench {
    let bench = Bench::new();
    let (y, base, cand, _) = golden();
    save(&bench, "candidate.parquet", &predictions(&y, &cand), &model(1.0), "sha256:d");
    save(&bench, "baseline.parquet", &predictions(&y, &base), &model(0.0), "sha256:d");
    bench.workspace().write("model.json", &model(1.0)).unwrap();
    let old = bench.memory.put(model(0.0)).await.unwrap();
    bench.memory.register("m", &old, &Lineage::default()).await.unwrap();
    bench.memory.set_alias("m", "production", None, Some(1)).await.unwrap();
    bench
}

async fn first() -> Bench {
    let bench = Bench::new();
    let (y, _, cand, _) = golden();
    save(&bench, "candidate.parquet", &predictions(&y, &cand), &model(1.0), "sha256:d");
    bench.workspace().write("model.json", &model(1.0)).unwrap();
    bench
}

async fn run(bench: &Bench, given: &[(&str, &str)]) -> Result<ActionOutcome, ActionError> {
    let all = [&[("model", "model.json"), ("name", "m")], given].concat();
    bench.run(&Gate, &all).await
}

fn number(value: &serde_json::Value) -> f64 {
    value.as_f64().unwrap()
}

#[tokio::test]
async fn a_candidate_that_is_not_worse_passes_with_the_known_numbers() {
    let mut bench = compared().await;
    bench.facts.commit = "abc".to_owned();
    bench.facts.dirty = true;
    let data = DataVersion {
        uri: "file:test.csv".to_owned(),
        digest: "sha256:d".to_owned(),
        schema: vec![DataColumn { name: "x".to_owned(), kind: "csv".to_owned() }],
        rows: 400,
    };
    let told = serde_json::json!({ "data": data, "n": 400 });
    bench.facts.reports.insert("gate/evaluate".to_owned(), told);
    let outcome = run(&bench, &[("metrics", "[{name: accuracy, margin: 0.02}]")]).await.unwrap();
    assert!(outcome.success);
    assert_eq!(outcome.outputs["verdict"], "pass");
    let comparison = &outcome.report["comparisons"][0];
    let keys: Vec<&String> = comparison.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "metric",
            "slice",
            "test",
            "n",
            "discordant",
            "baseline",
            "candidate",
            "difference",
            "interval",
            "margin",
            "statistic",
            "p_value",
            "mde",
            "verdict",
            "reason"
        ]
    );
    // Values of scipy and a Tango reference implementation.
    assert_eq!(comparison["metric"], "accuracy");
    assert_eq!(comparison["n"], 400);
    assert_eq!(comparison["discordant"], 51);
    assert!((number(&comparison["difference"]) - 0.0275).abs() < 1e-15);
    assert!((number(&comparison["p_value"]) - 0.004_630_729_418_620_739).abs() < 1e-12);
    assert!((number(&comparison["interval"][0]) + 0.007_735_195_174_657_029).abs() < 1e-9);
    assert!((number(&comparison["interval"][1]) - 0.063_889_621_395_748_22).abs() < 1e-9);
    let versions = bench.memory.versions("m").await.unwrap();
    assert_eq!(outcome.outputs["version"], "2");
    assert_eq!(outcome.outputs["digest"], digest(&model(1.0)));
    assert_eq!(versions[1].digest, digest(&model(1.0)));
    assert_eq!(versions[1].lineage.verdict, "pass");
    assert_eq!(versions[1].lineage.baseline, Some(1));
    assert_eq!(versions[1].lineage.commit, "abc-dirty");
    assert_eq!(versions[1].lineage.evaluation_digest, "sha256:d");
    assert_eq!(versions[1].lineage.report, outcome.report);
    // Of the training data no step of this run told.
    assert_eq!(versions[1].lineage.evaluation_data, Some(data));
    assert_eq!(versions[1].lineage.data, None);
    assert_eq!(bench.memory.get(&versions[1].digest).await.unwrap(), model(1.0));
}

#[tokio::test]
async fn a_worse_candidate_fails_is_registered_and_moves_no_alias() {
    let bench = compared().await;
    let (y, base, ..) = golden();
    let turned: Vec<f64> = base.iter().map(|p| 1.0 - p).collect();
    save(&bench, "candidate.parquet", &predictions(&y, &turned), &model(1.0), "sha256:d");
    let outcome = run(&bench, &[]).await.unwrap();
    assert!(!outcome.success);
    assert_eq!(outcome.outputs["verdict"], "fail");
    assert!(outcome.reason.unwrap().starts_with("fail: "));
    assert_eq!(bench.memory.versions("m").await.unwrap()[1].lineage.verdict, "fail");
    assert_eq!(bench.memory.resolve("m", "production").await.unwrap().unwrap().version, 1);
}

#[tokio::test]
async fn too_few_rows_are_inconclusive_and_block_unless_warned() {
    let bench = compared().await;
    let given = [("metrics", "[{name: accuracy, min_n: 500}]")];
    let outcome = run(&bench, &given).await.unwrap();
    assert_eq!((outcome.success, outcome.outputs["verdict"].as_str()), (false, "inconclusive"));
    let warned = [given.as_slice(), &[("on-inconclusive", "warn")]].concat();
    let outcome = run(&bench, &warned).await.unwrap();
    assert_eq!((outcome.success, outcome.outputs["verdict"].as_str()), (true, "inconclusive"));
}

#[tokio::test]
async fn the_first_model_needs_allow_first_and_keeps_its_floors() {
    let bench = first().await;
    let outcome = run(&bench, &[]).await.unwrap();
    assert_eq!((outcome.success, outcome.outputs["verdict"].as_str()), (false, "no-baseline"));
    assert!(outcome.reason.unwrap().contains("allow-first: true"));
    let outcome = run(&bench, &[("allow-first", "true")]).await.unwrap();
    assert_eq!((outcome.success, outcome.outputs["version"].as_str()), (true, "1"));
    let floor =
        [("allow-first", "true"), ("metrics", "[{name: accuracy, test: absolute, margin: 0.99}]")];
    let outcome = run(&bench, &floor).await.unwrap();
    assert_eq!((outcome.success, outcome.outputs["verdict"].as_str()), (false, "fail"));
    // A floor that holds compares with nothing: without allow-first it is still a first model.
    let floor = ("metrics", "[{name: accuracy, test: absolute, margin: 0.1}]");
    let outcome = run(&bench, &[floor]).await.unwrap();
    assert_eq!((outcome.success, outcome.outputs["verdict"].as_str()), (false, "no-baseline"));
    let outcome = run(&bench, &[floor, ("allow-first", "true")]).await.unwrap();
    assert_eq!((outcome.success, outcome.outputs["verdict"].as_str()), (true, "no-baseline"));
}

#[tokio::test]
async fn a_repeated_call_finds_the_version_it_made() {
    let bench = compared().await;
    assert_eq!(run(&bench, &[]).await.unwrap(), run(&bench, &[]).await.unwrap());
    assert_eq!(bench.memory.versions("m").await.unwrap().len(), 2);
}

#[tokio::test]
async fn predictions_of_another_model_or_file_are_an_error_and_register_nothing() {
    let (y, base, cand, _) = golden();
    let (base, cand) = (predictions(&y, &base), predictions(&y, &cand));
    let bench = compared().await;
    save(&bench, "candidate.parquet", &cand, &model(2.0), "sha256:d");
    expect_error(&bench, "but the model file is").await;
    let bench = compared().await;
    save(&bench, "baseline.parquet", &base, &model(2.0), "sha256:d");
    expect_error(&bench, "but version 1 of m is").await;
    let bench = compared().await;
    bench.workspace().remove("baseline.parquet").unwrap();
    expect_error(&bench, "its predictions are not there").await;
    let bench = compared().await;
    save(&bench, "baseline.parquet", &base, &model(0.0), "sha256:e");
    expect_error(&bench, "on different files").await;
}

#[tokio::test]
async fn rows_that_do_not_match_or_make_no_sense_are_an_error() {
    let (y, base, cand, _) = golden();
    let write = |bench: &Bench, predictions: &Predictions| {
        save(bench, "baseline.parquet", predictions, &model(0.0), "sha256:d");
    };
    let bench = compared().await;
    write(&bench, &predictions(&y[..399], &base[..399]));
    expect_error(&bench, "400").await;
    let bench = compared().await;
    let mut other = y.clone();
    other[7] = !other[7];
    write(&bench, &predictions(&other, &base));
    expect_error(&bench, "id 8: y_true differs").await;
    let bench = compared().await;
    let mut broken = predictions(&y, &cand);
    broken.p[3] = f64::NAN;
    save(&bench, "candidate.parquet", &broken, &model(1.0), "sha256:d");
    expect_error(&bench, "NaN").await;
}

async fn expect_error(bench: &Bench, reason: &str) {
    let outcome = run(bench, &[("allow-first", "true")]).await.unwrap();
    assert!(!outcome.success);
    assert_eq!(outcome.report["verdict"], "error");
    let said = outcome.report["comparisons"][0]["reason"].as_str().unwrap();
    assert!(said.contains(reason), "{said}");
    assert_eq!(outcome.outputs["version"], "");
    assert!(bench.memory.versions("m").await.unwrap().len() <= 1);
}

#[tokio::test]
async fn a_slice_that_is_proven_worse_stops_the_gate() {
    let (y, base, cand, slice) = golden();
    let sliced = |p: &[f64]| {
        let mut made = predictions(&y, p);
        made.slices.insert("g".to_owned(), slice.iter().cloned().map(Some).collect());
        made
    };
    // In slice 2 the candidate is turned round; in the others it is always right.
    let mixed: Vec<f64> = (0..y.len())
        .map(|row| match (slice[row] == "2", y[row]) {
            (true, _) => 1.0 - cand[row],
            (false, true) => 0.99,
            (false, false) => 0.01,
        })
        .collect();
    let bench = compared().await;
    save(&bench, "candidate.parquet", &sliced(&mixed), &model(1.0), "sha256:d");
    save(&bench, "baseline.parquet", &sliced(&base), &model(0.0), "sha256:d");
    let metrics = ("metrics", "[{name: accuracy, margin: 0.2}]");
    let outcome = run(&bench, &[metrics]).await.unwrap();
    assert_eq!(outcome.outputs["verdict"], "fail");
    let slices: Vec<_> = outcome.report["comparisons"].as_array().unwrap()[1..]
        .iter()
        .map(|c| {
            (c["slice"].as_str().unwrap().to_owned(), c["verdict"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected = [("g=0", "pass"), ("g=1", "pass"), ("g=2", "fail")];
    assert_eq!(slices, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    let outcome = run(&bench, &[metrics, ("slices", "none")]).await.unwrap();
    assert_eq!(outcome.report["comparisons"].as_array().unwrap().len(), 1);
    let outcome = run(&bench, &[metrics, ("slices", "h")]).await.unwrap();
    assert_eq!(outcome.outputs["verdict"], "error");
}

#[tokio::test]
async fn csv_predictions_by_hand_need_neither_model_nor_registry() {
    let bench = Bench::new();
    let rows = |right: usize| -> String {
        let line = |row: usize| {
            let y = row % 2;
            let p = if row < right { y } else { 1 - y };
            format!("{row},{y},{p},{}\n", if p == 1 { 0.9 } else { 0.1 })
        };
        (0..200).map(line).collect()
    };
    let work = bench.workspace();
    work.write("c.csv", format!("id,y_true,y_pred,p\n{}", rows(190)).as_bytes()).unwrap();
    work.write("b.csv", format!("id,y_true,y_pred,p\n{}", rows(150)).as_bytes()).unwrap();
    let outcome = bench.run(&Gate, &[("candidate", "c.csv"), ("baseline", "b.csv")]).await.unwrap();
    assert_eq!(outcome.outputs["verdict"], "pass");
    assert_eq!(outcome.outputs["version"], "");
    let outcome = bench.run(&Gate, &[("candidate", "b.csv"), ("baseline", "c.csv")]).await.unwrap();
    assert_eq!(outcome.outputs["verdict"], "fail");
}

#[tokio::test]
async fn a_metric_that_the_columns_cannot_give_fails_and_others_are_judged() {
    let bench = Bench::new();
    let rows: String =
        (0..100).map(|row| format!("r{row},{},{}.0,{row}\n", row % 2, row % 2)).collect();
    let file = format!("id,y_true,y_pred,latency_ms\n{rows}");
    bench.workspace().write("c.csv", file.as_bytes()).unwrap();
    let given = [("candidate", "c.csv"), ("baseline", "c.csv")];
    let judged = |metrics| [given.as_slice(), &[("metrics", metrics)]].concat();
    let outcome = bench.run(&Gate, &judged("[{name: accuracy}]")).await.unwrap();
    assert_eq!(outcome.outputs["verdict"], "pass");
    assert_eq!(outcome.report["comparisons"].as_array().unwrap().len(), 1, "latency is no slice");
    let outcome = bench.run(&Gate, &judged("[{name: auc}]")).await.unwrap();
    assert_eq!(outcome.outputs["verdict"], "fail");
    let reason = outcome.report["comparisons"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("100 rows lack a probability"), "{reason}");
}

#[tokio::test]
async fn wrong_questions_and_unreadable_files_are_wrong_input() {
    let bench = compared().await;
    bench.workspace().write("bad.parquet", b"text").unwrap();
    bench.workspace().write("bad.csv", b"id,y\n1,2\n").unwrap();
    bench.workspace().write("bad.json", b"{}").unwrap();
    for (given, message) in [
        (("metrics", "[{name: accurracy}]"), "accurracy"),
        (("metrics", "[{name: accuracy, margins: 1}]"), "margins"),
        (("metrics", "[{name: accuracy, margin: -1}]"), "margin of -1"),
        (("metrics", "[{name: accuracy, alpha: 0.7}]"), "alpha 0.7"),
        (("metrics", "[{name: auc, test: absolute}]"), "needs its floor"),
        (("metrics", "[{name: auc}, {name: auc}]"), "twice"),
        (("metrics", "[]"), "0 metrics"),
        (("candidate", "none.parquet"), "none.parquet is not in the workspace"),
        (("candidate", "bad.parquet"), "bad.parquet is not Parquet"),
        (("candidate", "bad.csv"), "no column '"),
        (("candidate", "model.json"), "does not tell its format"),
        (("candidate", "../candidate.parquet"), "leads out"),
    ] {
        let error = run(&bench, &[given]).await.unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(message), "{given:?}: {error}");
    }
    let error = bench.run(&Gate, &[("model", "bad.json")]).await.unwrap_err();
    assert!(error.to_string().contains("bad.json: this is not a model file"), "{error}");
}
