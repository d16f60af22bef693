//! The human output: a tree of jobs and steps that grows as they end, with what runs now at its foot.
//!
//! Logs are folded: a step that succeeds is one line. A step that fails shows the end of its log. With `verbose` every line
//! is shown as it comes, behind the job's name.

use super::Sink;
use super::escape::harmless;
use super::json::{job_name, step_name};
use pawl_core::event::{Conclusion, Recorded, RunEvent};
use pawl_core::ids::{JobKey, StepPath};
use pawl_core::state::{JobPhase, JobState, RunState, StepPhase};
use std::collections::{BTreeMap, VecDeque};
use std::io::Write;

/// Lines of a failed step's log that are shown; `pawl logs` has all of them.
const FAILED_LOG_LINES: usize = 30;

/// How the output looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Colours and symbols may be used.
    pub(crate) color: bool,
    /// The foot may be redrawn: a terminal, not a file.
    pub(crate) live: bool,
    /// Every log line is shown.
    pub(crate) verbose: bool,
    /// Columns of the terminal.
    pub(crate) width: usize,
}

/// Writes for a person.
pub(crate) struct TerminalSink<W: Write + Send> {
    out: W,
    style: Style,
    tails: BTreeMap<(JobKey, StepPath), VecDeque<String>>,
    foot_lines: usize,
    last_job: Option<JobKey>,
}

