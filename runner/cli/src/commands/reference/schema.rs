//! The committed JSON Schemas in `schemas/`. That of workflows comes from the parser's own tables; the others are written here by
//! hand beside nothing that could give them, and tests hold real output and real files to them.
//!
//! They name every field and forbid none: readers ignore what they do not know. Only files that people write (workflow, action,
//! model) are closed, as their parsers are.

use pawl_core::check::action_schema;
use pawl_core::config::{CONFIG_KEYS, MIN_PIDS};
use pawl_core::diagnostic::Code;
use pawl_core::workflow::schema as workflow;
use serde_json::{Value, json};

/// A schema's name, and what makes it.
type Named = (&'static str, fn() -> Value);

/// Every schema.
pub(super) const ALL: &[Named] = &[
    ("workflow", workflow::schema),
    ("action", action),
    ("github-action", action_schema::schema),
    ("config", config),
    ("event", event),
    ("plan", plan),
    ("diagnostics", diagnostics),
    ("validation-report", validation_report),
    ("drift-report", drift_report),
    ("gate-report", gate_report),
    ("model", model),
];

/// An object with these fields, all of which are there.
fn object(fields: Value) -> Value {
    let required: Vec<String> =
        fields.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
    json!({ "type": "object", "properties": fields, "required": required })
}

/// The same, and fields that may be there.
fn with_optional(mut schema: Value, fields: Value) -> Value {
    if let (Some(known), Value::Object(fields)) = (schema["properties"].as_object_mut(), fields) {
        known.extend(fields);
    }
    schema
}

/// The same, and nothing else.
fn closed(mut schema: Value) -> Value {
    schema["additionalProperties"] = json!(false);
    schema
}

fn titled(title: &str, description: &str, schema: Value) -> Value {
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": description,
    });
    if let (Some(whole), Value::Object(schema)) = (whole.as_object_mut(), schema) {
        whole.extend(schema);
    }
    whole
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn number_or_null() -> Value {
    json!({ "type": ["number", "null"] })
}

fn text_or_null() -> Value {
    json!({ "type": ["string", "null"] })
}

fn texts_by_name() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

fn digest() -> Value {
    json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" })
}

fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// Values of a matrix instance, or null without a matrix.
fn matrix() -> Value {
    json!({ "type": ["object", "null"] })
}

/// `action.yml` of a built-in action.
fn action() -> Value {
    let types = ["string", "number", "integer", "boolean", "path", "choice"];
    let input = closed(with_optional(
        object(json!({ "description": text() })),
        json!({
            "required": { "type": "boolean" },
            "default": text(),
            "type": { "enum": types },
            "options": { "type": "array", "minItems": 1, "items": text() },
        }),
    ));
    let output = closed(object(json!({ "description": text() })));
    let schema = object(json!({
        "name": text(), "description": text(), "in": { "enum": ["job", "runner"] },
    }));
    let schema = with_optional(
        schema,
        json!({
            "post": { "type": "boolean" },
            "inputs": { "type": "object", "additionalProperties": input },
            "outputs": { "type": "object", "additionalProperties": output },
        }),
    );
    titled("Built-in action", "`action.yml` of a built-in action of Pawl.", closed(schema))
}

/// `pawl/config.yml` of the user and `.pawl/config.yml` of a project.
fn config() -> Value {
    let path = json!({ "type": "string", "pattern": "^/" });
    let setting = |key: &str| match key {
        "images" => json!({
            "description": "Images by `runs-on` label.",
            "type": "object",
            "additionalProperties": { "type": "string", "minLength": 1 },
        }),
        "volumes" => json!({
            "description": "Folders of this machine that containers may mount; only in the user's own file.",
            "type": "array",
            "items": path,
        }),
        "limits" => closed(json!({
            "description": "What one job gets; a project can only lower it.",
            "type": "object",
            "properties": {
                "memory": { "type": ["string", "integer"], "description": "Such as 8g." },
                "cpus": { "type": ["string", "number"], "exclusiveMinimum": 0 },
                "pids": { "type": "integer", "minimum": MIN_PIDS },
                "artifact": { "type": ["string", "integer"] },
                "artifacts": { "type": ["string", "integer"] },
                "caches": { "type": ["string", "integer"] },
            },
        })),
        "node" => json!({
            "description": "Node.js for JavaScript actions; only in the user's own file.",
            "type": "string",
            "pattern": "^/",
        }),
        _ => json!({ "type": "boolean" }),
    };
    let settings: serde_json::Map<String, Value> =
        CONFIG_KEYS.iter().map(|key| ((*key).to_owned(), setting(key))).collect();
    let schema = closed(json!({ "type": ["object", "null"], "properties": settings }));
    titled("Pawl configuration", "Settings of the user, and of a project.", schema)
}

