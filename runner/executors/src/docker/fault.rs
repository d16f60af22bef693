//! Whose fault an answer of the engine is. Pure.

use bollard::errors::Error;
use pawl_core::ports::ExecutorError;

/// Turns an engine's error into ours. `doing` is what failed, such as `start the job's container`.
pub(super) fn fault(doing: &str, error: &Error) -> ExecutorError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            answered(doing, *status_code, message)
        }
        Error::DockerStreamError { error } => answered(doing, 500, error),
        Error::JsonDataError { .. } | Error::JsonSerdeError { .. } => {
            ExecutorError::Internal(format!("cannot {doing}: {error}"))
        }
        other => silent(&whole(other)),
    }
}

/// True for an answer with this status code.
pub(super) fn has_status(error: &Error, code: u16) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == code)
}

fn silent(reason: &str) -> ExecutorError {
    let hint = if reason.contains("ermission denied") {
        "run as root, or join the engine's group: sudo usermod -aG docker $USER, then log in again"
    } else {
        "start it with: systemctl start docker, or install it with: sudo sh runner/quickstart.sh"
    };
    ExecutorError::Environment {
        message: format!("the Docker engine does not answer: {reason}"),
        hint: hint.to_owned(),
    }
}

fn answered(doing: &str, status: u16, text: &str) -> ExecutorError {
    let message = format!("cannot {doing}: {text}");
    let environment =
        |hint: &str| ExecutorError::Environment { message: message.clone(), hint: hint.to_owned() };
    let request =
        |hint: &str| ExecutorError::Request { message: message.clone(), hint: hint.to_owned() };
    if text.contains("no space left on device") || text.contains("disk quota exceeded") {
        return environment("the engine's disk is full; free some of it with: docker system prune");
    }
    if text.contains("bind source path does not exist") {
        return environment(
            "the engine must see the runner's files: use an engine on this machine",
        );
    }
    if text.contains("could not select device driver") {
        return environment(
            "this machine's engine has no runtime for graphics processors: install the vendor's container toolkit, or take `gpus` out",
        );
    }
    let unknown_user =
        text.contains("unable to find user") || text.contains("unable to find group");
    match status {
        _ if unknown_user => request("the image must know the job's user; a number always works"),
        400 | 404 => request("look at the job's container options: image, user, limits"),
        409 => ExecutorError::Internal(message),
        _ => environment("look at the engine's own log: journalctl -u docker"),
    }
}

/// An image that cannot be pulled.
pub(super) fn no_image(image: &str, error: &Error) -> ExecutorError {
    if let ours @ ExecutorError::Environment { .. } = fault("pull the image", error)
        && !matches!(
            error,
            Error::DockerResponseServerError { .. } | Error::DockerStreamError { .. }
        ) | whole(error).contains("no space left on device")
    {
        return ours;
    }
    let reason = match error {
        Error::DockerResponseServerError { message, .. } => message.clone(),
        Error::DockerStreamError { error } => error.clone(),
        other => other.to_string(),
    };
    ExecutorError::Request {
        message: format!("the image {image} is not on this machine and cannot be pulled: {reason}"),
        hint: "check its name and the network, or make it here: docker build, docker load, docker import"
            .to_owned(),
    }
}

/// An error with its causes, which say more than itself.
fn whole(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{fault, no_image};
    use bollard::errors::Error;
    use pawl_core::ports::ExecutorError;

    fn answer(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.into() }
    }

    #[test]
    fn a_full_disk_is_the_environments_fault_whatever_the_status() {
        for status in [400, 500] {
            let ours = fault("start", &answer(status, "mkdir /x: no space left on device"));
            assert!(
                matches!(ours, ExecutorError::Environment { ref hint, .. } if hint.contains("prune"))
            );
        }
        let pull = Error::DockerStreamError { error: "write /y: no space left on device".into() };
        assert!(matches!(no_image("a", &pull), ExecutorError::Environment { .. }));
    }

    #[test]
    fn a_bad_option_is_the_users_fault() {
        let ours = fault("start the job's container", &answer(500, "unable to find user bob"));
        let ExecutorError::Request { message, .. } = ours else { panic!("{ours:?}") };
        assert_eq!(message, "cannot start the job's container: unable to find user bob");
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_named_with_the_reason() {
        let ours = no_image("nix:1", &answer(500, "dial tcp: no route"));
        let ExecutorError::Request { message, .. } = ours else { panic!("{ours:?}") };
        assert_eq!(
            message,
            "the image nix:1 is not on this machine and cannot be pulled: dial tcp: no route"
        );
    }

    #[test]
    fn an_engine_that_is_not_there_says_how_to_start_it() {
        let ours = fault("x", &Error::SocketNotFoundError("/var/run/docker.sock".into()));
        let ExecutorError::Environment { hint, .. } = ours else { panic!("{ours:?}") };
        assert!(hint.contains("systemctl start docker"));
    }
}
