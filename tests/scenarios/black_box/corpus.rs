//! The corpus: sound workflows in the shapes of public repositories, one-line edits that break them, and small workflows for each
//! rule. `pawl check` must find each fault where it is, and nothing in what is sound.

use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;
use pawl_tests::repository::{self, read};
use serde_json::Value as Json;
use std::collections::HashMap;

/// A workflow, and what is to be found in it.
struct Sample {
    /// What to say when it fails.
    origin: String,
    text: String,
    expected: Expected,
}

enum Expected {
    Sound,
    /// Exactly these, each `LINE:COLUMN CODE`.
    Exactly(String),
    /// This among them.
    Among(String),
}

/// The errors of each sample, from one call of the program.
fn errors(samples: &[Sample]) -> Vec<Vec<String>> {
    let mut project = Project::new();
    let names: Vec<String> = (0..samples.len()).map(|index| format!("{index}.yml")).collect();
    for (name, sample) in names.iter().zip(samples) {
        project = project.file(name, &sample.text);
    }
    let outcome = Pawl::new(&project).args(["check", "--format", "json"]).args(&names).run();
    let found = outcome.json();
    let mut by_file: HashMap<String, Vec<String>> = HashMap::new();
    for one in found["diagnostics"].as_array().expect("a list of diagnostics") {
        if one["severity"] == "error" {
            by_file.entry(text(&one["file"])).or_default().push(place(one));
        }
    }
    names.iter().map(|name| by_file.remove(name).unwrap_or_default()).collect()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn place(one: &Json) -> String {
    format!("{}:{} {}", one["line"], one["column"], text(&one["code"]))
}

fn judge(samples: &[Sample]) {
    let mut wrong = String::new();
    for (sample, found) in samples.iter().zip(errors(samples)) {
        let (is_right, expected) = match &sample.expected {
            Expected::Sound => (found.is_empty(), "nothing"),
            Expected::Exactly(list) => (found.join(", ") == *list, list.as_str()),
            Expected::Among(one) => (found.contains(one), one.as_str()),
        };
        if !is_right {
            wrong.push_str(&format!("{}\nexpected {expected}, found {found:?}\n\n", sample.origin));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The sound files by name.
fn sound_files() -> Vec<(String, String)> {
    let folder = repository::root().join("tests/corpus/sound");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| (name.clone(), read(&format!("tests/corpus/sound/{name}"))))
        .collect()
}

fn mutants() -> Vec<Sample> {
    let files: HashMap<String, String> = sound_files().into_iter().collect();
    let table = read("tests/corpus/mutants.txt");
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let mut parts = row.splitn(3, " | ");
        let mut next = || parts.next().expect("FILE | LINE | TEXT | PLACE");
        let (file, number, rest) = (next(), next(), next());
        let (edit, expected) = rest.rsplit_once(" | ").expect("a place stands at the end");
        let source = &files[&format!("{file}.yml")];
        let number: usize = number.parse().expect("a number of a line");
        let mut lines: Vec<String> = source.split('\n').map(str::to_owned).collect();
        lines[number - 1] = unescaped(edit);
        let expected = match expected {
            "sound" => Expected::Sound,
            place => Expected::Among(place.to_owned()),
        };
        Sample { origin: row.to_owned(), text: lines.join("\n"), expected }
    })
    .collect()
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                other => out.extend(other),
            },
            (character, false) => out.push(character),
        }
    }
    out
}

fn shapes() -> Vec<Sample> {
    let text = read("tests/corpus/shapes.txt");
    let blocks = text.split("\n=== ").skip(1).map(|block| block.trim_end_matches('\n'));
    blocks
        .map(|block| {
            let (expected, text) = block.split_once('\n').unwrap_or((block, ""));
            let expected = match expected {
                "sound" => Expected::Sound,
                list => Expected::Exactly(list.to_owned()),
            };
            Sample { origin: block.to_owned(), text: format!("{text}\n"), expected }
        })
        .collect()
}

#[test]
fn the_sound_files_of_the_corpus_have_no_error() {
    let samples: Vec<Sample> = sound_files()
        .into_iter()
        .map(|(origin, text)| Sample { origin, text, expected: Expected::Sound })
        .collect();
    assert!(samples.len() >= 10, "only {} files", samples.len());
    judge(&samples);
}

#[test]
fn every_edit_is_seen_on_its_own_line_and_sound_edits_are_not() {
    let samples = mutants();
    let broken = samples.iter().filter(|one| matches!(one.expected, Expected::Among(_))).count();
    assert!(broken >= 400, "only {broken} edits");
    judge(&samples);
}

#[test]
fn every_rule_holds_for_its_small_workflows() {
    let samples = shapes();
    let sound = samples.iter().filter(|one| matches!(one.expected, Expected::Sound)).count();
    let edits = mutants().iter().filter(|one| matches!(one.expected, Expected::Sound)).count();
    assert!(sound + edits + sound_files().len() >= 150, "only {sound} shapes and {edits} edits");
    judge(&samples);
}
