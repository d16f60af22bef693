use serde_json::{Value as Json, json};

use super::{contexts, eval, eval_in};
use crate::expr::{Contexts, Kind, Object, Status, Value};

/// Each expression must be worth exactly this, as JSON (NaN and the infinities as strings).
fn check(table: &[(&str, Json)]) {
    for (source, expected) in table {
        let value = eval(source).unwrap_or_else(|e| panic!("{source}: {e}"));
        assert_eq!(Json::from(&value), *expected, "{source}");
    }
}

/// Each expression must be the boolean `true`.
fn check_true(table: &[&str]) {
    for source in table {
        assert_eq!(eval(source), Ok(Value::Bool(true)), "{source}");
    }
}

#[test]
fn literals_are_worth_themselves() {
    check(&[
        ("", Json::Null),
        (" \t\n ", Json::Null),
        ("null", Json::Null),
        ("true", json!(true)),
        ("false", json!(false)),
        ("1", json!(1)),
        ("-1.5", json!(-1.5)),
        ("+2", json!(2)),
        (".5", json!(0.5)),
        ("-.5", json!(-0.5)),
        ("1e3", json!(1000)),
        ("1E-1", json!(0.1)),
        ("0xfF", json!(255)),
        ("0o17", json!(15)),
        ("0xffffffff", json!(-1)),
        ("NaN", json!("NaN")),
        ("-Infinity", json!("-Infinity")),
        ("''", json!("")),
        ("'it''s ''two'''", json!("it's 'two'")),
        ("'a}}b'", json!("a}}b")),
        ("((1))", json!(1)),
    ]);
}

#[test]
fn operators_bind_as_in_c() {
    check(&[
        ("1 || 2 && 3", json!(1)),
        ("(1 || 2) && 3", json!(3)),
        ("1 == 1 && 2", json!(2)),
        ("1 == (1 && 2)", json!(false)),
        ("2 == 2 == 1", json!(true)),
        ("2 == (2 == 1)", json!(false)),
        ("2 <= 3 == true", json!(true)),
        ("2 <= (3 == true)", json!(false)),
        ("3 < 2 < 1", json!(true)),
        ("3 < (2 < 1)", json!(false)),
        ("!2 < 3", json!(true)),
        ("!(2 < 3)", json!(false)),
        ("!!'x'", json!(true)),
        ("! ! 0", json!(false)),
        ("!github.event.null", json!(true)),
        ("(!github).ref", Json::Null),
    ]);
}

#[test]
fn and_and_or_give_an_operand_and_look_no_further() {
    check(&[
        ("1 && 'b'", json!("b")),
        ("0 && 'b'", json!(0)),
        ("'' || 0", json!(0)),
        ("false || '' || 'x' || 'y'", json!("x")),
        ("true && null && 1", Json::Null),
        ("false && fromJSON('broken')", json!(false)),
        ("'a' || fromJSON('broken')", json!("a")),
        ("true && 1 && 2 && 3", json!(3)),
        ("empty && 'lists are true'", json!("lists are true")),
        ("fromJSON('{}') && 'so are maps'", json!("so are maps")),
        ("NaN || 'NaN is false'", json!("NaN is false")),
        ("' ' && '0' && 'false' && 'all true'", json!("all true")),
    ]);
}

#[test]
fn unlike_primitives_are_compared_as_numbers() {
    check_true(&[
        "null == 0",
        "null == false",
        "null == ''",
        "true == 1",
        "true == '1'",
        "true != 'true'",
        "false == ''",
        "' 0xff ' == 255",
        "'0o10' == 8",
        "' +1.5e1 ' == 15",
        "'Infinity' == Infinity",
        "'abc' != NaN",
        "NaN != NaN",
        "!(NaN == NaN)",
        "!(NaN >= NaN)",
        "!('abc' < 1) && !('abc' >= 1)",
        "null >= null && null <= null && !(null < null)",
        "true > false",
        "1 < '2'",
        "'10' < '9'",
        "'10' > 9",
    ]);
}

