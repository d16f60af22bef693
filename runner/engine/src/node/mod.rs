//! The Node that runs actions in JavaScript: this machine's own, a named one, or the one of an npm package, gathered with its
//! loader and libraries into a folder that any container can run it from, whatever its image holds.
//!
//! Why it is built so: `docs/design/0002-action-sources.md`.

mod elf;

use crate::sources::SourceError;
use pawl_core::plan::{NODE_FOLDER, NodeRuntime};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The major version that is fetched where this machine has no Node: the newest that actions may declare.
const PACKAGE_MAJOR: u32 = 24;

/// Libraries that the C library opens by itself to look up hosts, on systems where it has them apart.
const LOOKUP: [&str; 3] = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];

/// Prints what must be known of a Node: version, real path, and whether parts of it lie elsewhere on the machine.
const ASK: &str = "const v = process.config.variables; \
    const apart = v.node_shared || Object.keys(v).some(k => k.startsWith('node_shared_builtin_')); \
    console.log(JSON.stringify({version: process.version, path: process.execPath, apart: !!apart}))";

/// Where Node may come from.
#[derive(Debug, Clone)]
pub struct NodeSettings {
    /// Folder of this part of the store.
    pub folder: PathBuf,
    /// The program that the user has named; nothing else is tried then.
    pub program: Option<PathBuf>,
    /// Fetch nothing.
    pub offline: bool,
    /// Folders to look for `node` and `npm` in: the user's `PATH`.
    pub path: String,
    /// The user's home, where npm has its cache and settings.
    pub home: String,
}

#[derive(Debug, Deserialize)]
struct Answer {
    version: String,
    path: PathBuf,
    apart: bool,
}

/// What was gathered, by the program that it was gathered from: `PATH SIZE TIME`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Index(BTreeMap<String, NodeRuntime>);

/// Gives the Node, gathering it at the first call.
///
/// # Errors
/// There is none and none may be fetched, or the one that there is cannot be used in containers.
pub fn provide(settings: &NodeSettings) -> Result<NodeRuntime, SourceError> {
    if let Some(program) = &settings.program {
        return gathered(settings, program);
    }
    let package = settings.folder.join("package/bin/node");
    if package.is_file() {
        return gathered(settings, &package);
    }
    let own = find("node", &settings.path);
    let refused = match own.map(|program| gathered(settings, &program)) {
        Some(Ok(runtime)) => return Ok(runtime),
        Some(Err(refused)) => Some(refused),
        None => None,
    };
    fetch_package(settings, &package, refused)?;
    gathered(settings, &package)
}

fn environment(message: String) -> SourceError {
    let hint =
        "install Node, name one with the variable PAWL_NODE, or run without --offline where npm is"
            .to_owned();
    SourceError { message, hint, is_environment: true }
}

fn disk(error: io::Error) -> SourceError {
    SourceError {
        message: format!("cannot write the store of Node: {error}"),
        hint: "check the permissions and the free space of the store".to_owned(),
        is_environment: true,
    }
}

fn find(name: &str, path: &str) -> Option<PathBuf> {
    let places = path.split(':').filter(|folder| folder.starts_with('/'));
    places.map(|folder| Path::new(folder).join(name)).find(|place| place.is_file())
}

/// Fetches the npm package of Node with the user's own npm, which knows the user's registry.
fn fetch_package(
    settings: &NodeSettings,
    package: &Path,
    refused: Option<SourceError>,
) -> Result<(), SourceError> {
    let why = refused.map_or_else(|| "this machine has no Node".to_owned(), |error| error.message);
    let npm = find("npm", &settings.path);
    let (Some(npm), false) = (npm, settings.offline) else { return Err(environment(why)) };
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let name = format!("node-linux-{arch}@{PACKAGE_MAJOR}");
    let place = settings.folder.join("fetched");
    fs::create_dir_all(&place).map_err(disk)?;
    let mut fetch = Command::new(npm);
    fetch
        .args(["pack", "--silent", "--ignore-scripts", &name])
        .env_clear()
        .env("PATH", &settings.path)
        .env("HOME", &settings.home)
        .current_dir(&place);
    let file = output(&mut fetch).map_err(|error| environment(format!("{why}; npm: {error}")))?;
    let file = String::from_utf8_lossy(&file.stdout).trim().to_owned();
    let mut unpack = Command::new("tar");
    unpack.args(["-xzf", &file, "package/bin/node"]).env_clear().env("PATH", &settings.path);
    output(unpack.current_dir(&place)).map_err(|error| environment(format!("tar: {error}")))?;
    let parent = package.parent().unwrap_or(package);
    fs::create_dir_all(parent).map_err(disk)?;
    fs::rename(place.join("package/bin/node"), package).map_err(disk)?;
    fs::remove_dir_all(&place).map_err(disk)
}

fn output(command: &mut Command) -> Result<Output, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(output),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(said.lines().rfind(|line| !line.is_empty()).unwrap_or("it failed").to_owned())
        }
    }
}

