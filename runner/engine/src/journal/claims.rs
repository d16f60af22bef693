//! Queues of concurrency groups in the store's SQLite file. Who comes next is decided in core.

use crate::process::ProcessIdentity;
use pawl_core::group::{Claim, Claimant, GroupRequest, Standing, join, look};
use pawl_core::ids::{JobKey, RunId};
use rusqlite::{OptionalExtension, Transaction};

/// As `Groups::claim`.
pub(super) fn claim(
    transaction: &Transaction<'_>,
    claimant: &Claimant,
    name: &str,
    request: &GroupRequest,
) -> rusqlite::Result<Standing> {
    change(transaction, name, |queue| join(queue, claimant, request))
}

/// As `Groups::standing`.
pub(super) fn standing(
    transaction: &Transaction<'_>,
    claimant: &Claimant,
    name: &str,
) -> rusqlite::Result<Standing> {
    change(transaction, name, |queue| look(queue, claimant))
}

/// As `Groups::leave`.
pub(super) fn leave(transaction: &Transaction<'_>, claimant: &Claimant) -> rusqlite::Result<()> {
    let job = claimant.job.as_ref().map(|job| &job.0);
    transaction
        .prepare_cached("DELETE FROM claims WHERE run = ?1 AND (?2 IS NULL OR job = ?2)")?
        .execute((&claimant.run.0, job))?;
    Ok(())
}

/// Reads the queue without claims of runs that no living process carries, lets it change, and writes it when it did.
fn change(
    transaction: &Transaction<'_>,
    name: &str,
    act: impl FnOnce(&mut Vec<Claim>) -> Standing,
) -> rusqlite::Result<Standing> {
    let before = read(transaction, name)?;
    let mut queue = Vec::new();
    for claim in &before {
        if is_carried(transaction, &claim.claimant.run.0)? {
            queue.push(claim.clone());
        }
    }
    let standing = act(&mut queue);
    if queue != before {
        write(transaction, name, &queue)?;
    }
    Ok(standing)
}

fn read(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<Vec<Claim>> {
    let mut statement = transaction.prepare_cached(
        "SELECT run, job, is_in, cancelled FROM claims WHERE name = ?1 ORDER BY id",
    )?;
    let claims = statement.query_map([name], |row| {
        // The run as a whole has no job: its name in the table is empty.
        let job: String = row.get(1)?;
        let job = (!job.is_empty()).then_some(JobKey(job));
        Ok(Claim {
            claimant: Claimant { run: RunId(row.get(0)?), job },
            is_in: row.get(2)?,
            cancelled: row.get(3)?,
        })
    })?;
    claims.collect()
}

fn write(transaction: &Transaction<'_>, name: &str, queue: &[Claim]) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM claims WHERE name = ?1")?.execute([name])?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO claims (name, run, job, is_in, cancelled) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for claim in queue {
        let job = claim.claimant.job.as_ref().map_or("", |job| job.0.as_str());
        insert.execute((name, &claim.claimant.run.0, job, claim.is_in, &claim.cancelled))?;
    }
    Ok(())
}

fn is_carried(transaction: &Transaction<'_>, run: &str) -> rusqlite::Result<bool> {
    let holder = transaction
        .prepare_cached(
            "SELECT pid, start_ticks, boot FROM leases WHERE kind = 'run' AND name = ?1",
        )?
        .query_row([run], |row| {
            Ok(ProcessIdentity { pid: row.get(0)?, start_ticks: row.get(1)?, boot: row.get(2)? })
        })
        .optional()?;
    Ok(holder.is_some_and(|holder| holder.is_alive()))
}
