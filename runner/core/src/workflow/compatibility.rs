//! `docs/compatibility.md`: every key of the workflow language, and what becomes of it here.
//!
//! The keys come from the parser's own tables, and whether one is carried out from the parser itself: each row is a small workflow
//! that uses the key, read as `pawl plan` reads it.

mod actions;

use super::concurrency::CONCURRENCY_KEYS;
use super::containers::{CONTAINER_KEYS, SERVICE_KEYS};
use super::environment::ENVIRONMENT_KEYS;
use super::jobs::{DEFAULTS_KEYS, JOB_KEYS, RUN_DEFAULTS_KEYS, RUNS_ON_KEYS, STRATEGY_KEYS};
use super::shapes::SNAPSHOT_KEYS;
use super::steps::{RETRY_KEYS, STEP_KEYS};
use super::triggers::{
    CALLED_INPUT_KEYS, EVENTS, INPUT_KEYS, OUTPUT_KEYS, SCHEDULE_KEYS, SECRET_KEYS,
};
use super::{ROOT_KEYS, parse};
use crate::diagnostic::{Code, Diagnostic};

/// One key and a workflow that uses it.
pub struct Row {
    /// The way to the key, such as `jobs.<id>.container.image`.
    pub key: String,
    /// A workflow that has it and nothing else that could be refused.
    pub workflow: String,
}

/// What becomes of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is carried out.
    Supported,
    /// `plan` and `run` refuse it before anything starts; what to do instead.
    Refused(String),
    /// The row's own workflow is wrong: a fault of this file.
    Broken(String),
}

impl Row {
    /// What the parser says.
    pub fn standing(&self) -> Standing {
        let (_, found) = parse("w.yml", &self.workflow);
        let mut faults = found.iter().filter(|found| found.is_error());
        match faults.next() {
            None => Standing::Supported,
            Some(fault) if fault.code == Code::NotSupported => Standing::Refused(reason(fault)),
            Some(fault) => Standing::Broken(fault.message.clone()),
        }
    }
}

fn reason(fault: &Diagnostic) -> String {
    fault.help.clone().unwrap_or_default()
}

/// All keys, from the top of a file down.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    add(&mut rows, "", ROOT_KEYS, root);
    for event in EVENTS {
        let name = event.name;
        rows.push(Row { key: format!("on.{name}"), workflow: with_event(name, trigger(name, "")) });
        for key in event.keys {
            let entry = format!("{key}: {}", filter(key, event.types));
            rows.push(Row {
                key: format!("on.{name}.{key}"),
                workflow: with_event(name, trigger(name, &entry)),
            });
        }
    }
    add(&mut rows, "on.schedule[].", SCHEDULE_KEYS, |key| {
        let zone = if key == "cron" { "" } else { ", timezone: Europe/Paris" };
        with_event("schedule", format!("[{{cron: '0 3 * * *'{zone}}}]"))
    });
    add(&mut rows, "on.workflow_dispatch.inputs.<id>.", INPUT_KEYS, |key| {
        let kind = if key == "options" { "type: choice, " } else { "" };
        with_event(
            "workflow_dispatch",
            format!("{{inputs: {{i: {{{kind}{key}: {}}}}}}}", input(key)),
        )
    });
    add(&mut rows, "on.workflow_call.inputs.<id>.", CALLED_INPUT_KEYS, |key| {
        let kind = if key == "type" { "" } else { "type: string, " };
        with_event("workflow_call", format!("{{inputs: {{i: {{{kind}{key}: {}}}}}}}", input(key)))
    });
    add(&mut rows, "on.workflow_call.outputs.<id>.", OUTPUT_KEYS, |key| {
        let value = if key == "value" { "" } else { ", value: x" };
        with_event("workflow_call", format!("{{outputs: {{o: {{{key}: x{value}}}}}}}"))
    });
    add(&mut rows, "on.workflow_call.secrets.<id>.", SECRET_KEYS, |key| {
        with_event("workflow_call", format!("{{secrets: {{s: {{{key}: {}}}}}}}", input(key)))
    });
    add(&mut rows, "defaults.", DEFAULTS_KEYS, |_| with_root("defaults: {run: {shell: bash}}"));
    add(&mut rows, "defaults.run.", RUN_DEFAULTS_KEYS, |key| {
        with_root(&format!("defaults: {{run: {{{key}: bash}}}}"))
    });
    add(&mut rows, "concurrency.", CONCURRENCY_KEYS, |key| {
        with_root(&format!("concurrency: {{{}}}", concurrency(key)))
    });
    add(&mut rows, "jobs.<id>.", JOB_KEYS, job);
    inside_jobs(&mut rows);
    rows
}

