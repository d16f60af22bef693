//! `volumes:` of a container, and which folders of the host it may have.

use super::Fault;
use crate::contexts::WORKSPACE;
use crate::diagnostic::Code;

/// What is brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// A volume without a name, which goes with the container.
    Anonymous,
    /// A volume with a name, which all containers of the job share and which goes with the job.
    Named(String),
    /// A folder or file of the runner's host; absolute, in normal form.
    Host(String),
    /// The job's own workspace.
    Workspace,
}

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// What is brought in.
    pub source: VolumeSource,
    /// Where; absolute.
    pub target: String,
    /// It cannot be written.
    pub read_only: bool,
}

/// Places of the host that no configuration can allow: whoever has them has the machine.
const NEVER: &[&str] = &[
    "/proc",
    "/sys",
    "/dev",
    "/etc",
    "/boot",
    "/run",
    "/var/run",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/root/.ssh",
];

/// Places of the container that are not the user's: the runner's own mounts, and what the kernel shows.
const RESERVED: &[&str] =
    &["/pawl", "/proc", "/sys", "/dev", "/github/workspace", "/github/actions"];

const HELP: &str =
    "write NAME:/path, /path alone, or a folder that your own configuration allows (`volumes`)";

/// Reads `SOURCE:TARGET[:MODE]` or `TARGET`. Which folders of the host are allowed is [`forbidden_source`]'s to say.
///
/// # Errors
/// The text is no volume, or its target is not the user's.
pub fn volume(text: &str) -> Result<Volume, Fault> {
    let fault = |message: String| Fault::new(Code::ContainerVolume, 0, message, HELP);
    let parts: Vec<&str> = text.trim().split(':').collect();
    let (source, target, mode) = match parts.as_slice() {
        [target] => ("", *target, ""),
        [source, target] => (*source, *target, ""),
        [source, target, mode] => (*source, *target, *mode),
        _ => return Err(fault(format!("the volume '{text}' has too many colons"))),
    };
    let target = normal(target).ok_or_else(|| {
        fault(format!("the volume '{text}' has no absolute path to be mounted at"))
    })?;
    if target == "/" || RESERVED.iter().any(|place| is_within(&target, place)) {
        return Err(fault(format!(
            "the volume '{text}' would cover '{target}', which is Pawl's own"
        )));
    }
    let mut read_only = false;
    for word in mode.split(',').filter(|word| !word.is_empty()) {
        match word {
            "ro" => read_only = true,
            "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" | "nocopy" => {}
            other => {
                return Err(fault(format!(
                    "the volume '{text}' has the mode '{other}', which is not allowed"
                )));
            }
        }
    }
    Ok(Volume { source: volume_source(source, parts.len(), text)?, target, read_only })
}

pub(super) fn volume_source(source: &str, parts: usize, text: &str) -> Result<VolumeSource, Fault> {
    let fault = |message: String| Fault::new(Code::ContainerVolume, 0, message, HELP);
    if parts == 1 {
        return Ok(VolumeSource::Anonymous);
    }
    if source.starts_with('/') {
        let path = normal(source)
            .ok_or_else(|| fault(format!("the volume '{text}' has a path with '..'")))?;
        return Ok(if path == WORKSPACE {
            VolumeSource::Workspace
        } else {
            VolumeSource::Host(path)
        });
    }
    let mut letters = source.chars();
    let is_name = letters.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter))
        && source.len() <= 100;
    match is_name {
        true => Ok(VolumeSource::Named(source.to_owned())),
        false => Err(fault(format!(
            "the volume '{text}' begins neither with a name nor with an absolute path"
        ))),
    }
}

/// Why a folder of the host may not be brought in, or nothing. `allowed` are absolute folders.
pub fn forbidden_source(path: &str, allowed: &[String]) -> Option<Fault> {
    let refused =
        |message: String, help: String| Some(Fault::new(Code::ContainerVolume, 0, message, help));
    let is_socket = path.ends_with(".sock");
    let is_never = NEVER.iter().any(|place| is_within(path, place) || is_within(place, path));
    if is_socket || is_never {
        return refused(
            format!("the volume of '{path}' is not allowed: with it a job would rule this machine"),
            "no configuration allows it; copy what the job needs into a folder of its own"
                .to_owned(),
        );
    }
    if allowed.iter().any(|folder| is_within(path, folder.trim_end_matches('/'))) {
        return None;
    }
    refused(
        format!("the volume of '{path}' is not allowed: no configuration names that folder"),
        format!(
            "if jobs may see it, add it to `volumes` in ~/.config/pawl/config.yml: volumes: [{path}]"
        ),
    )
}

/// True for the folder itself and everything below it.
fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with('/'))
        || folder == "/"
}

/// An absolute path without `.`, doubled and trailing slashes; `None` for others, and for one with `..`.
pub(super) fn normal(path: &str) -> Option<String> {
    let path = path.strip_prefix('/')?;
    let mut out = String::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part => {
                out.push('/');
                out.push_str(part);
            }
        }
    }
    Some(if out.is_empty() { "/".to_owned() } else { out })
}

#[cfg(test)]
mod tests {
    use super::{Volume, VolumeSource, forbidden_source, volume};

    fn sound(text: &str) -> Volume {
        volume(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    #[test]
    fn the_three_forms_are_told_apart() {
        assert_eq!(sound("/cache").source, VolumeSource::Anonymous);
        let named = sound("pg-data:/var/lib/postgresql/data");
        assert_eq!(named.source, VolumeSource::Named("pg-data".into()));
        assert_eq!((named.target.as_str(), named.read_only), ("/var/lib/postgresql/data", false));
        let host = sound("/data//sets/.:/sets:ro");
        assert_eq!(host.source, VolumeSource::Host("/data/sets".into()));
        assert!(host.read_only);
        assert_eq!(sound("/github/workspace:/app").source, VolumeSource::Workspace);
    }

    #[test]
    fn what_is_no_volume_is_refused() {
        for text in [
            "",
            "cache",
            "./x:/y",
            "../x:/y",
            "a/b:/y",
            "/a/../b:/y",
            "x:y",
            "x:/y:rshared",
            "x:/y:ro:z",
            "x:/",
            "x:/proc",
            "x:/sys/fs",
            "x:/pawl",
            "x:/pawl/pawl",
            "x:/github/workspace/y",
            "-x:/y",
        ] {
            assert!(volume(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_host_is_closed_but_for_what_the_user_opens() {
        let allowed = ["/data/sets".to_owned(), "/".to_owned()];
        let open = |path: &str, allowed: &[String]| forbidden_source(path, allowed).is_none();
        assert!(open("/data/sets", &allowed[..1]) && open("/data/sets/a", &allowed[..1]));
        for path in ["/data", "/data/setsx", "/home/u", "/"] {
            assert!(!open(path, &allowed[..1]), "{path}");
        }
        assert!(open("/home/u", &allowed));
        for path in [
            "/",
            "/etc",
            "/etc/passwd",
            "/proc",
            "/sys/fs/cgroup",
            "/var",
            "/var/lib",
            "/var/run/docker.sock",
            "/run/docker.sock",
            "/home/u/docker.sock",
            "/dev/sda",
            "/boot",
            "/root",
        ] {
            assert!(!open(path, &allowed), "{path}");
        }
    }
}
