//! Attacks on the sandbox from inside of a job, each of which must come to nothing.

use pawl_tests::containers::{busybox, exec, image_option, of_run, python};
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use std::io::Read;
use std::time::Instant;

/// Name, and a shell command that succeeds only where the attack does.
const ATTACKS: &[(&str, &str)] = &[
    ("docker socket", "test -e /var/run/docker.sock || test -e /run/docker.sock"),
    ("containerd socket", "test -e /run/containerd/containerd.sock"),
    ("device file", "mknod /tmp/dev b 8 0"),
    ("kernel memory device", "mknod /tmp/mem c 1 1"),
    ("raw disk", "cat /dev/sda /dev/vda /dev/nvme0n1 >/dev/null"),
    ("mount a file system", "mount -t tmpfs none /mnt"),
    ("mount proc anew", "mkdir -p /tmp/p && mount -t proc proc /tmp/p"),
    ("bind mount over the agent", "mount --bind /bin/busybox /pawl/pawl"),
    ("unmount the mask of proc", "umount /proc/kcore"),
    ("write to the agent's file", "echo x >/pawl/pawl"),
    ("replace the agent's file", "rm -f /pawl/pawl"),
    ("beside the agent's file", "echo x >/pawl/x && cp /pawl/x /pawl/pawl"),
    ("environment of the first process", "cat /proc/1/environ | grep ."),
    ("descriptors of the first process", "ls /proc/1/fd/0"),
    ("memory of the first process", "dd if=/proc/1/mem count=1"),
    ("root of the first process", "ls /proc/1/root/"),
    ("kill the first process", "kill -9 1; sleep 0.2; ! kill -0 1"),
    ("sysrq", "echo h >/proc/sysrq-trigger"),
    ("kernel settings", "echo 1 >/proc/sys/kernel/panic"),
    ("core pattern", "echo '|/bin/sh' >/proc/sys/kernel/core_pattern"),
    ("kernel log", "dmesg | grep ."),
    ("kernel core", "head -c 1 /proc/kcore | grep -c . | grep 1"),
    ("kernel keys", "grep . /proc/keys"),
    ("release agent of a control group", "mkdir /sys/fs/cgroup/memory/x || mkdir /sys/fs/cgroup/x"),
    ("release agent file", "find /sys/fs/cgroup -name release_agent | grep ."),
    (
        "own memory limit",
        "echo 99999999999 >/sys/fs/cgroup/memory/memory.limit_in_bytes || echo max >/sys/fs/cgroup/memory.max",
    ),
    (
        "own limit of processes",
        "echo max >/sys/fs/cgroup/pids/pids.max || echo max >/sys/fs/cgroup/pids.max",
    ),
    ("firmware settings", "echo x >/sys/kernel/uevent_helper"),
    ("kernel modules", "insmod /bin/busybox"),
    ("host name of this machine", "hostname attacked"),
    ("clock of this machine", "date -s 2001-01-01"),
    ("new root", "chroot / true"),
    ("name spaces", "unshare -m true"),
    ("name space of users", "unshare -Ur true"),
    ("name space of the first process", "nsenter -t 1 -m true"),
    ("network interfaces", "ip link add dummy0 type dummy"),
    ("routes", "ip route add blackhole 10.99.0.0/16"),
    ("low ping", "ping -c 1 -W 1 127.0.0.1"),
    ("raw packets", "arping -c 1 -w 1 127.0.0.1"),
    ("swap", "swapoff -a && swapon /bin/busybox"),
    ("quota of files of this machine", "ls /host /rootfs /var/lib/docker"),
    ("another job's workspace", "ls -d /github/workspace/../../work /var/lib/pawl /root/.local"),
    ("file capabilities", "setcap cap_net_raw+ep /bin/busybox"),
    ("priority", "nice -n -20 true && test \"$(nice -n -20 nice)\" = -20"),
    ("reboot", "reboot -f"),
];

fn run(workflow: &str, project: &Project, more: &[&str]) -> Outcome {
    std::fs::write(project.folder().join("ci.yml"), workflow).expect("a project can be written");
    let call = Pawl::new(project).args(["run", "ci.yml", "--json", &image_option()]).args(more);
    call.store(project.store()).run()
}

#[test]
fn every_attack_comes_to_nothing() {
    let mut script = String::new();
    for (name, attack) in ATTACKS {
        script.push_str(&format!(
            "          if ( {attack} ) >/dev/null 2>&1 </dev/null; then echo 'SUCCEEDED: {name}'; fi\n"
        ));
    }
    let workflow = format!(
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - shell: sh {{0}}\n        run: |\n{script}          echo tried\n      - run: echo the job is well\n"
    );
    let outcome = run(&workflow, &Project::new(), &[]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["tried", "the job is well"]);
    assert!(ATTACKS.len() >= 30);
}

