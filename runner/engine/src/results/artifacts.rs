//! `ArtifactService`: the fourth protocol of artifacts, as actions/upload-artifact and download-artifact speak it.

use super::answer::{Body, field, file, ok};
use super::uploads::{Purpose, Upload};
use super::{Caller, Inner, Refusal, answer};
use hyper::body::Incoming;
use hyper::{Request, Response};
use pawl_core::event::UnixMs;
use pawl_core::registry::{Artifact, Artifacts, artifact_name_fault};
use serde_json::{Value, json};

impl Inner {
    pub(super) async fn artifact_service(
        &self,
        caller: &Caller,
        method: &str,
        message: &Value,
    ) -> Result<Response<Body>, Refusal> {
        // The ids are in the token, too: a job speaks of its own run alone.
        let run = field(message, "workflow_run_backend_id");
        if run != caller.scope.run {
            return Err(Refusal::new(hyper::StatusCode::FORBIDDEN, "the token is for another run"));
        }
        let answer = match method {
            "CreateArtifact" => self.create_artifact(caller, message).await,
            "FinalizeArtifact" => self.finalize_artifact(caller, message).await,
            "ListArtifacts" => self.list_artifacts(run, message).await,
            "GetSignedArtifactURL" => self.artifact_address(caller, message).await,
            "DeleteArtifact" => self.delete_artifact(run, message).await,
            _ => Err(Refusal::missing("there is no such method")),
        };
        answer.map(|value| ok(&value))
    }

    async fn create_artifact(&self, caller: &Caller, message: &Value) -> Result<Value, Refusal> {
        let name = field(message, "name");
        if let Some(fault) = artifact_name_fault(name) {
            return Err(Refusal::input(&fault));
        }
        let run = caller.scope.run.clone();
        if self.shelf.find(&run, name).await?.is_some() {
            return Err(Refusal::conflict(&format!(
                "an artifact {name} already exists in this run: use another name, or overwrite"
            )));
        }
        let media = match field(message, "mime_type") {
            "" => "application/zip",
            other => other,
        };
        let purpose = Purpose::Artifact {
            run,
            job: caller.scope.job.clone(),
            name: name.to_owned(),
            media: media.chars().filter(|c| c.is_ascii_graphic()).take(100).collect(),
            expires_ms: expiry(message)?,
        };
        let id = Upload::begin(&self.uploads, purpose)?.purpose.id();
        let address = self.address(caller, "put", &format!("/signed/upload/{id}"));
        Ok(json!({"ok": true, "signed_upload_url": address}))
    }

    async fn finalize_artifact(&self, caller: &Caller, message: &Value) -> Result<Value, Refusal> {
        let name = field(message, "name").to_owned();
        let (run, job) = (caller.scope.run.clone(), caller.scope.job.clone());
        let wanted = Purpose::Artifact {
            run: run.clone(),
            job: job.clone(),
            name: name.clone(),
            media: String::new(),
            expires_ms: None,
        };
        let upload = Upload::open(&self.uploads, &wanted.id())?;
        let Purpose::Artifact { job: owner, media, expires_ms, .. } = &upload.purpose else {
            return Err(Refusal::missing("there is no such upload"));
        };
        if *owner != job {
            return Err(Refusal::conflict("another job is uploading it"));
        }
        let (media, expires_ms) = (media.clone(), *expires_ms);
        let (upload, (path, size, digest)) = self.received(upload).await?;
        check(message, size, &digest)?;
        self.objects.keep(&path).await?;
        let artifact = Artifact {
            run,
            name,
            blob: Some(digest.clone()),
            media,
            digest,
            bytes: size,
            maker: job,
            expires_ms,
            ..Artifact::default()
        };
        let kept = self.shelf.save(&artifact, false).await?;
        upload.end();
        Ok(json!({"ok": true, "artifact_id": kept.id.to_string()}))
    }

    async fn list_artifacts(&self, run: &str, message: &Value) -> Result<Value, Refusal> {
        let (name, id) = (field(message, "name_filter"), field(message, "id_filter"));
        let all = self.shelf.list(run).await?;
        let wanted = |artifact: &&Artifact| {
            (name.is_empty() || artifact.name == name)
                && (id.is_empty() || artifact.id.to_string() == id)
        };
        let mut listed = Vec::new();
        for artifact in all.iter().filter(wanted) {
            let mut one = json!({
                "workflow_run_backend_id": artifact.run,
                "workflow_job_run_backend_id": artifact.maker,
                "database_id": artifact.id.to_string(),
                "name": artifact.name,
                "size": artifact.bytes.to_string(),
                "created_at": rfc3339(artifact.created_ms),
            });
            // One of the built-in action has no archive before somebody asks for it.
            if let Some(blob) = &artifact.blob {
                one["digest"] = json!(blob);
            }
            listed.push(one);
        }
        Ok(json!({"artifacts": listed}))
    }

