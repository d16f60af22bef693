//! The same work over many items, on all cores.

use crate::VersionError;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

/// Threads beyond the cores wait for the disk; more of them only compete.
const LEAST_THREADS: usize = 4;

/// Calls `work` for each item and gives its answers in order. Stops at the first failure, which is that of the earliest item
/// among those under way.
pub(crate) fn map<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, VersionError> + Sync,
) -> Result<Vec<R>, VersionError> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.max(LEAST_THREADS).min(items.len());
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let has_failed = AtomicBool::new(false);
    let answers = Mutex::new(Vec::with_capacity(items.len()));
    let run = || {
        let mut mine = Vec::new();
        while !has_failed.load(Relaxed) {
            let at = next.fetch_add(1, Relaxed);
            let Some(item) = items.get(at) else { break };
            let answer = work(item);
            if answer.is_err() {
                has_failed.store(true, Relaxed);
            }
            mine.push((at, answer));
        }
        // A thread that panicked has been reported by the scope; its answers are not looked at.
        answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(mine);
    };
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(run))));
    let mut answers = answers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::map;
    use crate::VersionError;

    #[test]
    fn answers_come_in_order_and_a_failure_ends_the_work() {
        let items: Vec<u32> = (0..1000).collect();
        let doubled = map(&items, |item| Ok(item * 2)).unwrap();
        assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        let failed = map(&items, |item| match item {
            7 => Err(VersionError::input("7", "odd", "")),
            _ => Ok(()),
        });
        assert_eq!(failed.unwrap_err().to_string(), "7: odd");
    }
}
