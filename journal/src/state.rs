//! What appenders and the committer share, and the rule by which a record gets its place. Pure: no
//! files, no clock, no waiting.
//!
//! The place of every record is fixed when it is appended: which frame, and whether that frame
//! starts a new segment. A new segment is only planned on a file that is already preallocated
//! (`spares`, or the `reserve` for `append_reserved`), so what was accepted always has its space.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::Config;
use crate::error::{AppendError, CommitError};
use crate::frame::{self, FRAME_HEADER};
use crate::segment::{Key, SEGMENT_HEADER};
use crate::stats::{FullReason, Histogram};

/// A segment that readers may read.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) key: Key,
    pub(crate) repair: u32,
    pub(crate) first: u64,
    /// One after the last synced position.
    pub(crate) end: u64,
    /// Bytes that are synced and count.
    pub(crate) bytes: u64,
    /// Bytes on disk.
    pub(crate) allocated: u64,
    pub(crate) sealed_ms: Option<i64>,
}

/// A frame that grows until the committer takes it.
#[derive(Debug)]
pub(crate) struct PendingFrame {
    /// Where it goes: the current segment, or a new one.
    pub(crate) place: Place,
    pub(crate) offset: u64,
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) records: u32,
    /// Number of its last record.
    pub(crate) last_record: u64,
    /// Header space, then records without their CRCs.
    pub(crate) buffer: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Current,
    Spare,
    Reserve,
}

/// What the committer sleeps for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    Awake,
    /// For the first record.
    Idle,
    /// For more records, until the delay is over.
    Gathering,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) pending: Vec<PendingFrame>,
    pub(crate) pending_bytes: usize,
    pub(crate) in_flight: usize,
    pub(crate) oldest: Duration,
    pub(crate) urgent: bool,
    pub(crate) closed: bool,
    pub(crate) failed: Option<CommitError>,
    /// The committer has ended.
    pub(crate) ended: bool,
    pub(crate) sleep: Sleep,
    pub(crate) next: u64,
    pub(crate) record: u64,
    /// Offset after everything planned, in the segment that is planned last.
    pub(crate) cursor: u64,
    /// Size of that segment; 0 when there is none.
    pub(crate) capacity: u64,
    /// That segment is the reserve: only `append_reserved` may fill it.
    pub(crate) on_reserve: bool,
    /// Sequence of that segment; 0 before the first one.
    pub(crate) sequence: u64,
    /// Preallocated files that no record is planned on yet.
    pub(crate) spares: usize,
    pub(crate) reserve: bool,
    pub(crate) want_space: bool,
    pub(crate) no_space: Option<FullReason>,
    pub(crate) segments: VecDeque<Segment>,
    /// Bytes on disk of everything.
    pub(crate) allocated: u64,
    pub(crate) commits: u64,
    pub(crate) records_committed: u64,
    pub(crate) full_count: u64,
    pub(crate) full: Option<FullReason>,
    pub(crate) fsync: Histogram,
    pub(crate) recycled: Option<Vec<u8>>,
}

impl State {
    pub(crate) fn new(next: u64) -> Self {
        Self {
            pending: Vec::new(),
            pending_bytes: 0,
            in_flight: 0,
            oldest: Duration::ZERO,
            urgent: false,
            closed: false,
            failed: None,
            ended: false,
            sleep: Sleep::Awake,
            next,
            record: 0,
            cursor: 0,
            capacity: 0,
            on_reserve: false,
            sequence: 0,
            spares: 0,
            reserve: false,
            want_space: false,
            no_space: None,
            segments: VecDeque::new(),
            allocated: 0,
            commits: 0,
            records_committed: 0,
            full_count: 0,
            full: None,
            fsync: Histogram::default(),
            recycled: None,
        }
    }

    /// First position kept.
    pub(crate) fn kept(&self) -> u64 {
        self.segments.front().map_or(self.next, |s| s.first)
    }

    /// Gives a record its place and copies it there; answers its first position and its number. `reserved`: it may
    /// use the reserve, as long as so many bytes of it are left.
    pub(crate) fn append(
        &mut self,
        config: &Config,
        count: u32,
        payload: &[u8],
        reserved: Option<u64>,
    ) -> Result<(u64, u64), AppendError> {
        if self.failed.is_some() {
            return Err(AppendError::Poisoned);
        }
        if self.closed || self.ended {
            return Err(AppendError::Closed);
        }
        let next = self.next.checked_add(u64::from(count)).ok_or(AppendError::TooLarge)?;
        if payload.len() > config.largest_record() {
            return Err(AppendError::TooLarge);
        }
        let need = frame::record_bytes(payload.len());
        let waiting = self.pending_bytes + self.in_flight;
        if waiting > 0 && waiting + need > config.pending_bytes {
            return Err(self.refuse(FullReason::Pending));
        }
        let extra = need + if self.pending.is_empty() { FRAME_HEADER } else { 0 };
        // Room for one more header is left in every segment: the frame that proves the last one.
        let end = self.cursor + (extra + FRAME_HEADER) as u64;
        let leave = if self.on_reserve { reserved } else { Some(0) };
        let fits = leave.is_some_and(|leave| end.saturating_add(leave) <= self.capacity);
        if !fits {
            let place = self.take_file(reserved.is_some())?;
            self.open_frame(place, SEGMENT_HEADER);
            self.cursor = SEGMENT_HEADER + FRAME_HEADER as u64;
            self.capacity = config.segment_bytes;
        } else if self.pending.is_empty() {
            self.open_frame(Place::Current, self.cursor);
            self.cursor += FRAME_HEADER as u64;
        }
        self.full = None;
        self.record += 1;
        let first = self.next;
        if let Some(frame) = self.pending.last_mut() {
            frame::push_record(&mut frame.buffer, count, payload);
            frame.end = next;
            frame.records += 1;
            frame.last_record = self.record;
        }
        self.next = next;
        self.cursor += need as u64;
        self.pending_bytes += need;
        Ok((first, self.record))
    }

    fn refuse(&mut self, reason: FullReason) -> AppendError {
        self.full = Some(reason);
        self.full_count += 1;
        AppendError::Full
    }

    fn take_file(&mut self, reserved: bool) -> Result<Place, AppendError> {
        if self.spares > 0 {
            self.spares -= 1;
            self.on_reserve = false;
            self.sequence += 1;
            Ok(Place::Spare)
        } else if reserved && self.reserve {
            self.reserve = false;
            self.on_reserve = true;
            self.sequence += 1;
            Ok(Place::Reserve)
        } else {
            self.want_space = true;
            // Without a known reason the next file is just being made.
            Err(self.refuse(self.no_space.unwrap_or(FullReason::Pending)))
        }
    }

    fn open_frame(&mut self, place: Place, offset: u64) {
        let mut buffer = self.recycled.take().unwrap_or_default();
        buffer.clear();
        buffer.resize(FRAME_HEADER, 0);
        let (first, end) = (self.next, self.next);
        self.pending.push(PendingFrame { place, offset, first, end, records: 0, last_record: 0, buffer });
    }

    /// Hands everything pending to the committer.
    pub(crate) fn take_pending(&mut self) -> Vec<PendingFrame> {
        self.in_flight += std::mem::take(&mut self.pending_bytes);
        self.urgent = false;
        std::mem::take(&mut self.pending)
    }
}
