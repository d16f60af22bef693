//! What a person or a script sees of a run: folds over its events.

pub(crate) mod escape;
pub(crate) mod json;
pub(crate) mod terminal;

use crate::error::CommandError;
use json::JsonSink;
use pawl_core::event::Recorded;
use pawl_core::state::RunState;
use std::io::{BufWriter, IsTerminal, Write};
use terminal::{Style, TerminalSink};

/// Something that shows a run.
pub(crate) trait Sink: Send {
    /// Takes one event; `state` has it already.
    fn event(&mut self, recorded: &Recorded, state: &RunState);
    /// Everything that has come is to be seen now. Called when nothing more waits, and a few times a second.
    fn flush(&mut self, state: &RunState, now_ms: i64);
}

/// The output that the options and the terminal ask for. `live` allows a foot that is redrawn.
pub(crate) fn sink(json: bool, verbose: bool, live: bool) -> Box<dyn Sink> {
    let out = BufWriter::new(std::io::stdout());
    if json {
        return Box::new(JsonSink::new(out));
    }
    let is_terminal = std::io::stdout().is_terminal();
    let color = wants_color(is_terminal);
    let width =
        std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(80);
    let style = Style { color, live: live && is_terminal, verbose, width };
    Box::new(TerminalSink::new(out, style))
}

/// Whether a stream is coloured: `NO_COLOR` asks for none.
pub(crate) fn wants_color(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints one line (or several) on stdout. A reader that went away (`| head`) is a quiet end of output.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CommandError::environment(
                format!("cannot write the output: {error}"),
                "check where it goes",
            ))
        }
        _ => Ok(()),
    }
}

/// Prints on stderr, for people.
pub(crate) fn print_error(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}
