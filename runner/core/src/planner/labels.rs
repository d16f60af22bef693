//! `runs-on` and `container`: the image of a job's sandbox.

use super::Planner;
use super::jobs::{Instances, instance_contexts};
use super::matrix::{expression_of, json_literal, whole};
use crate::diagnostic::Code;
use crate::expr::{Template, Value};
use crate::plan::JobInstance;
use crate::span::{Span, Spanned};
use crate::workflow::Job;
use crate::workflow::reader::shorten;
use serde_json::{Map, Value as Json, json};

/// The reserved label of the host executor: a job with it has this word as its image.
pub const HOST_LABEL: &str = "pawl-host";

/// Image and labels of a job.
pub(super) struct Chosen {
    pub(super) image: Template,
    pub(super) runs_on: Vec<String>,
    /// The image of the labels beside a `container:` that may turn out to be none.
    pub(super) label_image: Option<Template>,
}

/// Chooses the image; `None` when there is none, which is reported.
pub(super) fn choose(
    planner: &mut Planner<'_>,
    job: &Job,
    instances: &Instances,
) -> Option<Chosen> {
    let written: Vec<String> =
        job.runs_on.labels.iter().map(|label| label.value.source().to_owned()).collect();
    if let Some(container) = &job.container {
        let label_image = optional_image(planner, job, instances, &container.image.value);
        return Some(Chosen {
            image: container.image.value.clone(),
            runs_on: written,
            label_image,
        });
    }
    match instances {
        Instances::Known(all) => from_known(planner, job, all),
        Instances::Later(_) => from_unknown(planner, job).map(|image| Chosen {
            image,
            runs_on: written,
            label_image: None,
        }),
    }
}

/// The image of the labels, where they have one and the container's expression may give nothing. A label without an image is no
/// fault here: most containers turn out to be there.
fn optional_image(
    planner: &mut Planner<'_>,
    job: &Job,
    instances: &Instances,
    container: &Template,
) -> Option<Template> {
    if container.is_literal() {
        return None;
    }
    let mut quiet = Planner::new(planner.workflow, planner.event, planner.options);
    quiet.known = planner.known.clone();
    let chosen = match instances {
        Instances::Known(all) => from_known(&mut quiet, job, all).map(|chosen| chosen.image),
        Instances::Later(_) => from_unknown(&mut quiet, job),
    };
    chosen.filter(|_| !quiet.reporter.has_errors())
}

/// Every instance's labels are looked up now. Where they differ, the image is chosen by the instance's index.
fn from_known(planner: &mut Planner<'_>, job: &Job, all: &[JobInstance]) -> Option<Chosen> {
    let mut images = Vec::new();
    let mut runs_on: Vec<String> = Vec::new();
    for instance in all {
        let labels = match labels_of(planner, job, instance) {
            Labels::Known(labels) => labels,
            Labels::Later => {
                let image = from_unknown(planner, job)?;
                let written = job.runs_on.labels.iter().map(|one| one.value.source().to_owned());
                return Some(Chosen { image, runs_on: written.collect(), label_image: None });
            }
            Labels::Fault => return None,
        };
        images.push(image_for(planner, job.runs_on.span, &labels));
        for label in labels {
            if !runs_on.contains(&label) {
                runs_on.push(label);
            }
        }
    }
    let images: Vec<String> = images.into_iter().collect::<Option<_>>()?;
    let first = images.first()?;
    let image = if images.iter().all(|image| image == first) {
        Template::literal(first)
    } else {
        whole(&format!("{}[strategy.job-index]", json_literal(&json!(images))))?
    };
    Some(Chosen { image, runs_on, label_image: None })
}

enum Labels {
    Known(Vec<String>),
    Later,
    Fault,
}

fn labels_of(planner: &mut Planner<'_>, job: &Job, instance: &JobInstance) -> Labels {
    let contexts = instance_contexts(planner, job, instance);
    let mut labels = Vec::new();
    for label in &job.runs_on.labels {
        match label.value.const_eval(&contexts) {
            Ok(Some(value)) => labels.extend(label_texts(&value)),
            Ok(None) => return Labels::Later,
            Err(error) => {
                planner.evaluation_fault(label.span, &error);
                return Labels::Fault;
            }
        }
    }
    if labels.is_empty() {
        let message = "'runs-on' gives no label here: its expression is empty";
        planner.reporter.error(Code::InvalidValue, job.runs_on.span, message);
        return Labels::Fault;
    }
    Labels::Known(labels)
}

fn label_texts(value: &Value) -> Vec<String> {
    let texts: Vec<String> = match Json::from(value) {
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(map) => match map.get("labels") {
            Some(Json::Array(items)) => items.iter().map(plain).collect(),
            Some(other) => vec![plain(other)],
            None => Vec::new(),
        },
        other => vec![plain(&other)],
    };
    texts.into_iter().filter(|text| !text.is_empty()).collect()
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

fn image_for(planner: &mut Planner<'_>, span: Span, labels: &[String]) -> Option<String> {
    if labels.iter().any(|label| label == HOST_LABEL) {
        return Some(HOST_LABEL.to_owned());
    }
    let images = &planner.options.images;
    let image = labels.iter().find_map(|label| {
        let same = |(known, _): &(&String, &String)| known.eq_ignore_ascii_case(label);
        // The last one that was given wins, however its label is written.
        images.iter().rev().find(same).map(|(_, image)| image.clone())
    });
    if image.is_none() {
        let names = labels.join(", ");
        let first = labels.first().map(String::as_str).unwrap_or_default();
        let message = format!("no image is given for the label '{}'", shorten(&names));
        let help = format!(
            "say which image stands for it: --image {first}=IMAGE, `images: {{{first}: IMAGE}}` in the configuration \
             (~/.config/pawl/config.yml or .pawl/config.yml), or give the job a 'container'"
        );
        planner.reporter.add(Code::UnmappedLabel, span, message, Some(help));
    }
    image
}

/// The label comes from another job: the map of images becomes part of the expression, and a label without an image is
/// found when the job starts.
fn from_unknown(planner: &mut Planner<'_>, job: &Job) -> Option<Template> {
    let [label] = job.runs_on.labels.as_slice() else {
        return from_literals(planner, job);
    };
    if label.value.is_literal() {
        return image_for(planner, label.span, &[label.value.source().to_owned()])
            .map(|image| Template::literal(&image));
    }
    let mut images: Map<String, Json> =
        planner.options.images.iter().map(|(label, image)| (label.clone(), json!(image))).collect();
    images.insert(HOST_LABEL.to_owned(), json!(HOST_LABEL));
    let source =
        format!("{}[{}]", json_literal(&Json::Object(images)), expression_of(&label.value));
    let template = whole(&source);
    if template.is_none() {
        planner.too_late(label.span, "this 'runs-on'");
    }
    template
}

fn from_literals(planner: &mut Planner<'_>, job: &Job) -> Option<Template> {
    let dynamic: Option<&Spanned<Template>> =
        job.runs_on.labels.iter().find(|label| !label.value.is_literal());
    if let Some(label) = dynamic {
        planner.too_late(label.span, "a list of 'runs-on' labels");
        return None;
    }
    let labels: Vec<String> =
        job.runs_on.labels.iter().map(|label| label.value.source().to_owned()).collect();
    image_for(planner, job.runs_on.span, &labels).map(|image| Template::literal(&image))
}
