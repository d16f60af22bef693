//! `pawl lock`

use crate::args::LockArgs;
use crate::error::CommandError;
use crate::files;
use crate::git;
use crate::output::print;
use crate::sources::ProjectSources;
use pawl_core::workflow::parse;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Resolves every action of the project's workflows, fetches it, and writes which commit it is.
pub(crate) fn run(args: &LockArgs) -> Result<(), CommandError> {
    let folder = match &args.workspace {
        Some(named) => named.clone(),
        None => git::top(Path::new(".")).unwrap_or_else(|| PathBuf::from(".")),
    };
    let mut sources = ProjectSources::open(&args.source, &args.store, &folder)?;
    if args.update {
        sources.forget(&args.only)?;
    }
    let mut faults = Vec::new();
    for path in files::workflows(&args.files, Some(&folder))? {
        let text = files::read(&path)?;
        let (workflow, _) = parse(&path.display().to_string(), &text);
        let Some(workflow) = workflow else {
            let message = format!("{} cannot be read", path.display());
            return Err(CommandError::input(message, "`pawl check` says what is wrong with it"));
        };
        let found = sources.actions(&workflow)?;
        let absent = found.absent.into_iter().filter(|(_, why)| !why.message.is_empty());
        faults.extend(absent.map(|(uses, why)| (path.display().to_string(), uses, why)));
    }
    if let Some((path, uses, why)) = faults.into_iter().next() {
        return Err(CommandError::input(format!("{path}: {uses}: {}", why.message), why.help));
    }
    // Only the whole project shows what nothing uses any more.
    let changes = match args.files.is_empty() {
        true => sources.save_pruned()?,
        false => sources.save_added()?,
    };
    let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
    if args.json {
        return print(&json!({ "changes": lines }).to_string());
    }
    match lines.is_empty() {
        true => print("nothing changed"),
        false => lines.iter().try_for_each(|line| print(line)),
    }
}
