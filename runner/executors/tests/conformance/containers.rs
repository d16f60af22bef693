//! What holds for Docker alone: isolation, images, and engines that misbehave.

use crate::subject::{
    Kind, PAWL, Subject, docker_with, engine, has_container, next, reason, until,
};
use pawl_core::container::{Role, options};
use pawl_core::ports::{
    Attachment, Command, Executor, ExecutorError, ExitKind, JobRequest, ServiceRequest,
};
use std::io::Write;
use std::process::Stdio;
use std::sync::OnceLock;

const EMPTY: &str = "pawl-test/empty:1";

/// An image with nothing at all in it, as `FROM scratch` makes.
fn ensure_empty_image() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let mut import = std::process::Command::new("docker")
            .args(["import", "-", EMPTY])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Two empty blocks end a tar file.
        import.stdin.take().unwrap().write_all(&[0; 1024]).unwrap();
        assert!(import.wait().unwrap().success());
    });
}

async fn open_with(change: impl FnOnce(&mut JobRequest)) -> Subject {
    let mut subject = Subject::closed(Kind::Docker);
    change(&mut subject.request);
    assert!(!subject.executor.open_job(&subject.request).await.unwrap());
    subject
}

#[tokio::test]
async fn the_agent_is_out_of_reach_of_root_steps() {
    let subject = Subject::open(Kind::Docker).await;
    let mut holder = subject.script(0, "echo up; exec sleep 1000");
    holder.env = vec![("TOKEN".into(), "hush-hush".into())];
    subject.executor.start(&holder).await.unwrap();
    let mut signals = subject.executor.follow(&holder.uid, 0).await.unwrap();
    next(&mut signals).await;
    let body = r"
        id -u
        cat /proc/1/environ && echo READ environ
        for fd in 0 1 2 3 4 5 6 7 8 9; do
            readlink /proc/1/fd/$fd && echo SAW $fd
            cat </proc/1/fd/$fd && echo READ $fd
        done
        echo '{}' >/proc/1/fd/0 && echo WROTE stdin
        echo '{}' >/proc/1/fd/1 && echo WROTE stdout
        dd if=/proc/1/mem count=1 && echo READ mem
        kill -9 1; kill -15 1
        find / -xdev -type s 2>/dev/null
        tail -n +2 /proc/net/unix
        true";
    let mut probe = subject.script(1, body);
    let Command::Script { shells, .. } = &mut probe.command else { unreachable!() };
    *shells = vec![vec!["sh".into(), "{0}".into()]];
    let outcome = subject.run(&probe).await;
    assert_eq!(outcome.exit.kind, ExitKind::Exited(0));
    assert_eq!(outcome.stream(pawl_core::event::Stream::Stdout), ["0"], "{outcome:?}");
    subject.close().await;
}

#[tokio::test]
async fn a_step_inherits_no_descriptor() {
    let subject = Subject::open(Kind::Docker).await;
    let outcome = subject
        .sh(0, "for fd in /proc/$$/fd/*; do echo ${fd##*/}; done; readlink /proc/$$/fd/0")
        .await;
    // The shell itself keeps the script open, above the usual numbers.
    let small: Vec<&str> = outcome.texts().into_iter().filter(|fd| fd.len() == 1).collect();
    assert!(["0", "1", "2"].iter().all(|fd| small.contains(fd)), "{outcome:?}");
    assert_eq!(outcome.texts().last(), Some(&"/dev/null"));
    let outcome = subject
        .run(&subject.request(1, Command::Argv(vec!["ls".into(), "/proc/self/fd".into()])))
        .await;
    // The fourth is the folder that ls reads.
    assert_eq!(outcome.texts(), ["0", "1", "2", "3"]);
    subject.close().await;
}

#[tokio::test]
async fn an_image_from_scratch_can_run_built_in_actions() {
    ensure_empty_image();
    for user in [None, Some("1234:1234".to_owned())] {
        let subject = open_with(|request| {
            request.image = EMPTY.into();
            request.user = user;
        })
        .await;
        let outcome = subject.run(&subject.request(0, Command::Pawl(vec!["hi".into()]))).await;
        assert_eq!(outcome.texts(), ["hi"]);
        let outcome = subject.sh(1, "true").await;
        assert!(reason(&outcome.exit.kind).starts_with("there is no shell: none of sh is on PATH"));
        subject.close().await;
    }
}

