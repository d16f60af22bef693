//! Images made from nothing but given files, reproducibly.
//!
//! The image is written here, byte by byte, and loaded through the engine's API: the same files and settings give the same
//! layers and the same id on every host, which a build on the engine (with its time stamps) would not. A large file is a
//! layer of its own, so that the engine keeps the pawl binary once for all images.
//!
//! Format: the archive of `docker save`, with OCI image configuration.

use async_trait::async_trait;
use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::query_parameters::ImportImageOptionsBuilder;
use bytes::Bytes;
use futures_util::StreamExt;
use pawl_core::rollout::{ImageBuilder, ImageFile, ImageSpec, RolloutError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Files from this size on are layers of their own.
const OWN_LAYER_MIN: usize = 1024 * 1024;
/// Engines stop at 127 layers.
const OWN_LAYERS_MAX: usize = 64;
/// All files together: what a runner can hold twice in memory.
const BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Builds images through the Docker API.
#[derive(Debug, Clone)]
pub struct DockerImages {
    docker: Docker,
}

impl DockerImages {
    /// Uses this engine.
    pub fn new(docker: Docker) -> Self {
        Self { docker }
    }
}

#[async_trait]
impl ImageBuilder for DockerImages {
    async fn build(&self, spec: &ImageSpec) -> Result<String, RolloutError> {
        let archive = archive(spec)?;
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let body = bollard::body_full(Bytes::from(archive));
        let mut progress = std::pin::pin!(self.docker.import_image(options, body, None));
        while let Some(line) = progress.next().await {
            line.map_err(|error| engine_error("the image could not be loaded", &error))?;
        }
        let loaded = self.docker.inspect_image(&spec.tag).await;
        let loaded = loaded.map_err(|error| engine_error("the image is not there", &error))?;
        loaded.id.ok_or_else(|| RolloutError::Environment {
            message: format!("the engine gives no id for {}", spec.tag),
            hint: "a Docker engine of version 20.10 or newer is needed".to_owned(),
        })
    }

    async fn has(&self, image: &str) -> Result<bool, RolloutError> {
        match self.docker.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(error) => {
                Err(engine_error("the engine cannot say whether it has an image", &error))
            }
        }
    }
}

/// An engine's error with what to do about it.
pub(super) fn engine_error(what: &str, error: &EngineError) -> RolloutError {
    let (message, hint) = match error {
        EngineError::DockerResponseServerError { message, .. } => {
            let full = message.contains("no space left");
            let hint = if full { "the engine's disk is full: `docker system prune`" } else { "" };
            (message.clone(), hint)
        }
        EngineError::DockerStreamError { error } => (error.clone(), ""),
        other => (other.to_string(), "is Docker running? `docker info`"),
    };
    RolloutError::Environment { message: format!("{what}: {message}"), hint: hint.to_owned() }
}

fn refused(message: String) -> RolloutError {
    RolloutError::Request { message, hint: String::new() }
}

/// Checks that paths are absolute, in normal form and not twice there.
fn check(spec: &ImageSpec) -> Result<(), RolloutError> {
    let mut seen = BTreeSet::new();
    for file in &spec.files {
        let parts = file.path.strip_prefix('/').map(|path| path.split('/').collect::<Vec<_>>());
        let normal =
            parts.is_some_and(|parts| parts.iter().all(|part| !matches!(*part, "" | "." | "..")));
        if !normal || !seen.insert(&file.path) {
            return Err(refused(format!("{:?} is no path for a file of an image", file.path)));
        }
    }
    let bytes: usize = spec.files.iter().map(|file| file.bytes.len()).sum();
    if bytes > BYTES_MAX {
        return Err(refused(format!("an image of {bytes} bytes is too large")));
    }
    Ok(())
}

