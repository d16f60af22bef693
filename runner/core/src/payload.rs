//! The payload of an event in GitHub's shape: as it was given, with what is known of the source tree where it says nothing.
//!
//! What only GitHub knows (ids, counts, avatars) is left out, never invented.

use crate::trigger::{CommitFacts, GitFacts, TriggerEvent};
use serde_json::{Map, Value as Json, json};

/// A commit that is none: what stood before a new ref.
pub const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// The payload that came with the event, over one that is made from what is known of the source tree: mappings are merged,
/// everything else that was given stands as it is.
pub fn payload(event: &TriggerEvent) -> Json {
    let mut payload = synthesised(event);
    if let Json::Object(given) = &event.payload {
        merge(&mut payload, given);
    }
    payload
}

fn merge(into: &mut Json, given: &Map<String, Json>) {
    let Json::Object(into) = into else { return };
    for (name, value) in given {
        match (into.get_mut(name), value) {
            (Some(known @ Json::Object(_)), Json::Object(value)) => merge(known, value),
            _ => drop(into.insert(name.clone(), value.clone())),
        }
    }
}

/// The event that a payload surely belongs to.
pub fn inferred(payload: &Json) -> Option<&'static str> {
    let has = |name: &str| payload.get(name).is_some_and(|value| !value.is_null());
    let all = |names: &[&str]| names.iter().all(|name| has(name));
    // The first that fits, so the ones with more keys stand first.
    const KNOWN: &[(&[&str], &str)] = &[
        (&["pull_request", "review"], "pull_request_review"),
        (&["pull_request", "comment"], "pull_request_review_comment"),
        (&["pull_request"], "pull_request"),
        (&["issue", "comment"], "issue_comment"),
        (&["issue"], "issues"),
        (&["discussion", "comment"], "discussion_comment"),
        (&["discussion"], "discussion"),
        (&["release"], "release"),
        (&["workflow_run"], "workflow_run"),
        (&["client_payload"], "repository_dispatch"),
        (&["merge_group"], "merge_group"),
        (&["deployment_status"], "deployment_status"),
        (&["deployment"], "deployment"),
        (&["check_run"], "check_run"),
        (&["check_suite"], "check_suite"),
        (&["milestone"], "milestone"),
        (&["label"], "label"),
        (&["registry_package"], "registry_package"),
        (&["forkee"], "fork"),
        (&["pages"], "gollum"),
        (&["build"], "page_build"),
        (&["schedule"], "schedule"),
        (&["inputs"], "workflow_dispatch"),
        (&["ref", "before", "after"], "push"),
        (&["ref", "head_commit"], "push"),
        (&["ref", "ref_type", "master_branch"], "create"),
        (&["ref", "ref_type"], "delete"),
    ];
    KNOWN.iter().find(|(names, _)| all(names)).map(|(_, event)| *event)
}

fn synthesised(event: &TriggerEvent) -> Json {
    let git = &event.git;
    let mut payload = json!({
        "repository": repository(git),
        "sender": user(&event.actor),
    });
    let more = match event.name.as_str() {
        "push" => push(event),
        "pull_request" | "pull_request_target" => pull_request_event(event),
        "pull_request_review" => review(event),
        "pull_request_review_comment" | "pull_request_comment" => review_comment(event),
        "workflow_dispatch" => json!({
            "inputs": event.inputs, "ref": full_reference(git), "workflow": event.workflow,
        }),
        "schedule" => json!({ "schedule": event.cron, "workflow": event.workflow }),
        "release" => release(event),
        "issues" => json!({ "action": "opened", "issue": issue(event) }),
        "issue_comment" => json!({
            "action": "created", "issue": issue(event), "comment": comment(event),
        }),
        "merge_group" => merge_group(event),
        "workflow_run" => workflow_run(event),
        "repository_dispatch" => json!({
            "action": "", "branch": git.default_branch, "client_payload": {},
        }),
        "create" | "delete" => reference_event(event),
        "watch" => json!({ "action": "started" }),
        _ => json!({}),
    };
    if let (Json::Object(payload), Json::Object(more)) = (&mut payload, more) {
        payload.extend(more);
        if !event.activity.is_empty() {
            payload.insert("action".to_owned(), json!(event.activity));
        }
    }
    payload
}

