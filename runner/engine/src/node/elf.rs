//! Makes a copy of a program find its loader and its libraries in one folder, wherever it runs. Pure.
//!
//! Two names are written over the name of the loader, which is longer than both: the new loader's and the folder's. One of the
//! spare entries that linkers leave in the dynamic section then says that libraries are looked for in that folder first
//! (`DT_RPATH`, which also holds for the libraries' own libraries and goes before `LD_LIBRARY_PATH`). Nothing moves.

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NULL: u64 = 0;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_DEBUG: u64 = 21;
const DT_RUNPATH: u64 = 29;

/// One entry of the program header.
#[derive(Debug, Clone, Copy)]
struct Segment {
    kind: u32,
    offset: usize,
    address: u64,
    size: usize,
}

/// The loader that the program names.
pub(super) fn interpreter(program: &[u8]) -> Option<String> {
    let segment = segments(program)?.into_iter().find(|segment| segment.kind == PT_INTERP)?;
    let name = program.get(segment.offset..segment.offset + segment.size)?;
    let name = name.split(|byte| *byte == 0).next()?;
    String::from_utf8(name.to_vec()).ok()
}

/// Rewrites the program in place; an error says why that cannot be.
pub(super) fn patch(program: &mut [u8], loader: &str, folder: &str) -> Result<(), String> {
    let all = segments(program).ok_or("it is no 64-bit program for this kind of machine")?;
    let find = |kind| all.iter().find(|segment| segment.kind == kind).copied();
    let name = find(PT_INTERP).ok_or("it is not dynamically linked")?;
    let dynamic = find(PT_DYNAMIC).ok_or("it has no dynamic section")?;
    let names = format!("{loader}\0{folder}\0");
    if names.len() > name.size {
        return Err(format!("the name of its loader has no room for {} letters", names.len()));
    }
    let entries: Vec<(u64, u64)> = (0..dynamic.size / 16)
        .map_while(|index| {
            let at = dynamic.offset + index * 16;
            Some((number(program, at)?, number(program, at + 8)?))
        })
        .collect();
    let end = entries.iter().position(|(tag, _)| *tag == DT_NULL).unwrap_or(entries.len());
    let used = &entries[..end];
    let strings = used.iter().find(|(tag, _)| *tag == DT_STRTAB).ok_or("it has no strings")?.1;
    let of_tag = |wanted: u64| used.iter().position(|(tag, _)| *tag == wanted);
    // The last empty entry ends the list and stays. Only debuggers look at DT_DEBUG.
    let spare = Some(end).filter(|_| end + 1 < entries.len());
    let slot = of_tag(DT_RUNPATH).or(of_tag(DT_RPATH)).or(spare).or(of_tag(DT_DEBUG));
    let slot = slot.ok_or("its dynamic section has no room")?;
    let old_path = of_tag(DT_RUNPATH).and(of_tag(DT_RPATH));
    if old_path.is_some_and(|other| other != slot) {
        return Err("it names two paths for its libraries".to_owned());
    }
    let address = name.address + loader.len() as u64 + 1;
    let at = dynamic.offset + slot * 16;
    program[name.offset..name.offset + name.size].fill(0);
    program[name.offset..name.offset + names.len()].copy_from_slice(names.as_bytes());
    program[at..at + 8].copy_from_slice(&DT_RPATH.to_le_bytes());
    // Counted from the strings; before them, the difference wraps, as the loader's own addition does.
    program[at + 8..at + 16].copy_from_slice(&address.wrapping_sub(strings).to_le_bytes());
    Ok(())
}

/// The segments of a 64-bit little-endian program. The addresses of the two that are changed are those of loaded parts.
fn segments(program: &[u8]) -> Option<Vec<Segment>> {
    if program.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let start = usize::try_from(number(program, 32)?).ok()?;
    let half = |at: usize| Some(u16::from_le_bytes(program.get(at..at + 2)?.try_into().ok()?));
    let (size, count) = (usize::from(half(54)?), usize::from(half(56)?));
    let one = |index: usize| {
        let at = start.checked_add(index * size)?;
        let kind = u32::from_le_bytes(program.get(at..at + 4)?.try_into().ok()?);
        let offset = usize::try_from(number(program, at + 8)?).ok()?;
        let length = usize::try_from(number(program, at + 32)?).ok()?;
        let is_inside = offset.checked_add(length)? <= program.len();
        let address = number(program, at + 16)?;
        (is_inside || !(PT_LOAD..=PT_INTERP).contains(&kind)).then_some(Segment {
            kind,
            offset,
            address,
            size: length,
        })
    };
    (0..count).map(one).collect()
}

fn number(program: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(program.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{interpreter, number, patch};

    /// A program of a header, two segments, the loader's name and a dynamic section with these tags.
    fn program(name: &str, tags: &[u64]) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 2 * 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&2_u16.to_le_bytes());
        let name_at = bytes.len();
        bytes.extend(name.as_bytes());
        bytes.push(0);
        let dynamic_at = bytes.len();
        for tag in tags {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(0x9000_u64.to_le_bytes());
        }
        let segments = [(3_u32, name_at, name.len() + 1), (2, dynamic_at, tags.len() * 16)];
        for (index, (kind, offset, size)) in segments.into_iter().enumerate() {
            let at = 64 + index * 56;
            bytes[at..at + 4].copy_from_slice(&kind.to_le_bytes());
            bytes[at + 8..at + 16].copy_from_slice(&(offset as u64).to_le_bytes());
            bytes[at + 16..at + 24].copy_from_slice(&(0x1000 + offset as u64).to_le_bytes());
            bytes[at + 32..at + 40].copy_from_slice(&(size as u64).to_le_bytes());
        }
        bytes
    }

    const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

    #[test]
    fn loader_and_folder_take_the_old_name_and_a_spare_entry_points_at_the_folder() {
        for (tags, slot) in
            [(vec![5, 0, 0], 1), (vec![5, 29, 0], 1), (vec![5, 15, 0], 1), (vec![21, 5, 0], 0)]
        {
            let mut bytes = program(LOADER, &tags);
            assert_eq!(interpreter(&bytes).as_deref(), Some(LOADER));
            patch(&mut bytes, "/pawl/node/ld", "/pawl/node").unwrap();
            assert_eq!(interpreter(&bytes).as_deref(), Some("/pawl/node/ld"));
            let name_at = 64 + 2 * 56;
            assert_eq!(&bytes[name_at + 14..name_at + 25], b"/pawl/node\0");
            let at = name_at + LOADER.len() + 1 + slot * 16;
            let target = 0x9000_u64.wrapping_add(number(&bytes, at + 8).unwrap());
            assert_eq!((number(&bytes, at), target), (Some(15), 0x1000 + name_at as u64 + 14));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_left_alone() {
        let mut short = program("/ld", &[5, 0, 0]);
        let before = short.clone();
        assert!(patch(&mut short, "/pawl/node/ld", "/pawl/node").is_err());
        let mut full = program(LOADER, &[5, 0]);
        let unchanged = full.clone();
        assert!(patch(&mut full, "/pawl/node/ld", "/pawl/node").is_err());
        assert!((short, full) == (before, unchanged));
        assert!(patch(&mut b"#!/bin/sh\n".to_vec(), "/a", "/b").is_err());
    }
}
