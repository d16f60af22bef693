//! `serve` and `proxy` alone, as the pawl binary has them: what a service's containers run, small enough to read.
//! The Docker tests put this program into their images.
//!
//! ```text
//! service serve --model FILE --port N
//! service proxy --state DIR
//! ```

use pawl_actions::serving::{ProxyOptions, ServeOptions, proxy, serve};
use std::error::Error;
use std::net::SocketAddr;
use tokio::signal::unix::{SignalKind, signal};

async fn terminated() {
    let mut terminate = signal(SignalKind::terminate()).expect("a process may listen to signals");
    terminate.recv().await;
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", "--model", model, "--port", port] => {
            let listen = SocketAddr::from(([0, 0, 0, 0], port.parse()?));
            let variable = |name: &str| std::env::var(name).ok();
            serve(ServeOptions::from_env(model.into(), listen, variable)?, terminated()).await?;
        }
        ["proxy", "--state", state] => {
            proxy(ProxyOptions::in_container(state.into()), terminated()).await?;
        }
        _ => return Err("usage: service serve --model FILE --port N | proxy --state DIR".into()),
    }
    Ok(())
}
