//! Starting one step's process and seeing it to its end.

use crate::agent::board::Board;
use crate::agent::files::{StepFiles, TempDir};
use crate::agent::frame::{Program, StepOrder};
use crate::agent::log::{Piece, Splitter};
use crate::agent::memory;
use crate::agent::reaper::Reaper;
use crate::agent::session;
use pawl_core::event::Stream;
use pawl_core::ids::StepUid;
use pawl_core::ports::{CommandFiles, ExitKind, StepExit};
use rustix::process::{Pid, WaitStatus};
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `PATH` where neither the sandbox nor the step has one: what container engines use.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Time that output may still come after the step's own process ended: `tee` behind a pipe is a little late, and a
/// background process that keeps the stream open must not hold up the job.
const DRAIN: Duration = Duration::from_secs(1);

/// Bytes read from a step at once: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// Stack of a thread that only copies.
const SMALL_STACK: usize = 128 << 10;

/// The sandbox as the agent sees it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) workspace: PathBuf,
    /// Environment that every step has, below its own.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// The pawl binary.
    pub(crate) pawl: PathBuf,
    pub(crate) temp: TempDir,
    pub(crate) reaper: Reaper,
}

/// Starts a step that the board has an entry for. All failures become its exit.
pub(crate) fn start(sandbox: &Arc<Sandbox>, board: &Arc<Board>, order: StepOrder) {
    let uid = order.uid.clone();
    if let Err(reason) = try_start(sandbox, board, order) {
        board.finish(&uid, exit(ExitKind::NotStarted(reason), CommandFiles::default(), 0));
    }
}

fn try_start(sandbox: &Arc<Sandbox>, board: &Arc<Board>, order: StepOrder) -> Result<(), String> {
    let mut files = StepFiles::new(&sandbox.temp)
        .map_err(|error| format!("cannot make the step's command files: {error}"))?;
    let started = prepare(sandbox, &order, &mut files)
        .and_then(|command| spawn(sandbox, command))
        .inspect_err(|_| files.remove())?;
    let (child, leader) = started;
    board.running(&order.uid, leader);
    watch(sandbox, board, &order.uid, child, leader, files)
        .inspect_err(|_| session::kill_session(leader))
}

/// Starts the threads that read the step's output and wait for its end.
fn watch(
    sandbox: &Arc<Sandbox>,
    board: &Arc<Board>,
    uid: &StepUid,
    child: Child,
    leader: Pid,
    files: StepFiles,
) -> Result<(), String> {
    let begun = Instant::now();
    let (out, err) = (child.stdout, child.stderr);
    let both = "both streams are piped in prepare";
    let streams: [(Stream, Box<dyn Read + Send>); 2] = [
        (Stream::Stdout, Box::new(out.expect(both))),
        (Stream::Stderr, Box::new(err.expect(both))),
    ];
    for (stream, pipe) in streams {
        let (board, uid) = (Arc::clone(board), uid.clone());
        thread("output", move || copy_lines(&board, &uid, stream, pipe))?;
    }
    let (sandbox, board, uid) = (Arc::clone(sandbox), Arc::clone(board), uid.clone());
    thread("step", move || supervise(&sandbox, &board, &uid, leader, begun, &files))
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), String> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(SMALL_STACK)
        .spawn(body)
        .map(drop)
        .map_err(|error| format!("cannot start a thread for the step: {error}"))
}

#[expect(unsafe_code, reason = "only a hook between fork and exec can make a new session")]
fn spawn(sandbox: &Sandbox, mut command: Command) -> Result<(Child, Pid), String> {
    // SAFETY: the hook makes one system call and touches no memory of the parent.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from));
    }
    let mut made: Option<Child> = None;
    let program = PathBuf::from(command.get_program());
    let leader = sandbox
        .reaper
        .spawn(|| {
            let child = command.spawn()?;
            let pid = Pid::from_child(&child);
            made = Some(child);
            Ok(pid)
        })
        .map_err(|error: io::Error| not_started(&program, &error))?;
    Ok((made.expect("set where the pid was"), leader))
}

fn not_started(program: &Path, error: &io::Error) -> String {
    let program_shown = program.display();
    if error.kind() == io::ErrorKind::NotFound && program.exists() {
        return format!(
            "cannot start {program_shown}: its interpreter or dynamic linker is missing"
        );
    }
    format!("cannot start {program_shown}: {error}")
}

