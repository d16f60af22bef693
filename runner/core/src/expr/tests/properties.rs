use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Union;

use crate::expr::{Condition, Contexts, Template, Value, parse};

/// Text that is made of what expressions are made of, so that a good part of it is nearly sound.
fn token_soup() -> impl Strategy<Value = String> {
    let pieces = [
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
        "&&",
        "||",
        "=",
        "&",
        "'",
        "''",
        "'a'",
        " ",
        "1",
        "-1",
        "0x",
        ".5",
        "e",
        "null",
        "true",
        "NaN",
        "github",
        "ref",
        "toJSON(",
        "fromJSON(",
        "format('{0}',",
        "case(",
        "always()",
        "é",
        "😊",
        "\n",
        "${{",
        "}}",
        "@",
        "\"",
    ];
    let piece = Union::new(pieces.map(Just));
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Sound expressions over the contexts `a`, `b` and `c`.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i16>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        "[ -&(-~]{0,6}".prop_map(|s| format!("'{s}'")),
        Just("'it''s'".to_owned()),
        "[abc]",
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let binary = Union::new(["==", "!=", "<", "<=", ">", ">=", "&&", "||"].map(Just));
        prop_oneof![
            (inner.clone(), binary, inner.clone()).prop_map(|(l, op, r)| format!("{l} {op} {r}")),
            inner.clone().prop_map(|e| format!("!({e})")),
            inner.clone().prop_map(|e| format!("({e})")),
            inner.clone().prop_map(|e| format!("({e}).name")),
            inner.clone().prop_map(|e| format!("({e}).*")),
            (inner.clone(), inner.clone()).prop_map(|(t, i)| format!("({t})[{i}]")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("contains({l}, {r})")),
            (inner.clone(), inner).prop_map(|(l, r)| format!("format('<{{0}}|{{1}}>', {l}, {r})")),
        ]
    })
}

fn primitive() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3..3_i32).prop_map(Value::from),
        "[aAbBıİςΣ0-3. ]{0,3}".prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    primitive().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::array),
            proptest::collection::vec(("[a-c]{1,2}", inner), 0..4)
                .prop_map(|pairs| Value::from(pairs.into_iter().collect::<crate::expr::Object>())),
        ]
    })
}

fn contexts() -> Contexts<'static> {
    Contexts::new()
        .with("a", Value::from(serde_json::json!({"name": "x", "1": [1, 2]})))
        .with("b", Value::from(serde_json::json!([{"name": "y"}, [true], "z"])))
        .with("c", "text")
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in prop_oneof![token_soup(), any::<String>()]) {
        if let Err(error) = parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset) && error.position >= 1);
        }
        if let Err(error) = Template::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset()), "{error:?}");
        }
        if let Err(error) = Condition::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset()), "{error:?}");
        }
    }

    #[test]
    fn what_parses_evaluates_without_panic(text in token_soup()) {
        let contexts = contexts();
        if let Ok(expr) = parse(&text) {
            let known = expr.const_eval(&contexts);
            if let Ok(value) = expr.evaluate(&contexts) {
                // A number may be NaN, so the texts are compared.
                prop_assert_eq!(format!("{known:?}"), format!("{:?}", Ok::<_, ()>(Some(value))));
            }
        }
    }

    #[test]
    fn the_canonical_form_parses_to_itself_and_means_the_same(text in expression()) {
        let Ok(expr) = parse(&text) else { return Ok(()) };
        let canonical = expr.canonical();
        let again = parse(&canonical).map_err(|e| proptest::test_runner::TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(again.canonical(), canonical);
        let contexts = contexts();
        let both = [expr, again].map(|e| format!("{:?}", e.evaluate(&contexts).map_err(|e| e.message)));
        prop_assert_eq!(&both[0], &both[1]);
    }

    #[test]
    fn equality_and_order_agree(a in value(), b in value()) {
        prop_assert_eq!(a.equals(&b), b.equals(&a));
        prop_assert_eq!(a.compare(&b), b.compare(&a).map(std::cmp::Ordering::reverse));
        prop_assert_eq!(a.equals(&b), a.compare(&b).is_some_and(std::cmp::Ordering::is_eq));
        let is_nan = a.to_number().is_nan() && matches!(a, Value::Number(_));
        prop_assert_eq!(a.equals(&a), !is_nan);
    }

    #[test]
    fn a_number_survives_its_text_to_fifteen_digits(n in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let back = Value::from(Value::from(n).to_text()).to_number();
        prop_assert!(back == n || ((back - n) / n).abs() <= 5.1e-15 || n.abs() < 1e-300 || back.is_infinite(), "{n} {back}");
    }

    #[test]
    fn json_comes_back_as_it_was(value in value()) {
        let json = serde_json::Value::from(&value);
        let contexts = Contexts::new().with("v", Value::from(json.clone()));
        let back = parse("fromJSON(toJSON(v))").unwrap().evaluate(&contexts).map(|v| serde_json::Value::from(&v));
        // toJSON writes 15 digits: compare what is written.
        let written = |json: serde_json::Value| {
            let contexts = Contexts::new().with("v", Value::from(json));
            parse("toJSON(v)").unwrap().evaluate(&contexts)
        };
        prop_assert_eq!(back.map(written), Ok(written(json)));
    }

    #[test]
    fn literal_templates_give_back_their_text(text in prop_oneof![token_soup(), any::<String>()]) {
        prop_assert_eq!(Template::literal(&text).evaluate_string(&Contexts::new()), Ok(text));
    }
}
