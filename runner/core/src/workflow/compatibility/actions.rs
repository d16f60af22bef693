//! The keys of `action.yml`, each in a small file that uses it, read as `pawl plan` reads it.

use super::{Standing, reason};
use crate::check::action::{ACTION_KEYS, DOCKER_KEYS, KINDS, NODE_KEYS, OUTPUT_KEYS};
use crate::diagnostic::Code;
use crate::planner::action_faults;
use crate::workflow::steps::COMPOSITE_KEYS;

/// The way to each key, and a file that has it.
pub(super) fn rows() -> Vec<(String, String)> {
    const NODE: &str = "runs: {using: node20, main: index.js}";
    let mut rows: Vec<(String, String)> = Vec::new();
    for key in ACTION_KEYS {
        let text = match *key {
            "inputs" => format!("inputs: {{i: {{description: x}}}}\n{NODE}"),
            "outputs" => format!("outputs: {{o: {{description: x}}}}\n{NODE}"),
            "branding" => format!("branding: {{icon: box, color: blue}}\n{NODE}"),
            "runs" => NODE.to_owned(),
            other => format!("{other}: x\n{NODE}"),
        };
        rows.push(((*key).to_owned(), text));
    }
    for key in ["description", "required", "default", "deprecationMessage"] {
        let value = if key == "required" { "true" } else { "x" };
        rows.push((
            format!("inputs.<id>.{key}"),
            format!("inputs: {{i: {{{key}: {value}}}}}\n{NODE}"),
        ));
    }
    for key in OUTPUT_KEYS {
        let value = if *key == "value" { "" } else { ", value: x" };
        let runs = "runs: {using: composite, steps: [{run: echo, shell: bash}]}";
        rows.push((
            format!("outputs.<id>.{key}"),
            format!("outputs: {{o: {{{key}: x{value}}}}}\n{runs}"),
        ));
    }
    for kind in KINDS {
        let rest = match *kind {
            "composite" => "steps: [{run: echo, shell: bash}]",
            "docker" => "image: Dockerfile",
            _ => "main: index.js",
        };
        rows.push((format!("runs.using: {kind}"), format!("runs: {{using: {kind}, {rest}}}")));
    }
    for key in NODE_KEYS.iter().filter(|key| **key != "using") {
        let main = if *key == "main" { "" } else { "main: index.js, " };
        rows.push((
            format!("runs.{key} (node)"),
            format!("runs: {{using: node20, {main}{key}: always()}}"),
        ));
    }
    for key in DOCKER_KEYS.iter().filter(|key| **key != "using") {
        rows.push((format!("runs.{key} (docker)"), docker(key)));
    }
    rows.extend(
        COMPOSITE_KEYS.iter().map(|key| (format!("runs.steps[].{key} (composite)"), step(key))),
    );
    rows
}

fn docker(key: &str) -> String {
    let image = if key == "image" { "" } else { "image: Dockerfile, " };
    let value = match key {
        "args" => "[x]",
        "env" => "{A: x}",
        "pre-if" | "post-if" => "always()",
        _ => "x",
    };
    format!("runs: {{using: docker, {image}{key}: {value}}}")
}

fn step(key: &str) -> String {
    let step = match key {
        "uses" => "uses: ./x".to_owned(),
        "with" => "uses: ./x, with: {a: b}".to_owned(),
        "run" | "shell" => "run: echo, shell: bash".to_owned(),
        "env" => "run: echo, shell: bash, env: {A: x}".to_owned(),
        "if" | "continue-on-error" => format!("run: echo, shell: bash, {key}: true"),
        _ => format!("run: echo, shell: bash, {key}: x"),
    };
    format!("runs: {{using: composite, steps: [{{{step}}}]}}")
}

/// What becomes of a row's key.
pub(super) fn standing(text: &str) -> Standing {
    let found = action_faults(text);
    match found.iter().find(|fault| fault.is_error()) {
        None => Standing::Supported,
        Some(fault) if fault.code == Code::NotSupported => Standing::Refused(reason(fault)),
        Some(fault) => Standing::Broken(fault.message.clone()),
    }
}
