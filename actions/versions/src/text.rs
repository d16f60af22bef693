//! Files that become visible only when they are whole.

use crate::VersionError;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::Builder;

/// Writes a small text file in one step: after a crash there is the old file or the new one, never a part.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), VersionError> {
    let fault = |error| VersionError::io(path, &error);
    let folder = path.parent().unwrap_or(Path::new("."));
    // The mode of a new file, less what the user masks; a file that is there keeps its own.
    let mut file = Builder::new()
        .prefix(".pawl-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(fault)?;
    if let Ok(known) = fs::metadata(path) {
        file.as_file().set_permissions(known.permissions()).map_err(fault)?;
    }
    file.write_all(text.as_bytes()).map_err(fault)?;
    file.as_file().sync_data().map_err(fault)?;
    file.persist(path).map_err(|error| VersionError::io(path, &error.error))?;
    Ok(())
}
