//! How busy this machine is: beyond one job a core, another one starts only where a core has nothing to do and memory is left.
//!
//! Jobs often wait, for a download, a service, a sandbox that is being made, and a core that only waits is wasted; two trainings
//! on one core gain nothing and need twice the memory.

use std::fs;
use std::time::{Duration, Instant};

/// Time between two looks. The kernel counts in hundredths of a second, so a shorter look sees too little.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// A look back over more than this says little of now.
const STALE: Duration = Duration::from_secs(1);

/// Share of one core that must have been idle, percent: a job that starts takes about so much while it starts.
const IDLE_PERCENT: u64 = 40;

/// Share of the machine's memory that must be available, percent. A job's own limit is larger, but jobs seldom reach it.
const MEMORY_PERCENT: u64 = 25;

/// Time of all cores since the machine started, hundredths of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    idle: u64,
    all: u64,
    cores: u64,
}

/// The looks at the machine.
#[derive(Debug, Default)]
pub(crate) struct Load {
    last: Option<(Instant, Ticks)>,
}

impl Load {
    /// True when another job would find a core that idles, and memory. Asked again within [`LOOK`], it says no.
    pub(crate) fn has_room(&mut self) -> bool {
        let now = Instant::now();
        if self.last.is_some_and(|(at, _)| now - at < LOOK) {
            return false;
        }
        let Some(ticks) = fs::read_to_string("/proc/stat").ok().and_then(|text| ticks(&text))
        else {
            return false;
        };
        let before = self.last.replace((now, ticks)).filter(|(at, _)| now - *at < STALE);
        before.is_some_and(|(_, before)| is_idle(before, ticks))
            && fs::read_to_string("/proc/meminfo").is_ok_and(|text| has_memory(&text))
    }
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait and what follows (proc_stat(5)).
fn ticks(text: &str) -> Option<Ticks> {
    let mut lines = text.lines();
    let numbers: Vec<u64> =
        lines.next()?.strip_prefix("cpu ")?.split_whitespace().flat_map(str::parse).collect();
    // Time of guests, at the end, is in the user's time already.
    let all = numbers.iter().take(8).sum();
    let cores = lines.take_while(|line| line.starts_with("cpu")).count() as u64;
    Some(Ticks { idle: numbers.get(3)? + numbers.get(4)?, all, cores })
}

fn is_idle(before: Ticks, now: Ticks) -> bool {
    let idle = now.idle.saturating_sub(before.idle);
    let all = now.all.saturating_sub(before.all);
    // All cores together have `all`, one of them `all / cores`.
    all > 0 && idle * now.cores * 100 >= all * IDLE_PERCENT
}

fn has_memory(text: &str) -> bool {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()
    };
    let known = value("MemAvailable").zip(value("MemTotal"));
    known.is_some_and(|(available, total)| available * 100 >= total * MEMORY_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::{Ticks, has_memory, is_idle, ticks};

    const STAT: &str = "cpu  10 1 5 100 4 0 1 0 7 0\ncpu0 5 0 2 50 2 0 0 0 3 0\ncpu1 5 1 3 50 2 0 1 0 4 0\nintr 1 2\n";

    #[test]
    fn ticks_are_read_as_the_kernel_writes_them() {
        assert_eq!(ticks(STAT), Some(Ticks { idle: 104, all: 121, cores: 2 }));
        assert_eq!(ticks("intr 1 2\n"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn a_core_must_have_idled_for_a_part_of_the_time() {
        let at = |idle, all| Ticks { idle, all, cores: 2 };
        // Twenty ticks of two cores: four of them are 40 percent of one.
        assert!(is_idle(at(0, 0), at(4, 20)));
        assert!(!is_idle(at(0, 0), at(3, 20)));
        assert!(!is_idle(at(5, 9), at(5, 9)));
    }

    #[test]
    fn a_quarter_of_the_memory_must_be_left() {
        assert!(has_memory("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  250 kB\n"));
        assert!(!has_memory("MemTotal:  1000 kB\nMemAvailable:  249 kB\n"));
        assert!(!has_memory("MemTotal:  1000 kB\n"));
    }
}
