//! `dvc.lock` and what `dvc.yaml` says besides: the outputs of pipeline stages. Read, not written.

use crate::VersionError;
use crate::document;
use crate::path;
use crate::pointer::{Out, RawOut};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_yaml::Spanned;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLock {
    schema: Spanned<String>,
    #[serde(default)]
    stages: Option<BTreeMap<String, RawStage>>,
    #[serde(default, rename = "datasets")]
    _datasets: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStage {
    #[serde(rename = "cmd")]
    _cmd: IgnoredAny,
    #[serde(default, rename = "deps")]
    _deps: Option<IgnoredAny>,
    #[serde(default, rename = "params")]
    _params: Option<IgnoredAny>,
    #[serde(default)]
    outs: Option<Vec<RawOut>>,
}

/// What is needed of `dvc.yaml`. Everything else of it is DVC's own to judge.
#[derive(Deserialize, Default)]
struct RawPipeline {
    #[serde(default)]
    stages: Option<BTreeMap<String, Value>>,
}

/// Reads the outputs of all stages. `file` is the path of the lock below the root, `pipeline` the text of the `dvc.yaml` beside it.
pub(crate) fn parse(
    text: &str,
    file: &str,
    pipeline: Option<&str>,
) -> Result<Vec<(String, Out)>, VersionError> {
    let raw: RawLock = document::parse(text, file)?;
    if raw.schema.value != "2.0" {
        let place = format!("{file}:{}", raw.schema.referenced.line());
        let reason = format!("schema {:?} is not 2.0", raw.schema.value);
        return Err(VersionError::input(place, reason, "run `dvc repro` once with DVC 3"));
    }
    let folder = path::folder_of(file);
    let yaml = if folder.is_empty() { "dvc.yaml".to_owned() } else { format!("{folder}/dvc.yaml") };
    let pipeline: RawPipeline = match pipeline {
        None => RawPipeline::default(),
        Some(text) => document::parse(text, &yaml)?,
    };
    let definitions = pipeline.stages.unwrap_or_default();
    let mut outs = Vec::new();
    for (name, stage) in raw.stages.unwrap_or_default() {
        let definition = definition_of(&definitions, &name);
        let base = base_of(definition, folder, &yaml)?;
        for out in stage.outs.unwrap_or_default() {
            let mut out = out.into_out(file, &base)?;
            let flags = definition.map(|definition| flags_of(definition, &base, &out.path));
            let (cached, pushed) = flags.unwrap_or((true, true));
            (out.cached, out.pushed) = (cached, pushed && cached);
            outs.push((name.clone(), out));
        }
    }
    Ok(outs)
}

/// The definition of a stage, which `name@item` shares with the others of its loop.
fn definition_of<'a>(all: &'a BTreeMap<String, Value>, name: &str) -> Option<&'a Value> {
    let loop_name = name.split_once('@').map_or(name, |(name, _)| name);
    let found = all.get(name).or_else(|| all.get(loop_name))?;
    Some(found.get("do").unwrap_or(found))
}

/// The folder, below the root, that a stage's paths are relative to.
fn base_of(definition: Option<&Value>, folder: &str, yaml: &str) -> Result<String, VersionError> {
    let wdir = definition.and_then(|definition| definition.get("wdir")).and_then(Value::as_str);
    let Some(wdir) = wdir else { return Ok(folder.to_owned()) };
    let refuse = |fault: &str| {
        let reason = format!("the wdir {wdir:?} {fault}");
        VersionError::input(yaml, reason, "name a folder of this repository")
    };
    if wdir.contains("${") {
        return Err(refuse("has a template, which Pawl does not fill in"));
    }
    let inside = path::resolve(folder, &format!("{wdir}/x")).map_err(refuse)?;
    Ok(path::folder_of(&inside).to_owned())
}

/// Whether DVC keeps an output in the cache and pushes it.
fn flags_of(definition: &Value, base: &str, path: &str) -> (bool, bool) {
    let lists = ["outs", "metrics", "plots"].into_iter().filter_map(|key| definition.get(key));
    let entries = lists.filter_map(Value::as_array).flatten().filter_map(Value::as_object);
    let named = entries.flatten().find(|(name, _)| is_named(name, base, path));
    let flag = |key| named.and_then(|(_, flags)| flags.get(key)?.as_bool()).unwrap_or(true);
    (flag("cache"), flag("push"))
}

/// True when a name in `dvc.yaml`, perhaps with templates, means `path`.
fn is_named(name: &str, base: &str, path: &str) -> bool {
    let Ok(full) = path::resolve(base, name) else { return false };
    let mut parts = full.split("${");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    let mut is_open = false;
    for part in parts {
        let text = part.split_once('}').map_or(part, |(_, text)| text);
        let Some(at) = rest.rfind(text) else { return false };
        rest = &rest[at + text.len()..];
        is_open = text.is_empty();
    }
    rest.is_empty() || is_open
}

#[cfg(test)]
mod tests {
    use super::parse;

    const MD5: &str = "2e4b441ec64cdaf4802fc67bdb84bd31";

    #[test]
    fn outputs_of_stages_are_read_with_the_flags_of_their_definitions() {
        let lock = format!(
            "schema: '2.0'\nstages:\n  train:\n    cmd: [a, b]\n    deps:\n    - path: x\n      md5: {MD5}\n      hash: md5\n      \
             size: 3\n    params:\n      params.yaml:\n        lr: 0.1\n    outs:\n    - path: model.bin\n      hash: md5\n      \
             md5: {MD5}\n      size: 3\n    - path: m.json\n      hash: md5\n      md5: {MD5}\n      size: 3\n  \
             each@1:\n    cmd: c\n    outs:\n    - path: out-1.txt\n      hash: md5\n      md5: {MD5}\n      size: 3\n"
        );
        let yaml = "stages:\n  train:\n    cmd: a\n    wdir: sub\n    outs: [model.bin]\n    metrics:\n    - m.json:\n        \
                    cache: false\n  each:\n    foreach: [1]\n    do:\n      cmd: c\n      outs:\n      - out-${item}.txt:\n          \
                    push: false\n";
        let outs = parse(&lock, "p/dvc.lock", Some(yaml)).unwrap();
        let shown: Vec<_> = outs
            .iter()
            .map(|(stage, out)| (stage.as_str(), out.path.as_str(), out.cached, out.pushed))
            .collect();
        assert_eq!(
            shown,
            [
                ("each@1", "p/out-1.txt", true, false),
                ("train", "p/sub/model.bin", true, true),
                ("train", "p/sub/m.json", false, false)
            ]
        );
    }

    #[test]
    fn hostile_locks_are_refused_with_file_and_line() {
        let refused = |text: &str| parse(text, "dvc.lock", None).unwrap_err().to_string();
        let out = format!(
            "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    outs:\n    - path: ../x\n      md5: {MD5}\n"
        );
        assert!(
            refused(&out).starts_with("dvc.lock:6: the path \"../x\" leads out"),
            "{}",
            refused(&out)
        );
        assert!(refused("schema: '1.0'\n").starts_with("dvc.lock:1: schema"));
        assert!(refused("stages: {}\n").starts_with("dvc.lock:1"));
    }
}
