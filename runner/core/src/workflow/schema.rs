//! The JSON Schema of workflow files, for editors and for checks outside of Pawl.
//!
//! The keys of every mapping, the events with their activity types, and the words of enumerations come from the tables that the
//! parser itself reads with. What a key's value looks like is written here by hand. A schema cannot say everything that
//! `pawl check` finds (needs, expressions, globs): what it refuses the parser refuses, too, not the other way round.

use super::ROOT_KEYS;
use super::calls::KEYS_OF_STEPS;
use super::concurrency::{CONCURRENCY_KEYS, QUEUES};
use super::containers::{CONTAINER_KEYS, CREDENTIAL_KEYS, GPU_KEYS, SERVICE_KEYS};
use super::controls::CONTROL_KEYS;
use super::environment::ENVIRONMENT_KEYS;
use super::jobs::{DEFAULTS_KEYS, JOB_KEYS, RUN_DEFAULTS_KEYS, RUNS_ON_KEYS, STRATEGY_KEYS};
use super::steps::{CACHE_KEYS, MAX_ATTEMPTS, RETRY_KEYS, SHELLS, STEP_KEYS};
use super::triggers::{
    CALLED_INPUT_KEYS, CALLED_INPUT_TYPES, EVENTS, Event, INPUT_KEYS, INPUT_TYPES, OUTPUT_KEYS,
    SCHEDULE_KEYS, SECRET_KEYS,
};
use crate::permissions::SCOPES;
use serde_json::{Map, Value as Json, json};

/// The schema of a workflow file, JSON Schema draft 2020-12.
pub fn schema() -> Json {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Pawl workflow",
        "description": "What `pawl check` accepts, as far as a schema can say it.",
    });
    merge(&mut schema, mapping(ROOT_KEYS, &["on", "jobs"], root));
    schema["$defs"] = json!({
        "text": { "type": ["string", "number", "boolean", "null"] },
        "filled": { "type": ["string", "number", "boolean"], "pattern": "\\S" },
        "texts": {
            "anyOf": [
                { "$ref": "#/$defs/filled" },
                { "type": "array", "items": { "$ref": "#/$defs/filled" } },
            ],
        },
        "named-texts": {
            "type": ["object", "null"],
            "propertyNames": { "pattern": "\\S" },
            "additionalProperties": { "$ref": "#/$defs/text" },
        },
        "id": { "pattern": "^(?!__)[A-Za-z_][A-Za-z0-9_-]{0,98}$" },
        "expression": { "type": "string", "pattern": "^\\s*\\$\\{\\{[\\s\\S]*\\}\\}\\s*$" },
        "boolean": { "anyOf": [{ "type": "boolean" }, { "$ref": "#/$defs/expression" }] },
        "minutes": {
            "anyOf": [{ "type": "number", "exclusiveMinimum": 0 }, { "$ref": "#/$defs/expression" }],
        },
        "shell": {
            "type": "string",
            "anyOf": [{ "enum": SHELLS }, { "pattern": "\\{0\\}" }, { "pattern": "\\$\\{\\{" }],
        },
        "unsupported": { "description": "GitHub knows it; see docs/compatibility.md for whether Pawl carries it out." },
        "permissions": permissions(),
        "concurrency": concurrency(),
        "defaults": defaults(),
        "job": jobs(),
        "step": step(),
        "retry": mapping(RETRY_KEYS, &["attempts"], retry),
        "cache-key": cache_key(),
        "container": container(CONTAINER_KEYS),
        "service": container(SERVICE_KEYS),
        "list": list(),
    });
    schema
}

pub(crate) fn one_of_ours(name: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// A mapping with exactly these keys, `value` saying what each of them takes.
pub(crate) fn mapping(keys: &[&str], required: &[&str], value: fn(&str) -> Json) -> Json {
    let properties: Map<String, Json> =
        keys.iter().map(|key| ((*key).to_owned(), value(key))).collect();
    let mut schema =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn merge(into: &mut Json, from: Json) {
    if let (Json::Object(into), Json::Object(from)) = (into, from) {
        into.extend(from);
    }
}

fn or_nothing(schema: Json) -> Json {
    json!({ "anyOf": [{ "type": "null" }, schema] })
}

fn root(key: &str) -> Json {
    match key {
        "on" => triggers(),
        "permissions" => one_of_ours("permissions"),
        "env" => one_of_ours("named-texts"),
        "defaults" => one_of_ours("defaults"),
        "concurrency" => one_of_ours("concurrency"),
        "jobs" => json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": one_of_ours("id"),
            "additionalProperties": one_of_ours("job"),
        }),
        _ => one_of_ours("text"),
    }
}

