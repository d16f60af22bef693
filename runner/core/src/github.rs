//! The `github` context that an event gives.

use crate::payload::{full_reference, payload, text_at, text_or};
use crate::trigger::{TriggerEvent, plain_text};
use crate::workflow::Workflow;
use serde_json::{Map, Value as Json, json};

/// The `github` context without a token and without what belongs to one job. `inputs` are the typed inputs; in
/// `github.event.inputs` they are text, as on GitHub.
pub fn github_context(
    workflow: &Workflow,
    event: &TriggerEvent,
    inputs: &Map<String, Json>,
) -> Json {
    let mut payload = payload(event);
    if let (Json::Object(map), "workflow_dispatch") = (&mut payload, event.name.as_str()) {
        let texts: Map<String, Json> =
            inputs.iter().map(|(name, value)| (name.clone(), json!(plain_text(value)))).collect();
        map.insert("inputs".to_owned(), Json::Object(texts));
        if event.workflow.is_empty() && event.payload.get("workflow").is_none() {
            map.insert("workflow".to_owned(), json!(workflow.file));
        }
    }
    let reference = reference(event, &payload);
    let (ref_type, ref_name) = split_reference(&reference);
    let git = &event.git;
    let (owner, _) = git.repository.split_once('/').unwrap_or((git.repository.as_str(), ""));
    let is_pull = payload.get("pull_request").is_some();
    let (head_ref, base_ref) = match is_pull {
        true => {
            (text_or(&payload, "/pull_request/head/ref", &git.branch), base_ref(event, &payload))
        }
        false => (String::new(), String::new()),
    };
    // As the repository has it, whatever folder the command was given it from.
    let file = workflow.file.strip_prefix(&git.folder).map(|rest| rest.trim_start_matches('/'));
    let file = file.filter(|_| !git.folder.is_empty()).unwrap_or(&workflow.file);
    let id = |pointer: &str| payload.pointer(pointer).map(plain_text).unwrap_or_default();
    json!({
        "event_name": event.name,
        "sha": sha(event, &payload),
        "ref": reference,
        "ref_name": ref_name,
        "ref_type": ref_type,
        "ref_protected": false,
        "head_ref": head_ref,
        "base_ref": base_ref,
        "repository": git.repository,
        "repository_owner": owner,
        "repositoryUrl": format!("git://github.com/{}.git", git.repository),
        "repository_id": id("/repository/id"),
        "repository_owner_id": id("/repository/owner/id"),
        "repository_visibility": "private",
        "actor": event.actor,
        "actor_id": id("/sender/id"),
        "triggering_actor": event.actor,
        "workflow": workflow.display_name(),
        "workflow_ref": format!("{}/{file}@{reference}", git.repository),
        "workflow_sha": git.sha,
        "run_id": event.run_id,
        "run_number": event.run_number.to_string(),
        "run_attempt": "1",
        "retention_days": "90",
        "secret_source": "Actions",
        "server_url": "https://github.com",
        "api_url": "https://api.github.com",
        "graphql_url": "https://api.github.com/graphql",
        "event": payload,
    })
}

/// `github.sha`: the commit that the payload is about, else the checked-out one.
fn sha(event: &TriggerEvent, payload: &Json) -> String {
    let own = &event.git.sha;
    match event.name.as_str() {
        "push" => text_or(payload, "/after", own),
        "pull_request" => text_or(payload, "/pull_request/merge_commit_sha", own),
        "pull_request_target" if !event.payload.is_null() => {
            text_or(payload, "/pull_request/base/sha", own)
        }
        "merge_group" => text_or(payload, "/merge_group/head_sha", own),
        "deployment" | "deployment_status" => text_or(payload, "/deployment/sha", own),
        _ => own.clone(),
    }
}

/// `github.ref` of the event. Events that are about no ref belong to the default branch, as on GitHub.
pub(crate) fn reference(event: &TriggerEvent, payload: &Json) -> String {
    let git = &event.git;
    let own = || full_reference(git);
    match event.name.as_str() {
        "push" | "workflow_dispatch" => text_or(payload, "/ref", &own()),
        "workflow_call" => own(),
        "pull_request"
        | "pull_request_review"
        | "pull_request_review_comment"
        | "pull_request_comment" => {
            let number = payload.pointer("/pull_request/number").or_else(|| payload.get("number"));
            let number = number.map_or_else(|| "1".to_owned(), plain_text);
            format!("refs/pull/{number}/merge")
        }
        "pull_request_target" => format!("refs/heads/{}", base_ref(event, payload)),
        "release" => match text_at(payload, "/release/tag_name") {
            tag if tag.is_empty() => own(),
            tag => format!("refs/tags/{tag}"),
        },
        "create" => match text_at(payload, "/ref_type").as_str() {
            "tag" => format!("refs/tags/{}", text_at(payload, "/ref")),
            _ => format!("refs/heads/{}", text_or(payload, "/ref", &git.branch)),
        },
        "merge_group" => text_or(payload, "/merge_group/head_ref", &own()),
        "deployment" | "deployment_status" => {
            let name = text_at(payload, "/deployment/ref");
            let is_full = name.is_empty() || name.starts_with("refs/");
            if is_full { name } else { format!("refs/heads/{name}") }
        }
        _ if git.default_branch.is_empty() => own(),
        _ => format!("refs/heads/{}", git.default_branch),
    }
}

/// `github.ref_type` and `github.ref_name`.
pub(crate) fn split_reference(reference: &str) -> (&'static str, &str) {
    if let Some(tag) = reference.strip_prefix("refs/tags/") {
        return ("tag", tag);
    }
    let name =
        reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/pull/"));
    ("branch", name.unwrap_or(reference))
}

/// The branch that a pull request goes to.
pub(crate) fn base_ref(event: &TriggerEvent, payload: &Json) -> String {
    text_or(payload, "/pull_request/base/ref", event.git.base())
}
