//! `pawl eval` against known answers: `expressions.jsonl` holds the contexts in its first line and one expression with its answer in
//! each other. The first part are answers that GitHub's language service gives, too; the last twenty are those where it and the runner
//! differ, and the runner is followed.

use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;
use serde_json::{Value, json};

const VECTORS: &str = include_str!("expressions.jsonl");

fn questions() -> (Value, Vec<Value>) {
    let mut lines =
        VECTORS.lines().map(|line| serde_json::from_str(line).expect("one JSON a line"));
    let contexts = lines.next().expect("the contexts come first");
    (contexts, lines.collect())
}

#[test]
fn a_batch_is_answered_line_by_line_as_github_answers() {
    let (contexts, expected) = questions();
    assert!(expected.len() > 200, "the vectors are there");
    let asked: String = expected
        .iter()
        .map(|vector| format!("{}\n", json!({ "expr": vector["expr"], "contexts": contexts })))
        .collect();
    let project = Project::new().file("questions.jsonl", &asked);
    let outcome = Pawl::new(&project).args(["eval", "--batch"]).stdin("questions.jsonl").run();
    outcome.code(0).stderr_is("");
    let answers = outcome.events();
    assert_eq!(answers.len(), expected.len());
    for (answer, mut vector) in answers.into_iter().zip(expected) {
        let expression = vector.as_object_mut().and_then(|vector| vector.remove("expr"));
        assert_eq!(answer, vector, "{expression:?}");
    }
}

#[test]
fn one_expression_is_answered_with_its_kind_and_an_error_is_2() {
    let contexts = r#"{"data": {"list": [1, {"b": null}]}, "github": {"ref": "refs/heads/main"}}"#;
    let project = Project::new().file("contexts.json", contexts);
    let ask = |expression: &str| {
        Pawl::new(&project).args(["eval", expression, "--context", "contexts.json"]).run()
    };
    for (expression, expected) in [
        ("data.list", json!({"kind": "Array", "value": [1, {"b": null}]})),
        ("github.REF == 'refs/heads/MAIN'", json!({"kind": "Boolean", "value": true})),
        ("-Infinity", json!({"kind": "Number", "value": "-Infinity"})),
        ("NaN", json!({"kind": "Number", "value": "NaN"})),
        ("-1", json!({"kind": "Number", "value": -1})),
        ("data.none", json!({"kind": "Null", "value": null})),
    ] {
        let outcome = ask(expression);
        outcome.code(0).stderr_is("");
        assert_eq!(outcome.json(), expected, "{expression}");
    }
    for (expression, kind, message, position) in [
        (
            "1 < )",
            "parsing",
            "Unexpected symbol: ')'. Located at position 5 within expression: 1 < )",
            5,
        ),
        (
            "a\"",
            "lexing",
            "Unexpected symbol: 'a\"'. Located at position 1 within expression: a\"",
            1,
        ),
        (
            "env.A",
            "parsing",
            "Unrecognized named-value: 'env'. Located at position 1 within expression: env.A",
            1,
        ),
        (
            "1 && nope()",
            "parsing",
            "Unrecognized function: 'nope'. Located at position 6 within expression: 1 && nope()",
            6,
        ),
        ("fromJSON('')", "evaluation", "Error parsing fromJson: empty input", 1),
    ] {
        let outcome = ask(expression);
        outcome.code(2).stderr_is("");
        let error = json!({"error": {"kind": kind, "message": message, "position": position}});
        assert_eq!(outcome.json(), error, "{expression}");
    }
}

#[test]
fn limits_are_evaluation_and_parsing_errors_and_a_bad_line_keeps_its_place() {
    let text = "x".repeat(300_000);
    let long = format!("'{}'", "x".repeat(21_000));
    let asked = [
        json!({ "expr": "format('{0}', t)", "contexts": { "t": text } }).to_string(),
        json!({ "expr": "format('{0}{0}', t)", "contexts": { "t": text } }).to_string(),
        json!({ "expr": long }).to_string(),
        "no question".to_owned(),
        json!({ "expr": "1" }).to_string(),
    ];
    let project = Project::new().file("questions.jsonl", &format!("{}\n", asked.join("\n")));
    let outcome = Pawl::new(&project).args(["eval", "--batch"]).stdin("questions.jsonl").run();
    outcome.code(2);
    let answers = outcome.events();
    assert_eq!(answers.len(), 5);
    assert_eq!(answers[0]["value"].as_str().map(str::len), Some(300_000));
    let message = answers[1]["error"]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("The maximum allowed memory size was exceeded"), "{message}");
    assert_eq!(answers[2]["error"]["message"], "Exceeded max expression length 21000");
    assert_eq!(answers[3]["error"]["kind"], "question");
    assert_eq!(answers[4], json!({"kind": "Number", "value": 1}));
}