#[test]
fn strings_are_compared_without_regard_to_case() {
    check_true(&[
        "'ABC' == 'abc'",
        "'a' < 'B' && 'A' < 'b'",
        "'abc' >= 'ABC' && 'abc' <= 'ABC'",
        "'_' > 'a'",
        "'ς' == 'Σ' && 'Σ' == 'σ'",
        "'ü' == 'Ü'",
        "'i' != 'İ' && 'ı' != 'I' && 'ß' != 'ss'",
        "'ı' > 'I'",
        "'' < 'a'",
        "'a ' != 'a'",
    ]);
}

#[test]
fn collections_are_equal_only_to_themselves() {
    check_true(&[
        "github == github",
        "github.event.labels == github.event.labels",
        "list >= list",
        "fromJSON('[]') != fromJSON('[]')",
        "fromJSON('{}') != fromJSON('{}')",
        "list.* != list.*",
        "list != github",
        "list != 'Array'",
        "empty != 0 && empty != '' && empty != null",
        "!(list < 1) && !(list > 1)",
    ]);
}

#[test]
fn properties_are_found_without_regard_to_case() {
    check(&[
        ("github.sha", json!("ABC")),
        ("GitHub.SHA", json!("ABC")),
        ("github['SHA']", json!("ABC")),
        ("github.event.with-dash", json!("d")),
        ("github.event.true", json!("yes")),
        ("github.event[true]", json!("yes")),
        ("github.event[5]", json!("five")),
        ("github.event[0x5]", json!("five")),
        ("github.event[.5]", json!("half")),
        ("github.event[null]", json!("blank")),
        ("github.event['']", json!("blank")),
        ("github.event[list]", Json::Null),
        ("github.missing", Json::Null),
        ("github.missing.more['x'][0]", Json::Null),
        ("github.ref.length", Json::Null),
        ("github . ref", json!("refs/heads/main")),
        ("fromJSON('{\"a\": {\"B\": 1}}').A.b", json!(1)),
        ("fromJSON('{\"a\": 1, \"A\": 2}').a", json!(2)),
    ]);
}

#[test]
fn lists_are_indexed_by_number() {
    check(&[
        ("list[0]", json!("zero")),
        ("list[1.9]", json!("one")),
        ("list['2']", json!("two")),
        ("list[' 0x02 ']", json!("two")),
        ("list[null]", json!("zero")),
        ("list[true]", json!("one")),
        ("list[3]", Json::Null),
        ("list[-1]", Json::Null),
        ("list[-0.5]", Json::Null),
        ("list[NaN]", Json::Null),
        ("list[Infinity]", Json::Null),
        ("list['x']", Json::Null),
        ("list.name", Json::Null),
        ("list[empty]", Json::Null),
        ("(fromJSON('[1, 2]'))[1]", json!(2)),
    ]);
}

#[test]
fn filters_flatten_one_level_at_a_time() {
    check(&[
        ("list.*", json!(["zero", "one", "two"])),
        ("github.event.labels.*.name", json!(["bug", "Urgent"])),
        ("github.event.labels[*]['NAME']", json!(["bug", "Urgent"])),
        ("github.event.deep.*.p.q", json!(["v1", "v2"])),
        ("github.event.deep[*].p", json!([{"q": "v1"}, {"q": "v2"}, 3])),
        ("github.event.grid.*[1]", json!(["a1", "c1"])),
        ("github.event.grid.*.*", json!(["a0", "a1", "b0", "c0", "c1"])),
        ("(github.event.labels.*)[0]", json!([])),
        ("(github.event.labels.* || 1).name", json!(["bug", "Urgent"])),
        ("github.event.null.*", json!([])),
        ("github.ref.*", json!([])),
        ("mixed.*.*", json!([1, "v"])),
        ("github.event.labels.*.name.*", json!([])),
        ("fromJSON(toJSON(github.event.labels.*.name))[1]", json!("Urgent")),
    ]);
}

