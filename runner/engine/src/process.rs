//! Who holds a lease: a process, named so that a number used again by another process is not taken for it.

use std::fs;

/// A process of this machine. The number alone says little, because the kernel uses it again; with the start time
/// and the machine's boot it is unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessIdentity {
    /// Its number.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since the boot: field 22 of `/proc/PID/stat`.
    pub(crate) start_ticks: u64,
    /// The kernel's random name of this boot.
    pub(crate) boot: String,
}

impl ProcessIdentity {
    /// The process that asks.
    pub(crate) fn current() -> Self {
        let pid = std::process::id();
        Self { pid, start_ticks: start_ticks(pid).unwrap_or(0), boot: boot() }
    }

    /// True while the process exists. A zombie counts as gone: it will never work on anything again.
    pub(crate) fn is_alive(&self) -> bool {
        self.boot == boot() && start_ticks(self.pid) == Some(self.start_ticks)
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn start_ticks(pid: u32) -> Option<u64> {
    parse_start_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22 of a `/proc/PID/stat` line; `None` for a zombie. The second field is the program's name in parentheses and may hold
/// anything, so counting begins after the last closing one.
fn parse_start_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{ProcessIdentity, parse_start_ticks};

    const STAT: &str = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 100 200";

    #[test]
    fn the_start_time_is_found_behind_a_name_with_parentheses() {
        assert_eq!(parse_start_ticks(STAT), Some(98765));
    }

    #[test]
    fn a_zombie_is_gone() {
        assert_eq!(parse_start_ticks(&STAT.replace(" S ", " Z ")), None);
    }

    #[test]
    fn this_process_lives_and_one_with_another_start_time_or_boot_does_not() {
        let me = ProcessIdentity::current();
        assert!(me.is_alive());
        assert!(!ProcessIdentity { start_ticks: me.start_ticks + 1, ..me.clone() }.is_alive());
        assert!(!ProcessIdentity { boot: "another".to_owned(), ..me }.is_alive());
    }

    #[test]
    fn an_ended_process_is_gone() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id();
        let identity = ProcessIdentity {
            pid,
            start_ticks: super::start_ticks(pid).unwrap(),
            boot: super::boot(),
        };
        assert!(identity.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!identity.is_alive());
    }
}
