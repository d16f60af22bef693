//! What GitHub and common sense decide, one case each: everything that `pawl check` says, with GitHub's words and places.

use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;
use pawl_tests::repository::read;

const FILE: &str = "tests/corpus/decided.txt";
const WORKFLOW: &str = ".github/workflows/w.yml";

/// Every finding as `LINE:COLUMN CODE MESSAGE`.
fn findings(project: &Project) -> String {
    let outcome = Pawl::new(project).args(["check", WORKFLOW, "--format", "json"]).run();
    let found = outcome.json();
    let all = found["diagnostics"].as_array().expect("a list of diagnostics");
    let lines = all.iter().map(|one| {
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        let mark = if one["severity"] == "error" { "" } else { "warning " };
        format!("{}:{} {mark}{} {}\n", one["line"], one["column"], text("code"), text("message"))
    });
    lines.collect()
}

/// The parts of a case: its title, its files, what is expected.
fn parts(block: &str) -> (&str, Vec<(&str, String)>, String) {
    let (title, rest) = block.split_once('\n').expect("a title has a line");
    let (files, expected) = rest.split_once(">>>\n").expect("what is expected stands after >>>");
    let mut all = Vec::new();
    for (index, file) in files.split("--- ").enumerate() {
        let (name, text) = match index {
            0 => (WORKFLOW, file),
            _ => file.split_once('\n').expect("a path has a line"),
        };
        all.push((name, text.to_owned()));
    }
    (title, all, expected.trim_end_matches('\n').to_owned())
}

#[test]
fn check_says_of_each_case_exactly_what_is_decided() {
    let text = read(FILE);
    let mut wrong = String::new();
    let mut count = 0;
    let mut written = text.split("\n=== ").next().unwrap_or_default().to_owned();
    for block in text.split("\n=== ").skip(1) {
        let (title, files, expected) = parts(block);
        let mut project = Project::new();
        for (name, text) in &files {
            project = project.file(name, text);
        }
        let found = findings(&project);
        if found.trim_end() != expected {
            wrong.push_str(&format!("{title}\nexpected\n{expected}\nfound\n{found}\n"));
        }
        let (source, _) = block.split_once(">>>\n").expect("as above");
        written.push_str(&format!("\n=== {source}>>>\n{found}"));
        count += 1;
    }
    // A change of wording touches many cases at once: they are written anew and then read.
    if std::env::var_os("PAWL_WRITE_CORPUS").is_some() {
        let path = pawl_tests::repository::root().join(FILE);
        std::fs::write(path, written).expect("the corpus can be written");
    }
    assert!(count >= 50, "only {count} cases");
    assert!(wrong.is_empty(), "{wrong}");
}

fn errors_of(text: &str) -> String {
    findings(&Project::new().file(WORKFLOW, text))
}

#[test]
fn limits_are_githubs_own_and_what_is_just_inside_is_sound() {
    let script = |length: usize| {
        let body = "x".repeat(length);
        errors_of(&format!(
            "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |-\n          {body}\n"
        ))
    };
    assert_eq!(script(21_000), "");
    assert_eq!(script(21_001), "6:14 invalid-value Exceeded max expression length 21000\n");

    let named = |length: usize| {
        let id = "a".repeat(length);
        errors_of(&format!(
            "on: push\njobs:\n  {id}:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo\n"
        ))
    };
    assert_eq!(named(99), "");
    assert!(named(100).starts_with("3:3 invalid-id The identifier 'aaa"), "{}", named(100));

    // jobs, a job, strategy, matrix and the vector are five levels; the file itself is one.
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        errors_of(&format!(
            "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy:\n      matrix:\n        v: {open}1{close}\n    steps:\n      - run: echo\n"
        ))
    };
    assert_eq!(nested(44), "");
    assert!(nested(60).contains("yaml-limit"), "{}", nested(60));
}
