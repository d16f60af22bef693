//! What the agent knows: its steps, their last lines, who follows them, and what is to be sent.
//!
//! One lock over everything: at a few hundred frames a second nothing waits for it, and there is no order of locks
//! to get wrong.

use crate::agent::frame::{Report, WINDOW, encode};
use crate::agent::log::{Log, Piece, REPLAY_LIMIT};
use crate::agent::session;
use pawl_core::event::Stream;
use pawl_core::ids::StepUid;
use pawl_core::ports::StepExit;
use rustix::process::Pid;
use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A runner that was silent for so long is taken for dead, and a step that prints no longer waits for it: five times the
/// runner's `PING_EVERY`.
const SILENCE: Duration = Duration::from_secs(10);

/// Lines of all ended steps together that stay for a runner that comes back, bytes.
const ENDED_LIMIT: usize = 32 << 20;

/// Bytes of lines in one frame: small enough to be shown at once, large enough to make frames cheap.
const BATCH: usize = 64 << 10;

/// When the stages of a stop are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StopPlan {
    pub(crate) terminate_at: Instant,
    pub(crate) kill_at: Instant,
}

impl StopPlan {
    /// The harder of two plans, stage by stage.
    pub(crate) fn sooner(self, other: Self) -> Self {
        Self {
            terminate_at: self.terminate_at.min(other.terminate_at),
            kill_at: self.kill_at.min(other.kill_at),
        }
    }
}

#[derive(Debug)]
struct Follow {
    id: u64,
    /// Number of the next line to send.
    next: u64,
    /// Bytes sent and not acknowledged.
    in_flight: usize,
}

/// One step.
#[derive(Debug)]
struct Entry {
    log: Log,
    exit: Option<StepExit>,
    follow: Option<Follow>,
    /// Lines before this number have been fetched.
    fetched: u64,
    /// Process group and session of the step, once it runs.
    leader: Option<Pid>,
    leader_gone: bool,
    /// Output streams that have not ended.
    open_streams: u8,
    stop: Option<StopPlan>,
    stop_over: bool,
}

#[derive(Debug)]
struct State {
    steps: HashMap<StepUid, Entry>,
    /// Steps whose follow has not been sent its exit.
    followed: Vec<StepUid>,
    /// Ended steps, first ended first, whose lines are still kept.
    ended: VecDeque<StepUid>,
    /// Answers to send; at most one for every order read.
    answers: VecDeque<Report>,
    heard: Instant,
    closed: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                steps: HashMap::new(),
                followed: Vec::new(),
                ended: VecDeque::new(),
                answers: VecDeque::new(),
                heard: Instant::now(),
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// The runner said something.
    pub(crate) fn heard(&self) {
        self.lock().heard = Instant::now();
    }

    /// Queues an answer.
    pub(crate) fn answer(&self, report: Report) {
        self.lock().answers.push_back(report);
        self.changed.notify_all();
    }