#[test]
fn capabilities_are_few_and_gone_for_good() {
    let script = "          grep -e CapBnd -e CapEff -e NoNewPrivs -e '^Seccomp:' /proc/self/status | tr -s '\\t ' ' '\n          echo $(ls /proc | grep -c '^[0-9]')\n          cat /proc/sys/kernel/hostname | grep -c .\n";
    let workflow = format!(
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n{script}"
    );
    let outcome = run(&workflow, &Project::new(), &[]);
    outcome.code(0);
    // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE.
    let held = "00000000000005fb";
    let log = outcome.log();
    assert_eq!(log[0], format!("CapEff: {held}"));
    assert_eq!(log[1], format!("CapBnd: {held}"));
    assert_eq!((log[2].as_str(), log[3].as_str()), ("NoNewPrivs: 1", "Seccomp: 2"));
    let processes: u32 = log[4].parse().expect("a number");
    assert!(processes < 12, "only the job's own are seen: {processes}");
}

#[test]
fn raw_sockets_and_tracing_are_refused_by_the_kernel() {
    let image = python();
    let script = r#"
          import ctypes, socket
          def refused(call):
              try:
                  call()
                  return False
              except OSError:
                  return True
          raw = refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
          packet = refused(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
          libc = ctypes.CDLL(None, use_errno=True)
          attach = libc.ptrace(16, 1, 0, 0)
          keyctl = libc.syscall(250, 0, -3, 1)
          bpf = libc.syscall(321, 0, 0, 0)
          print(raw, packet, attach, keyctl, bpf)
"#;
    let workflow = format!(
        "on: push\njobs:\n  one:\n    runs-on: x\n    container: {image}\n    steps:\n      - shell: python3 {{0}}\n        run: |\n{}",
        script.trim_start_matches('\n')
    );
    let outcome = run(&workflow, &Project::new(), &[]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["True True -1 -1 -1"]);
}

#[test]
fn a_fork_bomb_is_bounded_and_the_next_job_works() {
    let image = busybox();
    let workflow = format!(
        "on: push\njobs:\n  bomb:\n    runs-on: x\n    container: {{image: '{image}', options: --pids-limit 100}}\n    timeout-minutes: 0.1\n    steps:\n      - shell: sh {{0}}\n        run: |\n          bomb() {{ bomb | bomb & }}\n          bomb\n          sleep 600\n  after:\n    needs: bomb\n    if: always()\n    runs-on: ubuntu-latest\n    steps: [{{run: echo fine}}]\n"
    );
    let begun = Instant::now();
    let outcome = run(&workflow, &Project::new(), &[]);
    outcome.code(1);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    let report = outcome.report();
    assert_ne!(report["jobs"][0]["conclusion"], "success", "{report}");
    assert_eq!(report["jobs"][1]["conclusion"], "success", "{report}");
    assert_eq!(outcome.log().last().map(String::as_str), Some("fine"));
}

#[test]
fn a_memory_bomb_fails_with_its_reason_and_the_next_job_works() {
    let project = Project::new().file(".pawl/config.yml", "limits: {memory: 64m}\n");
    let workflow = "on: push\njobs:\n  bomb:\n    runs-on: ubuntu-latest\n    steps:\n      - run: head -c 500m /dev/zero | tail -n 1 | wc -c\n      - if: always()\n        run: echo the job goes on\n  after:\n    needs: bomb\n    if: always()\n    runs-on: ubuntu-latest\n    steps: [{run: echo fine}]\n";
    let workflow = workflow
        .replace("head -c 500m", "sh -c 'x=x; while true; do x=$x$x$x$x; done'; head -c 500m");
    let outcome = run(&workflow, &project, &[]);
    outcome.code(1);
    let events = outcome.events();
    let bomb = events.iter().find(|event| event["event"] == "step-finished").expect("it ends");
    let reason = bomb["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("out of memory: the job's limit was reached"), "{bomb}");
    let log = outcome.log();
    assert!(log.ends_with(&["the job goes on".to_owned(), "fine".to_owned()]), "{log:?}");
}

#[test]
fn jobs_do_not_reach_each_other() {
    let server = "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          (while true; do echo hi | nc -l -p 7777; done) &\n          hostname -i >address\n          echo $(cat address)\n          until test -e go; do sleep 0.1; done\n";
    let project = Project::new().file("server.yml", server);
    let call = Pawl::new(&project).args(["run", "server.yml", "--json", &image_option()]);
    let mut running = call.store(project.store()).spawn();
    let first = running.wait_for("the run's name", |event| event["event"] == "run-requested");
    let line = running.wait_for("its address", |event| event["event"] == "log");
    let address = line["text"].as_str().expect("a line is text").to_owned();
    // From this machine it is reached, so that the port is open.
    let mut greeting = String::new();
    let answer = std::net::TcpStream::connect(format!("{address}:7777"));
    answer.and_then(|mut stream| stream.read_to_string(&mut greeting)).expect("it listens");
    assert_eq!(greeting, "hi\n");
    let client = "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          nc -w 1 $TARGET 7777 </dev/null 2>/dev/null && echo REACHED\n          echo done\n";
    let outcome = run(client, &project, &["--env", &format!("TARGET={address}")]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["done"]);
    let server = of_run(first["run"].as_str().expect("the run is named")).remove(0);
    exec(&server, &["touch", "/github/workspace/go"]);
    running.finish().code(0);
}
