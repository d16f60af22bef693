//! Finding and signalling the processes that belong to a step.

use rustix::process::{Pid, Signal};

/// Signals every process of the group; a group without processes is no error.
pub(crate) fn signal_group(group: Pid, signal: Signal) {
    let _ = rustix::process::kill_process_group(group, signal);
}

/// True when the group has a process, be it a dead one that nobody has waited for.
pub(crate) fn group_exists(group: Pid) -> bool {
    rustix::process::test_kill_process_group(group).is_ok()
}

/// Kills the step's group and everything else in the session that its leader made.
pub(crate) fn kill_session(leader: Pid) {
    signal_group(leader, Signal::KILL);
    let session = leader.as_raw_nonzero().get();
    for process in processes() {
        if session_of(process) == Some(session) {
            let _ = rustix::process::kill_process(process, Signal::KILL);
        }
    }
}

/// Kills every process whose environment holds `cookie` (`NAME=value`), and the sessions they are in. Finds what has
/// left its step's session, as daemons do. Never kills the caller.
pub(crate) fn kill_marked(cookie: &str) {
    let me = rustix::process::getpid();
    let own_session = session_of(me);
    let marked: Vec<Pid> = processes().filter(|process| is_marked(*process, cookie)).collect();
    for process in marked.into_iter().filter(|process| *process != me) {
        match session_of(process)
            .filter(|session| Some(*session) != own_session)
            .and_then(Pid::from_raw)
        {
            Some(session) => kill_session(session),
            None => {
                let _ = rustix::process::kill_process(process, Signal::KILL);
            }
        }
    }
}

fn is_marked(process: Pid, cookie: &str) -> bool {
    // Unreadable: it ended, or is another user's and so none of ours.
    std::fs::read(format!("/proc/{}/environ", process.as_raw_nonzero())).is_ok_and(|environ| {
        environ.split(|byte| *byte == 0).any(|entry| entry == cookie.as_bytes())
    })
}

fn processes() -> impl Iterator<Item = Pid> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
}

fn session_of(process: Pid) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    session_in(&stat)
}

/// The session in a line of `/proc/PID/stat`: the fourth field after the command's name, which is in parentheses and
/// may itself hold parentheses and spaces (proc_pid_stat(5)).
fn session_in(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{is_marked, session_in, session_of};

    #[test]
    fn the_session_is_found_behind_an_odd_name() {
        assert_eq!(session_in("12 (a) b (c)) S 1 12 34 0 -1"), Some(34));
        assert_eq!(session_in("12 nonsense"), None);
    }

    #[test]
    fn this_process_has_a_session_and_no_foreign_mark() {
        let me = rustix::process::getpid();
        assert!(session_of(me).is_some());
        assert!(!is_marked(me, "PAWL_TEST_COOKIE=no"));
    }
}
