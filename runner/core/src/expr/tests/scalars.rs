use serde_json::json;

use super::contexts;
use crate::expr::{Condition, Contexts, Expr, Names, Part, Status, Template, TemplateError, Value};

#[test]
fn a_template_is_cut_at_its_expressions() {
    let template = Template::parse("a ${{ github.ref }}${{'}}'}} b").unwrap();
    let shown: Vec<String> = template
        .parts()
        .iter()
        .map(|part| match part {
            Part::Literal(text) => format!("text {text:?}"),
            Part::Expr { expr, offset } => format!("expr {expr} at {offset}"),
        })
        .collect();
    let expected = ["text \"a \"", "expr github.ref at 6", "expr '}}' at 22", "text \" b\""];
    assert_eq!(shown, expected);
    assert!(!template.is_literal() && template.whole_expr().is_none());
}

#[test]
fn a_template_without_expressions_is_its_text() {
    for text in ["", "plain", "{{ x }}", "$ {{", "}}", "$", "${ x }", "é $"] {
        let template = Template::parse(text).unwrap();
        assert!(template.is_literal() && template.whole_expr().is_none(), "{text}");
        assert_eq!(template.evaluate(&Contexts::new()), Ok(Value::from(text)));
    }
}

#[test]
fn a_whole_expression_keeps_its_type() {
    let contexts = contexts();
    let value = |text| Template::parse(text).unwrap().evaluate(&contexts).unwrap();
    assert_eq!(value("${{ fromJSON('[1, 2]') }}"), Value::from(json!([1, 2])));
    assert_eq!(value("${{1==1}}"), Value::Bool(true));
    assert_eq!(value("${{ github.event.null }}"), Value::Null);
    assert_eq!(value(" ${{ 1 }}"), Value::from(" 1"));
    assert_eq!(value("${{ list }}-${{ github.run }}${{ null }}"), Value::from("Array-7"));
    assert_eq!(value("{${{ 1.50 }}} {{0}} '"), Value::from("{1.5} {{0}} '"));
}

#[test]
fn a_template_as_a_string_refuses_collections() {
    let contexts = contexts();
    let text = |source| Template::parse(source).unwrap().evaluate_string(&contexts);
    assert_eq!(text("${{ 1.0 }}"), Ok("1".to_owned()));
    assert_eq!(text("${{ null }}"), Ok(String::new()));
    assert_eq!(text("x${{ list }}"), Ok("xArray".to_owned()));
    assert_eq!(text("${{ list }}").unwrap_err().to_string(), "A sequence was not expected");
    assert_eq!(text("${{ github }}").unwrap_err().to_string(), "A mapping was not expected");
}

#[test]
fn broken_templates_say_where() {
    let unclosed = "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found.";
    let table = [
        ("é ${{ github.ref", 3, unclosed),
        ("${{ a }} ${{ '}}", 9, unclosed),
        ("x ${{  }}", 2, "An expression was expected"),
        ("${{}}", 0, "An expression was expected"),
        (
            "x ${{ 1 < ) }}",
            10,
            "Unexpected symbol: ')'. Located at position 5 within expression: 1 < )",
        ),
    ];
    for (source, offset, message) in table {
        let error = Template::parse(source).expect_err(source);
        assert_eq!((error.offset(), error.to_string().as_str()), (offset, message), "{source}");
    }
    let template = Template::parse("ab ${{ 1 && fromJSON('') }}").unwrap();
    let error = template.evaluate(&Contexts::new()).unwrap_err();
    assert_eq!(error.offset(), 12);
}

#[test]
fn a_template_is_known_when_all_its_parts_are() {
    let known = |source| Template::parse(source).unwrap().const_eval(&contexts());
    assert_eq!(known("a-${{ github.run }}"), Ok(Some(Value::from("a-7"))));
    assert_eq!(known("a-${{ needs.x }}"), Ok(None));
    assert_eq!(known("${{ needs.x }}"), Ok(None));
    assert!(known("${{ needs.x }} ${{ fromJSON('') }}").is_err());
}

