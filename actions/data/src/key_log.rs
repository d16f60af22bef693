//! Exact questions about keys in bounded memory: which stand twice, which are unknown to another table.
//!
//! Every key is written down with the position of its row, in one of 256 partitions by its hash; beyond the memory limit the
//! partitions go to a temporary file without a name. In the end each partition is sorted by itself, so equal keys stand
//! together. A key of at most 15 encoded bytes is its own hash, mixed so that it can be undone; a longer one is kept whole
//! beside its hash. Equal hashes alone therefore never make two keys equal.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Parts that a table of keys falls into; each must fit in memory when it is sorted.
const PARTITIONS: usize = 256;

/// Longest key that is its own hash.
const SHORT: usize = 15;

/// The bit of a place that says which of two kinds a row is of.
const MARK: u64 = 1 << 63;

/// A log is never held to less memory: it would write crumbs.
const LEAST_BYTES: usize = 4 << 20;

/// Keys could not be put aside: the disk is full or the folder for temporary files is not there. Environment.
#[derive(Debug, thiserror::Error)]
#[error("keys beyond the memory limit cannot be put aside in the folder for temporary files: {0}")]
pub struct SpillError(#[from] pub(crate) io::Error);

/// A short key and the place of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Short {
    key: [u64; 2],
    place: u64,
}

/// A long key's hash, the place of its row, and where its bytes are.
#[derive(Debug, Clone, Copy)]
struct Long {
    hash: [u64; 2],
    place: u64,
    start: usize,
    length: usize,
}

/// The keys of one partition that are in memory.
#[derive(Debug, Default)]
struct Partition {
    short: Vec<Short>,
    long: Vec<Long>,
    bytes: Vec<u8>,
}

/// Where a part of a partition is in the temporary file.
#[derive(Debug, Clone, Copy)]
struct Segment {
    partition: usize,
    offset: u64,
    length: usize,
}

/// The keys that one thread has seen.
#[derive(Debug)]
pub(crate) struct KeyLog {
    partitions: Vec<Partition>,
    bytes: usize,
    limit: usize,
    spilled: Option<(File, u64)>,
    segments: Vec<Segment>,
}

/// All rows that have the same key.
pub(crate) struct Group<'g> {
    /// The encoded key.
    pub(crate) key: &'g [u8],
    /// Places in ascending order, their marks apart.
    members: &'g [u64],
}

impl Group<'_> {
    /// The place of each row and its mark, in the order of the rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u64, bool)> + '_ {
        self.members.iter().map(|place| (place & !MARK, place & MARK != 0))
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn has(&self, mark: bool) -> bool {
        self.members.iter().any(|place| (place & MARK != 0) == mark)
    }
}

impl KeyLog {
    /// A log that keeps about `limit` bytes in memory.
    pub(crate) fn new(limit: usize) -> Self {
        let partitions = std::iter::repeat_with(Partition::default).take(PARTITIONS).collect();
        let limit = limit.max(LEAST_BYTES);
        Self { partitions, bytes: 0, limit, spilled: None, segments: Vec::new() }
    }

    /// Writes down the key of the row at `place`, a number below 2^63.
    #[inline]
    pub(crate) fn add(&mut self, key: &[u8], place: u64, mark: bool) -> Result<(), SpillError> {
        let place = place | if mark { MARK } else { 0 };
        if key.len() <= SHORT {
            let key = mixed(packed(key));
            self.bytes += size_of::<Short>();
            self.partitions[partition(key)].short.push(Short { key, place });
        } else {
            let hash = hashed(key);
            let part = &mut self.partitions[partition(hash)];
            let (start, length) = (part.bytes.len(), key.len());
            part.bytes.extend(key);
            part.long.push(Long { hash, place, start, length });
            self.bytes += size_of::<Long>() + length;
        }
        if self.bytes > self.limit { self.spill() } else { Ok(()) }
    }