    /// Nothing more will be sent.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(crate) fn knows(&self, uid: &StepUid) -> bool {
        self.lock().steps.contains_key(uid)
    }

    /// Makes an entry for a step; false when there is one already.
    pub(crate) fn add(&self, uid: &StepUid, log_limit: u64) -> bool {
        let mut state = self.lock();
        if state.steps.contains_key(uid) {
            return false;
        }
        let entry = Entry {
            log: Log::new(log_limit),
            exit: None,
            follow: None,
            fetched: 0,
            leader: None,
            leader_gone: false,
            open_streams: 0,
            stop: None,
            stop_over: true,
        };
        state.steps.insert(uid.clone(), entry);
        true
    }

    /// The step's process exists.
    pub(crate) fn running(&self, uid: &StepUid, leader: Pid) {
        self.change(uid, |entry| {
            entry.leader = Some(leader);
            entry.open_streams = 2;
        });
    }

    /// One of its streams ended.
    pub(crate) fn stream_ended(&self, uid: &StepUid) {
        self.change(uid, |entry| entry.open_streams = entry.open_streams.saturating_sub(1));
    }

    /// The leader was waited for.
    pub(crate) fn leader_gone(&self, uid: &StepUid) {
        self.change(uid, |entry| entry.leader_gone = true);
    }

    /// The ladder of stops has nobody left to signal.
    pub(crate) fn stop_over(&self, uid: &StepUid) {
        self.change(uid, |entry| entry.stop_over = true);
    }

    fn change(&self, uid: &StepUid, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.lock().steps.get_mut(uid) {
            change(entry);
        }
        self.changed.notify_all();
    }

    /// Takes lines. Waits while the step is too far ahead of a living runner, so that nothing is lost; when the runner
    /// is dead, the oldest lines go. False when the step has ended: the lines belong to nobody.
    pub(crate) fn push(&self, uid: &StepUid, stream: Stream, pieces: Vec<Piece>) -> bool {
        let mut state = self.lock();
        for piece in pieces {
            loop {
                let alive = state.heard.elapsed() < SILENCE && !state.closed;
                let Some(entry) = state.steps.get_mut(uid).filter(|entry| entry.exit.is_none())
                else {
                    return false;
                };
                if entry.log.kept() < REPLAY_LIMIT {
                    break;
                }
                let fetched = entry.log.head() < entry.fetched;
                if fetched || !alive {
                    entry.log.drop_head(fetched);
                } else {
                    self.changed.notify_all();
                    state = self.wait(state, SILENCE);
                }
            }
            if let Some(entry) = state.steps.get_mut(uid) {
                entry.log.accept(stream, piece);
            }
        }
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Waits until both streams ended, at most until `deadline`, and until a stop under way has nobody left to signal.
    pub(crate) fn wait_drained(&self, uid: &StepUid, deadline: Instant) {
        let mut state = self.lock();
        while let Some(entry) = state.steps.get(uid) {
            let left = deadline.saturating_duration_since(Instant::now());
            if entry.stop_over && (entry.open_streams == 0 || left.is_zero()) {
                return;
            }
            let time = if left.is_zero() { Duration::from_secs(1) } else { left };
            state = self.wait(state, time);
        }
    }

    /// The step is over.
    pub(crate) fn finish(&self, uid: &StepUid, mut exit: StepExit) {
        let mut state = self.lock();
        if let Some(entry) = state.steps.get_mut(uid) {
            exit.log_dropped_bytes = entry.log.dropped_bytes();
            entry.exit = Some(exit);
            // A number without processes may be given to a stranger, whom nobody may kill for us.
            entry.leader = entry.leader.filter(|leader| session::group_exists(*leader));
        }
        state.ended.push_back(uid.clone());
        state.trim_ended();
        drop(state);
        self.changed.notify_all();
    }

    /// Starts to send the step's lines and its exit.
    pub(crate) fn follow(&self, id: u64, uid: &StepUid, from: u64) {
        let mut state = self.lock();
        match state.steps.get_mut(uid) {
            Some(entry) => {
                entry.follow = Some(Follow { id, next: from, in_flight: 0 });
                entry.fetched = entry.fetched.max(from);
                if !state.followed.contains(uid) {
                    state.followed.push(uid.clone());
                }
            }
            None => state.answers.push_back(Report::Unknown { id }),
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Lines arrived.
    pub(crate) fn acknowledge(&self, id: u64, uid: &StepUid, upto: u64, bytes: usize) {
        self.change(uid, |entry| {
            entry.fetched = entry.fetched.max(upto);
            if let Some(follow) = entry.follow.as_mut().filter(|follow| follow.id == id) {
                follow.in_flight = follow.in_flight.saturating_sub(bytes);
            }
        });
    }

    /// Notes a stop. Gives the group to signal when no ladder is at work on it yet.
    pub(crate) fn stop(&self, uid: &StepUid, plan: StopPlan) -> Option<Pid> {
        let mut state = self.lock();
        let entry = state.steps.get_mut(uid).filter(|entry| entry.exit.is_none())?;
        let leader = entry.leader?;
        entry.stop = Some(entry.stop.map_or(plan, |earlier| earlier.sooner(plan)));
        let first = std::mem::replace(&mut entry.stop_over, false);
        drop(state);
        self.changed.notify_all();
        first.then_some(leader)
    }

    /// The stop's plan as it is now, and whether the leader is gone; waits for a change of anything, at most for `time`.
    pub(crate) fn stop_plan(&self, uid: &StepUid, time: Duration) -> Option<(StopPlan, bool)> {
        let state = self.wait(self.lock(), time);
        let entry = state.steps.get(uid)?;
        entry.stop.map(|plan| (plan, entry.leader_gone))
    }

    /// Leaders of the steps that run or have left processes behind.
    pub(crate) fn leaders(&self) -> Vec<Pid> {
        self.lock().steps.values().filter_map(|entry| entry.leader).collect()
    }

    /// Waits for something to send and gives it as frames; `None` when closed.
    pub(crate) fn next_frames(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        loop {
            let reports = state.sendable();
            if !reports.is_empty() {
                drop(state);
                return Some(reports.iter().flat_map(encode).collect());
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    /// Answers, then one batch of every followed step that has something and whose window is open.
    fn sendable(&mut self) -> Vec<Report> {
        let mut reports: Vec<Report> = self.answers.drain(..).collect();
        let steps = &mut self.steps;
        self.followed.retain(|uid| {
            let Some(entry) = steps.get_mut(uid) else { return false };
            entry.send(&mut reports)
        });
        reports
    }

    /// Gives up lines of the steps that ended first until the rest fits. Their exits stay: a runner may ask
    /// for them until it closes the job.
    fn trim_ended(&mut self) {
        let steps = &mut self.steps;
        let kept = |uid: &StepUid, steps: &HashMap<StepUid, Entry>| {
            steps.get(uid).map_or(0, |entry| entry.log.kept())
        };
        let mut total: usize = self.ended.iter().map(|uid| kept(uid, steps)).sum();
        while total > ENDED_LIMIT && self.ended.len() > 1 {
            let Some(uid) = self.ended.pop_front() else { return };
            total -= kept(&uid, steps);
            if let Some(entry) = steps.get_mut(&uid) {
                while entry.log.kept() > 0 {
                    entry.log.drop_head(entry.log.head() < entry.fetched);
                }
            }
        }
    }
}

impl Entry {
    /// Adds what may be sent; false when the exit was sent and the follow is over.
    fn send(&mut self, reports: &mut Vec<Report>) -> bool {
        let Some(follow) = &mut self.follow else { return false };
        if follow.next < self.log.end() && follow.in_flight < WINDOW {
            let batch = self.log.batch(follow.next, BATCH);
            follow.in_flight += batch.bytes;
            follow.next = batch.from + batch.lines.len() as u64;
            reports.push(Report::Lines { id: follow.id, from: batch.from, lines: batch.lines });
        }
        let Some(exit) = self.exit.as_ref().filter(|_| follow.next >= self.log.end()) else {
            return true;
        };
        let mut exit = exit.clone();
        exit.log_dropped_bytes = self.log.dropped_bytes();
        reports.push(Report::Exit { id: follow.id, exit: Box::new(exit) });
        self.follow = None;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{Board, SILENCE};
    use crate::agent::frame::Report;
    use crate::agent::log::{Piece, REPLAY_LIMIT};
    use pawl_core::event::Stream;
    use pawl_core::ids::{JobKey, RunId, StepPath, StepUid};
    use pawl_core::ports::{CommandFiles, ExitKind, StepExit};
    use std::sync::Arc;
    use std::time::Instant;

    const LINE: usize = 60 << 10;

    fn uid(step: usize) -> StepUid {
        let (run, job) = (RunId("r".into()), JobKey("j".into()));
        StepUid { run, job, step: StepPath::top(step), attempt: 1 }
    }

    fn board() -> Board {
        let board = Board::new();
        board.add(&uid(0), u64::MAX);
        board
    }

    fn push(board: &Board, step: usize, lines: usize) {
        for _ in 0..lines {
            let piece = Piece { text: "x".repeat(LINE), raw: LINE };
            assert!(board.push(&uid(step), Stream::Stdout, vec![piece]));
        }
    }

    fn finish(board: &Board, step: usize) {
        let (kind, files) = (ExitKind::Exited(0), CommandFiles::default());
        board.finish(
            &uid(step),
            StepExit { kind, files, duration_ms: 1, log_dropped_bytes: 0, is_out_of_memory: false },
        );
    }

    /// Fetches everything, acknowledging at once; gives the numbers and texts' starts, and the exit.
    fn fetch(board: &Board, step: usize) -> (Vec<(u64, String)>, StepExit) {
        let mut seen = Vec::new();
        loop {
            let frames = board.next_frames().unwrap();
            for frame in frames.split(|byte| *byte == b'\n').filter(|frame| !frame.is_empty()) {
                match serde_json::from_slice(frame).unwrap() {
                    Report::Lines { id, from, lines } => {
                        let end = from + lines.len() as u64;
                        board.acknowledge(id, &uid(step), end, usize::MAX);
                        let texts =
                            lines.into_iter().map(|(_, text)| text.chars().take(60).collect());
                        seen.extend((from..).zip(texts));
                    }
                    Report::Exit { exit, .. } => return (seen, *exit),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn without_a_runner_a_step_prints_on_and_the_oldest_lines_go() {
        let board = board();
        board.lock().heard = Instant::now().checked_sub(2 * SILENCE).unwrap();
        let total = 2 * REPLAY_LIMIT / LINE;
        push(&board, 0, total);
        finish(&board, 0);
        board.follow(1, &uid(0), 0);
        let (seen, exit) = fetch(&board, 0);
        let gone = seen[0].0 + 1;
        assert_eq!(seen[0].1, format!("[pawl] {gone} lines of output were dropped here"));
        assert_eq!(seen.last().unwrap().0, total as u64 - 1);
        assert!((seen.len() - 2) * LINE < REPLAY_LIMIT, "{} lines were kept", seen.len());
        assert_eq!(exit.log_dropped_bytes, gone * (LINE as u64 + 1));
    }

    #[test]
    fn with_a_living_runner_a_step_waits_and_nothing_is_lost() {
        let board = Arc::new(board());
        let total = 2 * REPLAY_LIMIT / LINE;
        let printer = Arc::clone(&board);
        let printing = std::thread::spawn(move || {
            push(&printer, 0, total);
            finish(&printer, 0);
        });
        board.follow(1, &uid(0), 0);
        let (seen, exit) = fetch(&board, 0);
        printing.join().unwrap();
        let numbers: Vec<u64> = seen.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (0..total as u64).collect::<Vec<_>>());
        assert_eq!(exit.log_dropped_bytes, 0);
    }

    #[test]
    fn lines_of_long_ended_steps_make_room_and_their_exits_stay() {
        let board = board();
        for step in 0..6 {
            board.add(&uid(step), u64::MAX);
            push(&board, step, REPLAY_LIMIT / LINE);
            finish(&board, step);
        }
        board.follow(1, &uid(0), 0);
        let (seen, exit) = fetch(&board, 0);
        assert_eq!(seen.len(), 1, "only the remark is left");
        assert_eq!(exit.kind, ExitKind::Exited(0));
        board.follow(2, &uid(5), 0);
        assert_eq!(fetch(&board, 5).0.len(), REPLAY_LIMIT / LINE);
    }

    #[test]
    fn an_ended_step_takes_no_more_lines() {
        let board = board();
        finish(&board, 0);
        let piece = Piece { text: "late".into(), raw: 5 };
        assert!(!board.push(&uid(0), Stream::Stdout, vec![piece]));
    }
}
