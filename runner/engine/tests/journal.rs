//! The contract of a journal, held by every implementation.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use pawl_core::event::{Conclusion, Recorded, RunEvent, Stream};
use pawl_core::ids::{JobKey, RunId, StepPath};
use pawl_core::ports::{Journal, JournalError};
use pawl_engine::journal::memory::MemoryJournal;
use pawl_engine::journal::sqlite::SqliteJournal;
use std::sync::Arc;

fn run(name: &str) -> RunId {
    RunId(name.to_owned())
}

fn at(seq: u64, event: RunEvent) -> Recorded {
    Recorded { seq, time_ms: 1000 + i64::try_from(seq).unwrap(), event }
}

fn requested(name: &str) -> RunEvent {
    RunEvent::RunRequested {
        run: run(name),
        workflow: "w.yml".to_owned(),
        trigger: "push".to_owned(),
        actor: "ann".to_owned(),
        number: 1,
    }
}

fn line(seq: u64) -> Recorded {
    let event = RunEvent::Log {
        job: JobKey("a".to_owned()),
        step: StepPath::top(0),
        attempt: 1,
        offset: seq,
        stream: Stream::Stdout,
        text: format!("line {seq} \u{1f600} \"quoted\""),
    };
    at(seq, event)
}

async fn events_come_back_as_they_were_given(journal: &dyn Journal) {
    let name = run("r1");
    let events: Vec<Recorded> =
        std::iter::once(at(1, requested("r1"))).chain((2..=5).map(line)).collect();
    journal.append(&name, 0, &events[..2]).await.unwrap();
    journal.append(&name, 2, &events[2..]).await.unwrap();
    assert_eq!(journal.load(&name, 0).await.unwrap(), events);
    for after in 1..5 {
        let later = journal.load(&name, after).await.unwrap();
        assert_eq!(later, events[usize::try_from(after).unwrap()..], "after {after}");
    }
    assert_eq!(journal.load(&name, 5).await.unwrap(), []);
    assert_eq!(journal.load(&name, u64::MAX).await.unwrap(), []);
}

async fn numbers_of_a_series_count_up_and_none_is_given_twice(journal: &dyn Journal) {
    assert_eq!(journal.number("train").await.unwrap(), 1);
    let both = tokio::try_join!(journal.number("train"), journal.number("train")).unwrap();
    assert_eq!(both.0 + both.1, 5, "2 and 3 in any order");
    assert_eq!(journal.number("deploy").await.unwrap(), 1, "series are apart");
    assert_eq!(journal.number("train").await.unwrap(), 4);
}

async fn an_unknown_run_is_an_error(journal: &dyn Journal) {
    let error = journal.load(&run("nobody"), 0).await.unwrap_err();
    assert!(matches!(error, JournalError::Unknown(name) if name == "nobody"));
}

async fn a_wrong_number_is_a_conflict_and_writes_nothing(journal: &dyn Journal) {
    let name = run("r2");
    journal.append(&name, 0, &[at(1, requested("r2")), line(2)]).await.unwrap();
    for (expected, seq) in [(1, 2), (3, 4), (7, 8)] {
        let error = journal.append(&name, expected, &[line(seq)]).await.unwrap_err();
        assert!(
            matches!(error, JournalError::Conflict { found: 2, expected: e, .. } if e == expected)
        );
    }
    let error = journal.append(&name, 0, &[at(1, requested("r2"))]).await.unwrap_err();
    assert!(matches!(error, JournalError::Conflict { found: 2, .. }));
    assert_eq!(journal.load(&name, 0).await.unwrap().len(), 2);
}

async fn a_gap_and_a_wrong_beginning_are_refused(journal: &dyn Journal) {
    let name = run("r3");
    for events in [vec![line(1)], vec![at(1, requested("other"))], vec![at(2, requested("r3"))]] {
        let error = journal.append(&name, 0, &events).await.unwrap_err();
        assert!(matches!(error, JournalError::Corrupt(_)), "{events:?}");
    }
    let error = journal.append(&name, 0, &[at(1, requested("r3")), line(3)]).await.unwrap_err();
    assert!(matches!(error, JournalError::Corrupt(_)));
    assert!(matches!(journal.load(&name, 0).await, Err(JournalError::Unknown(_))), "all or none");
}

async fn runs_are_listed_newest_first(journal: &dyn Journal) {
    for (name, time_ms) in [("l1", 5000), ("l3", 7000), ("l2", 7000)] {
        let first = Recorded { time_ms, ..at(1, requested(name)) };
        journal.append(&run(name), 0, &[first]).await.unwrap();
    }
    let end = RunEvent::RunFinished { conclusion: Conclusion::Lost };
    journal.append(&run("l3"), 1, &[Recorded { seq: 2, time_ms: 9000, event: end }]).await.unwrap();
    let runs = journal.runs(3).await.unwrap();
    let names: Vec<&str> = runs.iter().map(|run| run.run.0.as_str()).collect();
    assert_eq!(names, ["l3", "l2", "l1"]);
    assert_eq!(runs[0].conclusion, Some(Conclusion::Lost));
    assert_eq!((runs[0].requested_ms, runs[0].finished_ms), (7000, Some(9000)));
    assert_eq!((runs[1].conclusion, runs[1].finished_ms), (None, None));
    assert_eq!((&*runs[1].workflow, &*runs[1].trigger, &*runs[1].actor), ("w.yml", "push", "ann"));
    assert_eq!(journal.runs(1).await.unwrap().len(), 1);
}