impl<W: Write + Send> TerminalSink<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W, style: Style) -> Self {
        Self { out, style, tails: BTreeMap::new(), foot_lines: 0, last_job: None }
    }

    fn line(&mut self, text: &str) {
        self.erase_foot();
        drop(writeln!(self.out, "{text}"));
    }

    fn erase_foot(&mut self) {
        if self.foot_lines > 0 {
            drop(write!(self.out, "\x1b[{}A\x1b[J", self.foot_lines));
            self.foot_lines = 0;
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.style.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn mark(&self, conclusion: Conclusion) -> String {
        match conclusion {
            Conclusion::Success => self.paint("32", "✓"),
            Conclusion::Failure => self.paint("31", "✗"),
            Conclusion::Cancelled => self.paint("33", "■"),
            Conclusion::Skipped => self.paint("90", "○"),
            Conclusion::Lost => self.paint("31", "?"),
        }
    }

    /// The heading of a job, once before a block of its lines.
    fn heading(&mut self, state: &RunState, key: &JobKey) {
        if self.last_job.as_ref() == Some(key) {
            return;
        }
        self.last_job = Some(key.clone());
        let name = shown_job(state, key);
        let name = self.paint("1", &name);
        self.line(&name);
    }

    fn log(&mut self, state: &RunState, key: &JobKey, step: &StepPath, text: &str) {
        let text = harmless(text, self.style.color);
        if self.style.verbose {
            let prefix = self.paint("90", &format!("{} |", shown_job(state, key)));
            return self.line(&format!("{prefix} {text}"));
        }
        let tail = self.tails.entry((key.clone(), step.clone())).or_default();
        if tail.len() == FAILED_LOG_LINES {
            tail.pop_front();
        }
        tail.push_back(text);
    }

    fn step_finished(&mut self, state: &RunState, key: &JobKey, path: &StepPath) {
        let tail = self.tails.remove(&(key.clone(), path.clone())).unwrap_or_default();
        let Some((job, planned)) = job_of(state, key) else { return };
        let Some(step) = job.steps.get(path) else { return };
        let (outcome, conclusion) = (step.outcome, step.conclusion);
        let Some((outcome, conclusion)) = outcome.zip(conclusion) else { return };
        self.heading(state, key);
        let indent = "  ".repeat(path.0.len());
        let name = step_name(state, planned, job, path);
        let note = match (outcome, conclusion, &step.reason) {
            (Conclusion::Success, ..) => duration(step.duration_ms),
            (Conclusion::Skipped, ..) => {
                step.reason.clone().unwrap_or_else(|| "skipped".to_owned())
            }
            (_, Conclusion::Success, reason) => {
                format!("{} (continue-on-error)", reason.clone().unwrap_or_default())
            }
            (_, _, reason) => {
                format!("{} · {}", duration(step.duration_ms), reason.clone().unwrap_or_default())
            }
        };
        let line = format!("{indent}{} {name}  {}", self.mark(outcome), self.paint("90", &note));
        self.line(&line);
        if matches!(outcome, Conclusion::Failure | Conclusion::Lost) {
            for text in &tail {
                let line = format!("{indent}  {}", self.paint("90", &format!("│ {text}")));
                self.line(&line);
            }
        }
    }

    fn job_finished(&mut self, state: &RunState, key: &JobKey) {
        let Some((job, _)) = job_of(state, key) else { return };
        let Some(conclusion) = job.conclusion else { return };
        if job.steps.is_empty() {
            let reason = job.reason.clone().unwrap_or_default();
            let name = self.paint("1", &shown_job(state, key));
            let line = format!("{} {name}  {}", self.mark(conclusion), self.paint("90", &reason));
            self.last_job = None;
            return self.line(&line);
        }
        if let Some(environment) = &job.environment {
            self.heading(state, key);
            let url = environment.url.as_ref().map(|url| format!("  {url}")).unwrap_or_default();
            let line = format!("  {} environment {}{url}", self.mark(conclusion), environment.name);
            self.line(&line);
        }
        if let Some(reason) = job.reason.clone().filter(|_| conclusion != Conclusion::Success) {
            self.heading(state, key);
            let line = format!("  {} {}", self.mark(conclusion), reason);
            self.line(&line);
        }
    }

    fn summary(&mut self, state: &RunState, conclusion: Conclusion) {
        self.erase_foot();
        self.line("");
        for (key, job) in state.jobs_in_order() {
            let shown = job.conclusion.unwrap_or(Conclusion::Lost);
            let took: u64 = job.steps.values().map(|step| step.duration_ms).sum();
            let line = format!(
                "{} {}  {}",
                self.mark(shown),
                shown_job(state, key),
                self.paint("90", &duration(took))
            );
            self.line(&line);
        }
        let took = duration(u64::try_from(state.last_ms - state.requested_ms).unwrap_or(0));
        let run = state.run.as_ref().map(|run| run.0.clone()).unwrap_or_default();
        let word = self.paint(
            if conclusion == Conclusion::Success { "1;32" } else { "1;31" },
            conclusion.as_str(),
        );
        self.line(&format!("run {run}: {word} in {took}"));
        if conclusion != Conclusion::Success {
            self.line(&format!("the whole log: pawl logs {run}"));
        }
    }

    fn draw_foot(&mut self, state: &RunState, now_ms: i64) {
        let mut lines = Vec::new();
        for (key, job) in state.jobs.iter().filter(|(_, job)| is_busy(job)) {
            lines.push(self.foot_line(state, key, job, now_ms));
        }
        for line in &lines {
            drop(writeln!(self.out, "{line}"));
        }
        self.foot_lines = lines.len();
    }

    fn foot_line(&self, state: &RunState, key: &JobKey, job: &JobState, now_ms: i64) -> String {
        let running = job
            .steps
            .iter()
            .rev()
            .find(|(_, step)| matches!(step.phase, StepPhase::Intended | StepPhase::Running));
        let (name, since) = match (running, state.planned(job)) {
            (Some((path, step)), Some(planned)) => {
                (step_name(state, planned, job, path), step.intended_ms)
            }
            _ => ("preparing".to_owned(), job.started_ms),
        };
        let last = running.and_then(|(path, _)| self.tails.get(&(key.clone(), path.clone())));
        let last = last.and_then(VecDeque::back).map_or("", String::as_str);
        let took = duration(u64::try_from(now_ms - since).unwrap_or(0));
        let text = format!("… {} › {name} {took}  {last}", shown_job(state, key));
        let plain: String =
            text.chars().filter(|c| !c.is_control()).take(self.style.width).collect();
        self.paint("36", &plain)
    }
}

impl<W: Write + Send> Sink for TerminalSink<W> {
    fn event(&mut self, recorded: &Recorded, state: &RunState) {
        match &recorded.event {
            RunEvent::RunPlanned { plan } => {
                let run = state.run.as_ref().map(|run| run.0.clone()).unwrap_or_default();
                let title = if plan.run_name.is_empty() { &plan.workflow } else { &plan.run_name };
                let line = format!("{}  run {run}", self.paint("1", title));
                self.line(&line);
            }
            RunEvent::RunResumed => self.line("resumed"),
            RunEvent::RunReopened => self.line("going on where it failed"),
            RunEvent::Log { job, step, text, .. } => self.log(state, job, step, text),
            RunEvent::StepAnnotated { job, annotation, .. } => {
                let place =
                    annotation.file.as_ref().map_or(String::new(), |file| match annotation.line {
                        Some(line) => format!("{file}:{line}: "),
                        None => format!("{file}: "),
                    });
                let level = format!("{:?}", annotation.level).to_lowercase();
                let text = format!("{level}: {place}{}", annotation.message);
                self.heading(state, job);
                self.line(&format!("    {text}"));
            }
            RunEvent::StepRetried { job, step, attempt, reason, .. } => {
                self.heading(state, job);
                self.tails.remove(&(job.clone(), step.clone()));
                self.line(&format!(
                    "  ↻ attempt {attempt} did not succeed ({reason}); it is tried again"
                ));
            }
            RunEvent::StepFinished { job, step, .. } => self.step_finished(state, job, step),
            RunEvent::ServiceLog { job, service, text } => {
                self.heading(state, job);
                self.line(&format!("  {service} | {text}"));
            }
            RunEvent::JobFinished { job, .. } => self.job_finished(state, job),
            RunEvent::CancelRequested { reason } => {
                self.line(&format!("cancelling: {reason} (once more stops at once)"));
            }
            RunEvent::GroupAsked { job, request } => {
                let who = job.as_ref().map(|job| format!("{}: ", shown_job(state, job)));
                let who = who.unwrap_or_default();
                let line = format!("{who}wants the concurrency group '{}'", request.group);
                let line = self.paint("90", &line);
                self.line(&line);
            }
            RunEvent::RunFinished { conclusion } => self.summary(state, *conclusion),
            RunEvent::RunRequested { .. }
            | RunEvent::JobExpanded { .. }
            | RunEvent::JobCalled { .. }
            | RunEvent::GroupEntered { .. }
            | RunEvent::JobStarted { .. }
            | RunEvent::JobReady { .. }
            | RunEvent::JobClosed { .. }
            | RunEvent::JobCancelRequested { .. }
            | RunEvent::StepQueued { .. }
            | RunEvent::StepIntended { .. }
            | RunEvent::StepStarted { .. } => {}
        }
    }

    fn flush(&mut self, state: &RunState, now_ms: i64) {
        if self.style.live && state.conclusion.is_none() {
            self.erase_foot();
            self.draw_foot(state, now_ms);
        }
        drop(self.out.flush());
    }
}

fn is_busy(job: &JobState) -> bool {
    matches!(job.phase, JobPhase::Opening | JobPhase::Running)
}

fn job_of<'a>(
    state: &'a RunState,
    key: &JobKey,
) -> Option<(&'a JobState, &'a pawl_core::plan::PlannedJob)> {
    let job = state.jobs.get(key)?;
    Some((job, state.planned(job)?))
}

fn shown_job(state: &RunState, key: &JobKey) -> String {
    match job_of(state, key) {
        Some((job, planned)) => job_name(state, planned, job),
        None => key.0.clone(),
    }
}

/// A duration as people read it: `12 ms`, `3.4 s`, `2 min 5 s`, `1 h 3 min`.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_read_like_speech() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1000, "1.0 s"),
            (59_999, "59.9 s"),
            (125_000, "2 min 5 s"),
            (3_780_000, "1 h 3 min"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }
}
