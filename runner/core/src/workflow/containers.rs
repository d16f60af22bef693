//! `container:` and `services:` of a job.

use super::availability;
use super::model::{Container, Texts};
use super::reader::{Fields, Reader};
use crate::yaml::Kind;

pub(super) const CONTAINER_KEYS: &[&str] =
    &["image", "options", "env", "ports", "volumes", "credentials"];

/// `container:` in both forms. What would change the sandbox and is not carried out is an error.
pub(crate) fn container(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Container> {
    let node = fields.get("container")?;
    if node.is_scalar() {
        // An empty name means no container, as on GitHub.
        if node.text.is_empty() {
            return None;
        }
        let image = reader.template(node, availability::JOB)?;
        return Some(Container { image, env: Texts::new() });
    }
    let inner = reader.fields(node, CONTAINER_KEYS)?;
    for (key, help) in [
        ("options", "limits and users are set by the runner's own configuration"),
        ("ports", "a job's container reaches out; nothing reaches in"),
        ("volumes", "bring files with pawl/checkout, or into the image"),
        ("credentials", "log in to the registry on this machine and pull the image before the run"),
    ] {
        if let Some(entry) = inner.entry(key) {
            let empty = entry.value.kind == Kind::Null
                || (entry.value.text.is_empty()
                    && entry.value.items.is_empty()
                    && entry.value.entries.is_empty());
            if !empty {
                reader.not_supported(entry.key_span, &format!("'container.{key}'"), help);
            }
        }
    }
    let env = inner
        .get("env")
        .map(|node| reader.named_texts(node, availability::RUNNER))
        .unwrap_or_default();
    let image = reader.required(inner, "image")?;
    let image = reader.non_empty_template(image, availability::JOB)?;
    Some(Container { image, env })
}

/// `services:`: known, checked in its outline, and not carried out.
pub(crate) fn services(reader: &mut Reader<'_>, fields: Fields<'_>) {
    const KEYS: &[&str] =
        &["image", "options", "env", "ports", "volumes", "credentials", "entrypoint", "command"];
    let Some(entry) = fields.entry("services") else { return };
    for service in &entry.value.entries {
        reader.id(&service.key, service.key_span, "service");
        if service.value.kind == Kind::Map {
            reader.fields(&service.value, KEYS);
        }
    }
    let help = "start what the job needs in a step of its own";
    reader.not_supported(entry.key_span, "'services'", help);
}
