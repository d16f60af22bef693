use super::{
    FORMAT_VERSION, ForestParameters, LogisticParameters, Model, ModelError, ModelHead, Training,
    Tree, digest,
};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

fn head() -> ModelHead {
    ModelHead {
        name: "visit-risk".to_owned(),
        features: vec!["age".to_owned(), "income".to_owned()],
        label: "visits > 0".to_owned(),
        training: Training {
            seed: u64::MAX,
            rows: 12,
            data_digest: digest(b"data"),
            commit: "abc".to_owned(),
            hyperparameters: [("alpha".to_owned(), 0.1)].into_iter().collect(),
        },
    }
}

fn logistic() -> Model {
    let parameters = LogisticParameters {
        intercept: 0.5,
        coefficients: vec![1.0, -2.0],
        means: vec![10.0, 0.0],
        scales: vec![5.0, 1.0],
    };
    Model::logistic(head(), parameters).unwrap()
}

/// Root splits on age at 30: left is a leaf of 0.25, right splits on income at 1: 0.5 and 1.
fn tree() -> Tree {
    Tree {
        feature: vec![0, 0, 1, 0, 0],
        threshold: vec![30.0, 0.0, 1.0, 0.0, 0.0],
        left: vec![1, 0, 3, 0, 0],
        right: vec![2, 0, 4, 0, 0],
        value: vec![0.6, 0.25, 0.75, 0.5, 1.0],
    }
}

fn forest() -> Model {
    let stump = Tree {
        feature: vec![0],
        threshold: vec![0.0],
        left: vec![0],
        right: vec![0],
        value: vec![0.0],
    };
    Model::forest(head(), ForestParameters { trees: vec![tree(), stump] }).unwrap()
}

fn edited(model: &Model, from: &str, to: &str) -> Result<Model, ModelError> {
    let text = String::from_utf8(model.to_bytes()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    Model::from_bytes(text.replace(from, to).as_bytes())
}

#[test]
fn a_logistic_regression_predicts_by_its_formula() {
    // z = 0.5 + 1 * (20 - 10) / 5 - 2 * 1 = 0.5
    let expected = 1.0 / (1.0 + (-0.5_f64).exp());
    assert_eq!(logistic().predict(&[20.0, 1.0]).to_bits(), expected.to_bits());
    assert_eq!(logistic().predict(&[1e308, -1e308]).to_bits(), 1.0_f64.to_bits());
    assert!(logistic().predict(&[f64::NAN, 1.0]).is_nan());
}

#[test]
fn a_forest_predicts_the_mean_of_its_leaves() {
    for (row, expected) in
        [([30.0, 9.0], 0.125), ([30.5, 1.0], 0.25), ([31.0, 1.5], 0.5), ([-5.0, 0.0], 0.125)]
    {
        assert_eq!(forest().predict(&row).to_bits(), f64::to_bits(expected), "{row:?}");
    }
    assert!(forest().predict(&[f64::INFINITY, 0.0]).is_nan());
}

#[test]
fn a_model_survives_its_file_bit_for_bit() {
    for model in [logistic(), forest()] {
        let bytes = model.to_bytes();
        let again = Model::from_bytes(&bytes).unwrap();
        assert_eq!(again, model);
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.training().seed, u64::MAX);
    }
}

#[test]
fn another_version_format_or_digest_is_named() {
    assert_eq!(
        edited(&logistic(), "\"format_version\":1", "\"format_version\":2"),
        Err(ModelError::Version(FORMAT_VERSION + 1))
    );
    let other = edited(&logistic(), "pawl-model", "pickle").unwrap_err();
    assert_eq!(other.to_string(), "this is not a model file: its format is \"pickle\"");
    let error = Model::from_bytes_with_digest(&logistic().to_bytes(), "sha256:00").unwrap_err();
    assert!(error.to_string().ends_with("not sha256:00"), "{error}");
    let bytes = forest().to_bytes();
    assert_eq!(Model::from_bytes_with_digest(&bytes, &digest(&bytes)), Ok(forest()));
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    for (model, from, to, message) in [
        (logistic(), "[5.0,1.0]", "[5.0,0.0]", "a scale is not greater than 0"),
        (logistic(), "[5.0,1.0]", "[5.0]", "do not have 2 numbers each"),
        (logistic(), "[1.0,-2.0]", "[1.0,null]", "not a model file"),
        (logistic(), "[1.0,-2.0]", "[1.0,1e999]", "number out of range"),
        (logistic(), "\"income\"", "\"age\"", "age is there twice"),
        (logistic(), "\"label\"", "\"extra\":1,\"label\"", "extra"),
        (logistic(), "logistic-regression", "random-forest", "not a model file"),
        (logistic(), "\"kind\":\"logistic-regression\",", "", "kind"),
        (forest(), "[1,0,3,0,0]", "[0,0,3,0,0]", "tree 0: node 0: its children"),
        (forest(), "[1,0,3,0,0]", "[1,0,2,0,0]", "tree 0: node 2: its children"),
        (forest(), "[2,0,4,0,0]", "[2,0,5,0,0]", "tree 0: node 2: its children"),
        (forest(), "[0,0,1,0,0]", "[0,0,2,0,0]", "its feature does not exist"),
        (forest(), "[0.6,0.25", "[1.6,0.25", "its value is not between 0 and 1"),
        (forest(), "[0.6,0.25", "[0.6,0.2,0.25", "different lengths"),
    ] {
        let error = edited(&model, from, to).unwrap_err().to_string();
        assert!(error.contains(message), "{to}: {error}");
    }
}

/// What a hostile or damaged file looks like: a model file with bytes changed, cut or put in.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![Just(logistic().to_bytes()), Just(forest().to_bytes())];
    let token = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        Just(b"4294967295".to_vec()),
        Just(b"-1".to_vec()),
        Just(b"1e308".to_vec()),
        Just(b"null".to_vec()),
        Just(b"[[[[".to_vec()),
        Just(Vec::new()),
    ];
    (valid, any::<proptest::sample::Index>(), 0..6_usize, token).prop_map(
        |(mut bytes, at, cut, token)| {
            let start = at.index(bytes.len());
            let end = (start + cut).min(bytes.len());
            bytes.splice(start..end, token);
            bytes
        },
    )
}

proptest! {
    #[test]
    fn damaged_files_are_refused_or_predict_safely(bytes in damaged()) {
        if let Ok(model) = Model::from_bytes(&bytes) {
            let row = vec![1.5; model.features().len()];
            let p = model.predict(&row);
            prop_assert!(p.is_nan() || (0.0..=1.0).contains(&p));
            prop_assert_eq!(Model::from_bytes(&model.to_bytes()).unwrap(), model);
        }
    }

    #[test]
    fn any_finite_numbers_survive_the_file(
        intercept in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL,
        coefficients in proptest::collection::vec(proptest::num::f64::NORMAL, 2),
        row in proptest::collection::vec(-1e6..1e6_f64, 2),
    ) {
        let parameters = LogisticParameters {
            intercept, coefficients, means: vec![0.1, 0.2], scales: vec![1.5, 2.5],
        };
        let model = Model::logistic(head(), parameters).unwrap();
        let again = Model::from_bytes(&model.to_bytes()).unwrap();
        prop_assert_eq!(model.predict(&row).to_bits(), again.predict(&row).to_bits());
    }
}
