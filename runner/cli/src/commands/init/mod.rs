//! `pawl init`

mod dvc;

use crate::args::InitArgs;
use crate::error::CommandError;
use crate::output::print;
use serde_json::json;
use std::io::Write;

/// Where the first workflow goes.
const PATH: &str = ".pawl/workflows/hello.yml";

const WORKFLOW: &str = "\
# A first workflow. Try it:  pawl run .pawl/workflows/hello.yml
name: hello
on:
  push:
  workflow_dispatch:
jobs:
  hello:
    # `pawl` is a label of Pawl's own: an empty image, in which built-in actions run. For scripts, name an image:
    #   container: python:3.12-slim
    runs-on: pawl
    steps:
      - uses: pawl/checkout
        id: source
      - uses: pawl/report
";

/// Writes a first workflow, or that of a pipeline of DVC. A file that is there already is left alone.
pub(crate) fn run(args: &InitArgs) -> Result<(), CommandError> {
    let (path, text) = match args.from_dvc {
        true => (dvc::PATH, dvc::workflow(&args.folder)?),
        false => (PATH, WORKFLOW.to_owned()),
    };
    let path = args.folder.join(path);
    let shown = path.display();
    let failed = |error: std::io::Error| {
        CommandError::environment(
            format!("cannot write {shown}: {error}"),
            "check the folder's permissions",
        )
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = match std::fs::File::create_new(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(CommandError::input(
                format!("{shown} is there already"),
                format!("run it with `pawl run {shown}`"),
            ));
        }
        other => other.map_err(failed)?,
    };
    file.write_all(text.as_bytes()).map_err(failed)?;
    match args.json {
        true => print(&json!({ "written": [shown.to_string()] }).to_string()),
        false => print(&format!("wrote {shown}\nnext: pawl run {shown}")),
    }
}
