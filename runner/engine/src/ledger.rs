//! The events of one run on their way: recorded in its state, written durably, and only then shown.

use futures_util::poll;
use pawl_core::event::{Recorded, RunEvent};
use pawl_core::ids::RunId;
use pawl_core::ports::{Journal, JournalError};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Durable events that may wait for the reader before the loop stops taking in what steps print.
const OUTBOX: usize = 4096;

/// Events that may wait for the write before them. Beyond, the loop waits, and with it what steps print.
const WAITING: usize = 4096;

/// The same in bytes of lines, so that long lines do not pile up either.
const WAITING_BYTES: usize = 4 << 20;

/// Events that make a batch worth writing at once.
const BATCH: usize = 512;

/// How long lines and starts of steps may wait for company before they are written. The end of a short step comes within
/// this time, and then shares their trip to the disk; a person does not see the difference.
const LINGER: Duration = Duration::from_millis(5);

/// A write under way; it gives back what it wrote.
type Writing = Pin<Box<dyn Future<Output = (Vec<Recorded>, Result<(), JournalError>)> + Send>>;

/// Where a run's events are between the loop and the reader.
pub(crate) struct Ledger {
    journal: Arc<dyn Journal>,
    run: RunId,
    /// Recorded in the state, not yet given to the journal.
    batch: Vec<Recorded>,
    /// Bytes of lines in it.
    batch_bytes: usize,
    /// All of the batch may wait: nothing that is done depends on it.
    is_light: bool,
    /// Since when it waits.
    lingers: Option<Instant>,
    /// Given to the journal. At most one write at a time keeps their order; what comes meanwhile goes with the next.
    writing: Option<Writing>,
    /// Durable, not yet shown.
    outbox: VecDeque<Recorded>,
    /// The reader, as long as there is one.
    sink: Option<mpsc::Sender<Recorded>>,
}

impl Ledger {
    pub(crate) fn new(journal: Arc<dyn Journal>, run: RunId, sink: mpsc::Sender<Recorded>) -> Self {
        Self {
            journal,
            run,
            batch: Vec::new(),
            batch_bytes: 0,
            is_light: true,
            lingers: None,
            writing: None,
            outbox: VecDeque::new(),
            sink: Some(sink),
        }
    }

    /// Takes an event that the state has taken.
    pub(crate) fn push(&mut self, recorded: Recorded) {
        if let RunEvent::Log { text, .. } = &recorded.event {
            self.batch_bytes += text.len();
        }
        self.is_light &= is_light(&recorded.event);
        self.lingers.get_or_insert_with(Instant::now);
        self.batch.push(recorded);
    }

    /// True once everything is in the journal.
    pub(crate) fn is_written(&self) -> bool {
        self.batch.is_empty() && self.writing.is_none()
    }

    /// The reader keeps up: what steps print may be taken in.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox.len() < OUTBOX
    }

    /// Writes what there is. When this returns, it would survive a power cut and may be shown.
    ///
    /// # Errors
    ///
    /// The journal's.
    pub(crate) async fn commit(&mut self) -> Result<(), JournalError> {
        self.written().await?;
        self.start_writing();
        self.written().await
    }

    /// Writes what there is, but does not wait for a batch on which nothing depends.
    ///
    /// # Errors
    ///
    /// The journal's.
    pub(crate) async fn write(&mut self, has_effects: bool) -> Result<(), JournalError> {
        if has_effects || !self.is_light {
            return self.commit().await;
        }
        if self.batch.len() >= WAITING || self.batch_bytes >= WAITING_BYTES {
            self.written().await?;
        }
        if self.is_due() {
            self.start_writing();
        }
        if let Some(writing) = &mut self.writing
            && let Poll::Ready((events, result)) = poll!(writing)
        {
            self.take_written(events, result)?;
        }
        Ok(())
    }

    /// The batch has waited long enough, or is large, and no other write is under way.
    fn is_due(&self) -> bool {
        let is_large = self.batch.len() >= BATCH || self.batch_bytes >= WAITING_BYTES / 4;
        let has_waited = self.lingers.is_some_and(|since| since.elapsed() >= LINGER);
        self.writing.is_none() && (is_large || has_waited)
    }

    /// Time until the batch has waited long enough; none while a write is under way, whose end is waited for anyway.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let since = self.lingers.filter(|_| self.writing.is_none())?;
        Some(LINGER.saturating_sub(since.elapsed()))
    }

    fn start_writing(&mut self) {
        let Some(first) = self.batch.first() else { return };
        let expected = first.seq - 1;
        let events = std::mem::take(&mut self.batch);
        (self.batch_bytes, self.is_light, self.lingers) = (0, true, None);
        let (journal, run) = (Arc::clone(&self.journal), self.run.clone());
        self.writing = Some(Box::pin(async move {
            let result = journal.append(&run, expected, &events).await;
            (events, result)
        }));
    }

    /// Waits for the write under way.
    async fn written(&mut self) -> Result<(), JournalError> {
        if let Some(writing) = &mut self.writing {
            let (events, result) = writing.await;
            self.take_written(events, result)?;
        }
        Ok(())
    }

    fn take_written(
        &mut self,
        events: Vec<Recorded>,
        result: Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        self.writing = None;
        result?;
        if self.sink.is_some() {
            self.outbox.extend(events);
        }
        Ok(())
    }

    /// Something to go on with: a write under way, or events to show.
    pub(crate) fn is_busy(&self) -> bool {
        self.writing.is_some() || !self.outbox.is_empty()
    }

    /// Goes on with the write under way, or shows some events, whichever can be done first. True when a write ended. Nothing is
    /// lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// The journal's.
    pub(crate) async fn progress(&mut self) -> Result<bool, JournalError> {
        let writing = async {
            match &mut self.writing {
                Some(writing) => writing.await,
                None => std::future::pending().await,
            }
        };
        let has_mail = !self.outbox.is_empty();
        tokio::select! {
            biased;
            (events, result) = writing => {
                self.take_written(events, result)?;
                return Ok(true);
            }
            is_open = send_some(self.sink.as_ref(), &mut self.outbox), if has_mail => {
                if !is_open {
                    self.sink = None;
                    self.outbox.clear();
                }
            }
        }
        Ok(false)
    }

    /// Shows what is left.
    pub(crate) async fn show_rest(&mut self) {
        while !self.outbox.is_empty() {
            if !send_some(self.sink.as_ref(), &mut self.outbox).await {
                break;
            }
        }
    }
}

/// True for events that change nothing that decisions look at: a flood of lines asks for none.
pub(crate) fn is_light(event: &RunEvent) -> bool {
    matches!(
        event,
        RunEvent::Log { .. } | RunEvent::StepAnnotated { .. } | RunEvent::StepStarted { .. }
    )
}

/// Sends the first event, and as many more as there is room for. False when the reader went away. Nothing is lost when the
/// future is dropped.
async fn send_some(sink: Option<&mpsc::Sender<Recorded>>, outbox: &mut VecDeque<Recorded>) -> bool {
    let Some(sink) = sink else { return false };
    let Ok(mut permit) = sink.reserve().await else { return false };
    while let Some(event) = outbox.pop_front() {
        permit.send(event);
        match sink.try_reserve() {
            Ok(next) if !outbox.is_empty() => permit = next,
            _ => break,
        }
    }
    true
}