/// What kind of thing an event is about.
enum Place {
    Run,
    Job,
    Step,
}

fn event() -> Value {
    let mut kinds = run_events();
    kinds.extend(job_events());
    kinds.extend(step_events());
    kinds.push(fault());
    let mut schema = titled(
        "Event",
        "One line of `pawl run --json`; see docs/events.md.",
        json!({ "type": "object", "required": ["event"], "oneOf": kinds }),
    );
    schema["$defs"] = json!({
        "matrix": matrix(),
        "step": { "description": "Id, else index from 0.", "type": ["string", "integer"] },
        "conclusion": { "enum": ["success", "failure", "cancelled", "skipped"] },
        "end": { "enum": ["success", "failure", "cancelled", "skipped", "lost"] },
        "texts": texts_by_name(),
        "environment": environment(),
        "job-report": job_report(),
    });
    schema
}

fn ours(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// One kind of event: what every line has, what says its place, and its own fields.
fn kind(name: &str, place: &Place, own: Value) -> Value {
    let mut fields = json!({
        "seq": { "type": "integer", "minimum": 1 },
        "time": { "type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$" },
        "event": { "const": name },
        "run": text(),
    });
    if matches!(place, Place::Job | Place::Step) {
        fields["job"] = text();
        fields["matrix"] = ours("matrix");
        fields["name"] = text();
    }
    if matches!(place, Place::Step) {
        fields["step"] = ours("step");
    }
    if let (Some(fields), Value::Object(own)) = (fields.as_object_mut(), own) {
        fields.extend(own);
    }
    object(fields)
}

fn run_events() -> Vec<Value> {
    vec![
        kind(
            "run-requested",
            &Place::Run,
            json!({
                "workflow": text(),
                "trigger": text(),
                "actor": text(),
                "run_id": { "type": "string", "pattern": "^[0-9]+$" },
                "run_number": { "type": "integer", "minimum": 1 },
            }),
        ),
        kind("run-planned", &Place::Run, json!({ "workflow": text(), "hash": digest() })),
        kind(
            "job-expanded",
            &Place::Run,
            json!({ "job": text(), "instances": list(json!({ "type": "object" })) }),
        ),
        kind(
            "group-asked",
            &Place::Run,
            json!({
                "job": text_or_null(), "group": text(), "cancel_in_progress": { "type": "boolean" },
            }),
        ),
        kind("group-entered", &Place::Run, json!({ "job": text_or_null(), "group": text() })),
        kind("cancel-requested", &Place::Run, json!({ "reason": text() })),
        kind("run-resumed", &Place::Run, json!({})),
        kind("run-reopened", &Place::Run, json!({})),
        kind(
            "run-finished",
            &Place::Run,
            json!({ "conclusion": ours("conclusion"), "jobs": list(ours("job-report")) }),
        ),
    ]
}

fn job_events() -> Vec<Value> {
    let ends = json!({
        "conclusion": ours("conclusion"), "outputs": ours("texts"), "reason": text_or_null(),
    });
    let services = json!({ "type": "object", "additionalProperties": container() });
    vec![
        kind("job-called", &Place::Job, json!({ "inputs": { "type": "object" } })),
        kind("job-started", &Place::Job, json!({})),
        kind("job-ready", &Place::Job, json!({ "container": container(), "services": services })),
        kind("service-log", &Place::Job, json!({ "service": text(), "text": text() })),
        kind("job-closed", &Place::Job, json!({})),
        with_optional(
            kind("job-finished", &Place::Job, ends),
            json!({ "environment": ours("environment") }),
        ),
        kind("job-cancel-requested", &Place::Job, json!({ "reason": text() })),
    ]
}

/// A container of a job: the engine's id, its network, ports on the host by those in the container.
fn container() -> Value {
    let fields = object(json!({ "id": text(), "network": text() }));
    with_optional(fields, json!({ "ports": texts_by_name() }))
}

fn step_events() -> Vec<Value> {
    let attempt = json!({ "type": "integer", "minimum": 1 });
    let annotated = kind(
        "step-annotated",
        &Place::Step,
        json!({ "level": { "enum": ["notice", "warning", "error"] }, "message": text() }),
    );
    let finished = json!({
        "attempt": { "description": "0 when it never ran.", "type": "integer", "minimum": 0 },
        "outcome": ours("end"),
        "conclusion": ours("end"),
        "exit_code": { "type": ["integer", "null"] },
        "duration_ms": count(),
        "reason": text_or_null(),
        "outputs": ours("texts"),
    });
    let log = json!({
        "attempt": attempt, "stream": { "enum": ["stdout", "stderr"] }, "text": text(),
    });
    let retried = json!({
        "attempt": attempt, "outcome": ours("end"), "reason": text(), "not_before": text(),
    });
    let report = json!({
        "report": { "description": "A built-in action's own report." },
        "summary": { "type": "string", "description": "What the step wrote for its summary, Markdown." },
    });
    vec![
        kind("step-queued", &Place::Step, json!({})),
        kind("step-intended", &Place::Step, json!({ "attempt": attempt })),
        kind("step-started", &Place::Step, json!({ "attempt": attempt })),
        kind("log", &Place::Step, log),
        with_optional(
            annotated,
            json!({
                "title": text(), "file": text(), "line": count(), "column": count(),
                "end_line": count(), "end_column": count(),
            }),
        ),
        kind("step-retried", &Place::Step, retried),
        with_optional(kind("step-finished", &Place::Step, finished), report),
    ]
}

/// The event that stands for an error of the command itself.
fn fault() -> Value {
    let fields = json!({
        "event": { "const": "error" },
        "class": { "enum": ["input", "environment", "internal"] },
        "exit_code": { "enum": [2, 3, 4] },
        "message": text(),
        "hint": text(),
    });
    with_optional(object(fields), json!({ "diagnostics": list(diagnostic()) }))
}

fn job_report() -> Value {
    let step = with_optional(
        object(json!({
            "index": count(),
            "id": text_or_null(),
            "name": text(),
            "outcome": { "anyOf": [{ "type": "null" }, ours("end")] },
            "conclusion": { "anyOf": [{ "type": "null" }, ours("end")] },
        })),
        json!({ "phase": text() }),
    );
    let report = object(json!({
        "id": text(),
        "name": text(),
        "matrix": ours("matrix"),
        "conclusion": { "anyOf": [{ "type": "null" }, ours("conclusion")] },
        "reason": text_or_null(),
        "outputs": ours("texts"),
        "steps": list(step),
    }));
    with_optional(report, json!({ "environment": ours("environment") }))
}

/// The environment that a job deployed to.
fn environment() -> Value {
    let fields = object(json!({ "name": text(), "deployment": { "type": "boolean" } }));
    with_optional(fields, json!({ "url": text() }))
}

/// `pawl plan --json`
fn plan() -> Value {
    let step = with_optional(
        object(json!({ "index": count(), "id": text(), "name": text() })),
        json!({
            "run": text(),
            "shell": text(),
            "uses": text(),
            "in": { "enum": ["job", "runner"] },
            "with": texts_by_name(),
            "steps": list(ours("step")),
            "if": text(),
            "background": { "const": true },
            "wait": list(count()),
            "wait-all": { "const": true },
            "cancel": count(),
        }),
    );
    let job = object(json!({
        "id": text(),
        "name": text(),
        "matrix": matrix(),
        "needs": list(text()),
        "runs-on": list(text()),
        "image": text(),
        "permissions": {
            "type": "object",
            "additionalProperties": { "enum": ["read", "write"] },
            "description": "What a token of the job may do. Pawl makes none itself.",
        },
        "steps": list(ours("step")),
    }));
    let group = object(json!({ "group": text() }));
    let job =
        with_optional(job, json!({ "uses": text(), "environment": text(), "concurrency": group }));
    let some = json!({ "type": "object" });
    let job = with_optional(job, json!({ "container": some, "services": some, "gpus": some }));
    let whole = object(json!({ "workflow": text(), "jobs": list(job), "hash": digest() }));
    let of_run = object(json!({
        "group": text(),
        "cancel-in-progress": { "type": "boolean" },
        "queue": { "enum": ["single", "max"] },
    }));
    let whole = with_optional(whole, json!({ "run-name": text(), "concurrency": of_run }));
    let mut schema =
        titled("Plan", "What `pawl plan --json` prints: exactly what would be run.", whole);
    schema["$defs"] = json!({ "step": step });
    schema
}

fn diagnostic() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let place = json!({ "type": "integer", "minimum": 1 });
    object(json!({
        "file": text(),
        "line": place,
        "column": place,
        "severity": { "enum": ["error", "warning", "info"] },
        "code": { "enum": codes },
        "message": text(),
        "help": text_or_null(),
    }))
}

