//! `container:`, `services:` and `gpus:` of a planned job. What is known before the run is judged now, where it is written.

use super::jobs::{Instances, instance_contexts};
use super::{Planner, template, templates};
use crate::container::{self, Fault, Role, VolumeSource};
use crate::contexts::WORKSPACE;
use crate::diagnostic::Code;
use crate::expr::{Contexts, Template};
use crate::plan::{PlannedContainer, PlannedCredentials, PlannedGpus, PlannedService};
use crate::span::{Span, Spanned};
use crate::workflow::{ContainerSettings, Job};
use indexmap::IndexMap;
use serde_json::Value as Json;

/// Most texts that one key is judged with: instances beyond it are judged when they start.
const MAX_JUDGED: usize = 64;

/// What a job's sandbox has besides its image.
pub(super) struct Sandbox {
    pub(super) container: PlannedContainer,
    pub(super) services: IndexMap<String, PlannedService>,
    pub(super) gpus: Option<PlannedGpus>,
}

/// Plans it; what is refused is reported.
pub(super) fn plan(planner: &mut Planner<'_>, job: &Job, instances: &Instances) -> Sandbox {
    let worlds = worlds(planner, job, instances);
    let container = match &job.container {
        Some(container) => settings(planner, &container.settings, Role::Job, &worlds),
        None => PlannedContainer::default(),
    };
    let mut services = IndexMap::new();
    for service in &job.services {
        let planned = PlannedService {
            image: service.container.image.value.clone(),
            env: templates(&service.container.env),
            container: settings(planner, &service.container.settings, Role::Service, &worlds),
            entrypoint: template(&service.entrypoint),
            command: template(&service.command),
        };
        services.insert(service.id.value.clone(), planned);
    }
    let gpus = job.gpus.as_ref().map(|gpus| PlannedGpus {
        count: gpus.count.value.clone(),
        memory: template(&gpus.memory),
    });
    Sandbox { container, services, gpus }
}

/// A job on this machine itself has no network that services could be on, and needs nobody to hand it processors.
pub(super) fn refuse_on_host(planner: &mut Planner<'_>, job: &Job) {
    let service = job.services.first().map(|service| ("'services'", service.id.span));
    let gpus = job.gpus.as_ref().map(|gpus| ("'gpus'", gpus.count.span));
    for (what, span) in service.into_iter().chain(gpus) {
        let message = format!("{what} is not supported for a job on this machine itself");
        let help = "let the job run in a container: `runs-on` another label, or `container`";
        planner.reporter.add(Code::NotSupported, span, message, Some(help.to_owned()));
    }
}

/// What the expressions of each instance can see.
fn worlds(planner: &Planner<'_>, job: &Job, instances: &Instances) -> Vec<Contexts<'static>> {
    let has_any = job.container.is_some() || !job.services.is_empty();
    let worlds: Vec<Contexts<'static>> = match instances {
        Instances::Known(all) if has_any => all
            .iter()
            .take(MAX_JUDGED)
            .map(|instance| instance_contexts(planner, job, instance))
            .collect(),
        _ => vec![planner.known.clone()],
    };
    worlds.into_iter().map(with_workspace).collect()
}

/// The place of the workspace is not in the plan's `github`, but it is known: a container may mount it once more.
fn with_workspace(world: Contexts<'static>) -> Contexts<'static> {
    let mut github = world.values.get("github").map_or(Json::Null, Json::from);
    if let Json::Object(fields) = &mut github {
        fields.insert("workspace".to_owned(), Json::String(WORKSPACE.to_owned()));
    }
    world.with("github", github)
}

fn settings(
    planner: &mut Planner<'_>,
    settings: &ContainerSettings,
    role: Role,
    worlds: &[Contexts<'static>],
) -> PlannedContainer {
    if let Some(options) = &settings.options {
        // Literals were judged when the file was read, each fault at its own column; only their folders are left.
        let allowed = planner.options.volumes.clone();
        let is_literal = options.value.is_literal();
        judge(planner, options, worlds, |text| match container::options(text, role) {
            Ok(found) => {
                let hosts = found.volumes.iter().map(|volume| &volume.source);
                hosts.filter_map(|source| forbidden(source, &allowed)).collect()
            }
            Err(_) if is_literal => Vec::new(),
            Err(faults) => faults,
        });
    }
    for volume in &settings.volumes {
        let allowed = planner.options.volumes.clone();
        let is_literal = volume.value.is_literal();
        judge(planner, volume, worlds, |text| match container::volume(text) {
            Ok(volume) => forbidden(&volume.source, &allowed).into_iter().collect(),
            Err(_) if is_literal => Vec::new(),
            Err(fault) => vec![fault],
        });
    }
    for port in settings.ports.iter().filter(|port| !port.value.is_literal()) {
        judge(planner, port, worlds, |text| container::ports(text).err().into_iter().collect());
    }
    let bare = |texts: &[Spanned<Template>]| texts.iter().map(|text| text.value.clone()).collect();
    PlannedContainer {
        options: template(&settings.options),
        volumes: bare(&settings.volumes),
        ports: bare(&settings.ports),
        credentials: settings.credentials.as_ref().map(|login| PlannedCredentials {
            username: login.username.value.clone(),
            password: login.password.value.clone(),
        }),
    }
}

fn forbidden(source: &VolumeSource, allowed: &[String]) -> Option<Fault> {
    match source {
        VolumeSource::Host(path) => container::forbidden_source(path, allowed),
        _ => None,
    }
}

/// Judges a text in every world in which it is known. The same fault is told once.
fn judge(
    planner: &mut Planner<'_>,
    template: &Spanned<Template>,
    worlds: &[Contexts<'static>],
    faults_of: impl Fn(&str) -> Vec<Fault>,
) {
    let mut told: Vec<Fault> = Vec::new();
    for world in worlds {
        // An error of the expression itself is told when the job starts, with the job's own values.
        let Ok(Some(value)) = template.value.const_eval(world) else { continue };
        let texts = match Json::from(&value) {
            Json::Array(items) => items.iter().map(crate::sandbox::plain).collect(),
            _ => vec![value.to_text()],
        };
        for fault in texts.iter().flat_map(|text| faults_of(text)) {
            if !told.contains(&fault) {
                report(planner, template.span, &fault);
                told.push(fault);
            }
        }
        if template.value.is_literal() {
            return;
        }
    }
}

fn report(planner: &mut Planner<'_>, span: Span, fault: &Fault) {
    planner.reporter.add(fault.code, span, fault.message.clone(), Some(fault.help.clone()));
}
