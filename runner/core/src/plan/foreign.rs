//! Actions that bring a program of their own: in JavaScript, or in an image.

use crate::expr::{Condition, Template};
use crate::ids::StepPath;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// The Node that runs actions in JavaScript, as this machine has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRuntime {
    /// Such as `v24.1.0`.
    pub version: String,
    /// Folder with Node and its libraries, mounted read-only into containers.
    pub folder: String,
    /// The program for jobs on the host itself.
    pub program: String,
}

/// Where containers have [`NodeRuntime::folder`].
pub const NODE_FOLDER: &str = "/pawl/node";

/// What a step with such an action runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeignAction {
    /// As written in `uses:`.
    pub uses: String,
    /// Folder of the action on the runner's host; empty for an image by itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub folder: String,
    /// What runs.
    pub program: ForeignProgram,
    /// `with:` and the defaults of the inputs.
    #[serde(default)]
    pub with: IndexMap<String, Template>,
    /// What runs before the job's steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre: Option<ForeignPhase>,
    /// What runs after them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<ForeignPhase>,
}

/// A program before or after the job's steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeignPhase {
    /// What runs.
    pub program: ForeignProgram,
    /// When.
    pub condition: Condition,
}

/// A program of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "kebab-case")]
pub enum ForeignProgram {
    /// A script for Node, in the job's sandbox.
    Node {
        /// What the action declares, such as `node20`.
        using: String,
        /// The script, relative to the action's folder.
        script: String,
    },
    /// A container of its own beside the job's.
    Container {
        /// Its image.
        image: ForeignImage,
        /// Instead of the image's own entry point.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entrypoint: Option<Template>,
        /// Instead of the image's own arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args: Option<ForeignArgs>,
        /// Environment of the action's own file, under everything else.
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        env: IndexMap<String, Template>,
    },
}

/// Arguments of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForeignArgs {
    /// One by one, from the action's file.
    List(Vec<Template>),
    /// One line, from `with.args`, split as a shell splits words.
    Line(Template),
}

/// An image of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForeignImage {
    /// By its name.
    Name(String),
    /// Built from this Dockerfile, relative to the action's folder.
    Dockerfile(String),
}

/// Marks a step of the plan that belongs to another one: an action's program before or after the job's steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Which side.
    pub at: PhaseAt,
    /// The step that uses the action.
    pub main: StepPath,
}

/// Before or after the job's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseAt {
    /// Before all of them.
    Pre,
    /// After all of them.
    Post,
}
