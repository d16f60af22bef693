//! What holds wherever steps are real processes.

use crate::cases;
use crate::subject::{Kind, PAWL, Subject, collect, has_container, next, reason, until};
use pawl_core::event::Stream;
use pawl_core::ports::{Command, ExitKind, StepSignal, StopLadder};
use std::path::Path;

cases!(Host => host, Docker => docker; [
    what_cannot_start_says_why,
    the_first_shell_that_exists_runs_the_script,
    the_environment_is_what_was_asked_for_and_no_more,
    added_folders_come_first_on_the_path,
    the_working_folder_is_in_the_workspace_or_absolute,
    arguments_are_passed_as_they_are,
    a_built_in_action_is_the_pawl_binary,
    standard_input_is_empty,
    a_stubborn_step_dies_with_its_grandchildren,
    a_second_harder_stop_overrides_the_first,
    bytes_that_are_not_text_are_replaced,
    a_very_long_line_is_cut_and_nothing_is_lost,
    a_flood_arrives_whole_and_in_order,
    a_step_that_nobody_reads_does_not_hold_up_another,
    a_background_process_lives_until_the_job_is_closed,
    too_much_output_data_fails_the_step,
    a_link_instead_of_a_command_file_is_refused,
    a_secret_ends_with_its_step,
    many_steps_may_overlap,
]);

async fn what_cannot_start_says_why(subject: Subject) {
    let none = subject.request(0, Command::Argv(vec!["no-such-program".into()]));
    let outcome = subject.run(&none).await;
    assert!(
        reason(&outcome.exit.kind).starts_with("there is no program no-such-program (PATH is /")
    );
    let mut folder = subject.script(1, "true");
    folder.working_dir = "no/such".into();
    let outcome = subject.run(&folder).await;
    assert!(reason(&outcome.exit.kind).ends_with("/no/such does not exist"), "{outcome:?}");
    let shells = vec![vec!["zzsh".into(), "{0}".into()], vec!["yysh".into(), "{0}".into()]];
    let command = Command::Script { body: "true".into(), extension: String::new(), shells };
    let outcome = subject.run(&subject.request(2, command)).await;
    let said = reason(&outcome.exit.kind);
    assert!(said.starts_with("there is no shell: none of zzsh, yysh is on PATH"), "{said}");
    std::fs::write(subject.workspace().join("odd"), "#!/no/such/interpreter\n").unwrap();
    let outcome = subject.sh(3, "chmod +x odd").await;
    assert_eq!(outcome.exit.kind, ExitKind::Exited(0));
    let outcome = subject.run(&subject.request(4, Command::Argv(vec!["./odd".into()]))).await;
    assert!(reason(&outcome.exit.kind).ends_with("dynamic linker is missing"), "{outcome:?}");
    assert_eq!(subject.sh(5, "echo ok").await.texts(), ["ok"]);
    subject.close().await;
}

async fn the_first_shell_that_exists_runs_the_script(subject: Subject) {
    let shells = vec![
        vec!["no-such-shell".into(), "{0}".into()],
        vec!["sh".into(), "-c".into(), "echo first; . {0}".into()],
        vec!["sh".into(), "{0}".into()],
    ];
    let command = Command::Script { body: "echo second".into(), extension: ".ext".into(), shells };
    assert_eq!(subject.run(&subject.request(0, command)).await.texts(), ["first", "second"]);
    let outcome = subject.sh(1, "echo \"$0\"; ls -l \"$0\" | cut -c1-10").await;
    let (name, mode) = (outcome.texts()[0].to_owned(), outcome.texts()[1].to_owned());
    assert_eq!(Path::new(&name).extension().unwrap(), "sh");
    assert_eq!(mode, "-rwx------");
    let gone = subject.sh(2, &format!("ls {name}")).await;
    assert_ne!(gone.exit.kind, ExitKind::Exited(0));
    subject.close().await;
}

async fn the_environment_is_what_was_asked_for_and_no_more(subject: Subject) {
    let mut step =
        subject.script(0, "env | cut -d= -f1 | sort; echo \"$MULTI\"; echo \"$FROM_JOB\"");
    step.env = vec![("MULTI".into(), "a\nb =c".into()), ("FROM_JOB".into(), "overridden".into())];
    let outcome = subject.run(&step).await;
    let texts = outcome.texts();
    for name in ["MULTI", "PATH", "HOME", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "PAWL_REPORT"] {
        assert!(texts.contains(&name), "{name} is missing in {texts:?}");
    }
    // Cargo gives it to this process, which is the runner here.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!texts.contains(&"CARGO_MANIFEST_DIR"), "the runner's environment leaks: {texts:?}");
    assert_eq!(texts[texts.len() - 3..], ["a", "b =c", "overridden"]);
    assert_eq!(subject.sh(1, "echo $FROM_JOB").await.texts(), ["yes"]);
    subject.close().await;
}

