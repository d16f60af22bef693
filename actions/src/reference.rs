//! The reference of all built-in actions, written from their manifests.

use crate::action::{InputSpec, Manifest};
use crate::registry::{Builtin, all};
use std::fmt::Write;

const HEAD: &str = "\
# Built-in actions

Generated from the `action.yml` of each action. A step uses one with `uses: pawl/NAME`; `pawl actions run NAME --with \
KEY=VALUE` runs one outside of a workflow.

An action that runs *in the job* is a process in the job's sandbox and sees nothing but the workspace. One that runs *in \
the runner* reaches the registry, the store and the container engine, and nothing outside of the workspace through it.
";

/// The text of `docs/actions.md`.
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n| action | runs in the | |\n|---|---|---|\n");
    for manifest in all().iter().map(Builtin::manifest) {
        let (name, place) = (&manifest.name, manifest.place.as_str());
        let _written =
            writeln!(text, "| [`{name}`](#pawl{name}) | {place} | {} |", first_sentence(manifest));
    }
    for manifest in all().iter().map(Builtin::manifest) {
        section(&mut text, manifest);
    }
    text
}

fn first_sentence(manifest: &Manifest) -> String {
    let description = cell(&manifest.description);
    let end = description.find(". ").map_or(description.len(), |at| at + 1);
    description[..end].to_owned()
}

// Writing to a `String` cannot fail, so the results of `writeln!` are not looked at.
fn section(text: &mut String, manifest: &Manifest) {
    let (name, place) = (&manifest.name, manifest.place.as_str());
    let _written = writeln!(
        text,
        "\n## pawl/{name}\n\n{} Runs in the {place}. [More](../actions/{name}/README.md)",
        cell(&manifest.description)
    );
    if !manifest.inputs.is_empty() {
        text.push_str("\n| input | type | default | |\n|---|---|---|---|\n");
    }
    for (input, spec) in &manifest.inputs {
        let _written = writeln!(
            text,
            "| `{input}` | {} | {} | {} |",
            kind(spec),
            default(spec),
            cell(&spec.description)
        );
    }
    if !manifest.outputs.is_empty() {
        text.push_str("\n| output | |\n|---|---|\n");
    }
    for (output, spec) in &manifest.outputs {
        let _written = writeln!(text, "| `{output}` | {} |", cell(&spec.description));
    }
}

fn kind(spec: &InputSpec) -> String {
    if spec.options.is_empty() {
        return spec.kind.as_str().to_owned();
    }
    spec.options.iter().map(|option| format!("`{option}`")).collect::<Vec<_>>().join(", ")
}

fn default(spec: &InputSpec) -> String {
    match &spec.default {
        Some(default) => {
            let lines: Vec<&str> = default.trim_end().lines().collect();
            format!("`{}`", cell(&lines.join("` `")))
        }
        None if spec.required => "**required**".to_owned(),
        None => String::new(),
    }
}

fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::markdown;
    use crate::registry::{Builtin, all, find};
    use std::collections::BTreeSet;
    use std::path::Path;

    fn folder() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn the_committed_reference_is_this_one() {
        let path = folder().join("../docs/actions.md");
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        if committed != markdown() {
            let fresh = folder().join("../target/actions.md");
            std::fs::create_dir_all(folder().join("../target")).unwrap();
            std::fs::write(&fresh, markdown()).unwrap();
            panic!("docs/actions.md is stale: copy target/actions.md over it");
        }
    }

    #[test]
    fn every_folder_with_a_manifest_is_registered_under_its_name() {
        let folders: BTreeSet<String> = std::fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().join("action.yml").exists())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        let names: Vec<String> =
            all().iter().map(|action| action.manifest().name.clone()).collect();
        assert_eq!(names.iter().cloned().collect::<BTreeSet<_>>(), folders);
        assert_eq!(names.len(), folders.len(), "a name is registered twice");
        assert!(find("gate").is_some() && find("no-such-action").is_none());
    }

    #[test]
    fn every_action_has_a_readme_that_shows_its_use() {
        for name in all().iter().map(Builtin::manifest).map(|manifest| &manifest.name) {
            let readme = std::fs::read_to_string(folder().join(name).join("README.md")).unwrap();
            assert!(readme.contains(&format!("pawl/{name}")), "{name}");
        }
    }
}