fn push(event: &TriggerEvent) -> Json {
    let git = &event.git;
    let before = if git.before.is_empty() { NO_COMMIT } else { &git.before };
    let commits: Vec<Json> = commits(git).iter().map(|one| commit(git, one)).collect();
    let head = commits.last().cloned().unwrap_or(Json::Null);
    json!({
        "ref": full_reference(git),
        "before": before,
        "after": git.sha,
        "base_ref": null,
        "created": before == NO_COMMIT,
        "deleted": false,
        "forced": git.forced,
        "compare": format!("{}/compare/{before}...{}", html_url(git), git.sha),
        "commits": commits,
        "head_commit": head,
        "pusher": { "name": event.actor, "email": git.author_email },
    })
}

/// The event's commits; where they are not known, what is known of the newest.
fn commits(git: &GitFacts) -> Vec<CommitFacts> {
    if !git.commits.is_empty() || git.sha.is_empty() {
        return git.commits.clone();
    }
    vec![CommitFacts {
        id: git.sha.clone(),
        message: git.message.clone(),
        author_name: git.author_name.clone(),
        author_email: git.author_email.clone(),
        committer_name: git.author_name.clone(),
        committer_email: git.author_email.clone(),
        ..CommitFacts::default()
    }]
}

fn commit(git: &GitFacts, commit: &CommitFacts) -> Json {
    let person = |name: &str, email: &str| json!({ "name": name, "email": email });
    json!({
        "id": commit.id,
        "tree_id": commit.tree_id,
        "distinct": true,
        "message": commit.message,
        "timestamp": commit.timestamp,
        "url": format!("{}/commit/{}", html_url(git), commit.id),
        "author": person(&commit.author_name, &commit.author_email),
        "committer": person(&commit.committer_name, &commit.committer_email),
        "added": commit.added,
        "removed": commit.removed,
        "modified": commit.modified,
    })
}

/// The number of the pull request that is made up when none is given.
const NUMBER: u64 = 1;

fn pull_request_event(event: &TriggerEvent) -> Json {
    json!({ "action": "opened", "number": NUMBER, "pull_request": pull_request(event) })
}

fn pull_request(event: &TriggerEvent) -> Json {
    let git = &event.git;
    let message = git.commits.last().map_or(git.message.as_str(), |last| &last.message);
    let mut lines = message.splitn(2, '\n');
    let (title, body) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let end = |reference: &str, sha: &str| {
        json!({
            "label": format!("{}:{reference}", owner(git)),
            "ref": reference,
            "sha": sha,
            "user": user(owner(git)),
            "repo": repository(git),
        })
    };
    json!({
        "number": NUMBER,
        "state": "open",
        "locked": false,
        "draft": false,
        "merged": false,
        "merge_commit_sha": git.sha,
        "title": title,
        "body": body.trim(),
        "user": user(&event.actor),
        "labels": [],
        "assignees": [],
        "requested_reviewers": [],
        "milestone": null,
        "html_url": format!("{}/pull/{NUMBER}", html_url(git)),
        "head": end(&git.branch, &git.sha),
        "base": end(git.base(), &git.base_sha),
        "commits": git.commits.len(),
        "changed_files": git.changed_paths.as_ref().map(Vec::len),
    })
}

fn review(event: &TriggerEvent) -> Json {
    let review = json!({
        "id": 1, "user": user(&event.actor), "body": "", "state": "commented",
        "commit_id": event.git.sha,
    });
    json!({ "action": "submitted", "review": review, "pull_request": pull_request(event) })
}

fn review_comment(event: &TriggerEvent) -> Json {
    let mut comment = comment(event);
    comment["commit_id"] = json!(event.git.sha);
    json!({ "action": "created", "comment": comment, "pull_request": pull_request(event) })
}

fn issue(event: &TriggerEvent) -> Json {
    json!({
        "number": NUMBER,
        "title": "",
        "body": "",
        "state": "open",
        "locked": false,
        "user": user(&event.actor),
        "labels": [],
        "assignees": [],
        "milestone": null,
        "html_url": format!("{}/issues/{NUMBER}", html_url(&event.git)),
    })
}

