//! Our expressions beside those of another implementation, `github-actions-expressions`: what can be read, and what constants give.

use github_actions_expressions::{Evaluation, Expr};
use pawl_core::expr::{Contexts, parse};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assume, prop_oneof, proptest,
};
use proptest::test_runner::RngSeed;
use serde_json::{Value as Json, json};

/// Where the other implementation is known to differ from GitHub's own, and we do not follow it.
///
/// - It folds strings to upper case by Unicode's full mapping where GitHub's maps one character to one: not generated.
/// - Lengths and depth of an expression have limits on GitHub and none there: not reached.
/// - `NaN` and the infinities as text, and how a float is written out in full: numbers here are short.
/// - A separator of `join` that is no text and no number counts as a comma on GitHub: separators are texts here.
/// - An expression of blanks alone is none on GitHub, and no fault: not generated.
/// - It takes a comma before the closing parenthesis, which GitHub's lexer refuses: not compared.
/// - It looks for the words `Object` and `Array` where GitHub looks for none: collections inside of searches are not compared.
/// - `toJSON` of an object has no order there: objects have one member here.
fn leaf() -> impl Strategy<Value = String> {
    let texts = [
        "", "a", "A", "b", "1", "1.0", " 2 ", "0x1F", "0o17", "1e3", "true", "null", "it''s",
        "{0}-{1}", "{{0}}", "[1]",
    ];
    prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        (-20_i32..20).prop_map(|number| number.to_string()),
        prop_oneof![Just("0.5"), Just("-1.25"), Just("0xff"), Just("0o17"), Just("1e2")]
            .prop_map(str::to_owned),
        proptest::sample::select(texts.to_vec()).prop_map(|text| format!("'{text}'")),
        proptest::sample::select(vec![
            "[]",
            "[1,\"a\",null]",
            "{\"k\":1}",
            "{}",
            "\"x\"",
            "2.5",
            "null"
        ])
        .prop_map(|text| format!("fromJSON('{text}')")),
    ]
}

/// Sound expressions without contexts.
fn expression() -> impl Strategy<Value = String> {
    let operators = vec!["==", "!=", "<", "<=", ">", ">=", "&&", "||"];
    leaf().prop_recursive(4, 24, 3, move |inner| {
        let pair = (inner.clone(), inner.clone());
        let operators = proptest::sample::select(operators.clone());
        prop_oneof![
            (inner.clone(), operators, inner.clone())
                .prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.clone().prop_map(|a| format!("({a})")),
            pair.clone().prop_map(|(a, b)| format!("contains({a}, {b})")),
            pair.clone().prop_map(|(a, b)| format!("startsWith({a}, {b})")),
            pair.clone().prop_map(|(a, b)| format!("endswith({a}, {b})")),
            pair.clone().prop_map(|(a, b)| format!("format('{{0}}|{{1}}|{{{{}}}}', {a}, {b})")),
            inner.clone().prop_map(|a| format!("join({a}, '; ')")),
            pair.prop_map(|(a, b)| format!("case({a} == {b}, 'same', {b})")),
            inner.clone().prop_map(|a| format!("toJSON({a})")),
        ]
    })
}

/// Pieces in any order: most of it is no expression.
fn soup() -> impl Strategy<Value = String> {
    let pieces = vec![
        "(",
        ")",
        "[",
        "]",
        ".",
        ",",
        "*",
        "!",
        "!=",
        "==",
        "<",
        "<=",
        ">",
        "&&",
        "||",
        "'a'",
        "''",
        " ",
        "1",
        "-1",
        "0x1",
        ".5",
        "null",
        "true",
        "github",
        "ref",
        "toJSON(",
        "format('{0}',",
        "always()",
        "contains(",
        "steps",
        "a-b",
        "_x",
    ];
    proptest::collection::vec(proptest::sample::select(pieces), 1..10)
        .prop_map(|pieces| pieces.concat())
}

fn theirs(value: &Evaluation) -> Json {
    match value {
        Evaluation::String(text) => json!(text),
        Evaluation::Number(number) => json!(number),
        Evaluation::Boolean(flag) => json!(flag),
        Evaluation::Null => Json::Null,
        Evaluation::Array(items) => items.iter().map(theirs).collect(),
        Evaluation::Object(map) => {
            Json::Object(map.iter().map(|(key, value)| (key.clone(), theirs(value))).collect())
        }
    }
}

/// Numbers are compared as such, whole or not.
fn plain(value: Json) -> Json {
    match value {
        Json::Number(number) => json!(number.as_f64()),
        Json::Array(items) => items.into_iter().map(plain).collect(),
        Json::Object(map) => {
            Json::Object(map.into_iter().map(|(key, value)| (key, plain(value))).collect())
        }
        other => other,
    }
}

proptest! {
    // The same ones each time: what differs there and was not met yet is no fault of a change that is tested.
    #![proptest_config(ProptestConfig {
        cases: 3000,
        max_global_rejects: 100_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_261_128),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_both_can_reckon_is_the_same(source in expression()) {
        let is_search = ["contains(", "startsWith(", "endswith("].iter().any(|name| source.contains(name));
        let has_collection = source.contains("fromJSON('{") || source.contains("fromJSON('[");
        prop_assume!(!(is_search && has_collection));
        let other = Expr::parse(&source);
        let own = parse(&source);
        prop_assert!(own.is_ok() && other.is_ok(), "{source}: {own:?} {other:?}");
        let (Ok(own), Ok(other)) = (own, other) else { return Ok(()) };
        if let Some(value) = other.consteval() {
            let found = own.evaluate(&Contexts::new());
            let found = found.map(|value| plain(Json::from(&value))).map_err(|error| error.to_string());
            prop_assert!(found == Ok(plain(theirs(&value))), "{source}: {found:?}, there {value:?}");
        }
    }

    #[test]
    fn both_read_the_same(source in soup()) {
        let squeezed = source.replace(' ', "");
        prop_assume!(!squeezed.is_empty() && !squeezed.contains(",)"));
        let (own, other) = (parse(&source), Expr::parse(&source));
        prop_assert!(own.is_ok() == other.is_ok(), "{source}: {own:?}, there {other:?}");
    }
}
