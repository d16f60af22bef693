//! Which revision gets the next request, and what became of the earlier ones.

use super::balance::{Share, choose};
use super::routes::Route;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One revision's server with its counters. Counters start at 0 when the revision first appears in the routes and live
/// as long as it stays in them.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) number: u64,
    pub(super) address: String,
    requests: AtomicU64,
    failures: AtomicU64,
    latency_us: AtomicU64,
    in_flight: AtomicU64,
}

impl Upstream {
    fn new(route: &Route) -> Self {
        Self {
            number: route.number,
            address: route.address.clone(),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            latency_us: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
        }
    }
}

/// What the proxy knows of one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UpstreamReport {
    pub(super) number: u64,
    pub(super) address: String,
    pub(super) weight: u32,
    pub(super) requests: u64,
    pub(super) failures: u64,
    pub(super) latency_us: u64,
    pub(super) in_flight: u64,
}

/// A request's place at one upstream. Dropping it ends the request.
#[derive(Debug)]
pub(super) struct Ticket(Arc<Upstream>);

impl Ticket {
    fn take(upstream: &Arc<Upstream>) -> Self {
        upstream.requests.fetch_add(1, Ordering::Relaxed);
        upstream.in_flight.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(upstream))
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.0
    }

    /// Books the time until the answer's head.
    pub(super) fn answered(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.latency_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// Books a failure: a 5xx, no answer, or an answer that broke off.
    pub(super) fn failed(&self) {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

struct Entry {
    upstream: Arc<Upstream>,
    share: Share,
}

#[derive(Default)]
struct Inner {
    entries: Vec<Entry>,
    /// Out of the routes, with requests under way.
    leaving: Vec<Arc<Upstream>>,
}

/// The live routes.
#[derive(Default)]
pub(super) struct Switchboard(Mutex<Inner>);

impl Switchboard {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Every change below is complete in itself: a panic elsewhere leaves nothing half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Switches to these routes. Requests under way keep their upstream; counters of revisions that stay are kept.
    pub(super) fn apply(&self, routes: &[Route]) {
        let mut inner = self.inner();
        let before = std::mem::take(&mut inner.entries);
        inner.entries = routes
            .iter()
            .map(|route| {
                let known = before.iter().map(|entry| &entry.upstream).find(|upstream| {
                    upstream.number == route.number && upstream.address == route.address
                });
                Entry {
                    upstream: known.map_or_else(|| Arc::new(Upstream::new(route)), Arc::clone),
                    share: Share::new(route.weight),
                }
            })
            .collect();
        let Inner { entries, leaving } = &mut *inner;
        leaving.extend(before.into_iter().map(|entry| entry.upstream));
        leaving.retain(|upstream| {
            upstream.in_flight.load(Ordering::Acquire) > 0
                && !entries.iter().any(|entry| Arc::ptr_eq(&entry.upstream, upstream))
        });
    }

    /// The revision whose turn it is.
    pub(super) fn pick(&self) -> Option<Ticket> {
        let mut inner = self.inner();
        let index = choose(inner.entries.iter_mut().map(|entry| &mut entry.share))?;
        Some(Ticket::take(&inner.entries[index].upstream))
    }

    /// Another revision for a request that those in `tried` did not answer: the one with the greatest weight.
    pub(super) fn other(&self, tried: &[u64]) -> Option<Ticket> {
        let inner = self.inner();
        let untried = inner.entries.iter().filter(|entry| !tried.contains(&entry.upstream.number));
        let best = untried.max_by_key(|entry| entry.share.weight)?;
        Some(Ticket::take(&best.upstream))
    }

    /// The same revision once more, if it is still routed.
    pub(super) fn same(&self, number: u64) -> Option<Ticket> {
        let inner = self.inner();
        let entry = inner.entries.iter().find(|entry| entry.upstream.number == number)?;
        Some(Ticket::take(&entry.upstream))
    }

    /// The counters of all routed revisions, and of those that left with requests under way.
    pub(super) fn report(&self) -> Vec<UpstreamReport> {
        let inner = self.inner();
        let routed = inner.entries.iter().map(|entry| (&entry.upstream, entry.share.weight));
        let leaving = inner.leaving.iter().map(|upstream| (upstream, 0));
        let leaving =
            leaving.filter(|(upstream, _)| upstream.in_flight.load(Ordering::Acquire) > 0);
        routed.chain(leaving).map(|(upstream, weight)| line(upstream, weight)).collect()
    }
}

fn line(upstream: &Upstream, weight: u32) -> UpstreamReport {
    UpstreamReport {
        number: upstream.number,
        address: upstream.address.clone(),
        weight,
        requests: upstream.requests.load(Ordering::Relaxed),
        failures: upstream.failures.load(Ordering::Relaxed),
        latency_us: upstream.latency_us.load(Ordering::Relaxed),
        in_flight: upstream.in_flight.load(Ordering::Acquire),
    }
}

#[cfg(test)]
mod tests {
    use super::Switchboard;
    use crate::serving::routes::Route;

    fn route(number: u64, weight: u32) -> Route {
        Route { number, address: format!("r{number}:1"), weight }
    }

    #[test]
    fn a_switch_keeps_counters_and_requests_under_way() {
        let board = Switchboard::default();
        assert!(board.pick().is_none());
        board.apply(&[route(1, 100)]);
        let under_way = board.pick().unwrap();
        board.apply(&[route(1, 0), route(2, 100)]);
        let new = board.pick().unwrap();
        assert_eq!(new.upstream().number, 2);
        let report = board.report();
        assert_eq!((report[0].number, report[0].requests, report[0].in_flight), (1, 1, 1));
        board.apply(&[route(2, 100)]);
        assert_eq!(board.report().len(), 2, "revision 1 still answers its last request");
        drop(under_way);
        let left: Vec<u64> = board.report().iter().map(|line| line.number).collect();
        assert_eq!(left, [2]);
    }

    #[test]
    fn the_fallback_is_the_heaviest_untried_revision_and_then_the_one_without_weight() {
        let board = Switchboard::default();
        board.apply(&[route(1, 90), route(2, 10), route(3, 0)]);
        assert_eq!(board.other(&[2]).unwrap().upstream().number, 1);
        assert_eq!(board.other(&[1]).unwrap().upstream().number, 2);
        assert_eq!(board.other(&[1, 2]).unwrap().upstream().number, 3);
        assert!(board.other(&[1, 2, 3]).is_none());
        assert!(board.same(4).is_none());
    }
}
