use super::hash;
use pawl_core::file_patterns::FilePatterns;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Whether links are followed, patterns, and what GitHub's own `hashFiles` (`@actions/glob` 0.7.0) gives for them on the tree
/// that `tree` makes.
const KNOWN: &[(bool, &[&str], &str)] = &[
    (false, &["**/*.lock"], "7e7cf4c1856432bb408f9a519263949d1f60cfefd7dd793c44c13e3b3ee65da4"),
    (false, &["*.lock"], "a8a391b4000fe8f4b7641bcae981b55a366f8f52ede1dd9c1a70407401365d59"),
    (
        false,
        &["**/a.lock", "!node_modules/**"],
        "c52aa7af6b07968ea94ecdbb889ef20ea62b7716962315531fa73f63a20929eb",
    ),
    (false, &["src"], "6c570f8f9d07eb6a37a6494f92238815e9e7154a8343f86b839db5b57f2dcdfe"),
    (false, &["src/"], "6c570f8f9d07eb6a37a6494f92238815e9e7154a8343f86b839db5b57f2dcdfe"),
    (
        false,
        &["./src/**/*.lock"],
        "4492e9ea18c2ac5bfc5458dc82195bc148f6b643a78c1a55f24dab3724343b10",
    ),
    (
        false,
        &["src/**", "!src/deep"],
        "e9292528acb0f035f6f2882f3268fbc0a8480fda83258649aad93af166bbfbb8",
    ),
    (false, &["nothing"], ""),
    (
        false,
        &["**/[[]x[]].lock"],
        "999d94d20aec705a56ad4ca18aee96e217e942ce38f17d403242970fbf024261",
    ),
    (false, &["**/?.lock"], "113e82db80b060023be9f33d2dd38fbd55a0e0f3b7f98c07a9f81de63b439438"),
    (false, &["**/[ab].lock"], "6a574ddf414009f16b9ac9a658b8014574e1990351dca94e6d44b457a5bef819"),
    (false, &["**/[!a].lock"], "8b53fdacba75100fcd29aee31ab81e1acc87a18c4b74b4009f648faf39316cb5"),
    (
        false,
        &["src/a.lock", "a.lock"],
        "6be48bc3f46fe78725bd9a0173f8bb0d1ed721e5957951e7d06140ee96ac70bb",
    ),
    (
        false,
        &["a.lock", "src/a.lock"],
        "c24e1d4bff809da4e4505d2c5bdfbaf20c27d872c1613c6c89baa6bb87a59a42",
    ),
    (false, &["**"], "e1e9e5bd5d5c8008a8f79c634cc62e53d8eb45c976f76b126f693d1ac0a256c2"),
    (false, &["."], "e1e9e5bd5d5c8008a8f79c634cc62e53d8eb45c976f76b126f693d1ac0a256c2"),
    (
        false,
        &["**/*.lock", "!**/a.lock", "src/a.lock"],
        "453730121f6341bc93fd89c4a7a838cdab66fc66787b8e9b9525efff9f4c7a23",
    ),
    (false, &["src/*"], "6c570f8f9d07eb6a37a6494f92238815e9e7154a8343f86b839db5b57f2dcdfe"),
    (
        false,
        &["src/**/b.lock", "src-z"],
        "61cb293b4bd63c8a7c1807afb4bf6a7d89cfbcb0ba16ea92cbba04103b15afa9",
    ),
    (
        false,
        &["# comment\n a.lock \n\nb.txt"],
        "d4c2c66f8280cb0184071c140f79930ad0a4a94a969ec40b8613a10fd65bd8ec",
    ),
    (false, &["**/*.LOCK"], "785ec2cf1199779cb1593eac85d7465db3603834e9edd6d1420f2b369bb01dc3"),
    (
        false,
        &["with\\ space/*"],
        "999d94d20aec705a56ad4ca18aee96e217e942ce38f17d403242970fbf024261",
    ),
    (false, &["!a.lock"], ""),
    (false, &["{a,B}.lock"], ""),
    (false, &["src/**/er/**"], "ad1d7d5339655cf0a7e22a8560b56f563ea95eba7b0a043776c99a4db108702a"),
    (
        false,
        &["src/d*/**/*.lock"],
        "ad1d7d5339655cf0a7e22a8560b56f563ea95eba7b0a043776c99a4db108702a",
    ),
    (false, &["a.lock/"], ""),
    (
        false,
        &["/github/workspace/src/a.lock"],
        "1dbfa84faa926d00a27e7578746a13ad3063e0e9bde3b25015e545ad80f5f703",
    ),
    (false, &["/etc/passwd"], ""),
    (false, &["b.txt"], "5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456"),
    (true, &["**/*.lock"], "319101e1b8b08cdec2343bc29cf910afb2e055695da3dc56d028aab962d7f25a"),
    (true, &["*.lock"], "a8a391b4000fe8f4b7641bcae981b55a366f8f52ede1dd9c1a70407401365d59"),
    (
        true,
        &["**/a.lock", "!node_modules/**"],
        "b325892aafb3f60a8f23c0cf18540d722be9094d22aa2d0d9f4e0a2dbce69c60",
    ),
    (true, &["src"], "6c570f8f9d07eb6a37a6494f92238815e9e7154a8343f86b839db5b57f2dcdfe"),
    (true, &["src/"], "6c570f8f9d07eb6a37a6494f92238815e9e7154a8343f86b839db5b57f2dcdfe"),
    (
        true,
        &["./src/**/*.lock"],
        "4492e9ea18c2ac5bfc5458dc82195bc148f6b643a78c1a55f24dab3724343b10",
    ),
    (
        true,
        &["src/**", "!src/deep"],
        "e9292528acb0f035f6f2882f3268fbc0a8480fda83258649aad93af166bbfbb8",
    ),
    (true, &["nothing"], ""),
    (
        true,
        &["**/[[]x[]].lock"],
        "999d94d20aec705a56ad4ca18aee96e217e942ce38f17d403242970fbf024261",
    ),
    (true, &["**/?.lock"], "a5f2393f2fb9baf89bcc70ab7dff5871de4db7c442467597f98b38e226c91a21"),
    (true, &["**/[ab].lock"], "8aa9c98bae0aa49399ded0216392dea253e44ff64a6152bc521aab448076580a"),
    (true, &["**/[!a].lock"], "9db14d3ff0f7fc4e77181ebbf452c6f2c89ec3e6edf2b7fba9ba1fbe5542ced7"),
    (
        true,
        &["src/a.lock", "a.lock"],
        "6be48bc3f46fe78725bd9a0173f8bb0d1ed721e5957951e7d06140ee96ac70bb",
    ),
    (
        true,
        &["a.lock", "src/a.lock"],
        "c24e1d4bff809da4e4505d2c5bdfbaf20c27d872c1613c6c89baa6bb87a59a42",
    ),
    (true, &["**"], "3766243c43863f519cba59a9f87bdfbb18b166df5f721a2b5566b161e019603f"),
    (true, &["."], "3766243c43863f519cba59a9f87bdfbb18b166df5f721a2b5566b161e019603f"),
    (
        true,
        &["**/*.lock", "!**/a.lock", "src/a.lock"],
        "03056e5de979f136b281b8af83699548ca239508223bd17371e5c7e58689e499",
    ),
    (true, &["src/*"], "6c570f8f9d07eb6a37a6494f92238815e9e7154a8343f86b839db5b57f2dcdfe"),
    (
        true,
        &["src/**/b.lock", "src-z"],
        "61cb293b4bd63c8a7c1807afb4bf6a7d89cfbcb0ba16ea92cbba04103b15afa9",
    ),
    (
        true,
        &["# comment\n a.lock \n\nb.txt"],
        "d4c2c66f8280cb0184071c140f79930ad0a4a94a969ec40b8613a10fd65bd8ec",
    ),
    (true, &["**/*.LOCK"], "1560f46a8f24c5a167580b38afe45fdec3be6f8aee90c1373f5853d8e06c7b17"),
    (true, &["with\\ space/*"], "999d94d20aec705a56ad4ca18aee96e217e942ce38f17d403242970fbf024261"),
    (true, &["!a.lock"], ""),
    (true, &["{a,B}.lock"], ""),
    (true, &["src/**/er/**"], "ad1d7d5339655cf0a7e22a8560b56f563ea95eba7b0a043776c99a4db108702a"),
    (
        true,
        &["src/d*/**/*.lock"],
        "ad1d7d5339655cf0a7e22a8560b56f563ea95eba7b0a043776c99a4db108702a",
    ),
    (true, &["a.lock/"], ""),
    (
        true,
        &["/github/workspace/src/a.lock"],
        "1dbfa84faa926d00a27e7578746a13ad3063e0e9bde3b25015e545ad80f5f703",
    ),
    (true, &["/etc/passwd"], ""),
    (true, &["b.txt"], "5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456"),
];

