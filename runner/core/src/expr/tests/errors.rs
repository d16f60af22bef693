use super::{contexts, eval, eval_in};
use crate::expr::ErrorKind::{self, Evaluation, Lexing, Parsing};
use crate::expr::{Contexts, MAX_LENGTH, Names, Value, parse, parse_with};

/// Kind, source, position, and the message up to `. Located at ...`, which must follow for lexing and
/// parsing.
fn check(table: &[(ErrorKind, &str, usize, &str)]) {
    for (kind, source, position, message) in table {
        let error = eval(source).expect_err(source);
        assert_eq!((error.kind, error.position), (*kind, *position), "{source}: {error}");
        let expected = match kind {
            Evaluation => (*message).to_owned(),
            _ => format!("{message}. Located at position {position} within expression: {source}"),
        };
        assert_eq!(error.message, expected);
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.expression, *source);
    }
}

#[test]
fn what_is_no_token_is_reported_first() {
    check(&[
        (Lexing, "1 @abc 2", 3, "Unexpected symbol: '@abc'"),
        (Lexing, "1 2 @", 5, "Unexpected symbol: '@'"),
        (Lexing, "1 = < 2", 3, "Unexpected symbol: '='"),
        (Lexing, "1 =2 =3", 3, "Unexpected symbol: '=2'"),
        (Lexing, "1 & 2", 3, "Unexpected symbol: '&'"),
        (Lexing, "1 |2", 3, "Unexpected symbol: '|2'"),
        (Lexing, "github.b@r", 8, "Unexpected symbol: 'b@r'"),
        (Lexing, "'open", 1, "Unexpected symbol: ''open'"),
        (Lexing, "'open''", 1, "Unexpected symbol: ''open'''"),
        (Lexing, "\"double\"", 1, "Unexpected symbol: '\"double\"'"),
        (Lexing, "0x01p2", 1, "Unexpected symbol: '0x01p2'"),
        (Lexing, "-0xFF", 1, "Unexpected symbol: '-0xFF'"),
        (Lexing, "-Inf", 1, "Unexpected symbol: '-Inf'"),
        (Lexing, "1.2.3", 1, "Unexpected symbol: '1.2.3'"),
        (Lexing, "1 + 2", 3, "Unexpected symbol: '+'"),
        (Lexing, ".github/x.yml", 1, "Unexpected symbol: '.github/x.yml'"),
        (Lexing, "1 && ..a/b.md", 6, "Unexpected symbol: '..a/b.md'"),
        (Lexing, "a/b.md", 1, "Unexpected symbol: 'a/b'"),
    ]);
}

#[test]
fn positions_count_utf16_units_over_all_lines() {
    check(&[
        (Lexing, "😊 x", 1, "Unexpected symbol: '😊'"),
        (Lexing, "'😊' @", 6, "Unexpected symbol: '@'"),
        (Parsing, "1 ==\n 1 &&\n env.X", 13, "Unrecognized named-value: 'env'"),
    ]);
}

#[test]
fn tokens_in_the_wrong_place_are_named() {
    check(&[
        (Parsing, "1 < )", 5, "Unexpected symbol: ')'"),
        (Parsing, "> 1", 1, "Unexpected symbol: '>'"),
        (Parsing, "1 2", 3, "Unexpected symbol: '2'"),
        (Parsing, "1 'a'", 3, "Unexpected symbol: ''a''"),
        (Parsing, "(1)2", 4, "Unexpected symbol: '2'"),
        (Parsing, "(1,", 3, "Unexpected symbol: ','"),
        (Parsing, "toJSON(1)2", 10, "Unexpected symbol: '2'"),
        (Parsing, "github.ref 2", 12, "Unexpected symbol: '2'"),
        (Parsing, "github.()", 8, "Unexpected symbol: '('"),
        (Parsing, "github.1", 8, "Unexpected symbol: '1'"),
        (Parsing, "github..ref", 8, "Unexpected symbol: '.'"),
        (Parsing, "'a'.b", 4, "Unexpected symbol: '.'"),
        (Parsing, "'a'[0]", 4, "Unexpected symbol: '['"),
        (Parsing, "true(1)", 5, "Unexpected symbol: '('"),
        (Parsing, "github.ref(1)", 11, "Unexpected symbol: '('"),
        (Parsing, "list[* 1]", 8, "Unexpected symbol: '1'"),
        (Parsing, "list[]", 6, "Unexpected symbol: ']'"),
        (Parsing, "* 1", 1, "Unexpected symbol: '*'"),
        (Parsing, "list *", 6, "Unexpected symbol: '*'"),
        (Parsing, "join(list,)", 11, "Unexpected symbol: ')'"),
        (Parsing, "join(,)", 6, "Unexpected symbol: ','"),
        (Parsing, "1 && || 2", 6, "Unexpected symbol: '||'"),
        (Parsing, "1 !2", 3, "Unexpected symbol: '!'"),
        (Parsing, "endsWith(1, 2 a)", 15, "Unexpected symbol: 'a'"),
    ]);
}