/// `pawl check --format json`
fn diagnostics() -> Value {
    let whole = object(json!({ "diagnostics": list(diagnostic()) }));
    titled("Diagnostics", "What `pawl check --format json` prints.", whole)
}

fn validation_report() -> Value {
    let verdict = json!({ "enum": ["pass", "warn", "fail", "error"] });
    let sample = with_optional(
        object(json!({ "row": { "type": "integer", "minimum": 0 } })),
        json!({
            "values": { "type": "object", "additionalProperties": text_or_null() },
            "first_row": { "type": "integer", "minimum": 1 },
        }),
    );
    let check = with_optional(
        object(json!({
            "id": text(),
            "column": text_or_null(),
            "metric": text(),
            "severity": text(),
            "expected": text(),
            "observed": number_or_null(),
            "failing_rows": count(),
            "samples": list(sample),
            "verdict": verdict,
        })),
        json!({ "reason": text(), "findings": list(finding()) }),
    );
    let histogram = object(json!({ "column": text(), "reference": text(), "current": text() }));
    let whole = with_optional(
        object(json!({ "verdict": verdict, "rows": count(), "checks": list(check) })),
        json!({ "data": data_version(), "histograms": list(histogram) }),
    );
    titled("Validation report", "The report of `pawl/validate`.", whole)
}