/// The folder that this Node was gathered in, now or earlier.
fn gathered(settings: &NodeSettings, program: &Path) -> Result<NodeRuntime, SourceError> {
    fs::create_dir_all(&settings.folder).map_err(disk)?;
    let unusable = |why: String| {
        let message = format!("{} cannot run actions: {why}", program.display());
        environment(message)
    };
    let facts = fs::metadata(program).map_err(|error| unusable(error.to_string()))?;
    let key = format!("{} {} {}", program.display(), facts.len(), facts.mtime());
    let file = settings.folder.join("index.json");
    let text = fs::read_to_string(&file).unwrap_or_default();
    let mut index: Index = serde_json::from_str(&text).unwrap_or_default();
    if let Some(known) = index.0.get(&key).filter(|known| Path::new(&known.folder).is_dir()) {
        return Ok(known.clone());
    }
    let runtime = gather(settings, program).map_err(unusable)?;
    index.0.insert(key, runtime.clone());
    let text = serde_json::to_string_pretty(&index).expect("an index is plain data");
    let new = settings.folder.join(format!("index.{}", std::process::id()));
    fs::write(&new, text).and_then(|()| fs::rename(&new, &file)).map_err(disk)?;
    Ok(runtime)
}

fn gather(settings: &NodeSettings, program: &Path) -> Result<NodeRuntime, String> {
    let mut ask = Command::new(program);
    let said = output(ask.args(["-e", ASK]).env_clear().env("PATH", &settings.path))?;
    let answer: Answer = serde_json::from_slice(&said.stdout)
        .map_err(|error| format!("it does not say what it is: {error}"))?;
    if answer.apart {
        return Err(
            "parts of it lie elsewhere on this machine, as distributions build it".to_owned()
        );
    }
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut node = read(&answer.path)?;
    let loader = elf::interpreter(&node).ok_or("it is no dynamically linked program")?;
    let mut list = Command::new(&loader);
    let listed = output(list.arg("--list").arg(&answer.path).env_clear())?;
    let mut files = libraries(&String::from_utf8_lossy(&listed.stdout));
    let library = files.get("libc.so.6").and_then(|path| path.parent()).map(Path::to_owned);
    for name in LOOKUP {
        let place = library.as_ref().map(|folder| folder.join(name));
        if let Some(place) = place.filter(|place| place.is_file()) {
            files.entry(name.to_owned()).or_insert(place);
        }
    }
    let own_name = Path::new(&loader).file_name().unwrap_or_default().to_string_lossy();
    files.insert("ld".to_owned(), PathBuf::from(&loader));
    files.insert(own_name.into_owned(), PathBuf::from(&loader));
    elf::patch(&mut node, &format!("{NODE_FOLDER}/ld"), NODE_FOLDER)?;
    let mut contents: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, path) in files {
        contents.insert(name, read(&path)?);
    }
    contents.insert("node".to_owned(), node);
    let folder = write(&settings.folder, &contents).map_err(|error| error.to_string())?;
    Ok(NodeRuntime {
        version: answer.version,
        folder: folder.display().to_string(),
        program: answer.path.display().to_string(),
    })
}

/// Lines of the loader's listing: `NAME => PATH (ADDRESS)`.
fn libraries(listing: &str) -> BTreeMap<String, PathBuf> {
    let one = |line: &str| {
        let (name, rest) = line.trim().split_once(" => ")?;
        let path = rest.split(" (").next()?;
        path.starts_with('/').then(|| (name.to_owned(), PathBuf::from(path)))
    };
    listing.lines().filter_map(one).collect()
}

/// Writes the files, read-only, to a folder named by their digest.
fn write(top: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<PathBuf> {
    let mut whole = Sha256::new();
    for (name, bytes) in files {
        whole.update(name.as_bytes());
        whole.update([0]);
        whole.update(Sha256::digest(bytes));
    }
    let digest: String =
        whole.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let folder = top.join(&digest);
    if folder.is_dir() {
        return Ok(folder);
    }
    let new = top.join(format!("{digest}.{}", std::process::id()));
    fs::create_dir_all(&new)?;
    for (name, bytes) in files {
        let path = new.join(name);
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o555))?;
    }
    match fs::rename(&new, &folder) {
        // Another process was faster, with the same files.
        Err(_) if folder.is_dir() => fs::remove_dir_all(&new)?,
        other => other?,
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::libraries;
    use std::path::Path;

    #[test]
    fn libraries_are_read_from_the_loaders_listing() {
        let listing = "\tlinux-vdso.so.1 (0x7f)\n\tlibm.so.6 => /lib/x/libm.so.6 (0x7f)\n\
                       \tlibz.so => not found\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        let found = libraries(listing);
        assert_eq!(found.len(), 1);
        assert_eq!(found["libm.so.6"], Path::new("/lib/x/libm.so.6"));
    }
}
