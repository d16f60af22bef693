//! `pawl data serve`

use crate::error::CommandError;
use crate::output::print;
use crate::signals::termination;
use clap::Args;
use pawl_versions::ServeOptions;
use serde_json::json;
use std::net::IpAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;

/// The variable that holds the token; a command line is seen by everybody on the machine.
const TOKEN: &str = "PAWL_DATA_TOKEN";

/// `pawl data serve`
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The folder with objects [default: the cache of this repository]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Address to listen at
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen at; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8585)]
    port: u16,
    /// Reading, too, needs the token of the variable PAWL_DATA_TOKEN; without that variable nobody may write
    #[arg(long)]
    private: bool,
    /// Most bytes of one object that is sent here
    #[arg(long, value_name = "BYTES", default_value_t = 100 << 30)]
    most_bytes: u64,
    /// Print one JSON object with the address
    #[arg(long)]
    pub(super) json: bool,
}

/// Answers as a remote until it is told to stop.
pub(super) async fn run(args: &ServeArgs) -> Result<(), CommandError> {
    let folder = match &args.folder {
        Some(folder) => folder.clone(),
        None => super::repository()?.cache_folder(),
    };
    let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
    if args.private && token.is_none() {
        let hint = format!("put a long random text into {TOKEN}");
        return Err(CommandError::input("--private needs a token", hint));
    }
    let options =
        ServeOptions { folder, token, is_private: args.private, most_bytes: args.most_bytes };
    let failed = |error: std::io::Error| {
        let message = format!("cannot listen at {}:{}: {error}", args.host, args.port);
        CommandError::environment(message, "choose another port with --port")
    };
    let listener = TcpListener::bind((args.host, args.port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    match args.json {
        true => print(&json!({ "url": format!("http://{address}") }).to_string())?,
        false => print(&format!(
            "serving {} at http://{address}\nnext: dvc remote add -d NAME http://{address}",
            options.folder.display()
        ))?,
    }
    pawl_versions::serve(listener, options, termination()).await;
    Ok(())
}
