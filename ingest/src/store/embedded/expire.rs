//! Drops what retention says (retain.rs), by whole files. Part of the compactor, because only one may replace files at a
//! time. What always holds:
//!
//! - Order: the manifest without the parts (atomic), the set that readers see, then the files, once nobody reads them. A
//!   crash anywhere leaves the old set or the new one; the next opening removes files that do not count.
//! - What is known of each series (first, newest, how many) follows what is left. One of which nothing is left stays known.
//! - Counters of what was stored do not shrink; what was dropped is counted beside them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use pantau_journal::FileLayer;

use super::compact::{CompactError, Compactor};
use super::datafile::DataFile;
use super::manifest::Expired;
use super::months::month_name;
use super::pagecache::PageCache;
use super::recover::scan;
use super::retain::{self, Due, What};
use super::slot::Left;

/// Series that are counted anew at once: the writer waits for that at most.
const CHUNK: usize = 512;
/// Of pages of the files' indexes, while that is done.
const CACHE_BYTES: usize = 1 << 20;

impl<F: FileLayer> Compactor<F> {
    /// Drops what is over at `now`, and notes what must be merged before it can go. Tells whether anything went.
    pub(crate) fn expire(&mut self, now: i64) -> Result<bool, CompactError> {
        self.note_damaged();
        let shared = self.shared.clone();
        let mut manifest = shared.manifest();
        let keep = |class| manifest.classes.keep(class, &self.retention);
        let Due { drops, prepare } =
            retain::due(&manifest.files, &self.apart, keep, retain::believed(now, &manifest.files));
        self.preparing = prepare;
        if drops.is_empty() {
            return Ok(false);
        }
        let what = |file: &DataFile| drops.iter().find(|(id, _)| *id == file.id).map(|(_, what)| *what);
        let mut next = manifest.clone();
        next.generation += 1;
        next.files.retain(|part| !drops.contains(&(part.id, What::Whole)));
        for part in &mut next.files {
            if drops.contains(&(part.id, What::Raw)) {
                part.bytes = 0;
            }
        }
        let existing = shared.lock().files.clone();
        let gone: Vec<Arc<DataFile>> =
            existing.iter().filter(|file| what(file).is_some() && file.bytes > 0).cloned().collect();
        let told: Vec<Expired> = gone.iter().map(|file| size(file)).collect();
        told.iter().for_each(|part| next.expired.add(part));
        next.store(&self.files, &self.dir)?;
        let mut state = shared.lock();
        state.expired = next.expired;
        let left = state.files.iter().filter_map(|file| match what(file) {
            None => Some(file.clone()),
            Some(What::Raw) => Some(Arc::new(DataFile::dropped(file.id, file.path.clone()))),
            Some(What::Whole) => None,
        });
        state.files = Arc::new(left.collect());
        drop(state);
        for (file, Expired { bytes, readings, .. }) in gone.iter().zip(&told) {
            let (class, month) = (manifest.classes.called(file.id.class), month_name(file.id.month));
            if self.apart.contains(&file.id) {
                let file = file.id.name();
                tracing::warn!(
                    class,
                    month,
                    bytes,
                    readings,
                    file,
                    "retention dropped a damaged file by itself"
                );
            } else {
                tracing::info!(class, month, bytes, readings, "retention dropped a file");
            }
        }
        *manifest = next;
        drop(manifest);
        self.replaced.extend(gone.iter().cloned());
        if let Err(error) = self.recount(&gone) {
            tracing::warn!(%error, "how many readings series have left is known only after the next start");
        }
        Ok(true)
    }

    /// Counts the series of dropped files anew.
    fn recount(&self, gone: &[Arc<DataFile>]) -> io::Result<()> {
        let mut series = BTreeSet::new();
        for file in gone {
            scan(&self.files, file, &mut |entry| {
                series.insert(entry.summary.series);
            })?;
        }
        let series: Vec<u32> = series.into_iter().collect();
        let cache = PageCache::new(CACHE_BYTES);
        for chunk in series.chunks(CHUNK) {
            loop {
                let (files, flushes) = {
                    let state = self.shared.lock();
                    (state.files.clone(), state.flushes)
                };
                let left = self.left(chunk, &files, &cache)?;
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

    /// What files have of some series.
    fn left(&self, series: &[u32], files: &[Arc<DataFile>], cache: &PageCache) -> io::Result<Vec<Left>> {
        let mut left = vec![Left::default(); series.len()];
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

fn size(file: &DataFile) -> Expired {
    Expired { files: 1, bytes: file.bytes, readings: file.index.totals.readings }
}
