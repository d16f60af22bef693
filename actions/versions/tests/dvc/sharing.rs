//! What is added, pushed and pulled has the same bytes whoever does it, both ways.

use crate::place::{Place, runtime, same, tools};
use pawl_versions::{
    Progress, ServeOptions, State, checkout, diff, gc, init, log, pull, push, serve, status,
};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Names that need quotes, escapes or folding somewhere: in YAML, in JSON, in `.gitignore`.
const NAMES: &[&str] = &[
    "a",
    "b c",
    "yes",
    "1e5",
    "null",
    "ü",
    "日本",
    "😀 x",
    "- dash",
    "#hash",
    "a: b",
    "a'b",
    "a\"b",
    "[x]",
    "*star",
    "?q",
    "!bang",
    "back\\slash",
    "tab\there",
    "nl\nx",
    ".hidden",
    "a#b",
    "12345678901234567890123456789012",
    "~",
    "=",
    "trail ",
    "{x}",
    "%p",
    "@at",
    "`t",
    "|p",
    ">g",
    "&a",
    "a\u{a0}b",
    "\u{200b}zero",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "a long name of many words that does not fit into one line of eighty columns and is folded",
    "it's a long name of many words that does not fit into one line of eighty columns and is folded",
];

/// A small generator of its own, so that the trees are the same for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn names(&mut self, count: usize) -> Vec<&'static str> {
        let mut left = NAMES.to_vec();
        (0..count).map(|_| left.remove(self.below(left.len()))).collect()
    }

    fn content(&mut self) -> Vec<u8> {
        match self.below(6) {
            0 => Vec::new(),
            1 => b"a\r\nb\r\n".to_vec(),
            2 => (0..self.below(3000)).map(|_| u8::try_from(self.below(256)).unwrap()).collect(),
            3 => vec![b'x'; self.below(6_000_000)],
            4 => "é\n".repeat(self.below(50)).into_bytes(),
            _ => b"same".to_vec(),
        }
    }

    fn file(&mut self, path: &Path) {
        fs::write(path, self.content()).unwrap();
        let mode = if self.below(3) == 0 { 0o755 } else { 0o644 };
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// Some files and folders in `folder`; their names.
    fn tree(&mut self, folder: &Path) -> Vec<&'static str> {
        let names = self.names(6);
        for name in &names {
            let top = folder.join(name);
            if self.below(2) == 0 {
                self.file(&top);
                continue;
            }
            fs::create_dir(&top).unwrap();
            for _ in 0..self.below(7) {
                let depth = self.below(3);
                let inner =
                    self.names(depth).iter().fold(top.clone(), |path, name| path.join(name));
                let file = inner.join(NAMES[self.below(NAMES.len())]);
                if fs::create_dir_all(&inner).is_ok() && !file.exists() {
                    self.file(&file);
                }
            }
        }
        names
    }
}

#[test]
fn random_trees_have_the_bytes_of_dvc_and_travel_both_ways() {
    let work = TempDir::new().unwrap();
    let mut random = Random(20_261_128);
    for round in 0..4 {
        let at = |name: &str| work.path().join(format!("{round}-{name}"));
        let theirs = Place::new(at("dvc"));
        theirs.dvc(&["init", "-q"]);
        fs::create_dir(theirs.folder.join("sub")).unwrap();
        let names = random.tree(&theirs.folder.join("sub"));
        let ours = Place::new(at("pawl"));
        init(&ours.folder, pawl_versions::InitOptions::default()).unwrap();
        let copied =
            Command::new("cp").arg("-a").arg(theirs.folder.join("sub")).arg(&ours.folder).status();
        assert!(copied.unwrap().success());
        let paths: Vec<_> = names.iter().map(|name| format!("sub/{name}")).collect();
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        theirs.dvc(&[&["add", "-q", "--"], paths.as_slice()].concat());
        ours.add(&paths);
        same(&theirs, &ours);
        for (pusher, by_pawl) in [(&ours, true), (&theirs, false)] {
            let remote = at(if by_pawl { "remote-pawl" } else { "remote-dvc" });
            fs::create_dir(&remote).unwrap();
            pusher.dvc(&["remote", "add", "-q", "-f", "-d", "r", remote.to_str().unwrap()]);
            match by_pawl {
                true => drop(
                    runtime()
                        .block_on(push(&pusher.open(), &[], None, &Progress::default()))
                        .unwrap(),
                ),
                false => drop(pusher.dvc(&["push", "-q"])),
            }
            let clone = pusher.clone_to(at(if by_pawl { "clone-dvc" } else { "clone-pawl" }));
            match by_pawl {
                true => drop(clone.dvc(&["pull", "-q"])),
                false => drop(
                    runtime()
                        .block_on(pull(&clone.open(), &[], None, false, &Progress::default()))
                        .unwrap(),
                ),
            }
            same(pusher, &clone);
            assert_eq!(clone.dvc(&["status", "--json"]).stdout, b"{}\n");
            let outs = status(&clone.open(), &[], &Progress::default()).unwrap();
            assert_eq!(outs.len(), 6);
            assert!(outs.iter().all(|out| out.state == State::Unchanged), "{outs:?}");
        }
    }
}

