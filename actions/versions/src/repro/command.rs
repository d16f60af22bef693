//! The commands of a stage.

use super::Failure;
use super::stage::Stage;
use crate::VersionError;
use crate::path::is_absence;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// The shell when none is named, as DVC has it.
const SHELL: &str = "/bin/sh";

/// Runs the commands of a stage one after the other; the first that does not succeed ends it. They get this process's environment
/// and streams.
pub(crate) fn run(
    root: &Path,
    stage: &Stage,
    shell: Option<&str>,
    told: &dyn Fn(&str),
) -> Result<Option<Failure>, VersionError> {
    let folder = root.join(&stage.base);
    if !folder.is_dir() {
        let place = format!("{}:{}", stage.file, stage.line);
        let reason = format!("the folder {:?} that the stage runs in is not there", stage.base);
        return Err(VersionError::input(place, reason, "make it, or let an earlier stage make it"));
    }
    let shell = shell.filter(|shell| !shell.is_empty()).unwrap_or(SHELL);
    for command in stage.commands() {
        told(&format!("> {command}"));
        let status = Command::new(shell)
            .args(quiet(shell))
            .arg("-c")
            .arg(&command)
            .current_dir(&folder)
            .env("DVC_ROOT", root)
            .env("DVC_STAGE", stage.address())
            .status()
            .map_err(|error| {
                let hint = match is_absence(&error) {
                    true => "choose an image with a shell: stages of DVC are commands of a shell",
                    false => "check the shell, and that the machine can start processes",
                };
                VersionError::environment(shell, error, hint)
            })?;
        if !status.success() {
            let ended = ended(status);
            return Ok(Some(Failure { stage: stage.address(), command, ended }));
        }
    }
    Ok(None)
}

/// Options that keep a shell from reading files of its user.
fn quiet(shell: &str) -> &'static [&'static str] {
    match shell.rsplit('/').next() {
        Some("zsh") => &["--no-rcs"],
        Some("bash") => &["--noprofile", "--norc"],
        _ => &[],
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit code".to_owned(),
    }
}