#[tokio::test]
async fn orphans_are_buried() {
    let subject = Subject::open(Kind::Docker).await;
    let body = "i=0; while [ $i -lt 20 ]; do (sh -c 'sleep 0.01' &); i=$((i+1)); done; sleep 0.1";
    assert_eq!(subject.sh(0, body).await.exit.kind, ExitKind::Exited(0));
    let mut step = 1;
    let count = |outcome: &crate::subject::Outcome| outcome.texts()[0].parse::<u32>().unwrap();
    loop {
        let outcome =
            subject.sh(step, "cat /proc/[0-9]*/stat 2>/dev/null | grep -cE '\\) (Z|X)' || :").await;
        if count(&outcome) == 0 {
            break;
        }
        assert!(step < 200, "zombies stay");
        step += 1;
    }
    subject.close().await;
}

#[tokio::test]
async fn mounts_are_read_only_and_the_pawl_binary_too() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("a"), "data").unwrap();
    let mount = (data.path().to_owned(), "/data".to_owned());
    let subject = open_with(|request| request.mounts = vec![mount]).await;
    let body = "cat /data/a; echo; for f in /data/a /pawl/pawl; do (echo x >>$f) 2>/dev/null && echo WROTE; done; :";
    assert_eq!(subject.sh(0, body).await.texts(), ["data"]);
    subject.close().await;
}

#[tokio::test]
async fn a_container_that_ended_is_found_and_its_steps_are_lost() {
    let mut subject = Subject::open(Kind::Docker).await;
    subject.sh(0, "true").await;
    engine(&["kill", &subject.job().container_name()]);
    subject.restart();
    assert!(subject.executor.open_job(&subject.request).await.unwrap());
    let Attachment::Lost(why) = subject.executor.attach(&subject.uid(0)).await.unwrap() else {
        panic!("not lost")
    };
    assert_eq!(why, "its container ended with exit code 137");
    let error = subject.executor.start(&subject.script(1, "true")).await.unwrap_err();
    assert!(matches!(error, ExecutorError::Environment { .. }), "{error:?}");
    subject.close().await;
}

#[tokio::test]
async fn a_container_made_and_never_started_is_taken_over() {
    let mut subject = Subject::open(Kind::Docker).await;
    let job = subject.job();
    subject.executor.close_job(&job).await.unwrap();
    let binary = format!("{PAWL}:/pawl/pawl:ro");
    let work = format!("{}:/github/workspace", subject.workspace().display());
    let name = job.container_name();
    let made = engine(&[
        "create",
        "-i",
        "--name",
        &name,
        "--log-driver",
        "none",
        "-v",
        &binary,
        "-v",
        &work,
        "--entrypoint",
        "/pawl/pawl",
        crate::subject::IMAGE,
        "agent",
    ]);
    assert!(!made.is_empty());
    subject.restart();
    assert!(subject.executor.open_job(&subject.request).await.unwrap());
    assert_eq!(subject.executor.attach(&subject.uid(0)).await.unwrap(), Attachment::NeverStarted);
    assert_eq!(subject.sh(0, "echo a").await.texts(), ["a"]);
    subject.close().await;
}

#[tokio::test]
async fn what_fails_half_way_leaves_nothing() {
    let mut subject = Subject::closed(Kind::Docker);
    subject.request.user = Some("nobody-here".into());
    let error = subject.executor.open_job(&subject.request).await.unwrap_err();
    assert!(matches!(error, ExecutorError::Request { .. }), "{error:?}");
    assert!(error.to_string().contains("nobody-here"), "{error}");
    assert!(!has_container(&subject.job()));
    subject.executor.close_job(&subject.job()).await.unwrap();
    // The same job, asked for as it should be.
    subject.request.user = None;
    assert!(!subject.executor.open_job(&subject.request).await.unwrap());
    subject.close().await;
}

#[tokio::test]
async fn a_binary_that_is_no_agent_is_an_error_and_leaves_nothing() {
    let mut subject = Subject::closed(Kind::Docker);
    subject.executor = Box::new(docker_with(None, "/etc/hostname"));
    subject.executor.open_job(&subject.request).await.unwrap_err();
    assert!(!has_container(&subject.job()));
    subject.executor = Box::new(docker_with(None, "/no/such/pawl"));
    let error = subject.executor.open_job(&subject.request).await.unwrap_err();
    assert!(matches!(error, ExecutorError::Environment { .. }), "{error:?}");
    assert!(!has_container(&subject.job()));
}

