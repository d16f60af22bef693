use super::Baseline;
use crate::model::{LogisticParameters, Model, ModelHead};
use crate::testing::Bench;
use pawl_core::registry::{Lineage, ModelRegistry, Objects};

fn model() -> Model {
    let head = ModelHead { features: vec!["x".to_owned()], ..ModelHead::default() };
    let parameters = LogisticParameters {
        intercept: 0.0,
        coefficients: vec![1.0],
        means: vec![0.0],
        scales: vec![1.0],
    };
    Model::logistic(head, parameters).unwrap()
}

async fn registered(bytes: Vec<u8>) -> (Bench, String) {
    let bench = Bench::new();
    let digest = bench.memory.put(bytes).await.unwrap();
    bench.memory.register("m", &digest, &Lineage::default()).await.unwrap();
    bench.memory.set_alias("m", "production", None, Some(1)).await.unwrap();
    (bench, digest)
}

#[tokio::test]
async fn the_model_of_the_alias_is_written() {
    let (bench, digest) = registered(model().to_bytes()).await;
    let outcome = bench.run(&Baseline, &[("model", "m"), ("path", "b/old.json")]).await.unwrap();
    assert_eq!(outcome.outputs["found"], "true");
    assert_eq!(outcome.outputs["version"], "1");
    assert_eq!(outcome.outputs["digest"], digest);
    let bytes = bench.workspace().read("b/old.json", 9999).unwrap();
    assert_eq!(Model::from_bytes(&bytes).unwrap(), model());
}

#[tokio::test]
async fn without_a_baseline_a_file_in_its_place_is_removed() {
    let bench = Bench::new();
    bench.workspace().write("baseline.model.json", b"planted").unwrap();
    let outcome = bench.run(&Baseline, &[("model", "m")]).await.unwrap();
    assert!(outcome.success);
    assert_eq!(outcome.outputs["found"], "false");
    assert_eq!(outcome.outputs["version"], "");
    assert!(!bench.workspace().has_file("baseline.model.json").unwrap());
}

#[tokio::test]
async fn an_object_that_is_damaged_or_no_model_is_refused() {
    let (bench, digest) = registered(model().to_bytes()).await;
    bench.memory.objects.lock().unwrap().insert(digest, b"{}".to_vec());
    let error = bench.run(&Baseline, &[("model", "m")]).await.unwrap_err();
    assert!(error.to_string().contains("has the digest"), "{error}");
    let (bench, _) = registered(b"{}".to_vec()).await;
    let error = bench.run(&Baseline, &[("model", "m")]).await.unwrap_err();
    assert!(error.to_string().contains("not a model file"), "{error}");
}
