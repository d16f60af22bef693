//! The graph of jobs: every need exists, nothing waits for itself.

use super::model::Job;
use super::reader::{Reader, suggestion};
use crate::diagnostic::Code;
use std::collections::HashMap;

/// Reports needs that do not exist, and the jobs of every cycle.
pub(crate) fn check(reader: &mut Reader<'_>, jobs: &[Job]) {
    let ids: Vec<&str> = jobs.iter().map(|job| job.id.value.as_str()).collect();
    for job in jobs {
        for need in &job.needs {
            if !ids.contains(&need.value.as_str()) {
                let message =
                    format!("Job '{}' depends on unknown job '{}'", job.id.value, need.value);
                let others: Vec<&str> =
                    ids.iter().copied().filter(|id| *id != job.id.value).collect();
                let help = suggestion(&need.value, &others);
                reader.error_with_help(Code::UnknownNeed, need.span, message, help);
            }
        }
    }
    report_cycles(reader, jobs);
}

/// Takes away jobs that nothing keeps waiting until only cycles, and what waits for them, are left; of these, reports the
/// needs that lead back to their own job.
fn report_cycles(reader: &mut Reader<'_>, jobs: &[Job]) {
    let mut waiting: HashMap<&str, Vec<&str>> = jobs
        .iter()
        .map(|job| {
            let known = |need: &&str| jobs.iter().any(|other| other.id.value == *need);
            let needs = job.needs.iter().map(|need| need.value.as_str()).filter(known).collect();
            (job.id.value.as_str(), needs)
        })
        .collect();
    loop {
        let free: Vec<&str> =
            waiting.iter().filter(|(_, needs)| needs.is_empty()).map(|(id, _)| *id).collect();
        if free.is_empty() {
            break;
        }
        waiting.retain(|id, _| !free.contains(id));
        for needs in waiting.values_mut() {
            needs.retain(|need| !free.contains(need));
        }
    }
    for job in jobs {
        for need in &job.needs {
            let Some(path) = path_back(&waiting, &need.value, &job.id.value) else { continue };
            let message = if need.value == job.id.value {
                format!("Job '{}' needs itself", job.id.value)
            } else {
                format!("Jobs need each other: {} -> {}", job.id.value, path.join(" -> "))
            };
            let help = "none of these jobs could ever start: remove one of the needs";
            reader.error_with_help(Code::NeedsCycle, need.span, message, help);
        }
    }
}

/// The way along `needs` from one job to another, both named; `None` when there is none.
fn path_back<'a>(
    waiting: &HashMap<&'a str, Vec<&'a str>>,
    from: &'a str,
    to: &str,
) -> Option<Vec<&'a str>> {
    waiting.get(from)?;
    let mut ways = vec![vec![from]];
    let mut seen = vec![from];
    while let Some(way) = ways.pop() {
        let last = *way.last()?;
        if last == to {
            return Some(way);
        }
        for next in waiting.get(last).into_iter().flatten() {
            if !seen.contains(next) {
                seen.push(next);
                let mut longer = way.clone();
                longer.push(next);
                ways.push(longer);
            }
        }
    }
    None
}
