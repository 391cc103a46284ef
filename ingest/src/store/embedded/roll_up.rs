//! The compactor, where it rolls up: parts that lack it, and parts whose readings are dropped.

use std::io;
use std::sync::Arc;

use pantau_journal::FileLayer;

use super::compact::{CompactError, Compactor};
use super::datafile::{DataFile, FileId};
use super::expire;
use super::pace::Pace;
use super::rollup::{self, Build, Built, Depth, Extra, Rollup};
use crate::store::types::SeriesId;

/// For the manifest, and what others write meanwhile, while a roll-up takes what is left of the disk.
const BESIDE_BYTES: u64 = 1 << 20;

impl<F: FileLayer> Compactor<F> {
    /// One roll-up, if a part lacks it that will not soon be merged. Tells whether there was.
    pub(super) fn roll_up_next(&mut self, whole: bool) -> Result<bool, CompactError> {
        let existing = self.shared.lock().files.clone();
        let newest = existing.iter().map(|file| file.id.month).max();
        let lacks = |file: &&Arc<DataFile>| {
            let settled = whole || file.id.generation > 0 || Some(file.id.month) != newest;
            settled && file.bytes > 0 && file.rollup.get().is_none() && !self.apart.contains(&file.id)
        };
        let Some(part) = existing.iter().find(lacks).cloned() else { return Ok(false) };
        // Rows are left out where they would save little, so they take far less than the readings.
        self.want_room(part.bytes / 4, || "cannot roll up a file".to_owned())?;
        match self.roll_up(&part, part.id, Depth::Lean, false)? {
            Built::Done(rollup) => self.publish_rollup(&part, rollup)?,
            Built::Damaged => self.set_apart(part.id),
            Built::Closed => return Ok(false),
        }
        Ok(true)
    }

    /// Puts a full roll-up in the place of a part's readings, for retention. What of them cannot be read is not in it.
    /// Tells whether it was done; not when the store is being closed.
    pub(crate) fn drop_readings(&mut self, part: &Arc<DataFile>) -> Result<bool, CompactError> {
        // Its rows stand for 16 readings or more each, but for days of slow series. The floor is kept for the journal: what
        // makes more room than it takes may go below it, or a full disk would keep what is over.
        self.room(part.bytes / 2 + BESIDE_BYTES, "", || {
            format!("cannot roll up {} before retention drops them", self.readings_of(part.id, part.bytes))
        })?;
        let id = FileId { generation: part.id.generation + 1, ..part.id };
        let Built::Done(rollup) = self.roll_up(part, id, Depth::Full, true)? else { return Ok(false) };
        let file = DataFile::dropped(id, self.dir.join("data").join(id.name()));
        let _ = file.rollup.set(rollup);
        let gone = expire::size(part);
        let class = self.shared.manifest().classes.called(id.class);
        self.publish(vec![part.clone()], Arc::new(file), &gone)?;
        expire::tell(&class, part, &gone);
        Ok(true)
    }

    pub(super) fn roll_up(
        &self,
        part: &Arc<DataFile>,
        id: FileId,
        depth: Depth,
        lenient: bool,
    ) -> io::Result<Built> {
        let extra = |series| {
            let catalog = self.shared.catalog();
            catalog.name_of(SeriesId(series)).map(Extra::of_series).unwrap_or_default()
        };
        let (dir, extra) = (&*self.dir.join("data"), &extra);
        let of = Build { files: &self.files, dir, part, id, depth, extra, lenient };
        rollup::build(&of, &mut Pace::begin(&self.shared, &self.files, self.restless))
    }

    fn publish_rollup(&self, part: &DataFile, rollup: Rollup) -> io::Result<()> {
        self.files.sync_dir(&self.dir.join("data"))?;
        let mut manifest = self.shared.manifest();
        let mut next = manifest.clone();
        next.generation += 1;
        for listed in next.files.iter_mut().filter(|listed| listed.id == part.id) {
            listed.rollup_bytes = rollup.bytes;
        }
        next.store(&self.files, &self.dir)?;
        self.shared.lock().rolled_bytes += rollup.bytes;
        let _ = part.rollup.set(rollup);
        *manifest = next;
        Ok(())
    }
}
