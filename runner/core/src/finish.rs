//! From the end of a step's process, or of an action in the runner, to the event that records it.

use crate::commands::{is_protected_env, parse_file, parse_path_file};
use crate::contexts::{Scope, is_step_cancelled};
use crate::decide::tolerated;
use crate::event::{Conclusion, RunEvent, StepEffects, UnixMs};
use crate::ids::{JobKey, StepPath};
use crate::plan::{PlannedStep, Retry, RetryOn};
use crate::ports::{ActionOutcome, CommandFiles, ExitKind, StepExit};
use indexmap::IndexMap;

/// Why the runner stopped a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Its time limit.
    Timeout,
    /// The run or the job was cancelled.
    Cancelled,
}

/// How a step ended, before retries and `continue-on-error` are considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// It succeeded.
    Success,
    /// It failed.
    Failure,
    /// It was stopped by its time limit.
    Timeout,
    /// It was stopped by a cancellation.
    Cancelled,
    /// Nobody saw its end.
    Lost,
}

/// The end of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// How.
    pub kind: EndKind,
    /// The process's exit code.
    pub exit_code: Option<i32>,
    /// How long it took.
    pub duration_ms: u64,
    /// Why it did not succeed, in words.
    pub reason: Option<String>,
    /// What it leaves; masked by the caller before it becomes an event.
    pub effects: StepEffects,
    /// Warnings for the step's log, such as a variable that may not be set.
    pub warnings: Vec<String>,
}

/// Longest pause between two attempts.
const BACKOFF_LIMIT_MS: u64 = 300_000;

/// The end of a process in the sandbox. `stop` is why the runner stopped it, if it did; `printed` are outputs and states
/// that it set with the old printed commands.
pub fn of_process(
    exit: &StepExit,
    stop: Option<StopReason>,
    printed: StepEffects,
    timeout_ms: Option<u64>,
) -> Ending {
    let mut ending = Ending {
        kind: EndKind::Success,
        exit_code: None,
        duration_ms: exit.duration_ms,
        reason: None,
        effects: printed,
        warnings: Vec::new(),
    };
    match &exit.kind {
        ExitKind::Exited(0) => ending.exit_code = Some(0),
        ExitKind::Exited(code) => {
            ending.fail(EndKind::Failure, format!("the process ended with exit code {code}"));
            ending.exit_code = Some(*code);
        }
        ExitKind::Signalled(signal) => {
            ending.fail(EndKind::Failure, format!("the process was ended by signal {signal}"));
        }
        ExitKind::NotStarted(reason) => ending.fail(EndKind::Failure, reason.clone()),
        ExitKind::Lost(reason) => ending.fail(EndKind::Lost, reason.clone()),
    }
    if exit.is_out_of_memory && ending.kind == EndKind::Failure {
        let how = ending.reason.take().unwrap_or_default();
        ending.reason = Some(format!(
            "out of memory: the job's limit was reached ({how}); raise it with `limits: {{memory: …}}` in your configuration"
        ));
    }
    take_files(&exit.files, &mut ending);
    match stop {
        Some(StopReason::Cancelled) => ending.fail(EndKind::Cancelled, "cancelled".to_owned()),
        Some(StopReason::Timeout) => {
            let seconds = timeout_ms.unwrap_or_default() as f64 / 1000.0;
            ending.fail(EndKind::Timeout, format!("the step's time limit of {seconds} s is over"));
        }
        None => {}
    }
    ending
}

/// The end of a built-in action in the runner.
pub fn of_action(outcome: ActionOutcome, duration_ms: u64) -> Ending {
    let kind = if outcome.success { EndKind::Success } else { EndKind::Failure };
    Ending {
        kind,
        exit_code: None,
        duration_ms,
        reason: outcome.reason,
        effects: StepEffects {
            outputs: outcome.outputs,
            env: outcome.env,
            summary: outcome.summary,
            report: outcome.report,
            state: outcome.state,
            ..StepEffects::default()
        },
        warnings: outcome.warnings,
    }
}

/// The end of a step that could not be run: an expression of it failed, or the executor refused it.
pub fn of_refusal(reason: String) -> Ending {
    Ending {
        kind: EndKind::Failure,
        exit_code: None,
        duration_ms: 0,
        reason: Some(reason),
        effects: StepEffects::default(),
        warnings: Vec::new(),
    }
}

/// The end of a step that was not run, because nothing that it depends on has changed: it leaves what it left before.
pub fn of_unchanged(effects: StepEffects, warnings: Vec<String>) -> Ending {
    Ending {
        kind: EndKind::Success,
        exit_code: None,
        duration_ms: 0,
        reason: Some("unchanged".to_owned()),
        effects,
        warnings,
    }
}

