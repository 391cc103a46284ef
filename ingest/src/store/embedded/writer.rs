//! The writing half: encode, journal, fsync, then make readable. One thread owns it and does all of this itself, without
//! a hop to another thread. The only thing it ever waits for besides the disk is the flush, when both tables are full.

use std::sync::Arc;
use std::time::Duration;

use pantau_journal::{AppendError, CommitError, Committer, FileLayer, Journal, Position};
use pantau_proto::{Epoch, GatewayId, RangeSet};

use super::record;
use super::state::Shared;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::types::{Commit, SeriesId};

/// Times that the store takes, milliseconds: the years 1 to 9999.
pub const TIME_BOUNDS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// The embedded engine's writer.
pub struct EmbeddedStore<F: FileLayer> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) journal: Journal<F>,
    /// `None` only while closing.
    pub(crate) committer: Option<Committer<F>>,
    pub(crate) table_bytes: usize,
    pub(crate) max_wait: Duration,
    pub(crate) buffer: Vec<u8>,
}

impl<F: FileLayer> Store for EmbeddedStore<F> {
    fn append(&mut self, commits: &[Commit]) -> Result<usize, StoreError> {
        self.validate(commits)?;
        if commits.is_empty() {
            return Ok(0);
        }
        self.wait_for_room()?;
        let (taken, mut next) = self.write(commits)?;
        let taken = &commits[..taken];
        for series in taken.iter().flat_map(|commit| &commit.new_series) {
            self.shared.catalog_mut().insert(series);
        }
        next -= taken.len() as u64;
        for commit in taken {
            next += 1;
            let mut state = self.shared.lock();
            let known = state.slots.len() + commit.new_series.len();
            state.grow(known);
            state.apply(commit, next);
            if state.active.bytes() >= self.table_bytes && state.frozen.is_none() {
                state.freeze();
                self.shared.ring();
            }
        }
        Ok(taken.len())
    }

    fn ranges(&self, gateway: &GatewayId, epoch: Epoch) -> RangeSet {
        self.shared.lock().ranges(gateway, epoch)
    }

    fn next_series(&self) -> SeriesId {
        SeriesId(self.shared.lock().slots.len() as u32)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.freeze()?;
        let forever = Duration::from_secs(u64::from(u32::MAX));
        let state = self.shared.lock();
        let (state, _) = self.shared.wait_while(state, forever, |state| {
            state.frozen.is_some() && state.flush_error.is_none() && !state.flusher_gone
        });
        match (&state.frozen, &state.flush_error) {
            (None, _) => Ok(()),
            (Some(_), Some(error)) => Err(StoreError::Failed(error.clone())),
            (Some(_), None) => Err(StoreError::Closed),
        }
    }
}

impl<F: FileLayer> EmbeddedStore<F> {
    /// Sets the memory table aside for the flusher, which begins at once. Waits for the flush before it, if any.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when that takes longer than `max_wait`.
    pub fn freeze(&mut self) -> Result<(), StoreError> {
        let state = self.shared.lock();
        let (mut state, timed_out) =
            self.shared.wait_while(state, self.max_wait, |state| state.frozen.is_some());
        if timed_out {
            return Err(StoreError::Busy);
        }
        if state.is_dirty() {
            state.freeze();
            self.shared.ring();
        }
        Ok(())
    }

    /// The graceful end: flushes, and closes the journal so that the next start has nothing to doubt. The flusher then
    /// returns from `run`. A writer that is only dropped leaves the same state with more work for the next start.
    ///
    /// # Errors
    /// When the files or the journal cannot be written; what was committed is still safe.
    pub fn close(mut self) -> Result<(), StoreError> {
        let flushed = self.flush();
        if let Some(committer) = self.committer.take() {
            committer.finish().map_err(failed)?;
        }
        flushed
    }

