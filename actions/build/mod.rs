//! `pawl/build`: the image of a model's service.

use crate::action::{
    ActionError, Inputs, Manifest, RunnerAction, RunnerContext, built_in_manifest, succeeded,
};
use crate::model::{MAX_BYTES, Model, digest};
use crate::serving::Rehearsal;
use async_trait::async_trait;
use indexmap::IndexMap;
use pawl_core::ports::{ActionOutcome, RunFacts};
use pawl_core::rollout::{ImageFile, ImageSpec};
use std::sync::LazyLock;

/// Where the server listens inside its container.
const PORT: u16 = 8080;
/// Where the model is in the image.
const MODEL_PATH: &str = "/model.json";
/// Nobody: owns nothing in the image.
const USER: &str = "65532:65532";

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The action.
pub struct Build;

/// What goes into an image.
struct Parts {
    name: String,
    version: String,
    tag: String,
    rehearse: String,
    model_digest: String,
    data_digest: String,
    commit: String,
}

/// The commit with a mark when the tree had changes.
fn commit(facts: &RunFacts) -> String {
    let dirty = facts.dirty && !facts.commit.is_empty();
    format!("{}{}", facts.commit, if dirty { "-dirty" } else { "" })
}

/// Engines want a letter or digit between separators, except in `--` and `__`.
fn run_together(a: u8, b: u8) -> bool {
    let separator = |byte: u8| !byte.is_ascii_alphanumeric();
    separator(a) && separator(b) && !(a == b && matches!(a, b'-' | b'_'))
}

/// `name:tag` as engines accept it; nothing that names a registry.
fn check_tag(tag: &str) -> Result<(), ActionError> {
    let part = |text: &str, more: &str| {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c);
        !text.is_empty()
            && text.len() <= 128
            && text.chars().all(fine)
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && !text.as_bytes().windows(2).any(|pair| run_together(pair[0], pair[1]))
    };
    let fits = tag
        .split_once(':')
        .is_some_and(|(name, tag)| part(name, "-_./") && part(&tag.to_ascii_lowercase(), "-_."));
    if fits {
        return Ok(());
    }
    Err(ActionError::input(
        format!("{tag:?} is no tag of an image"),
        "give `name:tag` in lower-case letters, digits, dashes and dots",
    ))
}

fn labels(parts: &Parts) -> IndexMap<String, String> {
    let pairs = [
        ("org.opencontainers.image.title", &parts.name),
        ("org.opencontainers.image.version", &parts.version),
        ("org.opencontainers.image.revision", &parts.commit),
        ("pawl.model.digest", &parts.model_digest),
        ("pawl.data.digest", &parts.data_digest),
        ("pawl.commit", &parts.commit),
        ("pawl.rehearse", &parts.rehearse),
    ];
    let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    given.map(|(key, value)| (key.to_owned(), value.clone())).collect()
}

/// The image as a value.
fn spec(parts: &Parts, binary: Vec<u8>, model: Vec<u8>) -> ImageSpec {
    let mut env = IndexMap::from([
        ("PAWL_MODEL_NAME".to_owned(), parts.name.clone()),
        ("PAWL_MODEL_VERSION".to_owned(), parts.version.clone()),
    ]);
    if !parts.rehearse.is_empty() {
        env.insert("PAWL_REHEARSE".to_owned(), parts.rehearse.clone());
    }
    let port = PORT.to_string();
    let entrypoint = ["/pawl", "serve", "--model", MODEL_PATH, "--port", &port];
    let file = |path: &str, bytes, mode| ImageFile { path: path.to_owned(), bytes, mode };
    ImageSpec {
        tag: parts.tag.clone(),
        files: vec![file("/pawl", binary, 0o555), file(MODEL_PATH, model, 0o444)],
        entrypoint: entrypoint.map(str::to_owned).to_vec(),
        env,
        labels: labels(parts),
        port: PORT,
        user: USER.to_owned(),
    }
}

