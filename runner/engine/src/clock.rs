//! The machine's own clock.

use pawl_core::event::UnixMs;
use pawl_core::ports::Clock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the machine's time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> UnixMs {
        // A clock before 1970 or 292 million years after it tells nothing: 0 and the greatest number are as good.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMs::try_from(since.as_millis()).unwrap_or(UnixMs::MAX)
    }
}
