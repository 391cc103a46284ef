//! Opening the spool is recovery: the records from the last whole snapshot on give back the state.
//!
//! Always: the spool opens whatever the disk did, unless the disk cannot be read or another process has it; what
//! the disk lost is a loss record, synced before anything leaves; a spool without an epoch gets one.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pantau_journal::{
    AppendError, Committer, Config, FileLayer, Journal, OpenError, Position, ReadError, Reader, ReleaseError,
    SegmentInfo, Shortage,
};
use pantau_proto::v1::Loss;
use pantau_proto::{Epoch, RangeSet, TimeMs};
use prost::Message as _;
use tokio::sync::Notify;

use super::keep::Taken;
use super::marks::Marks;
use super::record::Record;
use super::shed::Shedding;
use super::stamps::Stamps;
use super::state::{Shares, State};
use super::uplink::damage;
use super::{Door, Ordered, Shared, Spool, locked};
use crate::figures::{Counters, count};
use crate::intake::types::RecoveredSession;

/// What the spool may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) max_bytes: u64,
    pub(crate) free_floor_bytes: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) keep_acked: Duration,
    /// A commit waits this long at most.
    pub(crate) commit_delay: Duration,
    /// Bytes that wait for their sync at most.
    pub(crate) pending_bytes: usize,
}

/// No snapshot is larger, however large segments are: it must not hold up what devices send.
const MAX_SNAPSHOT: u64 = 4 << 20;

impl Bounds {
    /// What a snapshot may take, in bytes: one stands in each segment.
    pub(super) fn snapshot_bytes(&self) -> usize {
        usize::try_from((self.segment_bytes / 4).min(MAX_SNAPSHOT)).unwrap_or(0).min(self.pending_bytes / 2)
    }

    fn shares(&self) -> Shares {
        Shares::of(self.snapshot_bytes())
    }

    /// What the disk of `dir` lacks for a spool in there.
    pub(crate) fn shortage<F: FileLayer>(&self, files: &F, dir: &Path) -> Option<Shortage> {
        pantau_journal::shortage(files, dir, &self.journal())
    }

    fn journal(&self) -> Config {
        Config {
            segment_bytes: self.segment_bytes,
            max_bytes: self.max_bytes,
            free_floor_bytes: self.free_floor_bytes,
            commit_delay: self.commit_delay,
            pending_bytes: self.pending_bytes,
            ..Config::default()
        }
    }
}

/// Why the spool cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read back.
    #[error("the spool cannot be read back: {0}")]
    Read(ReadError),
    /// What recovery has to write could not be written.
    #[error("the spool takes no records: {0}")]
    Append(#[from] pantau_journal::AppendError),
    /// A commit failed.
    #[error("the spool cannot be synced: {0}")]
    Commit(pantau_journal::CommitError),
    /// Acked segments could not be freed.
    #[error(transparent)]
    Release(ReleaseError),
    /// It was written with larger segments.
    #[error(
        "what the spool keeps of sessions takes {bytes} bytes, too many for segments of {segment_bytes}: set spool.segment to what it was, or larger"
    )]
    Segment {
        /// Of the snapshot.
        bytes: usize,
        /// As configured.
        segment_bytes: u64,
    },
}

/// An open spool.
pub(crate) struct Opened<F: FileLayer> {
    pub(crate) spool: Spool<F>,
    /// To be run on a thread of its own.
    pub(crate) committer: Committer<F>,
    /// For the MQTT listener.
    pub(crate) sessions: Vec<RecoveredSession>,
}

/// Opens or makes the spool in `dir`. `random` becomes the epoch of a new one. Blocks on the disk.
pub(crate) fn open<F: FileLayer>(
    files: F,
    dir: &Path,
    bounds: Bounds,
    random: u64,
    counters: Arc<Counters>,
) -> Result<Opened<F>, SpoolError> {
    let opened = pantau_journal::open(files, dir, bounds.journal())?;
    let (journal, mut committer, recovery) = (opened.journal, opened.committer, opened.recovery);
    let mut found = replay(&journal, bounds.shares())?;
    found.damaged.extend(
        recovery.damaged.iter().map(|damage| (damage.range.start, damage.range.end, damage.detail.clone())),
    );
    if recovery.torn_tail_bytes > 0 {
        tracing::info!(
            bytes = recovery.torn_tail_bytes,
            "cut the torn end of the spool; nothing of it was acknowledged"
        );
    }

    // What is no longer here was acked or is lost; both are settled.
    found.state.acked.insert(0, journal.stats().kept.0);
    let bytes = found.state.snapshot().encoded_len();
    if bytes > 2 * bounds.snapshot_bytes() {
        return Err(SpoolError::Segment { bytes, segment_bytes: bounds.segment_bytes });
    }
    let losses = found.losses();

    let sessions = found.state.sessions.recovered();
    let stamps =
        Mutex::new(Stamps::new(found.state.stamp_floor, found.state.latest_arrival, found.state.behind));
    let began = journal.synced();
    let ordered = Ordered {
        state: found.state,
        marks: found.marks,
        unsaved: RangeSet::new(),
        shedding: Shedding::default(),
        active: journal.segments().last().map_or(0, |segment| segment.sequence),
        snapshot: Taken { segment: found.snapshot, ticket: None },
        crowded: false,
        deciding: RangeSet::new(),
    };
    let shared = Shared {
        journal,
        bounds,
        began,
        ordered: Mutex::new(ordered),
        stamps,
        counters,
        wanted: Notify::new(),
        room: Notify::new(),
    };
    let spool = Spool { shared: Arc::new(shared) };
    spool.begin(random, losses)?;
    while committer.commit_once().map_err(SpoolError::Commit)? {}
    Ok(Opened { spool, committer, sessions })
}

