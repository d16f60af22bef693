//! `container:`, `services:` and `gpus:` of a job.

use super::availability;
use super::model::{Container, ContainerSettings, GpuWish, RegistryLogin, Service, Texts};
use super::reader::{Fields, Reader};
use crate::container::{self, Fault, Role, Volume, VolumeSource};
use crate::diagnostic::Code;
use crate::expr::Template;
use crate::span::Spanned;
use crate::yaml::{Entry, Kind, Node};
use std::collections::HashMap;

pub(super) const CONTAINER_KEYS: &[&str] =
    &["image", "options", "env", "ports", "volumes", "credentials"];
pub(super) const SERVICE_KEYS: &[&str] =
    &["image", "options", "env", "ports", "volumes", "credentials", "entrypoint", "command"];
pub(super) const CREDENTIAL_KEYS: &[&str] = &["username", "password"];
pub(super) const GPU_KEYS: &[&str] = &["count", "memory"];

/// `container:` in both forms.
pub(crate) fn container(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Container> {
    let node = fields.get("container")?;
    if node.is_scalar() {
        return image_alone(reader, node);
    }
    let inner = reader.fields(node, CONTAINER_KEYS)?;
    let (env, settings) = parts(reader, inner, Role::Job);
    let image = image(reader, inner, CONTAINER_KEYS)?;
    Some(Container { image, env, settings })
}

/// The image of a container, which must be named. A key that is unknown may be its misspelt name, and is told of by itself.
fn image(reader: &mut Reader<'_>, inner: Fields<'_>, known: &[&str]) -> Option<Spanned<Template>> {
    match inner.get("image") {
        Some(node) => reader.non_empty_template(node, availability::JOB),
        None if inner.knows_all(known) => {
            let message = "Container image cannot be empty";
            reader.error(Code::MissingKey, inner.node.span, message);
            None
        }
        None => None,
    }
}

/// An empty name means no container, as on GitHub.
fn image_alone(reader: &mut Reader<'_>, node: &Node) -> Option<Container> {
    if node.text.is_empty() {
        return None;
    }
    let image = reader.template(node, availability::JOB)?;
    Some(Container { image, env: Texts::new(), settings: ContainerSettings::default() })
}

/// `services:`; one whose image comes out empty is none, as on GitHub.
pub(crate) fn services(reader: &mut Reader<'_>, fields: Fields<'_>) -> Vec<Service> {
    let Some(node) = fields.get("services") else { return Vec::new() };
    if node.kind == Kind::Str && node.text.contains("${{") {
        let help = "write the services out, each with its own expressions";
        reader.not_supported(node.span, "a whole mapping from one expression", help);
        return Vec::new();
    }
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut services = Vec::new();
    for entry in reader.entries(node) {
        reader.id(&entry.key, entry.key_span, "service");
        let line = *seen.entry(entry.key.to_ascii_lowercase()).or_insert(entry.key_span.line);
        if line != entry.key_span.line {
            let message = format!("the service '{}' is there already in line {line}", entry.key);
            reader.error(Code::DuplicateId, entry.key_span, message);
        }
        services.extend(service(reader, entry));
    }
    services
}

fn service(reader: &mut Reader<'_>, entry: &Entry) -> Option<Service> {
    let id = Spanned::new(entry.key.clone(), entry.key_span);
    if entry.value.is_scalar() {
        let image = reader.non_empty_template(&entry.value, availability::JOB)?;
        let container =
            Container { image, env: Texts::new(), settings: ContainerSettings::default() };
        return Some(Service { id, container, entrypoint: None, command: None });
    }
    let inner = reader.fields(&entry.value, SERVICE_KEYS)?;
    let (env, settings) = parts(reader, inner, Role::Service);
    let text = |reader: &mut Reader<'_>, key| {
        inner.get(key).and_then(|node| reader.template(node, availability::JOB))
    };
    let (entrypoint, command) = (text(reader, "entrypoint"), text(reader, "command"));
    let image = image(reader, inner, SERVICE_KEYS)?;
    Some(Service { id, container: Container { image, env, settings }, entrypoint, command })
}