    async fn artifact_address(&self, caller: &Caller, message: &Value) -> Result<Value, Refusal> {
        let name = field(message, "name");
        let artifact = self.shelf.find(&caller.scope.run, name).await?;
        let artifact = artifact.ok_or_else(|| Refusal::missing("there is no such artifact"))?;
        let path = format!("/signed/artifact/{}", artifact.id);
        Ok(json!({"signed_url": self.address(caller, "get", &path)}))
    }

    async fn delete_artifact(&self, run: &str, message: &Value) -> Result<Value, Refusal> {
        let artifact = self.shelf.find(run, field(message, "name")).await?;
        let artifact = artifact.ok_or_else(|| Refusal::missing("there is no such artifact"))?;
        self.shelf.remove(run, &artifact.name).await?;
        Ok(json!({"ok": true, "artifact_id": artifact.id.to_string()}))
    }

    /// The bytes of an artifact; its files are packed at the first asking.
    pub(super) async fn give_artifact(
        &self,
        id: &str,
        request: &Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let id: u64 = id.parse().map_err(|_| Refusal::missing("there is no such artifact"))?;
        let artifact = self.shelf.by_id(id).await?;
        let artifact = artifact.ok_or_else(|| Refusal::missing("there is no such artifact"))?;
        let blob = match &artifact.blob {
            Some(blob) => blob.clone(),
            None => self.pack(&artifact).await?,
        };
        let media = if artifact.media.is_empty() { "application/zip" } else { &artifact.media };
        let ending = if media == "application/zip" { ".zip" } else { "" };
        let bytes = self.objects.open(&blob).await?;
        file(bytes, media, &format!("{}{ending}", artifact.name), request).await
    }

    async fn pack(&self, artifact: &Artifact) -> Result<String, Refusal> {
        let objects = std::sync::Arc::clone(&self.objects);
        let (files, folder) = (artifact.files.clone(), self.uploads.clone());
        let runtime = tokio::runtime::Handle::current();
        let packed = answer::aside(move || {
            std::fs::create_dir_all(&folder).map_err(|error| Refusal::ours(&error))?;
            let open = |digest: &str| runtime.block_on(objects.open(digest));
            crate::archive::pack(&files, &folder, open).map_err(|error| Refusal::ours(&error))
        })
        .await?;
        let digest = self.objects.keep(packed.path()).await?;
        let whole = Artifact { blob: Some(digest.clone()), ..artifact.clone() };
        self.shelf.save(&whole, true).await?;
        Ok(digest)
    }
}

/// What the client says of the whole must be what came.
fn check(message: &Value, size: u64, digest: &str) -> Result<(), Refusal> {
    let (said_size, said_digest) = (field(message, "size"), field(message, "hash"));
    let same_size = said_size.is_empty() || said_size == size.to_string();
    let same_digest = said_digest.is_empty() || said_digest.eq_ignore_ascii_case(digest);
    match same_size && same_digest {
        true => Ok(()),
        false => Err(Refusal::input(&format!(
            "{size} bytes with {digest} came, not {said_size} with {said_digest}"
        ))),
    }
}

/// In whole seconds: the client reads no fraction of one or two digits.
fn rfc3339(time_ms: UnixMs) -> String {
    let time = jiff::Timestamp::from_second(time_ms.div_euclid(1000));
    time.map(|time| time.to_string()).unwrap_or_default()
}

/// When the client wants it to go; nothing when it does not say.
fn expiry(message: &Value) -> Result<Option<UnixMs>, Refusal> {
    let text = field(message, "expires_at");
    if text.is_empty() {
        return Ok(None);
    }
    let time: jiff::Timestamp =
        text.parse().map_err(|_| Refusal::input("expires_at is not a time"))?;
    Ok(Some(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::{check, expiry, rfc3339};
    use serde_json::json;

    #[test]
    fn times_go_both_ways() {
        assert_eq!(rfc3339(951_827_696_130), "2000-02-29T12:34:56Z");
        let message = json!({"expiresAt": "2000-02-29T12:34:56.000Z"});
        assert_eq!(expiry(&message).unwrap(), Some(951_827_696_000));
        assert_eq!(expiry(&json!({})).unwrap(), None);
        assert!(expiry(&json!({"expires_at": "soon"})).is_err());
    }

    #[test]
    fn what_came_must_be_what_was_said() {
        let said =
            |size: &str, hash: &str| check(&json!({"size": size, "hash": hash}), 3, "sha256:aa");
        assert!(said("3", "sha256:AA").is_ok() && said("", "").is_ok());
        assert!(said("4", "sha256:aa").is_err() && said("3", "sha256:bb").is_err());
    }
}
