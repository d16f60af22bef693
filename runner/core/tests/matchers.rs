//! Problem matchers over what real tools print.

use pawl_core::event::Level;
use pawl_core::matcher::{MatcherChange, Matchers, path_inside, read_file};

fn matchers(patterns: &str) -> Matchers {
    let text = format!(r#"{{"problemMatcher": [{{"owner": "tool", "pattern": {patterns}}}]}}"#);
    Matchers::new(&read_file(&text).expect("a good file"))
}

type Told = (Level, String, Option<String>, Option<u64>, Option<u64>, Option<String>);

fn problems(matchers: &mut Matchers, output: &str) -> Vec<Told> {
    let found = output.lines().filter_map(|line| matchers.read(line).problem);
    let remarks = found.map(|problem| problem.annotation("/github/workspace"));
    remarks.map(|it| (it.level, it.message, it.file, it.line, it.column, it.title)).collect()
}

fn told(
    level: Level,
    message: &str,
    file: &str,
    line: u64,
    column: Option<u64>,
    code: Option<&str>,
) -> Told {
    let (file, code) = (Some(file.to_owned()), code.map(str::to_owned));
    (level, message.to_owned(), file, Some(line), column, code)
}

const MYPY: &str = r#"[{"regexp": "^(.+?):(\\d+)(?::(\\d+))?: (error|warning|note): (.*?)(?:  \\[(.+)\\])?$",
    "file": 1, "line": 2, "column": 3, "severity": 4, "message": 5, "code": 6}]"#;

#[test]
fn mypy_with_columns_and_codes() {
    let output = "src/a.py:3: error: Incompatible types  [assignment]
src/b.py:7:12: error: Name \"x\" is not defined  [name-defined]
src/b.py:8: note: See the documentation
Found 2 errors in 2 files (checked 9 source files)";
    assert_eq!(
        problems(&mut matchers(MYPY), output),
        [
            told(Level::Error, "Incompatible types", "src/a.py", 3, None, Some("assignment")),
            told(
                Level::Error,
                "Name \"x\" is not defined",
                "src/b.py",
                7,
                Some(12),
                Some("name-defined")
            ),
        ]
    );
}

#[test]
fn ruff_in_colour() {
    let patterns = r#"[{"regexp": "^(.+?):(\\d+):(\\d+): ([A-Z]+\\d+) (.+)$",
        "file": 1, "line": 2, "column": 3, "code": 4, "message": 5}]"#;
    let output = "\x1b[1mtrain.py\x1b[0m\x1b[36m:\x1b[0m1\x1b[36m:\x1b[0m8\x1b[36m:\x1b[0m \x1b[1;31mF401\x1b[0m [*] `os` imported but unused
Found 1 error.";
    assert_eq!(
        problems(&mut matchers(patterns), output),
        [told(Level::Error, "[*] `os` imported but unused", "train.py", 1, Some(8), Some("F401"))]
    );
}

#[test]
fn gcc_and_its_severities() {
    let patterns = r#"[{"regexp": "^(.*?):(\\d+):(\\d*):?\\s+(?:fatal\\s+)?(warning|error):\\s+(.*)$",
        "file": 1, "line": 2, "column": 3, "severity": 4, "message": 5}]"#;
    let output =
        "/github/workspace/src/main.c:10:5: warning: unused variable 'x' [-Wunused-variable]
main.c:11:1: fatal error: gone.h: No such file
../outside.c:1:1: error: elsewhere";
    let found = problems(&mut matchers(patterns), output);
    assert_eq!(
        found[..2],
        [
            told(
                Level::Warning,
                "unused variable 'x' [-Wunused-variable]",
                "src/main.c",
                10,
                Some(5),
                None
            ),
            told(Level::Error, "gone.h: No such file", "main.c", 11, Some(1), None),
        ]
    );
    assert_eq!((found.len(), found[2].2.clone()), (3, None), "a file outside is left out");
}

#[test]
fn tsc_with_escaped_angle_brackets() {
    let patterns = r#"[{"regexp": "^(?:\\s+\\d+\\>)?([^\\s].*)\\((\\d+),(\\d+)\\)\\s*:\\s+(error|warning|info)\\s+(\\w{1,2}\\d+)\\s*:\\s*(.*)$",
        "file": 1, "line": 2, "column": 3, "severity": 4, "code": 5, "message": 6}]"#;
    let output = "src/a.ts(2,7): error TS2322: Type 'string' is not assignable\n  1>b.ts(1,2): warning TS1: w";
    assert_eq!(
        problems(&mut matchers(patterns), output),
        [
            told(
                Level::Error,
                "Type 'string' is not assignable",
                "src/a.ts",
                2,
                Some(7),
                Some("TS2322")
            ),
            told(Level::Warning, "w", "b.ts", 1, Some(2), Some("TS1")),
        ]
    );
}

#[test]
fn python_tracebacks_over_two_lines() {
    let patterns = r#"[{"regexp": "^\\s*File\\s\\\"(.*)\\\",\\sline\\s(\\d+),\\sin\\s(.*)$", "file": 1, "line": 2},
        {"regexp": "^\\s*raise\\s(.*)\\(\\'(.*)\\'\\)$", "message": 2}]"#;
    let output = "Traceback (most recent call last):
  File \"/github/workspace/a.py\", line 4, in <module>
    main()
  File \"/github/workspace/b.py\", line 9, in main
    raise ValueError('too small')";
    assert_eq!(
        problems(&mut matchers(patterns), output),
        [told(Level::Error, "too small", "b.py", 9, None, None)]
    );
}

