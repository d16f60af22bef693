//! A model file: one that loads can always be asked, and written so that it loads again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_actions::model::Model;

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = Model::from_bytes(bytes) else { return };
    let features = model.features().len();
    for value in [0.0, -1.5, f64::MAX, f64::MIN_POSITIVE, f64::NAN] {
        let probability = model.predict(&vec![value; features]);
        assert!(probability.is_nan() || (0.0..=1.0).contains(&probability), "{probability}");
    }
    let again = Model::from_bytes(&model.to_bytes()).expect("what was written can be loaded");
    assert_eq!(again, model);
});
