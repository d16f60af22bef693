//! Events as rows of the store. Lines that a step printed one after another share a row: a flood of them would otherwise write its
//! job, its step and a row of the table anew for each.

use pawl_core::event::{Conclusion, Recorded, RunEvent, Stream, UnixMs};
use pawl_core::ids::{JobKey, StepPath};
use pawl_core::ports::JournalError;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Bytes of text after which a row takes no further line. A reader has one row in memory at a time.
const ROW_BYTES: usize = 256 << 10;

/// How the JSON of a row with several lines begins. An event's own JSON begins with its kind.
const PACKED: &str = "{\"lines-of\":";

/// Some events, already as JSON: the caller's thread does that work, not the writer's.
#[derive(Debug)]
pub(super) struct Row {
    /// Number of the last event in it: the row's key.
    pub(super) last_seq: u64,
    /// When the first of them happened.
    pub(super) time_ms: UnixMs,
    pub(super) json: String,
    pub(super) head: Head,
}

/// What the `runs` table needs to know of an event.
#[derive(Debug)]
pub(super) enum Head {
    Requested { workflow: String, trigger: String, actor: String },
    Finished(Conclusion),
    Reopened,
    Other,
}

impl Row {
    pub(super) fn finished(&self) -> Option<(i64, Conclusion)> {
        match self.head {
            Head::Finished(conclusion) => Some((self.time_ms, conclusion)),
            _ => None,
        }
    }
}

/// Whose lines a row holds.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Printer<'a> {
    job: Cow<'a, JobKey>,
    step: Cow<'a, StepPath>,
    attempt: u32,
    stream: Stream,
}

/// When a line was recorded, the executor's number of it, what it says.
type Line<'a> = (UnixMs, u64, Cow<'a, str>);

/// Lines of one printer with consecutive numbers.
#[derive(Debug, Serialize, Deserialize)]
struct Lines<'a> {
    #[serde(rename = "lines-of")]
    printer: Printer<'a>,
    lines: Vec<Line<'a>>,
}

/// Rows for events, whose numbers are consecutive.
///
/// # Errors
///
/// `Corrupt` for an event that is no JSON: ours.
pub(super) fn rows(events: &[Recorded]) -> Result<Vec<Row>, JournalError> {
    let mut rows = Vec::new();
    let mut rest = events;
    while let [first, later @ ..] = rest {
        let row = match lines(rest) {
            Some((lines, count)) => {
                rest = &rest[count..];
                Row {
                    last_seq: first.seq + count as u64 - 1,
                    time_ms: first.time_ms,
                    json: json(first.seq, &lines)?,
                    head: Head::Other,
                }
            }
            None => {
                rest = later;
                single(first)?
            }
        };
        rows.push(row);
    }
    Ok(rows)
}

/// The lines that the events begin with, when there are at least two that may share a row, and how many.
fn lines(events: &[Recorded]) -> Option<(Lines<'_>, usize)> {
    let (printer, _) = line(events.first()?)?;
    let mut bytes = 0;
    let same = events.iter().map_while(|event| line(event).filter(|(of, _)| *of == printer));
    let lines: Vec<_> = same
        .map(|(_, line)| line)
        .take_while(|(.., text)| {
            let fits = bytes < ROW_BYTES;
            bytes += text.len();
            fits
        })
        .collect();
    let count = lines.len();
    (count > 1).then_some((Lines { printer, lines }, count))
}

fn line(recorded: &Recorded) -> Option<(Printer<'_>, Line<'_>)> {
    let RunEvent::Log { job, step, attempt, offset, stream, text } = &recorded.event else {
        return None;
    };
    let printer = Printer {
        job: Cow::Borrowed(job),
        step: Cow::Borrowed(step),
        attempt: *attempt,
        stream: *stream,
    };
    Some((printer, (recorded.time_ms, *offset, Cow::Borrowed(text))))
}