#[test]
fn a_looping_last_pattern_tells_one_problem_a_line() {
    let patterns = r#"[{"regexp": "^([^\\s].*)$", "file": 1},
        {"regexp": "^\\s+(\\d+):(\\d+)\\s+(error|warning|info)\\s+(.*?)\\s\\s+(.*)$",
         "line": 1, "column": 2, "severity": 3, "message": 4, "code": 5, "loop": true}]"#;
    let output = "a.js
  1:2  error  no semicolon  semi
  3:4  warning  unused  no-unused
done
b.js
  5:6  error  last  x";
    assert_eq!(
        problems(&mut matchers(patterns), output),
        [
            told(Level::Error, "no semicolon", "a.js", 1, Some(2), Some("semi")),
            told(Level::Warning, "unused", "a.js", 3, Some(4), Some("no-unused")),
            told(Level::Error, "last", "b.js", 5, Some(6), Some("x")),
        ]
    );
}

#[test]
fn pytest_short_summaries() {
    let patterns =
        r#"[{"regexp": "^(?!=)(\\S+\\.py):(\\d+): (.+)$", "file": 1, "line": 2, "message": 3}]"#;
    let output = "tests/test_a.py:5: AssertionError\n=a.py:1: no";
    assert_eq!(
        problems(&mut matchers(patterns), output),
        [told(Level::Error, "AssertionError", "tests/test_a.py", 5, None, None)]
    );
}

#[test]
fn from_path_and_a_default_severity() {
    let text = r#"{"problemMatcher": [{"owner": "t", "severity": "notice", "pattern": [
        {"regexp": "^(.+):(\\d+) (.+) in (.+)$", "file": 1, "line": 2, "message": 3, "fromPath": 4}]}]}"#;
    let mut matchers = Matchers::new(&read_file(text).expect("a good file"));
    assert_eq!(
        problems(&mut matchers, "a.cs:1 odd in sub/x.csproj"),
        [told(Level::Notice, "odd", "sub/a.cs", 1, None, None)]
    );
}

#[test]
fn faults_of_a_file_are_told_in_githubs_words() {
    let one = |more: &str| format!(r#"{{"problemMatcher": [{{{more}}}]}}"#);
    for (text, reason) in [
        (one(r#""pattern": []"#), "Owner must not be empty"),
        (one(r#""owner": "a", "pattern": []"#), "Matcher 'a' does not contain any patterns"),
        (
            one(r#""owner": "a", "severity": "bad", "pattern": [{"regexp": "x", "message": 0}]"#),
            "Matcher 'a' contains unexpected default severity 'bad'",
        ),
        (
            one(r#""owner": "a", "pattern": [{"regexp": "x"}]"#),
            "Matcher 'a': At least one pattern must set 'message'",
        ),
        (
            one(r#""owner": "a", "pattern": [{"regexp": "(x)", "message": 2}]"#),
            "Matcher 'a': The property 'message' is set to 2 which is out of range",
        ),
        (
            one(r#""owner": "a", "pattern": [{"regexp": "x", "message": 0, "loop": true}]"#),
            "Matcher 'a': Only the last pattern in a multiline matcher may set 'loop'",
        ),
        (
            one(
                r#""owner": "a", "pattern": [{"regexp": "x", "message": 0}, {"regexp": "y", "message": 0}]"#,
            ),
            "Matcher 'a': The property 'message' is set twice",
        ),
    ] {
        assert_eq!(read_file(&text), Err(reason.to_owned()));
    }
    assert!(read_file("{").is_err());
    assert!(
        read_file(&one(r#""owner": "a", "pattern": [{"regexp": "(", "message": 0}]"#)).is_err()
    );
}

#[test]
fn a_later_matcher_of_the_same_owner_replaces_the_first_and_one_can_be_removed() {
    let config = |message: &str| {
        let text = format!(
            r#"{{"problemMatcher": [{{"owner": "T", "pattern": [{{"regexp": "^{message}: (.*)", "message": 1}}]}}]}}"#
        );
        read_file(&text).expect("a good file").remove(0)
    };
    let mut matchers = Matchers::new(&[config("a")]);
    matchers.change(&MatcherChange::Add(config("b")));
    assert_eq!(problems(&mut matchers, "a: 1\nb: 2").len(), 1);
    matchers.change(&MatcherChange::Remove("t".to_owned()));
    assert!(matchers.is_empty());
}

#[test]
fn an_expression_that_explodes_is_taken_away_and_the_lines_go_on() {
    let mut matchers = matchers(r#"[{"regexp": "^(?=(a+)+$)(a|aa)+\\1b(.*)$", "message": 3}]"#);
    let line = "a".repeat(40) + "!a";
    let mut removed = Vec::new();
    for _ in 0..10 {
        removed.extend(matchers.read(&line.replace('!', "")).removed);
    }
    assert_eq!(removed, ["tool"]);
    assert!(matchers.is_empty());
}

#[test]
fn paths_never_lead_out_of_the_workspace() {
    let inside = |file: &str| path_inside("/w", file, "");
    assert_eq!(inside("./a/../b.py"), Some("b.py".to_owned()));
    assert_eq!(inside("/w/a.py"), Some("a.py".to_owned()));
    for file in ["../a", "a/../../b", "/etc/passwd", "/w", "/wx/a", "/w/../etc", "", " "] {
        assert_eq!(inside(file), None, "{file}");
    }
}
