//! From a planned container to what an executor is asked for: expressions evaluated, and everything judged by the allow-lists.
//! Values of secrets appear here and are never stored.

use crate::container::{self, Credentials, Gpus, Role};
use crate::contexts::{EvaluationError, text};
use crate::expr::{Contexts, Template, Value};
use crate::plan::{PlannedContainer, PlannedGpus, PlannedService};
use crate::ports::{ContainerRequest, ServiceRequest};
use crate::quantity::memory_bytes;
use indexmap::IndexMap;
use serde_json::Value as Json;

/// A container with its image.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Whole {
    pub(crate) image: String,
    pub(crate) env: IndexMap<String, String>,
    pub(crate) request: ContainerRequest,
}

fn error(key: &str, message: impl ToString) -> EvaluationError {
    EvaluationError { key: key.to_owned(), message: message.to_string() }
}

/// The container of a job. Its image may be an expression that gives the whole mapping; an empty image is no container.
pub(crate) fn container(
    image: &Template,
    env: &IndexMap<String, Template>,
    planned: &PlannedContainer,
    contexts: &Contexts<'_>,
) -> Result<Whole, EvaluationError> {
    let value = image.evaluate(contexts).map_err(|fault| error("container.image", fault))?;
    match Json::from(&value) {
        Json::Object(fields) => from_value(&fields),
        Json::Array(_) => Err(error("container", "a sequence is no container")),
        _ => Ok(Whole {
            image: value.to_text(),
            env: texts("container.env", env, contexts)?,
            request: request("container", planned, Role::Job, contexts)?,
        }),
    }
}

fn texts(
    key: &str,
    env: &IndexMap<String, Template>,
    contexts: &Contexts<'_>,
) -> Result<IndexMap<String, String>, EvaluationError> {
    let one = |(name, template): (&String, &Template)| {
        Ok((name.clone(), text(&format!("{key}.{name}"), template, contexts)?))
    };
    env.iter().map(one).collect()
}

/// A container that came as a whole out of an expression.
fn from_value(fields: &serde_json::Map<String, Json>) -> Result<Whole, EvaluationError> {
    let known = ["image", "env", "options", "volumes", "ports", "credentials"];
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(error("container", format!("Unexpected value '{name}'")));
    }
    let list = |key: &str| match fields.get(key) {
        Some(Json::Array(items)) => items.iter().map(plain).collect(),
        _ => Vec::new(),
    };
    let mapping = |key: &str| {
        let entries = fields.get(key).and_then(Json::as_object).into_iter().flatten();
        entries.map(|(name, value)| (name.clone(), plain(value))).collect::<IndexMap<_, _>>()
    };
    let login = mapping("credentials");
    let credentials = (!login.is_empty()).then(|| Credentials {
        username: login.get("username").cloned().unwrap_or_default(),
        password: login.get("password").cloned().unwrap_or_default(),
    });
    let options = fields.get("options").map(plain).unwrap_or_default();
    Ok(Whole {
        image: fields.get("image").map(plain).unwrap_or_default(),
        env: mapping("env"),
        request: judged(
            "container",
            &options,
            list("volumes"),
            list("ports"),
            credentials,
            Role::Job,
        )?,
    })
}

/// A scalar as text.
pub(crate) fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

/// A service; `None` when its image turns out to be empty.
pub(crate) fn service(
    id: &str,
    planned: &PlannedService,
    contexts: &Contexts<'_>,
) -> Result<Option<ServiceRequest>, EvaluationError> {
    let key = format!("services.{id}");
    let image = text(&format!("{key}.image"), &planned.image, contexts)?;
    if image.trim().is_empty() {
        return Ok(None);
    }
    let optional = |name: &str, template: &Option<Template>| {
        template.as_ref().map(|it| text(&format!("{key}.{name}"), it, contexts)).transpose()
    };
    Ok(Some(ServiceRequest {
        id: id.to_owned(),
        image,
        env: texts(&format!("{key}.env"), &planned.env, contexts)?.into_iter().collect(),
        secret_env: Vec::new(),
        container: request(&key, &planned.container, Role::Service, contexts)?,
        entrypoint: optional("entrypoint", &planned.entrypoint)?.filter(|it| !it.is_empty()),
        command: optional("command", &planned.command)?.filter(|it| !it.is_empty()),
    }))
}

