//! The runner's end of the connection to an agent.

use crate::agent::frame::{FRAME_LIMIT, Order, Report, StepOrder, WINDOW, encode};
use crate::agent::log::cost;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use pawl_core::event::Stream;
use pawl_core::ids::StepUid;
use pawl_core::ports::{StepExit, StepRequest, StepSignal, StopLadder};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

/// Pause between signs of life. An agent that hears none for five times as long stops to hold back steps for us.
const PING_EVERY: Duration = Duration::from_secs(2);

/// Longest wait for an answer. The agent answers in a millisecond; a machine may be loaded, not that loaded.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Orders queued for the connection: a few per step that runs at the same time.
const ORDERS: usize = 256;

/// Why the agent did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// Environment: the connection ended.
    #[error("the connection to the job's agent ended")]
    Gone,
    /// Environment or ours: the agent is there and silent.
    #[error("the job's agent did not answer within {} s", ANSWER_WITHIN.as_secs())]
    Silent,
}

/// What arrives for one follow.
#[derive(Debug)]
enum Item {
    Lines { from: u64, lines: Vec<(Stream, String)> },
    Exit(Box<StepExit>),
    Unknown,
}

#[derive(Debug, Default)]
struct Routes {
    answers: HashMap<u64, oneshot::Sender<Report>>,
    /// Unbounded in type only: the agent keeps at most `WINDOW` bytes in flight per follow.
    follows: HashMap<u64, mpsc::UnboundedSender<Item>>,
    /// Follows asked for together with the start, and not yet taken by `Link::follow`. A round trip through the engine
    /// costs as much as a short step.
    early: HashMap<StepUid, Early>,
    gone: bool,
}

/// A follow from the first line that nobody reads yet.
type Early = (u64, mpsc::UnboundedReceiver<Item>);

/// One connection to one agent.
#[derive(Debug)]
pub(crate) struct Link {
    orders: mpsc::Sender<Vec<u8>>,
    routes: Arc<Mutex<Routes>>,
    next_id: AtomicU64,
    reader: AbortHandle,
}

impl Routes {
    /// A connection that is gone gives a channel that has ended.
    fn expect_follow(&mut self, id: u64) -> mpsc::UnboundedReceiver<Item> {
        let (sender, items) = mpsc::unbounded_channel();
        if !self.gone {
            self.follows.insert(id, sender);
        }
        items
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn lock(routes: &Mutex<Routes>) -> MutexGuard<'_, Routes> {
    routes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// Takes over a connection. What the agent sent to an earlier runner and is still under way is skipped.
    pub(crate) fn new(
        input: BoxStream<'static, io::Result<Bytes>>,
        output: Pin<Box<dyn AsyncWrite + Send>>,
    ) -> Self {
        let routes = Arc::new(Mutex::new(Routes::default()));
        let (orders, queue) = mpsc::channel(ORDERS);
        tokio::spawn(write_orders(queue, output));
        let reader = tokio::spawn(read_reports(input, Arc::clone(&routes))).abort_handle();
        // Numbers of an earlier runner must not come again: start anywhere, far below the top.
        let first = u64::from(random_u32()) << 24;
        Self { orders, routes, next_id: AtomicU64::new(first), reader }
    }

    fn id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn is_gone(&self) -> bool {
        lock(&self.routes).gone
    }

    /// Waits until the agent answers at all. A leading line end closes what an earlier runner left half-written.
    pub(crate) async fn greet(&self) -> Result<(), LinkError> {
        self.send_bytes(b"\n".to_vec()).await?;
        let session = self.id();
        self.ask(session, &Order::Hello { session }).await.map(drop)
    }

    /// Starts a step, and has its lines sent at once.
    pub(crate) async fn start(&self, request: &StepRequest) -> Result<(), LinkError> {
        let (id, follow) = (self.id(), self.id());
        let items = lock(&self.routes).expect_follow(follow);
        let step = Box::new(StepOrder::from(request));
        let answer = self.ask(id, &Order::Start { id, follow, step }).await;
        let mut routes = lock(&self.routes);
        if matches!(answer, Ok(Report::Started { fresh: true, .. })) {
            routes.early.insert(request.uid.clone(), (follow, items));
        } else {
            routes.follows.remove(&follow);
        }
        answer.map(drop)
    }

    pub(crate) async fn knows(&self, uid: &StepUid) -> Result<bool, LinkError> {
        let id = self.id();
        let answer = self.ask(id, &Order::Query { id, uid: uid.clone() }).await?;
        Ok(matches!(answer, Report::Known { known: true, .. }))
    }

    pub(crate) async fn stop(&self, uid: &StepUid, ladder: StopLadder) -> Result<(), LinkError> {
        let StopLadder { interrupt_ms, terminate_ms } = ladder;
        self.send(&Order::Stop { uid: uid.clone(), interrupt_ms, terminate_ms }).await
    }

    /// Kills everything that steps have left.
    pub(crate) async fn close(&self) -> Result<(), LinkError> {
        let id = self.id();
        self.ask(id, &Order::Close { id }).await.map(drop)
    }

    pub(crate) async fn follow(
        self: &Arc<Self>,
        uid: &StepUid,
        from: u64,
    ) -> Result<Follow, LinkError> {
        let early = lock(&self.routes).early.remove(uid).filter(|_| from == 0);
        let (id, items) = match early {
            Some(early) => early,
            None => {
                let id = self.id();
                let items = lock(&self.routes).expect_follow(id);
                self.send(&Order::Follow { id, uid: uid.clone(), from }).await?;
                (id, items)
            }
        };
        Ok(Follow {
            link: Arc::clone(self),
            uid: uid.clone(),
            id,
            items,
            ready: VecDeque::new(),
            unacked: 0,
            next: from,
        })
    }

    async fn ask(&self, id: u64, order: &Order) -> Result<Report, LinkError> {
        let (sender, answer) = oneshot::channel();
        {
            let mut routes = lock(&self.routes);
            if routes.gone {
                return Err(LinkError::Gone);
            }
            routes.answers.insert(id, sender);
        }
        self.send(order).await?;
        match tokio::time::timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(_)) => Err(LinkError::Gone),
            Err(_) => {
                lock(&self.routes).answers.remove(&id);
                Err(LinkError::Silent)
            }
        }
    }

    async fn send(&self, order: &Order) -> Result<(), LinkError> {
        self.send_bytes(encode(order)).await
    }

    async fn send_bytes(&self, bytes: Vec<u8>) -> Result<(), LinkError> {
        match tokio::time::timeout(ANSWER_WITHIN, self.orders.send(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(LinkError::Gone),
            Err(_) => Err(LinkError::Silent),
        }
    }
}

