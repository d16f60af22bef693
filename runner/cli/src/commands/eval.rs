//! `pawl eval`

use crate::args::EvalArgs;
use crate::error::{Class, CommandError};
use crate::files;
use crate::output::print;
use pawl_core::expr::{Contexts, ExprError, Names, Status, Value, parse_with};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::io::{BufRead, Read};

/// Longest line of a batch: GitHub's limit of an expression, and as much again of contexts as an event may have.
const LONGEST_LINE_BYTES: u64 = 16 * 1024 * 1024;

/// What the results of one expression may take: the library's own limit for an expression by itself. In a workflow it is ten times as
/// much, because there a whole file is evaluated together.
const RESULT_BYTES: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    expr: String,
    #[serde(default)]
    contexts: Json,
}

/// Evaluates one expression, or one a line.
pub(crate) fn run(args: &EvalArgs) -> Result<(), CommandError> {
    if args.batch {
        return batch(&mut std::io::stdin().lock());
    }
    let contexts = match &args.context {
        Some(path) => files::read_json(path)?,
        None => Json::Null,
    };
    let expression = args.expression.as_deref().unwrap_or_default();
    match evaluated(expression, &contexts) {
        Ok(value) => print(&answer(&value).to_string()),
        Err(error) => {
            print(&refusal(&error).to_string())?;
            Err(CommandError { class: Class::Input, message: String::new(), hint: String::new() })
        }
    }
}

/// Answers line by line; a line that cannot be read is an answer, too, so that questions and answers stay in step.
fn batch(input: &mut dyn BufRead) -> Result<(), CommandError> {
    let mut unread = 0_usize;
    loop {
        let mut line = Vec::new();
        let read = Read::take(&mut *input, LONGEST_LINE_BYTES).read_until(b'\n', &mut line);
        let count = read.map_err(|error| {
            CommandError::input(format!("stdin: {error}"), "give one question a line")
        })?;
        if count == 0 {
            break;
        }
        let answered = match serde_json::from_slice::<Question>(&line) {
            Ok(question) => match evaluated(&question.expr, &question.contexts) {
                Ok(value) => answer(&value),
                Err(error) => refusal(&error),
            },
            Err(error) => {
                unread += 1;
                json!({ "error": {
                    "kind": "question", "message": error.to_string(), "position": error.column(),
                }})
            }
        };
        print(&answered.to_string())?;
    }
    if unread == 0 {
        return Ok(());
    }
    Err(CommandError::input(
        format!("stdin: {unread} lines are no question"),
        "a line is {\"expr\": TEXT, \"contexts\": OBJECT}",
    ))
}

/// The contexts are the object's keys, whatever their names. Without a job, everything has succeeded.
fn evaluated(expression: &str, contexts: &Json) -> Result<Value, ExprError> {
    let mut known =
        Contexts::new().with_status(Status { success: true, failure: false, cancelled: false });
    for (name, value) in contexts.as_object().into_iter().flatten() {
        known = known.with(name.clone(), Value::from(value.clone()));
    }
    known.max_bytes = Some(RESULT_BYTES);
    let names: Names = known.names();
    parse_with(expression, &names)?.evaluate(&known)
}

fn answer(value: &Value) -> Json {
    json!({ "kind": value.kind().as_str(), "value": Json::from(value) })
}

fn refusal(error: &ExprError) -> Json {
    json!({ "error": {
        "kind": error.kind.as_str(), "message": error.message, "position": error.position,
    }})
}

#[cfg(test)]
mod tests {
    use super::{answer, evaluated, refusal};
    use serde_json::json;

    #[test]
    fn values_and_errors_have_githubs_form() {
        let contexts = json!({ "github": { "ref": "refs/heads/main" }, "odd": [1, "x"] });
        for (expression, expected) in [
            ("github.ref == 'REFS/heads/main'", json!({"kind": "Boolean", "value": true})),
            ("odd[1]", json!({"kind": "String", "value": "x"})),
            ("github.none", json!({"kind": "Null", "value": null})),
            ("fromJSON('[1]')", json!({"kind": "Array", "value": [1]})),
            ("0x10 + ''", json!(null)),
        ] {
            match evaluated(expression, &contexts) {
                Ok(value) => assert_eq!(answer(&value), expected, "{expression}"),
                Err(error) => {
                    assert_eq!(refusal(&error)["error"]["kind"], "lexing", "{expression}")
                }
            }
        }
        let error = evaluated("1 < )", &contexts).expect_err("a fault");
        assert_eq!(
            refusal(&error)["error"]["message"],
            "Unexpected symbol: ')'. Located at position 5 within expression: 1 < )"
        );
    }
}