#[test]
fn parts_of_folders_and_pointers_with_comments_change_as_dvc_changes_them() {
    let work = TempDir::new().unwrap();
    let places = ["dvc", "pawl"].map(|name| Place::new(work.path().join(name)));
    let [theirs, ours] = &places;
    for place in &places {
        place.dvc(&["init", "-q"]);
        fs::create_dir_all(place.folder.join("data/sub")).unwrap();
        fs::write(place.folder.join("data/sub/x"), "x").unwrap();
        fs::write(place.folder.join("data/y"), "yy").unwrap();
        fs::write(place.folder.join("one"), "1").unwrap();
        fs::write(place.folder.join(".gitignore"), "*.log\n/one/\n# no line end").unwrap();
    }
    let both = |paths: &[&str]| {
        theirs.dvc(&[&["add", "-q", "--"], paths].concat());
        ours.add(paths);
        same(theirs, ours);
    };
    both(&["data", "one"]);
    for place in &places {
        let pointer = place.folder.join("one.dvc");
        let text = fs::read_to_string(&pointer).unwrap();
        let text = text.replace("  size: 1\n", "  size: 1 # old\n")
            + "  desc: what it is\nmeta:\n  owner: me\n";
        fs::write(&pointer, format!("# about one\n{text}")).unwrap();
        fs::write(place.folder.join("one"), "one and more").unwrap();
        fs::set_permissions(place.folder.join("one"), Permissions::from_mode(0o755)).unwrap();
        fs::write(place.folder.join("data/new"), "new").unwrap();
    }
    both(&["one", "data/new"]);
    for place in &places {
        fs::write(place.folder.join("data/sub/x"), "changed").unwrap();
    }
    both(&["data/sub"]);
    for place in &places {
        fs::remove_file(place.folder.join("data/y")).unwrap();
    }
    both(&["data/y"]);
    both(&["data"]);
}

#[test]
fn versions_of_dvc_2_are_pulled_with_their_folded_line_ends() {
    let work = TempDir::new().unwrap();
    let place = Place::new(work.path().join("r"));
    place.dvc(&["init", "-q"]);
    let remote = work.path().join("remote");
    place.dvc(&["remote", "add", "-q", "-d", "r", remote.to_str().unwrap()]);
    let put = |key: &str, bytes: &[u8]| {
        fs::create_dir_all(remote.join(&key[..2])).unwrap();
        fs::write(remote.join(&key[..2]).join(&key[2..]), bytes).unwrap();
    };
    // "a\r\nb\r\n" has the name of "a\nb\n"; the listing names it so, too.
    put("dd8c6a395b5dd36c56d23275028f526c", b"a\r\nb\r\n");
    let listing = br#"[{"md5": "dd8c6a395b5dd36c56d23275028f526c", "relpath": "t.txt"}]"#;
    put("b6cfb8cc5bbf3ba27c3ba5b8a1a5fa4a.dir", listing);
    let md5 = Command::new("md5sum")
        .arg(remote.join("b6/cfb8cc5bbf3ba27c3ba5b8a1a5fa4a.dir"))
        .output()
        .unwrap();
    let md5 = String::from_utf8(md5.stdout).unwrap()[..32].to_owned();
    put(&format!("{md5}.dir"), listing);
    let text = format!("outs:\n- md5: {md5}.dir\n  size: 6\n  nfiles: 1\n  path: data\n");
    fs::write(place.folder.join("data.dvc"), text).unwrap();
    let pulled =
        runtime().block_on(pull(&place.open(), &[], None, false, &Progress::default())).unwrap();
    assert_eq!(pulled.fetched, 2);
    assert_eq!(fs::read(place.folder.join("data/t.txt")).unwrap(), b"a\r\nb\r\n");
    assert_eq!(place.dvc(&["status", "--json"]).stdout, b"{}\n");
    assert_eq!(
        status(&place.open(), &[], &Progress::default()).unwrap()[0].state,
        State::Unchanged
    );
}

