//! What a step prints: plain lines to show, and workflow commands to obey. Pure.

use pawl_core::commands::{COMMANDS, WorkflowCommand, parse_line};
use pawl_core::event::{Annotation, Level, StepEffects, Stream};
use pawl_core::matcher::{MatcherChange, MatcherConfig, Matchers, without_colours};

/// Remarks of one level that a step may leave: GitHub's limit. Further ones are only in the log.
const MAX_REMARKS: u32 = 10;

/// Characters of a line that a message repeats.
const QUOTED: usize = 200;

/// What the step is allowed, how talkative it is, and where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Manners {
    /// Step debugging is on: `debug` lines are shown, and commands echoed.
    pub(crate) debug: bool,
    /// `ACTIONS_ALLOW_UNSECURE_COMMANDS`: `set-env` and `add-path` are obeyed.
    pub(crate) unsecure_commands: bool,
    /// `ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS`: any word may end `stop-commands`.
    pub(crate) unsecure_tokens: bool,
    /// Path of the workspace as the step sees it.
    pub(crate) workspace: String,
}

/// Reads the lines of one attempt at a step.
#[derive(Debug, Default)]
pub(crate) struct LineReader {
    manners: Manners,
    /// Obeyed commands are shown, too.
    echo: bool,
    /// Commands are plain text until this word comes.
    stopped_until: Option<String>,
    /// Bytes that may still be shown.
    room: u64,
    /// Bytes that were not shown for want of room.
    pub(crate) dropped_bytes: u64,
    /// Outputs, states and the like set with printed commands, and changes of the problem matchers.
    pub(crate) printed: StepEffects,
    /// A command that was refused: the step fails.
    pub(crate) refused: Option<String>,
    /// Problem matchers of standard output and standard error.
    matchers: [Matchers; 2],
    /// Remarks by level.
    remarks: [u32; 3],
    /// Remarks that came after those that are kept.
    pub(crate) unkept_remarks: u64,
}

/// What is to be shown of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nothing.
    #[default]
    Nothing,
    /// The line itself.
    Line,
    /// This in its place.
    Instead(String),
}

/// What is to be done about a line.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct LineRead {
    /// Mask this from now on, before anything else is shown.
    pub(crate) mask: Option<String>,
    /// Show this.
    pub(crate) show: Shown,
    /// Leave this remark.
    pub(crate) annotation: Option<Annotation>,
    /// A matcher found the remark: its file is kept only when it exists.
    pub(crate) is_matched: bool,
    /// Read this file of problem matchers and add them, or (false) remove them.
    pub(crate) matcher_file: Option<(String, bool)>,
    /// Leave these warnings of ours.
    pub(crate) warnings: Vec<String>,
}

