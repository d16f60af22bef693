//! `environment:` of a job.

use super::availability;
use super::model::Environment;
use super::reader::{Fields, Reader};

pub(super) const ENVIRONMENT_KEYS: &[&str] = &["name", "url", "deployment"];

/// Reads `environment` in both forms.
pub(crate) fn read(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Environment> {
    let node = fields.get("environment")?;
    if node.is_scalar() {
        let name = reader.template(node, availability::JOB)?;
        return Some(Environment { name, url: None, deployment: None });
    }
    let inner = reader.fields(node, ENVIRONMENT_KEYS)?;
    let url = inner.get("url").and_then(|url| reader.template(url, availability::ENVIRONMENT_URL));
    let deployment = inner
        .get("deployment")
        .and_then(|deployment| reader.boolean(deployment, availability::JOB));
    let name = reader.required(inner, "name")?;
    let name = reader.non_empty_template(name, availability::JOB)?;
    Some(Environment { name, url, deployment })
}