fn single(recorded: &Recorded) -> Result<Row, JournalError> {
    let head = match &recorded.event {
        RunEvent::RunRequested { workflow, trigger, actor, .. } => Head::Requested {
            workflow: workflow.clone(),
            trigger: trigger.clone(),
            actor: actor.clone(),
        },
        RunEvent::RunFinished { conclusion } => Head::Finished(*conclusion),
        RunEvent::RunReopened => Head::Reopened,
        _ => Head::Other,
    };
    Ok(Row {
        last_seq: recorded.seq,
        time_ms: recorded.time_ms,
        json: json(recorded.seq, &recorded.event)?,
        head,
    })
}

fn json(seq: u64, value: &impl Serialize) -> Result<String, JournalError> {
    serde_json::to_string(value)
        .map_err(|e| JournalError::Corrupt(format!("event {seq} is no JSON: {e}")))
}

/// Adds the events of a row.
///
/// # Errors
///
/// What is wrong with its JSON: the file was changed by somebody else.
pub(super) fn unpack(
    last_seq: u64,
    time_ms: UnixMs,
    json: &str,
    events: &mut Vec<Recorded>,
) -> Result<(), serde_json::Error> {
    if !json.starts_with(PACKED) {
        events.push(Recorded { seq: last_seq, time_ms, event: serde_json::from_str(json)? });
        return Ok(());
    }
    let Lines { printer, lines } = serde_json::from_str(json)?;
    let first = (last_seq + 1).saturating_sub(lines.len() as u64);
    let lines = (first..).zip(lines);
    events.extend(lines.map(|(seq, (time_ms, offset, text))| Recorded {
        seq,
        time_ms,
        event: RunEvent::Log {
            job: printer.job.clone().into_owned(),
            step: printer.step.clone().into_owned(),
            attempt: printer.attempt,
            offset,
            stream: printer.stream,
            text: text.into_owned(),
        },
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Head, ROW_BYTES, rows, unpack};
    use pawl_core::event::{Recorded, RunEvent, Stream};
    use pawl_core::ids::{JobKey, StepPath};

    fn printed(seq: u64, step: usize, stream: Stream, text: &str) -> Recorded {
        let (job, step) = (JobKey::new("train", None), StepPath::top(step));
        let text = text.to_owned();
        let event = RunEvent::Log { job, step, attempt: 1, offset: seq * 2, stream, text };
        Recorded { seq, time_ms: 1_000 + i64::try_from(seq).unwrap(), event }
    }

    fn back(events: &[Recorded]) -> (usize, Vec<Recorded>) {
        let rows = rows(events).unwrap();
        let mut read = Vec::new();
        for row in &rows {
            unpack(row.last_seq, row.time_ms, &row.json, &mut read).unwrap();
        }
        (rows.len(), read)
    }

    #[test]
    fn lines_of_one_stream_share_a_row_and_come_back_as_they_were() {
        let events = [
            printed(7, 0, Stream::Stdout, "one"),
            printed(8, 0, Stream::Stdout, "two \"quoted\" \u{1b}[31m"),
            printed(9, 0, Stream::Stderr, "another stream"),
            printed(10, 1, Stream::Stdout, "another step"),
            Recorded { seq: 11, time_ms: 5_000, event: RunEvent::RunReopened },
            printed(12, 1, Stream::Stdout, "x"),
            printed(13, 1, Stream::Stdout, "y"),
        ];
        let (rows, read) = back(&events);
        assert_eq!((rows, read.as_slice()), (5, events.as_slice()));
    }

    #[test]
    fn a_row_does_not_grow_without_end_and_its_key_is_its_last_event() {
        let text = "z".repeat(ROW_BYTES / 4);
        let events: Vec<_> = (1..=9).map(|seq| printed(seq, 0, Stream::Stdout, &text)).collect();
        let keys: Vec<u64> = rows(&events).unwrap().iter().map(|row| row.last_seq).collect();
        assert_eq!(keys, [4, 8, 9]);
        assert_eq!(back(&events).1, events);
    }

    #[test]
    fn what_the_table_of_runs_needs_is_told_of_single_events() {
        let reopened = Recorded { seq: 1, time_ms: 0, event: RunEvent::RunReopened };
        let rows = rows(&[reopened]).unwrap();
        assert!(matches!(rows[0].head, Head::Reopened));
    }
}
