//! Masking a log: 50 secrets in all their forms, lines as a training run prints them. Prints MB a second of one core.

use pawl_engine::mask::Masker;
use std::time::{Duration, Instant};

/// Bytes of log.
const BYTES: usize = 64 << 20;

const WORDS: [&str; 18] = [
    "epoch",
    "loss",
    "accuracy",
    "downloading",
    "step",
    "the",
    "model",
    "train",
    "0.9312",
    "2026-11-28T03:00:00Z",
    "INFO",
    "[worker-3]",
    "/home/runner/work/_temp/file.txt",
    "sha256:8f3a9b",
    "===",
    "val_loss=0.123",
    "batch",
    "12/400",
];

/// Numbers that are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("below a usize")
    }

    fn secret(&mut self, length: usize) -> String {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./+=&!";
        (0..length).map(|_| char::from(letters[self.below(letters.len())])).collect()
    }
}

/// CPU time of this thread alone: other work of the machine does not count.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts it");
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).expect("a number"))
}

#[expect(clippy::print_stdout, reason = "the result of a benchmark")]
fn main() {
    let mut numbers = Numbers(7);
    let mut masker = Masker::new();
    for length in 0..50 {
        masker.add(&numbers.secret(12 + length)).expect("a good secret");
    }
    let mut lines = Vec::new();
    let mut bytes = 0;
    while bytes < BYTES {
        let mut line = String::new();
        while line.len() < 90 {
            line.push_str(WORDS[numbers.below(WORDS.len())]);
            line.push(' ');
        }
        bytes += line.len();
        lines.push(line);
    }
    let (begun, cpu) = (Instant::now(), cpu_time());
    let masked = lines.iter().filter(|line| masker.mask(line).len() != line.len()).count();
    let (wall, cpu) = (begun.elapsed(), cpu_time() - cpu);
    assert_eq!(masked, 0, "no line holds a secret");
    let speed = |time: Duration| bytes as f64 / 1e6 / time.as_secs_f64();
    println!("mask\t{:.0}\t{:.0}", speed(cpu), speed(wall));
}