fn random_u32() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    // The seed of every new hasher comes from the system's randomness.
    let number = RandomState::new().hash_one(0_u8);
    u32::try_from(number >> 32).expect("32 bits are left")
}

async fn write_orders(
    mut queue: mpsc::Receiver<Vec<u8>>,
    mut output: Pin<Box<dyn AsyncWrite + Send>>,
) {
    loop {
        let bytes = match tokio::time::timeout(PING_EVERY, queue.recv()).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break,
            Err(_) => encode(&Order::Ping),
        };
        if output.write_all(&bytes).await.is_err() || output.flush().await.is_err() {
            break;
        }
    }
    // The connection is ended by dropping it: a shutdown would close the agent's input for good.
}

async fn read_reports(
    mut input: BoxStream<'static, io::Result<Bytes>>,
    routes: Arc<Mutex<Routes>>,
) {
    let mut frame: Vec<u8> = Vec::new();
    while let Some(Ok(chunk)) = input.next().await {
        let mut rest = &chunk[..];
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            frame.extend_from_slice(&rest[..end]);
            route(&routes, &frame);
            frame.clear();
            rest = &rest[end + 1..];
        }
        frame.extend_from_slice(rest);
        if frame.len() > FRAME_LIMIT {
            tracing::error!("the job's agent sent a frame of more than {FRAME_LIMIT} bytes");
            break;
        }
    }
    let mut routes = lock(&routes);
    routes.gone = true;
    // Dropping the senders tells everybody who waits.
    routes.answers.clear();
    routes.follows.clear();
    routes.early.clear();
}

fn route(routes: &Mutex<Routes>, frame: &[u8]) {
    let Ok(report) = serde_json::from_slice::<Report>(frame) else {
        // The end of a frame for an earlier runner, of which we saw only the end.
        tracing::debug!(bytes = frame.len(), "skipped part of a frame");
        return;
    };
    let mut routes = lock(routes);
    let (id, item, last) = match report {
        Report::Hello { session: id }
        | Report::Started { id, .. }
        | Report::Done { id }
        | Report::Known { id, .. } => {
            if let Some(answer) = routes.answers.remove(&id) {
                // Whoever asked may have given up.
                let _ = answer.send(report);
            }
            return;
        }
        Report::Lines { id, from, lines } => (id, Item::Lines { from, lines }, false),
        Report::Exit { id, exit } => (id, Item::Exit(exit), true),
        Report::Unknown { id } => (id, Item::Unknown, true),
    };
    let delivered = routes.follows.get(&id).is_some_and(|follow| follow.send(item).is_ok());
    if last || !delivered {
        routes.follows.remove(&id);
    }
}

/// What one step prints, until its exit.
#[derive(Debug)]
pub(crate) struct Follow {
    link: Arc<Link>,
    uid: StepUid,
    id: u64,
    items: mpsc::UnboundedReceiver<Item>,
    ready: VecDeque<StepSignal>,
    unacked: usize,
    next: u64,
}

/// What `Follow::next` found.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and it is moved on at once")]
pub(crate) enum Next {
    Signal(StepSignal),
    /// The agent does not know the step.
    Unknown,
    /// The connection ended.
    Gone,
}

impl Follow {
    /// Number of the next line to come.
    pub(crate) fn position(&self) -> u64 {
        self.next
    }

    /// The next line or the exit.
    pub(crate) async fn next(&mut self) -> Next {
        loop {
            if let Some(signal) = self.ready.pop_front() {
                if let StepSignal::Line { offset, text, .. } = &signal {
                    self.next = offset + 1;
                    self.unacked += cost(text);
                }
                return Next::Signal(signal);
            }
            self.acknowledge().await;
            match self.items.recv().await {
                Some(Item::Lines { from, lines }) => self.ready.extend(numbered(from, lines)),
                Some(Item::Exit(exit)) => return Next::Signal(StepSignal::Exit(*exit)),
                Some(Item::Unknown) => return Next::Unknown,
                None => return Next::Gone,
            }
        }
    }

    /// Half a window at a time: seldom enough to be cheap, early enough that the agent never waits for it.
    async fn acknowledge(&mut self) {
        if self.unacked < WINDOW / 2 {
            return;
        }
        let (id, upto, bytes) = (self.id, self.next, std::mem::take(&mut self.unacked));
        // A dead connection shows when the next item is awaited.
        let _ = self.link.send(&Order::Ack { id, uid: self.uid.clone(), upto, bytes }).await;
    }
}

fn numbered(from: u64, lines: Vec<(Stream, String)>) -> impl Iterator<Item = StepSignal> {
    (from..).zip(lines).map(|(offset, (stream, text))| StepSignal::Line { offset, stream, text })
}
