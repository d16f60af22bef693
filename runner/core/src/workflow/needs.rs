//! The graph of jobs: every need exists, nothing waits for itself.

use super::model::Job;
use super::reader::{Reader, suggestion};
use crate::diagnostic::Code;
use std::collections::{HashMap, HashSet, VecDeque};

/// Most jobs of a cycle that a message names.
const SHOWN: usize = 8;

/// Reports needs that do not exist, and the jobs of every cycle.
pub(crate) fn check(reader: &mut Reader<'_>, jobs: &[Job]) {
    let ids: HashSet<&str> = jobs.iter().map(|job| job.id.value.as_str()).collect();
    for job in jobs {
        for need in &job.needs {
            if ids.contains(need.value.as_str()) || reader.reporter.is_full() {
                continue;
            }
            let message =
                format!("Job '{}' depends on unknown job '{}'.", job.id.value, need.value);
            let mut others: Vec<&str> =
                ids.iter().copied().filter(|id| *id != job.id.value).collect();
            others.sort_unstable();
            let help = suggestion(&need.value, &others);
            reader.error_with_help(Code::UnknownNeed, need.span, message, help);
        }
    }
    report_cycles(reader, jobs, &in_or_after_cycles(jobs, &ids));
}

/// Jobs with their needs, once every job that nothing keeps waiting is taken away: cycles, and what waits for them.
fn in_or_after_cycles<'a>(jobs: &'a [Job], ids: &HashSet<&str>) -> HashMap<&'a str, Vec<&'a str>> {
    let mut waiting: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut followers: HashMap<&str, Vec<&str>> = HashMap::new();
    for job in jobs {
        let needs = job.needs.iter().map(|need| need.value.as_str());
        let needs: Vec<&str> = needs.filter(|need| ids.contains(need)).collect();
        for need in &needs {
            followers.entry(need).or_default().push(&job.id.value);
        }
        waiting.insert(&job.id.value, needs);
    }
    let mut left: HashMap<&str, usize> =
        waiting.iter().map(|(id, needs)| (*id, needs.len())).collect();
    let mut free: Vec<&str> =
        left.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    while let Some(id) = free.pop() {
        waiting.remove(id);
        for follower in followers.get(id).into_iter().flatten() {
            let Some(count) = left.get_mut(follower) else { continue };
            *count -= 1;
            if *count == 0 {
                free.push(follower);
            }
        }
    }
    waiting
}

/// Reports the needs that lead back to their own job.
fn report_cycles(reader: &mut Reader<'_>, jobs: &[Job], waiting: &HashMap<&str, Vec<&str>>) {
    // Jobs of long cycles that were reported: one report of such a cycle is enough.
    let mut told: HashSet<String> = HashSet::new();
    for job in jobs.iter().filter(|job| waiting.contains_key(job.id.value.as_str())) {
        for need in &job.needs {
            if reader.reporter.is_full() || told.contains(&job.id.value) {
                break;
            }
            let Some(path) = path_back(waiting, &need.value, &job.id.value) else { continue };
            if path.len() > SHOWN {
                told.extend(path.iter().map(|&id| id.to_owned()));
            }
            let message = format!(
                "Job '{}' depends on job '{}' which creates a cycle in the dependency graph.",
                job.id.value, need.value
            );
            let rest = if path.len() > SHOWN { " -> …" } else { "" };
            let path = path[..path.len().min(SHOWN)].join(" -> ");
            let help = format!(
                "none of these jobs could ever start: {} -> {path}{rest}; remove one of the needs",
                job.id.value
            );
            reader.error_with_help(Code::NeedsCycle, need.span, message, help);
        }
    }
}

/// The shortest way along `needs` from one job to another, both named; `None` when there is none.
fn path_back<'a>(
    waiting: &HashMap<&'a str, Vec<&'a str>>,
    from: &'a str,
    to: &str,
) -> Option<Vec<&'a str>> {
    let mut came_from: HashMap<&str, &str> = HashMap::from([(from, from)]);
    let mut open = VecDeque::from([from]);
    while let Some(last) = open.pop_front() {
        if last == to {
            let mut way = vec![last];
            let mut at = last;
            while at != from {
                at = came_from.get(at)?;
                way.push(at);
            }
            way.reverse();
            return Some(way);
        }
        for next in waiting.get(last).into_iter().flatten() {
            if !came_from.contains_key(next) {
                came_from.insert(next, last);
                open.push_back(next);
            }
        }
    }
    None
}
