//! Which options are carried out and which are refused.

use super::{ContainerOptions, Gpus, Role, Ulimit, options};
use crate::container::VolumeSource;

fn sound(text: &str) -> ContainerOptions {
    options(text, Role::Service).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

fn refused(text: &str, role: Role) -> Vec<(usize, String)> {
    let faults = options(text, role).expect_err(text);
    faults.into_iter().map(|fault| (fault.offset, fault.message)).collect()
}

#[test]
fn health_options_come_in_every_way_of_writing() {
    let text = "--health-cmd \"pg_isready -U 'me'\" --health-interval=10s\n--health-timeout 5s \
                --health-retries 5 --health-start-period='1m30s'";
    let health = sound(text).health;
    assert_eq!(health.command.as_deref(), Some("pg_isready -U 'me'"));
    assert_eq!(health.interval_nanos, Some(10_000_000_000));
    assert_eq!((health.timeout_nanos, health.retries), (Some(5_000_000_000), Some(5)));
    assert_eq!(health.start_period_nanos, Some(90_000_000_000));
}

#[test]
fn limits_names_and_files_are_carried_out() {
    let text = "--cpus 1.5 -m 512m --memory-swap=1g --shm-size 1g --pids-limit 100 -u 1000:1000 -h box \
                --ulimit nofile=1024:2048 --tmpfs /scratch:size=64m,mode=1777 --add-host db:10.0.0.1 --dns 1.1.1.1 \
                --network-alias cache --name redis --read-only --init --rm -d -e A=1 -eB=2 -e=C=3 -l k=v \
                -v data:/data:ro -p 8080:80 --cap-drop ALL --mount type=tmpfs,destination=/x,tmpfs-size=1m";
    let found = sound(text);
    assert_eq!((found.cpu_millis, found.memory_bytes), (Some(1_500), Some(512 << 20)));
    assert_eq!(
        (found.memory_swap_bytes, found.shm_bytes, found.pids),
        (Some(1 << 30), Some(1 << 30), Some(100))
    );
    assert_eq!(
        (found.user.as_deref(), found.hostname.as_deref()),
        (Some("1000:1000"), Some("box"))
    );
    assert_eq!(found.ulimits, [Ulimit { name: "nofile".into(), soft: 1024, hard: 2048 }]);
    assert_eq!(
        found.tmpfs,
        [("/scratch".into(), "size=64m,mode=1777".into()), ("/x".into(), "size=1m".into())]
    );
    assert_eq!(found.add_hosts, ["db:10.0.0.1"]);
    assert_eq!(found.dns, ["1.1.1.1"]);
    assert_eq!(found.network_aliases, ["cache", "redis"]);
    assert!(found.is_read_only && found.has_init);
    let env: Vec<String> =
        found.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["A=1", "B=2", "C=3"]);
    assert_eq!(found.volumes[0].source, VolumeSource::Named("data".into()));
    assert_eq!(found.ports[0].host, Some(8080));
    assert_eq!(found.cap_drop, ["ALL"]);
}

#[test]
fn graphics_processors_are_counted_or_named() {
    let of = |text: &str| options(text, Role::Job).expect(text).gpus.expect("gpus");
    assert_eq!(of("--gpus all"), Gpus::default());
    assert_eq!(of("--gpus=2").count, Some(2));
    assert_eq!(of("--gpus '\"device=0,1\"'").devices, ["0", "1"]);
    assert!(
        options("--gpus 0", Role::Job).is_err() && options("--gpus all", Role::Service).is_err()
    );
}

#[test]
fn what_would_open_the_sandbox_is_refused_by_its_name_in_every_way_of_writing() {
    for text in [
        "--privileged",
        "--privileged=true",
        "--privileged=false",
        "--cap-add SYS_ADMIN",
        "--cap-add=ALL",
        "--pid=host",
        "--pid host",
        "--network host",
        "--net=container:x",
        "--network=bridge",
        "--ipc=host",
        "--uts host",
        "--userns=host",
        "--cgroupns host",
        "--device /dev/kvm",
        "--security-opt seccomp=unconfined",
        "--security-opt=apparmor:unconfined",
        "--cgroup-parent=/x",
        "--volumes-from x",
        "--runtime x",
        "--sysctl kernel.x=1",
        "--oom-kill-disable",
        "--oom-score-adj -1000",
        "--env-file /etc/passwd",
        "--device-cgroup-rule 'a *:* rwm'",
        "--restart always",
        "--volume-driver x",
        "--cidfile /x",
        "--label-file /x",
    ] {
        let name = text.split([' ', '=']).next().unwrap_or_default();
        let expected = [(0, format!("the option '{name}' is not allowed"))];
        assert_eq!(refused(text, Role::Service), expected, "{text}");
        assert_eq!(refused(text, Role::Job), expected, "{text}");
    }
}

#[test]
fn every_fault_is_found_with_its_place() {
    let text = "--cpus 1 --privileged --memory lots -x image --cpu 2 -e HOME";
    let found = refused(text, Role::Job);
    let expected = [
        (9, "the option '--privileged' is not allowed"),
        (22, "the option '--memory' does not take 'lots'"),
        (36, "the option '-x' is not allowed"),
        (39, "'image' is not an option"),
        (45, "the option '--cpu' is not allowed"),
        (51, "'2' is not an option"),
        (53, "the option '-e' does not take 'HOME'"),
    ];
    assert_eq!(found, expected.map(|(offset, message)| (offset, message.to_owned())));
    assert_eq!(
        options("--cpu 2", Role::Job).expect_err("unknown")[0].help,
        "did you mean '--cpus'?"
    );
    assert_eq!(refused("--cpus", Role::Job), [(0, "the option '--cpus' has no value".to_owned())]);
}

#[test]
fn values_that_would_lift_a_limit_are_refused() {
    for text in [
        "--memory-swap -1",
        "--memory 0",
        "--pids-limit -1",
        "--pids-limit 0",
        "-v /x",
        "-v ./x:/y",
        "-p 0.0.0.0:80:80",
        "--tmpfs /proc",
        "--tmpfs /x:suid",
        "--label pawl.run=x",
        "--label Pawl.store=x",
        "--mount type=npipe,target=/x",
        "--mount type=bind,source=x,target=/x",
        "--mount type=volume,volume-driver=x,target=/x",
        "--mount type=volume,target=/x,volume-opt=device=/",
        "--add-host a:b",
        "--dns x",
        "--hostname ''",
        "-- x",
    ] {
        let is_anonymous = text == "-v /x";
        assert_eq!(options(text, Role::Service).is_ok(), is_anonymous, "{text}");
    }
}

#[test]
fn the_jobs_own_container_starts_as_pawl_says() {
    for text in ["--entrypoint sh", "--workdir=/x", "-w /x"] {
        assert!(options(text, Role::Service).is_ok(), "{text}");
        assert!(refused(text, Role::Job)[0].1.ends_with("is for services"), "{text}");
    }
}
