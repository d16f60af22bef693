//! The workflow of a pipeline of DVC: bring the data, run the stages that have changed, send what they made.
//!
//! One step runs all stages, not one step each: the order, what has changed, the cache of runs and `dvc.lock` are then DVC's own, and
//! a stage that somebody adds to `dvc.yaml` runs without a change here.

use crate::commands::data::repository_in;
use crate::error::CommandError;
use pawl_versions::{Pipeline, pipeline};
use std::fmt::Write;
use std::path::Path;

/// Where the workflow goes.
pub(super) const PATH: &str = ".pawl/workflows/dvc.yml";

/// Most names of stages in the name of a step.
const MOST_NAMES: usize = 4;

/// Variables that hold the credentials of a remote, by how its address begins.
const CREDENTIALS: [(&str, &[&str]); 3] = [
    ("s3://", &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
    ("azure://", &["AZURE_STORAGE_CONNECTION_STRING"]),
    ("gs://", &["GOOGLE_SERVICE_ACCOUNT_KEY"]),
];

const HEAD: &str = "\
# The pipeline of dvc.yaml, written by `pawl init --from-dvc`. Try it:  pawl run .pawl/workflows/dvc.yml
name: dvc
on:
  push:
  pull_request:
  workflow_dispatch:
jobs:
  pipeline:
    runs-on: ubuntu-latest
";

/// The text of the workflow.
pub(super) fn workflow(folder: &Path) -> Result<String, CommandError> {
    let repository = repository_in(folder)?;
    let found = pipeline(&repository)?;
    if found.stages.is_empty() {
        return Err(CommandError::input(
            "there is no dvc.yaml with stages",
            "without stages `pawl init` and a step `uses: pawl/dvc-pull` are enough",
        ));
    }
    let has_requirements = repository.root().join("requirements.txt").is_file();
    Ok(text(&found, has_requirements))
}

// Writing to a `String` cannot fail, so the results of `write!` are not looked at.
fn text(found: &Pipeline, has_requirements: bool) -> String {
    let mut text = HEAD.to_owned();
    let folder = found.remote.as_deref().filter(|url| url.starts_with('/'));
    text.push_str("    # The image that the commands of the stages need.\n");
    match folder {
        None => text.push_str("    container: python:3.12-slim\n"),
        Some(folder) => {
            // The remote is a folder of this machine, which a container sees only when it is mounted.
            let volume = quoted(&format!("{folder}:{folder}"));
            let _written = write!(
                text,
                "    container:\n      image: python:3.12-slim\n      volumes: [{volume}]\n"
            );
        }
    }
    text.push_str("    steps:\n      - uses: pawl/checkout\n");
    if found.remote.is_some() {
        text.push_str("      - name: Bring the data, and what stages had made of it\n        uses: pawl/dvc-pull\n");
        text.push_str("        with:\n          allow-missing: true\n");
        text.push_str(&env(found));
    }
    if has_requirements {
        text.push_str("      - name: Install what the stages need\n        run: pip install -r requirements.txt\n");
    }
    let _written = write!(
        text,
        "      - id: repro\n        name: {}\n        uses: pawl/dvc-repro\n",
        quoted(&format!("Run the stages that have changed: {}", names(found)))
    );
    if found.files != ["dvc.yaml"] {
        text.push_str("        with:\n          stages: |\n");
        for file in &found.files {
            let _written = writeln!(text, "            {file}");
        }
    }
    if found.remote.is_some() {
        text.push_str("      - name: Send what they made\n        if: github.event_name == 'push' && steps.repro.outputs.changed == 'true'\n");
        text.push_str("        uses: pawl/dvc-push\n");
        text.push_str(&env(found));
    }
    text.push_str("      - name: Keep dvc.lock, for whoever commits it\n        uses: pawl/upload\n        with:\n");
    text.push_str("          name: dvc-lock\n          path: |\n");
    for file in &found.files {
        let _written = writeln!(text, "            {}", file.replace("dvc.yaml", "dvc.lock"));
    }
    text.push_str("      - uses: pawl/report\n");
    text
}

fn names(found: &Pipeline) -> String {
    let shown: Vec<&str> = found.stages.iter().take(MOST_NAMES).map(String::as_str).collect();
    let more = found.stages.len() - shown.len();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The credentials that a remote needs, as secrets of the same names.
fn env(found: &Pipeline) -> String {
    let url = found.remote.as_deref().unwrap_or_default();
    let Some((_, names)) = CREDENTIALS.iter().find(|(begin, _)| url.starts_with(begin)) else {
        return String::new();
    };
    let line = |name: &&str| format!("          {name}: ${{{{ secrets.{name} }}}}\n");
    format!("        env:\n{}", names.iter().map(line).collect::<String>())
}

/// A text of the project as a YAML value that nothing in it can leave; `${{` in it is no expression.
fn quoted(text: &str) -> String {
    let plain = text.replace("${{", "$ {{");
    serde_json::Value::String(plain).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Pipeline, text};

    #[test]
    fn the_workflow_holds_what_the_pipeline_needs() {
        let found = Pipeline {
            files: vec!["dvc.yaml".into(), "sub/dvc.yaml".into()],
            stages: ["a", "b@1", "b@2", "c", "sub/dvc.yaml:d"].map(String::from).into(),
            pointers: vec!["data.dvc".into()],
            remote: Some("s3://bucket/data".into()),
        };
        let shown = text(&found, true);
        for part in [
            "          AWS_SECRET_ACCESS_KEY: ${{ secrets.AWS_SECRET_ACCESS_KEY }}\n",
            "        run: pip install -r requirements.txt\n",
            "        name: \"Run the stages that have changed: a, b@1, b@2, c and 1 more\"\n",
            "          stages: |\n            dvc.yaml\n            sub/dvc.yaml\n",
            "            sub/dvc.lock\n",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
        let alone =
            text(&Pipeline { files: vec!["dvc.yaml".into()], remote: None, ..found }, false);
        for part in ["dvc-pull", "dvc-push", "pip install", "stages: |", "volumes"] {
            assert!(!alone.contains(part), "{alone}");
        }
    }
}
