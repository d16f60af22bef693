//! `pawl rollback`

use crate::args::RollbackArgs;
use crate::error::CommandError;

/// Provisional until the action lands.
pub(crate) async fn run(_args: &RollbackArgs) -> Result<(), CommandError> {
    Err(CommandError::internal("not wired yet"))
}