/// The end of a step of which nothing is known any more.
pub fn of_loss(reason: String) -> Ending {
    Ending { kind: EndKind::Lost, ..of_refusal(reason) }
}

impl Ending {
    fn fail(&mut self, kind: EndKind, reason: String) {
        self.kind = kind;
        self.reason = Some(reason);
    }
}

fn take_files(files: &CommandFiles, ending: &mut Ending) {
    merge("GITHUB_OUTPUT", &files.output, ending, |effects| &mut effects.outputs);
    merge("GITHUB_ENV", &files.env, ending, |effects| &mut effects.env);
    merge("GITHUB_STATE", &files.state, ending, |effects| &mut effects.state);
    let refused: Vec<String> =
        ending.effects.env.keys().filter(|name| is_protected_env(name)).cloned().collect();
    for name in refused {
        ending.effects.env.shift_remove(&name);
        ending
            .warnings
            .push(format!("Can't store {name} output parameter using '$GITHUB_ENV' command."));
    }
    ending.effects.path.extend(parse_path_file(&files.path));
    ending.effects.summary.push_str(&files.summary);
    ending.warnings.extend(files.warnings.iter().cloned());
    if !files.report.is_empty() {
        match serde_json::from_str(&files.report) {
            Ok(report) => ending.effects.report = report,
            Err(error) => ending.warnings.push(format!("the report is not JSON: {error}")),
        }
    }
}

/// A command file that cannot be read fails the step, as on GitHub.
fn merge(
    file: &str,
    content: &str,
    ending: &mut Ending,
    target: impl Fn(&mut StepEffects) -> &mut IndexMap<String, String>,
) {
    match parse_file(content) {
        Ok(entries) => target(&mut ending.effects).extend(entries),
        Err(reason) if ending.kind == EndKind::Success => {
            ending.fail(EndKind::Failure, unable(file, &reason));
        }
        Err(reason) => ending.warnings.push(unable(file, &reason)),
    }
}

/// In the words of GitHub, with the variable that people know the file by.
fn unable(file: &str, reason: &str) -> String {
    let command = file.trim_start_matches("GITHUB_").to_ascii_lowercase();
    format!("Unable to process file command '{command}' successfully. {file}: {reason}")
}

/// The event that records the end of an attempt: the end of the step, or another attempt.
pub fn event(
    scope: &Scope<'_>,
    key: &JobKey,
    path: &StepPath,
    attempt: u32,
    ending: Ending,
    now: UnixMs,
) -> RunEvent {
    let outcome = match ending.kind {
        EndKind::Success => Conclusion::Success,
        EndKind::Failure | EndKind::Timeout => Conclusion::Failure,
        EndKind::Cancelled => Conclusion::Cancelled,
        EndKind::Lost => Conclusion::Lost,
    };
    let job = scope.state.jobs.get(key);
    let planned = job.and_then(|job| scope.state.planned(job));
    let step = planned.and_then(|planned| planned.step(path));
    let is_stopped = job.is_some_and(|job| is_step_cancelled(scope.state, job, path));
    if let Some(pause_ms) =
        step.and_then(|step| retry_pause(step, attempt, ending.kind)).filter(|_| !is_stopped)
    {
        return RunEvent::StepRetried {
            job: key.clone(),
            step: path.clone(),
            attempt,
            outcome,
            not_before_ms: now.saturating_add_unsigned(pause_ms),
            reason: ending.reason.unwrap_or_default(),
        };
    }
    let conclusion = match (planned, job) {
        (Some(planned), Some(job)) => tolerated(scope, planned, job, path, outcome),
        _ => outcome,
    };
    RunEvent::StepFinished {
        job: key.clone(),
        step: path.clone(),
        attempt,
        outcome,
        conclusion,
        exit_code: ending.exit_code,
        duration_ms: ending.duration_ms,
        reason: ending.reason,
        effects: Box::new(ending.effects),
    }
}

/// The pause before the next attempt, when `retry:` allows one after this end.
fn retry_pause(step: &PlannedStep, attempt: u32, kind: EndKind) -> Option<u64> {
    let retry: &Retry = step.retry.as_ref()?;
    let wanted = match kind {
        EndKind::Failure => RetryOn::Failure,
        EndKind::Timeout => RetryOn::Timeout,
        EndKind::Lost => RetryOn::Lost,
        EndKind::Success | EndKind::Cancelled => return None,
    };
    let doublings = attempt.saturating_sub(1).min(20);
    let pause = retry.backoff_ms.saturating_mul(1 << doublings).min(BACKOFF_LIMIT_MS);
    (attempt < retry.attempts && retry.on.contains(&wanted)).then_some(pause)
}