async fn one_holder_has_a_lease(journal: &dyn Journal) {
    assert!(journal.lease(&run("r4")).await.unwrap());
    assert!(!journal.lease(&run("r4")).await.unwrap());
    assert!(journal.lease(&run("r5")).await.unwrap());
    journal.release(&run("r4")).await.unwrap();
    assert!(journal.lease(&run("r4")).await.unwrap());
    journal.release(&run("nobody")).await.unwrap();
}

async fn many_runs_append_at_once(journal: Arc<dyn Journal>) {
    let tasks: Vec<_> = (0..40)
        .map(|index| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move {
                let name = format!("many{index}");
                journal.append(&run(&name), 0, &[at(1, requested(&name))]).await.unwrap();
                for seq in 2..=20 {
                    journal.append(&run(&name), seq - 1, &[line(seq)]).await.unwrap();
                    let again = journal.append(&run(&name), seq - 1, &[line(seq)]).await;
                    assert!(matches!(again, Err(JournalError::Conflict { .. })));
                }
                journal.load(&run(&name), 0).await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        let events = task.await.unwrap();
        assert!(events.iter().map(|event| event.seq).eq(1..=20));
    }
}

async fn of_two_writers_of_one_event_one_wins(journal: Arc<dyn Journal>) {
    let name = run("race");
    journal.append(&name, 0, &[at(1, requested("race"))]).await.unwrap();
    let writers = (0..8).map(|_| {
        let (journal, name) = (Arc::clone(&journal), name.clone());
        tokio::spawn(async move { journal.append(&name, 1, &[line(2)]).await.is_ok() })
    });
    let mut wins = 0;
    for writer in writers.collect::<Vec<_>>() {
        wins += usize::from(writer.await.unwrap());
    }
    assert_eq!(wins, 1);
}

async fn ten_thousand_lines_go_in_one_append(journal: &dyn Journal) {
    let name = run("long");
    let events: Vec<Recorded> =
        std::iter::once(at(1, requested("long"))).chain((2..=10_001).map(line)).collect();
    journal.append(&name, 0, &events).await.unwrap();
    assert_eq!(journal.load(&name, 0).await.unwrap(), events);
}

async fn holds_the_contract(journal: Arc<dyn Journal>) {
    runs_are_listed_newest_first(&*journal).await;
    events_come_back_as_they_were_given(&*journal).await;
    numbers_of_a_series_count_up_and_none_is_given_twice(&*journal).await;
    an_unknown_run_is_an_error(&*journal).await;
    a_wrong_number_is_a_conflict_and_writes_nothing(&*journal).await;
    a_gap_and_a_wrong_beginning_are_refused(&*journal).await;
    one_holder_has_a_lease(&*journal).await;
    many_runs_append_at_once(Arc::clone(&journal)).await;
    of_two_writers_of_one_event_one_wins(Arc::clone(&journal)).await;
    ten_thousand_lines_go_in_one_append(&*journal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_journal_holds_the_contract() {
    holds_the_contract(Arc::new(MemoryJournal::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sqlite_journal_holds_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(&folder.path().join("store.db")).unwrap();
    holds_the_contract(Arc::new(journal)).await;
}

#[tokio::test]
async fn what_sqlite_acknowledged_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let events = [at(1, requested("kept")), line(2)];
    let first = SqliteJournal::open(&path).unwrap();
    first.append(&run("kept"), 0, &events).await.unwrap();
    // The second journal is as another process: the first one is still open.
    let second = SqliteJournal::open(&path).unwrap();
    assert_eq!(second.load(&run("kept"), 0).await.unwrap(), events);
    let late = first.append(&run("kept"), 1, &[line(2)]).await;
    assert!(matches!(late, Err(JournalError::Conflict { found: 2, .. })));
    second.append(&run("kept"), 2, &[line(3)]).await.unwrap();
    assert!(matches!(
        first.append(&run("kept"), 2, &[line(3)]).await,
        Err(JournalError::Conflict { found: 3, .. })
    ));
}

#[tokio::test]
async fn a_lease_that_another_living_handle_has_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let first = SqliteJournal::open(&path).unwrap();
    let second = SqliteJournal::open(&path).unwrap();
    assert!(first.lease(&run("r")).await.unwrap());
    assert!(!second.lease(&run("r")).await.unwrap());
    first.release(&run("r")).await.unwrap();
    assert!(second.lease(&run("r")).await.unwrap());
}

#[tokio::test]
async fn an_event_that_nobody_can_read_is_corrupt_and_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let journal = SqliteJournal::open(&path).unwrap();
    journal.append(&run("r"), 0, &[at(1, requested("r")), line(2)]).await.unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute("UPDATE events SET event = '{\"event\":\"from-the-future\"}' WHERE seq = 2", [])
        .unwrap();
    let error = journal.load(&run("r"), 0).await.unwrap_err();
    assert!(matches!(&error, JournalError::Corrupt(text) if text.contains("event 2")), "{error}");
}
