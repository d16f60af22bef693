use super::contexts;
use crate::expr::{Contexts, Function, Value, parse};

fn references(source: &str) -> Vec<String> {
    let expr = parse(source).unwrap();
    let shown = expr.references().map(|r| {
        let path = [&[r.context], r.path.as_slice()].concat().join("/");
        let text = &source[r.span.start..r.span.end];
        format!("{path}{} = {text}", if r.is_open { "/?" } else { "" })
    });
    shown.collect()
}

#[test]
fn references_name_what_is_certain() {
    let table: [(&str, &[&str]); 8] = [
        ("1 == 'github.ref'", &[]),
        ("github", &["github = github"]),
        ("github.event['a b'].c", &["github/event/a b/c = github.event['a b'].c"]),
        ("steps.x.outputs.*.y", &["steps/x/outputs/? = steps.x.outputs.*.y"]),
        ("list[0]", &["list/? = list[0]"]),
        (
            "env.A && contains(matrix[env.B].x, needs.j.result)",
            &[
                "env/A = env.A",
                "matrix/? = matrix[env.B].x",
                "env/B = env.B",
                "needs/j/result = needs.j.result",
            ],
        ),
        ("fromJSON(env.X)[env.Y].z", &["env/X = env.X", "env/Y = env.Y"]),
        ("!(a || b) == c.d", &["a = a", "b = b", "c/d = c.d"]),
    ];
    for (source, expected) in table {
        assert_eq!(references(source), expected, "{source}");
    }
}

#[test]
fn functions_are_listed_with_their_arguments() {
    let expr = parse("!cancelled() && format('{0}', toJSON(hashFiles('x')))").unwrap();
    let expected = [Function::Cancelled, Function::Format, Function::ToJson, Function::HashFiles];
    assert_eq!(expr.functions().collect::<Vec<_>>(), expected);
    assert!(expr.has_status_function());
    assert!(!parse("contains('success()', github.success)").unwrap().has_status_function());
}

#[test]
fn what_depends_only_on_known_contexts_is_known() {
    let known = Contexts { status: None, ..contexts() };
    let table = [
        ("github.ref", Some(Value::from("refs/heads/main"))),
        ("github.ref == needs.a.result", None),
        ("false && needs.a.result", Some(Value::Bool(false))),
        ("needs.a.result && false", None),
        ("case(true, 1, needs.x)", Some(Value::from(1))),
        ("github.missing", Some(Value::Null)),
        ("success()", None),
        ("always()", Some(Value::Bool(true))),
        ("hashFiles('x')", None),
        ("success('job')", None),
        ("secrets", None),
    ];
    for (source, expected) in table {
        assert_eq!(parse(source).unwrap().const_eval(&known), Ok(expected), "{source}");
    }
    assert!(parse("fromJSON('') && needs").unwrap().const_eval(&known).is_err());
}

#[test]
fn the_canonical_form_has_one_style() {
    let table = [
        ("( github [ 'ref' ] )==  'a'", "github.ref == 'a'"),
        ("github['a b'][0x10][*].c", "github['a b'][16.0].*.c"),
        ("(a&&(b&&c))||((d))", "a && b && c || d"),
        ("a&&(b||c)", "a && (b || c)"),
        ("(a==b)==c", "a == b == c"),
        ("a==(b==c)", "a == (b == c)"),
        ("(a<b)==(c<d)", "a < b == c < d"),
        ("(a==b)<c", "(a == b) < c"),
        ("!(a.b)", "!a.b"),
        ("(!a).b", "(!a).b"),
        ("! ( a == b )", "!(a == b)"),
        ("('x').y", "('x').y"),
        ("TOJSON( 'it''s' ,)", ""),
        ("TOJSON( 'it''s' )", "toJSON('it''s')"),
        ("  ", "null"),
    ];
    for (source, expected) in table {
        let canonical = parse(source).map(|expr| expr.canonical()).unwrap_or_default();
        assert_eq!(canonical, expected, "{source}");
    }
}