    /// Puts everything in memory aside. Vectors keep their room for what comes next.
    #[cold]
    fn spill(&mut self) -> Result<(), SpillError> {
        let (file, mut offset) = match self.spilled.take() {
            Some(spilled) => spilled,
            None => (tempfile::tempfile()?, 0),
        };
        let mut out = BufWriter::with_capacity(1 << 20, &file);
        for (index, partition) in self.partitions.iter_mut().enumerate() {
            let length = partition.write(&mut out)?;
            if length > 0 {
                self.segments.push(Segment { partition: index, offset, length });
                offset += length as u64;
            }
            partition.clear();
        }
        out.flush()?;
        drop(out);
        self.spilled = Some((file, offset));
        self.bytes = 0;
        Ok(())
    }

    /// A log whose partitions are in a file already, each with its place and length.
    pub(crate) fn stored(file: File, places: &[(u64, usize)]) -> Self {
        let segment = |(partition, (offset, length)): (usize, &(u64, usize))| Segment {
            partition,
            offset: *offset,
            length: *length,
        };
        let segments = places.iter().enumerate().map(segment).collect();
        Self { spilled: Some((file, 0)), segments, ..Self::new(0) }
    }

    /// What is in memory and in the file of one partition.
    fn gather(&mut self, index: usize, into: &mut Partition) -> Result<(), SpillError> {
        let own = std::mem::take(&mut self.partitions[index]);
        into.take(own);
        let Some((file, _)) = &self.spilled else { return Ok(()) };
        let mut bytes = Vec::new();
        for segment in self.segments.iter().filter(|segment| segment.partition == index) {
            bytes.resize(segment.length, 0);
            file.read_exact_at(&mut bytes, segment.offset)?;
            into.read(&bytes);
        }
        Ok(())
    }
}

impl Partition {
    fn clear(&mut self) {
        self.short.clear();
        self.long.clear();
        self.bytes.clear();
    }

    /// Takes over another one's keys, without a copy where it has none itself.
    fn take(&mut self, other: Self) {
        if self.short.is_empty() {
            self.short = other.short;
        } else {
            self.short.extend(other.short);
        }
        let before = self.bytes.len();
        self.bytes.extend(other.bytes);
        let moved = |long: Long| Long { start: long.start + before, ..long };
        self.long.extend(other.long.into_iter().map(moved));
    }

    /// The number of short keys, the short keys, then the long ones each with its length. Returns how many bytes that is.
    fn write(&self, out: &mut dyn Write) -> io::Result<usize> {
        if self.short.is_empty() && self.long.is_empty() {
            return Ok(0);
        }
        let words = |out: &mut dyn Write, words: &[u64]| {
            words.iter().try_for_each(|word| out.write_all(&word.to_le_bytes()))
        };
        words(out, &[self.short.len() as u64])?;
        for Short { key: [high, low], place } in &self.short {
            words(out, &[*high, *low, *place])?;
        }
        let mut length = 8 + self.short.len() * 24;
        for long in &self.long {
            words(out, &[long.hash[0], long.hash[1], long.place, long.length as u64])?;
            out.write_all(&self.bytes[long.start..long.start + long.length])?;
            length += 32 + long.length;
        }
        Ok(length)
    }

