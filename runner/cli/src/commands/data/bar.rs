//! The line on a terminal that shows how far a command has come.

use pawl_versions::Progress;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the line is drawn anew: often enough to look alive.
const EVERY: Duration = Duration::from_millis(200);

/// Draws while it lives, and leaves the line empty.
pub(super) struct Bar {
    progress: Arc<Progress>,
    drawing: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Bar {
    /// A bar on stderr when that is a terminal and nobody asked for JSON.
    pub(super) fn start(what: &'static str, is_json: bool) -> Self {
        let progress = Arc::new(Progress::default());
        let is_shown = !is_json && std::io::stderr().is_terminal();
        let drawing = is_shown.then(|| {
            let (stop, stopped) = channel();
            let seen = Arc::clone(&progress);
            let begun = Instant::now();
            let draw = move || {
                while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                    show(&format!("\r\x1b[K{}", line(what, seen.counts(), begun.elapsed())));
                }
                show("\r\x1b[K");
            };
            (stop, std::thread::spawn(draw))
        });
        Self { progress, drawing }
    }

    /// What the command counts in.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.drawing.take() {
            drop(stop);
            // A thread that panicked drew nothing more, which is all that it was for.
            drop(thread.join());
        }
    }
}

fn show(text: &str) {
    let mut stderr = std::io::stderr().lock();
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

/// `adding 3/10 files, 1.5/4.0 GB, 650 MB/s, 4 s left`.
fn line(
    what: &str,
    ([files, all_files], [bytes, all_bytes]): ([u64; 2], [u64; 2]),
    since: Duration,
) -> String {
    let mut text = format!("{what} {files}/{all_files} files");
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let rate = bytes as f64 / since.as_secs_f64().max(0.001);
    if all_bytes > 0 {
        text.push_str(&format!(", {}/{}", size(bytes), size(all_bytes)));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "shown with two digits"
    )]
    let rate = rate as u64;
    if rate > 0 {
        text.push_str(&format!(", {}/s", size(rate)));
        let left = all_bytes.saturating_sub(bytes) / rate;
        if all_bytes > bytes {
            text.push_str(&format!(", {left} s left"));
        }
    }
    text
}

/// A size with the unit that leaves few digits.
fn size(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::line;
    use std::time::Duration;

    #[test]
    fn the_line_says_rate_and_time_left() {
        let counts = ([3, 10], [1_500_000_000, 4_000_000_000]);
        assert_eq!(
            line("adding", counts, Duration::from_secs(3)),
            "adding 3/10 files, 1.5 GB/4.0 GB, 500.0 MB/s, 5 s left"
        );
        assert_eq!(line("adding", ([0, 0], [0, 0]), Duration::ZERO), "adding 0/0 files");
    }
}
