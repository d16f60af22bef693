//! What can go wrong, and whose fault it is.

use std::fmt::Display;
use std::io;
use std::path::Path;

/// Why a command of versions did not do its work. Nothing is left half done.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// The input is wrong: a pointer, a list, a setting, a path. The caller's turn.
    #[error("{place}: {reason}")]
    Input {
        /// The file, with its line where there is one.
        place: String,
        /// What is wrong.
        reason: String,
        /// What to do next.
        hint: String,
    },
    /// The machine or a remote is wrong: permissions, space, a server that does not answer.
    #[error("{place}: {reason}")]
    Environment {
        /// What was worked on.
        place: String,
        /// What was met.
        reason: String,
        /// What to do next.
        hint: String,
    },
}

impl VersionError {
    /// Wrong input at `place`.
    pub(crate) fn input(place: impl Display, reason: impl Display, hint: impl Display) -> Self {
        let (place, reason, hint) = (place.to_string(), reason.to_string(), hint.to_string());
        Self::Input { place, reason, hint }
    }

    /// Something outside that does not work.
    pub(crate) fn environment(
        place: impl Display,
        reason: impl Display,
        hint: impl Display,
    ) -> Self {
        let (place, reason, hint) = (place.to_string(), reason.to_string(), hint.to_string());
        Self::Environment { place, reason, hint }
    }

    /// `path` could not be read or written.
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space on the disk and repeat the command: it goes on where it stopped"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "check who may read and write there, and repeat the command"
            }
            _ => "check the path and the disk, and repeat the command",
        };
        Self::environment(path.display(), error, hint)
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            Self::Input { hint, .. } | Self::Environment { hint, .. } => hint,
        }
    }

    /// True when the caller's input is at fault.
    #[must_use]
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Input { .. })
    }
}
