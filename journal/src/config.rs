//! The bounds that a journal keeps. Everything in it is bounded by one of these.

use std::time::Duration;

use crate::error::OpenError;
use crate::frame::FRAME_HEADER;
use crate::segment::SEGMENT_HEADER;

/// Smallest segment, in bytes.
pub const MIN_SEGMENT_BYTES: u64 = 4 << 10;
/// Largest segment, in bytes.
pub const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// The bound over all segments must hold at least this many: active, reserve, and two to rotate into.
pub const MIN_SEGMENTS: u64 = 4;

/// Bounds of one journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Size of one preallocated segment file, in bytes: 4 KiB to 1 GiB, a multiple of 8. A record must fit into one.
    pub segment_bytes: u64,
    /// Bound over all files of the journal together, in bytes, the preallocated ones counted in full: at least four segments.
    pub max_bytes: u64,
    /// `append` takes no new segment when the file system would then have less than this free, in bytes.
    pub free_floor_bytes: u64,
    /// A commit starts when this much is pending, in bytes.
    pub commit_bytes: usize,
    /// A commit starts when the oldest pending record has waited this long; zero commits at once.
    pub commit_delay: Duration,
    /// Most that may be in memory and not yet synced, in bytes. `append` says `Full` beyond it.
    pub pending_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            max_bytes: 1 << 30,
            free_floor_bytes: 64 << 20,
            commit_bytes: 1 << 20,
            commit_delay: Duration::from_millis(2),
            pending_bytes: 8 << 20,
        }
    }
}

impl Config {
    /// Says what is wrong and how to mend it.
    ///
    /// # Errors
    /// `OpenError::Config` names the field.
    pub fn validate(&self) -> Result<(), OpenError> {
        let wrong = |field, mend: String| Err(OpenError::Config { field, mend });
        if !(MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&self.segment_bytes)
            || !self.segment_bytes.is_multiple_of(8)
        {
            return wrong(
                "segment_bytes",
                format!(
                    "is {}, must be a multiple of 8 from {MIN_SEGMENT_BYTES} to {MAX_SEGMENT_BYTES}",
                    self.segment_bytes
                ),
            );
        }
        if self.max_bytes < MIN_SEGMENTS * self.segment_bytes {
            return wrong(
                "max_bytes",
                format!(
                    "is {}, must be at least {MIN_SEGMENTS} × segment_bytes = {}",
                    self.max_bytes,
                    MIN_SEGMENTS * self.segment_bytes
                ),
            );
        }
        if self.pending_bytes == 0 || self.commit_bytes == 0 {
            return wrong("pending_bytes and commit_bytes", "must be more than 0".to_owned());
        }
        Ok(())
    }

    /// Longest record that `append` takes, in bytes.
    #[must_use]
    pub fn largest_record(&self) -> usize {
        let room = self.segment_bytes
            - SEGMENT_HEADER
            - 2 * FRAME_HEADER as u64
            - crate::frame::RECORD_HEADER as u64;
        usize::try_from(room).unwrap_or(usize::MAX) & !7
    }

    /// How many segments are kept preallocated for `append`: enough that what may be pending never waits for one.
    pub(crate) fn spare_target(&self) -> usize {
        let pending = u64::try_from(self.pending_bytes).unwrap_or(u64::MAX).saturating_mul(2);
        usize::try_from(pending.div_ceil(self.segment_bytes).clamp(1, 4)).unwrap_or(1)
    }
}