/// Everything about the process but the process.
fn prepare(sandbox: &Sandbox, order: &StepOrder, files: &mut StepFiles) -> Result<Command, String> {
    // An absolute path replaces the workspace.
    let dir = sandbox.workspace.join(&order.working_dir);
    if !dir.is_dir() {
        return Err(format!("the working folder {} does not exist", dir.display()));
    }
    let path = search_path(&sandbox.env, order);
    let argv = argv(sandbox, order, files, &path, &dir)?;
    let name = argv.first().ok_or("there is no program to run")?;
    let program = find_program(name, &path, &dir).ok_or_else(|| {
        format!("there is no program {name} (PATH is {})", path.to_string_lossy())
    })?;
    let mut command = Command::new(program);
    command
        .arg0(name)
        .args(&argv[1..])
        .env_clear()
        .envs(sandbox.env.iter().map(|(key, value)| (key, value)))
        .envs(order.env.iter().map(|(key, value)| (key, value)))
        .envs(files.env())
        .env("PATH", path)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// The step's `PATH`: its added folders, then its own `PATH` or the sandbox's.
fn search_path(base: &[(OsString, OsString)], order: &StepOrder) -> OsString {
    let own =
        order.env.iter().rfind(|(key, _)| key == "PATH").map(|(_, value)| OsString::from(value));
    let base = base.iter().rfind(|(key, _)| key == "PATH").map(|(_, value)| value.clone());
    let mut path = OsString::new();
    for folder in &order.path {
        path.push(folder);
        path.push(":");
    }
    path.push(own.or(base).unwrap_or_else(|| DEFAULT_PATH.into()));
    path
}

fn argv(
    sandbox: &Sandbox,
    order: &StepOrder,
    files: &mut StepFiles,
    path: &OsString,
    dir: &Path,
) -> Result<Vec<String>, String> {
    match &order.program {
        Program::Argv(argv) => Ok(argv.clone()),
        Program::Pawl(args) => {
            let pawl = sandbox.pawl.to_string_lossy().into_owned();
            Ok(std::iter::once(pawl).chain(args.iter().cloned()).collect())
        }
        Program::Script { body, extension, shells } => {
            let found = |shell: &&Vec<String>| {
                shell.first().is_some_and(|name| find_program(name, path, dir).is_some())
            };
            let shell = shells.iter().find(found).ok_or_else(|| no_shell(shells, path))?;
            let file = files
                .write_script(&sandbox.temp, body, extension)
                .map_err(|error| format!("cannot write the step's script: {error}"))?;
            let file = file.to_string_lossy();
            Ok(shell.iter().map(|arg| arg.replace("{0}", &file)).collect())
        }
    }
}

fn no_shell(shells: &[Vec<String>], path: &OsString) -> String {
    let names: Vec<&str> =
        shells.iter().filter_map(|shell| shell.first()).map(String::as_str).collect();
    format!(
        "there is no shell: none of {} is on PATH ({})",
        names.join(", "),
        path.to_string_lossy()
    )
}

/// Where a program is: a name with a slash is a path, relative to `dir`; any other is looked for on `path`.
fn find_program(name: &str, path: &OsString, dir: &Path) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(dir.join(name)).filter(|place| place.is_file());
    }
    let runs = |place: &PathBuf| {
        std::fs::metadata(place)
            .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
    };
    if name.is_empty() {
        return None;
    }
    std::env::split_paths(path).map(|folder| dir.join(folder).join(name)).find(runs)
}

fn copy_lines(board: &Board, uid: &StepUid, stream: Stream, mut pipe: Box<dyn Read + Send>) {
    let mut splitter = Splitter::default();
    let mut chunk = vec![0_u8; CHUNK];
    let mut wanted = true;
    loop {
        let count = match pipe.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        // After the step's end a background process may print on: it is read, or it would block or die, and forgotten.
        if wanted {
            let mut pieces: Vec<Piece> = Vec::new();
            splitter.feed(&chunk[..count], &mut pieces);
            wanted = board.push(uid, stream, pieces);
        }
    }
    let mut pieces = Vec::new();
    splitter.finish(&mut pieces);
    board.push(uid, stream, pieces);
    board.stream_ended(uid);
}

fn supervise(
    sandbox: &Sandbox,
    board: &Board,
    uid: &StepUid,
    leader: Pid,
    begun: Instant,
    files: &StepFiles,
) {
    let kills = memory::kills();
    let status = sandbox.reaper.wait(leader);
    let ended = Instant::now();
    board.leader_gone(uid);
    board.wait_drained(uid, ended + DRAIN);
    let mut kind = status.map_or_else(
        || ExitKind::Lost("somebody else waited for the step's process".to_owned()),
        exit_kind,
    );
    let contents = files.read().unwrap_or_else(|reason| {
        // A step that succeeded without its outputs would be a lie.
        if kind == ExitKind::Exited(0) {
            kind = ExitKind::NotStarted(reason);
        }
        CommandFiles::default()
    });
    files.remove();
    let millis = u64::try_from((ended - begun).as_millis()).unwrap_or(u64::MAX);
    let is_out_of_memory = memory::kills() > kills;
    board.finish(uid, StepExit { is_out_of_memory, ..exit(kind, contents, millis) });
}

fn exit_kind(status: WaitStatus) -> ExitKind {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitKind::Exited(code),
        (None, Some(signal)) => ExitKind::Signalled(signal),
        (None, None) => ExitKind::Lost("the step's process ended in an unknown way".to_owned()),
    }
}

/// The board fills in the dropped bytes.
fn exit(kind: ExitKind, files: CommandFiles, duration_ms: u64) -> StepExit {
    StepExit { kind, files, duration_ms, log_dropped_bytes: 0, is_out_of_memory: false }
}