/// A figure of a rule about columns.
fn finding() -> Value {
    let number = json!({ "type": "number" });
    let whole = object(json!({
        "column": text(),
        "measure": text(),
        "value": number,
        "threshold": number,
        "rows": count(),
        "counts": { "type": "boolean" },
    }));
    with_optional(whole, json!({ "interval": list(number) }))
}

fn drift_report() -> Value {
    let uncertainty = json!({
        "interval": { "type": ["array", "null"], "items": { "type": "number" } },
        "n": object(json!({ "reference": count(), "current": count() })),
        "p_value": number_or_null(),
        "status": { "enum": ["drifted", "same", "insufficient"] },
    });
    let column = object(json!({
        "column": text(),
        "type": { "enum": ["num", "cat", "text"] },
        "method": text(),
        "score": number_or_null(),
        "threshold": { "type": "number" },
        "drifted": { "type": "boolean" },
    }));
    let whole = object(json!({
        "drifted": { "type": "boolean" },
        "share": { "type": "number" },
        "columns": list(with_optional(column, uncertainty)),
    }));
    let columns = with_optional(whole, json!({ "left_out": list(text()) }));
    let either = json!({ "type": "object", "oneOf": [columns, performance_report()] });
    titled("Drift report", "The report of `pawl/drift` and `pawl data drift --json`.", either)
}

/// Data as it was read once.
fn data_version() -> Value {
    let column = object(json!({ "name": text(), "type": text() }));
    object(json!({
        "uri": text(),
        "digest": digest(),
        "schema": list(column),
        "rows": count(),
    }))
}

