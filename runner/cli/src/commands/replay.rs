//! `pawl replay`

use crate::args::ReplayArgs;
use crate::error::CommandError;
use crate::output::sink;
use crate::store;
use pawl_core::ports::Journal;
use pawl_core::state::RunState;

/// Shows a recorded run again, through the same output as the live one.
pub(crate) async fn run(args: &ReplayArgs) -> Result<(), CommandError> {
    let store = store::open(&args.store)?;
    let run = store::run_named(&store, args.run.as_deref()).await?;
    let events = store.journal.load(&run, 0).await?;
    let mut sink = sink(args.json, args.verbose, false);
    let mut state = RunState::new();
    for recorded in &events {
        state.apply(recorded).map_err(CommandError::internal)?;
        sink.event(recorded, &state);
    }
    sink.flush(&state, state.last_ms);
    Ok(())
}