fn permissions() -> Json {
    let levels: Map<String, Json> = SCOPES
        .iter()
        .map(|(name, levels)| ((*name).to_owned(), json!({ "enum": levels })))
        .collect();
    json!({
        "anyOf": [
            { "enum": ["read-all", "write-all"] },
            { "type": "object", "properties": levels, "additionalProperties": false },
        ],
    })
}

fn defaults() -> Json {
    mapping(DEFAULTS_KEYS, &[], |_| {
        mapping(RUN_DEFAULTS_KEYS, &[], |key| match key {
            "shell" => one_of_ours("shell"),
            _ => one_of_ours("filled"),
        })
    })
}

fn concurrency() -> Json {
    json!({
        "anyOf": [
            one_of_ours("text"),
            mapping(CONCURRENCY_KEYS, &["group"], |key| match key {
                "group" => one_of_ours("filled"),
                "queue" => json!({ "enum": QUEUES }),
                _ => one_of_ours("boolean"),
            }),
        ],
    })
}

/// A job runs steps of its own or calls a workflow.
fn jobs() -> Json {
    let mut job = mapping(JOB_KEYS, &[], job);
    job["oneOf"] = json!([
        {
            "required": ["runs-on", "steps"],
            "properties": { "uses": false, "with": false, "secrets": false },
        },
        {
            "required": ["uses"],
            "properties": KEYS_OF_STEPS.iter().map(|key| ((*key).to_owned(), json!(false))).collect::<Map<_, _>>(),
        },
    ]);
    job
}

fn job(key: &str) -> Json {
    match key {
        "needs" => one_of_ours("texts"),
        "permissions" => one_of_ours("permissions"),
        "runs-on" => json!({
            "anyOf": [
                one_of_ours("filled"),
                { "type": "array", "minItems": 1, "items": one_of_ours("filled") },
                mapping(RUNS_ON_KEYS, &[], |key| match key {
                    "labels" => one_of_ours("texts"),
                    _ => one_of_ours("unsupported"),
                }),
            ],
        }),
        "environment" => json!({
            "anyOf": [one_of_ours("text"), mapping(ENVIRONMENT_KEYS, &["name"], environment)],
        }),
        "outputs" => json!({
            "type": ["object", "null"],
            "propertyNames": { "pattern": "\\S" },
            "additionalProperties": one_of_ours("text"),
        }),
        "env" => one_of_ours("named-texts"),
        "defaults" => one_of_ours("defaults"),
        "steps" => json!({ "type": "array", "minItems": 1, "items": one_of_ours("step") }),
        "timeout-minutes" | "cancel-timeout-minutes" => one_of_ours("minutes"),
        "concurrency" => one_of_ours("concurrency"),
        "uses" => json!({
            "type": "string",
            "description": "`./.github/workflows/FILE.yml` or `OWNER/REPO/.github/workflows/FILE.yml@REF`.",
        }),
        "with" => one_of_ours("named-texts"),
        "secrets" => json!({ "anyOf": [{ "const": "inherit" }, one_of_ours("named-texts")] }),
        "strategy" => mapping(STRATEGY_KEYS, &[], strategy),
        "continue-on-error" => one_of_ours("boolean"),
        "container" => one_of_ours("container"),
        "services" => json!({
            "type": ["object", "null"],
            "propertyNames": one_of_ours("id"),
            "additionalProperties": one_of_ours("service"),
        }),
        "gpus" => gpus(),
        "name" | "if" => one_of_ours("text"),
        _ => one_of_ours("unsupported"),
    }
}

fn environment(key: &str) -> Json {
    match key {
        "name" => one_of_ours("filled"),
        "deployment" => one_of_ours("boolean"),
        _ => one_of_ours("text"),
    }
}

fn strategy(key: &str) -> Json {
    match key {
        "fail-fast" => one_of_ours("boolean"),
        "max-parallel" => json!({
            "anyOf": [{ "type": "integer", "minimum": 1 }, one_of_ours("expression")],
        }),
        _ => {
            let combinations = json!({
                "anyOf": [
                    one_of_ours("expression"),
                    { "type": "array", "items": { "anyOf": [{ "type": "object" }, one_of_ours("expression")] } },
                ],
            });
            json!({
                "anyOf": [
                    one_of_ours("expression"),
                    {
                        "type": "object",
                        "minProperties": 1,
                        "properties": { "include": combinations, "exclude": combinations },
                        "additionalProperties": {
                            "anyOf": [one_of_ours("expression"), { "type": "array", "minItems": 1 }],
                        },
                    },
                ],
            })
        }
    }
}

