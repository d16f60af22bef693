//! `pawl doctor`

use crate::args::DoctorArgs;
use crate::compose;
use crate::configuration;
use crate::error::{Class, CommandError};
use crate::git;
use crate::output::print;
use crate::store;
use pawl_core::config::Config;
use pawl_core::ports::Executor;
use serde_json::json;
use std::path::{Path, PathBuf};

struct Finding {
    part: &'static str,
    is_good: bool,
    detail: String,
    hint: String,
}

/// Looks at everything that Pawl needs and says what is missing.
pub(crate) async fn run(args: &DoctorArgs) -> Result<(), CommandError> {
    let (store_finding, docker_finding) = match store::open(&args.store) {
        Ok(store) => {
            let docker = compose::docker_executor(&store, &Config::default())?;
            let detail = store.folder.display().to_string();
            (good("store", detail), docker_of(&docker).await)
        }
        Err(error) => (
            bad("store", &error),
            bad("docker", &CommandError::environment("not asked: the store does not open", "")),
        ),
    };
    let findings =
        [version(), git_client(), configuration(), node(args), store_finding, docker_finding];
    if args.json {
        let all: Vec<_> = findings.iter().map(to_json).collect();
        print(&json!({ "findings": all }).to_string())?;
    } else {
        for finding in &findings {
            let mark = if finding.is_good { "ok" } else { "MISSING" };
            print(&format!("{mark:<8} {:<8} {}", finding.part, finding.detail))?;
            if !finding.hint.is_empty() {
                print(&format!("         {:<8} {}", "", finding.hint))?;
            }
        }
    }
    match findings.iter().all(|finding| finding.is_good) {
        true => Ok(()),
        false => Err(CommandError {
            class: Class::Environment,
            message: String::new(),
            hint: String::new(),
        }),
    }
}

fn to_json(finding: &Finding) -> serde_json::Value {
    json!({ "part": finding.part, "ok": finding.is_good, "detail": finding.detail, "hint": finding.hint })
}

fn good(part: &'static str, detail: String) -> Finding {
    Finding { part, is_good: true, detail, hint: String::new() }
}

fn bad(part: &'static str, error: &CommandError) -> Finding {
    Finding { part, is_good: false, detail: error.message.clone(), hint: error.hint.clone() }
}

fn version() -> Finding {
    good("pawl", format!("{} on {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH))
}

/// Only actions in JavaScript need it, so that none is no fault.
fn node(args: &DoctorArgs) -> Finding {
    let named = configuration::load(None).ok().and_then(|found| found.config.node);
    let found = crate::sources::node_settings(true, named.as_deref(), &args.store)
        .map(|settings| pawl_engine::node::provide(&settings));
    match found {
        Ok(Ok(node)) => good("node", format!("{} from {}", node.version, node.program)),
        Ok(Err(error)) => Finding {
            hint: "actions in JavaScript need it; npm fetches one when there is none".to_owned(),
            ..good("node", error.message)
        },
        Err(error) => bad("node", &error),
    }
}

fn git_client() -> Finding {
    match std::process::Command::new("git").arg("--version").output() {
        Ok(output) if output.status.success() => {
            good("git", String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        _ => bad(
            "git",
            &CommandError::environment("git does not answer", "install it: apt-get install git"),
        ),
    }
}

/// The configuration files that are read here, and what they set.
fn configuration() -> Finding {
    let folder = git::top(Path::new(".")).unwrap_or_else(|| PathBuf::from("."));
    let own =
        configuration::user_file().map_or_else(String::new, |file| file.display().to_string());
    match configuration::load(Some(&folder)) {
        Err(error) => bad("config", &error),
        Ok(found) if found.files.is_empty() => {
            good("config", format!("no file; yours would be {own}"))
        }
        Ok(found) => {
            let files: Vec<String> =
                found.files.iter().map(|file| file.display().to_string()).collect();
            let images: Vec<String> = found
                .config
                .images
                .iter()
                .map(|(label, image)| format!("{label}={image}"))
                .collect();
            let images = if images.is_empty() { "none".to_owned() } else { images.join(" ") };
            good("config", format!("{}; images: {images}", files.join(", ")))
        }
    }
}

async fn docker_of(docker: &pawl_executors::docker::DockerExecutor) -> Finding {
    match docker.check().await {
        Ok(version) => good("docker", version),
        Err(error) => bad("docker", &compose::executor_error(&error)),
    }
}
