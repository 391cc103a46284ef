//! A look at a journal from outside: what can be read of it, without its lock and without changing anything, also
//! beside a process that writes in it. For those who check a folder or copy it.
//!
//! What always holds: every record that was synced before the look began is shown, or was released since (then the first
//! segment begins behind it), or is named as unreadable. What is only being written is never taken for damage: a finding
//! counts when a second look finds it too, and by then whatever proved it was complete.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::OpenError;
use crate::files::FileLayer;
use crate::position::Position;
use crate::scan::{self, Found, Lost, Neighbours};
use crate::segment::Key;

/// So often a look begins anew when all that it began with is gone.
const LOOKS: u32 = 16;

/// What a look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// From old to new.
    pub segments: Vec<InspectedSegment>,
    /// Records that can be read.
    pub records: u64,
    /// Bytes behind the last readable record: torn, or being written now. Nobody was promised them.
    pub torn_tail_bytes: u64,
    /// What was synced once and cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedSegment {
    /// Its file.
    pub path: PathBuf,
    /// Its first position.
    pub first: Position,
    /// One after its last readable position.
    pub end: Position,
    /// Bytes from the start of the file that count: a copy of them is a copy of the segment.
    pub bytes: u64,
}

/// A place that was synced once and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The segment file.
    pub file: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// The positions lost, half-open; empty when only records without positions, or none, were hit.
    pub range: Range<Position>,
    /// What is wrong.
    pub detail: String,
}

impl Inspection {
    /// The first position there is; `None` without a segment.
    #[must_use]
    pub fn kept(&self) -> Option<Position> {
        self.segments.first().map(|segment| segment.first)
    }

    /// One after the last position there is.
    #[must_use]
    pub fn next(&self) -> Position {
        self.segments.last().map_or(Position(0), |segment| segment.end)
    }
}

/// Looks at the journal in `dir`, and shows each readable record with its first position to `each`. A folder that is not
/// there is an empty journal.
///
/// # Errors
/// A newer format, or a folder that cannot be listed. Never damage.
pub fn inspect<F: FileLayer>(
    files: &F,
    dir: &Path,
    each: &mut dyn FnMut(Position, &[u8]),
) -> Result<Inspection, OpenError> {
    let mut found = look(files, dir, each)?;
    if !found.unreadable.is_empty() {
        let again = look(files, dir, &mut |_, _| {})?;
        found.unreadable.retain(|finding| again.unreadable.contains(finding));
    }
    Ok(found)
}

/// Looks until not all that was listed was released meanwhile.
fn look<F: FileLayer>(
    files: &F,
    dir: &Path,
    each: &mut dyn FnMut(Position, &[u8]),
) -> Result<Inspection, OpenError> {
    let mut nothing = false;
    for _ in 0..LOOKS {
        let all = list(files, dir)?;
        // All segments can be released while they are being listed; then there are others by now.
        if all.is_empty() && std::mem::replace(&mut nothing, true) {
            return Ok(Inspection::default());
        }
        let found = look_at(files, all, each);
        if !found.segments.is_empty() {
            return Ok(found);
        }
    }
    let source = io::Error::other("its segments are released faster than they can be read; try again later");
    Err(OpenError::io("read", dir)(source))
}

fn look_at<F: FileLayer>(
    files: &F,
    mut all: Vec<Found>,
    each: &mut dyn FnMut(Position, &[u8]),
) -> Inspection {
    let mut inspection = Inspection::default();
    let (mut expected, mut sequence) = (None, None);
    for at in 0..all.len() {
        let near = Neighbours::of(&all, at, expected);
        let Some(found) = all.get_mut(at) else { break };
        match scan::scan(files, found, near, &mut |position, bytes| each(Position(position), bytes)) {
            Ok(()) => {}
            // Released since it was listed, and with it all before.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                inspection = Inspection::default();
                (expected, sequence) = (None, None);
                continue;
            }
            Err(error) => {
                let (start, offset) = (found.end, found.end_offset);
                let (end, detail) = (near.next_first.unwrap_or(start).max(start), error.to_string());
                found.lost.push(Lost { start, end, offset, detail });
                found.end = end;
            }
        }
        if sequence.is_some_and(|before| found.key.sequence != before + 1) {
            let start = expected.unwrap_or(found.first);
            let detail = "the segments before this one are missing".to_owned();
            found.lost.insert(0, Lost { start, end: found.first, offset: 0, detail });
        }
        (expected, sequence) = (Some(found.end), Some(found.key.sequence));
        inspection.take(found, near);
    }
    inspection
}

/// The segments that are there now, from old to new.
fn list<F: FileLayer>(files: &F, dir: &Path) -> Result<Vec<Found>, OpenError> {
    let entries = match files.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(OpenError::io("list", dir))?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let Some(key) = Key::parse(&entry.name) else { continue };
        match Found::read_header(files, dir.join(&entry.name), key, &entry) {
            Ok(found) => all.push(found),
            Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    // Of two files with one sequence the later repair counts.
    all.sort_by_key(|found| (found.key.sequence, found.repair()));
    all.dedup_by(|later, kept| {
        let same = later.key.sequence == kept.key.sequence;
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
    Ok(all)
}

impl Inspection {
    fn take(&mut self, found: &Found, near: Neighbours) {
        // A last frame that is torn goes with the copy: what can be read of it counts, and opening cuts the rest.
        let bytes = near.sealed.unwrap_or(found.end_offset);
        self.segments.push(InspectedSegment {
            path: found.path.clone(),
            first: Position(found.first),
            end: Position(found.end),
            bytes: bytes.min(found.bytes),
        });
        self.records += found.records;
        self.torn_tail_bytes += found.torn_bytes;
        self.unreadable.extend(found.lost.iter().map(|lost| Unreadable {
            file: found.path.clone(),
            offset: lost.offset,
            range: Position(lost.start)..Position(lost.end),
            detail: lost.detail.clone(),
        }));
    }
}
