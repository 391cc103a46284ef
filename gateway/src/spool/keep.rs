//! Keeps the spool small: journals acked ranges and what was given up now and then, and frees segments that are acked,
//! when their time is over or their room is needed.
//!
//! Always: only segments are freed that lie before the one with the last snapshot, once that is synced, and wholly
//! below the first position that ingest does not have.

use std::time::Duration;

use pantau_journal::{FileLayer, ReleaseError, SegmentInfo, Stats, Ticket};
use pantau_proto::{RangeSet, TimeMs};
use prost::Message as _;

use super::record::{Record, Shed};
use super::state::acked_record;
use super::{Bounds, Door, Ordered, Spool, SpoolError, locked};
use crate::intake::types::SubmitError;

/// Segments that are kept free for what comes: more than the journal prepares ahead.
const HEADROOM: u64 = 6;

impl<F: FileLayer> Spool<F> {
    /// One round; several a second, and when somebody wants room. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk fails. A round that is told "full" tries again the next time.
    pub(crate) fn keep(&self, now: TimeMs) -> Result<(), SpoolError> {
        let Some(release) = self.prepare_release(now) else { return Ok(()) };
        if let Some(snapshot) = release.snapshot {
            self.shared.journal.sync_soon();
            snapshot.wait().map_err(SpoolError::Commit)?;
        }
        self.release(release.before)
    }

    /// Says what may be freed, and what has to be synced before.
    pub(super) fn prepare_release(&self, now: TimeMs) -> Option<Release> {
        self.save_acks();
        self.save_shed(now);
        let (segments, stats) = (self.shared.journal.segments(), self.shared.journal.stats());
        let mut ordered = locked(&self.shared.ordered);
        if let Err(error) = self.snapshot_if_due(&mut ordered) {
            tracing::debug!(%error, "no room for a snapshot");
        }
        let acked = ordered.state.acked.first_gap(0);
        let over = ordered.snapshot.segment;
        let segments = segments.iter().filter(|segment| segment.sequence < over);
        let before = releasable(segments, &stats, &self.shared.bounds, acked, now)?;
        Some(Release { before, snapshot: ordered.snapshot.ticket.take() })
    }

    /// Frees the segments before the one with this sequence.
    pub(super) fn release(&self, before: u64) -> Result<(), SpoolError> {
        match self.shared.journal.release_before(before) {
            Ok(released) => {
                // An ingest that was restored meanwhile may lack some of it: it cannot be sent again.
                let now = locked(&self.shared.stamps).boot();
                let mut ordered = locked(&self.shared.ordered);
                ordered.state.acked.insert(0, released.kept.0);
                ordered.state.boots.forget_below(released.kept.0, now);
                drop(ordered);
                self.shared.room.notify_waiters();
            }
            Err(ReleaseError::Closed) => {}
            Err(error) => return Err(SpoolError::Release(error)),
        }
        Ok(())
    }

    /// Journals the acked ranges that are only in memory so far.
    pub(crate) fn save_acks(&self) {
        // Not from the reserve: the next snapshot says it, or ingest after a restart.
        let _ = self.save_acks_locked(&mut locked(&self.shared.ordered), Door::Common);
    }

    pub(super) fn save_acks_locked(&self, ordered: &mut Ordered, door: Door) -> Result<(), SubmitError> {
        if !ordered.unsaved.is_empty() {
            let record = acked_record(ordered.unsaved.to_wire(), false);
            let appended = self.append_locked(ordered, door, &record, &record.encode_to_vec());
            drop(appended.map_err(|error| self.refused(error))?);
            ordered.unsaved = RangeSet::new();
        }
        Ok(())
    }

    /// Journals what was given up, when that is due.
    fn save_shed(&self, now: TimeMs) {
        let mut ordered = locked(&self.shared.ordered);
        let due = ordered.shedding.due(now);
        self.save_shed_locked(&mut ordered, due, now);
    }

    /// Journals what was given up, due or not: no connection is left that could add to it.
    pub(crate) fn save_rest(&self, now: TimeMs) {
        let mut ordered = locked(&self.shared.ordered);
        let rest = ordered.shedding.rest();
        self.save_shed_locked(&mut ordered, rest, now);
    }

    fn save_shed_locked(&self, ordered: &mut Ordered, shed: Option<Shed>, now: TimeMs) {
        let Some(shed) = shed else { return };
        let record = Record { arrival: now.0, shed: Some(shed), ..Record::default() };
        // Without room now it stays pending.
        if self.append_locked(ordered, Door::ReserveButSome, &record, &record.encode_to_vec()).is_ok() {
            ordered.shedding.journaled(now);
        }
    }
}

/// The last snapshot.
#[derive(Debug)]
pub(super) struct Taken {
    /// Sequence of the segment in which it stands; 0 when there is none.
    pub(super) segment: u64,
    /// Until somebody has waited for it.
    pub(super) ticket: Option<Ticket>,
}

/// What may be freed.
pub(super) struct Release {
    /// The segments before the one with this sequence.
    pub(super) before: u64,
    /// To be synced before.
    pub(super) snapshot: Option<Ticket>,
}

/// Before which sequence segments may and should be freed now.
fn releasable<'a>(
    segments: impl Iterator<Item = &'a SegmentInfo>,
    stats: &Stats,
    bounds: &Bounds,
    acked: u64,
    now: TimeMs,
) -> Option<u64> {
    let headroom = HEADROOM * bounds.segment_bytes;
    let room = bounds.max_bytes.saturating_sub(headroom.min(bounds.max_bytes / 2));
    let floor = bounds.free_floor_bytes.saturating_add(headroom);
    let (mut bytes, mut free) = (stats.bytes, stats.free_bytes.unwrap_or(u64::MAX));
    let mut before = None;
    for segment in segments {
        let age = segment.sealed_ms.map_or(0, |sealed| now.0.saturating_sub(sealed));
        let over = age > 0 && Duration::from_millis(age.unsigned_abs()) > bounds.keep_acked;
        if segment.end.0 > acked || !(over || bytes > room || free < floor) {
            break;
        }
        bytes = bytes.saturating_sub(segment.bytes);
        free = free.saturating_add(segment.bytes);
        before = Some(segment.sequence + 1);
    }
    before
}
