//! What a workflow may ask of a container, in Docker's own words: options, volumes, ports. Pure.
//!
//! Everything is an allow-list. What is not on it is refused by name: before anything starts where the text is known, and when
//! the container is about to be made where it comes from an expression.

mod options;
mod ports;
mod tokens;
mod volumes;

pub use options::{ContainerOptions, Health, Role, Ulimit, options};
pub use ports::{PortMapping, Protocol, ports};
pub use tokens::command_words;
pub use volumes::{Volume, VolumeSource, forbidden_source, volume};

use crate::diagnostic::Code;
use serde::{Deserialize, Serialize};

/// Something that a container does not get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind.
    pub code: Code,
    /// Byte offset in the text where it is written.
    pub offset: usize,
    /// What is wrong, with the option's name.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Fault {
    fn new(code: Code, offset: usize, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, offset, message: message.into(), help: help.into() }
    }

    fn at(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.message, self.help)
    }
}

/// Graphics processors of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpus {
    /// How many; `None` is all.
    pub count: Option<u32>,
    /// Only these, by number or name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Memory that each of them must have at least, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// Name and password at a registry. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password or token.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(***)")
    }
}