#[test]
fn an_early_end_names_the_last_token() {
    check(&[
        (Parsing, "1 <", 3, "Unexpected end of expression: '<'"),
        (Parsing, "!", 1, "Unexpected end of expression: '!'"),
        (Parsing, "(", 1, "Unexpected end of expression: '('"),
        (Parsing, " true ||( false && false", 20, "Unexpected end of expression: 'false'"),
        (Parsing, "github.", 7, "Unexpected end of expression: '.'"),
        (Parsing, "list[1", 6, "Unexpected end of expression: '1'"),
        (Parsing, "join('a'", 6, "Unexpected end of expression: ''a''"),
        (Parsing, "join(1,", 7, "Unexpected end of expression: ','"),
    ]);
}

#[test]
fn unknown_names_and_wrong_counts_are_found_without_evaluating() {
    check(&[
        (Parsing, "nothing.here", 1, "Unrecognized named-value: 'nothing'"),
        (Parsing, "True", 1, "Unrecognized named-value: 'True'"),
        (Parsing, "nope()", 1, "Unrecognized function: 'nope'"),
        (Parsing, "false && nope()", 10, "Unrecognized function: 'nope'"),
        (Parsing, "github()", 1, "Unrecognized function: 'github'"),
        (Parsing, "fromJSON(a,b ", 10, "Unrecognized named-value: 'a'"),
        (Parsing, "1 || join()", 6, "Too few parameters supplied: 'join'"),
        (Parsing, "Join(1, 2, 3)", 1, "Too many parameters supplied: 'Join'"),
        (Parsing, "startsWith('a')", 1, "Too few parameters supplied: 'startsWith'"),
        (Parsing, "always(1)", 1, "Too many parameters supplied: 'always'"),
        (Parsing, "hashFiles()", 1, "Too few parameters supplied: 'hashFiles'"),
        (
            Parsing,
            "case(true, 1, false, 2)",
            1,
            "Even number of parameters supplied, requires an odd number of parameters: 'case'",
        ),
    ]);
}

#[test]
fn bad_values_fail_where_they_are_met() {
    let invalid = "The following format string is invalid";
    let more = "The following format string references more arguments than were supplied";
    for format in ["{0", "{0}}", "0}", "{{0}", "}0{", "{0}{", "{}", "{x}", "{-1}", "{256}", "{0:"] {
        let error = eval(&format!("format('{format}', 1)")).expect_err(format);
        assert_eq!(error.message, format!("{invalid}: {format}"));
    }
    let not_boolean = "case predicate must evaluate to a boolean value";
    check(&[
        (Evaluation, "1 && format('{1}', 'a')", 6, &format!("{more}: {{1}}")),
        (
            Evaluation,
            "format('{0:x}', 1)",
            1,
            "The format specifiers 'x' are not valid for objects of type 'Number'",
        ),
        (Evaluation, "case('true', 1, 2)", 6, not_boolean),
        (Evaluation, "case(false, 1, null, 2, 3)", 16, not_boolean),
        (Evaluation, "fromJSON('')", 1, "Error parsing fromJson: empty input"),
        (Evaluation, "fromJSON(null)", 1, "Error parsing fromJson: empty input"),
    ]);
    for broken in ["{", "[1,]", "abc", "1 2", "''"] {
        let error = eval(&format!("fromJSON('{broken}')")).expect_err(broken);
        assert_eq!(error.kind, Evaluation);
        assert!(error.message.starts_with("Error parsing fromJson: "), "{error}");
    }
}