/// `container:`, and each of `services:`.
fn container(keys: &[&str]) -> Json {
    let value = |key: &str| match key {
        "env" => one_of_ours("named-texts"),
        "ports" | "volumes" => one_of_ours("list"),
        "credentials" => mapping(CREDENTIAL_KEYS, CREDENTIAL_KEYS, |_| one_of_ours("text")),
        _ => one_of_ours("text"),
    };
    json!({ "anyOf": [one_of_ours("text"), mapping(keys, &["image"], value)] })
}

/// Texts, or one expression that gives them.
fn list() -> Json {
    json!({
        "anyOf": [
            { "type": "null" },
            one_of_ours("expression"),
            { "type": "array", "items": one_of_ours("filled") },
        ],
    })
}

/// `gpus:`, which GitHub does not have.
fn gpus() -> Json {
    let count = json!({
        "anyOf": [{ "enum": ["all"] }, { "type": "integer", "minimum": 0 }, one_of_ours("expression")],
    });
    let both = mapping(GPU_KEYS, &["count"], |_| one_of_ours("filled"));
    json!({
        "description": "Graphics processors of the job: a number or `all`. Not a key of GitHub's.",
        "anyOf": [count, both],
    })
}

fn step() -> Json {
    let mut step = mapping(STEP_KEYS, &[], |key| match key {
        "id" => json!({ "type": "string", "$ref": "#/$defs/id" }),
        "uses" => json!({
            "type": "string",
            "description": "`pawl/NAME`, `./FOLDER`, `OWNER/REPO[/PATH]@REF` or `docker://IMAGE`.",
            "pattern": "^(pawl/|\\./|\\.$|docker://.|[^/\\s]+/[^@\\s]+@\\S)",
        }),
        "with" | "env" => one_of_ours("named-texts"),
        "shell" => one_of_ours("shell"),
        "continue-on-error" => one_of_ours("boolean"),
        "timeout-minutes" => one_of_ours("minutes"),
        "retry" => one_of_ours("retry"),
        "cache-key" => one_of_ours("cache-key"),
        "background" => json!({ "type": "boolean" }),
        "wait" => one_of_ours("texts"),
        "wait-all" => json!({ "enum": [null, true] }),
        "cancel" => one_of_ours("filled"),
        "parallel" => json!({ "type": "array", "minItems": 1, "items": one_of_ours("step") }),
        _ => one_of_ours("text"),
    });
    // What belongs to the other kind of step is no key of this one.
    step["oneOf"] = json!([
        without(&["run"], &["with", "uses", "wait", "wait-all", "cancel", "parallel"]),
        without(
            &["uses"],
            &["run", "shell", "working-directory", "wait", "wait-all", "cancel", "parallel"],
        ),
        only("wait"),
        only("wait-all"),
        only("cancel"),
        without(&["parallel"], &others(&["parallel"])),
    ]);
    step
}

/// A step with these keys and none of those.
pub(crate) fn without(required: &[&str], refused: &[&str]) -> Json {
    let refused: Map<String, Json> =
        refused.iter().map(|key| ((*key).to_owned(), json!(false))).collect();
    json!({ "required": required, "properties": refused })
}

/// A step that only waits, or stops another.
fn only(key: &str) -> Json {
    let allowed: Vec<&str> = CONTROL_KEYS.iter().copied().chain([key]).collect();
    without(&[key], &others(&allowed))
}

fn others(allowed: &[&str]) -> Vec<&'static str> {
    STEP_KEYS.iter().copied().filter(|key| !allowed.contains(key)).collect()
}

fn cache_key() -> Json {
    let whole = mapping(CACHE_KEYS, &[], |key| match key {
        "key" => one_of_ours("text"),
        _ => one_of_ours("texts"),
    });
    json!({
        "description": "An unchanged step is skipped: the same script, environment, key and content of `inputs`; `outputs` come back.",
        "anyOf": [one_of_ours("text"), whole],
    })
}

fn retry(key: &str) -> Json {
    match key {
        "attempts" => json!({ "type": "integer", "minimum": 1, "maximum": MAX_ATTEMPTS as u32 }),
        "on" => {
            let word = json!({ "enum": ["failure", "timeout", "lost"] });
            json!({ "anyOf": [word, { "type": "array", "items": word }] })
        }
        _ => json!({
            "description": "A pause of at most five minutes: seconds, or a number with ms, s or m.",
            "type": ["number", "string"],
            "minimum": 0,
            "pattern": "^\\s*[0-9.]+\\s*(ms|s|m)?$",
        }),
    }
}