fn request(
    key: &str,
    planned: &PlannedContainer,
    role: Role,
    contexts: &Contexts<'_>,
) -> Result<ContainerRequest, EvaluationError> {
    let options = match &planned.options {
        Some(options) => text(&format!("{key}.options"), options, contexts)?,
        None => String::new(),
    };
    let credentials = match &planned.credentials {
        Some(login) => {
            let key = format!("{key}.credentials");
            let username = text(&key, &login.username, contexts)?;
            let password = text(&key, &login.password, contexts)?;
            // A fork has no secrets, and the image may be open to all: as on GitHub, an empty login is none.
            Some(Credentials { username, password }).filter(|login| !login.password.is_empty())
        }
        None => None,
    };
    let volumes = list(&format!("{key}.volumes"), &planned.volumes, contexts)?;
    let ports = list(&format!("{key}.ports"), &planned.ports, contexts)?;
    judged(key, &options, volumes, ports, credentials, role)
}

/// Texts, one of which may be an expression that gives several.
fn list(
    key: &str,
    templates: &[Template],
    contexts: &Contexts<'_>,
) -> Result<Vec<String>, EvaluationError> {
    let mut all = Vec::new();
    for template in templates {
        let value = template.evaluate(contexts).map_err(|fault| error(key, fault))?;
        match Json::from(&value) {
            Json::Array(items) => all.extend(items.iter().map(plain)),
            Json::Object(_) => return Err(error(key, "A mapping was not expected")),
            _ => all.push(value.to_text()),
        }
    }
    all.retain(|text| !text.trim().is_empty());
    Ok(all)
}

fn judged(
    key: &str,
    options: &str,
    volumes: Vec<String>,
    ports: Vec<String>,
    credentials: Option<Credentials>,
    role: Role,
) -> Result<ContainerRequest, EvaluationError> {
    let options = container::options(options, role).map_err(|faults| {
        let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
        error(&format!("{key}.options"), all.join("; "))
    })?;
    let mut request = ContainerRequest { credentials, ..ContainerRequest::default() };
    for text in &volumes {
        let volume = container::volume(text).map_err(|it| error(&format!("{key}.volumes"), it))?;
        request.volumes.push(volume);
    }
    for text in &ports {
        let mapped = container::ports(text).map_err(|it| error(&format!("{key}.ports"), it))?;
        request.ports.extend(mapped);
    }
    request.volumes.extend(options.volumes.iter().cloned());
    request.ports.extend(options.ports.iter().copied());
    request.options = options;
    Ok(request)
}

/// `gpus:`; none where the number is 0.
pub(crate) fn gpus(
    planned: &PlannedGpus,
    contexts: &Contexts<'_>,
) -> Result<Option<Gpus>, EvaluationError> {
    let count = planned.count.evaluate(contexts).map_err(|fault| error("gpus", fault))?;
    let memory_bytes = match &planned.memory {
        None => None,
        Some(memory) => {
            let memory = text("gpus.memory", memory, contexts)?;
            let wrong = || error("gpus.memory", format!("'{memory}' is not an amount of memory"));
            Some(memory_bytes(&memory).ok_or_else(wrong)?)
        }
    };
    let gpus = Gpus { memory_bytes, ..Gpus::default() };
    match (&count, count.to_text().as_str()) {
        (Value::Null, _) | (_, "" | "0" | "false") => Ok(None),
        (_, "all") => Ok(Some(gpus)),
        (_, text) => match text.parse() {
            Ok(count) => Ok(Some(Gpus { count: Some(count), ..gpus })),
            Err(_) => Err(error("gpus", format!("'{text}' is neither a number nor 'all'"))),
        },
    }
}