#[test]
fn texts_are_searched_without_regard_to_case() {
    check_true(&[
        "contains('abCdef', 'CDE')",
        "contains('abc', '')",
        "contains('1234', 23)",
        "contains('asdf', null)",
        "!contains('true', false)",
        "!contains('x', list) && !contains(github, 'ref')",
        "contains(list, 'ONE')",
        "!contains(list, 'on')",
        "contains(mixed, 1.5) && contains(mixed, '1.5')",
        "contains(mixed, null) && contains(mixed, 0)",
        "!contains(empty, null)",
        "contains(github.event.labels.*.name, 'urgent')",
        "contains(github.event.grid, github.event.grid[0])",
        "!contains(github.event.grid, fromJSON('[\"b0\"]'))",
        "startsWith('Abc', 'aB') && !startsWith('abc', 'bc')",
        "endsWith('abC', 'Bc') && !endsWith('abc', 'ab')",
        "startsWith(1234, 12) && endsWith(true, 'UE')",
        "endsWith('x_Σ', 'ς') && !endsWith('x_İ', 'i')",
        "!startsWith(list, '') && !endsWith('', github)",
    ]);
}

#[test]
fn format_fills_in_texts() {
    check(&[
        ("format('a{0}b{1}c{0}', 1, true)", json!("a1btruec1")),
        ("format('{{0}} {0}', 'x')", json!("{0} x")),
        ("format('{{{{{0}}}}}', 'x')", json!("{{x}}")),
        ("format('}}{{', 1)", json!("}{")),
        ("format(null)", json!("")),
        ("format('{0}', null)", json!("")),
        ("format('{0}{1}', list, github)", json!("ArrayObject")),
        ("format('{0:}', 1)", json!("1")),
        ("format('{00}', 1)", json!("1")),
        ("format('no values', fromJSON('broken'))", json!("no values")),
        ("format('{0} {1} {2}', 0.1, 1e15, 0.00001)", json!("0.1 1E+15 1E-05")),
        ("format('{0} {1}', -0.0, NaN)", json!("0 NaN")),
    ]);
}

#[test]
fn join_writes_lists() {
    check(&[
        ("join(list)", json!("zero,one,two")),
        ("join(list, ' | ')", json!("zero | one | two")),
        ("join(list, null)", json!("zeroonetwo")),
        ("join(list, github)", json!("zero,one,two")),
        ("join(mixed, '-')", json!("-true-1.5-s-Array-Object")),
        ("join(empty)", json!("")),
        ("join(github)", json!("")),
        ("join('text', '-')", json!("text")),
        ("join(1.5)", json!("1.5")),
        ("join(github.event.labels.*.name, ', ')", json!("bug, Urgent")),
    ]);
}

#[test]
fn json_goes_out_pretty_and_comes_back() {
    check(&[
        ("toJSON(null)", json!("null")),
        ("toJSON(-0)", json!("0")),
        ("toJSON(1e20)", json!("1E+20")),
        ("toJSON('a\"\\/é')", json!("\"a\\\"\\\\/é\"")),
        ("toJSON(empty)", json!("[]")),
        ("toJSON(fromJSON('{}'))", json!("{}")),
        (
            "toJSON(fromJSON('[1,[],{\"a\":{\"b\":null}}]'))",
            json!("[\n  1,\n  [],\n  {\n    \"a\": {\n      \"b\": null\n    }\n  }\n]"),
        ),
        ("fromJSON(' [1, \"x\", null, {\"k\": true}] ')", json!([1, "x", null, {"k": true}])),
        ("fromJSON('\"text\"')", json!("text")),
        ("fromJSON(1.5)", json!(1.5)),
        ("fromJSON('{\"z\": 1, \"a\": 2}')", json!({"z": 1, "a": 2})),
    ]);
    let control = Value::from("\u{1}\t\u{8}\u{2028}\u{7f}");
    let shown =
        eval_in("toJSON(c.x)", &Contexts::new().with("c", Object::from_iter([("x", control)])));
    assert_eq!(shown.unwrap().as_str(), Some("\"\\u0001\\t\\b\\u2028\u{7f}\""));
}

