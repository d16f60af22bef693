//! `pawl service`: how a service gets secrets that nobody sees who asks the engine about its container.
//!
//! As the container's first process it reads one line of JSON from its input, keeps the variables in memory for the health check,
//! and becomes the image's own program. With words after it, it becomes those, with the same variables: the health check.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

/// The subcommand.
pub const START: &str = "service";

/// Where the variables are kept: a file system in the container's memory.
pub const ENV_FOLDER: &str = "/run/pawl-env";

/// Longest line of orders: variables of a process have a limit of two megabytes.
const LONGEST: u64 = 4 << 20;

/// What the service is to become.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Orders {
    /// Its secret variables.
    pub env: BTreeMap<String, String>,
    /// Its program and arguments.
    pub words: Vec<String>,
}

/// Runs `pawl service WORDS`. Returns only when that fails, with the codes of a shell.
#[must_use]
pub fn run_service(words: Vec<String>) -> ExitCode {
    let orders = if words.is_empty() { begin() } else { resume(words) };
    match orders.and_then(become_it) {
        Err(error) => {
            tell(&error);
            ExitCode::from(127)
        }
        Ok(never) => match never {},
    }
}

#[expect(clippy::print_stderr, reason = "this is the service's own log")]
fn tell(error: &io::Error) {
    eprintln!("the service cannot start: {error}");
}

fn begin() -> io::Result<Orders> {
    let mut line = String::new();
    BufReader::new(io::stdin().take(LONGEST)).read_line(&mut line)?;
    let orders: Orders = serde_json::from_str(&line)?;
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut kept = options.open(format!("{ENV_FOLDER}/env"))?;
    kept.write_all(serde_json::to_string(&orders.env)?.as_bytes())?;
    Ok(orders)
}

fn resume(words: Vec<String>) -> io::Result<Orders> {
    let kept = std::fs::read_to_string(format!("{ENV_FOLDER}/env"))?;
    Ok(Orders { env: serde_json::from_str(&kept)?, words })
}

fn become_it(orders: Orders) -> io::Result<std::convert::Infallible> {
    let [program, arguments @ ..] = orders.words.as_slice() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the image has no program"));
    };
    let mut command = Command::new(program);
    command.args(arguments).envs(orders.env).stdin(Stdio::null());
    Err(command.exec())
}
