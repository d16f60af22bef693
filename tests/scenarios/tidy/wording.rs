//! What no file may say.

use pawl_tests::repository::{files, read};

/// Hosts of package and container registries, in two parts so that this file does not name them either. Everything comes
/// through a tool's own client and its configuration: a host in a file breaks behind a mirror.
const HOSTS: &[(&str, &str)] = &[
    ("docker", ".io/"),
    ("index.docker", ".io"),
    ("registry-1.docker", ".io"),
    ("hub.docker", ".com"),
    ("ghcr", ".io"),
    ("quay", ".io"),
    ("gcr", ".io"),
    ("registry.k8s", ".io"),
    ("mcr.microsoft", ".com"),
    ("public.ecr", ".aws"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("registry.npmjs", ".org"),
    ("index.crates", ".io"),
    ("static.crates", ".io"),
    ("proxy.golang", ".org"),
    ("deb.debian", ".org"),
    ("archive.ubuntu", ".com"),
];

#[test]
fn no_file_names_a_registry_host() {
    let hosts: Vec<String> = HOSTS.iter().map(|(name, ending)| format!("{name}{ending}")).collect();
    let mut found = Vec::new();
    // The lock file is Cargo's own.
    for file in files().into_iter().filter(|file| file != "Cargo.lock") {
        let text = read(&file);
        for (index, line) in text.lines().enumerate() {
            if let Some(host) = hosts.iter().find(|host| line.contains(host.as_str())) {
                found.push(format!("{file}:{}: {host}", index + 1));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn nothing_is_switched_off_by_hand() {
    let patterns = ["#[ignore", "#![allow(", "#[allow(", "todo!(", "unimplemented!("];
    let this = "tests/scenarios/tidy/wording.rs";
    let sources = files().into_iter().filter(|file| file.ends_with(".rs") && file != this);
    let mut found = Vec::new();
    for file in sources {
        for (index, line) in read(&file).lines().enumerate() {
            if patterns.iter().any(|pattern| line.trim_start().starts_with(pattern)) {
                found.push(format!("{file}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    assert_eq!(
        found,
        Vec::<String>::new(),
        "use #[expect(lint, reason)], and finish what is begun"
    );
}
