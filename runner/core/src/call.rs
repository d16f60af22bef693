//! Workflows that jobs call, as part of the plan, and the inputs that a call gives.

use crate::contexts::EvaluationError;
use crate::expr::{Contexts, Template, Value};
use crate::group::PlannedGroup;
use crate::plan::PlannedJob;
use crate::yaml::json_number;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Deepest nesting of workflows, the first one included: GitHub's limit.
pub const MAX_LEVELS: usize = 10;

/// Most different workflows that one file may call, those of its calls included: GitHub's limit.
pub const MAX_WORKFLOWS: usize = 50;

/// A workflow that a job calls instead of running steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedCall {
    /// `uses:` as written.
    pub uses: String,
    /// Path of the called file.
    pub file: String,
    /// The called workflow's own name.
    pub name: String,
    /// Every declared input: given by the caller, else its default.
    #[serde(default)]
    pub inputs: IndexMap<String, CallInput>,
    /// The secrets that the called workflow sees.
    #[serde(default)]
    pub secrets: SecretPassing,
    /// `env` of the called workflow. That of the caller does not reach it.
    #[serde(default)]
    pub env: IndexMap<String, Template>,
    /// `on.workflow_call.outputs`
    #[serde(default)]
    pub outputs: IndexMap<String, Template>,
    /// `concurrency` of the called workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<PlannedGroup>,
    /// Its jobs.
    pub jobs: Vec<PlannedJob>,
}

/// One input of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallInput {
    /// What it takes.
    pub kind: CallInputKind,
    /// The value; `None` is the empty value of the type.
    pub value: Option<Template>,
    /// The value is the declaration's default, which sees nothing of the caller's jobs.
    #[serde(default)]
    pub is_default: bool,
}

/// What an input of a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallInputKind {
    /// Any text.
    String,
    /// `true` or `false`, not as text.
    Boolean,
    /// A number, not as text.
    Number,
}

/// The secrets that a call passes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretPassing {
    /// All that the caller itself has.
    Inherit,
    /// Those named, by the called workflow's names.
    Named(IndexMap<String, Template>),
}

impl Default for SecretPassing {
    fn default() -> Self {
        Self::Named(IndexMap::new())
    }
}

impl PlannedCall {
    /// The values of all inputs. `caller` are the contexts of the calling job, `bare` those that defaults may see.
    ///
    /// # Errors
    /// An expression fails, or gives a value of another type than the input has.
    pub fn evaluated_inputs(
        &self,
        caller: &Contexts<'_>,
        bare: &Contexts<'_>,
    ) -> Result<Map<String, Json>, EvaluationError> {
        let one = |(name, input): (&String, &CallInput)| {
            let contexts = if input.is_default { bare } else { caller };
            let value = input
                .evaluated(contexts)
                .map_err(|message| EvaluationError { key: format!("with.{name}"), message })?;
            Ok((name.clone(), value))
        };
        self.inputs.iter().map(one).collect()
    }
}

impl CallInput {
    fn evaluated(&self, contexts: &Contexts<'_>) -> Result<Json, String> {
        let Some(template) = &self.value else { return Ok(self.kind.empty()) };
        if template.is_literal() {
            return self.kind.literal(template.source());
        }
        let value = template.evaluate(contexts).map_err(|error| error.to_string())?;
        self.kind.typed(&value)
    }
}

impl CallInputKind {
    /// What an input is worth that is neither given nor has a default.
    pub fn empty(self) -> Json {
        match self {
            Self::String => Json::String(String::new()),
            Self::Boolean => Json::Bool(false),
            Self::Number => json_number(0.0).unwrap_or(Json::Null),
        }
    }

    /// A value that is written without an expression.
    ///
    /// # Errors
    /// It is no value of this type.
    pub fn literal(self, text: &str) -> Result<Json, String> {
        let number = || text.trim().parse::<f64>().ok().and_then(json_number);
        match self {
            Self::String => Ok(Json::String(text.to_owned())),
            Self::Boolean if text == "true" => Ok(Json::Bool(true)),
            Self::Boolean if text == "false" => Ok(Json::Bool(false)),
            Self::Boolean => Err(self.unfit(text)),
            Self::Number => number().ok_or_else(|| self.unfit(text)),
        }
    }

    /// The value of an expression: types are not converted, as on GitHub; only texts take any scalar.
    ///
    /// # Errors
    /// It is no value of this type.
    pub fn typed(self, value: &Value) -> Result<Json, String> {
        let json = Json::from(value);
        match (self, &json) {
            (Self::Boolean, Json::Bool(_)) | (Self::Number, Json::Number(_)) => Ok(json),
            (Self::String, Json::Array(_) | Json::Object(_)) => {
                Err("a list or a mapping is no text: use toJSON".to_owned())
            }
            (Self::String, _) => Ok(Json::String(value.to_text())),
            (Self::Boolean | Self::Number, _) => Err(self.unfit(&value.to_text())),
        }
    }

    fn unfit(self, text: &str) -> String {
        let (what, help) = match self {
            Self::String => ("a string", ""),
            Self::Boolean => ("a boolean", ": compare, as in inputs.x == 'true', or use fromJSON"),
            Self::Number => ("a number", ": use fromJSON"),
        };
        format!("Unexpected value '{text}', expected {what}{help}")
    }
}

#[cfg(test)]
mod tests {
    use super::CallInputKind;
    use crate::expr::Value;
    use serde_json::json;

    #[test]
    fn types_of_inputs_are_not_converted() {
        let text = Value::from(json!("true"));
        let truth = Value::from(json!(true));
        assert_eq!(CallInputKind::Boolean.typed(&truth), Ok(json!(true)));
        assert!(CallInputKind::Boolean.typed(&text).is_err());
        assert_eq!(CallInputKind::String.typed(&truth), Ok(json!("true")));
        assert!(CallInputKind::Number.typed(&Value::from(json!("3"))).is_err());
        assert!(CallInputKind::String.typed(&Value::from(json!([1]))).is_err());
        assert_eq!(CallInputKind::Number.literal("1.5"), Ok(json!(1.5)));
        assert!(CallInputKind::Boolean.literal("yes").is_err());
    }
}
