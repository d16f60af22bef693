//! What every container of a job or service is held by, whatever the workflow says. Pure.

use bollard::models::{HostConfig, HostConfigCgroupnsModeEnum};

/// Processes and threads of one container: far above what builds and data loaders use, far below what would hurt the host.
pub(super) const PIDS_LIMIT: u64 = 16_384;

/// The capabilities that package managers, databases and build tools need to work as root of their own container. Of what Docker
/// gives besides, a job has no use: raw sockets (NET_RAW) and device files (MKNOD) are for attacks, SETFCAP and SYS_CHROOT only
/// for building other systems, AUDIT_WRITE would write into this machine's log.
pub(super) const CAPABILITIES: [&str; 9] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETPCAP",
    "SETUID",
];

/// Share of the machine's memory that one container may take when nothing else is said, in hundredths: a job that takes all
/// it can is ended before the machine is in want.
const MEMORY_SHARE: u64 = 75;

/// Holds a container: no new rights, few capabilities (also in the bounding set, so that no program can get them back), finite
/// processes and memory, and nothing of the host's namespaces. Docker's own filter of system calls and its masks over `/proc` and
/// `/sys` stay, because nothing here replaces them.
pub(super) fn confine(host: &mut HostConfig, pids: u64, memory_bytes: u64) {
    host.security_opt = Some(vec!["no-new-privileges".to_owned()]);
    host.cap_drop = Some(vec!["ALL".to_owned()]);
    host.cap_add = Some(CAPABILITIES.map(str::to_owned).to_vec());
    host.cgroupns_mode = Some(HostConfigCgroupnsModeEnum::PRIVATE);
    host.ipc_mode = Some("private".to_owned());
    host.privileged = Some(false);
    host.pids_limit = Some(signed(pids));
    host.memory = Some(signed(memory_bytes));
    // The same number again: no swap, or the limit would not limit.
    host.memory_swap = Some(signed(memory_bytes));
}

/// Memory of a container on a machine with this much. The engine is on the machine that this process is on: it mounts its files.
pub(super) fn default_memory(total_bytes: Option<u64>) -> u64 {
    // Unknown: more than any test needs and less than any machine that runs containers has.
    let total = total_bytes.unwrap_or(2 << 30);
    total / 100 * MEMORY_SHARE
}

/// `MemTotal` of `/proc/meminfo`, bytes.
pub(super) fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The engine counts in signed numbers.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{confine, default_memory, total_memory};
    use bollard::models::HostConfig;

    #[test]
    fn every_hold_is_in_the_request() {
        let mut host = HostConfig::default();
        confine(&mut host, 100, 64 << 20);
        assert_eq!(host.security_opt.as_deref(), Some(&["no-new-privileges".to_owned()][..]));
        assert_eq!(host.cap_drop.as_deref(), Some(&["ALL".to_owned()][..]));
        let added = host.cap_add.clone().unwrap();
        for never in [
            "NET_RAW",
            "MKNOD",
            "SYS_ADMIN",
            "SYS_PTRACE",
            "SETFCAP",
            "AUDIT_WRITE",
            "SYS_CHROOT",
            "ALL",
        ] {
            assert!(!added.iter().any(|name| name == never), "{never}");
        }
        assert_eq!(
            (host.pids_limit, host.memory, host.memory_swap),
            (Some(100), Some(64 << 20), Some(64 << 20))
        );
        assert_eq!(host.privileged, Some(false));
        assert_eq!((host.pid_mode, host.uts_mode, host.userns_mode), (None, None, None));
    }

    #[test]
    fn the_memory_of_a_job_comes_from_the_machine() {
        assert_eq!(total_memory("MemTotal:       1024 kB\nMemFree: 1 kB\n"), Some(1 << 20));
        assert_eq!(total_memory("nothing"), None);
        assert_eq!(default_memory(Some(100 << 30)), 75 << 30);
    }
}