fn triggers() -> Json {
    let names: Vec<&str> =
        EVENTS.iter().map(|event| event.name).filter(|name| *name != "schedule").collect();
    let properties: Map<String, Json> =
        EVENTS.iter().map(|event| (event.name.to_owned(), trigger(event))).collect();
    json!({
        "anyOf": [
            { "enum": names },
            { "type": "array", "minItems": 1, "items": { "enum": names } },
            {
                "type": "object",
                "minProperties": 1,
                "properties": properties,
                "additionalProperties": false,
            },
        ],
    })
}

fn trigger(event: &Event) -> Json {
    if event.name == "schedule" {
        let one = mapping(SCHEDULE_KEYS, &["cron"], |key| match key {
            "cron" => one_of_ours("filled"),
            _ => one_of_ours("unsupported"),
        });
        return json!({ "type": "array", "items": one });
    }
    let properties: Map<String, Json> =
        event.keys.iter().map(|key| ((*key).to_owned(), trigger_key(event, key))).collect();
    let mut fields =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if event.name == "workflow_run" {
        fields["required"] = json!(["workflows"]);
    }
    let conflicts: Vec<Json> = ["branches", "tags", "paths"]
        .iter()
        .filter(|key| event.keys.contains(key))
        .map(|key| json!({ "not": { "required": [key, format!("{key}-ignore")] } }))
        .collect();
    if !conflicts.is_empty() {
        fields["allOf"] = json!(conflicts);
    }
    or_nothing(fields)
}

fn trigger_key(event: &Event, key: &str) -> Json {
    let named = |value: Json| {
        json!({
            "type": ["object", "null"],
            "propertyNames": { "pattern": "\\S" },
            "additionalProperties": value,
        })
    };
    match key {
        "types" if !event.types.is_empty() => {
            let word = json!({ "enum": event.types });
            json!({ "anyOf": [word, { "type": "array", "items": word }] })
        }
        "inputs" if event.name == "workflow_call" => {
            let mut input = mapping(CALLED_INPUT_KEYS, &["type"], input);
            input["properties"]["type"] = json!({ "enum": CALLED_INPUT_TYPES });
            named(input)
        }
        "inputs" => {
            let mut input = mapping(INPUT_KEYS, &[], input);
            input["if"] = json!({
                "properties": { "type": { "const": "choice" } },
                "required": ["type"],
            });
            input["then"] = json!({ "required": ["options"] });
            named(or_nothing(input))
        }
        "outputs" => named(mapping(OUTPUT_KEYS, &["value"], |key| match key {
            "value" => one_of_ours("text"),
            _ => json!(true),
        })),
        // Names of secrets are not ids: GitHub takes any.
        "secrets" => json!({
            "type": ["object", "null"],
            "additionalProperties": or_nothing(mapping(SECRET_KEYS, &[], |key| match key {
                "required" => json!({ "type": "boolean" }),
                _ => json!(true),
            })),
        }),
        "names" | "versions" => json!(true),
        _ => one_of_ours("texts"),
    }
}

fn input(key: &str) -> Json {
    match key {
        "type" => json!({ "enum": INPUT_TYPES }),
        "required" => json!({ "type": "boolean" }),
        "default" => one_of_ours("text"),
        "options" => json!({ "type": "array", "items": one_of_ours("filled") }),
        _ => json!(true),
    }
}

#[cfg(test)]
mod tests {
    use super::schema;
    use serde_json::Value as Json;

    fn references(value: &Json, found: &mut Vec<String>) {
        match value {
            Json::Object(object) => {
                found.extend(object.get("$ref").and_then(Json::as_str).map(str::to_owned));
                object.values().for_each(|inner| references(inner, found));
            }
            Json::Array(items) => items.iter().for_each(|inner| references(inner, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_a_definition_and_every_definition_is_used() {
        let schema = schema();
        let mut used = Vec::new();
        references(&schema, &mut used);
        used.sort_unstable();
        used.dedup();
        let defined = schema["$defs"].as_object().expect("there are definitions");
        let mut names: Vec<String> = defined.keys().map(|name| format!("#/$defs/{name}")).collect();
        names.sort_unstable();
        assert_eq!(used, names);
    }
}