    /// What every engine demands of a commit.
    pub(crate) fn validate(&self, commits: &[Commit]) -> Result<(), StoreError> {
        let mut known = self.shared.lock().slots.len();
        for commit in commits {
            for series in &commit.new_series {
                if series.id.index() != known {
                    return Err(invalid(format!(
                        "series {} has number {}, expected {known}",
                        series.name, series.id.0
                    )));
                }
                if series.name.is_empty() || series.name.len() > 1_024 {
                    return Err(invalid(format!(
                        "the name of series {} is empty or longer than 1,024 bytes",
                        series.id.0
                    )));
                }
                known += 1;
            }
            let readings = &commit.readings;
            let len = readings.series.len();
            let flags = readings.flags.len();
            if readings.times.len() != len || readings.values.len() != len || (flags != 0 && flags != len) {
                return Err(invalid("the columns differ in length".to_owned()));
            }
            if readings.series.iter().map(|series| series.index()).max().is_some_and(|max| max >= known) {
                return Err(invalid("a reading's series is not known".to_owned()));
            }
            if readings.times.iter().any(|time| !TIME_BOUNDS.contains(time)) {
                return Err(invalid("a reading's time is outside of the years 1 to 9999".to_owned()));
            }
            if commit
                .refused
                .iter()
                .any(|refused| refused.source.len().max(refused.topic.len()) > usize::from(u16::MAX))
            {
                return Err(invalid(
                    "a refused payload's source or topic is longer than 65,535 bytes".to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Waits until the active table has room, at most `max_wait`.
    fn wait_for_room(&mut self) -> Result<(), StoreError> {
        let mut state = self.shared.lock();
        if state.closed {
            return Err(StoreError::Closed);
        }
        let bound = self.table_bytes;
        if state.active.bytes() < bound {
            return Ok(());
        }
        state.waits += 1;
        let (mut state, timed_out) = self.shared.wait_while(state, self.max_wait, |state| {
            state.active.bytes() >= bound && state.frozen.is_some()
        });
        if timed_out {
            return Err(StoreError::Busy);
        }
        if state.active.bytes() >= bound {
            state.freeze();
            self.shared.ring();
        }
        Ok(())
    }

    /// Journals as many as fit and syncs. Returns their number and the position after the last.
    fn write(&mut self, commits: &[Commit]) -> Result<(usize, u64), StoreError> {
        let mut taken = 0;
        let mut next = 0;
        for commit in commits {
            self.buffer.clear();
            record::encode(commit, &mut self.buffer);
            let mut appended = self.journal.append(1, &self.buffer);
            if taken == 0 && matches!(appended, Err(AppendError::Full)) {
                self.release();
                // A commit makes room where there is some: freed segments become new ones.
                self.commit()?;
                appended = self.journal.append(1, &self.buffer);
            }
            match appended {
                Ok(ticket) => next = ticket.first.0 + 1,
                Err(AppendError::Full) if taken > 0 => break,
                Err(AppendError::Full) => return Err(self.full()),
                Err(AppendError::TooLarge) if taken > 0 => break,
                Err(AppendError::TooLarge) => return Err(StoreError::TooLarge { bytes: self.buffer.len() }),
                Err(AppendError::Poisoned) => {
                    return Err(StoreError::Failed("the journal is poisoned".to_owned()));
                }
                Err(AppendError::Closed) => return Err(StoreError::Closed),
            }
            taken += 1;
        }
        self.commit()?;
        Ok((taken, next))
    }

    /// Frees what files and the quarantine index cover. The flush does so too, but what the index had not reached by
    /// then would otherwise keep the journal full for ever: while nothing is taken, nothing is flushed.
    fn release(&self) {
        let below = self.shared.lock().releasable();
        if let Err(error) = self.journal.release(Position(below)) {
            tracing::warn!(%error, "cannot free journal segments");
        }
    }

    /// The journal is full. What files cover can be freed, so a flush is begun even though the table has room.
    fn full(&self) -> StoreError {
        let mut why = match self.journal.shortage() {
            Some(shortage) => format!("the disk is full: {shortage}"),
            None => format!("the journal has reached its {} bytes", self.journal.config().max_bytes),
        };
        let mut state = self.shared.lock();
        if state.frozen.is_none() && state.is_dirty() {
            state.freeze();
            self.shared.ring();
        }
        if state.indexed < state.covered {
            why.push_str("; the quarantine index lags behind the files, and the journal is kept for it");
        }
        StoreError::Full(why)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let committer = self.committer.as_mut().ok_or(StoreError::Closed)?;
        committer.commit_once().map(|_| ()).map_err(failed)
    }
}

impl<F: FileLayer> Drop for EmbeddedStore<F> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.ring();
        self.journal.close();
    }
}

fn failed(error: CommitError) -> StoreError {
    StoreError::Failed(error.to_string())
}

fn invalid(detail: String) -> StoreError {
    StoreError::Invalid(detail)
}