    /// Reads what [`Self::write`] wrote; what is cut off is left out.
    fn read(&mut self, mut bytes: &[u8]) {
        let mut word = || -> Option<u64> {
            let (word, rest) = bytes.split_first_chunk::<8>()?;
            bytes = rest;
            Some(u64::from_le_bytes(*word))
        };
        let Some(count) = word() else { return };
        for _ in 0..count {
            let (Some(high), Some(low), Some(place)) = (word(), word(), word()) else { return };
            self.short.push(Short { key: [high, low], place });
        }
        while let Some((head, rest)) = bytes.split_first_chunk::<32>() {
            let word = |at: usize| {
                head[at..at + 8].iter().rev().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte))
            };
            let length = usize::try_from(word(24)).unwrap_or(usize::MAX);
            let Some((key, after)) = rest.split_at_checked(length) else { return };
            let start = self.bytes.len();
            self.bytes.extend(key);
            let hash = [word(0), word(8)];
            self.long.push(Long { hash, place: word(16), start, length });
            bytes = after;
        }
    }

    /// Hands every group of equal keys to `each`.
    fn groups(&mut self, each: &mut impl FnMut(&Group<'_>)) {
        let mut members = Vec::new();
        // The first word alone settles the order of nearly all: comparing less makes the sort twice as fast.
        self.short.sort_unstable_by_key(|short| short.key[0]);
        for alike in self.short.chunk_by_mut(|a, b| a.key[0] == b.key[0]) {
            if alike.len() > 1 {
                alike.sort_unstable_by_key(|short| (short.key[1], short.place & !MARK));
            }
            for run in alike.chunk_by(|a, b| a.key == b.key) {
                members.clear();
                members.extend(run.iter().map(|short| short.place));
                let (bytes, length) = unpacked(unmixed(run[0].key));
                each(&Group { key: &bytes[..length], members: &members });
            }
        }
        let bytes = &self.bytes;
        let key = |long: &Long| &bytes[long.start..long.start + long.length];
        self.long.sort_unstable_by(|a, b| {
            let hashes = a.hash.cmp(&b.hash);
            hashes.then_with(|| key(a).cmp(key(b))).then((a.place & !MARK).cmp(&(b.place & !MARK)))
        });
        for run in self.long.chunk_by(|a, b| a.hash == b.hash && key(a) == key(b)) {
            members.clear();
            members.extend(run.iter().map(|long| long.place));
            each(&Group { key: key(&run[0]), members: &members });
        }
    }
}