#[test]
fn a_missing_context_is_an_error_and_not_null() {
    let expr = parse("1 && secrets.X").unwrap();
    let error = expr.evaluate(&contexts()).unwrap_err();
    let message = "Unrecognized named-value: 'secrets'. Located at position 6 within expression: 1 && secrets.X";
    assert_eq!((error.kind, error.position, error.message.as_str()), (Evaluation, 6, message));
    let error = parse("hashFiles('x')").unwrap().evaluate(&contexts()).unwrap_err();
    assert!(error.message.starts_with("Unavailable function: 'hashFiles'. Located"), "{error}");
    let error = parse("success()").unwrap().evaluate(&Contexts::new()).unwrap_err();
    assert!(error.message.starts_with("Unavailable function: 'success'. Located"), "{error}");
}

#[test]
fn each_key_has_its_own_names() {
    let job_if = Names::listed(["github", "needs", "always(0,0)", "success(0,MAX)"]);
    let step_if = Names::listed(["steps", "success(0,0)", "hashFiles(1,255)"]);
    let accepted = [(&job_if, "success('a') && GITHUB.ref"), (&step_if, "hashFiles('a', 'b')")];
    for (names, source) in accepted {
        assert!(parse_with(source, names).is_ok(), "{source}");
    }
    let refused = [
        (&job_if, "steps.a", "Unrecognized named-value: 'steps'"),
        (&job_if, "hashFiles('a')", "Unrecognized function: 'hashFiles'"),
        (&job_if, "always(1)", "Too many parameters supplied: 'always'"),
        (&step_if, "success('a')", "Too many parameters supplied: 'success'"),
        (&step_if, "always()", "Unrecognized function: 'always'"),
    ];
    for (names, source, message) in refused {
        let error = parse_with(source, names).expect_err(source);
        assert!(error.message.starts_with(message), "{error}");
    }
}

#[test]
fn length_is_limited() {
    let fits = format!("'{}'", "é".repeat(MAX_LENGTH - 2));
    assert!(parse(&fits).is_ok());
    let error = parse(&format!("{fits} ")).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Parsing, "Exceeded max expression length 21000")
    );
    let error = parse(&"(".repeat(MAX_LENGTH)).unwrap_err();
    assert_eq!(error.message, "Exceeded max expression depth 50");
}

#[test]
fn depth_is_limited_whatever_it_is_made_of() {
    let shapes: [(&str, &str, &str); 8] = [
        ("!", "1", ""),
        ("(", "1", ")"),
        ("join(", "1", ")"),
        ("", "list", ".x"),
        ("", "list", "[1]"),
        ("", "list", ".*"),
        ("", "1", " == 1"),
        ("list[", "1", "]"),
    ];
    for (before, middle, after) in shapes {
        let nested = |n| format!("{}{middle}{}", before.repeat(n), after.repeat(n));
        assert!(eval(&nested(49)).is_ok(), "{}", nested(49));
        let error = eval(&nested(50)).expect_err("too deep");
        assert_eq!(
            (error.kind, error.message.as_str()),
            (Parsing, "Exceeded max expression depth 50")
        );
        // Far beyond the limit it must still be an error, not a full stack.
        assert!(eval(&nested(2_000)).is_err());
    }
    let wide = vec!["1"; 4_000].join(" && ");
    assert_eq!(eval(&wide), Ok(Value::from(1)));
}

#[test]
fn what_results_take_is_limited() {
    let contexts = Contexts::new().with("c", Value::from("x".repeat(1024)));
    let message =
        "The maximum allowed memory size was exceeded while evaluating the following expression: ";
    // 2 KiB for each mention of the context: 40 of them 80 KiB, 40 times that 3.2 MiB, and so on.
    let forty = "{0}".repeat(40);
    let once = format!("format('{forty}', c)");
    let twice = format!("format('{forty}', {once})");
    let thrice = format!("format('{forty}', {twice})");
    assert!(eval_in(&twice, &contexts).is_ok());
    let error = eval_in(&thrice, &contexts).unwrap_err();
    assert_eq!(error.kind, Evaluation);
    assert!(error.message.starts_with(message), "{error}");
    // Several results of one expression count together, and the limit can be set.
    let small = Contexts { max_bytes: Some(100 * 1024), ..contexts };
    assert!(eval_in(&once, &small).is_ok());
    let both = format!("startsWith({once}, {once})");
    assert!(eval_in(&both, &small).unwrap_err().message.starts_with(message));
    // A long separator is refused before it is written.
    let join = format!("join(fromJSON('[{}1]'), {once})", "1,".repeat(1_000));
    assert!(eval_in(&join, &small).unwrap_err().message.starts_with(message));
}