fn inside_jobs(rows: &mut Vec<Row>) {
    add(rows, "jobs.<id>.runs-on.", RUNS_ON_KEYS, |key| {
        format!("on: push\njobs: {{a: {{runs-on: {{{key}: x}}, steps: [{{run: echo}}]}}}}\n")
    });
    add(rows, "jobs.<id>.strategy.", STRATEGY_KEYS, |key| {
        let value = match key {
            "matrix" => "{v: [1]}",
            "fail-fast" => "false",
            _ => "1",
        };
        with_job(&format!("strategy: {{{key}: {value}}}"))
    });
    add(rows, "jobs.<id>.environment.", ENVIRONMENT_KEYS, |key| {
        let name = if key == "name" { "" } else { "name: x, " };
        let value = if key == "deployment" { "false" } else { "x" };
        with_job(&format!("environment: {{{name}{key}: {value}}}"))
    });
    add(rows, "jobs.<id>.concurrency.", CONCURRENCY_KEYS, |key| {
        with_job(&format!("concurrency: {{{}}}", concurrency(key)))
    });
    add(rows, "jobs.<id>.container.", CONTAINER_KEYS, |key| {
        with_job(&format!("container: {{{}}}", container(key)))
    });
    add(rows, "jobs.<id>.services.<id>.", SERVICE_KEYS, |key| {
        with_job(&format!("services: {{s: {{{}}}}}", container(key)))
    });
    add(rows, "jobs.<id>.snapshot.", SNAPSHOT_KEYS, |key| {
        let name = if key == "image-name" { "" } else { "image-name: x, " };
        with_job(&format!("snapshot: {{{name}{key}: x}}").replace("if: x", "if: true"))
    });
    add(rows, "jobs.<id>.steps[].", STEP_KEYS, step);
    add(rows, "jobs.<id>.steps[].retry.", RETRY_KEYS, |key| {
        let rest = match key {
            "attempts" => "",
            "backoff" => ", backoff: 1s",
            _ => ", on: failure",
        };
        with_step(&format!("run: echo, retry: {{attempts: 2{rest}}}"))
    });
}

fn add(rows: &mut Vec<Row>, place: &str, keys: &[&str], workflow: impl Fn(&str) -> String) {
    rows.extend(
        keys.iter().map(|key| Row { key: format!("{place}{key}"), workflow: workflow(key) }),
    );
}

fn with_root(entry: &str) -> String {
    format!("on: push\n{entry}\njobs: {{a: {{runs-on: x, steps: [{{run: echo}}]}}}}\n")
}

fn with_event(name: &str, value: String) -> String {
    format!("on: {{{name}: {value}}}\njobs: {{a: {{runs-on: x, steps: [{{run: echo}}]}}}}\n")
}

fn with_job(entry: &str) -> String {
    format!("on: push\njobs: {{a: {{runs-on: x, {entry}, steps: [{{run: echo}}]}}}}\n")
}

fn with_step(step: &str) -> String {
    format!("on: push\njobs: {{a: {{runs-on: x, steps: [{{{step}}}]}}}}\n")
}

fn root(key: &str) -> String {
    match key {
        "on" | "jobs" => with_root(""),
        "permissions" => with_root("permissions: {contents: read}"),
        "env" => with_root("env: {A: x}"),
        "defaults" => with_root("defaults: {run: {shell: bash}}"),
        _ => with_root(&format!("{key}: x")),
    }
}

/// The value of an event with a filter, or without any.
fn trigger(name: &str, entry: &str) -> String {
    match name {
        "schedule" => "[{cron: '0 3 * * *'}]".to_owned(),
        "workflow_run" if !entry.starts_with("workflows") => {
            let rest = if entry.is_empty() { String::new() } else { format!(", {entry}") };
            format!("{{workflows: [x]{rest}}}")
        }
        _ if entry.is_empty() => String::new(),
        _ => format!("{{{entry}}}"),
    }
}

fn filter(key: &str, types: &[&str]) -> String {
    match key {
        "types" => format!("[{}]", types.first().unwrap_or(&"mine")),
        "inputs" => "{i: {type: string}}".to_owned(),
        "outputs" => "{o: {value: x}}".to_owned(),
        "secrets" => "{s: {required: true}}".to_owned(),
        _ => "[x]".to_owned(),
    }
}

fn input(key: &str) -> &'static str {
    match key {
        "type" => "string",
        "required" => "true",
        "options" => "[x]",
        _ => "x",
    }
}

fn concurrency(key: &str) -> &'static str {
    match key {
        "cancel-in-progress" => "group: x, cancel-in-progress: true",
        "queue" => "group: x, queue: max",
        _ => "group: x",
    }
}