#[test]
fn any_text_can_be_made_literal() {
    for text in ["", "a ${{ b }} c", "${{", "'}}' ${{ $${{"] {
        let value = Template::literal(text).evaluate_string(&Contexts::new());
        assert_eq!(value.as_deref(), Ok(text));
    }
}

#[test]
fn all_three_are_stored_as_their_source() {
    let template = Template::parse("a ${{ x }}").unwrap();
    let condition = Condition::parse(" x ").unwrap();
    let expr: Expr = crate::expr::parse("x  == 1").unwrap();
    let stored = serde_json::to_value((&template, &condition, &expr)).unwrap();
    assert_eq!(stored, json!(["a ${{ x }}", " x ", "x  == 1"]));
    let back: (Template, Condition, Expr) = serde_json::from_value(stored).unwrap();
    assert_eq!(back, (template, condition, expr));
    assert!(serde_json::from_value::<Template>(json!("${{ 1 +")).is_err());
    assert!(serde_json::from_value::<Condition>(json!("1 +")).is_err());
    assert!(serde_json::from_value::<Expr>(json!("1 +")).is_err());
}

fn at(success: bool) -> Contexts<'static> {
    contexts().with_status(Status { success, failure: !success, cancelled: false })
}

#[test]
fn a_condition_without_a_status_function_wants_success() {
    // Source, whether it holds after success, whether it holds after a failure.
    let table = [
        ("", true, false),
        ("  ", true, false),
        ("github.run == 7", true, false),
        ("github.run == 8", false, false),
        ("${{ github.run == 7 }}", true, false),
        ("always()", true, true),
        ("${{ always() && github.run == 8 }}", false, false),
        ("failure()", false, true),
        ("success() || failure()", true, true),
        ("!cancelled()", true, true),
        ("contains('always()', 'a')", true, false),
        ("false", false, false),
        ("'false'", true, false),
    ];
    for (source, after_success, after_failure) in table {
        let condition = Condition::parse(source).unwrap();
        assert_eq!(condition.holds(&at(true)), Ok(after_success), "{source}");
        assert_eq!(condition.holds(&at(false)), Ok(after_failure), "{source}");
        assert!(!condition.is_text(), "{source}");
    }
    assert_eq!(Condition::parse("").unwrap().holds(&Contexts::new()), Ok(false));
}

#[test]
fn a_condition_with_text_around_it_is_a_string() {
    let table = [
        ("${{ false }} && true", true),
        ("${{ false }}\n", true),
        ("false ${{ always() }}", true),
        ("${{ null }}${{ null }}", false),
    ];
    for (source, expected) in table {
        let condition = Condition::parse(source).unwrap();
        assert!(condition.is_text(), "{source}");
        assert_eq!(condition.evaluate(&at(true)), Ok(expected), "{source}");
    }
    assert!(Condition::parse("false ${{ always() }}").unwrap().has_status_function());
}

#[test]
fn broken_conditions_say_where() {
    let names = Names::listed(["github", "success(0,0)"]);
    let offset = |source| Condition::parse_with(source, &names).map_err(|e| e.offset()).err();
    assert_eq!(offset("  github.ref =  1"), Some(13));
    assert_eq!(offset("  steps.x"), Some(2));
    assert_eq!(offset("${{ github }} ${{ failure() }}"), Some(18));
    assert_eq!(offset("success() && github"), None);
    let condition = Condition::parse("  1 && fromJSON('')").unwrap();
    assert_eq!(condition.holds(&at(true)).map_err(|e| e.offset()), Err(7));
    assert!(matches!(Condition::parse("${{ x"), Err(TemplateError::Unclosed { offset: 0 })));
}

#[test]
fn a_condition_may_be_known_early() {
    let known = |source| Condition::parse(source).unwrap().const_eval(&contexts());
    assert_eq!(known("github.run == 8"), Ok(Some(false)));
    assert_eq!(known("needs.a.result == 'x'"), Ok(None));
    assert_eq!(known(""), Ok(Some(true)));
}
