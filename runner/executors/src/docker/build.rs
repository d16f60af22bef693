//! Images of actions, built from their Dockerfiles once for the same content, and removed again.

use super::dockerignore::Ignored;
use super::request::STORE_LABEL;
use super::{DockerExecutor, fault, has_status};
use bollard::Docker;
use bollard::query_parameters::{BuildImageOptionsBuilder, ListImagesOptions, RemoveImageOptions};
use bytes::Bytes;
use futures_util::StreamExt;
use pawl_core::ports::{ExecutorError, ImageBuild};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Repository of the images, on this engine alone.
const NAME: &str = "pawl-action";

/// Label of such an image: the action's folder.
const ACTION_LABEL: &str = "pawl.action";

/// Most that a build sees. It is held in memory once.
const CONTEXT_BYTES: u64 = 512 << 20;

/// Lines of a failed build that are shown.
const SHOWN_LINES: usize = 20;

/// The image of this Dockerfile, built unless it is there.
pub(super) async fn image(
    docker: &Docker,
    wanted: &ImageBuild,
    store: &str,
) -> Result<String, ExecutorError> {
    let refused = |message: String| ExecutorError::Request {
        message,
        hint: "look at the action's folder".to_owned(),
    };
    let file = wanted.folder.join(&wanted.dockerfile);
    let shown = file.display().to_string();
    let context = inside(&wanted.folder, file.parent().unwrap_or(&wanted.folder))
        .ok_or_else(|| refused(format!("there is no Dockerfile {shown}")))?;
    if inside(&context, &file).is_none() {
        return Err(refused(format!("there is no Dockerfile {shown}")));
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ignored = ignored(&context, &name).map_err(&refused)?;
    let packed = pack(&context, &ignored).map_err(|error| refused(format!("{shown}: {error}")))?;
    let mut digest = Sha256::new();
    digest.update(name.as_bytes());
    digest.update([0]);
    digest.update(&packed);
    let digest: String = digest.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect();
    let tag = format!("{NAME}:{digest}");
    match docker.inspect_image(&tag).await {
        Ok(_) => return Ok(tag),
        Err(error) if has_status(&error, 404) => {}
        Err(error) => return Err(fault("look at an image", &error)),
    }
    let labels = HashMap::from([
        (ACTION_LABEL.to_owned(), wanted.folder.display().to_string()),
        (STORE_LABEL.to_owned(), store.to_owned()),
    ]);
    let options = BuildImageOptionsBuilder::new()
        .dockerfile(&name)
        .t(&tag)
        .labels(&labels)
        .rm(true)
        .forcerm(true)
        .build();
    run_build(docker, options, packed, &shown).await?;
    Ok(tag)
}

async fn run_build(
    docker: &Docker,
    options: bollard::query_parameters::BuildImageOptions,
    packed: Vec<u8>,
    shown: &str,
) -> Result<(), ExecutorError> {
    let body = bollard::body_full(Bytes::from(packed));
    let mut progress = std::pin::pin!(docker.build_image(options, None, Some(body)));
    let mut said: Vec<String> = Vec::new();
    while let Some(line) = progress.next().await {
        match line {
            Ok(info) => {
                let text = info.stream.unwrap_or_default();
                let lines = text.lines().filter(|line| !line.trim().is_empty());
                said.extend(lines.map(str::to_owned));
                let extra = said.len().saturating_sub(SHOWN_LINES);
                said.drain(..extra);
            }
            Err(error) => {
                let message = format!("{shown} cannot be built: {error}\n{}", said.join("\n"));
                return Err(ExecutorError::Request {
                    message,
                    hint: "build it by hand to see why: docker build".to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// The path with its links resolved, when it is below `top` or is it.
fn inside(top: &Path, path: &Path) -> Option<PathBuf> {
    let (top, path) = (top.canonicalize().ok()?, path.canonicalize().ok()?);
    path.starts_with(top).then_some(path)
}

/// What the context's `.dockerignore` hides; one beside the Dockerfile with its name in front goes first.
fn ignored(context: &Path, dockerfile: &str) -> Result<Ignored, String> {
    for name in [format!("{dockerfile}.dockerignore"), ".dockerignore".to_owned()] {
        // A link could lead anywhere; its target is none of the action's files.
        let Some(path) = inside(context, &context.join(&name)) else { continue };
        let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        return Ignored::new(&text, dockerfile);
    }
    Ok(Ignored::default())
}

/// The folder as an archive: the same files give the same bytes. Links are packed as links.
fn pack(folder: &Path, ignored: &Ignored) -> io::Result<Vec<u8>> {
    let mut paths = Vec::new();
    walk(folder, &mut paths)?;
    paths.retain(|path| !ignored.hides(path.strip_prefix(folder).unwrap_or(path)));
    paths.sort();
    let mut archive = tar::Builder::new(Vec::new());
    let mut total = 0;
    for path in paths {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_owned();
        let facts = path.symlink_metadata()?;
        let mut header = tar::Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let is_program = facts.permissions().mode() & 0o111 != 0;
        header.set_mode(if is_program { 0o755 } else { 0o644 });
        header.set_size(0);
        if facts.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            archive.append_link(&mut header, &name, fs::read_link(&path)?)?;
        } else if facts.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            archive.append_data(&mut header, &name, io::empty())?;
        } else if facts.is_file() {
            total += facts.len();
            if total > CONTEXT_BYTES {
                let message = format!("it holds more than {} MiB", CONTEXT_BYTES >> 20);
                return Err(io::Error::other(message));
            }
            let bytes = fs::read(&path)?;
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, &name, bytes.as_slice())?;
        }
    }
    archive.into_inner()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // A local action's folder may be the top of a work tree.
        if path.file_name().is_some_and(|name| name == ".git") {
            continue;
        }
        if path.symlink_metadata()?.is_dir() {
            walk(&path, found)?;
        }
        found.push(path);
    }
    Ok(())
}

impl DockerExecutor {
    /// Removes the images that were built for this store's actions and that no container uses; gives their names.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn prune_images(&self) -> Result<Vec<String>, ExecutorError> {
        let docker = self.inner.client().await?;
        let labels =
            vec![ACTION_LABEL.to_owned(), format!("{STORE_LABEL}={}", self.inner.settings.store)];
        let options = ListImagesOptions {
            filters: Some(HashMap::from([("label".to_owned(), labels)])),
            ..Default::default()
        };
        let found = docker.list_images(Some(options)).await;
        let found = found.map_err(|error| fault("list the images", &error))?;
        let mut removed = Vec::new();
        for tag in found.into_iter().flat_map(|image| image.repo_tags) {
            match docker.remove_image(&tag, None::<RemoveImageOptions>, None).await {
                Ok(_) => removed.push(tag),
                // In use, or gone already.
                Err(error) if has_status(&error, 409) || has_status(&error, 404) => {}
                Err(error) => return Err(fault("remove an image", &error)),
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Ignored, ignored, pack};

    #[test]
    fn the_same_files_give_the_same_archive_and_git_is_left_out() {
        let made = || {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(folder.path().join("a/.git")).unwrap();
            std::fs::write(folder.path().join("a/.git/x"), std::process::id().to_string()).unwrap();
            std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").unwrap();
            std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
            pack(folder.path(), &Ignored::default()).unwrap()
        };
        let (one, two) = (made(), made());
        assert_eq!(one, two);
        let mut archive = tar::Archive::new(one.as_slice());
        let entries = archive.entries().unwrap().map(|entry| entry.unwrap());
        let found: Vec<(String, bool)> = entries
            .map(|entry| {
                let is_link = entry.header().entry_type().is_symlink();
                (entry.path().unwrap().display().to_string(), is_link)
            })
            .collect();
        let expected = [("Dockerfile", false), ("a", false), ("link", true)];
        assert_eq!(found, expected.map(|(name, is_link)| (name.to_owned(), is_link)));
    }

    #[test]
    fn the_ignore_file_of_this_very_dockerfile_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let hides = || ignored(folder.path(), "Dockerfile").unwrap().hides("big.bin".as_ref());
        assert!(!hides());
        std::fs::write(folder.path().join(".dockerignore"), "*.bin\n").unwrap();
        assert!(hides());
        std::fs::write(folder.path().join("Dockerfile.dockerignore"), "*.txt\n").unwrap();
        assert!(!hides());
    }
}
