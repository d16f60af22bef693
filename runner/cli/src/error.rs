//! The one place that turns errors into an exit code, a message and a hint.

use std::fmt;
use std::process::ExitCode;

/// What an exit code says. Documented in `docs/exit-codes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// 1: the workflow failed or was cancelled. Its own output says why, so that there is no message.
    Failed,
    /// 2: the input is wrong: a workflow, an option, a file.
    Input,
    /// 3: the environment is wrong: no Docker, a full disk, a port that is taken.
    Environment,
    /// 4: our own fault.
    Internal,
}

impl Class {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Input => 2,
            Self::Environment => 3,
            Self::Internal => 4,
        }
    }

    /// The word in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Input => "input",
            Self::Environment => "environment",
            Self::Internal => "internal",
        }
    }
}

/// Why a command ends with another code than 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandError {
    /// Whose fault it is.
    pub(crate) class: Class,
    /// What is wrong; empty when everything has been said already.
    pub(crate) message: String,
    /// What to do next; may be empty.
    pub(crate) hint: String,
}

impl CommandError {
    /// The workflow did not succeed; its own output has said so.
    pub(crate) fn failed() -> Self {
        Self { class: Class::Failed, message: String::new(), hint: String::new() }
    }

    /// The input is wrong.
    pub(crate) fn input(message: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self::new(Class::Input, message, hint)
    }

    /// The environment is wrong.
    pub(crate) fn environment(message: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self::new(Class::Environment, message, hint)
    }

    /// Our own fault.
    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        let hint =
            "this is a fault of pawl: please report it with the output of `pawl doctor --json`";
        Self::new(Class::Internal, message, hint)
    }

    fn new(class: Class, message: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self { class, message: message.to_string(), hint: hint.to_string() }
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.class.code())
    }

    /// The event that stands for it in JSON output.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "event": "error",
            "class": self.class.word(),
            "exit_code": self.class.code(),
            "message": self.message,
            "hint": self.hint,
        })
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for CommandError {}

/// A journal that cannot be read or written.
impl From<pawl_core::ports::JournalError> for CommandError {
    fn from(error: pawl_core::ports::JournalError) -> Self {
        use pawl_core::ports::JournalError as Journal;
        match &error {
            Journal::Unknown(_) => Self::input(&error, "`pawl runs` lists the runs of this store"),
            Journal::Conflict { .. } => {
                Self::environment(&error, "wait for the other process, or end it")
            }
            Journal::Storage(_) => {
                Self::environment(&error, "check the disk, or choose another place with --store")
            }
            Journal::Corrupt(_) => Self::environment(
                &error,
                "the store was written by another version, or damaged; choose another place with --store",
            ),
        }
    }
}

/// A registry or object store that refuses.
impl From<pawl_core::registry::RegistryError> for CommandError {
    fn from(error: pawl_core::registry::RegistryError) -> Self {
        use pawl_core::registry::RegistryError as Registry;
        match &error {
            Registry::Unknown(_) => {
                Self::input(&error, "`pawl models` lists models, versions and aliases")
            }
            Registry::Taken(_) => Self::input(&error, "choose another name"),
            Registry::Moved { .. } => {
                Self::environment(&error, "look at `pawl models` and try again")
            }
            Registry::Damaged(_) => {
                Self::environment(&error, "restore the object from a backup, or train again")
            }
            Registry::Storage(_) => {
                Self::environment(&error, "check the disk, or choose another place with --store")
            }
        }
    }
}