/// A process that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for(port: u16) {
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the server does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Two places that share data through the remote that `configure` names, in both directions.
fn share(work: &Path, configure: &dyn Fn(&Place)) {
    let ours = Place::new(work.join("ours"));
    ours.dvc(&["init", "-q"]);
    configure(&ours);
    fs::create_dir_all(ours.folder.join("data/sub")).unwrap();
    fs::write(ours.folder.join("data/sub/ü x"), "x\r\n").unwrap();
    fs::write(ours.folder.join("data/empty"), "").unwrap();
    fs::write(ours.folder.join("data/large"), vec![7; 9_000_000]).unwrap();
    ours.add(&["data"]);
    let pushed = runtime().block_on(push(&ours.open(), &[], None, &Progress::default())).unwrap();
    assert_eq!((pushed.sent, pushed.present), (4, 0));
    let theirs = ours.clone_to(work.join("theirs"));
    theirs.dvc(&["pull", "-q"]);
    same(&ours, &theirs);
    fs::write(theirs.folder.join("data/more"), "more").unwrap();
    theirs.dvc(&["add", "-q", "data"]);
    theirs.dvc(&["push", "-q"]);
    let third = theirs.clone_to(work.join("third"));
    let pulled =
        runtime().block_on(pull(&third.open(), &[], None, false, &Progress::default())).unwrap();
    assert_eq!(pulled.fetched, 5);
    // The second place keeps the listing of the first version, too.
    let (whole, part) = (theirs.snapshot(), third.snapshot());
    let is_data = |path: &str| !path.starts_with(".dvc/cache");
    assert!(part.iter().all(|(path, file)| whole.get(path) == Some(file)));
    assert!(whole.keys().filter(|path| is_data(path)).all(|path| part.contains_key(path)));
}

#[test]
fn a_bucket_is_shared_with_dvc() {
    let work = TempDir::new().unwrap();
    let port = free_port();
    let server = Command::new(tools().join("bin/moto_server"))
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _server = Server(server.unwrap());
    wait_for(port);
    let url = format!("http://127.0.0.1:{port}");
    let make = "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1], aws_access_key_id='key', \
                aws_secret_access_key='secret', region_name='us-east-1').create_bucket(Bucket='versions')";
    let made = Command::new(tools().join("bin/python")).args(["-c", make, &url]).status().unwrap();
    assert!(made.success());
    share(work.path(), &|place| {
        place.dvc(&["remote", "add", "-q", "-d", "r", "s3://versions/some/prefix"]);
        place.dvc(&["remote", "modify", "-q", "r", "endpointurl", &url]);
        place.dvc(&["remote", "modify", "-q", "r", "region", "us-east-1"]);
    });
}

#[test]
fn our_server_is_a_remote_for_dvc_and_for_us() {
    let work = TempDir::new().unwrap();
    let served = runtime();
    let listener = served.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let folder = work.path().join("served");
    let options =
        ServeOptions { folder, token: Some("word".into()), is_private: false, most_bytes: 1 << 30 };
    served.spawn(serve(listener, options, std::future::pending()));
    share(work.path(), &|place| {
        place.dvc(&["remote", "add", "-q", "-d", "r", &url]);
        for (key, value) in [
            ("auth", "custom"),
            ("custom_auth_header", "Authorization"),
            ("password", "Bearer word"),
        ] {
            place.dvc(&["remote", "modify", "-q", "r", key, value]);
        }
    });
    // Without the token nothing is written, and the message holds no secret.
    let stranger = Place::new(work.path().join("stranger"));
    stranger.dvc(&["init", "-q"]);
    stranger.dvc(&["remote", "add", "-q", "-d", "r", &url]);
    fs::write(stranger.folder.join("x"), "stranger").unwrap();
    stranger.add(&["x"]);
    let refused =
        runtime().block_on(push(&stranger.open(), &[], None, &Progress::default())).unwrap_err();
    assert!(refused.to_string().contains("401") && !refused.is_input(), "{refused}");
}

