//! `pawl models`

use crate::args::ModelsArgs;
use crate::error::CommandError;
use crate::output::json::rfc3339;
use crate::output::print;
use crate::store::{self, Store};
use pawl_core::registry::{Alias, ModelRegistry, ModelVersion};
use serde_json::{Value, json};

/// Lists models, versions and aliases.
pub(crate) async fn run(args: &ModelsArgs) -> Result<(), CommandError> {
    let store = store::open(&args.store)?;
    let names = match &args.model {
        None => store.registry.models().await?,
        Some(model) => vec![known(&store, model).await?],
    };
    let mut all = Vec::new();
    for name in names {
        let versions = store.registry.versions(&name).await?;
        let aliases = store.registry.aliases(&name).await?;
        if args.json {
            all.push(to_json(&name, &versions, &aliases));
        } else {
            show(&name, &versions, &aliases)?;
        }
    }
    match args.json {
        true => print(&json!({ "models": all }).to_string()),
        false => Ok(()),
    }
}

async fn known(store: &Store, model: &str) -> Result<String, CommandError> {
    let names = store.registry.models().await?;
    if names.iter().any(|name| name == model) {
        return Ok(model.to_owned());
    }
    let hint = match names.as_slice() {
        [] => "this store has no model yet; `pawl/gate` registers the models that it judges"
            .to_owned(),
        _ => format!("there are: {}", names.join(", ")),
    };
    Err(CommandError::input(format!("there is no model {model}"), hint))
}

fn to_json(name: &str, versions: &[ModelVersion], aliases: &[Alias]) -> Value {
    let aliases: serde_json::Map<_, _> =
        aliases.iter().map(|alias| (alias.alias.clone(), json!(alias.version))).collect();
    let versions: Vec<_> = versions
        .iter()
        .map(|version| {
            json!({
                "version": version.version, "digest": version.digest,
                "created": rfc3339(version.created_ms), "lineage": version.lineage,
            })
        })
        .collect();
    json!({ "model": name, "aliases": aliases, "versions": versions })
}

fn show(name: &str, versions: &[ModelVersion], aliases: &[Alias]) -> Result<(), CommandError> {
    print(name)?;
    for version in versions.iter().rev() {
        let names: Vec<_> = aliases
            .iter()
            .filter(|alias| alias.version == version.version)
            .map(|alias| alias.alias.as_str())
            .collect();
        let verdict =
            if version.lineage.verdict.is_empty() { "-" } else { &version.lineage.verdict };
        print(&format!(
            "  v{:<4} {:<12} {}  {}  {}",
            version.version,
            verdict,
            version.digest.get(..19).unwrap_or(&version.digest),
            rfc3339(version.created_ms),
            names.join(", ")
        ))?;
    }
    Ok(())
}