#[tokio::test]
async fn an_image_that_cannot_be_had_is_the_users_fault() {
    let mut subject = Subject::closed(Kind::Docker);
    // A port on which nothing listens: no name is looked up, no network needed.
    subject.request.image = "localhost:1/none:1".into();
    let error = subject.executor.open_job(&subject.request).await.unwrap_err();
    let ExecutorError::Request { message, .. } = &error else { panic!("{error:?}") };
    let start = "the image localhost:1/none:1 is not on this machine and cannot be pulled: ";
    assert!(message.starts_with(start), "{message}");
    subject.close().await;
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_the_environments_fault() {
    let executor = docker_with(Some("unix:///no/such/docker.sock"), PAWL);
    let error = executor.check().await.unwrap_err();
    let ExecutorError::Environment { message, hint } = &error else { panic!("{error:?}") };
    assert!(message.starts_with("the Docker engine does not answer: "), "{message}");
    assert!(hint.contains("systemctl start docker"), "{hint}");
    assert!(docker_with(None, PAWL).check().await.unwrap().starts_with("docker "));
}

#[tokio::test]
async fn a_killed_runners_half_written_frames_do_no_harm() {
    let mut subject = Subject::open(Kind::Docker).await;
    let step = subject.script(0, "echo a; until [ -e go ]; do sleep 0.02; done; echo b");
    subject.executor.start(&step).await.unwrap();
    // A client that dies in the middle of an order. Ours says nothing more.
    let mut child = std::process::Command::new("docker")
        .args(["attach", "--sig-proxy=false", &subject.job().container_name()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(br#"{"start":{"id":1,"step":{"uid""#).unwrap();
    drop(child.stdin.take());
    child.kill().unwrap();
    child.wait().unwrap();
    subject.restart();
    std::fs::write(subject.workspace().join("go"), "").unwrap();
    assert_eq!(subject.outcome(&step.uid, 1).await.texts(), ["b"]);
    assert_eq!(subject.sh(1, "echo c").await.texts(), ["c"]);
    subject.close().await;
}

#[tokio::test]
async fn what_was_printed_while_no_runner_lived_is_not_lost() {
    let mut subject = Subject::open(Kind::Docker).await;
    let body =
        "until [ -e go ]; do sleep 0.02; done; seq 1 100000; echo o=1 >$GITHUB_OUTPUT; : >done";
    let step = subject.script(0, body);
    subject.executor.start(&step).await.unwrap();
    // A handle that knows no job: the old one and its connection are gone.
    subject.restart();
    std::fs::write(subject.workspace().join("go"), "").unwrap();
    let done = subject.workspace().join("done");
    until("the step to end by itself", || done.exists()).await;
    let outcome = subject.outcome(&step.uid, 0).await;
    assert_eq!(outcome.lines.len(), 100_000);
    assert_eq!(outcome.lines.last().unwrap().2, "100000");
    assert_eq!(outcome.exit.kind, ExitKind::Exited(0));
    assert_eq!(outcome.exit.files.output, "o=1\n");
    subject.close().await;
}

#[tokio::test]
async fn sandboxes_of_the_store_are_listed() {
    let subject = Subject::open(Kind::Docker).await;
    assert!(crate::subject::docker().sandboxes().await.unwrap().contains(&subject.job()));
    let job = subject.job();
    subject.close().await;
    until("the container to be gone", || !has_container(&job)).await;
    assert!(!crate::subject::docker().sandboxes().await.unwrap().contains(&job));
}

#[tokio::test]
async fn a_service_that_ends_keeps_the_job_from_opening_and_says_why() {
    let mut subject = Subject::closed(Kind::Docker);
    let service = |id: &str, command: &str| ServiceRequest {
        id: id.into(),
        image: crate::subject::IMAGE.into(),
        command: Some(command.into()),
        ..ServiceRequest::default()
    };
    let check =
        options("--health-cmd false --health-interval 100ms --health-retries 1", Role::Service);
    let mut sick = service("sick", "sh -c 'echo out of order; sleep 600'");
    sick.container.options = check.unwrap();
    subject.request.services = vec![service("well", "sleep 600"), sick];
    let error = subject.executor.open_job(&subject.request).await.unwrap_err();
    let ExecutorError::Request { message, .. } = error else { panic!("{error:?}") };
    assert!(message.starts_with("the service 'sick' is not fit: it is unhealthy"), "{message}");
    let logs = subject.executor.service_logs(&subject.job()).await;
    assert_eq!(logs.len(), 1, "{logs:?}");
    assert_eq!(
        (logs[0].service.as_str(), logs[0].lines.as_slice()),
        ("sick", &["out of order".to_owned()][..])
    );
    subject.executor.close_job(&subject.job()).await.unwrap();
    let filter = format!("label=pawl.run={}", subject.job().run);
    for kind in ["container", "network", "volume"] {
        let all = if kind == "container" { "-aq" } else { "-q" };
        assert_eq!(engine(&[kind, "ls", all, "--filter", &filter]), "", "{kind}");
    }
}
