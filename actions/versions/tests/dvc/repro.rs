//! Pipelines: the same stages run, and all that is written is the same.

use crate::place::{Place, same};
use pawl_versions::{Did, Progress, Repro, ReproOptions, VersionError, init, repro};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A pipeline with all that a pipeline can have.
const PIPELINE: &str = "\
vars:
- conf.json:alpha
- base: {n: 3, opts: {verbose: true, quiet: false, name: it's, list: [1, a b]}}
stages:
  train:
    wdir: sub
    cmd:
    - cat ../prepared/a ../out-x.txt > model.bin
    - 'echo ''{\"acc\": 0.5}'' > m.json'
    - printf 'a,b\\n1,2\\n' > p.csv
    - echo run >> ../log.txt
    deps:
    - ../prepared
    - ../out-x.txt
    params:
    - lr
    - deep.list
    - ../conf.json:
      - alpha
    - ../p.toml:
    outs:
    - model.bin:
        desc: the model
    metrics:
    - m.json:
        cache: false
    plots:
    - p.csv:
        cache: false
        x: a
  prepare:
    desc: first
    cmd: |
      mkdir -p prepared/in
      cp data/one prepared/a && echo '${alpha} ${base.n} ${seed}' > prepared/in/b
      chmod +x prepared/a
    deps:
    - data
    - tool.sh
    params: [seed, deep]
    outs:
    - prepared
    meta: {owner: me}
  each:
    foreach: ${items}
    do:
      cmd: echo ${item} \\${x} > out-${item}.txt
      outs:
      - out-${item}.txt:
          push: false
  named:
    foreach: {one: {v: 1}, two: {v: 2.50}}
    do:
      cmd: echo ${key} ${item.v} > named-${key}
      deps: [tool.sh]
      outs: [\"named-${key}\"]
  grid:
    matrix:
      a: [1, 2]
      b: ${items}
    cmd: echo ${item.a} ${item.b} ${key} > grid-${key}
    outs: [\"grid-${key}\"]
  grow:
    cmd: echo more >> grown
    deps: [tool.sh]
    outs:
    - grown:
        persist: true
  uncached:
    cmd: echo ${base.opts} > plain
    deps: [tool.sh]
    outs:
    - plain: {cache: false}
  long:
    cmd: echo a long command of many words that does not fit into one line of eighty columns and is folded > long.txt
    deps: [tool.sh]
    outs: [long.txt]
  always:
    cmd: echo always >> always.txt
    always_changed: true
    deps: [tool.sh]
  callback:
    cmd: echo callback >> callback.txt
";

struct Pair {
    _work: TempDir,
    theirs: Place,
    ours: Place,
}

impl Pair {
    fn new(pipeline: &str) -> Self {
        let work = TempDir::new().unwrap();
        let theirs = Place::new(work.path().join("dvc"));
        theirs.dvc(&["init", "-q"]);
        let ours = Place::new(work.path().join("pawl"));
        init(&ours.folder, pawl_versions::InitOptions::default()).unwrap();
        let pair = Self { _work: work, theirs, ours };
        pair.write("dvc.yaml", pipeline);
        pair
    }

    fn each(&self, work: impl Fn(&Path)) {
        work(&self.theirs.folder);
        work(&self.ours.folder);
    }

    fn write(&self, path: &str, text: &str) {
        self.each(|folder| {
            let place = folder.join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        });
    }

    fn replace(&self, path: &str, old: &str, new: &str) {
        self.each(|folder| {
            let text = fs::read_to_string(folder.join(path)).unwrap();
            assert!(text.contains(old), "{old:?} is not in {path}");
            fs::write(folder.join(path), text.replace(old, new)).unwrap();
        });
    }

    /// Runs both. What ran, what came from the cache, and every file must be the same, and DVC must find nothing to do.
    fn repro(&self, arguments: &[&str]) -> (Vec<String>, Vec<String>) {
        let said = self.theirs.dvc(&[&["repro"], arguments].concat());
        let said = String::from_utf8(said.stdout).unwrap();
        let named = |begin: &str| -> Vec<String> {
            let lines = said.lines().filter_map(|line| line.strip_prefix(begin));
            lines.filter_map(|line| Some(line.split('\'').next()?.to_owned())).collect()
        };
        let ran = named("Running stage '");
        let cached = said.lines().filter(|line| line.contains("is cached - skipping run"));
        let cached: Vec<String> =
            cached.filter_map(|line| Some(line.split('\'').nth(1)?.to_owned())).collect();
        let done = self.ours(arguments).unwrap();
        assert_eq!(done.failed, None);
        let did = |wanted| -> Vec<String> {
            let runs = done.stages.iter().filter(|run| run.did == wanted);
            runs.map(|run| run.stage.clone()).collect()
        };
        assert_eq!(did(Did::Ran), ran, "{said}");
        assert_eq!(did(Did::Restored), cached, "{said}");
        let lock = |place: &Place| fs::read_to_string(place.folder.join("dvc.lock")).unwrap();
        pretty(&lock(&self.ours), &lock(&self.theirs));
        same(&self.theirs, &self.ours);
        (ran, cached)
    }

    fn ours(&self, arguments: &[&str]) -> Result<Repro, VersionError> {
        let (flags, targets): (Vec<&str>, Vec<&str>) =
            arguments.iter().partition(|argument| argument.starts_with('-'));
        let options = ReproOptions {
            targets: targets.into_iter().map(str::to_owned).collect(),
            force: flags.contains(&"--force"),
            dry: flags.contains(&"--dry"),
            ..ReproOptions::default()
        };
        repro(&self.ours.open(), &options, &|_| (), &Progress::default())
    }

    fn is_clean(&self, besides: &[&str]) {
        let said = self.ours.dvc(&["status", "--json"]).stdout;
        let said: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&said).unwrap();
        let names: Vec<_> = said.keys().map(String::as_str).collect();
        assert_eq!(names, besides, "{said:?}");
    }
}

fn pretty(ours: &str, theirs: &str) {
    assert!(ours == theirs, "ours:\n{ours}\ntheirs:\n{theirs}");
}

fn full() -> Pair {
    let pair = Pair::new(PIPELINE);
    pair.write("data/one", "1\n");
    pair.write("data/two", "2\n");
    pair.write("tool.sh", "#!/bin/sh\n");
    pair.write("conf.json", "{\"alpha\": 1e-5, \"n\": null, \"other\": [1, 2]}");
    pair.write("p.toml", "x = 1\n[t]\ny = [1.5, \"ü\"]\n");
    pair.write(
        "params.yaml",
        "seed: 42\nlr: 0.10\nitems: [x, y]\ndeep:\n  list: [1, [2, 3], {k: true}]\n  none:\n",
    );
    pair.write("sub/params.yaml", "lr: 1e-3\ndeep: {list: [], more: 1}\n");
    pair.each(|folder| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder.join("tool.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    });
    pair.theirs.dvc(&["add", "-q", "data"]);
    pair.ours.add(&["data"]);
    pair
}

const ALWAYS: [&str; 2] = ["always", "callback"];

#[test]
fn stages_run_as_dvc_runs_them_and_everything_written_is_the_same() {
    let pair = full();
    let (ran, _) = pair.repro(&[]);
    assert_eq!(ran.len(), 15, "{ran:?}");
    pair.is_clean(&ALWAYS);
    let (ran, _) = pair.repro(&[]);
    assert_eq!(ran, ALWAYS);
    // The data of a pointer, which the first stage reads; the last one reads only what that makes of it.
    pair.write("data/two", "changed\n");
    assert_eq!(pair.repro(&[]).0, ["prepare", "always", "callback"]);
    pair.write("data/one", "changed\n");
    assert_eq!(pair.repro(&[]).0, ["prepare", "train", "always", "callback"]);
    pair.is_clean(&ALWAYS);
    // As it was before: both stages are in the cache of runs.
    pair.write("data/one", "1\n");
    assert_eq!(pair.repro(&[]).1, ["prepare", "train"]);
    // A parameter that nobody reads, one of a list, one of a whole file.
    pair.replace("params.yaml", "items: [x, y]", "items: [x, y]\nunread: 1");
    assert_eq!(pair.repro(&[]).0, ALWAYS);
    pair.replace("sub/params.yaml", "list: []", "list: [{a: 1}]");
    assert_eq!(pair.repro(&[]).0, ["train", "always", "callback"]);
    pair.replace("p.toml", "x = 1", "x = 2");
    assert_eq!(pair.repro(&["train"]).0, ["train"]);
    // The same number, written in another way.
    pair.replace("p.toml", "x = 2", "x = 2.0");
    assert_eq!(pair.repro(&["train"]).0.len(), 0);
    // A command, by way of a name in it; a stage more.
    pair.replace("conf.json", "1e-5", "0.25");
    assert_eq!(pair.repro(&[]).0, ["prepare", "train", "always", "callback"]);
    pair.replace("params.yaml", "[x, y]", "[x, y, z]");
    let (ran, _) = pair.repro(&[]);
    assert_eq!(ran, ["each@z", "grid@1-z", "grid@2-z", "always", "callback"]);
    pair.is_clean(&ALWAYS);
}

#[test]
fn outputs_that_are_gone_or_changed_come_from_the_cache_or_are_made_again() {
    let pair = full();
    pair.repro(&[]);
    pair.each(|folder| fs::remove_file(folder.join("sub/model.bin")).unwrap());
    assert_eq!(pair.repro(&["train"]).1, ["train"]);
    pair.each(|folder| fs::remove_dir_all(folder.join("prepared")).unwrap());
    assert_eq!(pair.repro(&["prepare"]).1, ["prepare"]);
    pair.each(|folder| {
        fs::write(folder.join("prepared/in/more"), "x").unwrap();
        fs::remove_file(folder.join("named-one")).unwrap();
        // Without what it reads it cannot be found among the runs.
        fs::remove_file(folder.join("out-y.txt")).unwrap();
        fs::write(folder.join("plain"), "x").unwrap();
    });
    let (ran, cached) = pair.repro(&[]);
    assert_eq!(cached, ["prepare", "named@one"]);
    assert_eq!(ran, ["each@y", "uncached", "always", "callback"]);
    // What persists is added to, whatever it was.
    pair.write("tool.sh", "#!/bin/sh\n# other\n");
    pair.repro(&[]);
    pair.is_clean(&ALWAYS);
    assert_eq!(fs::read_to_string(pair.ours.folder.join("grown")).unwrap(), "more\nmore\n");
    // A cache that has lost an object.
    pair.each(|folder| fs::remove_dir_all(folder.join(".dvc/cache")).unwrap());
    pair.repro(&[]);
    pair.is_clean(&ALWAYS);
    pair.repro(&["--force", "named@one"]);
    pair.repro(&["--force"]);
    pair.is_clean(&ALWAYS);
}

#[test]
fn frozen_stages_several_files_and_locks_of_others_are_treated_as_dvc_treats_them() {
    let pair = Pair::new(
        "stages:\n  far:\n    cmd: cat one/made > far.txt\n    deps: [one/made]\n    outs: [far.txt]\n  \
         ice:\n    frozen: true\n    cmd: cp one/made ice.txt\n    deps: [one/made]\n    outs: [ice.txt]\n",
    );
    pair.write(
        "one/dvc.yaml",
        "stages:\n  make:\n    cmd: echo $DVC_STAGE > made\n    outs: [made]\n  other:\n    cmd: echo o > other\n    outs: [other]\n",
    );
    pair.write("ice.txt", "cold\n");
    assert_eq!(pair.repro(&["far"]).0, ["one/dvc.yaml:make", "far"]);
    pair.repro(&[]);
    assert_eq!(pair.repro(&["one/dvc.yaml:other"]).0, ["one/dvc.yaml:other"]);
    pair.write("one/made", "changed\n");
    pair.write("ice.txt", "colder\n");
    pair.replace("dvc.lock", "  far:\n", "  # why\n  gone:\n    cmd: nothing\n  far:\n");
    pair.repro(&["far"]);
    pair.repro(&["ice"]);
    pair.is_clean(&[]);
    // A lock of DVC 2 keeps its names while nothing changes.
    pair.replace("dvc.lock", "      hash: md5\n", "");
    pair.each(|folder| {
        let cache = folder.join(".dvc/cache");
        for first in fs::read_dir(cache.join("files/md5")).unwrap() {
            let first = first.unwrap().path();
            let to = cache.join(first.file_name().unwrap());
            assert!(
                std::process::Command::new("cp")
                    .arg("-a")
                    .args([&first, &to])
                    .status()
                    .unwrap()
                    .success()
            );
        }
    });
    pair.repro(&[]);
    pair.replace("dvc.yaml", "cat one/made", "cat  one/made");
    pair.repro(&[]);
}

#[test]
fn a_command_that_fails_ends_the_run_and_what_ran_before_is_recorded() {
    let pair = Pair::new(
        "stages:\n  a:\n    cmd: echo 1 > a\n    outs: [a]\n  b:\n    cmd:\n    - exit 7\n    - touch never\n    deps: [a]\n    outs: [b]\n  \
         c:\n    cmd: echo 1 > c\n    deps: [b]\n    outs: [c]\n",
    );
    let done = pair.ours(&[]).unwrap();
    let failed = done.failed.unwrap();
    assert_eq!((failed.stage.as_str(), failed.command.as_str()), ("b", "exit 7"));
    assert_eq!(failed.ended, "exit code 7");
    assert_eq!(done.stages.len(), 1);
    let lock = fs::read_to_string(pair.ours.folder.join("dvc.lock")).unwrap();
    assert!(lock.contains("  a:\n") && !lock.contains("  b:\n"), "{lock}");
    assert!(!pair.ours.folder.join("never").exists());
    let dry = pair.ours(&["--dry"]).unwrap();
    let shown: Vec<_> = dry.stages.iter().map(|run| (run.stage.as_str(), run.did)).collect();
    assert_eq!(shown, [("a", Did::Nothing), ("b", Did::Due), ("c", Did::Due)]);
    let reasons: Vec<_> = dry.stages[2].reasons.iter().map(ToString::to_string).collect();
    assert_eq!(reasons, ["dependency b deleted", "output c deleted"]);
}

#[test]
fn what_is_wrong_is_refused_with_its_place_and_nothing_runs() {
    let refused = |pipeline: &str| {
        let pair = Pair::new(pipeline);
        let error = pair.ours(&[]).unwrap_err();
        assert!(error.is_input() && !error.hint().is_empty(), "{error}");
        assert!(!pair.ours.folder.join("dvc.lock").exists());
        error.to_string()
    };
    let stage = |rest: &str| format!("stages:\n  a:\n    cmd: x\n{rest}");
    for (pipeline, expected) in [
        (stage("    dep: [x]\n"), "dvc.yaml:4: the stage a has a key \"dep\""),
        (stage("    deps: [../../etc]\n"), "dvc.yaml:4: the path \"../../etc\" of deps leads out"),
        (stage("    deps: [s3://b/x]\n"), "dvc.yaml:4: the path \"s3://b/x\" of deps leads out"),
        (
            stage("    outs: [.git/hooks/x]\n"),
            "dvc.yaml:4: the path \".git/hooks/x\" of outs leads into",
        ),
        (stage("    outs: [x, x]\n"), "dvc.yaml:4: the stage a names \"x\" twice"),
        (stage("    deps: [x]\n"), "dvc.yaml:4: the stage a needs \"x\", which is not there"),
        (stage("    params: [lr]\n"), "dvc.yaml:4: the stage a needs \"params.yaml\""),
        (stage("    params: [{p.py: [lr]}]\n"), "dvc.yaml:4: the stage a needs \"p.py\""),
        (
            stage("    outs: [x]\n  b:\n    cmd: y\n    outs: [x/y]\n"),
            "b: \"x/y\" of b lies in \"x\" of a",
        ),
        (
            stage("    deps: [y]\n    outs: [x]\n  b:\n    cmd: y\n    deps: [x]\n    outs: [y]\n"),
            "a, b: wait for each other",
        ),
        (stage("    outs: [\"${x}\"]\n"), "dvc.yaml:4: there is no value ${x}"),
        (stage("    wdir: nowhere\n"), "dvc.yaml:3: the folder \"nowhere\" that the stage runs in"),
        ("stages: [x]\n".to_owned(), "dvc.yaml:1: stages is a list"),
        ("stages:\n  a: {cmd: []}\n".to_owned(), "dvc.yaml:2: cmd is empty"),
        ("vars: [x.yaml]\nstages: {}\n".to_owned(), "dvc.yaml:1: there is no file x.yaml"),
        ("jobs: {}\n".to_owned(), "dvc.yaml:1: the file has a key \"jobs\""),
        ("stages: {}\n".to_owned(), "dvc.yaml: is not there, or has no stages"),
    ] {
        let said = refused(&pipeline);
        assert!(said.starts_with(expected), "{said}\n  where {expected} was expected");
    }
}