async fn added_folders_come_first_on_the_path(subject: Subject) {
    let body = "mkdir a b; for d in a b; do printf '#!/bin/sh\\necho %s\\n' $d >$d/which-one; done; chmod +x */which-one";
    assert_eq!(subject.sh(0, body).await.exit.kind, ExitKind::Exited(0));
    let workspace = subject.executor.workspace_path(&subject.request);
    let mut step = subject.script(1, "which-one; command -v sh");
    step.path = vec![format!("{workspace}/b"), format!("{workspace}/a")];
    let outcome = subject.run(&step).await;
    assert_eq!(outcome.texts()[0], "b");
    assert_eq!(outcome.lines.len(), 2);
    let mut direct = subject.request(2, Command::Argv(vec!["which-one".into()]));
    direct.path = vec![format!("{workspace}/a")];
    assert_eq!(subject.run(&direct).await.texts(), ["a"]);
    subject.close().await;
}

async fn the_working_folder_is_in_the_workspace_or_absolute(subject: Subject) {
    let workspace = subject.executor.workspace_path(&subject.request);
    assert_eq!(subject.sh(0, "mkdir -p x/y; pwd").await.texts(), [workspace.as_str()]);
    let mut step = subject.script(1, "pwd");
    step.working_dir = "x/y".into();
    assert_eq!(subject.run(&step).await.texts(), [format!("{workspace}/x/y")]);
    let mut step = subject.script(2, "pwd");
    step.working_dir = "/".into();
    assert_eq!(subject.run(&step).await.texts(), ["/"]);
    subject.close().await;
}

async fn arguments_are_passed_as_they_are(subject: Subject) {
    let argv = ["printf", "[%s]\\n", "a b", "", "$HOME", "'q\""].map(str::to_owned).to_vec();
    let outcome = subject.run(&subject.request(0, Command::Argv(argv))).await;
    assert_eq!(outcome.texts(), ["[a b]", "[]", "[$HOME]", "['q\"]"]);
    subject.close().await;
}

async fn a_built_in_action_is_the_pawl_binary(subject: Subject) {
    let args = vec!["actions".into(), "run x".into()];
    let outcome = subject.run(&subject.request(0, Command::Pawl(args))).await;
    assert_eq!(outcome.texts(), ["actions", "run x"]);
    assert!(Path::new(PAWL).is_file());
    subject.close().await;
}

async fn standard_input_is_empty(subject: Subject) {
    assert_eq!(subject.sh(0, "cat; echo end").await.texts(), ["end"]);
    subject.close().await;
}

/// Runs a command in the sandbox's own world of processes.
async fn alive(subject: &Subject, step: usize, pid: &str) -> bool {
    // A zombie is dead; its parent is slow, that is all.
    let body = format!("grep -q '^State:.[^ZX]' /proc/{pid}/status 2>/dev/null");
    subject.sh(step, &body).await.exit.kind == ExitKind::Exited(0)
}

async fn a_stubborn_step_dies_with_its_grandchildren(subject: Subject) {
    let body = "trap '' INT TERM; sh -c 'trap \"\" INT TERM; sleep 1000' & echo $!; sleep 1000 & echo $!; wait; wait";
    let step = subject.script(0, body);
    subject.executor.start(&step).await.unwrap();
    let mut signals = subject.executor.follow(&step.uid, 0).await.unwrap();
    let mut pids = Vec::new();
    for _ in 0..2 {
        let StepSignal::Line { text, .. } = next(&mut signals).await else { panic!("no pid") };
        pids.push(text);
    }
    assert!(alive(&subject, 1, &pids[0]).await);
    let ladder = StopLadder { interrupt_ms: 100, terminate_ms: 100 };
    subject.executor.stop(&step.uid, ladder).await.unwrap();
    assert_eq!(collect(signals).await.exit.kind, ExitKind::Signalled(9));
    for (index, pid) in pids.iter().enumerate() {
        assert!(!alive(&subject, 2 + index, pid).await, "{pid} lives");
    }
    subject.close().await;
}

async fn a_second_harder_stop_overrides_the_first(subject: Subject) {
    let step = subject.script(0, "trap '' INT TERM; echo up; while :; do sleep 0.05 || :; done");
    subject.executor.start(&step).await.unwrap();
    let mut signals = subject.executor.follow(&step.uid, 0).await.unwrap();
    next(&mut signals).await;
    let hour = StopLadder { interrupt_ms: 3_600_000, terminate_ms: 3_600_000 };
    subject.executor.stop(&step.uid, hour).await.unwrap();
    subject.executor.stop(&step.uid, StopLadder::NOW).await.unwrap();
    assert_eq!(collect(signals).await.exit.kind, ExitKind::Signalled(9));
    subject.close().await;
}

async fn bytes_that_are_not_text_are_replaced(subject: Subject) {
    let outcome = subject.sh(0, "printf 'a\\377b\\0c\\n\\303\\244\\r\\n'").await;
    assert_eq!(outcome.texts(), ["a\u{fffd}b\0c", "ä"]);
    subject.close().await;
}

async fn a_very_long_line_is_cut_and_nothing_is_lost(subject: Subject) {
    let outcome = subject.sh(0, "head -c 200000 /dev/zero | tr '\\0' x; echo; echo end").await;
    let sizes: Vec<usize> = outcome.texts().iter().map(|text| text.len()).collect();
    assert_eq!(sizes, [65_536, 65_536, 65_536, 3_392, 3]);
    subject.close().await;
}