fn tree(root: &Path) {
    for (path, text) in [
        ("a.lock", "one\n"),
        ("b.txt", ""),
        (".hidden/x.lock", "two"),
        ("src/a.lock", "three"),
        ("src/deep/er/b.lock", "four"),
        ("src/c.LOCK", "five"),
        ("node_modules/m/a.lock", "six"),
        ("with space/[x].lock", "seven"),
        ("B.lock", "eight"),
        ("src-z/a.lock", "nine"),
        ("é.lock", "ten"),
    ] {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    symlink("../a.lock", root.join("src/link.lock")).unwrap();
    symlink("src", root.join("dirlink")).unwrap();
    symlink("..", root.join("src/deep/up")).unwrap();
}

fn hashed(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    hash(root, &FilePatterns::new(&arguments, "/github/workspace")?)
}

#[test]
fn known_answers_of_githubs_own_implementation() {
    let root = tempfile::tempdir().unwrap();
    tree(root.path());
    for (follows, patterns, expected) in KNOWN {
        let mut arguments = patterns.to_vec();
        if *follows {
            arguments.insert(0, "--follow-symbolic-links");
        }
        assert_eq!(hashed(root.path(), &arguments), Ok((*expected).to_owned()), "{arguments:?}");
    }
}

#[test]
fn nothing_outside_of_the_workspace_is_read() {
    let root = tempfile::tempdir().unwrap();
    let outside = root.path().join("secret");
    let workspace = root.path().join("w");
    std::fs::create_dir(&workspace).unwrap();
    std::fs::write(&outside, "secret").unwrap();
    symlink("../secret", workspace.join("relative")).unwrap();
    symlink(&outside, workspace.join("absolute")).unwrap();
    symlink("..", workspace.join("folder")).unwrap();
    symlink("/proc/self/root", workspace.join("magic")).unwrap();
    for name in ["relative", "absolute"] {
        assert_eq!(hashed(&workspace, &[name]), Err(format!("{name} leads out of the workspace")));
    }
    for arguments in [
        &["folder/secret"][..],
        &["--follow-symbolic-links", "folder/**"],
        &["--follow-symbolic-links", "magic/etc/passwd"],
    ] {
        let result = hashed(&workspace, arguments);
        assert!(
            result.as_ref().is_err() || result == Ok(String::new()),
            "{arguments:?}: {result:?}"
        );
    }
}

#[test]
fn pipes_and_links_to_nothing_are_faults_and_do_not_block() {
    let root = tempfile::tempdir().unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, root.path().join("pipe"), 0o600.into()).unwrap();
    symlink("gone", root.path().join("broken")).unwrap();
    assert_eq!(hashed(root.path(), &["pipe"]), Err("pipe is not a regular file".to_owned()));
    assert_eq!(hashed(root.path(), &["broken"]), Err("broken is a link to nothing".to_owned()));
    assert_eq!(hashed(root.path(), &["missing", "*/none"]), Ok(String::new()));
    assert_eq!(hashed(&root.path().join("no-workspace"), &["**"]), Ok(String::new()));
}
