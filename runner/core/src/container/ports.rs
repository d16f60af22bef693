//! `ports:` of a container.

use super::Fault;
use crate::diagnostic::Code;
use std::fmt;

/// What speaks at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, when nothing else is said.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// One port of a container on the host's loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortMapping {
    /// Port on the host; `None` is one that the engine chooses.
    pub host: Option<u16>,
    /// Port in the container.
    pub container: u16,
    /// What speaks there.
    pub protocol: Protocol,
}

/// Most ports of one range: more is a mistake, and each costs a rule on the host.
const MAX_RANGE: usize = 128;

/// Reads `[[127.0.0.1:]HOST:]CONTAINER[/PROTOCOL]`, where both may be ranges of the same length.
///
/// # Errors
/// The text is no port, or it would be published to other machines.
pub fn ports(text: &str) -> Result<Vec<PortMapping>, Fault> {
    let fault = |message: String| {
        let help = "write CONTAINER, HOST:CONTAINER or either with /udp, such as 5432:5432";
        Fault::new(Code::ContainerPort, 0, message, help)
    };
    let wrong = || fault(format!("'{text}' is no port"));
    let (rest, protocol) = match text.trim().split_once('/') {
        None => (text.trim(), Protocol::Tcp),
        Some((rest, "tcp")) => (rest, Protocol::Tcp),
        Some((rest, "udp")) => (rest, Protocol::Udp),
        Some((_, other)) => {
            return Err(fault(format!(
                "'{text}' has the protocol '{other}', which is not supported"
            )));
        }
    };
    let (address, host, container) = match rest.rsplitn(3, ':').collect::<Vec<_>>().as_slice() {
        [container] => ("", "", *container),
        [container, host] => ("", *host, *container),
        [container, host, address] => (*address, *host, *container),
        _ => return Err(wrong()),
    };
    if !matches!(address, "" | "127.0.0.1" | "localhost" | "[::1]") {
        return Err(fault(format!(
            "'{text}' would be reachable from other machines at {address}: ports are published at 127.0.0.1 only"
        )));
    }
    let container = range(container).ok_or_else(wrong)?;
    let host = match host {
        "" => None,
        host => Some(range(host).filter(|host| host.len() == container.len()).ok_or_else(wrong)?),
    };
    let one = |(index, port): (usize, &u16)| PortMapping {
        host: host.as_ref().map(|host| host[index]),
        container: *port,
        protocol,
    };
    Ok(container.iter().enumerate().map(one).collect())
}

fn range(text: &str) -> Option<Vec<u16>> {
    let port = |text: &str| {
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| is_plain && *port > 0)
    };
    let (first, last) = match text.split_once('-') {
        None => (port(text)?, port(text)?),
        Some((first, last)) => (port(first)?, port(last)?),
    };
    let all: Vec<u16> = (first..=last).take(MAX_RANGE + 1).collect();
    (!all.is_empty() && all.len() <= MAX_RANGE).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::{PortMapping, Protocol, ports};

    fn sound(text: &str) -> Vec<(Option<u16>, u16, Protocol)> {
        let all = ports(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        all.into_iter()
            .map(|PortMapping { host, container, protocol }| (host, container, protocol))
            .collect()
    }

    #[test]
    fn ports_are_read_as_docker_reads_them() {
        assert_eq!(sound("80"), [(None, 80, Protocol::Tcp)]);
        assert_eq!(sound("8080:80/tcp"), [(Some(8080), 80, Protocol::Tcp)]);
        assert_eq!(sound("53/udp"), [(None, 53, Protocol::Udp)]);
        assert_eq!(sound("127.0.0.1::80"), [(None, 80, Protocol::Tcp)]);
        assert_eq!(
            sound("9000-9001:80-81"),
            [(Some(9000), 80, Protocol::Tcp), (Some(9001), 81, Protocol::Tcp)]
        );
    }

    #[test]
    fn what_is_no_port_or_would_be_open_to_others_is_refused() {
        for text in [
            "",
            "a",
            "0",
            "70000",
            "1-2:3",
            "2-1",
            "1:2:3:4",
            "80/sctp",
            "1-500",
            "+1",
            "0.0.0.0:80:80",
            "10.0.0.1::80",
        ] {
            assert!(ports(text).is_err(), "{text}");
        }
    }
}
