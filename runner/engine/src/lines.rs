//! What a step prints: plain lines to show, and workflow commands to obey. Pure.

use pawl_core::commands::{WorkflowCommand, parse_line};
use pawl_core::event::{Annotation, Level, StepEffects};

/// Reads the lines of one attempt at a step.
#[derive(Debug, Default)]
pub(crate) struct LineReader {
    /// Commands are plain text until this word comes.
    stopped_until: Option<String>,
    /// Bytes that may still be shown.
    room: u64,
    /// Bytes that were not shown for want of room.
    pub(crate) dropped_bytes: u64,
    /// Outputs and states set with the old printed commands.
    pub(crate) printed: StepEffects,
    /// A command that was refused: the step fails.
    pub(crate) refused: Option<String>,
}

/// What is to be done about a line.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct LineRead {
    /// Mask this from now on, before anything else is shown.
    pub(crate) mask: Option<String>,
    /// Show the line.
    pub(crate) show: bool,
    /// Leave this remark.
    pub(crate) annotation: Option<Annotation>,
}

impl LineReader {
    /// A reader that shows at most `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self { room: limit, ..Self::default() }
    }

    /// Reads a line that may hold a command.
    pub(crate) fn read(&mut self, line: &str) -> LineRead {
        if let Some(word) = &self.stopped_until {
            if matches!(parse_line(line), Some(WorkflowCommand::Other(name)) if name == *word) {
                self.stopped_until = None;
            }
            return self.plain(line);
        }
        match parse_line(line) {
            // Not echoed, whatever happens: the line is the secret.
            Some(WorkflowCommand::AddMask(value)) => {
                LineRead { mask: Some(value), ..LineRead::default() }
            }
            Some(WorkflowCommand::SetOutput(name, value)) => {
                self.printed.outputs.insert(name, value);
                LineRead::default()
            }
            Some(WorkflowCommand::SaveState(name, value)) => {
                self.printed.state.insert(name, value);
                LineRead::default()
            }
            Some(WorkflowCommand::Annotate(annotation)) => {
                LineRead { annotation: Some(annotation), ..self.plain(line) }
            }
            Some(WorkflowCommand::Stop(word)) => {
                self.stopped_until = Some(word);
                self.plain(line)
            }
            Some(WorkflowCommand::Refused(name)) => {
                let reason = format!(
                    "the command {name} is disabled, because untrusted output could use it: write to \
                     GITHUB_ENV or GITHUB_PATH"
                );
                self.refused.get_or_insert_with(|| reason.clone());
                let annotation = Some(remark(Level::Error, reason));
                LineRead { annotation, ..self.plain(line) }
            }
            // Groups fold the log where it is shown; the rest is for people.
            Some(
                WorkflowCommand::Group(_)
                | WorkflowCommand::EndGroup
                | WorkflowCommand::Debug(_)
                | WorkflowCommand::Echo(_)
                | WorkflowCommand::Other(_),
            )
            | None => self.plain(line),
        }
    }

    /// Reads a line that is shown as it is.
    pub(crate) fn plain(&mut self, line: &str) -> LineRead {
        let bytes = line.len() as u64 + 1;
        // Once a line did not fit, none is shown any more: a log with holes misleads.
        if self.dropped_bytes > 0 || bytes > self.room {
            self.dropped_bytes += bytes;
            return LineRead::default();
        }
        self.room -= bytes;
        LineRead { show: true, ..LineRead::default() }
    }
}

/// A remark without a place.
pub(crate) fn remark(level: Level, message: String) -> Annotation {
    Annotation { level, message, title: None, file: None, line: None, column: None }
}

#[cfg(test)]
mod tests {
    use super::{LineRead, LineReader, remark};
    use pawl_core::event::Level;

    fn shown() -> LineRead {
        LineRead { show: true, ..LineRead::default() }
    }

    #[test]
    fn commands_are_obeyed_and_plain_lines_shown() {
        let mut reader = LineReader::new(1000);
        assert_eq!(reader.read("hello"), shown());
        let mask = LineRead { mask: Some("s3cret".to_owned()), ..LineRead::default() };
        assert_eq!(reader.read("::add-mask::s3cret"), mask);
        assert_eq!(reader.read("::set-output name=a::1"), LineRead::default());
        assert_eq!(reader.read("::save-state name=b::2"), LineRead::default());
        let annotation = Some(remark(Level::Warning, "careful".to_owned()));
        assert_eq!(reader.read("::warning::careful"), LineRead { annotation, ..shown() });
        for line in ["::group::title", "::endgroup::", "::debug::x", "::whatever::", "::echo::on"] {
            assert_eq!(reader.read(line), shown(), "{line}");
        }
        assert_eq!(reader.printed.outputs["a"], "1");
        assert_eq!(reader.printed.state["b"], "2");
        assert_eq!(reader.refused, None);
    }

    #[test]
    fn stopped_commands_are_plain_until_the_word_comes() {
        let mut reader = LineReader::new(1000);
        assert_eq!(reader.read("::stop-commands::w0rd"), shown());
        assert_eq!(reader.read("::set-output name=a::1"), shown());
        assert_eq!(reader.read("::add-mask::x"), shown());
        assert_eq!(reader.read("::other::"), shown());
        assert_eq!(reader.read("::w0rd::"), shown());
        assert_eq!(reader.read("::set-output name=a::2"), LineRead::default());
        assert_eq!(reader.printed.outputs["a"], "2");
    }

    #[test]
    fn the_old_dangerous_commands_fail_the_step() {
        let mut reader = LineReader::new(1000);
        let read = reader.read("::set-env name=PATH::/evil");
        assert!(read.annotation.is_some_and(|remark| remark.level == Level::Error));
        assert!(reader.refused.is_some_and(|reason| reason.contains("set-env")));
    }

    #[test]
    fn lines_over_the_limit_are_counted_and_their_commands_still_obeyed() {
        let mut reader = LineReader::new(8);
        assert_eq!(reader.read("1234567"), shown());
        assert_eq!(reader.read("a"), LineRead::default());
        assert_eq!(reader.read("::set-output name=a::1"), LineRead::default());
        assert_eq!(reader.dropped_bytes, 2);
        assert_eq!(reader.printed.outputs["a"], "1");
    }

    #[test]
    fn after_a_line_that_did_not_fit_a_shorter_one_is_not_shown_either() {
        let mut reader = LineReader::new(6);
        assert_eq!(reader.read("1234567"), LineRead::default());
        assert_eq!(reader.read("a"), LineRead::default());
        assert_eq!(reader.dropped_bytes, 10);
    }
}
