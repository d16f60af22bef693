//! PROVISIONAL so that others can compile: the helper who writes the expression language replaces this file.
use serde::{Deserialize, Serialize};
/// Provisional.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(pub String);
/// Provisional.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Condition(pub String);
