//! Who waits for dead children. As PID 1 the agent inherits every orphan of its container and must bury it; inside
//! the runner's own process it must only ever wait for the steps that it started.

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, WaitStatus};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Waits for steps.
#[derive(Debug, Clone)]
pub(crate) enum Reaper {
    /// Waits for one child at a time and leaves all others alone.
    Own,
    /// Buries everything, as PID 1 must.
    Init(Arc<Burial>),
}

/// What the burying thread shares with those who wait for a step.
#[derive(Debug, Default)]
pub(crate) struct Burial {
    /// Status of a step's leader, `None` while it lives. Held during a spawn, so that a leader that dies at once is
    /// not taken for an orphan, and so that the standard library's own wait for a failed exec is not disturbed.
    leaders: Mutex<HashMap<Pid, Option<WaitStatus>>>,
    changed: Condvar,
}

impl Reaper {
    /// The reaper of PID 1, with its thread.
    pub(crate) fn init() -> std::io::Result<Self> {
        let burial = Arc::new(Burial::default());
        let shared = Arc::clone(&burial);
        std::thread::Builder::new().name("reaper".to_owned()).spawn(move || shared.bury())?;
        Ok(Self::Init(burial))
    }

    /// Runs `spawn` and remembers the child that it makes.
    pub(crate) fn spawn<E>(&self, spawn: impl FnOnce() -> Result<Pid, E>) -> Result<Pid, E> {
        match self {
            Self::Own => spawn(),
            Self::Init(burial) => {
                let mut leaders = burial.lock();
                let pid = spawn()?;
                leaders.insert(pid, None);
                burial.changed.notify_all();
                Ok(pid)
            }
        }
    }

    /// Waits until the child is dead. `None` when somebody else took its status.
    pub(crate) fn wait(&self, pid: Pid) -> Option<WaitStatus> {
        match self {
            Self::Own => loop {
                match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
                    Ok(Some((_, status))) => return Some(status),
                    Ok(None) | Err(rustix::io::Errno::INTR) => {}
                    Err(_) => return None,
                }
            },
            Self::Init(burial) => {
                let mut leaders = burial.lock();
                while matches!(leaders.get(&pid), Some(None)) {
                    leaders = burial.changed.wait(leaders).unwrap_or_else(PoisonError::into_inner);
                }
                leaders.remove(&pid).flatten()
            }
        }
    }
}

impl Burial {
    fn lock(&self) -> MutexGuard<'_, HashMap<Pid, Option<WaitStatus>>> {
        self.leaders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bury(&self) {
        loop {
            // Only looks: the taking happens under the lock.
            let _ =
                rustix::process::waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            let mut leaders = self.lock();
            let childless = loop {
                match rustix::process::wait(WaitOptions::NOHANG) {
                    Ok(Some((pid, status))) => {
                        if let Some(place) = leaders.get_mut(&pid) {
                            *place = Some(status);
                        }
                    }
                    Ok(None) => break false,
                    Err(_) => break true,
                }
            };
            self.changed.notify_all();
            if childless {
                // Without a child nobody can leave an orphan: wait for the next spawn, which needs this lock.
                drop(self.changed.wait(leaders).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}
