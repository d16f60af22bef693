use super::Train;
use crate::model::{Model, ModelKind, digest};
use crate::testing::Bench;
use pawl_core::ports::ActionOutcome;
use pawl_stats::auc::auc;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Rows whose label follows `-1 + 2a - b` by a logistic curve; `c` is noise, `k` is constant.
fn rows(count: usize, seed: u64) -> (String, Vec<[f64; 4]>, Vec<bool>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut text = "y,a,b,c,k\n".to_owned();
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let [a, b, c]: [f64; 3] =
            [rng.gen_range(-2.0..2.0), rng.gen_range(-3.0..3.0), rng.gen_range(0.0..1.0)];
        let p = 1.0 / (1.0 + (1.0 - 2.0 * a + b).exp());
        let y = rng.gen_bool(p);
        text.push_str(&format!("{},{a},{b},{c},5\n", u8::from(y)));
        values.push([a, b, c, 5.0]);
        labels.push(y);
    }
    (text, values, labels)
}

fn train(data: &str, given: &[(&str, &str)]) -> Result<(ActionOutcome, Vec<u8>), String> {
    let bench = Bench::new();
    bench.workspace().write("train.csv", data.as_bytes()).unwrap();
    let mut all = vec![("data", "train.csv"), ("label", "y")];
    all.extend_from_slice(given);
    let outcome = bench.run_job(&Train, &all).map_err(|error| {
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    })?;
    Ok((outcome, bench.workspace().read("model.json", 1 << 26).unwrap()))
}

#[test]
fn logistic_regression_finds_the_coefficients_that_made_the_data() {
    let (data, ..) = rows(4000, 1);
    let (outcome, bytes) = train(&data, &[("alpha", "0"), ("name", "m")]).unwrap();
    assert_eq!(outcome.report["converged"], true);
    assert_eq!(outcome.outputs["digest"], digest(&bytes));
    let told = &outcome.report["data"];
    assert_eq!(told["digest"], digest(data.as_bytes()));
    assert_eq!((&told["uri"], &told["rows"]), (&"file:train.csv".into(), &4000.into()));
    assert_eq!(told["schema"][0], serde_json::json!({ "name": "y", "type": "csv" }));
    let model = Model::from_bytes(&bytes).unwrap();
    assert_eq!(model.name(), "m");
    assert_eq!(model.features(), ["a", "b", "c", "k"]);
    assert_eq!(model.training().rows, 4000);
    assert_eq!(model.training().data_digest, digest(data.as_bytes()));
    assert_eq!(model.training().commit, "abc");
    let logit = |a: f64, b: f64| {
        let p = model.predict(&[a, b, 0.5, 5.0]);
        (p / (1.0 - p)).ln()
    };
    // Standard errors are about 0.05 at 4,000 rows: four of them.
    assert!((logit(0.0, 0.0) + 1.0).abs() < 0.2, "{}", logit(0.0, 0.0));
    assert!((logit(1.0, 0.0) - logit(0.0, 0.0) - 2.0).abs() < 0.2);
    assert!((logit(0.0, 1.0) - logit(0.0, 0.0) + 1.0).abs() < 0.2);
}

#[test]
fn the_rarer_class_does_not_turn_the_sign() {
    for data in ["y,x\n1,1\n1,2\n1,3\n0,0\n", "y,x\n0,0\n0,1\n0,2\n1,3\n"] {
        let (_, bytes) = train(data, &[]).unwrap();
        let model = Model::from_bytes(&bytes).unwrap();
        assert!(model.predict(&[3.0]) > model.predict(&[0.0]), "{data}");
    }
}

#[test]
fn a_penalty_shrinks_the_coefficients_and_few_iterations_are_said() {
    let (data, ..) = rows(500, 2);
    let spread = |alpha: &str| {
        let model = Model::from_bytes(&train(&data, &[("alpha", alpha)]).unwrap().1).unwrap();
        model.predict(&[2.0, 0.0, 0.5, 5.0]) - model.predict(&[-2.0, 0.0, 0.5, 5.0])
    };
    assert!(spread("1000") < spread("0.1"));
    let (outcome, _) = train(&data, &[("max-iterations", "1")]).unwrap();
    assert_eq!(outcome.report["converged"], false);
}

#[test]
fn a_forest_ranks_rows_it_has_not_seen_and_repeats_by_its_seed() {
    let (data, ..) = rows(800, 3);
    let (_, fresh, labels) = rows(1000, 4);
    let given = [("algorithm", "random-forest"), ("trees", "20"), ("max-depth", "6")];
    let with = |seed| [given.as_slice(), &[("seed", seed)]].concat();
    let (_, bytes) = train(&data, &with("5")).unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    assert_eq!(model.kind(), ModelKind::RandomForest);
    let scores: Vec<f64> = fresh.iter().map(|row| model.predict(row)).collect();
    // The true probabilities reach 0.92 on these rows.
    assert!(auc(&labels, &scores).unwrap() > 0.87, "{:?}", auc(&labels, &scores));
    for _ in 0..2 {
        assert_eq!(train(&data, &with("5")).unwrap().1, bytes);
    }
    assert_ne!(train(&data, &with("6")).unwrap().1, bytes);
}

#[test]
fn ties_of_votes_do_not_make_forests_differ() {
    // Few distinct rows with both labels: leaves whose votes are even are common.
    let data: String =
        (0..64).map(|row| format!("{},{},{}\n", row % 2, row % 4, row % 8)).collect();
    let data = format!("y,a,b\n{data}");
    let given =
        [("algorithm", "random-forest"), ("trees", "40"), ("min-leaf", "1"), ("max-depth", "5")];
    let first = train(&data, &given).unwrap().1;
    for _ in 0..10 {
        assert_eq!(train(&data, &given).unwrap().1, first);
    }
}

#[test]
fn what_cannot_be_learned_from_is_wrong_input() {
    let good = "y,a\n0,1\n1,2\n";
    for (data, given, message) in [
        ("y,a\n1,1\n1,2\n", vec![], "same label"),
        ("y,a\n0,1\n1,\n", vec![], "column 'a' is null"),
        ("y,a\n0,1\n1,x\n", vec![], "row 2, column 'a'"),
        ("y,a\n", vec![], "no rows"),
        ("y\n0\n1\n", vec![], "no column to learn from but y"),
        ("y\n0\n1\n", vec![("algorithm", "random-forest")], "no column to learn from but y"),
        (good, vec![("features", "a, a")], "names a twice"),
        (good, vec![("features", "y,a")], "cannot be a feature"),
        (good, vec![("features", "z")], "no column 'z'"),
        (good, vec![("alpha", "-1")], "alpha is negative"),
        (good, vec![("algorithm", "random-forest"), ("trees", "0")], "trees is 0"),
        (good, vec![("algorithm", "random-forest"), ("feature-share", "1.5")], "feature-share"),
        (good, vec![("algorithm", "svm")], "not one of"),
    ] {
        let error = train(data, &given).unwrap_err();
        assert!(error.contains(message), "{data:?} {given:?}: {error}");
    }
}
