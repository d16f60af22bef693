//! The report of a rollout, as `pawl/deploy` and `pawl/rollback` give it.

use super::driver::{Seen, Traced};
use super::golden::GoldenReport;
use super::machine::End;
use crate::action::ActionError;
use pawl_core::ports::ActionOutcome;
use pawl_core::rollout::{Revision, RevisionKind};
use serde::Serialize;
use std::fmt::Write;

/// In one word, how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// The new revision has all traffic.
    Deployed,
    /// It was live already.
    Unchanged,
    /// It failed, and the revision before has all traffic.
    RolledBack,
    /// It failed, and there was none before: nothing runs.
    Failed,
    /// It failed, and could not be cleared up.
    Stuck,
}

/// The alias's way.
#[derive(Debug, Serialize)]
struct AliasReport<'a> {
    name: &'a str,
    before: Option<u64>,
    after: Option<u64>,
    note: Option<&'a str>,
}

/// The whole report; its fields are documented in the README.
#[derive(Serialize)]
struct Report<'a> {
    verdict: Verdict,
    service: &'a str,
    revision: u64,
    #[serde(flatten)]
    kind: &'a RevisionKind,
    model: &'a str,
    version: u64,
    model_digest: &'a str,
    image: &'a str,
    address: String,
    previous: Option<u64>,
    alias: AliasReport<'a>,
    golden: Option<&'a GoldenReport>,
    requests: u64,
    failures: u64,
    reason: &'a str,
    last_words: &'a str,
    steps: &'a [Traced],
}

/// Where clients reach the service.
fn address(revision: &Revision) -> String {
    format!("http://127.0.0.1:{}", revision.port)
}

/// The outcome of a rollout that ran.
///
/// # Errors
/// `Environment` when the revision could not even be started for a reason that is not its own (a taken port, a full disk)
/// and everything was cleared up.
pub(crate) fn outcome(
    end: &End,
    seen: &Seen,
    revision: &Revision,
    previous: Option<u64>,
) -> Result<ActionOutcome, ActionError> {
    if let (End::Failed(_), Some(error)) = (end, &seen.environment) {
        return Err(error.clone());
    }
    let (verdict, reason) = match end {
        End::Deployed => (Verdict::Deployed, ""),
        End::Failed(reason) if previous.is_some() => (Verdict::RolledBack, reason.as_str()),
        End::Failed(reason) => (Verdict::Failed, reason.as_str()),
        End::Stuck(reason) => (Verdict::Stuck, reason.as_str()),
    };
    Ok(render(verdict, reason, seen, revision, previous))
}

/// The outcome when there was nothing to do.
pub(crate) fn unchanged(revision: &Revision) -> ActionOutcome {
    render(Verdict::Unchanged, "", &Seen::default(), revision, Some(revision.number))
}

fn render(
    verdict: Verdict,
    reason: &str,
    seen: &Seen,
    revision: &Revision,
    previous: Option<u64>,
) -> ActionOutcome {
    let success = matches!(verdict, Verdict::Deployed | Verdict::Unchanged);
    let moved = success && seen.alias_note.is_none();
    let alias = AliasReport {
        name: &revision.alias,
        before: revision.alias_before,
        after: if moved { Some(revision.version) } else { revision.alias_before },
        note: seen.alias_note.as_deref(),
    };
    let report = Report {
        verdict,
        service: &revision.service,
        revision: revision.number,
        kind: &revision.kind,
        model: &revision.model,
        version: revision.version,
        model_digest: &revision.model_digest,
        image: &revision.image,
        address: address(revision),
        previous,
        alias,
        golden: seen.golden.as_ref(),
        requests: seen.requests,
        failures: seen.failures,
        reason,
        last_words: &seen.last_words,
        steps: &seen.trace,
    };
    let word = serde_json::to_value(verdict).ok();
    let word = word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default();
    let outputs = [
        ("verdict", word.clone()),
        ("revision", revision.number.to_string()),
        ("address", address(revision)),
        ("previous", previous.map(|number| number.to_string()).unwrap_or_default()),
    ];
    ActionOutcome {
        success,
        outputs: outputs.into_iter().map(|(name, text)| (name.to_owned(), text)).collect(),
        report: serde_json::to_value(&report).unwrap_or_default(),
        summary: summary(&word, reason, seen, revision, previous),
        reason: (!success).then(|| format!("{word}: {reason}")),
        ..ActionOutcome::default()
    }
}

fn summary(
    verdict: &str,
    reason: &str,
    seen: &Seen,
    revision: &Revision,
    previous: Option<u64>,
) -> String {
    let (service, number) = (&revision.service, revision.number);
    let mut text = format!("### {verdict}: {service} revision {number}\n\n");
    if !reason.is_empty() {
        let _ = writeln!(text, "{reason}\n");
    }
    let _ = writeln!(
        text,
        "{} version {} at {}; before: {}\n",
        revision.model,
        revision.version,
        address(revision),
        previous.map_or_else(|| "none".to_owned(), |number| format!("revision {number}")),
    );
    if !seen.trace.is_empty() {
        text.push_str("| step | after | result |\n|---|---:|---|\n");
    }
    for line in &seen.trace {
        let result = line.result.replace('|', "\\|").replace('\n', " ");
        let _ = writeln!(text, "| {} | {} ms | {result} |", line.step, line.after_ms);
    }
    if !seen.last_words.is_empty() {
        let _ = writeln!(text, "\nLast words:\n\n~~~text\n{}\n~~~", seen.last_words);
    }
    text
}
