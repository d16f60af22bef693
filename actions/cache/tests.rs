use super::{checked, pack, paths::Paths, version};
use crate::action::{JobContext, JobFacts};
use crate::workspace::Workspace;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn paths(folder: &Path, text: &str) -> Result<Paths, String> {
    let home = folder.join("home").display().to_string();
    let variable = |name: &str| (name == "HOME").then(|| home.clone());
    let workspace = Workspace::open(&folder.join("work")).unwrap();
    let (facts, log) = (JobFacts::default(), |_: String| {});
    let context = JobContext { workspace, facts, variable: &variable, log: &log };
    Paths::read(&context, text).map_err(|error| error.to_string())
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for path in ["home/.tool/a", "home/.tool/deep/b", "work/out/c", "work/out/skip/d"] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "content").unwrap();
    }
    folder
}

const LINES: &str = "~/.tool\nout/**\n!out/skip\n../other";

fn packed(folder: &Path, text: &str) -> Vec<u8> {
    let mut archive = Vec::new();
    pack::pack(&paths(folder, text).unwrap().entries().unwrap(), &mut archive).unwrap();
    archive
}

#[test]
fn what_goes_in_comes_out_with_modes_times_and_links() {
    let from = folder();
    let tool = from.path().join("home/.tool");
    symlink("/nowhere", tool.join("link")).unwrap();
    fs::create_dir(tool.join("empty")).unwrap();
    fs::set_permissions(tool.join("a"), fs::Permissions::from_mode(0o750)).unwrap();
    let archive = packed(from.path(), LINES);
    let time = fs::metadata(tool.join("a")).unwrap().modified().unwrap();
    fs::remove_dir_all(&tool).unwrap();
    fs::remove_dir_all(from.path().join("work/out")).unwrap();
    let paths = paths(from.path(), LINES).unwrap();
    assert_eq!(pack::unpack(archive.as_slice(), &paths).unwrap(), 3);
    let facts = fs::metadata(tool.join("a")).unwrap();
    assert_eq!(facts.permissions().mode() & 0o777, 0o750);
    assert!(time.duration_since(facts.modified().unwrap()).unwrap().as_secs() < 1);
    assert_eq!(fs::read_link(tool.join("link")).unwrap(), Path::new("/nowhere"));
    assert!(tool.join("empty").is_dir() && tool.join("deep/b").is_file());
    assert!(from.path().join("work/out/c").is_file());
    assert!(!from.path().join("work/out/skip").exists());
}

#[test]
fn an_archive_of_other_paths_or_of_none_is_refused() {
    let from = folder();
    let archive = packed(from.path(), LINES);
    let narrow = paths(from.path(), "~/.tool/deep\nout/**").unwrap();
    let error = pack::unpack(archive.as_slice(), &narrow).unwrap_err().to_string();
    assert!(error.contains("is not in the input path"), "{error}");
    assert!(pack::unpack(&b"no archive"[..], &narrow).is_err());
    for name in ["0/deep/../../x", "0/other/x", "7/deep", "deep", "0/deep//x"] {
        assert_eq!(narrow.place(name), None, "{name}");
    }
    assert!(narrow.place("0/deep/b").is_some());
}

#[test]
fn a_link_in_an_archive_leads_no_write_out() {
    let from = folder();
    let victim = from.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("b"), "safe").unwrap();
    let archive = packed(from.path(), "~/.tool");
    let tool = from.path().join("home/.tool");
    fs::remove_dir_all(&tool).unwrap();
    fs::create_dir(&tool).unwrap();
    symlink(&victim, tool.join("deep")).unwrap();
    let paths = paths(from.path(), "~/.tool").unwrap();
    assert!(pack::unpack(archive.as_slice(), &paths).is_err());
    assert_eq!(fs::read_to_string(victim.join("b")).unwrap(), "safe");
}

#[test]
fn keys_and_paths_are_checked() {
    assert_eq!(checked(" k ").unwrap(), "k");
    for key in ["", "a,b", &"k".repeat(513)] {
        assert!(checked(key).is_err(), "{key}");
    }
    let from = folder();
    assert!(paths(from.path(), "/").unwrap_err().contains("whole file system"));
    assert!(paths(from.path(), "none").unwrap().entries().unwrap().is_empty());
    assert_eq!(version("a\n b \n"), version("a\nb"));
    assert_ne!(version("a"), version("b"));
}
