//! `pawl data infer`

use super::table::{self, TableFormat};
use crate::error::CommandError;
use crate::output::print;
use clap::Args;
use pawl_data::{InferError, ValidateOptions, infer};
use serde_json::json;
use std::path::{Path, PathBuf};

/// `pawl data infer`
#[derive(Debug, Args)]
pub(crate) struct InferArgs {
    /// The data: a path or pattern (CSV, TSV, Parquet, JSON Lines; also .gz and .zst)
    data: String,
    /// The table's name in the contract [default: the file's]
    #[arg(long)]
    name: Option<String>,
    /// Write the draft into a new file instead of printing it
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The format of the data [default: by the name]
    #[arg(long, value_enum)]
    format: Option<TableFormat>,
    /// Memory for keys, such as 512M or 2G; beyond it they are put aside in temporary files
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = table::bytes)]
    memory: usize,
    /// Threads that read and check [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Drafts a contract and prints it, or writes it where no file is yet.
pub(super) fn run(args: &InferArgs) -> Result<(), CommandError> {
    let data = table::open(&args.data, args.format)?;
    let name = args.name.clone().unwrap_or_else(|| stem(&args.data));
    let options = ValidateOptions {
        memory_bytes: args.memory,
        threads: args.threads.unwrap_or_else(table::cores).max(1),
        ..ValidateOptions::default()
    };
    let draft = infer(&data, &name, &options).map_err(|error| match error {
        InferError::Validate(error) => CommandError::from(error),
        InferError::Draft(error) => CommandError::internal(error.to_string()),
    })?;
    match &args.output {
        Some(path) => {
            write(path, &draft)?;
            match args.json {
                true => print(&json!({ "written": path }).to_string()),
                false => print(&format!(
                    "wrote {}: read it, then set its status to active",
                    path.display()
                )),
            }
        }
        None if args.json => print(&json!({ "contract": draft }).to_string()),
        None => print(draft.trim_end()),
    }
}

fn write(path: &Path, draft: &str) -> Result<(), CommandError> {
    use std::io::Write;
    let created = std::fs::File::options().write(true).create_new(true).open(path);
    created.and_then(|mut file| file.write_all(draft.as_bytes())).map_err(|error| {
        let message = format!("{} cannot be written: {error}", path.display());
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => CommandError::input(message, "name a new file"),
            _ => CommandError::environment(message, "name another file"),
        }
    })
}

/// The file's name up to its first point; `data` where nothing is left.
fn stem(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or_default();
    let stem: String = name.split('.').next().unwrap_or_default().replace(['*', '?'], "");
    if stem.is_empty() || stem == "-" { "data".to_owned() } else { stem }
}
