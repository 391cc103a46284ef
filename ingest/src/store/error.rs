//! What can go wrong with a store: one error for writing, one for reading, each naming what to do about it.

use super::types::SeriesId;

/// Why commits were not taken.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The journal has no room (its bound or the disk's free-space floor).
    #[error("the store has no room: {0}")]
    Full(String),
    /// The flush lags so much that the memory bound would be exceeded.
    #[error("the store's memory is full and the flush has not caught up; try again")]
    Busy,
    /// The database of a remote engine does not take readings now.
    #[error("the database takes no readings: {0}; gateways keep what they have and send it again")]
    Unavailable(String),
    /// A commit is larger than a journal record may be.
    #[error("a commit of {bytes} bytes is larger than the journal takes; send smaller batches")]
    TooLarge {
        /// Its encoded size.
        bytes: usize,
    },
    /// A commit breaks a rule of [`Commit`]; nothing of the call was taken.
    #[error("a commit is not valid: {0}")]
    Invalid(String),
    /// A write or fsync failed. The store must be opened anew before anything more is taken.
    #[error("the store failed: {0}; it must be opened again")]
    Failed(String),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same call may succeed later without opening the store anew.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Busy | Self::Unavailable(_))
    }
}

/// Why a read was not answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No series has this id.
    #[error("there is no series {0:?}")]
    UnknownSeries(SeriesId),
    /// More readings than the caller allows.
    #[error("the period holds more than {limit} readings; ask for a shorter one or for a step")]
    TooManyPoints {
        /// As given by the caller.
        limit: usize,
    },
    /// More buckets than the caller allows.
    #[error("the period has more than {limit} steps; ask for a shorter one or for a longer step")]
    TooManyBuckets {
        /// As given by the caller.
        limit: usize,
    },
    /// The database of a remote engine does not answer.
    #[error("the database cannot be read now: {0}")]
    Unavailable(String),
    /// The step is not positive.
    #[error("the step must be at least 1 ms")]
    BadStep,
}
