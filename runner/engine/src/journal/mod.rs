//! Journals: where a run's events are kept.

mod claims;
pub mod memory;
mod pack;
pub mod sqlite;

use pawl_core::event::{Recorded, RunEvent};
use pawl_core::ids::RunId;
use pawl_core::ports::JournalError;

/// What an append must look like whatever the journal: numbers without a gap, and `RunRequested` of this run first.
fn check(run: &RunId, expected_seq: u64, events: &[Recorded]) -> Result<(), JournalError> {
    let gap = events.iter().zip(expected_seq + 1..).find(|(event, seq)| event.seq != *seq);
    if let Some((event, seq)) = gap {
        return Err(JournalError::Corrupt(format!(
            "event {} of run {run} was given where {seq} is next",
            event.seq
        )));
    }
    match events.first().map(|first| &first.event) {
        Some(RunEvent::RunRequested { run: named, .. }) if expected_seq == 0 && named == run => {
            Ok(())
        }
        Some(RunEvent::RunRequested { .. }) => {
            Err(JournalError::Corrupt(format!("run {run} was requested twice or as another run")))
        }
        Some(_) if expected_seq == 0 => {
            Err(JournalError::Corrupt(format!("run {run} does not begin with its request")))
        }
        _ => Ok(()),
    }
}