impl LineReader {
    /// A reader that shows at most `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self { room: limit, ..Self::default() }
    }

    /// The same with what is known of the step.
    pub(crate) fn prepared(self, manners: Manners, matchers: &[MatcherConfig]) -> Self {
        let matchers = [Matchers::new(matchers), Matchers::new(matchers)];
        Self { echo: manners.debug, manners, matchers, ..self }
    }

    /// Changes the problem matchers of this step, and of those after it.
    pub(crate) fn change_matchers(&mut self, change: MatcherChange) {
        self.matchers.iter_mut().for_each(|matchers| matchers.change(&change));
        self.printed.matchers.push(change);
    }

    /// Reads a line that may hold a command.
    pub(crate) fn read(&mut self, stream: Stream, line: &str) -> LineRead {
        match parse_line(line, self.stopped_until.as_deref()) {
            Some(command) => self.obey(line, command),
            None => self.matched(stream, line),
        }
    }

    fn obey(&mut self, line: &str, command: WorkflowCommand) -> LineRead {
        match command {
            // Not echoed as it is, whatever happens: the line is the secret.
            WorkflowCommand::AddMask(value) if value.trim().is_empty() => {
                self.warned("Can't add secret mask for empty string in ##[add-mask] command.")
            }
            WorkflowCommand::AddMask(value) => {
                let mut read = LineRead { mask: Some(value), ..LineRead::default() };
                if self.echo {
                    read.show = self.instead("::add-mask::***".to_owned());
                }
                read
            }
            WorkflowCommand::Stop(word) => self.stop(line, word),
            WorkflowCommand::Resume => {
                self.stopped_until = None;
                self.plain(line)
            }
            WorkflowCommand::Debug(text) if self.manners.debug => {
                self.told(format!("##[debug]{}", one_line(&text)))
            }
            WorkflowCommand::Debug(_) => LineRead::default(),
            WorkflowCommand::Group(title) => self.told(format!("##[group]{}", one_line(&title))),
            WorkflowCommand::EndGroup => self.told("##[endgroup]".to_owned()),
            WorkflowCommand::Annotate(mut annotation) => {
                let file = annotation.file.take();
                annotation.file = file.map(|file| self.shown_path(file));
                let level = word(annotation.level);
                let text = format!("##[{level}]{}", one_line(&annotation.message));
                self.remarked(annotation, text)
            }
            WorkflowCommand::AddMatcher(path) => self.matcher_file(line, path, true),
            WorkflowCommand::RemoveMatcher { owner, file } => self.remove(line, owner, file),
            setting => self.set(line, setting),
        }
    }

    /// Commands that set something for later steps, and `echo`.
    fn set(&mut self, line: &str, command: WorkflowCommand) -> LineRead {
        let unnamed =
            |name: &str| format!("Required field 'name' is missing in ##[{name}] command.");
        match command {
            WorkflowCommand::SetOutput(name, _) if name.is_empty() => {
                self.refuse(line, &unnamed("set-output"))
            }
            WorkflowCommand::SaveState(name, _) if name.is_empty() => {
                self.refuse(line, &unnamed("save-state"))
            }
            WorkflowCommand::SetOutput(name, value) => {
                self.printed.outputs.insert(name, value);
                self.echoed(line)
            }
            WorkflowCommand::SaveState(name, value) => {
                self.printed.state.insert(name, value);
                self.echoed(line)
            }
            WorkflowCommand::SetEnv(..) if !self.manners.unsecure_commands => {
                self.refuse(line, &disabled("set-env"))
            }
            WorkflowCommand::AddPath(_) if !self.manners.unsecure_commands => {
                self.refuse(line, &disabled("add-path"))
            }
            WorkflowCommand::SetEnv(name, _) if name.is_empty() => {
                self.refuse(line, &unnamed("set-env"))
            }
            WorkflowCommand::SetEnv(name, value) => {
                self.printed.env.insert(name, value);
                self.echoed(line)
            }
            WorkflowCommand::AddPath(folder) => {
                self.printed.path.push(folder);
                self.echoed(line)
            }
            WorkflowCommand::Echo(word) => match word.trim().to_ascii_lowercase().as_str() {
                "on" => {
                    self.echo = true;
                    LineRead::default()
                }
                "off" => {
                    let read = self.echoed(line);
                    self.echo = false;
                    read
                }
                _ => self.refuse(
                    line,
                    &format!(
                        "Invalid echo command value. Possible values can be: 'on', 'off'. Current value is: '{word}'."
                    ),
                ),
            },
            _ => self.plain(line),
        }
    }

    /// A word that anybody could print, or that is a command itself, ends nothing.
    fn stop(&mut self, line: &str, word: String) -> LineRead {
        let is_command = COMMANDS.iter().any(|known| known.eq_ignore_ascii_case(&word));
        let is_unsafe = word.is_empty() || word.eq_ignore_ascii_case("pause-logging") || is_command;
        if is_unsafe && !self.manners.unsecure_tokens {
            let reason = "You cannot use a endToken that is an empty string, the string 'pause-logging', or another workflow \
                 command. Opt into insecure command execution by setting the `ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS` \
                 environment variable to `true`.";
            return self.refuse(line, reason);
        }
        self.stopped_until = Some(word);
        self.plain(line)
    }

    fn remove(&mut self, line: &str, owner: String, file: String) -> LineRead {
        match (owner.is_empty(), file.is_empty()) {
            (false, false) => self.warned(
                "Either specify an owner name or a file path in ##[remove-matcher] command. Both values cannot be set.",
            ),
            (true, true) => self.warned(
                "Either an owner name or a file path must be specified in ##[remove-matcher] command.",
            ),
            (false, true) => {
                self.change_matchers(MatcherChange::Remove(owner));
                self.echoed(line)
            }
            (true, false) => self.matcher_file(line, file, false),
        }
    }

    fn matcher_file(&mut self, line: &str, path: String, add: bool) -> LineRead {
        if path.is_empty() {
            return self.warned("File path must be specified.");
        }
        LineRead { matcher_file: Some((path, add)), ..self.echoed(line) }
    }

    /// Looks whether a plain line tells a problem.
    fn matched(&mut self, stream: Stream, line: &str) -> LineRead {
        let matchers = &mut self.matchers[usize::from(stream == Stream::Stderr)];
        if matchers.is_empty() {
            return self.plain(line);
        }
        let reading = matchers.read(line);
        let warnings = reading.removed.iter().map(|owner| {
            format!("Removing issue matcher '{owner}'. Matcher failed 3 times: its expression takes too long.")
        });
        let warnings: Vec<String> = warnings.collect();
        let read = match reading.problem {
            None => self.plain(line),
            Some(problem) => {
                let annotation = problem.annotation(&self.manners.workspace);
                let text = format!("##[{}]{}", word(annotation.level), without_colours(line));
                LineRead { is_matched: true, ..self.remarked(annotation, text) }
            }
        };
        LineRead { warnings, ..read }
    }

    /// A remark, as long as the step has not left too many of its level.
    fn remarked(&mut self, annotation: Annotation, text: String) -> LineRead {
        let count = &mut self.remarks[annotation.level as usize];
        *count = count.saturating_add(1);
        let is_kept = *count <= MAX_REMARKS;
        self.unkept_remarks += u64::from(!is_kept);
        LineRead { annotation: is_kept.then_some(annotation), ..self.told(text) }
    }

    /// A path in the workspace is shown as it is there.
    fn shown_path(&self, file: String) -> String {
        let workspace = &self.manners.workspace;
        let relative =
            file.strip_prefix(workspace.as_str()).and_then(|rest| rest.strip_prefix('/'));
        match relative {
            Some(relative) if !workspace.is_empty() => relative.to_owned(),
            _ => file,
        }
    }

    fn refuse(&mut self, line: &str, why: &str) -> LineRead {
        let quoted: String = line.trim().chars().take(QUOTED).collect();
        let reason = format!("Unable to process command '{quoted}' successfully. {why}");
        self.refused.get_or_insert_with(|| reason.clone());
        let text = format!("##[error]{reason}");
        self.remarked(remark(Level::Error, reason), text)
    }

    fn warned(&mut self, text: &str) -> LineRead {
        let annotation = remark(Level::Warning, text.to_owned());
        self.remarked(annotation, format!("##[warning]{text}"))
    }

    fn echoed(&mut self, line: &str) -> LineRead {
        if self.echo { self.plain(line) } else { LineRead::default() }
    }

    /// Reads a line that is shown as it is.
    pub(crate) fn plain(&mut self, line: &str) -> LineRead {
        let show = if self.fits(line) { Shown::Line } else { Shown::Nothing };
        LineRead { show, ..LineRead::default() }
    }

    fn told(&mut self, text: String) -> LineRead {
        LineRead { show: self.instead(text), ..LineRead::default() }
    }

    fn instead(&mut self, text: String) -> Shown {
        if self.fits(&text) { Shown::Instead(text) } else { Shown::Nothing }
    }

    fn fits(&mut self, text: &str) -> bool {
        let bytes = text.len() as u64 + 1;
        // Once a line did not fit, none is shown any more: a log with holes misleads.
        if self.dropped_bytes > 0 || bytes > self.room {
            self.dropped_bytes += bytes;
            return false;
        }
        self.room -= bytes;
        true
    }
}

