//! From what happened outside to the events that say so.

use crate::coordinator::Coordinator;
use crate::drive::{Happened, Line, Signal, StepKey};
use crate::error::EngineError;
use crate::lines::{LineRead, Shown, deprecated};
use pawl_core::event::{Conclusion, Level, RunEvent, Stream};
use pawl_core::finish::{self, EndKind, Ending};
use pawl_core::ids::JobKey;
use pawl_core::ports::{ActionOutcome, ExecutorError, JobFacts, ServiceLog, StepExit};
use pawl_core::state::JobPhase;

impl Coordinator<'_> {
    /// Takes in one signal. One that comes too late, of a job or step that is over, changes nothing.
    pub(crate) fn take(&mut self, signal: Signal) -> Result<(), EngineError> {
        match signal {
            Signal::Opened { job, result, logs } => self.opened(&job, result, logs),
            Signal::Reopened { job, result } => self.reopened(&job, result),
            Signal::Closed { job, result } => self.closed(&job, result),
            Signal::Attached { key, result } => self.attached(key, result),
            Signal::Group { job, group, standing } => self.group_standing(job, group, standing),
            Signal::Step { key, what } => match self.live.contains_key(&key) {
                true => self.happened(&key, what),
                false => Ok(()),
            },
        }
    }

    fn opened(
        &mut self,
        job: &JobKey,
        result: Result<JobFacts, ExecutorError>,
        logs: Vec<ServiceLog>,
    ) -> Result<(), EngineError> {
        let is_opening =
            self.state.jobs.get(job).is_some_and(|state| state.phase == JobPhase::Opening);
        if !is_opening {
            return Ok(());
        }
        self.jobs.entry(job.clone()).or_default().opening = None;
        match result {
            Ok(mut facts) => {
                self.warn_later(std::mem::take(&mut facts.remarks));
                self.record(RunEvent::JobReady { job: job.clone(), facts: Box::new(facts) })
            }
            Err(error) => {
                self.service_logs(job, logs)?;
                let reason = self.blame(error)?;
                self.end_job(job, Conclusion::Failure, Some(reason))
            }
        }
    }

    /// Shows why a job's services kept it from starting.
    fn service_logs(&mut self, job: &JobKey, logs: Vec<ServiceLog>) -> Result<(), EngineError> {
        for ServiceLog { service, lines } in logs {
            for text in lines {
                let (job, service) = (job.clone(), service.clone());
                self.record(RunEvent::ServiceLog { job, service, text })?;
            }
        }
        Ok(())
    }

    fn closed(
        &mut self,
        job: &JobKey,
        result: Result<(), ExecutorError>,
    ) -> Result<(), EngineError> {
        // The run ends although a sandbox would not go: `blame` has it told, and one more try is made at the very end.
        if let Err(error) = result {
            self.blame(error)?;
        }
        self.jobs.remove(job);
        match self.state.jobs.get(job).is_some_and(|state| !state.closed) {
            true => self.record(RunEvent::JobClosed { job: job.clone() }),
            false => Ok(()),
        }
    }

    fn happened(&mut self, key: &StepKey, what: Happened) -> Result<(), EngineError> {
        match what {
            Happened::Started => self.started(key),
            Happened::Lines(lines) => lines.into_iter().try_for_each(|line| self.line(key, line)),
            Happened::Said(text) => text.lines().try_for_each(|line| self.said(key, line)),
            Happened::Ended(exit) => self.ended(key, &exit),
            Happened::Done(outcome) => self.done(key, *outcome),
            Happened::Unchanged(effects, run) => self.unchanged(key, *effects, &run),
            Happened::Refused(error) => {
                let reason = self.blame(error)?;
                let mut ending = finish::of_refusal(reason);
                if self.live.get(key).is_some_and(|live| live.stop.is_some()) {
                    // An error after a cancellation is the cancellation.
                    ending.kind = EndKind::Cancelled;
                }
                self.end_step(key, ending)
            }
        }
    }

    pub(crate) fn started(&mut self, key: &StepKey) -> Result<(), EngineError> {
        let Some(live) = self.live.get_mut(key) else { return Ok(()) };
        live.started = true;
        let is_stopping = live.stop.is_some();
        let StepKey { job, step, attempt } = key.clone();
        let state = self.state.jobs.get(&job).and_then(|job| job.steps.get(&step));
        if state.is_some_and(|state| state.phase == pawl_core::state::StepPhase::Intended) {
            self.record(RunEvent::StepStarted { job, step, attempt })?;
        }
        for warning in self.take_warnings() {
            self.annotate(&key.job, &key.step, Level::Warning, warning)?;
        }
        if is_stopping {
            let ladder = if self.is_killed {
                pawl_core::ports::StopLadder::NOW
            } else {
                self.engine.limits.ladder
            };
            self.send_stop(key, ladder);
        }
        Ok(())
    }

    fn line(&mut self, key: &StepKey, line: Line) -> Result<(), EngineError> {
        let Line { offset, stream, text } = line;
        let Some(live) = self.live.get_mut(key) else { return Ok(()) };
        let text = live.carry.take(stream, text, || self.scrubber.masker.longest());
        let read = live.reader.read(stream, &text);
        let LineRead { mask, show, annotation, is_matched, matcher_file, warnings } = read;
        let is_new = offset >= live.known_lines;
        // The mask comes first: nothing that is shown from here on may hold the value.
        if let Some(value) = mask
            && let Err(refused) = self.scrubber.add(&value)
            && is_new
        {
            self.annotate(&key.job, &key.step, Level::Warning, format!("add-mask: {refused}"))?;
        }
        let mut warnings = warnings;
        if let Some((path, add)) = matcher_file
            && let Err(reason) = self.change_matchers(key, &path, add)
        {
            warnings.push(reason);
        }
        if !is_new {
            return Ok(());
        }
        match show {
            Shown::Nothing => {}
            Shown::Line => self.log(key, offset, stream, text)?,
            Shown::Instead(text) => self.log(key, offset, stream, text)?,
        }
        if let Some(mut annotation) = annotation {
            if is_matched {
                annotation.file = annotation.file.filter(|file| self.is_in_workspace(key, file));
            }
            let (job, step) = (key.job.clone(), key.step.clone());
            self.record(RunEvent::StepAnnotated { job, step, annotation })?;
        }
        let warn = |warning| self.annotate(&key.job, &key.step, Level::Warning, warning);
        warnings.into_iter().try_for_each(warn)
    }

    /// A line of a built-in action. Its numbers go on where an earlier process stopped.
    fn said(&mut self, key: &StepKey, text: &str) -> Result<(), EngineError> {
        let Some(live) = self.live.get_mut(key) else { return Ok(()) };
        let offset = live.known_lines;
        live.known_lines += 1;
        if live.reader.plain(text).show == Shown::Line {
            self.log(key, offset, Stream::Stdout, text.to_owned())?;
        }
        Ok(())
    }

    fn log(
        &mut self,
        key: &StepKey,
        offset: u64,
        stream: Stream,
        text: String,
    ) -> Result<(), EngineError> {
        let StepKey { job, step, attempt } = key.clone();
        self.record(RunEvent::Log { job, step, attempt, offset, stream, text })
    }

    /// Shows the end of a line that was cut and never went on.
    fn show_rest(&mut self, key: &StepKey) -> Result<(), EngineError> {
        let rest = self.live.get_mut(key).map(|live| live.carry.rest()).unwrap_or_default();
        for (stream, text) in rest {
            let job = self.state.jobs.get(&key.job);
            let offset =
                job.and_then(|job| job.steps.get(&key.step)).map_or(0, |step| step.next_line);
            self.log(key, offset, stream, text)?;
        }
        Ok(())
    }

    fn ended(&mut self, key: &StepKey, exit: &StepExit) -> Result<(), EngineError> {
        self.show_rest(key)?;
        let Some(live) = self.live.get_mut(key) else { return Ok(()) };
        live.reader.dropped_bytes += exit.log_dropped_bytes;
        let printed = std::mem::take(&mut live.reader.printed);
        let deprecated = deprecated(&printed);
        let refused = live.reader.refused.take();
        let mut ending = finish::of_process(exit, live.stop, printed, live.timeout_ms);
        ending.warnings.extend(deprecated);
        if let Some(reason) = refused
            && ending.kind == EndKind::Success
        {
            ending.kind = EndKind::Failure;
            ending.reason = Some(reason);
        }
        if ending.kind == EndKind::Success {
            self.keep(key, &mut ending);
        }
        self.end_step(key, ending)
    }

    fn done(&mut self, key: &StepKey, mut outcome: ActionOutcome) -> Result<(), EngineError> {
        for line in std::mem::take(&mut outcome.log).iter().flat_map(|text| text.lines()) {
            self.said(key, line)?;
        }
        let started = self.live.get(key).map_or_else(|| self.now(), |live| live.started_ms);
        let duration_ms = u64::try_from(self.now() - started).unwrap_or(0);
        self.end_step(key, finish::of_action(outcome, duration_ms))
    }

    /// Records the end of an attempt. Its remarks come before it.
    pub(crate) fn end_step(
        &mut self,
        key: &StepKey,
        mut ending: Ending,
    ) -> Result<(), EngineError> {
        let Some(live) = self.live.remove(key) else { return Ok(()) };
        for warning in std::mem::take(&mut ending.warnings) {
            self.annotate(&key.job, &key.step, Level::Warning, warning)?;
        }
        if live.reader.dropped_bytes > 0 {
            let message = format!(
                "the log is cut: {} bytes after the first {} were dropped",
                live.reader.dropped_bytes, self.engine.limits.log_bytes
            );
            self.annotate(&key.job, &key.step, Level::Warning, message)?;
        }
        if live.reader.unkept_remarks > 0 {
            let message = format!(
                "{} more remarks are only in the step's log: the first ten of each level are kept",
                live.reader.unkept_remarks
            );
            self.annotate(&key.job, &key.step, Level::Notice, message)?;
        }
        let (plan, now) = (self.plan()?, self.now());
        let scope = self.scope(&plan);
        let event = finish::event(&scope, &key.job, &key.step, key.attempt, ending, now);
        self.record(event)
    }
}
