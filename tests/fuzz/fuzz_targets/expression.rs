//! A text with expressions: read, evaluated, and printed so that it reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_core::expr::{Condition, Contexts, Template, parse};
use serde_json::json;

fuzz_target!(|text: &str| {
    let contexts = Contexts::new()
        .with("github", json!({ "ref": "refs/heads/main", "event": { "commits": [{ "id": 1 }] } }))
        .with("matrix", json!({ "depth": 3.5, "kind": null, "on": true }));
    if let Ok(template) = Template::parse(text) {
        drop(template.evaluate(&contexts));
        drop(template.const_eval(&contexts));
    }
    if let Ok(condition) = Condition::parse(text) {
        drop(condition.evaluate(&contexts));
    }
    if let Ok(expression) = parse(text) {
        let canonical = expression.canonical();
        let again = parse(&canonical).unwrap_or_else(|error| panic!("{canonical}: {error}"));
        assert_eq!(again.canonical(), canonical);
        drop(expression.evaluate(&contexts));
    }
});
