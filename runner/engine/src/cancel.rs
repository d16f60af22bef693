//! The request to stop a run: the first one in order, the second one at once.

use std::sync::Arc;
use tokio::sync::watch;

/// How strongly a stop was asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Asked {
    /// How often.
    pub(crate) times: u32,
    /// Why, as the first one said.
    pub(crate) reason: String,
}

/// A handle to stop a run with. Clones are the same handle.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<watch::Sender<Asked>>);

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    /// A handle that nobody has used yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Asked::default())))
    }

    /// Asks to stop. The first request interrupts the steps and lets `if: always()` steps run; from the second on everything
    /// is killed at once. `reason` says why and by whom.
    pub fn request(&self, reason: &str) {
        self.0.send_modify(|asked| {
            asked.times = asked.times.saturating_add(1);
            if asked.times == 1 {
                reason.clone_into(&mut asked.reason);
            }
        });
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Asked> {
        let mut receiver = self.0.subscribe();
        // What was asked before the run began counts, too.
        receiver.mark_changed();
        receiver
    }
}