fn comment(event: &TriggerEvent) -> Json {
    json!({ "id": 1, "user": user(&event.actor), "body": "" })
}

fn release(event: &TriggerEvent) -> Json {
    let git = &event.git;
    let tag = git.reference.strip_prefix("refs/tags/").unwrap_or_default();
    json!({
        "action": "published",
        "release": {
            "tag_name": tag,
            "name": tag,
            "target_commitish": git.default_branch,
            "draft": false,
            "prerelease": false,
            "body": "",
            "author": user(&event.actor),
            "assets": [],
            "html_url": format!("{}/releases/tag/{tag}", html_url(git)),
        },
    })
}

fn merge_group(event: &TriggerEvent) -> Json {
    let git = &event.git;
    let base = git.base();
    json!({
        "action": "checks_requested",
        "merge_group": {
            "head_sha": git.sha,
            "head_ref": format!("refs/heads/gh-readonly-queue/{base}/pr-{NUMBER}-{}", git.base_sha),
            "base_sha": git.base_sha,
            "base_ref": format!("refs/heads/{base}"),
            "head_commit": commits(git).last().map_or(Json::Null, |last| commit(git, last)),
        },
    })
}

fn workflow_run(event: &TriggerEvent) -> Json {
    let git = &event.git;
    json!({
        "action": "completed",
        "workflow": {},
        "workflow_run": {
            "event": "push",
            "status": "completed",
            "conclusion": "success",
            "head_branch": git.branch,
            "head_sha": git.sha,
            "head_commit": commits(git).last().map_or(Json::Null, |last| commit(git, last)),
            "head_repository": repository(git),
            "repository": repository(git),
            "actor": user(&event.actor),
            "pull_requests": [],
            "run_attempt": 1,
        },
    })
}

fn reference_event(event: &TriggerEvent) -> Json {
    let git = &event.git;
    let full = full_reference(git);
    let (kind, name) = match full.strip_prefix("refs/tags/") {
        Some(tag) => ("tag", tag),
        None => ("branch", full.strip_prefix("refs/heads/").unwrap_or(&full)),
    };
    let mut payload = json!({ "ref": name, "ref_type": kind, "pusher_type": "user" });
    if event.name == "create" {
        payload["master_branch"] = json!(git.default_branch);
        payload["description"] = Json::Null;
    }
    payload
}

fn user(login: &str) -> Json {
    json!({ "login": login, "type": "User", "site_admin": false })
}

fn owner(git: &GitFacts) -> &str {
    git.repository.split_once('/').map_or("", |(owner, _)| owner)
}

fn html_url(git: &GitFacts) -> String {
    format!("https://github.com/{}", git.repository)
}

fn repository(git: &GitFacts) -> Json {
    let (owner, name) = git.repository.split_once('/').unwrap_or(("", git.repository.as_str()));
    json!({
        "name": name,
        "full_name": git.repository,
        "owner": { "login": owner, "name": owner },
        "default_branch": git.default_branch,
        "master_branch": git.default_branch,
        "private": true,
        "fork": false,
        "html_url": html_url(git),
        "url": html_url(git),
        "clone_url": format!("{}.git", html_url(git)),
        "git_url": format!("git://github.com/{}.git", git.repository),
        "ssh_url": format!("git@github.com:{}.git", git.repository),
    })
}

/// Full name of the checked-out reference.
pub(crate) fn full_reference(git: &GitFacts) -> String {
    if git.reference.is_empty() && !git.branch.is_empty() {
        return format!("refs/heads/{}", git.branch);
    }
    git.reference.clone()
}

pub(crate) fn text_at(payload: &Json, pointer: &str) -> String {
    text_or(payload, pointer, "")
}

pub(crate) fn text_or(payload: &Json, pointer: &str, otherwise: &str) -> String {
    let found = payload.pointer(pointer).and_then(Json::as_str);
    found.filter(|text| !text.is_empty()).unwrap_or(otherwise).to_owned()
}
