//! The JSON Schema of `action.yml` as GitHub has it: composite, JavaScript and Docker actions, for editors.
//!
//! The keys come from the tables that `pawl check` reads such files with, steps and texts from the schema of workflows.

use super::action::{
    ACTION_KEYS, COLORS, COMPOSITE_KEYS, DOCKER_KEYS, KINDS, NODE_KEYS, OUTPUT_KEYS,
};
use crate::workflow::schema::{self, mapping, one_of_ours, without};
use crate::workflow::steps;
use serde_json::{Map, Value as Json, json};

/// Definitions that both schemas share.
const SHARED: [&str; 6] = ["text", "filled", "named-texts", "id", "expression", "boolean"];

/// The schema of an ordinary action's file, JSON Schema draft 2020-12.
pub fn schema() -> Json {
    let mut definitions: Map<String, Json> = Map::new();
    let workflow = schema::schema();
    for name in SHARED {
        definitions.insert(name.to_owned(), workflow["$defs"][name].clone());
    }
    definitions.insert("shell".to_owned(), workflow["$defs"]["shell"].clone());
    definitions.insert("step".to_owned(), step());
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Action",
        "description": "`action.yml` of a composite, JavaScript or Docker action, as far as a schema can say it.",
    });
    if let (Json::Object(whole), Json::Object(keys)) =
        (&mut whole, mapping(ACTION_KEYS, &["runs"], root))
    {
        whole.extend(keys);
    }
    whole["$defs"] = Json::Object(definitions);
    whole
}

fn root(key: &str) -> Json {
    match key {
        "inputs" => named(json!({ "type": "object", "properties": {
            "description": one_of_ours("text"),
            "deprecationMessage": one_of_ours("text"),
            "default": one_of_ours("text"),
            "required": { "type": "boolean" },
        } })),
        "outputs" => named(mapping(OUTPUT_KEYS, &[], |_| one_of_ours("text"))),
        "branding" => mapping(&["icon", "color"], &[], |key| match key {
            "color" => json!({ "enum": COLORS }),
            _ => one_of_ours("filled"),
        }),
        "runs" => runs(),
        _ => one_of_ours("text"),
    }
}

/// A mapping with names of one's own.
fn named(value: Json) -> Json {
    json!({ "type": "object", "propertyNames": { "pattern": "\\S" }, "additionalProperties": value })
}

fn runs() -> Json {
    let nodes: Vec<&str> = KINDS.iter().copied().filter(|kind| kind.starts_with("node")).collect();
    let mut kinds = [
        mapping(
            COMPOSITE_KEYS,
            &["using", "steps"],
            |_| json!({ "type": "array", "items": one_of_ours("step") }),
        ),
        mapping(NODE_KEYS, &["using", "main"], |_| one_of_ours("filled")),
        mapping(DOCKER_KEYS, &["using", "image"], |key| match key {
            "args" => json!({ "type": "array", "items": one_of_ours("text") }),
            "env" => one_of_ours("named-texts"),
            _ => one_of_ours("filled"),
        }),
    ];
    for (kind, using) in
        kinds.iter_mut().zip([json!(["composite"]), json!(nodes), json!(["docker"])])
    {
        kind["properties"]["using"] = json!({ "enum": using });
    }
    json!({ "oneOf": kinds })
}

fn step() -> Json {
    let mut step = mapping(steps::COMPOSITE_KEYS, &[], |key| match key {
        "id" => json!({ "type": "string", "$ref": "#/$defs/id" }),
        "with" | "env" => one_of_ours("named-texts"),
        "shell" => one_of_ours("shell"),
        "continue-on-error" => one_of_ours("boolean"),
        _ => one_of_ours("text"),
    });
    step["oneOf"] = json!([
        without(&["run", "shell"], &["uses", "with"]),
        without(&["uses"], &["run", "shell", "working-directory"]),
    ]);
    step
}
