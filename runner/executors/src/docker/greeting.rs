//! Which version of its API the engine speaks, from its answer to a ping. Asking for its full version would make it run three other
//! programs first, which takes longer than everything else that is said before a container is made.

use bollard::ClientVersion;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Bytes of an answer that are read: its head has some three hundred.
const HEAD_BYTES: u64 = 4096;

/// Pings the engine at a socket. `None` when its answer does not tell a version.
pub(super) async fn api_version(socket: &str) -> io::Result<Option<ClientVersion>> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(HEAD_BYTES).read_to_end(&mut answer).await?;
    Ok(version(&String::from_utf8_lossy(&answer)))
}

fn version(answer: &str) -> Option<ClientVersion> {
    let mut lines = answer.lines();
    let is_good = lines.next()?.split(' ').nth(1) == Some("200");
    let mut headers =
        lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
    let (_, text) = headers.find(|(name, _)| name.eq_ignore_ascii_case("api-version"))?;
    let (major, minor) = text.trim().split_once('.')?;
    let version =
        ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? };
    is_good.then_some(version)
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_version_stands_in_a_header_of_a_good_answer() {
        let told = |answer: &str| version(answer).map(|v| (v.major_version, v.minor_version));
        let head = "HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\nServer: x\r\n\r\nOK";
        assert_eq!(told(head), Some((1, 41)));
        let lower = head.to_lowercase().replace("http/1.0 200 ok", "HTTP/1.1 200 OK");
        assert_eq!(told(&lower), Some((1, 41)));
        for other in [
            "",
            "OK",
            "HTTP/1.0 500 No\r\nApi-Version: 1.41\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nApi-Version: 1.41",
        ] {
            assert_eq!(told(other), None, "{other}");
        }
    }
}