#[test]
fn case_takes_the_first_true_branch_and_looks_at_no_other() {
    check(&[
        ("case(true, 'a', 'z')", json!("a")),
        ("case(false, 'a', 1 == 1, 'b', 'z')", json!("b")),
        ("case(false, 'a', 1 == 2, 'b', 'z')", json!("z")),
        ("case(true, 1, 'not a boolean', 2, 3)", json!(1)),
        ("case(false, fromJSON('broken'), list)[1]", json!("one")),
    ]);
}

#[test]
fn names_of_functions_and_contexts_have_no_case() {
    check(&[
        ("CONTAINS('a', 'A')", json!(true)),
        ("tojson(LIST[0])", json!("\"zero\"")),
        ("FromJson ( '1' )", json!(1)),
    ]);
}

#[test]
fn status_functions_tell_how_the_job_stands() {
    let at = |success, failure, cancelled| Status { success, failure, cancelled };
    for (status, expected) in [
        (at(true, false, false), [true, false, false, true]),
        (at(false, true, false), [false, true, false, true]),
        (at(false, false, true), [false, false, true, true]),
    ] {
        let contexts = contexts().with_status(status);
        let calls = ["success()", "failure()", "cancelled()", "always()"];
        for (call, expected) in calls.iter().zip(expected) {
            assert_eq!(eval_in(call, &contexts), Ok(Value::Bool(expected)), "{call} at {status:?}");
        }
    }
}

#[test]
fn status_of_named_jobs_comes_from_needs() {
    let needs = json!({"a": {"result": "success"}, "b": {"result": "failure"}});
    let contexts = contexts().with("needs", Value::from(needs));
    for (call, expected) in [
        ("success('a')", true),
        ("success('a', 'b')", false),
        ("success('nobody')", false),
        ("failure('a', 'b')", true),
        ("failure('a')", false),
    ] {
        assert_eq!(eval_in(call, &contexts), Ok(Value::Bool(expected)), "{call}");
    }
}

#[test]
fn hash_files_asks_the_environment() {
    let hash = |patterns: &[String]| match patterns {
        [one] if one == "broken" => Err("no access".to_owned()),
        all => Ok(all.join("+")),
    };
    let contexts = contexts().with_hash_files(&hash);
    let hashed = eval_in("hashFiles('**/*.lock', format('{0}', 1))", &contexts);
    assert_eq!(hashed, Ok(Value::from("**/*.lock+1")));
    let error = eval_in("1 && hashFiles('broken')", &contexts).unwrap_err();
    assert_eq!(
        (error.message.as_str(), error.position),
        ("hashFiles('broken') failed. no access", 6)
    );
}

#[test]
fn a_case_sensitive_map_wants_the_exact_name() {
    let mut env = Object::case_sensitive();
    env.insert("Path", "a");
    env.insert("PATH", "b");
    let contexts = Contexts::new().with("env", env);
    assert_eq!(eval_in("env.Path", &contexts), Ok(Value::from("a")));
    assert_eq!(eval_in("env.PATH", &contexts), Ok(Value::from("b")));
    assert_eq!(eval_in("env.path", &contexts), Ok(Value::Null));
}

#[test]
fn every_value_has_its_kind() {
    let kinds = [
        ("null", Kind::Null),
        ("1 == 1", Kind::Boolean),
        ("0x1", Kind::Number),
        ("'1'", Kind::String),
        ("list.*", Kind::Array),
        ("github", Kind::Object),
    ];
    for (source, kind) in kinds {
        assert_eq!(eval(source).unwrap().kind(), kind, "{source}");
    }
}

#[test]
fn json_has_no_nan_and_no_needless_fractions() {
    let values = [1.0, -0.0, 1.5, 9_007_199_254_740_993.0, f64::NAN, f64::INFINITY];
    let shown: Vec<String> =
        values.iter().map(|n| Json::from(&Value::Number(*n)).to_string()).collect();
    assert_eq!(shown, ["1", "0", "1.5", "9007199254740992.0", "\"NaN\"", "\"Infinity\""]);
}
