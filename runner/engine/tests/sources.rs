//! The store of actions over real git: bare repositories in a temporary folder stand for the server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use pawl_core::lock::Lock;
use pawl_engine::sources::{SourceError, SourceSettings, SourceTree, Sources};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server with one repository, `acme/tool`, and a store.
struct Rig {
    _top: tempfile::TempDir,
    top: PathBuf,
}

impl Rig {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let rig = Self { top: top.path().canonicalize().unwrap(), _top: top };
        fs::create_dir_all(rig.top.join("server/acme")).unwrap();
        fs::create_dir_all(rig.work()).unwrap();
        rig.git(&["init", "--quiet", "--initial-branch=main"]);
        fs::create_dir_all(rig.work().join("dist")).unwrap();
        rig.commit("action.yml", "name: one\n");
        rig.git(&["tag", "v1"]);
        rig.publish();
        rig
    }

    fn work(&self) -> PathBuf {
        self.top.join("work")
    }

    fn bare(&self) -> PathBuf {
        self.top.join("server/acme/tool")
    }

    fn git(&self, arguments: &[&str]) -> String {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.test"];
        let output = Command::new("git")
            .current_dir(self.work())
            .args(identity)
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Writes a file and commits everything; the commit's id.
    fn commit(&self, file: &str, text: &str) -> String {
        fs::write(self.work().join(file), text).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", file]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Makes the server's copy what the work tree's repository is.
    fn publish(&self) {
        if !self.bare().exists() {
            let bare = self.bare().display().to_string();
            self.git(&["init", "--quiet", "--bare", "--initial-branch=main", &bare]);
        }
        let bare = self.bare().display().to_string();
        self.git(&["push", "--quiet", "--force", "--all", &bare]);
        self.git(&["push", "--quiet", "--force", "--tags", &bare]);
    }

    fn settings(&self) -> SourceSettings {
        SourceSettings {
            folder: self.top.join("store"),
            server: format!("file://{}", self.top.join("server").display()),
            offline: false,
            locked: false,
            overrides: Vec::new(),
            env: vec![("PATH".to_owned(), std::env::var("PATH").unwrap())],
        }
    }

    fn tree(&self, reference: &str) -> Result<SourceTree, SourceError> {
        Sources::new(self.settings(), Lock::default()).tree("acme/tool", reference)
    }
}

fn text(tree: &SourceTree, file: &str) -> String {
    fs::read_to_string(tree.folder.join(file)).unwrap()
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn branches_tags_annotated_tags_and_full_ids_are_found() {
    let rig = Rig::new();
    let first = rig.git(&["rev-parse", "HEAD"]);
    let second = rig.commit("action.yml", "name: two\n");
    rig.git(&["tag", "--annotate", "v2", "--message", "second"]);
    rig.git(&["branch", "topic/x", &first]);
    rig.publish();
    for (reference, sha, name) in [
        ("main", &second, "name: two\n"),
        ("v1", &first, "name: one\n"),
        ("v2", &second, "name: two\n"),
        ("topic/x", &first, "name: one\n"),
        ("refs/tags/v1", &first, "name: one\n"),
        (first.as_str(), &first, "name: one\n"),
    ] {
        let tree = rig.tree(reference).unwrap();
        assert_eq!((tree.sha.as_ref(), text(&tree, "action.yml").as_str()), (Some(sha), name));
        assert_eq!(tree.warnings, Vec::<String>::new(), "{reference}");
    }
    // Depth 1: the first commit did not come with the second.
    let log = Command::new("git")
        .args(["rev-list", "--count", &format!("refs/pawl/{second}")])
        .current_dir(rig.top.join("store/git"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(log.stdout).unwrap().trim(), "1");
}

#[test]
fn a_short_id_is_refused_with_the_full_one() {
    let rig = Rig::new();
    let first = rig.git(&["rev-parse", "HEAD"]);
    let second = rig.commit("action.yml", "name: two\n");
    rig.publish();
    rig.git(&["tag", "--delete", "v1"]);
    for full in [first, second] {
        let error = rig.tree(&full[..8]).unwrap_err();
        assert!(error.message.contains("shortened commit id"), "{error}");
        assert_eq!(error.hint, format!("write the full one: acme/tool@{full}"));
    }
    let unknown = rig.tree("deadbee").unwrap_err();
    assert_eq!(unknown.hint, "write all 40 digits of the commit");
    let missing = rig.tree("v9").unwrap_err();
    assert_eq!(missing.message, "acme/tool has no branch or tag 'v9'");
    assert_eq!((missing.hint.as_str(), missing.is_environment), ("close to it: v1", false));
}

#[test]
fn a_commit_that_no_ref_leads_to_is_warned_about() {
    let rig = Rig::new();
    let old = rig.git(&["rev-parse", "HEAD"]);
    rig.git(&["checkout", "--quiet", "-b", "fork"]);
    let impostor = rig.commit("action.yml", "name: evil\n");
    rig.git(&["checkout", "--quiet", "main"]);
    rig.commit("action.yml", "name: two\n");
    rig.publish();
    let bare = rig.bare().display().to_string();
    rig.git(&["push", "--quiet", &bare, "--delete", "fork"]);
    let mut sources = Sources::new(rig.settings(), Lock::default());
    let tree = sources.tree("acme/tool", &impostor).unwrap();
    assert!(tree.warnings.len() == 1 && tree.warnings[0].contains("impostor"), "{tree:?}");
    // The lock remembers it.
    let text = sources.lock().to_text();
    assert!(text.contains("\"reachable\": false"), "{text}");
    let again = Sources::new(rig.settings(), Lock::parse(&text).unwrap())
        .tree("acme/tool", &impostor)
        .unwrap();
    assert_eq!(again.warnings, tree.warnings);
    // An old commit of a branch is no impostor.
    assert_eq!(rig.tree(&old).unwrap().warnings, Vec::<String>::new());
}

#[test]
fn the_lock_holds_a_name_to_its_commit_and_offline_needs_no_server() {
    let rig = Rig::new();
    let mut sources = Sources::new(rig.settings(), Lock::default());
    let first = sources.tree("acme/tool", "main").unwrap();
    let lock = sources.lock().clone();
    rig.commit("action.yml", "name: two\n");
    rig.publish();
    // Upper and lower case are the same to GitHub, and so to the lock.
    let held = Sources::new(rig.settings(), lock.clone()).tree("Acme/Tool", "main").unwrap();
    assert_eq!(held.sha, first.sha);

    fs::rename(rig.top.join("server"), rig.top.join("gone")).unwrap();
    let offline = SourceSettings { offline: true, ..rig.settings() };
    let tree = Sources::new(offline.clone(), lock.clone()).tree("acme/tool", "main").unwrap();
    assert_eq!(text(&tree, "action.yml"), "name: one\n");
    let error = Sources::new(offline.clone(), Lock::default()).tree("acme/tool", "main");
    let error = error.unwrap_err();
    assert_eq!(error.message, "acme/tool@main is not in pawl.lock, and --offline asks no server");
    assert!(error.hint.starts_with("run `pawl lock` once with the network"), "{}", error.hint);
    let emptied = SourceSettings { folder: rig.top.join("other"), ..offline };
    let error = Sources::new(emptied, lock).tree("acme/tool", "main").unwrap_err();
    assert!(error.message.contains("is not in the store"), "{error}");
    let locked = SourceSettings { locked: true, ..rig.settings() };
    let error = Sources::new(locked, Lock::default()).tree("acme/tool", "main").unwrap_err();
    assert!(error.message.contains("--locked does not change it"), "{error}");
    let down = Sources::new(rig.settings(), Lock::default()).tree("acme/tool", "main");
    assert!(down.unwrap_err().message.starts_with("cannot fetch acme/tool from file://"));
}

#[test]
fn an_update_follows_the_branch_and_says_so() {
    let rig = Rig::new();
    let mut sources = Sources::new(rig.settings(), Lock::default());
    sources.tree("acme/tool", "main").unwrap();
    let before = sources.lock().clone();
    let second = rig.commit("action.yml", "name: two\n");
    rig.publish();
    let mut sources = Sources::new(rig.settings(), before.clone());
    sources.forget("acme/tool@main");
    let tree = sources.tree("acme/tool", "main").unwrap();
    assert_eq!(tree.sha.as_deref(), Some(second.as_str()));
    let changes = sources.lock().changes_since(&before);
    assert_eq!(changes.len(), 1);
    assert!(changes[0].to_string().ends_with(&format!(" -> {second}")), "{}", changes[0]);
}

#[test]
fn overrides_are_folders_or_bare_repositories() {
    let rig = Rig::new();
    let plain = rig.top.join("plain");
    fs::create_dir(&plain).unwrap();
    let overrides =
        vec![("acme/tool@v9".to_owned(), plain.clone()), ("Acme/Tool".to_owned(), rig.bare())];
    let settings = SourceSettings {
        overrides,
        server: "https://nowhere.invalid".to_owned(),
        offline: true,
        locked: true,
        ..rig.settings()
    };
    let mut sources = Sources::new(settings, Lock::default());
    let tree = sources.tree("acme/tool", "v1").unwrap();
    assert_eq!(text(&tree, "action.yml"), "name: one\n");
    assert_eq!(sources.tree("acme/tool", "v9").unwrap().folder, plain);
    assert_eq!(sources.lock(), &Lock::default(), "overrides are not locked");
    assert!(sources.tree("acme/tool", "v2").unwrap_err().message.contains("no branch or tag"));
}

#[test]
fn files_are_read_only_and_changed_ones_are_written_anew() {
    let rig = Rig::new();
    fs::write(rig.work().join("dist/run.sh"), "#!/bin/sh\n").unwrap();
    rig.git(&["add", "--all"]);
    rig.git(&["update-index", "--chmod=+x", "dist/run.sh"]);
    rig.git(&["commit", "--quiet", "--message", "run"]);
    rig.publish();
    let tree = rig.tree("main").unwrap();
    let file = tree.folder.join("action.yml");
    assert_eq!((mode(&file), mode(&tree.folder.join("dist/run.sh"))), (0o444, 0o555));
    assert_eq!(mode(&tree.folder.join("dist")), 0o555);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "name: changed\n").unwrap();
    let again = rig.tree("main").unwrap();
    assert_eq!(text(&again, "action.yml"), "name: one\n");
    assert!(again.warnings[0].contains("were changed"), "{again:?}");
}

#[test]
fn links_submodules_filters_and_hooks_of_a_repository_do_nothing() {
    let rig = Rig::new();
    let marker = rig.top.join("ran");
    symlink("/etc/passwd", rig.work().join("out")).unwrap();
    symlink("action.yml", rig.work().join("inner")).unwrap();
    fs::write(rig.work().join(".gitattributes"), "* filter=evil\naction.yml export-ignore\n")
        .unwrap();
    let module = format!("160000,{},module", "a".repeat(40));
    rig.git(&["add", "--all"]);
    rig.git(&["update-index", "--add", "--cacheinfo", &module]);
    rig.git(&["commit", "--quiet", "--message", "traps"]);
    rig.publish();
    // The user's own settings, too, have no say.
    let home = rig.top.join("home");
    fs::create_dir(&home).unwrap();
    let smudge = format!("[filter \"evil\"]\n\tsmudge = touch {}\n", marker.display());
    fs::write(home.join(".gitconfig"), smudge).unwrap();
    let mut settings = rig.settings();
    settings.env.push(("HOME".to_owned(), home.display().to_string()));
    let tree = Sources::new(settings, Lock::default()).tree("acme/tool", "main").unwrap();
    assert!(!marker.exists(), "a filter ran");
    assert!(tree.folder.join("out").symlink_metadata().is_err());
    assert_eq!(text(&tree, "inner"), "name: one\n");
    assert_eq!(
        tree.warnings,
        [
            "acme/tool@main: left out: the link out leads out of the repository",
            "acme/tool@main: left out: the submodule module",
        ]
    );
}

#[test]
fn a_server_of_another_protocol_is_not_spoken_with() {
    let rig = Rig::new();
    let marker = rig.top.join("ran");
    for server in [format!("ext::sh -c touch% {}", marker.display()), "git://127.0.0.1".to_owned()]
    {
        let settings = SourceSettings { server, ..rig.settings() };
        assert!(Sources::new(settings, Lock::default()).tree("acme/tool", "v1").is_err());
    }
    assert!(!marker.exists());
}