impl<F: FileLayer> Spool<F> {
    /// Appends what a start has to say.
    fn begin(&self, random: u64, losses: Vec<Loss>) -> Result<(), AppendError> {
        let mut ordered = locked(&self.shared.ordered);
        if ordered.state.epoch.is_none() {
            let epoch = Record { epoch: Some(random), ..Record::default() };
            drop(self.append_locked(&mut ordered, Door::Reserve, &epoch, &epoch.encode_to_vec())?);
        }
        if !losses.is_empty() {
            let lost = losses.iter().map(|loss| loss.count).sum();
            tracing::error!(readings = lost, "a part of the spool is damaged; ingest is told what is lost");
            count(&self.shared.counters.lost, lost);
            self.note_losses(&mut ordered, losses);
        }
        // Without room the first append tries again.
        let _ = self.snapshot_if_due(&mut ordered);
        Ok(())
    }
}

/// What is in a spool, for people.
pub(crate) struct Seen {
    pub(crate) epoch: Option<Epoch>,
    pub(crate) kept: Position,
    pub(crate) next: Position,
    pub(crate) backlog: u64,
    pub(crate) sessions: usize,
    pub(crate) acked: Vec<(u64, u64)>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) segments: Vec<SegmentInfo>,
}

/// Looks into the spool in `dir` without adding to it.
pub(crate) fn inspect<F: FileLayer>(files: F, dir: &Path, bounds: Bounds) -> Result<Seen, SpoolError> {
    let opened = pantau_journal::open(files, dir, bounds.journal())?;
    let (found, stats) = (replay(&opened.journal, bounds.shares())?, opened.journal.stats());
    let mut state = found.state;
    state.acked.insert(0, stats.kept.0);
    Ok(Seen {
        epoch: state.epoch,
        kept: stats.kept,
        next: stats.next,
        backlog: state.acked.missing(0, stats.next.0).map(|(start, end)| end - start).sum(),
        sessions: state.sessions.recovered().len(),
        acked: state.acked.iter().collect(),
        losses: state.losses,
        segments: opened.journal.segments(),
    })
}

struct Found {
    state: State,
    marks: Marks,
    /// Sequence of the segment with the last snapshot, or 0.
    snapshot: u64,
    damaged: Vec<(Position, Position, String)>,
}

impl Found {
    /// Losses for what is damaged and neither acked nor known as lost.
    fn losses(&self) -> Vec<Loss> {
        let mut known = self.state.acked.clone();
        known.extend(&self.state.losses.iter().map(|loss| (loss.start, loss.end)).collect());
        let mut losses = Vec::new();
        for (start, end, detail) in &self.damaged {
            losses.extend(known.missing(start.0, end.0).map(|(start, end)| damage(start, end, detail)));
            known.insert(start.0, end.0);
        }
        losses
    }
}

/// Applies the records from the last snapshot on, or all.
fn replay<F: FileLayer>(journal: &Journal<F>, shares: Shares) -> Result<Found, SpoolError> {
    let segments = journal.segments();
    let (state, marks) = (State::new(shares), Marks::default());
    let mut found = Found { state, marks, snapshot: 0, damaged: Vec::new() };
    let mut from = Position(0);
    for segment in segments.iter().rev() {
        if holds_snapshot(journal.reader(segment.first), segment.sequence)? {
            (from, found.snapshot) = (segment.first, segment.sequence);
            break;
        }
    }
    for segment in segments.iter().filter(|segment| segment.first < from) {
        // Sealed when its last reading came: the age is a little too small, never unknown.
        found.marks.add(segment.first.0, TimeMs(segment.sealed_ms.unwrap_or(0)));
    }
    let mut reader = journal.reader(from);
    while let Some((first, record)) = next(&mut reader, &mut found.damaged)? {
        found.state.apply(first.0, &record);
        if record.positions() > 0 {
            found.marks.add(first.0, TimeMs(record.arrival));
        }
    }
    Ok(found)
}

fn holds_snapshot<F: FileLayer>(mut reader: Reader<F>, sequence: u64) -> Result<bool, SpoolError> {
    let mut damaged = Vec::new();
    while let Some((_, record)) = next(&mut reader, &mut damaged)? {
        // It begins with what stands at the same position in segments before.
        match reader.segment().cmp(&Some(sequence)) {
            Ordering::Less => {}
            Ordering::Equal if record.snapshot.is_none() => {}
            found => return Ok(found == Ordering::Equal),
        }
    }
    Ok(false)
}

/// The next record that can be read; what cannot is added to `damaged`.
fn next<F: FileLayer>(
    reader: &mut Reader<F>,
    damaged: &mut Vec<(Position, Position, String)>,
) -> Result<Option<(Position, Record)>, SpoolError> {
    loop {
        match reader.next() {
            Ok(None) => return Ok(None),
            Ok(Some(raw)) => match Record::decode(raw.bytes.as_slice()) {
                Ok(record) if record.positions() == raw.count => return Ok(Some((raw.first, record))),
                Ok(_) => damaged.push((
                    raw.first,
                    raw.end(),
                    "a record of the spool has another count than it says".into(),
                )),
                Err(error) => damaged.push((
                    raw.first,
                    raw.end(),
                    format!("a record of the spool cannot be decoded: {error}"),
                )),
            },
            Err(ReadError::Damaged { start, end, path, offset }) => {
                damaged.push((start, end, format!("{} at byte {offset}", path.display())));
            }
            Err(ReadError::Released { .. }) => {}
            Err(error @ ReadError::Io { .. }) => return Err(SpoolError::Read(error)),
        }
    }
}
