//! The built-in actions as the planner needs to know them.

use indexmap::IndexMap;
use pawl_actions::action::{InputSpec, InputType, Manifest, Place};
use pawl_actions::registry::{self, Builtin};
use pawl_core::plan;
use pawl_core::planner::{ActionManifest, InputKind, InputManifest};

/// All built-in actions by name after `pawl/`.
pub(crate) fn builtins() -> IndexMap<String, ActionManifest> {
    let manifests = registry::all().iter().map(Builtin::manifest);
    manifests.map(|manifest| (manifest.name.clone(), planned(manifest))).collect()
}

fn planned(manifest: &Manifest) -> ActionManifest {
    ActionManifest {
        place: match manifest.place {
            Place::Job => plan::Place::Job,
            Place::Runner => plan::Place::Runner,
        },
        has_post: manifest.post,
        inputs: manifest.inputs.iter().map(|(name, spec)| (name.clone(), input(spec))).collect(),
        outputs: manifest.outputs.keys().cloned().collect(),
    }
}

fn input(spec: &InputSpec) -> InputManifest {
    InputManifest {
        required: spec.required,
        default: spec.default.clone(),
        kind: match spec.kind {
            InputType::String => InputKind::Text,
            InputType::Path => InputKind::Path,
            InputType::Number => InputKind::Number,
            InputType::Integer => InputKind::Integer,
            InputType::Boolean => InputKind::Boolean,
            InputType::Choice => InputKind::Choice(spec.options.clone()),
        },
    }
}