/// What GitHub's runner says of commands that files have taken the place of; here once a step, not once a line.
pub(crate) fn deprecated(printed: &StepEffects) -> Vec<String> {
    let said = |command: &str| {
        format!(
            "The `{command}` command is deprecated and will be disabled soon. Please upgrade to using Environment Files. For more \
             information see: https://github.blog/changelog/2022-10-11-github-actions-deprecating-save-state-and-set-output-commands/"
        )
    };
    let outputs = (!printed.outputs.is_empty()).then(|| said("set-output"));
    outputs.into_iter().chain((!printed.state.is_empty()).then(|| said("save-state"))).collect()
}

fn disabled(command: &str) -> String {
    format!(
        "The `{command}` command is disabled. Please upgrade to using Environment Files or opt into unsecure command \
         execution by setting the `ACTIONS_ALLOW_UNSECURE_COMMANDS` environment variable to `true`."
    )
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

/// A line of the log is one line: the ends of lines in it stay written as they were.
fn one_line(text: &str) -> String {
    text.replace('\r', "%0D").replace('\n', "%0A")
}

/// A remark without a place.
pub(crate) fn remark(level: Level, message: String) -> Annotation {
    Annotation {
        level,
        message,
        title: None,
        file: None,
        line: None,
        column: None,
        end_line: None,
        end_column: None,
    }
}

#[cfg(test)]
mod tests;