fn container(key: &str) -> &'static str {
    match key {
        "options" => "image: x, options: --cpus 1",
        "env" => "image: x, env: {A: x}",
        "ports" => "image: x, ports: [8080]",
        "volumes" => "image: x, volumes: ['cache:/cache']",
        "credentials" => "image: x, credentials: {username: x, password: '${{ secrets.P }}'}",
        "entrypoint" => "image: x, entrypoint: /x",
        "command" => "image: x, command: x",
        _ => "image: x",
    }
}

fn job(key: &str) -> String {
    const CALL: &str = "uses: a/b/.github/workflows/c.yml@v1";
    match key {
        "uses" => return format!("on: push\njobs: {{a: {{{CALL}}}}}\n"),
        "with" => return format!("on: push\njobs: {{a: {{{CALL}, with: {{x: y}}}}}}\n"),
        "secrets" => return format!("on: push\njobs: {{a: {{{CALL}, secrets: inherit}}}}\n"),
        "needs" => {
            let first = "b: {runs-on: x, steps: [{run: echo}]}";
            return with_job("needs: b").replace("{a: {", &format!("{{{first}, a: {{"));
        }
        "runs-on" | "steps" => return with_root(""),
        _ => {}
    }
    let value = match key {
        "permissions" => "{contents: read}",
        "outputs" | "env" => "{A: x}",
        "defaults" => "{run: {shell: bash}}",
        "timeout-minutes" | "cancel-timeout-minutes" => "5",
        "strategy" => "{matrix: {v: [1]}}",
        "continue-on-error" | "if" => "true",
        "services" => "{s: {image: x}}",
        "gpus" => "1",
        _ => "x",
    };
    with_job(&format!("{key}: {value}"))
}

fn step(key: &str) -> String {
    match key {
        "run" => with_step("run: echo"),
        "uses" => with_step("uses: ./x"),
        "with" => with_step("uses: ./x, with: {a: b}"),
        "wait" | "cancel" => format!(
            "on: push\njobs: {{a: {{runs-on: x, steps: [{{id: s, run: echo, background: true}}, {{{key}: s}}]}}}}\n"
        ),
        "wait-all" => {
            "on: push\njobs: {a: {runs-on: x, steps: [{run: echo, background: true}, {wait-all: }]}}\n".to_owned()
        }
        "parallel" => with_step("parallel: [{run: echo}]"),
        _ => {
            let value = match key {
                "env" => "{A: x}",
                "shell" => "bash",
                "continue-on-error" | "background" | "if" => "true",
                "timeout-minutes" => "5",
                "retry" => "{attempts: 2}",
                "cache-key" => "{inputs: [x]}",
                _ => "x",
            };
            with_step(&format!("run: echo, {key}: {value}"))
        }
    }
}

/// The whole document.
pub fn markdown() -> String {
    let mut text = "# Compatibility\n\nGenerated by `pawl reference compatibility` from the parser's own tables; a test compares.\n\nEvery key of the workflow language. `pawl plan` and `pawl run` carry out what is supported and refuse the rest by name, with its\nplace, before anything starts; `pawl check` says it as a warning, since GitHub runs it.\n\n| key | here | instead |\n|---|---|---|\n".to_owned();
    for row in rows() {
        text.push_str(&line(&row.key, row.standing()));
    }
    text.push_str("\n## Actions\n\nEvery key of `action.yml`, by the kind of action.\n\n| key | here | instead |\n|---|---|---|\n");
    for (key, file) in actions::rows() {
        text.push_str(&line(&key, actions::standing(&file)));
    }
    text
}

fn line(key: &str, standing: Standing) -> String {
    let (word, note) = match standing {
        Standing::Supported => ("supported", String::new()),
        Standing::Refused(reason) => ("refused", reason),
        Standing::Broken(fault) => ("broken", fault),
    };
    format!("| `{key}` | {word} | {} |\n", note.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::{Standing, actions, rows};

    #[test]
    fn every_key_is_supported_or_refused_by_name() {
        let broken: Vec<String> = rows()
            .iter()
            .filter_map(|row| match row.standing() {
                Standing::Broken(fault) => Some(format!("{}: {fault}\n{}", row.key, row.workflow)),
                _ => None,
            })
            .collect();
        assert!(broken.is_empty(), "{}", broken.join("\n"));
        let actions = actions::rows();
        let broken: Vec<_> = actions
            .iter()
            .map(|(key, file)| (key, file, actions::standing(file)))
            .filter(|row| matches!(row.2, Standing::Broken(_)))
            .collect();
        assert!(broken.is_empty() && actions.len() > 40, "{broken:#?}");
        assert!(rows().len() > 150, "only {} keys", rows().len());
    }
}