/// An authority of certificates, and a certificate of it for this machine: the authority's file, the certificate's and its key's.
fn certificates(folder: &Path) -> [String; 3] {
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem \
                  && openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout own.key -out own.csr \
                  && printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\n' > names \
                  && openssl x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out own.pem";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    ["ca.pem", "own.pem", "own.key"].map(|name| folder.join(name).to_str().unwrap().to_owned())
}

#[test]
fn a_server_with_tls_and_a_password_is_shared_with_dvc() {
    let work = TempDir::new().unwrap();
    let [authority, certificate, key] = certificates(work.path());
    let kept = work.path().join("kept");
    let port = free_port();
    let server = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dvc/secure.py"))
        .arg(&kept)
        .args([&certificate, &key, &port.to_string()])
        .stderr(Stdio::null())
        .spawn();
    let _server = Server(server.unwrap());
    wait_for(port);
    let url = format!("https://localhost:{port}");
    let settings = |place: &Place, password: &str, authority: &str| {
        place.dvc(&["remote", "add", "-q", "-f", "-d", "r", &url]);
        for (key, value) in
            [("auth", "basic"), ("user", "ada"), ("password", password), ("ssl_verify", authority)]
        {
            place.dvc(&["remote", "modify", "-q", "r", key, value]);
        }
    };
    share(work.path(), &|place| settings(place, "p:ss word", &authority));
    // A wrong password, an authority that nobody trusts, a question that nobody can answer: nothing is sent, no secret is told.
    let stranger = Place::new(work.path().join("stranger"));
    stranger.dvc(&["init", "-q"]);
    fs::write(stranger.folder.join("x"), "stranger").unwrap();
    stranger.add(&["x"]);
    let refused = || {
        let pushed = runtime().block_on(push(&stranger.open(), &[], None, &Progress::default()));
        let error = pushed.unwrap_err();
        assert!(!format!("{error} {}", error.hint()).contains("wrong-word"), "{error}");
        error.to_string()
    };
    settings(&stranger, "wrong-word", &authority);
    assert!(refused().contains("401"), "{}", refused());
    settings(&stranger, "p:ss word", "true");
    assert!(refused().contains("certificate"), "{}", refused());
    settings(&stranger, "p:ss word", &authority);
    stranger.dvc(&["remote", "modify", "-q", "r", "ask_password", "true"]);
    stranger.dvc(&["remote", "modify", "-q", "--unset", "r", "password"]);
    assert!(refused().contains("without user or password"), "{}", refused());
    assert!(!kept.join("files/md5/7f").exists());
}

#[test]
fn damaged_and_missing_objects_are_never_put_in_place() {
    let work = TempDir::new().unwrap();
    let ours = Place::new(work.path().join("ours"));
    ours.dvc(&["init", "-q"]);
    let remote = work.path().join("remote");
    ours.dvc(&["remote", "add", "-q", "-d", "r", remote.to_str().unwrap()]);
    fs::create_dir(ours.folder.join("data")).unwrap();
    for name in ["a", "b"] {
        fs::write(ours.folder.join("data").join(name), name).unwrap();
    }
    ours.add(&["data"]);
    runtime().block_on(push(&ours.open(), &[], None, &Progress::default())).unwrap();
    // md5 of "a".
    let key = "files/md5/0c/c175b9c0f1b6a831c399e269772661";
    let damage = |path: &Path, bytes: &[u8]| {
        fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
    };
    // A damaged object of the cache is taken from the remote again.
    let again = ours.clone_to(work.path().join("again"));
    let pulled = |place: &Place| {
        runtime().block_on(pull(&place.open(), &[], None, false, &Progress::default()))
    };
    pulled(&again).unwrap();
    damage(&again.folder.join(".dvc/cache").join(key), b"!");
    fs::remove_file(again.folder.join("data/a")).unwrap();
    assert_eq!(pulled(&again).unwrap().fetched, 1);
    assert_eq!(fs::read(again.folder.join("data/a")).unwrap(), b"a");
    // A damaged object of the cache is not pushed.
    damage(&again.folder.join(".dvc/cache").join(key), b"!");
    let empty = work.path().join("empty");
    again.dvc(&["remote", "add", "-q", "other", empty.to_str().unwrap()]);
    let refused = runtime().block_on(push(&again.open(), &[], Some("other"), &Progress::default()));
    assert!(refused.unwrap_err().to_string().contains("damaged"));
    assert!(!empty.join("files/md5/0c/c175b9c0f1b6a831c399e269772661").exists());
    let listings = fs::read_to_string(again.folder.join("data.dvc")).unwrap();
    let listing = listings.lines().find_map(|line| line.strip_prefix("- md5: ")).unwrap();
    assert!(!empty.join("files/md5").join(&listing[..2]).join(&listing[2..]).exists());
    // A damaged or missing one of the remote leaves the workspace alone.
    damage(&remote.join(key), b"!");
    let clone = ours.clone_to(work.path().join("clone"));
    let refused = pulled(&clone).unwrap_err();
    assert!(refused.to_string().contains("damaged") && !refused.is_input(), "{refused}");
    assert!(!clone.folder.join("data").exists());
    fs::remove_file(remote.join(key)).unwrap();
    let refused = pulled(&clone).unwrap_err();
    assert!(refused.to_string().contains("data/a") && refused.is_input(), "{refused}");
    assert!(!clone.folder.join("data").exists());
}

