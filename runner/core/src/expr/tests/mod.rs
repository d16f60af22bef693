//! The language against tables of expected results, and its laws.

mod errors;
mod properties;
mod references;
mod scalars;
mod vectors;

use serde_json::json;

use super::{Contexts, ExprError, Status, Value, parse_with};

/// The contexts that most tables use.
fn contexts() -> Contexts<'static> {
    let github = json!({
        "ref": "refs/heads/main", "Sha": "ABC", "run": 7,
        "event": {
            "labels": [{"name": "bug"}, {"name": "Urgent"}, {"color": "red"}],
            "deep": [{"p": {"q": "v1"}}, {"p": {"q": "v2"}}, {"p": 3}, "text", null],
            "grid": [["a0", "a1"], ["b0"], ["c0", "c1"]],
            "null": null, "with-dash": "d", "5": "five", "0.5": "half", "": "blank", "true": "yes"
        }
    });
    let list = json!(["zero", "one", "two"]);
    let mixed = json!([null, true, 1.5, "s", [1], {"k": "v"}]);
    [("github", github), ("list", list), ("mixed", mixed), ("empty", json!([]))]
        .into_iter()
        .fold(Contexts::new(), |all, (name, value)| all.with(name, Value::from(value)))
        .with_status(Status { success: true, failure: false, cancelled: false })
}

/// Parses with exactly the names of the contexts, then evaluates.
fn eval_in(source: &str, contexts: &Contexts<'_>) -> Result<Value, ExprError> {
    parse_with(source, &contexts.names())?.evaluate(contexts)
}

fn eval(source: &str) -> Result<Value, ExprError> {
    eval_in(source, &contexts())
}