fn parts(reader: &mut Reader<'_>, inner: Fields<'_>, role: Role) -> (Texts, ContainerSettings) {
    let env = inner
        .get("env")
        .map(|node| reader.named_texts(node, availability::RUNNER))
        .unwrap_or_default();
    let options = inner.get("options").and_then(|node| {
        let options = reader.template(node, availability::JOB)?;
        check(reader, node, &options.value, |text| {
            let found = container::options(text, role)?;
            let faults: Vec<Fault> = found.volumes.iter().filter_map(never).collect();
            if faults.is_empty() { Ok(()) } else { Err(faults) }
        });
        Some(options)
    });
    let volumes = list(reader, inner.get("volumes"), |text| {
        let volume = container::volume(text).map_err(|fault| vec![fault])?;
        never(&volume).map_or(Ok(()), |fault| Err(vec![fault]))
    });
    let ports = list(reader, inner.get("ports"), |text| {
        container::ports(text).map(drop).map_err(|fault| vec![fault])
    });
    let credentials = inner.get("credentials").and_then(|node| credentials(reader, node));
    (env, ContainerSettings { options, volumes, ports, credentials })
}

/// Which folders are open is configuration; which never can be is not.
fn never(volume: &Volume) -> Option<Fault> {
    let everything = ["/".to_owned()];
    match &volume.source {
        VolumeSource::Host(path) => container::forbidden_source(path, &everything),
        _ => None,
    }
}

/// What is written without an expression is judged at once, each fault at its own place inside the text.
fn check(
    reader: &mut Reader<'_>,
    node: &Node,
    template: &Template,
    judge: impl Fn(&str) -> Result<(), Vec<Fault>>,
) {
    if !template.is_literal() {
        return;
    }
    for fault in judge(template.source()).err().into_iter().flatten() {
        let span = node.place_of(reader.source, fault.offset);
        reader.error_with_help(fault.code, span, fault.message, fault.help);
    }
}

/// A sequence of texts, or one expression that gives it.
fn list(
    reader: &mut Reader<'_>,
    node: Option<&Node>,
    judge: impl Fn(&str) -> Result<(), Vec<Fault>>,
) -> Vec<Spanned<Template>> {
    let Some(node) = node.filter(|node| node.kind != Kind::Null) else { return Vec::new() };
    let is_expression = node.kind == Kind::Str && node.text.contains("${{");
    if node.kind != Kind::Seq && !is_expression {
        reader.wrong_type(node, "a sequence");
        return Vec::new();
    }
    let items = if is_expression { std::slice::from_ref(node) } else { node.items.as_slice() };
    let mut texts = Vec::new();
    for item in items {
        let Some(text) = reader.non_empty_template(item, availability::JOB) else { continue };
        check(reader, item, &text.value, &judge);
        texts.push(text);
    }
    texts
}

fn credentials(reader: &mut Reader<'_>, node: &Node) -> Option<RegistryLogin> {
    let inner = reader.fields(node, CREDENTIAL_KEYS)?;
    if !inner.knows_all(CREDENTIAL_KEYS) {
        return None;
    }
    let mut text = |key| {
        let node = reader.required(inner, key)?;
        reader.non_empty_template(node, availability::CREDENTIALS)
    };
    let (username, password) = (text("username"), text("password"));
    Some(RegistryLogin { username: username?, password: password? })
}

/// `gpus:`: `2`, `all`, or a mapping of `count` and `memory`.
pub(crate) fn gpus(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<GpuWish> {
    let node = fields.get("gpus")?;
    if node.is_scalar() {
        return gpu_count(reader, node).map(|count| GpuWish { count, memory: None });
    }
    let inner = reader.fields(node, GPU_KEYS)?;
    let count = reader.required(inner, "count").and_then(|node| gpu_count(reader, node));
    let memory = inner.get("memory").and_then(|node| {
        let memory = reader.non_empty_template(node, availability::JOB)?;
        let text = memory.value.source();
        if memory.value.is_literal()
            && crate::quantity::memory_bytes(text).is_none_or(|bytes| bytes == 0)
        {
            let message = format!("'{text}' is not an amount of memory");
            reader.error_with_help(Code::InvalidValue, node.span, message, "write one such as 16g");
        }
        Some(memory)
    });
    Some(GpuWish { count: count?, memory })
}

fn gpu_count(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<Template>> {
    let count = reader.non_empty_template(node, availability::JOB)?;
    let text = count.value.source();
    let is_count = text == "all" || text.parse::<u32>().is_ok();
    if count.value.is_literal() && !is_count {
        let message = format!("Unexpected value '{text}'");
        let help = "'gpus' is a whole number, or 'all'";
        reader.error_with_help(Code::InvalidValue, node.span, message, help);
        return None;
    }
    Some(count)
}