#[test]
fn work_that_is_nowhere_else_is_not_overwritten() {
    let work = TempDir::new().unwrap();
    let place = Place::new(work.path().join("r"));
    init(&place.folder, pawl_versions::InitOptions::default()).unwrap();
    fs::create_dir(place.folder.join("data")).unwrap();
    fs::write(place.folder.join("data/a"), "a").unwrap();
    fs::write(place.folder.join("data/b"), "b").unwrap();
    place.add(&["data"]);
    fs::write(place.folder.join("data/a"), "mine").unwrap();
    fs::write(place.folder.join("data/extra"), "mine, too").unwrap();
    fs::remove_file(place.folder.join("data/b")).unwrap();
    let put = |force| checkout(&place.open(), &[], force, &Progress::default());
    let refused = put(false).unwrap_err();
    assert!(refused.is_input() && refused.to_string().starts_with("data/"), "{refused}");
    assert!(!place.folder.join("data/b").exists(), "nothing is done before all is known");
    let changes = put(true).unwrap();
    assert_eq!(changes.placed, ["data/a", "data/b"]);
    assert_eq!(changes.removed, ["data/extra"]);
    assert_eq!(fs::read_to_string(place.folder.join("data/a")).unwrap(), "a");
    // A link is never followed.
    fs::remove_dir_all(place.folder.join("data")).unwrap();
    let outside = work.path().join("outside");
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, place.folder.join("data")).unwrap();
    assert!(put(true).unwrap_err().to_string().contains("symbolic link"));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn commits_are_compared_listed_and_kept_by_gc() {
    let work = TempDir::new().unwrap();
    let place = Place::new(work.path().join("r"));
    init(&place.folder, pawl_versions::InitOptions::default()).unwrap();
    fs::create_dir(place.folder.join("data")).unwrap();
    fs::write(place.folder.join("data/a"), "a").unwrap();
    fs::write(place.folder.join("data/b"), "b").unwrap();
    place.add(&["data"]);
    place.commit("first");
    fs::write(place.folder.join("data/a"), "A").unwrap();
    fs::rename(place.folder.join("data/b"), place.folder.join("data/c")).unwrap();
    let compared = |old, new| diff(&place.open(), old, new, &Progress::default()).unwrap();
    let found = compared(None, None);
    let paths: Vec<_> = found.modified.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["data/", "data/a"]);
    assert_eq!(found.renamed[0].0, "data/b");
    assert_eq!(found.renamed[0].1, "data/c");
    place.add(&["data"]);
    place.commit("second");
    assert_eq!(compared(Some("HEAD~1"), Some("HEAD")), found);
    assert_eq!(compared(None, None), pawl_versions::Difference::default());
    let entries = log(&place.open(), &[], 20).unwrap();
    let subjects: Vec<_> = entries.iter().map(|entry| entry.subject.as_str()).collect();
    assert_eq!(subjects, ["second", "first"]);
    assert_eq!(entries[0].changes[0].0, "data");
    let kept = gc(&place.open(), pawl_versions::Keep::Commits, true).unwrap();
    assert_eq!((kept.removed.len(), kept.kept), (0, 5));
    let dry = gc(&place.open(), pawl_versions::Keep::Workspace, false).unwrap();
    assert_eq!((dry.removed.len(), dry.kept), (2, 3));
    let done = gc(&place.open(), pawl_versions::Keep::Workspace, true).unwrap();
    assert_eq!(done, dry);
    assert_eq!(place.dvc(&["status", "--json"]).stdout, b"{}\n");
}
