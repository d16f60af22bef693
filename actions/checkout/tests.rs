use super::Checkout;
use crate::testing::Bench;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=t", "-c", "user.email=t@localhost"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with a committed, an ignored, a changed and a new file.
fn repository(bench: &mut Bench) -> (PathBuf, String) {
    let source = bench.folder.path().join("source");
    std::fs::create_dir_all(source.join("sub")).unwrap();
    git(&source, &["init", "-q"]);
    std::fs::write(source.join(".gitignore"), "*.secret\n").unwrap();
    std::fs::write(source.join("a.txt"), "one").unwrap();
    std::fs::write(source.join("sub/run.sh"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(source.join("sub/run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("../a.txt", source.join("sub/link")).unwrap();
    git(&source, &["add", "."]);
    git(&source, &["commit", "-qm", "first"]);
    let commit = git(&source, &["rev-parse", "HEAD"]);
    bench.facts.source.clone_from(&source);
    (source, commit)
}

fn change(source: &Path) {
    std::fs::write(source.join("a.txt"), "two").unwrap();
    std::fs::write(source.join("new.txt"), "new").unwrap();
    std::fs::write(source.join("key.secret"), "k").unwrap();
}

fn names(bench: &Bench) -> Vec<String> {
    let files = bench.workspace().files(".").unwrap().into_iter().map(|file| file.path);
    files.filter(|path| !path.contains(".git/")).collect()
}

#[tokio::test]
async fn the_working_tree_comes_with_its_changes_and_without_what_is_ignored() {
    let mut bench = Bench::new();
    let (source, commit) = repository(&mut bench);
    change(&source);
    let index = std::fs::read(source.join(".git/index")).unwrap();
    let outcome = bench.run(&Checkout, &[]).await.unwrap();
    assert!(outcome.success);
    assert_eq!(outcome.outputs["commit"], commit);
    assert_eq!(outcome.outputs["dirty"], "true");
    assert_eq!(outcome.outputs["files"], "5");
    assert_eq!(names(&bench), [".gitignore", "a.txt", "new.txt", "sub/run.sh"]);
    let work = bench.workspace();
    assert_eq!(work.read("a.txt", 9).unwrap(), b"two");
    assert_eq!(work.read("sub/link", 9).unwrap(), b"two");
    assert!(work.files("sub/run.sh").unwrap()[0].executable);
    work.write("a.txt", b"changed by a step").unwrap();
    assert_eq!(std::fs::read(source.join("a.txt")).unwrap(), b"two");
    assert_eq!(std::fs::read(source.join(".git/index")).unwrap(), index);
}

#[tokio::test]
async fn clean_takes_the_commit_alone_and_changes_nothing() {
    let mut bench = Bench::new();
    let (source, commit) = repository(&mut bench);
    change(&source);
    git(&source, &["rm", "-q", "--cached", "sub/run.sh"]);
    let before = git(&source, &["status", "--porcelain"]);
    let outcome = bench.run(&Checkout, &[("clean", "true"), ("path", "src")]).await.unwrap();
    assert_eq!(outcome.outputs["dirty"], "false");
    assert_eq!(outcome.outputs["commit"], commit);
    assert_eq!(names(&bench), ["src/.gitignore", "src/a.txt", "src/sub/run.sh"]);
    assert_eq!(bench.workspace().read("src/a.txt", 9).unwrap(), b"one");
    assert_eq!(git(&source, &["status", "--porcelain"]), before);
    let left: Vec<_> = std::fs::read_dir(bench.folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "only source and work are there");
}

#[tokio::test]
async fn a_subfolder_of_a_repository_is_a_tree_of_its_own() {
    let mut bench = Bench::new();
    let (source, _) = repository(&mut bench);
    std::fs::remove_file(source.join("sub/link")).unwrap();
    git(&source, &["commit", "-qam", "second"]);
    bench.facts.source = source.join("sub");
    for clean in ["true", "false"] {
        let outcome = bench.run(&Checkout, &[("clean", clean)]).await.unwrap();
        assert_eq!(outcome.outputs["files"], "1");
        assert_eq!(names(&bench), ["run.sh"]);
    }
}

#[tokio::test]
async fn a_folder_without_git_comes_whole_except_what_gitignore_names() {
    let mut bench = Bench::new();
    let source = bench.folder.path().join("plain");
    std::fs::create_dir(&source).unwrap();
    bench.facts.source.clone_from(&source);
    std::fs::write(source.join(".gitignore"), "*.secret\n").unwrap();
    change(&source);
    let outcome = bench.run(&Checkout, &[]).await.unwrap();
    assert_eq!(names(&bench), [".gitignore", "a.txt", "new.txt"]);
    assert_eq!(outcome.outputs["commit"], "");
    let error = bench.run(&Checkout, &[("clean", "true")]).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
}

#[tokio::test]
async fn a_link_out_of_the_tree_is_refused() {
    let mut bench = Bench::new();
    let (source, _) = repository(&mut bench);
    symlink("../../etc/passwd", source.join("sub/out")).unwrap();
    let error = bench.run(&Checkout, &[]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the link sub/out leads out of the source tree, to ../../etc/passwd"
    );
}

#[tokio::test]
async fn a_link_in_the_workspace_does_not_lead_the_copy_out() {
    let mut bench = Bench::new();
    repository(&mut bench);
    let outside = bench.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    symlink(&outside, bench.workspace().root().join("sub")).unwrap();
    assert_eq!(bench.run(&Checkout, &[]).await.unwrap_err().exit_code(), 2);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[tokio::test]
async fn a_missing_source_is_the_users_mistake() {
    let mut bench = Bench::new();
    bench.facts.source = bench.folder.path().join("nowhere");
    assert_eq!(bench.run(&Checkout, &[]).await.unwrap_err().exit_code(), 2);
    bench.facts.source = PathBuf::new();
    assert_eq!(bench.run(&Checkout, &[]).await.unwrap_err().exit_code(), 2);
}

#[tokio::test]
async fn a_reference_is_brought_as_it_was_committed() {
    let mut bench = Bench::new();
    let (source, first) = repository(&mut bench);
    git(&source, &["tag", "v1"]);
    change(&source);
    git(&source, &["commit", "-qam", "second"]);
    for reference in ["v1", first.as_str()] {
        let given = [("ref", reference), ("path", "old"), ("tidy", "true")];
        let outcome = bench.run(&Checkout, &given).await.unwrap();
        assert_eq!(outcome.outputs["commit"], first, "{reference}");
        assert_eq!(bench.workspace().read("old/a.txt", 9).unwrap(), b"one");
    }
    let error = bench.run(&Checkout, &[("ref", "nowhere")]).await.unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
}

#[tokio::test]
async fn another_repository_comes_from_the_folder_that_stands_for_it() {
    let mut bench = Bench::new();
    let (source, first) = repository(&mut bench);
    bench.facts.source = PathBuf::new();
    bench.facts.overrides.insert("ann/tools".to_owned(), source.display().to_string());
    let given = [("repository", "ann/tools"), ("path", "tools"), ("fetch-depth", "0")];
    let outcome = bench.run(&Checkout, &given).await.unwrap();
    assert_eq!(outcome.outputs["commit"], first);
    assert_eq!(names(&bench), ["tools/.gitignore", "tools/a.txt", "tools/sub/run.sh"]);
    for wrong in ["tools", "../x/y", "ann/../tools", "-x/y/z"] {
        let error = bench.run(&Checkout, &[("repository", wrong)]).await.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{wrong}: {error}");
    }
}

#[tokio::test]
async fn tidying_removes_what_was_there_and_follows_no_link() {
    let mut bench = Bench::new();
    repository(&mut bench);
    let outside = bench.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), "x").unwrap();
    bench.workspace().write("deep/old", b"x").unwrap();
    symlink(&outside, bench.workspace().root().join("link")).unwrap();
    bench.run(&Checkout, &[("tidy", "true")]).await.unwrap();
    assert_eq!(names(&bench), [".gitignore", "a.txt", "sub/run.sh"]);
    assert!(outside.join("precious").exists());
    bench.workspace().write("made", b"x").unwrap();
    bench.run(&Checkout, &[("tidy", "false")]).await.unwrap();
    assert!(names(&bench).contains(&"made".to_owned()), "a checkout is there already");
}

#[tokio::test]
async fn a_sparse_checkout_brings_its_folders_alone() {
    let mut bench = Bench::new();
    repository(&mut bench);
    bench.run(&Checkout, &[("sparse-checkout", "nothing")]).await.unwrap();
    assert_eq!(names(&bench), [".gitignore", "a.txt"]);
    let git_dir = bench.workspace().root().display().to_string();
    let status = git(Path::new(&git_dir), &["status", "--porcelain"]);
    assert_eq!(status, "", "what is not brought is not missed");
}

/// A bench whose checkouts are kept, and one run with it: check out, let the job do something, keep the copy.
struct Keeping {
    bench: Bench,
    source: PathBuf,
}

impl Keeping {
    fn new() -> Self {
        let mut bench = Bench::new();
        let (source, _) = repository(&mut bench);
        bench.facts.trees = bench.folder.path().join("trees");
        Self { bench, source }
    }

    fn workspace(&self) -> PathBuf {
        self.bench.folder.path().join("work")
    }

    async fn job(&self, act: impl FnOnce(&Path)) {
        let outcome = self.bench.run(&Checkout, &[]).await.unwrap();
        assert!(outcome.success, "{outcome:?}");
        self.age();
        act(&self.workspace());
    }

    /// What changed in the same tick as it was noted is unknown. Here nothing takes long, so the note is made to be of later, and
    /// the kernel's clock is waited for, so that what comes next has another time.
    fn age(&self) {
        let probe = self.bench.folder.path().join("probe");
        let changed = || {
            std::fs::write(&probe, "x").unwrap();
            let data = std::fs::metadata(&probe).unwrap();
            (MetadataExt::ctime(&data), MetadataExt::ctime_nsec(&data))
        };
        let (before, deadline) = (changed(), Instant::now() + Duration::from_secs(5));
        while changed() == before {
            assert!(Instant::now() < deadline, "the clock of the file system stands still");
        }
        let note = self.bench.folder.path().join(".copied-work");
        let Ok(text) = std::fs::read_to_string(&note) else { return };
        let mut parts: Vec<&str> = text.split('\0').collect();
        let later = (parts[1].parse::<i128>().unwrap() + 1_000_000_000).to_string();
        parts[1] = &later;
        std::fs::write(note, parts.join("\0")).unwrap();
    }

    fn close(&self) {
        super::keep(&self.workspace(), &self.bench.facts.trees).unwrap();
        assert!(!self.workspace().exists());
        std::fs::create_dir(self.workspace()).unwrap();
    }

    /// All files that are kept, by what comes after `files/`.
    fn kept(&self) -> Vec<String> {
        let trees = bench_files(&self.bench.facts.trees);
        let kept = trees.iter().filter_map(|path| path.split_once("/files/"));
        kept.map(|(_, path)| path.to_owned()).collect()
    }
}

fn bench_files(folder: &Path) -> Vec<String> {
    let files = crate::workspace::Workspace::open(folder).unwrap().files(".").unwrap();
    files.into_iter().map(|file| file.path).collect()
}

fn inode(path: &Path) -> u64 {
    MetadataExt::ino(&std::fs::metadata(path).unwrap())
}

#[tokio::test]
async fn a_kept_copy_is_taken_and_brought_to_what_the_tree_is_now() {
    let keeping = Keeping::new();
    let work = keeping.workspace();
    std::fs::write(keeping.source.join("gone.txt"), "x").unwrap();
    std::fs::create_dir_all(keeping.source.join("deep/er")).unwrap();
    std::fs::write(keeping.source.join("deep/er/same.txt"), "same").unwrap();
    keeping.job(|_| ()).await;
    let before = inode(&work.join("deep/er/same.txt"));
    keeping.close();
    std::fs::remove_file(keeping.source.join("gone.txt")).unwrap();
    std::fs::write(keeping.source.join("a.txt"), "two").unwrap();
    std::fs::write(keeping.source.join("new.txt"), "new").unwrap();
    keeping.job(|_| ()).await;
    assert_eq!(
        names(&keeping.bench),
        [".gitignore", "a.txt", "deep/er/same.txt", "new.txt", "sub/run.sh"]
    );
    assert_eq!(std::fs::read(work.join("a.txt")).unwrap(), b"two");
    assert_eq!(std::fs::read_link(work.join("sub/link")).unwrap(), Path::new("../a.txt"));
    // The very same file. Of the changed one that can't be asked: a file system may give a removed file's number again.
    assert_eq!(inode(&work.join("deep/er/same.txt")), before);
    assert!(work.join(".git").is_dir());
}

#[tokio::test]
async fn nothing_that_a_job_did_reaches_the_next_one_or_stays_on_the_disk() {
    let keeping = Keeping::new();
    let work = keeping.workspace();
    keeping
        .job(|work| {
            // Of the same length and with its time set back: only the kernel's time of change tells.
            let file = std::fs::File::options().write(true).open(work.join("a.txt")).unwrap();
            let time = file.metadata().unwrap().modified().unwrap();
            std::io::Write::write_all(&mut &file, b"bad").unwrap();
            file.set_modified(time).unwrap();
            std::fs::write(work.join("sub/token"), "secret").unwrap();
            std::fs::create_dir(work.join("cache")).unwrap();
            std::fs::write(work.join("cache/blob"), "secret").unwrap();
            std::fs::set_permissions(work.join("sub/run.sh"), PermissionsExt::from_mode(0o4755))
                .unwrap();
            std::fs::remove_file(work.join(".gitignore")).unwrap();
            symlink("/etc/passwd", work.join(".gitignore")).unwrap();
        })
        .await;
    keeping.close();
    assert!(keeping.kept().is_empty(), "{:?}", keeping.kept());
    keeping.job(|_| ()).await;
    assert_eq!(std::fs::read(work.join("a.txt")).unwrap(), b"one");
    let mode = std::fs::metadata(work.join("sub/run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    assert_eq!(names(&keeping.bench), [".gitignore", "a.txt", "sub/run.sh"]);
}

#[tokio::test]
async fn a_folder_whose_attributes_were_changed_is_made_anew() {
    let keeping = Keeping::new();
    let work = keeping.workspace();
    keeping
        .job(|work| {
            std::fs::set_permissions(work.join("sub"), PermissionsExt::from_mode(0o2777)).unwrap();
        })
        .await;
    keeping.close();
    assert_eq!(keeping.kept(), [".gitignore", "a.txt"]);
    keeping.job(|_| ()).await;
    let mode = std::fs::metadata(work.join("sub")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[tokio::test]
async fn only_a_few_copies_are_kept_and_a_checkout_beside_others_is_none_of_them() {
    let keeping = Keeping::new();
    let trees = &keeping.bench.facts.trees;
    keeping.job(|_| ()).await;
    keeping.close();
    let shelf = std::fs::read_dir(trees).unwrap().next().unwrap().unwrap().path();
    for number in 0..9 {
        std::fs::create_dir(shelf.join(format!("old-{number}"))).unwrap();
    }
    keeping.job(|_| ()).await;
    keeping.close();
    assert_eq!(std::fs::read_dir(&shelf).unwrap().count(), 4);
    // A workspace with something in it is not that tree and nothing else.
    std::fs::write(keeping.workspace().join("mine"), "x").unwrap();
    keeping.job(|_| ()).await;
    super::keep(&keeping.workspace(), trees).unwrap();
    assert!(keeping.workspace().join("mine").exists());
}
