//! What there was of a series at a moment: its points in memory and the set of files, copied under the lock, and the pieces
//! that are read of them without it. What cannot be read is left out, counted and logged.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use pantau_journal::FileLayer;

use super::columns::Entry;
use super::damage::Damage;
use super::datafile::{DataFile, FileId};
use super::point::{Point, Tally, merge, settle};
use super::query::Piece;
use super::reader::EmbeddedReader;
use crate::store::error::ReadError;
use crate::store::types::SeriesId;

/// What there was of a series at a moment. Everything of an answer is from one: else what moves from memory into files,
/// or from readings into roll-ups, could be in it twice or not at all.
pub(super) struct Snapshot {
    pub(super) series: SeriesId,
    /// Its points in the frozen and in the active table that touch a period, as [`settle`] wants them.
    pub(super) memory: [Vec<Point>; 2],
    /// From old to new.
    pub(super) files: Arc<Vec<Arc<DataFile>>>,
}

/// Where a piece of a series is.
pub(super) enum Place {
    Block(Arc<DataFile>, Entry),
    Memory(Vec<Point>),
}

impl<F: FileLayer> EmbeddedReader<F> {
    /// What there is of a series at this moment, in memory as far as it touches `time`.
    pub(super) fn snapshot(&self, series: SeriesId, time: &Range<i64>) -> Result<Snapshot, ReadError> {
        let state = self.shared.lock();
        if state.slots.len() <= series.index() {
            return Err(ReadError::UnknownSeries(series));
        }
        let (active, frozen, files) =
            (state.copy_active(series, time), state.frozen.clone(), state.files.clone());
        drop(state);
        let frozen = frozen.and_then(|frozen| Some(frozen.table.find(series.0)?.copy(time)));
        let mut memory = [frozen.unwrap_or_default(), active];
        memory.iter_mut().for_each(|points| settle(points, &mut Tally::default()));
        Ok(Snapshot { series, memory, files })
    }

    /// All pieces of a snapshot that touch `time`, from old to new. Blocks whose summaries cannot be read are left out,
    /// counted (with one reading each: nobody knows) and logged.
    pub(super) fn pieces(&self, of: &Snapshot, time: &Range<i64>, damage: &mut Damage) -> Vec<Piece<Place>> {
        if time.start >= time.end {
            return Vec::new();
        }
        let mut pieces = Vec::new();
        for file in of.files.iter() {
            pieces.extend(self.blocks(file, of.series, time, damage).into_iter().map(|entry| {
                let place = Place::Block(file.clone(), entry);
                Piece { first: entry.summary.first, last: entry.summary.last, place }
            }));
        }
        for points in &of.memory {
            let start = points.partition_point(|point| point.time < time.start);
            let end = points.partition_point(|point| point.time < time.end);
            let points = points.get(start..end).unwrap_or(&[]);
            if let (Some(first), Some(last)) = (points.first(), points.last()) {
                let place = Place::Memory(points.to_vec());
                pieces.push(Piece { first: first.time, last: last.time, place });
            }
        }
        pieces
    }

    /// The blocks of a series in a file that touch `time`, in its order. What cannot be read is as in [`Self::pieces`].
    pub(super) fn blocks(
        &self,
        file: &DataFile,
        series: SeriesId,
        time: &Range<i64>,
        damage: &mut Damage,
    ) -> Vec<Entry> {
        let period = (time.start, time.end - 1);
        let found = self.shared.pages.overlapping(&self.files, file, &mut None, series.0, period);
        let missing = found.as_ref().map_or(1, |found| found.missing.iter().map(|(_, blocks)| blocks).sum());
        if missing > 0 {
            self.shared.lock().damaged_reads += 1;
        }
        match found {
            Ok(found) => {
                found.missing.iter().for_each(|(at, blocks)| damage.note(file.id, *at, *blocks as u64));
                found.entries
            }
            Err(error) => {
                damage.note(file.id, 0, 1);
                tracing::error!(file = %file.path.display(), %error, "the index of a file cannot be read");
                Vec::new()
            }
        }
    }

    /// Reads and merges a cluster. Blocks that cannot be read are left out, counted and logged.
    pub(super) fn read(&self, cluster: Vec<Piece<Place>>, damage: &mut Damage) -> Vec<Point> {
        let mut handle: Option<(FileId, F::File)> = None;
        let mut parts = Vec::with_capacity(cluster.len());
        for piece in cluster {
            match piece.place {
                Place::Memory(points) => parts.push(points),
                Place::Block(file, entry) => match self.read_block(&file, &entry, &mut handle) {
                    Ok(points) => parts.push(points),
                    Err(error) => {
                        damage.note(file.id, entry.offset, u64::from(entry.summary.count));
                        self.shared.lock().damaged_reads += 1;
                        tracing::error!(file = %file.path.display(), offset = entry.offset, %error, "a block cannot be read");
                    }
                },
            }
        }
        merge(parts)
    }

    fn read_block(
        &self,
        file: &DataFile,
        entry: &Entry,
        handle: &mut Option<(FileId, F::File)>,
    ) -> io::Result<Vec<Point>> {
        let open = match handle {
            Some((id, open)) if *id == file.id => open,
            other => &mut other.insert((file.id, file.handle(&self.files)?)).1,
        };
        file.read_block(&self.files, open, entry)
    }
}