/// That of `pawl data drift --performance`.
fn performance_report() -> Value {
    let status = json!({ "enum": ["drifted", "same", "insufficient"] });
    let number = json!({ "type": "number" });
    let or_null = |schema: Value| json!({ "oneOf": [schema, { "type": "null" }] });
    let change =
        object(json!({ "found_after": count(), "rows_before": count(), "value_since": number }));
    let labelled = object(json!({
        "rows": count(),
        "value": number,
        "worse_by": number,
        "evidence": number,
        "evidence_needed": number,
        "status": status,
        "change": or_null(change),
    }));
    let unlabelled = object(json!({
        "rows": count(),
        "value": number,
        "worse_by": number,
        "interval": { "type": "array", "items": number, "minItems": 2, "maxItems": 2 },
        "status": status,
    }));
    object(json!({
        "drifted": { "type": "boolean" },
        "status": status,
        "metric": { "enum": ["accuracy", "brier"] },
        "margin": number,
        "reference": object(json!({ "rows": count(), "value": number, "bound": number })),
        "labelled": or_null(labelled),
        "unlabelled": or_null(unlabelled),
    }))
}

fn gate_report() -> Value {
    let verdict = json!({ "enum": ["pass", "fail", "inconclusive", "error", "no-baseline"] });
    let metrics = ["accuracy", "auc", "log-loss", "brier", "f1", "precision", "recall", "mcc"];
    let comparison = object(json!({
        "metric": { "enum": metrics },
        "slice": text_or_null(),
        "test": { "enum": ["noninferiority", "superiority", "equivalence", "absolute"] },
        "n": count(),
        "discordant": { "type": ["integer", "null"], "minimum": 0 },
        "baseline": number_or_null(),
        "candidate": number_or_null(),
        "difference": number_or_null(),
        "interval": {
            "type": ["array", "null"], "items": { "type": "number" }, "minItems": 2, "maxItems": 2,
        },
        "margin": number_or_null(),
        "statistic": number_or_null(),
        "p_value": { "type": ["number", "null"], "minimum": 0, "maximum": 1 },
        "mde": number_or_null(),
        "verdict": verdict,
        "reason": text(),
    }));
    let whole = object(json!({ "verdict": verdict, "comparisons": list(comparison) }));
    titled(
        "Gate report",
        "The report of `pawl/gate`. Differences are candidate minus baseline in the metric's own direction of better.",
        whole,
    )
}

/// The model file, version 1; `actions/src/model/FORMAT.md` describes it.
fn model() -> Value {
    let finite = json!({ "type": "number" });
    let short = json!({ "type": "string", "maxLength": 200 });
    let training = closed(object(json!({
        "seed": count(),
        "rows": count(),
        "data_digest": short,
        "commit": short,
        "hyperparameters": { "type": "object", "additionalProperties": finite },
    })));
    let logistic = closed(object(json!({
        "intercept": finite,
        "coefficients": list(finite.clone()),
        "means": list(finite.clone()),
        "scales": list(json!({ "type": "number", "exclusiveMinimum": 0 })),
    })));
    let share = json!({ "type": "number", "minimum": 0, "maximum": 1 });
    let tree = closed(object(json!({
        "feature": list(count()),
        "threshold": list(finite),
        "left": list(count()),
        "right": list(count()),
        "value": list(share),
    })));
    let trees = json!({ "type": "array", "minItems": 1, "maxItems": 10_000, "items": tree });
    let mut whole = closed(object(json!({
        "format": { "const": pawl_actions::model::FORMAT },
        "format_version": { "const": pawl_actions::model::FORMAT_VERSION },
        "kind": { "enum": ["logistic-regression", "random-forest"] },
        "name": short,
        "features": { "type": "array", "minItems": 1, "maxItems": 10_000, "uniqueItems": true, "items": short },
        "label": short,
        "training": training,
        "parameters": { "type": "object" },
    })));
    let parameters = |kind: &str, parameters: Value| json!({ "properties": { "kind": { "const": kind }, "parameters": parameters } });
    whole["oneOf"] = json!([
        parameters("logistic-regression", logistic),
        parameters("random-forest", closed(object(json!({ "trees": trees })))),
    ]);
    titled("Pawl model file, version 1", "What `pawl/train` writes and `pawl serve` loads.", whole)
}