/// Writes the keys of all logs together, each partition behind its length.
pub(crate) fn write(logs: &mut [KeyLog], out: &mut dyn Write) -> Result<(), SpillError> {
    for index in 0..PARTITIONS {
        let mut partition = Partition::default();
        for log in &mut *logs {
            log.gather(index, &mut partition)?;
        }
        let mut bytes = Vec::new();
        partition.write(&mut bytes)?;
        out.write_all(&(bytes.len() as u64).to_le_bytes())?;
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// Finds the partitions that [`write`] wrote from `offset` on; where they are and where they end.
pub(crate) fn find(file: &File, offset: u64) -> io::Result<(Vec<(u64, usize)>, u64)> {
    let (mut places, mut at) = (Vec::with_capacity(PARTITIONS), offset);
    let end = file.metadata()?.len();
    for _ in 0..PARTITIONS {
        let mut length = [0; 8];
        file.read_exact_at(&mut length, at)?;
        let length = u64::from_le_bytes(length);
        at += 8;
        if length > end.saturating_sub(at) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        places.push((at, usize::try_from(length).unwrap_or(usize::MAX)));
        at += length;
    }
    Ok((places, at))
}

/// Hands every group of equal keys of all logs together to one of several visitors, and returns these. Rows of one group come
/// in their order, groups in any.
pub(crate) fn groups<S: Send>(
    logs: Vec<KeyLog>,
    threads: usize,
    make: impl Fn() -> S + Sync,
    visit: impl Fn(&mut S, &Group<'_>) + Sync,
) -> Result<Vec<S>, SpillError> {
    let logs: Vec<Mutex<KeyLog>> = logs.into_iter().map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<S, SpillError> {
        let mut state = make();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= PARTITIONS {
                return Ok(state);
            }
            let mut partition = Partition::default();
            for log in &logs {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                log.gather(index, &mut partition)?;
            }
            partition.groups(&mut |group| visit(&mut state, group));
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn partition(key: [u64; 2]) -> usize {
    // The high byte of the first word.
    key[0].to_be_bytes()[0].into()
}

/// A short key and its length as two words.
fn packed(key: &[u8]) -> [u64; 2] {
    let mut bytes = [0; 16];
    bytes[..key.len()].copy_from_slice(key);
    #[expect(clippy::cast_possible_truncation, reason = "at most 15")]
    let length = key.len() as u8;
    bytes[SHORT] = length;
    let whole = u128::from_le_bytes(bytes);
    #[expect(clippy::cast_possible_truncation, reason = "the halves of a number")]
    let halves = [whole as u64, (whole >> 64) as u64];
    halves
}

fn unpacked(key: [u64; 2]) -> ([u8; 16], usize) {
    let bytes = (u128::from(key[0]) | (u128::from(key[1]) << 64)).to_le_bytes();
    (bytes, usize::from(bytes[SHORT]).min(SHORT))
}

/// Three rounds of a Feistel network: every bit of the result depends on every bit of the key, and it can be undone.
fn mixed([mut a, mut b]: [u64; 2]) -> [u64; 2] {
    b ^= scrambled(a);
    a ^= scrambled(b);
    b ^= scrambled(a);
    [a, b]
}

fn unmixed([mut a, mut b]: [u64; 2]) -> [u64; 2] {
    b ^= scrambled(a);
    a ^= scrambled(b);
    b ^= scrambled(a);
    [a, b]
}

/// The finaliser of SplitMix64.
fn scrambled(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// 128 bits that are the same on every machine, so that logs of several can be put together.
fn hashed(key: &[u8]) -> [u64; 2] {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(seed);
        hasher.write(key);
        hasher.finish()
    };
    [half(0), half(1)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{KeyLog, groups, mixed, packed, unmixed, unpacked};

    fn collected(logs: Vec<KeyLog>) -> BTreeMap<Vec<u8>, Vec<(u64, bool)>> {
        let visit = |found: &mut Vec<_>, group: &super::Group<'_>| {
            found.push((group.key.to_vec(), group.rows().collect()));
        };
        groups(logs, 2, Vec::new, visit).expect("room").into_iter().flatten().collect()
    }

    proptest! {
        #[test]
        fn groups_are_those_of_a_map(
            keys in prop::collection::vec((prop::collection::vec(0_u8..3, 0..40), any::<bool>()), 0..300),
            spill in any::<bool>(),
        ) {
            let mut expected: BTreeMap<Vec<u8>, Vec<(u64, bool)>> = BTreeMap::new();
            let mut logs = vec![KeyLog::new(0), KeyLog::new(0)];
            for log in &mut logs {
                if spill {
                    log.limit = 1000;
                }
            }
            for (place, (key, mark)) in keys.iter().enumerate() {
                expected.entry(key.clone()).or_default().push((place as u64, *mark));
                logs[place % 2].add(key, place as u64, *mark).expect("room");
            }
            prop_assert_eq!(collected(logs), expected);
        }

        #[test]
        fn short_keys_come_back(key in prop::collection::vec(any::<u8>(), 0..16)) {
            let (bytes, length) = unpacked(unmixed(mixed(packed(&key))));
            prop_assert_eq!(&bytes[..length], key.as_slice());
        }
    }

    #[test]
    fn equal_hashes_do_not_make_equal_keys() {
        let mut log = KeyLog::new(0);
        for (place, key) in [[b'a'; 20], [b'b'; 20], [b'a'; 20]].iter().enumerate() {
            log.add(key, place as u64, false).expect("room");
        }
        // What no data can do in a test: all hashes are made one.
        let mut all = super::Partition::default();
        for index in 0..super::PARTITIONS {
            log.gather(index, &mut all).expect("room");
        }
        all.long.iter_mut().for_each(|long| long.hash = [7, 7]);
        let mut found = Vec::new();
        all.groups(&mut |group| found.push(group.rows().map(|row| row.0).collect::<Vec<_>>()));
        assert_eq!(found, [vec![0, 2], vec![1]]);
    }
}