/// The whole archive for the engine.
fn archive(spec: &ImageSpec) -> Result<Vec<u8>, RolloutError> {
    check(spec)?;
    let layers: Vec<Vec<u8>> = layered(&spec.files).iter().map(|files| layer(files)).collect();
    let digests: Vec<String> = layers.iter().map(|layer| hex(&Sha256::digest(layer))).collect();
    let config = config(spec, &digests).to_string().into_bytes();
    let config_name = format!("{}.json", hex(&Sha256::digest(&config)));
    let names: Vec<String> = digests.iter().map(|digest| format!("{digest}/layer.tar")).collect();
    let manifest = json!([{ "Config": config_name, "RepoTags": [spec.tag], "Layers": names }]);
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, &config_name, 0o644, &config);
    for (name, layer) in names.iter().zip(layers) {
        append(&mut tar, name, 0o644, &layer);
    }
    append(&mut tar, "manifest.json", 0o644, manifest.to_string().as_bytes());
    Ok(finished(tar))
}

/// Large files one by one, in the order given; then all small ones together, in the order of their paths.
fn layered(files: &[ImageFile]) -> Vec<Vec<&ImageFile>> {
    let large: Vec<&ImageFile> = files
        .iter()
        .filter(|file| file.bytes.len() >= OWN_LAYER_MIN)
        .take(OWN_LAYERS_MAX)
        .collect();
    let mut rest: Vec<&ImageFile> =
        files.iter().filter(|file| !large.iter().any(|own| own.path == file.path)).collect();
    rest.sort_by(|a, b| a.path.cmp(&b.path));
    let mut layers: Vec<Vec<&ImageFile>> = large.into_iter().map(|file| vec![file]).collect();
    if !rest.is_empty() {
        layers.push(rest);
    }
    layers
}

/// One layer: folders above the files, then the files; everything root's, from the year 1970.
fn layer(files: &[&ImageFile]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut folders = BTreeSet::new();
    for file in files {
        let path = file.path.trim_start_matches('/');
        folders.extend(path.match_indices('/').map(|(end, _)| path[..end].to_owned()));
    }
    for folder in folders {
        let mut header = header(0o755, 0);
        header.set_entry_type(tar::EntryType::Directory);
        put(&mut tar, &mut header, &format!("{folder}/"), &[]);
    }
    for file in files {
        append(&mut tar, file.path.trim_start_matches('/'), file.mode, &file.bytes);
    }
    finished(tar)
}

fn config(spec: &ImageSpec, digests: &[String]) -> Value {
    let created = "1970-01-01T00:00:00Z";
    let env: Vec<String> = spec.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let history: Vec<Value> =
        digests.iter().map(|_| json!({ "created": created, "created_by": "pawl" })).collect();
    let diff_ids: Vec<String> = digests.iter().map(|digest| format!("sha256:{digest}")).collect();
    let port = format!("{}/tcp", spec.port);
    json!({
        "architecture": architecture(std::env::consts::ARCH),
        "os": "linux",
        "created": created,
        "config": {
            "User": spec.user,
            "ExposedPorts": { port: {} },
            "Env": env,
            "Entrypoint": spec.entrypoint,
            "WorkingDir": "/",
            "Labels": spec.labels,
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": history,
    })
}

/// Go's word for Rust's.
fn architecture(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// An archive of one file in the root, for the engine's copy into a container.
pub(super) fn single_file(name: &str, mode: u32, bytes: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, name, mode, bytes);
    finished(tar)
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, bytes: &[u8]) {
    put(tar, &mut header(mode, bytes.len()), path, bytes);
}

fn header(mode: u32, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size as u64);
    header
}

fn put(tar: &mut tar::Builder<Vec<u8>>, header: &mut tar::Header, path: &str, bytes: &[u8]) {
    tar.append_data(header, path, bytes).expect("writing to memory, with a relative path");
}

