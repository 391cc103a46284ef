//! Drops what retention says (retain.rs), by whole files. Part of the compactor, because only one may replace files at a
//! time. What always holds:
//!
//! - Order: the manifest without the parts (atomic), the set that readers see, then the files, once nobody reads them. A
//!   crash anywhere leaves the old set or the new one; the next opening removes files that do not count.
//! - What is known of each series (first, newest, how many) follows what is left. One of which nothing is left stays known.
//! - Counters of what was stored do not shrink; what was dropped is counted beside them.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use pantau_journal::FileLayer;

use super::compact::{CompactError, Compactor};
use super::datafile::{DataFile, FileId};
use super::manifest::{Expired, FileRef};
use super::months::month_name;
use super::pagecache::PageCache;
use super::recover::scan;
use super::retain::{self, Due, What};
use super::rollup::Extent;
use super::slot::Left;

/// Series that are counted anew at once: the writer waits for that at most.
const CHUNK: usize = 512;
/// Series whose roll-ups are looked at together: what is gathered of them is in memory.
const GATHERED: usize = if cfg!(test) { 4 } else { 8_192 };
/// Of pages of the files' indexes, while that is done.
const CACHE_BYTES: usize = 1 << 20;

impl<F: FileLayer> Compactor<F> {
    /// Drops what is over at `now`, and notes what must be merged before it can go. Tells whether anything went; when
    /// nothing did for want of room, that is an error.
    pub(crate) fn expire(&mut self, now: i64) -> Result<bool, CompactError> {
        let existing = self.note_damaged();
        let Due { drops, prepare } = self.due(now);
        self.preparing = prepare;
        let goes = |what: What| {
            let wanted = |part: &&Arc<DataFile>| drops.contains(&(part.id, what));
            existing.iter().filter(wanted).cloned().collect::<Vec<_>>()
        };
        // What goes as a whole makes room; what only loses its readings needs some, for their roll-up. Of those the small
        // ones go first, as each makes room for the next; but what is still held here cannot be removed.
        let wholes = drops.iter().filter(|(_, what)| *what == What::Whole).map(|(id, _)| *id).collect();
        let mut raw: Vec<(u64, FileId)> = goes(What::Raw).iter().map(|part| (part.bytes, part.id)).collect();
        raw.sort_unstable();
        let mut any = self.drop_whole(&wholes, &goes(What::Whole))?;
        drop(existing);
        let mut short = None;
        for (_, id) in raw {
            self.sweep();
            let found = self.shared.lock().files.iter().find(|file| file.id == id).cloned();
            let Some(part) = found else { continue };
            match self.drop_readings(&part) {
                Ok(true) => any = true,
                Ok(false) => return Ok(false),
                Err(error @ CompactError::NoRoom { .. }) => {
                    short = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        self.note_overdue(now);
        match short {
            Some(error) if !any => Err(error),
            _ => Ok(any),
        }
    }

    /// Tells how much is over and still there.
    fn note_overdue(&self, now: i64) {
        let Due { drops, prepare } = self.due(now);
        let waits = |part: &&FileRef| {
            let month = (part.id.month, part.id.class);
            drops.contains(&(part.id, What::Raw)) || prepare.contains(&month)
        };
        let bytes = self.shared.manifest().files.iter().filter(waits).map(|part| part.bytes).sum();
        self.shared.lock().overdue_bytes = bytes;
    }

    fn due(&self, now: i64) -> Due {
        let manifest = self.shared.manifest();
        let keep = |class| manifest.classes.keep(class, &self.retention);
        let now = retain::believed(now, &manifest.files);
        retain::due(&manifest.files, &self.apart, keep, now)
    }

    /// Drops parts. `gone` are those of them that could be opened.
    fn drop_whole(&mut self, ids: &HashSet<FileId>, gone: &[Arc<DataFile>]) -> Result<bool, CompactError> {
        if ids.is_empty() {
            return Ok(false);
        }
        let shared = self.shared.clone();
        let mut manifest = shared.manifest();
        let mut next = manifest.clone();
        next.generation += 1;
        next.files.retain(|part| !ids.contains(&part.id));
        let told: Vec<Expired> = gone.iter().map(|file| size(file)).collect();
        told.iter().for_each(|part| next.expired.add(part));
        next.store(&self.files, &self.dir)?;
        let mut state = shared.lock();
        state.expired = next.expired;
        let left = state.files.iter().filter(|file| !ids.contains(&file.id)).cloned().collect();
        state.files = Arc::new(left);
        drop(state);
        for (file, told) in gone.iter().zip(&told) {
            tell(&manifest.classes.called(file.id.class), file, told);
        }
        *manifest = next;
        drop(manifest);
        self.replaced.extend(gone.iter().cloned());
        if let Err(error) = self.recount(gone) {
            tracing::warn!(%error, "how many readings series have left is known only after the next start");
        }
        Ok(true)
    }

    /// Counts the series of dropped files anew. In memory are a byte a series, and what is gathered of a few.
    fn recount(&self, gone: &[Arc<DataFile>]) -> io::Result<()> {
        let mut concerned = vec![false; self.shared.lock().slots.len()];
        let mut mark = |series: u32| {
            if let Some(concerned) = concerned.get_mut(series as usize) {
                *concerned = true;
            }
        };
        for file in gone {
            scan(&self.files, file, &mut |entry| mark(entry.summary.series))?;
            self.rolled(file, &(0..=u32::MAX), &mut |extent| mark(extent.series))?;
        }
        let cache = PageCache::new(CACHE_BYTES);
        for (start, concerned) in (0..).step_by(GATHERED).zip(concerned.chunks(GATHERED)) {
            let marked = (start..).zip(concerned).filter(|(_, concerned)| **concerned);
            let series: Vec<u32> = marked.map(|(series, _)| series).collect();
            self.recount_some(&series, &cache)?;
        }
        Ok(())
    }

    /// Counts some series anew, which are in order.
    fn recount_some(&self, series: &[u32], cache: &PageCache) -> io::Result<()> {
        let (Some(first), Some(last)) = (series.first(), series.last()) else { return Ok(()) };
        let mut rolled: BTreeMap<u32, Left> = BTreeMap::new();
        let existing = self.shared.lock().files.clone();
        for file in existing.iter() {
            self.rolled(file, &(*first..=*last), &mut |extent| {
                rolled.entry(extent.series).or_default().add_extent(&extent);
            })?;
        }
        drop(existing);
        for chunk in series.chunks(CHUNK) {
            loop {
                let (files, flushes) = {
                    let state = self.shared.lock();
                    (state.files.clone(), state.flushes)
                };
                let left = self.left(chunk, &rolled, &files, cache)?;
                let mut state = self.shared.lock();
                // A flush in between moved readings from memory into a file that was not looked at.
                if state.flushes == flushes {
                    chunk.iter().zip(&left).for_each(|(series, left)| state.recount(*series, left));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Shows what a file's roll-up knows of some series, where its readings were dropped.
    fn rolled(
        &self,
        file: &DataFile,
        series: &RangeInclusive<u32>,
        each: &mut dyn FnMut(Extent),
    ) -> io::Result<()> {
        if let Some(rollup) = file.rollup.get().filter(|_| file.bytes == 0) {
            // Its damage was told at the opening.
            rollup.extents(&self.files, series, each)?;
        }
        Ok(())
    }

    /// What files have of some series, beside what roll-ups know.
    fn left(
        &self,
        series: &[u32],
        rolled: &BTreeMap<u32, Left>,
        files: &[Arc<DataFile>],
        cache: &PageCache,
    ) -> io::Result<Vec<Left>> {
        let mut left: Vec<Left> =
            series.iter().map(|series| rolled.get(series).cloned().unwrap_or_default()).collect();
        for file in files {
            let mut handle = None;
            for (series, left) in series.iter().zip(&mut left) {
                let found =
                    cache.overlapping(&self.files, file, &mut handle, *series, (i64::MIN, i64::MAX))?;
                found.entries.iter().for_each(|entry| left.add(&entry.summary));
            }
        }
        Ok(left)
    }
}

/// Says what retention dropped.
pub(super) fn tell(class: &str, file: &DataFile, Expired { bytes, readings, .. }: &Expired) {
    let (month, file) = (month_name(file.id.month), file.id.name());
    tracing::info!(class, month, bytes, readings, file, "retention dropped a file");
}

/// What goes with a file.
pub(super) fn size(file: &DataFile) -> Expired {
    let bytes = file.bytes + file.rollup.get().map_or(0, |rollup| rollup.bytes);
    Expired { files: 1, bytes, readings: file.index.totals.readings }
}
