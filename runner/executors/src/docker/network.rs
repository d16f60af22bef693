//! Networks: one that all jobs share and on which none reaches another, and one for each job that has services.

use super::fault::{fault, has_status};
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use pawl_core::ports::ExecutorError;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;
use std::time::Duration;

/// The network of jobs without services. It stays, so that a job needs none of its own; on it containers reach the world, and not
/// each other.
pub(super) const SHARED: &str = "pawl-jobs";

/// Where networks get their addresses: a block that neither Docker's own pools nor usual home and office networks use. Docker's
/// pools hold about thirty networks, which a matrix of jobs would use up.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 213, 0, 0);

/// Addresses of the shared network: more than a machine can run jobs.
const SHARED_PREFIX: u8 = 20;

/// Subnets tried before the engine is asked to choose one itself.
const ATTEMPTS: u64 = 16;

/// Attempts to remove a network whose last container is just being removed, a tenth of a second apart.
const REMOVE_ATTEMPTS: u32 = 50;

/// Smallest subnet for this many containers: besides them it has a gateway and two addresses that nobody may have.
pub(super) fn prefix(containers: usize) -> u8 {
    let wanted = containers as u64 + 3;
    let bits = wanted.next_power_of_two().trailing_zeros().clamp(4, 12);
    32 - u8::try_from(bits).unwrap_or(12)
}

/// The subnet for a name at an attempt: spread over the block, so that two jobs seldom want the same one. The first
/// [`SHARED_PREFIX`] of the block is the shared network's.
pub(super) fn subnet(name: &str, prefix: u8, attempt: u64) -> String {
    let mut hasher = DefaultHasher::new();
    (name, attempt).hash(&mut hasher);
    let size = 1_u64 << (32 - prefix);
    let (skipped, all) = (1_u64 << (32 - SHARED_PREFIX), 1_u64 << 16);
    let places = (all - skipped) / size;
    let offset = skipped + (hasher.finish() % places) * size;
    let address = u64::from(u32::from(FIRST)) + offset;
    format!("{}/{prefix}", Ipv4Addr::from(u32::try_from(address).unwrap_or(u32::MAX)))
}

fn request(
    name: &str,
    subnet: Option<String>,
    labels: HashMap<String, String>,
    is_shared: bool,
) -> NetworkCreateRequest {
    let icc = ("com.docker.network.bridge.enable_icc".to_owned(), (!is_shared).to_string());
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        labels: Some(labels),
        options: Some(HashMap::from([icc])),
        ipam: subnet.map(|subnet| Ipam {
            config: Some(vec![IpamConfig { subnet: Some(subnet), ..IpamConfig::default() }]),
            ..Ipam::default()
        }),
        ..NetworkCreateRequest::default()
    }
}

/// Makes the shared network where it is not there yet.
pub(super) async fn ensure_shared(docker: &Docker) -> Result<(), ExecutorError> {
    match docker.inspect_network(SHARED, None).await {
        Ok(_) => return Ok(()),
        Err(error) if has_status(&error, 404) => {}
        Err(error) => return Err(fault("look at the network of jobs", &error)),
    }
    let first = format!("{FIRST}/{SHARED_PREFIX}");
    let candidates = [Some(first), Some("172.29.208.0/20".to_owned()), None];
    make(docker, SHARED, candidates.into_iter(), &HashMap::new(), true).await
}

/// Makes a job's own network, or finds it.
pub(super) async fn ensure_own(
    docker: &Docker,
    name: &str,
    containers: usize,
    labels: &HashMap<String, String>,
) -> Result<(), ExecutorError> {
    match docker.inspect_network(name, None).await {
        Ok(_) => return Ok(()),
        Err(error) if has_status(&error, 404) => {}
        Err(error) => return Err(fault("look at the job's network", &error)),
    }
    let prefix = prefix(containers);
    let tried = (0..ATTEMPTS).map(|attempt| Some(subnet(name, prefix, attempt)));
    make(docker, name, tried.chain([None]), labels, false).await
}

async fn make(
    docker: &Docker,
    name: &str,
    subnets: impl Iterator<Item = Option<String>>,
    labels: &HashMap<String, String>,
    is_shared: bool,
) -> Result<(), ExecutorError> {
    let mut last = None;
    for subnet in subnets {
        match docker.create_network(request(name, subnet, labels.clone(), is_shared)).await {
            Ok(_) => return Ok(()),
            Err(error) if is_there(&error) => return Ok(()),
            Err(error) if is_taken(&error) => last = Some(error),
            Err(error) => return Err(fault("make the job's network", &error)),
        }
    }
    Err(last.map_or_else(
        || ExecutorError::Internal("no subnet was tried".to_owned()),
        |error| fault("make the job's network", &error),
    ))
}

fn said(error: &Error) -> &str {
    match error {
        Error::DockerResponseServerError { message, .. } => message,
        _ => "",
    }
}

/// Somebody else made it at the same time.
fn is_there(error: &Error) -> bool {
    has_status(error, 409) || said(error).contains("already exists")
}

/// The addresses are another network's.
fn is_taken(error: &Error) -> bool {
    let said = said(error);
    said.contains("overlap") || said.contains("could not find an available")
}

/// Removes a network whose containers are gone, or just go.
pub(super) async fn remove(docker: &Docker, name: &str) -> Result<(), ExecutorError> {
    let mut last = None;
    for _ in 0..REMOVE_ATTEMPTS {
        match docker.remove_network(name).await {
            Ok(()) => return Ok(()),
            Err(error) if has_status(&error, 404) => return Ok(()),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    match last {
        Some(error) => Err(fault("remove the job's network", &error)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{prefix, request, subnet};
    use std::collections::{BTreeSet, HashMap};

    #[test]
    fn subnets_are_small_and_stay_in_their_block() {
        assert_eq!((prefix(1), prefix(13), prefix(14), prefix(60)), (28, 28, 27, 26));
        let all: BTreeSet<String> =
            (0..200).map(|job| subnet(&format!("job-{job}"), 28, 0)).collect();
        assert!(all.len() > 180, "they are spread: {}", all.len());
        for subnet in all {
            let third: u8 = subnet.split('.').nth(2).unwrap().parse().unwrap();
            assert!(
                subnet.starts_with("10.213.") && subnet.ends_with("/28") && third >= 16,
                "{subnet}"
            );
        }
        assert_ne!(subnet("a", 28, 0), subnet("a", 28, 1));
    }

    #[test]
    fn jobs_reach_each_other_on_no_shared_network() {
        let icc = |is_shared| {
            request("n", None, HashMap::new(), is_shared).options.unwrap()["com.docker.network.bridge.enable_icc"].clone()
        };
        assert_eq!((icc(true).as_str(), icc(false).as_str()), ("false", "true"));
    }
}