fn finished(tar: tar::Builder<Vec<u8>>) -> Vec<u8> {
    tar.into_inner().expect("writing to memory")
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{OWN_LAYER_MIN, archive, layer, layered};
    use pawl_core::rollout::{ImageFile, ImageSpec};
    use std::collections::BTreeMap;
    use std::io::Read;

    fn file(path: &str, bytes: &[u8]) -> ImageFile {
        ImageFile { path: path.to_owned(), bytes: bytes.to_vec(), mode: 0o755 }
    }

    fn spec(files: Vec<ImageFile>) -> ImageSpec {
        ImageSpec {
            tag: "sample:1".to_owned(),
            files,
            entrypoint: vec!["/pawl".to_owned()],
            env: [("A".to_owned(), "1".to_owned())].into_iter().collect(),
            labels: [("l".to_owned(), "x\"y".to_owned())].into_iter().collect(),
            port: 8080,
            user: "65532:65532".to_owned(),
        }
    }

    fn entries(tar: &[u8]) -> BTreeMap<String, (Vec<u8>, u32, u64)> {
        let mut archive = tar::Archive::new(tar);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            (path, (bytes, entry.header().mode().unwrap(), entry.header().mtime().unwrap()))
        });
        entries.collect()
    }

    #[test]
    fn the_same_files_in_another_order_give_the_same_bytes() {
        let one = archive(&spec(vec![file("/b", b"2"), file("/a/x", b"1")])).unwrap();
        let two = archive(&spec(vec![file("/a/x", b"1"), file("/b", b"2")])).unwrap();
        assert_eq!(one, two);
        let other = archive(&spec(vec![file("/a/x", b"1"), file("/b", b"3")])).unwrap();
        assert_ne!(one, other);
    }

    #[test]
    fn a_layer_has_the_folders_above_and_no_times() {
        let files = [file("/etc/pawl/x", b"1"), file("/pawl", b"2")];
        let found = entries(&layer(&files.iter().collect::<Vec<_>>()));
        let paths: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(paths, ["etc/", "etc/pawl/", "etc/pawl/x", "pawl"]);
        assert!(found.values().all(|(_, mode, mtime)| *mode == 0o755 && *mtime == 0));
    }

    #[test]
    fn the_configuration_names_its_layers_by_digest() {
        let found = entries(&archive(&spec(vec![file("/pawl", b"2")])).unwrap());
        let manifest: serde_json::Value =
            serde_json::from_slice(&found["manifest.json"].0).unwrap();
        assert_eq!(manifest[0]["RepoTags"][0], "sample:1");
        let config = &found[manifest[0]["Config"].as_str().unwrap()].0;
        let config: serde_json::Value = serde_json::from_slice(config).unwrap();
        let diff_id = config["rootfs"]["diff_ids"][0].as_str().unwrap();
        let layer = manifest[0]["Layers"][0].as_str().unwrap();
        assert_eq!(format!("{}/layer.tar", diff_id.strip_prefix("sha256:").unwrap()), layer);
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Labels"]["l"], "x\"y");
        assert!(config["config"]["ExposedPorts"]["8080/tcp"].is_object());
    }

    #[test]
    fn a_large_file_is_a_layer_of_its_own() {
        let files = [file("/model", b"m"), file("/pawl", &vec![1; OWN_LAYER_MIN])];
        let layers = layered(&files);
        let paths: Vec<Vec<&str>> = layers
            .iter()
            .map(|layer| layer.iter().map(|file| file.path.as_str()).collect())
            .collect();
        assert_eq!(paths, [vec!["/pawl"], vec!["/model"]]);
    }

    #[test]
    fn a_path_that_is_relative_leads_up_or_is_there_twice_is_refused() {
        for paths in [vec!["pawl"], vec!["/../x"], vec!["/a//b"], vec!["/a", "/a"], vec!["/"]] {
            let files = paths.iter().map(|path| file(path, b"")).collect();
            assert!(archive(&spec(files)).is_err(), "{paths:?}");
        }
    }
}
