//! What holds for every executor.

use crate::cases;
use crate::subject::{Kind, Subject, collect, engine, next};
use pawl_core::event::Stream;
use pawl_core::ports::{Attachment, CommandFiles, ExitKind, StepSignal, StopLadder};
use pawl_executors::fake::FakeStep;

cases!(Fake => fake, Host => host, Docker => docker; [
    starting_twice_runs_once,
    opening_twice_finds_the_first,
    lines_are_numbered_and_keep_their_stream,
    exit_codes_come_through,
    a_signal_is_not_an_exit_code,
    starting_again_does_not_disturb_who_follows,
    command_files_come_back_unparsed,
    following_again_gives_the_rest,
    a_restarted_runner_gets_exactly_what_is_missing,
    a_step_never_started_is_known_as_such,
    a_closed_job_has_lost_its_steps,
    the_log_limit_drops_and_counts,
    stopping_an_ended_step_does_nothing,
    stopping_is_gentle_first,
    stopping_now_kills,
    closing_twice_or_what_never_opened_is_fine,
    closing_a_run_closes_its_jobs,
    a_sandbox_that_goes_away_loses_its_steps,
    an_open_job_has_facts_also_after_a_restart,
]);

fn waiting() -> FakeStep {
    FakeStep { never_ends: true, ..FakeStep::prints(&["up"]) }
}

async fn starting_twice_runs_once(subject: Subject) {
    let step = subject.probe(0, "echo x >>runs; echo done", FakeStep::prints(&["done"]));
    subject.executor.start(&step).await.unwrap();
    subject.executor.start(&step).await.unwrap();
    assert_eq!(subject.outcome(&step.uid, 0).await.texts(), ["done"]);
    subject.executor.start(&step).await.unwrap();
    assert_eq!(subject.outcome(&step.uid, 0).await.texts(), ["done"]);
    match subject.kind {
        Kind::Fake => assert_eq!(subject.world.processes(), 1),
        _ => assert_eq!(std::fs::read_to_string(subject.workspace().join("runs")).unwrap(), "x\n"),
    }
    subject.close().await;
}

async fn starting_again_does_not_disturb_who_follows(subject: Subject) {
    let body = "echo 0; until [ -e go ]; do sleep 0.02; done; echo 1";
    let step = subject.probe(0, body, FakeStep::prints(&["0", "1"]));
    subject.executor.start(&step).await.unwrap();
    let mut signals = subject.executor.follow(&step.uid, 0).await.unwrap();
    assert!(matches!(next(&mut signals).await, StepSignal::Line { offset: 0, .. }));
    subject.executor.start(&step).await.unwrap();
    std::fs::write(subject.workspace().join("go"), "").unwrap();
    assert_eq!(collect(signals).await.texts(), ["1"]);
    subject.close().await;
}

async fn opening_twice_finds_the_first(subject: Subject) {
    assert!(subject.executor.open_job(&subject.request).await.unwrap());
    let step = subject.probe(0, "echo a", FakeStep::prints(&["a"]));
    assert_eq!(subject.run(&step).await.texts(), ["a"]);
    subject.close().await;
}

async fn lines_are_numbered_and_keep_their_stream(subject: Subject) {
    let lines = vec![
        (Stream::Stdout, "a".to_owned()),
        (Stream::Stderr, "b".to_owned()),
        (Stream::Stdout, String::new()),
        (Stream::Stdout, "c  ".to_owned()),
    ];
    let fake = FakeStep { lines, ..FakeStep::default() };
    let step = subject.probe(0, "echo a; echo b >&2; echo; printf 'c  '", fake);
    let outcome = subject.run(&step).await;
    assert_eq!(outcome.stream(Stream::Stdout), ["a", "", "c  "]);
    assert_eq!(outcome.stream(Stream::Stderr), ["b"]);
    let numbers: Vec<u64> = outcome.lines.iter().map(|(offset, _, _)| *offset).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    subject.close().await;
}

async fn exit_codes_come_through(subject: Subject) {
    for (index, code) in [0, 1, 7, 255].into_iter().enumerate() {
        let step = subject.probe(index, &format!("exit {code}"), FakeStep::exits(code));
        assert_eq!(subject.run(&step).await.exit.kind, ExitKind::Exited(code));
    }
    subject.close().await;
}

async fn a_signal_is_not_an_exit_code(subject: Subject) {
    let fake = FakeStep { exit: ExitKind::Signalled(9), ..FakeStep::default() };
    let step = subject.probe(0, "kill -9 $$", fake);
    assert_eq!(subject.run(&step).await.exit.kind, ExitKind::Signalled(9));
    subject.close().await;
}

