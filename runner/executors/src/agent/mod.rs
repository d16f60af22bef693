//! The agent: starts a job's steps and tells the runner about them.
//!
//! In a container it is PID 1, and its standard input and output, which only the container engine can reach, are the
//! connection: there is no socket, and steps get none of its descriptors. The host executor runs the same code on
//! threads of the runner's own process.

mod board;
mod files;
mod forward;
pub(crate) mod frame;
pub(crate) mod log;
mod memory;
mod process;
mod reaper;
pub mod service;
pub(crate) mod session;
mod stop;

use board::Board;
use files::TempDir;
use frame::{Order, Report, read_order};
use process::Sandbox;
use reaper::Reaper;
use rustix::process::DumpableBehavior;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Where the pawl binary is in a container.
pub const PAWL_PATH: &str = "/pawl/pawl";

/// Where the workspace is in a container, as on GitHub.
pub const WORKSPACE_PATH: &str = "/github/workspace";

/// Runs the agent as a container's first process until its connection ends. For `pawl agent`. `forwards` are ports of the
/// container's loopback that lead to services, as `PORT=ADDRESS:PORT`.
///
/// Failure (exit code 4, our own fault) means that it could not shield itself from the steps.
#[must_use]
pub fn run_agent(forwards: &[String]) -> ExitCode {
    // Steps may run as the same user. Without this they could read our environment and memory, where other steps'
    // secrets are for a moment, or write to our connection by way of /proc/1/fd.
    if rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() {
        return ExitCode::from(4);
    }
    let Ok(sandbox) = container() else { return ExitCode::from(4) };
    forward::listen(forwards);
    match serve(BufReader::new(io::stdin()), io::stdout(), sandbox) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(4),
    }
}

/// The container as this process finds it. Its environment is the image's and the job's, and holds no secret.
fn container() -> io::Result<Sandbox> {
    Ok(Sandbox {
        workspace: WORKSPACE_PATH.into(),
        env: std::env::vars_os().collect(),
        pawl: PAWL_PATH.into(),
        // An image from scratch has no /tmp, and another user than root cannot make one; engines always mount the other.
        temp: TempDir::new(&["/tmp".into(), "/dev/shm".into()])?,
        reaper: Reaper::init()?,
    })
}

/// The host as a sandbox.
pub(crate) fn host(
    workspace: &Path,
    env: Vec<(OsString, OsString)>,
    pawl: &Path,
    temp: PathBuf,
) -> io::Result<Sandbox> {
    Ok(Sandbox {
        workspace: workspace.to_owned(),
        env,
        pawl: pawl.to_owned(),
        temp: TempDir::new(&[temp])?,
        reaper: Reaper::Own,
    })
}

/// Obeys orders until the connection ends, then kills what still runs. A writer that fails loses nothing: the runner that
/// comes back says from where it wants to follow.
pub(crate) fn serve(
    mut orders: impl BufRead,
    mut reports: impl Write + Send + 'static,
    sandbox: Sandbox,
) -> io::Result<()> {
    let board = Arc::new(Board::new());
    let sandbox = Arc::new(sandbox);
    let outgoing = Arc::clone(&board);
    std::thread::Builder::new().name("reports".to_owned()).spawn(move || {
        while let Some(frames) = outgoing.next_frames() {
            let _ = reports.write_all(&frames).and_then(|()| reports.flush());
        }
    })?;
    while let Ok(Some(order)) = read_order(&mut orders) {
        board.heard();
        obey(&board, &sandbox, order);
    }
    kill_all(&board, &sandbox);
    board.close();
    sandbox.temp.remove();
    Ok(())
}

fn obey(board: &Arc<Board>, sandbox: &Arc<Sandbox>, order: Order) {
    match order {
        Order::Hello { session } => board.answer(Report::Hello { session }),
        Order::Start { id, follow, step } => {
            let fresh = board.add(&step.uid, step.log_limit_bytes);
            if fresh {
                board.follow(follow, &step.uid, 0);
                process::start(sandbox, board, *step);
            }
            board.answer(Report::Started { id, fresh });
        }
        Order::Query { id, uid } => board.answer(Report::Known { id, known: board.knows(&uid) }),
        Order::Follow { id, uid, from } => board.follow(id, &uid, from),
        Order::Ack { id, uid, upto, bytes } => board.acknowledge(id, &uid, upto, bytes),
        Order::Stop { uid, interrupt_ms, terminate_ms } => {
            stop::begin(board, uid, interrupt_ms, terminate_ms);
        }
        Order::Ping => {}
        Order::Close { id } => {
            kill_all(board, sandbox);
            board.answer(Report::Done { id });
        }
    }
}

/// Name of the variable that marks a sandbox's processes. GitHub's runner uses the same for the same purpose, and its
/// documented way to keep a process alive (to unset it) works here too.
pub(crate) const COOKIE: &str = "RUNNER_TRACKING_ID";

fn kill_all(board: &Board, sandbox: &Sandbox) {
    for leader in board.leaders() {
        session::kill_session(leader);
    }
    if let Some((_, value)) = sandbox.env.iter().find(|(name, _)| name == COOKIE) {
        session::kill_marked(&format!("{COOKIE}={}", value.to_string_lossy()));
    }
}
