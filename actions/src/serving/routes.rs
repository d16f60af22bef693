//! The proxy's routes as data: which revisions get which share, kept in a file so that a restarted proxy has them.

use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// More revisions than this behind one service are a mistake of the caller.
const ROUTES_MAX: usize = 16;

/// One revision behind the proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Number of the revision.
    pub number: u64,
    /// `host:port` of its server.
    pub address: String,
    /// Share of the traffic, per cent. 0: gets only what another revision failed to answer.
    pub weight: u32,
}

/// Why routes are refused. Ours or the target's fault, never a client's.
#[derive(Debug, thiserror::Error)]
pub enum RoutesError {
    /// The routes contradict themselves.
    #[error("routes refused: {0}")]
    Invalid(String),
    /// Environment: the file cannot be written.
    #[error("routes cannot be kept in {path}: {source}")]
    Storage {
        /// The file.
        path: String,
        /// The system's word.
        source: io::Error,
    },
    /// Ours: the file holds something else.
    #[error("routes in {path} cannot be read: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

/// Checks that numbers are unique, addresses have a port, and weights sum to 100. No routes at all is fine.
pub(super) fn check(routes: &[Route]) -> Result<(), RoutesError> {
    let refuse = |why: String| Err(RoutesError::Invalid(why));
    if routes.len() > ROUTES_MAX {
        return refuse(format!("{} revisions, at most {ROUTES_MAX}", routes.len()));
    }
    let mut seen = HashSet::new();
    for route in routes {
        if !seen.insert(route.number) {
            return refuse(format!("revision {} is there twice", route.number));
        }
        let port = route.address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_)))
            || route.address.parse::<hyper::http::uri::Authority>().is_err()
        {
            return refuse(format!("{:?} is not host:port", route.address));
        }
    }
    let sum: u64 = routes.iter().map(|route| u64::from(route.weight)).sum();
    if !routes.is_empty() && sum != 100 {
        return refuse(format!("weights sum to {sum}, not to 100"));
    }
    Ok(())
}

/// Reads kept routes; none when there is no file yet.
pub(super) fn load(path: &Path) -> Result<Vec<Route>, RoutesError> {
    let damaged =
        |reason: String| RoutesError::Damaged { path: path.display().to_string(), reason };
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(damaged(error.to_string())),
    };
    let routes: Vec<Route> =
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    check(&routes)?;
    Ok(routes)
}

/// Writes routes so that a power cut leaves the old or the new ones, never a mixture.
pub(super) fn save(path: &Path, routes: &[Route]) -> Result<(), RoutesError> {
    let text = serde_json::to_vec(routes).expect("numbers and strings always serialise");
    let fresh = path.with_extension("new");
    write_synced(&fresh, &text)
        .and_then(|()| fs::rename(&fresh, path))
        .map_err(|source| RoutesError::Storage { path: path.display().to_string(), source })
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::{Route, RoutesError, check, load, save};

    fn route(number: u64, weight: u32) -> Route {
        Route { number, address: format!("r{number}:8080"), weight }
    }

    #[test]
    fn routes_must_sum_to_one_hundred_and_be_unique() {
        assert!(check(&[]).is_ok());
        assert!(check(&[route(1, 90), route(2, 10)]).is_ok());
        assert!(check(&[route(1, 100), route(2, 0)]).is_ok());
        assert!(check(&[route(1, 90)]).is_err());
        assert!(check(&[route(1, 0)]).is_err());
        assert!(check(&[route(1, 50), route(1, 50)]).is_err());
        assert!(check(&[route(1, u32::MAX), route(2, 101)]).is_err());
    }

    #[test]
    fn an_address_needs_a_port() {
        for address in ["r1", "r1:", "r1:http", ":", "r1:99999", "a b:80"] {
            let routes = [Route { number: 1, address: address.to_owned(), weight: 100 }];
            assert!(check(&routes).is_err(), "{address}");
        }
    }

    #[test]
    fn saved_routes_come_back_and_damage_is_told_apart_from_absence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.json");
        assert_eq!(load(&path).unwrap(), []);
        save(&path, &[route(7, 100)]).unwrap();
        assert_eq!(load(&path).unwrap(), [route(7, 100)]);
        std::fs::write(&path, "[{").unwrap();
        assert!(matches!(load(&path), Err(RoutesError::Damaged { .. })));
    }
}