async fn command_files_come_back_unparsed(subject: Subject) {
    let output = "a=1\nb<<E F\nx\r\ny\nE F\n";
    let files = CommandFiles {
        output: output.into(),
        env: "V=w\n".into(),
        path: "/opt/x\n".into(),
        state: "s=1\n".into(),
        summary: "# ü\n".into(),
        report: "{\"a\":1}".into(),
        warnings: Vec::new(),
    };
    let body = r#"
        printf 'a=1\nb<<E F\nx\r\ny\nE F\n' >>"$GITHUB_OUTPUT"
        echo V=w >>"$GITHUB_ENV"
        echo /opt/x >>"$GITHUB_PATH"
        echo s=1 >>"$GITHUB_STATE"
        echo '# ü' >>"$GITHUB_STEP_SUMMARY"
        printf '{"a":1}' >"$PAWL_REPORT""#;
    let step = subject.probe(0, body, FakeStep { files: files.clone(), ..FakeStep::default() });
    assert_eq!(subject.run(&step).await.exit.files, files);
    let next = subject.probe(1, "true", FakeStep::default());
    assert_eq!(subject.run(&next).await.exit.files, CommandFiles::default());
    subject.close().await;
}

async fn following_again_gives_the_rest(subject: Subject) {
    let step = subject.probe(0, "echo a; echo b; echo c", FakeStep::prints(&["a", "b", "c"]));
    let whole = subject.run(&step).await;
    assert_eq!(whole.texts(), ["a", "b", "c"]);
    let rest = subject.outcome(&step.uid, 2).await;
    assert_eq!(rest.lines, [(2, Stream::Stdout, "c".to_owned())]);
    assert_eq!(rest.exit, whole.exit);
    assert!(subject.outcome(&step.uid, 3).await.lines.is_empty());
    subject.close().await;
}

async fn a_restarted_runner_gets_exactly_what_is_missing(mut subject: Subject) {
    let body = "echo 0; echo 1; echo 2; echo 3; until [ -e go ]; do sleep 0.02; done; echo 4";
    let step = subject.probe(0, body, FakeStep::prints(&["0", "1", "2", "3", "4"]));
    subject.executor.start(&step).await.unwrap();
    let mut signals = subject.executor.follow(&step.uid, 0).await.unwrap();
    for number in 0..2 {
        assert!(
            matches!(next(&mut signals).await, StepSignal::Line { offset, .. } if offset == number)
        );
    }
    drop(signals);
    subject.restart();
    if subject.kind == Kind::Host {
        // A process of the host has lost its parent: it is not trusted to be followed.
        assert!(subject.executor.open_job(&subject.request).await.unwrap());
        assert!(matches!(subject.executor.attach(&step.uid).await.unwrap(), Attachment::Lost(_)));
        return subject.close().await;
    }
    assert_eq!(subject.executor.attach(&step.uid).await.unwrap(), Attachment::Present);
    assert!(subject.executor.open_job(&subject.request).await.unwrap());
    std::fs::write(subject.workspace().join("go"), "").unwrap();
    let rest = subject.outcome(&step.uid, 2).await;
    let seen: Vec<_> =
        rest.lines.iter().map(|(offset, _, text)| (*offset, text.as_str())).collect();
    assert_eq!(seen, [(2, "2"), (3, "3"), (4, "4")]);
    assert_eq!(rest.exit.kind, ExitKind::Exited(0));
    subject.close().await;
}

async fn a_step_never_started_is_known_as_such(subject: Subject) {
    let uid = subject.uid(0);
    assert_eq!(subject.executor.attach(&uid).await.unwrap(), Attachment::NeverStarted);
    let step = subject.probe(0, "true", FakeStep::default());
    subject.run(&step).await;
    assert_eq!(subject.executor.attach(&uid).await.unwrap(), Attachment::Present);
    subject.close().await;
}

async fn a_closed_job_has_lost_its_steps(subject: Subject) {
    let step = subject.probe(0, "echo up; exec sleep 1000", waiting());
    subject.executor.start(&step).await.unwrap();
    subject.executor.close_job(&subject.job()).await.unwrap();
    assert!(matches!(subject.executor.attach(&step.uid).await.unwrap(), Attachment::Lost(_)));
    let outcome = subject.outcome(&step.uid, 0).await;
    assert!(matches!(outcome.exit.kind, ExitKind::Lost(_)), "{outcome:?}");
    assert!(subject.workspace().is_dir());
}

