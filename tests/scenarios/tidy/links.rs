//! Links in the documents lead somewhere.

use pawl_tests::repository::{files, read, root};
use regex::Regex;
use std::path::Path;

/// GitHub's anchor of a heading: lower case, blanks to dashes, everything else but letters, digits, `-` and `_` gone.
fn anchor(heading: &str) -> String {
    let kept =
        heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Text without fenced blocks, where a bracket is code and not a link.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn has_anchor(file: &Path, wanted: &str) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let prose = prose(&text);
    let mut headings = prose.lines().filter(|line| line.starts_with('#'));
    headings.any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

/// What is wrong with a link from `file`, if anything.
fn fault(file: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => root().join(file),
        _ => root().join(file).parent().expect("a file lies in a folder").join(path),
    };
    if !target.exists() {
        return Some(format!("{file}: {link} leads nowhere"));
    }
    let is_missing = !wanted.is_empty() && !has_anchor(&target, wanted);
    is_missing.then(|| format!("{file}: {path} has no heading #{wanted}"))
}

#[test]
fn links_between_documents_lead_to_files_and_headings_that_exist() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a valid pattern");
    let documents: Vec<String> = files().into_iter().filter(|file| file.ends_with(".md")).collect();
    assert!(documents.iter().any(|file| file == "README.md"), "README.md is gone");
    let mut faults = Vec::new();
    let mut count = 0;
    for file in &documents {
        for found in link.captures_iter(&prose(&read(file))) {
            count += 1;
            faults.extend(fault(file, &found[1]));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(count > 5, "only {count} links: the pattern no longer finds them");
}

#[test]
fn a_link_to_nowhere_is_found() {
    assert_eq!(
        fault("README.md", "docs/nowhere.md"),
        Some("README.md: docs/nowhere.md leads nowhere".to_owned())
    );
    let no_heading = "README.md: docs/exit-codes.md has no heading #nowhere".to_owned();
    assert_eq!(fault("README.md", "docs/exit-codes.md#nowhere"), Some(no_heading));
    assert_eq!(fault("README.md", "docs/exit-codes.md#exit-codes"), None);
}
