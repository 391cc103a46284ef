//! Keeps the spool small: journals acked ranges now and then and frees segments that are acked, when their time is
//! over or their room is needed.
//!
//! Always: before a segment is freed, a snapshot of everything that its records may have said is synced in a later
//! one; only segments are freed that lie wholly below the first position that ingest does not have.

use std::time::Duration;

use pantau_journal::{FileLayer, Position, ReleaseError, SegmentInfo, Stats, Ticket};
use pantau_proto::{RangeSet, TimeMs};

use super::state::acked_record;
use super::{Bounds, Ordered, Spool, SpoolError, locked};

/// Segments that are kept free for what comes: more than the journal prepares ahead.
const HEADROOM: u64 = 6;

impl<F: FileLayer> Spool<F> {
    /// One round; several a second, and when somebody wants room. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk fails. A round that is told "full" tries again the next time.
    pub(crate) fn keep(&self, now: TimeMs) -> Result<(), SpoolError> {
        let Some((snapshot, below)) = self.prepare_release(now) else { return Ok(()) };
        self.shared.journal.sync_soon();
        snapshot.wait().map_err(SpoolError::Commit)?;
        self.release(below)
    }

    /// Journals what a release needs; the segments below the position may be freed once the ticket has resolved.
    pub(super) fn prepare_release(&self, now: TimeMs) -> Option<(Ticket, Position)> {
        self.save_acks();
        let segments = self.shared.journal.segments();
        let (active, stats) = (segments.last()?, self.shared.journal.stats());
        let acked = locked(&self.shared.ordered).state.acked.first_gap(0);
        let below = releasable(&segments, &stats, &self.shared.bounds, acked, now);
        let rotated = locked(&self.shared.ordered).snapshot_in != Some(active.first);
        if below.is_none() && !rotated {
            return None;
        }
        Some((self.snapshot(active.first)?, below?))
    }

    /// Frees the segments below a position.
    pub(super) fn release(&self, below: Position) -> Result<(), SpoolError> {
        match self.shared.journal.release(below) {
            Ok(_) => self.shared.room.notify_waiters(),
            Err(ReleaseError::Closed) => {}
            Err(error) => return Err(SpoolError::Release(error)),
        }
        Ok(())
    }

    /// Journals the acked ranges that are only in memory so far.
    pub(crate) fn save_acks(&self) {
        let mut ordered = locked(&self.shared.ordered);
        if ordered.unsaved.is_empty() {
            return;
        }
        let record = acked_record(ordered.unsaved.to_wire(), false);
        if self.note_locked(&mut ordered, &record).is_ok() {
            ordered.unsaved = RangeSet::new();
        }
    }

    /// Appends a snapshot; `None` when there is no room for it now.
    fn snapshot(&self, active: Position) -> Option<Ticket> {
        let floor = locked(&self.shared.stamps).highest();
        let mut ordered = locked(&self.shared.ordered);
        let Ordered { state, .. } = &*ordered;
        let mut last = None;
        for part in state.snapshot(floor) {
            match self.note_locked(&mut ordered, &part) {
                Ok(ticket) => last = Some(ticket),
                Err(error) => {
                    tracing::debug!(%error, "no room for a snapshot");
                    return None;
                }
            }
        }
        ordered.snapshot_in = Some(active);
        last
    }
}

/// Below which position segments may and should be freed now.
fn releasable(
    segments: &[SegmentInfo],
    stats: &Stats,
    bounds: &Bounds,
    acked: u64,
    now: TimeMs,
) -> Option<Position> {
    let headroom = HEADROOM * bounds.segment_bytes;
    let room = bounds.max_bytes.saturating_sub(headroom.min(bounds.max_bytes / 2));
    let floor = bounds.free_floor_bytes.saturating_add(headroom);
    let (mut bytes, mut free) = (stats.bytes, stats.free_bytes.unwrap_or(u64::MAX));
    let mut below = None;
    for segment in segments.iter().take(segments.len().saturating_sub(1)) {
        let age = segment.sealed_ms.map_or(0, |sealed| now.0.saturating_sub(sealed));
        let over = age > 0 && Duration::from_millis(age.unsigned_abs()) > bounds.keep_acked;
        if segment.end.0 > acked || !(over || bytes > room || free < floor) {
            break;
        }
        bytes = bytes.saturating_sub(segment.bytes);
        free = free.saturating_add(segment.bytes);
        below = Some(segment.end);
    }
    below
}