async fn the_log_limit_drops_and_counts(subject: Subject) {
    let fake = FakeStep::prints(&["abcd", "efgh", "ijklm", "n"]);
    let mut step = subject.probe(0, "echo abcd; echo efgh; echo ijklm; echo n", fake.clone());
    step.log_limit_bytes = 10;
    let outcome = subject.run(&step).await;
    assert_eq!(outcome.texts(), ["abcd", "efgh"]);
    assert_eq!(outcome.exit.log_dropped_bytes, 8);
    let mut step = subject.probe(1, "echo abcd; echo efgh; echo ijklm; echo n", fake);
    step.log_limit_bytes = 18;
    let outcome = subject.run(&step).await;
    assert_eq!((outcome.lines.len(), outcome.exit.log_dropped_bytes), (4, 0));
    subject.close().await;
}

async fn stopping_an_ended_step_does_nothing(subject: Subject) {
    let step = subject.probe(0, "exit 3", FakeStep::exits(3));
    subject.run(&step).await;
    subject.executor.stop(&step.uid, StopLadder::NOW).await.unwrap();
    subject.executor.stop(&subject.uid(9), StopLadder::NOW).await.unwrap();
    assert_eq!(subject.outcome(&step.uid, 0).await.exit.kind, ExitKind::Exited(3));
    subject.close().await;
}

async fn stop_when_up(subject: Subject, ladder: StopLadder, signal: i32) {
    let step = subject.probe(0, "echo up; exec sleep 1000", waiting());
    subject.executor.start(&step).await.unwrap();
    let mut signals = subject.executor.follow(&step.uid, 0).await.unwrap();
    assert!(matches!(next(&mut signals).await, StepSignal::Line { text, .. } if text == "up"));
    subject.executor.stop(&step.uid, ladder).await.unwrap();
    assert_eq!(collect(signals).await.exit.kind, ExitKind::Signalled(signal));
    subject.close().await;
}

async fn stopping_is_gentle_first(subject: Subject) {
    stop_when_up(subject, StopLadder::GITHUB, 2).await;
}

async fn stopping_now_kills(subject: Subject) {
    stop_when_up(subject, StopLadder::NOW, 9).await;
}

async fn closing_twice_or_what_never_opened_is_fine(subject: Subject) {
    let job = subject.job();
    subject.executor.close_job(&job).await.unwrap();
    subject.executor.close_job(&job).await.unwrap();
    let never = Subject::closed(subject.kind);
    never.executor.close_job(&never.job()).await.unwrap();
    never.executor.close_run(&never.job().run).await.unwrap();
}

async fn closing_a_run_closes_its_jobs(subject: Subject) {
    let other = Subject::open(subject.kind).await;
    subject.executor.close_run(&subject.job().run).await.unwrap();
    let attached = subject.executor.attach(&subject.uid(0)).await.unwrap();
    assert!(matches!(attached, Attachment::Lost(_)), "{attached:?}");
    let attached = other.executor.attach(&other.uid(0)).await.unwrap();
    assert_eq!(attached, Attachment::NeverStarted);
    other.close().await;
}

async fn a_sandbox_that_goes_away_loses_its_steps(subject: Subject) {
    let step = subject.probe(0, "echo up; exec sleep 1000", waiting());
    subject.executor.start(&step).await.unwrap();
    let mut signals = subject.executor.follow(&step.uid, 0).await.unwrap();
    assert!(matches!(next(&mut signals).await, StepSignal::Line { .. }));
    match subject.kind {
        Kind::Fake => subject.world.lose(&subject.job()),
        // Nothing but its owner can take the host away.
        Kind::Host => return subject.close().await,
        Kind::Docker => {
            engine(&["kill", &subject.job().container_name()]);
        }
    }
    let outcome = collect(signals).await;
    assert!(matches!(outcome.exit.kind, ExitKind::Lost(_)), "{outcome:?}");
    assert!(matches!(subject.executor.attach(&step.uid).await.unwrap(), Attachment::Lost(_)));
    assert!(subject.executor.start(&subject.script(1, "true")).await.is_err());
    subject.close().await;
}

async fn an_open_job_has_facts_also_after_a_restart(mut subject: Subject) {
    let facts = subject.executor.job_facts(&subject.job()).await.unwrap();
    assert_eq!(facts.container.id.is_empty(), subject.kind != Kind::Docker, "{facts:?}");
    assert!(subject.executor.service_logs(&subject.job()).await.is_empty());
    subject.restart();
    subject.executor.open_job(&subject.request).await.unwrap();
    assert_eq!(subject.executor.job_facts(&subject.job()).await.unwrap(), facts);
    subject.close().await;
}