async fn a_flood_arrives_whole_and_in_order(subject: Subject) {
    let outcome = subject.sh(0, "seq 1 100000").await;
    assert_eq!(outcome.lines.len(), 100_000);
    for (index, (offset, _, text)) in outcome.lines.iter().enumerate() {
        assert_eq!((*offset, text.as_str()), (index as u64, (index + 1).to_string().as_str()));
    }
    assert_eq!(outcome.exit.log_dropped_bytes, 0);
    subject.close().await;
}

async fn a_step_that_nobody_reads_does_not_hold_up_another(subject: Subject) {
    // 15 MB: more than the window and the replay buffer together.
    let loud = subject.script(0, "seq 1000000 1400000; seq 1000000 1400000; seq 1000000 1400000; seq 1000000 1400000; seq 1000000 1400000");
    subject.executor.start(&loud).await.unwrap();
    let mut unread = subject.executor.follow(&loud.uid, 0).await.unwrap();
    next(&mut unread).await;
    assert_eq!(subject.sh(1, "echo through").await.texts(), ["through"]);
    let rest = collect(unread).await;
    assert_eq!(rest.lines.len(), 5 * 400_001 - 1);
    assert_eq!((rest.lines[0].0, rest.lines[0].2.as_str()), (1, "1000001"));
    assert_eq!(rest.exit.log_dropped_bytes, 0);
    subject.close().await;
}

async fn a_background_process_lives_until_the_job_is_closed(subject: Subject) {
    let outcome = subject.sh(0, "sleep 1000 & echo $!; setsid sleep 1000 & :").await;
    assert_eq!(outcome.exit.kind, ExitKind::Exited(0));
    let pid = outcome.texts()[0].to_owned();
    assert!(alive(&subject, 1, &pid).await);
    let job = subject.job();
    let (kind, workspace) = (subject.kind, subject.workspace().to_owned());
    subject.executor.close_job(&job).await.unwrap();
    if kind == Kind::Docker {
        assert!(!has_container(&job));
        return;
    }
    let mark = format!("RUNNER_TRACKING_ID=pawl:{}", workspace.display());
    until("everything marked to be dead", || !marked(&mark)).await;
}

fn marked(mark: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("environ"))
            .is_ok_and(|environ| String::from_utf8_lossy(&environ).contains(mark))
    })
}

async fn too_much_output_data_fails_the_step(subject: Subject) {
    let outcome = subject.sh(0, "head -c 1048577 /dev/zero >\"$GITHUB_OUTPUT\"").await;
    assert_eq!(
        reason(&outcome.exit.kind),
        "the step's GITHUB_OUTPUT holds 1048577 bytes, more than the 1048576 that are allowed"
    );
    let outcome = subject.sh(1, "head -c 1048577 /dev/zero >\"$GITHUB_OUTPUT\"; exit 5").await;
    assert_eq!(outcome.exit.kind, ExitKind::Exited(5));
    let outcome = subject.sh(2, "head -c 1048577 /dev/zero >\"$GITHUB_STEP_SUMMARY\"").await;
    assert_eq!(outcome.exit.kind, ExitKind::Exited(0));
    subject.close().await;
}

async fn a_link_instead_of_a_command_file_is_refused(subject: Subject) {
    let outcome = subject.sh(0, "ln -sf /etc/passwd \"$GITHUB_OUTPUT\"").await;
    assert_eq!(
        reason(&outcome.exit.kind),
        "cannot read the step's GITHUB_OUTPUT: it is a symbolic link"
    );
    assert_eq!(outcome.exit.files.output, "");
    subject.close().await;
}

async fn a_secret_ends_with_its_step(subject: Subject) {
    let mut step = subject.script(0, "echo $TOKEN");
    step.env = vec![("TOKEN".into(), "hush-hush".into())];
    assert_eq!(subject.run(&step).await.texts(), ["hush-hush"]);
    let outcome = subject.sh(1, "env; cat /proc/$PPID/environ 2>/dev/null || :").await;
    assert!(!outcome.texts().iter().any(|text| text.contains("hush-hush")), "{outcome:?}");
    subject.close().await;
}

async fn many_steps_may_overlap(subject: Subject) {
    let mut streams = Vec::new();
    for index in 0..20 {
        let body = format!(
            "until [ -e go ]; do sleep 0.05; done; echo {index}; echo e{index} >&2; exit {index}"
        );
        let step = subject.script(index, &body);
        subject.executor.start(&step).await.unwrap();
        streams.push(subject.executor.follow(&step.uid, 0).await.unwrap());
    }
    std::fs::write(subject.workspace().join("go"), "").unwrap();
    for (index, stream) in streams.into_iter().enumerate() {
        let outcome = collect(stream).await;
        assert_eq!(outcome.stream(Stream::Stdout), [index.to_string()]);
        assert_eq!(outcome.stream(Stream::Stderr), [format!("e{index}")]);
        assert_eq!(outcome.exit.kind, ExitKind::Exited(i32::try_from(index).unwrap()));
    }
    subject.close().await;
}
