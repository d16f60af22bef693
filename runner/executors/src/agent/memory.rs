//! Whether the kernel has killed processes of this sandbox for want of memory.

/// Where the kernel counts them: the sandbox's own control group, in both of its versions.
const COUNTERS: [&str; 2] =
    ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];

/// Processes that have been killed so far; 0 where nobody counts.
pub(super) fn kills() -> u64 {
    COUNTERS.iter().find_map(|file| counted(&std::fs::read_to_string(file).ok()?)).unwrap_or(0)
}

fn counted(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn both_versions_of_the_file_are_read() {
        assert_eq!(counted("low 0\noom 4\noom_kill 3\n"), Some(3));
        assert_eq!(counted("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), Some(2));
        assert_eq!(counted("oom_kill_disable 0\n"), None);
    }
}
