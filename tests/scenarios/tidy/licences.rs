//! Every crate that we link may be given on. The allowed licences are those of `.deny.toml`, so that this test and
//! cargo-deny agree; this one needs no tool to be installed.

use pawl_tests::repository::{metadata, read};
use std::collections::BTreeSet;

/// The `allow` list in the `[licenses]` part of `.deny.toml`.
fn allowed() -> BTreeSet<String> {
    let text = read(".deny.toml");
    let licenses = text.split_once("[licenses]\n").expect(".deny.toml has [licenses]").1;
    let list = licenses.split_once("allow = [").and_then(|(_, rest)| rest.split_once(']'));
    let quoted = list.expect("[licenses] has an allow list").0.split('"').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// Whether an SPDX expression can be met with allowed licences alone. AND binds tighter than OR; `/` is the old
/// spelling of OR; `A WITH B` is one licence.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any(&words, &mut at, allowed);
    met && at == words.len()
}

fn any(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at, allowed);
    }
    met
}

fn all(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let met = any(words, at, allowed);
        *at += 1;
        return met;
    }
    match (words.get(*at), words.get(*at + 1)) {
        (Some(&"WITH"), Some(exception)) => {
            *at += 2;
            allowed.contains(&format!("{word} WITH {exception}"))
        }
        _ => allowed.contains(*word),
    }
}

#[test]
fn spdx_expressions_are_read_with_their_precedence() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "Zlib".to_owned(), "A WITH B".to_owned()]);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("MIT AND Zlib", true),
        ("(GPL-3.0 OR MIT) AND Zlib", true),
        ("(GPL-3.0 OR MIT) AND Apache-2.0", false),
        ("MIT OR GPL-3.0 AND GPL-2.0", true),
        ("A WITH B", true),
        ("A", false),
        ("", false),
        ("MIT)", false),
    ] {
        assert_eq!(is_met(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn every_linked_crate_has_an_allowed_licence_and_comes_from_the_one_registry() {
    let allowed = allowed();
    assert!(allowed.contains("Apache-2.0"), "the allow list is read wrongly: {allowed:?}");
    let packages = metadata()["packages"].as_array().expect("metadata lists packages");
    assert!(packages.len() > 100, "{} packages cannot be all", packages.len());
    let mut bad = Vec::new();
    for package in packages {
        let (name, version) = (&package["name"], &package["version"]);
        let licence = package["license"].as_str().unwrap_or("");
        if !is_met(licence, &allowed) {
            bad.push(format!("{name} {version}: licence `{licence}`"));
        }
        if let Some(source) = package["source"].as_str()
            && !source.starts_with("registry+")
        {
            bad.push(format!("{name} {version}: from {source}"));
        }
    }
    assert_eq!(bad, Vec::<String>::new());
}
