//! Why a run could not be carried through, and whose fault it is.

use pawl_core::ids::RunId;
use pawl_core::ports::JournalError;
use pawl_core::state::{IllegalEvent, RunState};

/// Whose fault an error is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The user's input: exit code 2.
    Input,
    /// The machine, the container engine, the disk: exit code 3.
    Environment,
    /// Ours: exit code 4.
    Ours,
}

impl ErrorClass {
    /// The exit code of the program.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Input => 2,
            Self::Environment => 3,
            Self::Ours => 4,
        }
    }
}

/// Why a run could not be carried through. A run that failed is a result, not an error.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// User: a run of this name is there already.
    #[error("run {0} exists already: resume it, or choose another name")]
    Exists(RunId),
    /// User: a living process works on the run.
    #[error("another process works on run {0}")]
    Busy(RunId),
    /// User: the run was in a concurrency group that another run is in now.
    #[error("run {run} was in the concurrency group '{group}', and another run is in it now")]
    GroupTaken {
        /// The run.
        run: RunId,
        /// The group.
        group: String,
    },
    /// User: a run that was started with secrets is resumed without them; their values are nowhere on disk.
    #[error("run {run} was started with secrets that are missing now: {}", .names.join(", "))]
    SecretsMissing {
        /// The run.
        run: RunId,
        /// The names that were not given.
        names: Vec<String>,
    },
    /// Environment: the executor could not do its work. The run was ended in order and recorded.
    #[error("{message}")]
    Environment {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
        /// How the run ended.
        state: Box<RunState>,
    },
    /// Environment: the work folder cannot be made or removed.
    #[error("cannot use the work folder {folder}: {message}")]
    Workspace {
        /// The folder.
        folder: String,
        /// The system's words.
        message: String,
    },
    /// The journal refused or failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Ours: a decision does not fit the state, or the journal was written by something else.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// Ours: a part broke its contract. The run was ended in order and recorded.
    #[error("{0}")]
    Internal(String),
}

impl EngineError {
    /// Whose fault it is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Exists(_)
            | Self::Busy(_)
            | Self::GroupTaken { .. }
            | Self::SecretsMissing { .. } => ErrorClass::Input,
            Self::Environment { .. } | Self::Workspace { .. } => ErrorClass::Environment,
            Self::Journal(error) => match error {
                JournalError::Unknown(_) => ErrorClass::Input,
                JournalError::Storage(_) | JournalError::Corrupt(_) => ErrorClass::Environment,
                JournalError::Conflict { .. } => ErrorClass::Ours,
            },
            Self::Illegal(_) | Self::Internal(_) => ErrorClass::Ours,
        }
    }

    /// What to do about it, where we know.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Environment { hint, .. } if !hint.is_empty() => Some(hint),
            Self::SecretsMissing { .. } => Some("give them again with --secret or --secret-file"),
            Self::Busy(_) => Some("wait for it, or end that process"),
            Self::GroupTaken { .. } => Some("resume it once the other run is over"),
            Self::Workspace { .. } => Some("check the permissions and the free space of the store"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EngineError, ErrorClass};
    use pawl_core::ids::RunId;
    use pawl_core::ports::JournalError;

    #[test]
    fn classes_have_the_documented_exit_codes() {
        let run = RunId("r".to_owned());
        let cases = [
            (EngineError::Busy(run.clone()), ErrorClass::Input, 2),
            (JournalError::Unknown("r".to_owned()).into(), ErrorClass::Input, 2),
            (JournalError::Storage("full".to_owned()).into(), ErrorClass::Environment, 3),
            (JournalError::Conflict { run, expected: 1, found: 2 }.into(), ErrorClass::Ours, 4),
            (EngineError::Internal("oops".to_owned()), ErrorClass::Ours, 4),
        ];
        for (error, class, code) in cases {
            assert_eq!((error.class(), error.class().exit_code()), (class, code), "{error}");
        }
    }
}
