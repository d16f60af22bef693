//! What runner and agent say to each other: one JSON object a line, both ways.

use pawl_core::event::Stream;
use pawl_core::ids::StepUid;
use pawl_core::ports::{Command, StepExit, StepRequest};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read};

/// Longest frame, bytes. The largest honest one is an exit with six command files of 1 MiB each, in which JSON
/// escapes may take six bytes for one.
pub(crate) const FRAME_LIMIT: usize = 64 << 20;

/// Bytes of lines that the agent sends ahead of the runner's acknowledgements: enough to keep a fast connection
/// busy, and the most that a follower who does not read costs the runner, per step.
pub(crate) const WINDOW: usize = 1 << 20;

/// Runner to agent. `id` is chosen by the runner and never used twice. No `Debug`: a start holds secrets.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// First frame of a connection; answered by `Report::Hello` with the same number.
    Hello { session: u64 },
    /// Starts a step unless it is known, and then follows it as `follow` from its first line; answered by
    /// `Report::Started`.
    Start { id: u64, follow: u64, step: Box<StepOrder> },
    /// Is this step known? Answered by `Report::Known`.
    Query { id: u64, uid: StepUid },
    /// Send lines from number `from`, then the exit, all marked with `id`. Ends an earlier follow of the step.
    Follow { id: u64, uid: StepUid, from: u64 },
    /// Lines of the follow `id` before number `upto` arrived; they were `bytes` long.
    Ack { id: u64, uid: StepUid, upto: u64, bytes: usize },
    /// Stop the step, with these delays.
    Stop { uid: StepUid, interrupt_ms: u64, terminate_ms: u64 },
    /// The runner lives.
    Ping,
    /// Kill every step and what they left behind; answered by `Report::Done`.
    Close { id: u64 },
}

/// Agent to runner.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Report {
    /// Answer to `Hello`.
    Hello { session: u64 },
    /// Answer to `Start`: whether it is new, and so is followed.
    Started { id: u64, fresh: bool },
    /// Answer to `Close`.
    Done { id: u64 },
    /// Answer to `Query`.
    Known { id: u64, known: bool },
    /// Consecutive lines, the first one numbered `from`.
    Lines { id: u64, from: u64, lines: Vec<(Stream, String)> },
    /// The end of the step.
    Exit { id: u64, exit: Box<StepExit> },
    /// Answer to a `Follow` of a step that was never started here.
    Unknown { id: u64 },
}

/// `StepRequest` as it goes over the wire.
#[derive(Serialize, Deserialize)]
pub(crate) struct StepOrder {
    pub(crate) uid: StepUid,
    pub(crate) program: Program,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) path: Vec<String>,
    pub(crate) working_dir: String,
    pub(crate) log_limit_bytes: u64,
}

/// `Command` as it goes over the wire.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Program {
    Script { body: String, extension: String, shells: Vec<Vec<String>> },
    Argv(Vec<String>),
    Pawl(Vec<String>),
}

impl From<&StepRequest> for StepOrder {
    fn from(request: &StepRequest) -> Self {
        let program = match request.command.clone() {
            Command::Script { body, extension, shells } => {
                Program::Script { body, extension, shells }
            }
            Command::Argv(argv) => Program::Argv(argv),
            Command::Pawl(args) => Program::Pawl(args),
            // Whoever has containers starts it elsewhere; here there is nothing that could run.
            Command::Container(_) => Program::Argv(Vec::new()),
        };
        Self {
            uid: request.uid.clone(),
            program,
            env: request.env.clone(),
            path: request.path.clone(),
            working_dir: request.working_dir.clone(),
            log_limit_bytes: request.log_limit_bytes,
        }
    }
}

/// One frame with its line end.
pub(crate) fn encode<T: Serialize>(frame: &T) -> Vec<u8> {
    let mut bytes =
        serde_json::to_vec(frame).expect("frames have string keys and no failing parts");
    bytes.push(b'\n');
    bytes
}

/// Reads the next frame that makes sense; `None` at the end of input. What does not parse is skipped: a runner that
/// was killed while it wrote leaves half a frame, and its successor begins with a line end.
pub(crate) fn read_order(reader: &mut impl BufRead) -> io::Result<Option<Order>> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = u64::try_from(FRAME_LIMIT).unwrap_or(u64::MAX);
        if reader.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if let Ok(order) = serde_json::from_slice(&line) {
            return Ok(Some(order));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Order, encode, read_order};
    use std::io::Cursor;

    #[test]
    fn half_a_frame_of_a_killed_runner_is_skipped() {
        let mut bytes = encode(&Order::Ping);
        bytes.extend_from_slice(&encode(&Order::Hello { session: 7 })[..9]);
        bytes.push(b'\n');
        bytes.extend(encode(&Order::Hello { session: 8 }));
        let mut reader = Cursor::new(bytes);
        assert!(matches!(read_order(&mut reader), Ok(Some(Order::Ping))));
        assert!(matches!(read_order(&mut reader), Ok(Some(Order::Hello { session: 8 }))));
        assert!(matches!(read_order(&mut reader), Ok(None)));
    }
}