fn parts(facts: &RunFacts, inputs: &Inputs, bytes: &[u8]) -> Result<Parts, ActionError> {
    let path = inputs.text("model");
    let model = Model::from_bytes(bytes)
        .map_err(|error| ActionError::input(format!("{path}: {error}"), "pawl/train makes it"))?;
    let rehearse = inputs.text("rehearse").trim().to_owned();
    if !rehearse.is_empty() {
        rehearse.parse::<Rehearsal>().map_err(|error| ActionError::input(error.to_string(), ""))?;
    }
    let name = inputs.get("name").unwrap_or(model.name()).to_owned();
    let version = inputs.text("version").to_owned();
    let tag = inputs.get("tag").map_or_else(|| format!("pawl-{name}:{version}"), str::to_owned);
    check_tag(&tag)?;
    Ok(Parts {
        tag,
        name,
        version,
        rehearse,
        model_digest: digest(bytes),
        data_digest: model.training().data_digest.clone(),
        commit: commit(facts),
    })
}

#[async_trait]
impl RunnerAction for Build {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn run(
        &self,
        context: &RunnerContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError> {
        let bytes = context.workspace.read(inputs.text("model"), MAX_BYTES)?;
        let parts = parts(&context.facts, inputs, &bytes)?;
        if !parts.rehearse.is_empty() {
            (context.log)(format!("REHEARSAL {}: this image is broken on purpose", parts.rehearse));
        }
        let binary = tokio::fs::read(&context.binary).await.map_err(|error| {
            let path = context.binary.display();
            ActionError::environment(format!("the pawl binary {path} cannot be read: {error}"), "")
        })?;
        let binary_digest = digest(&binary);
        let image = context.images.build(&spec(&parts, binary, bytes)).await?;
        (context.log)(format!("{} is {image}", parts.tag));
        let mut outcome = succeeded(serde_json::json!({
            "image": image,
            "tag": parts.tag,
            "name": parts.name,
            "version": parts.version,
            "model_digest": parts.model_digest,
            "binary_digest": binary_digest,
            "rehearse": parts.rehearse,
            "labels": labels(&parts),
        }));
        outcome.summary = format!("Built `{}` ({image}).\n", parts.tag);
        let outputs = [("image", image), ("tag", parts.tag), ("model-digest", parts.model_digest)];
        outcome.outputs.extend(outputs.map(|(name, text)| (name.to_owned(), text)));
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::{Build, Parts, check_tag, spec};
    use crate::action::RunnerAction;

    fn parts(rehearse: &str) -> Parts {
        Parts {
            name: "visit-risk".to_owned(),
            version: "3".to_owned(),
            tag: "pawl-visit-risk:3".to_owned(),
            rehearse: rehearse.to_owned(),
            model_digest: "sha256:11".to_owned(),
            data_digest: String::new(),
            commit: "abc-dirty".to_owned(),
        }
    }

    #[test]
    fn the_image_is_the_binary_the_model_and_what_they_come_from() {
        let spec = spec(&parts(""), vec![1], vec![2]);
        let files: Vec<(&str, u32)> =
            spec.files.iter().map(|file| (file.path.as_str(), file.mode)).collect();
        assert_eq!(files, [("/pawl", 0o555), ("/model.json", 0o444)]);
        assert_eq!(spec.entrypoint, ["/pawl", "serve", "--model", "/model.json", "--port", "8080"]);
        assert_eq!(spec.labels["org.opencontainers.image.revision"], "abc-dirty");
        assert_eq!(spec.labels["pawl.model.digest"], "sha256:11");
        assert!(
            !spec.labels.contains_key("pawl.data.digest"),
            "nothing is said of what is unknown"
        );
        assert!(!spec.env.contains_key("PAWL_REHEARSE"));
    }

    #[test]
    fn a_rehearsal_is_in_the_environment_and_in_the_labels() {
        let spec = spec(&parts("never-ready"), vec![1], vec![2]);
        assert_eq!(spec.env["PAWL_REHEARSE"], "never-ready");
        assert_eq!(spec.labels["pawl.rehearse"], "never-ready");
    }

    #[test]
    fn tags_are_checked_before_anything_is_built() {
        for fine in ["a:1", "pawl-visit-risk:3", "team/model:v1.0-rc_2", "a__b--c:1", "a:V1"] {
            assert!(check_tag(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "a",
            "a:",
            ":1",
            "A:1",
            "a b:1",
            "a:1:2",
            "-a:1",
            "a:ü",
            "pawl-../../x:0",
            "a/:1",
            "a.:1",
        ] {
            assert!(check_tag(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_manifest_is_one() {
        assert_eq!(Build.manifest().name, "build");
    }
}
