//! The reading half, where it answers by steps: what is taken from roll-ups, and what is read.

use std::ops::Range;
use std::sync::Arc;

use pantau_journal::FileLayer;

use super::damage::Damage;
use super::datafile::DataFile;
use super::months::month_start;
use super::query::{Gather, Piece, clusters};
use super::reader::EmbeddedReader;
use super::rollup::{Cover, Part, Row, Wanted, cover};
use super::snapshot::{Place, Snapshot};
use crate::store::types::{Agg, Level, SeriesId};

impl<F: FileLayer> EmbeddedReader<F> {
    /// Adds what the pieces of a series say of a part of the period asked for.
    pub(super) fn gather(&self, of: &Snapshot, time: Range<i64>, gather: &mut Gather, damage: &mut Damage) {
        for cluster in clusters(self.pieces(of, &time, damage)) {
            match cluster.as_slice() {
                [Piece { place: Place::Block(_, entry), .. }]
                    if time.start <= entry.summary.first
                        && entry.summary.last < time.end
                        && gather.takes_whole(&entry.summary) =>
                {
                    gather.add_summary(&entry.summary);
                }
                _ => {
                    let points = self.read(cluster, damage);
                    let start = points.partition_point(|point| point.time < time.start);
                    let end = points.partition_point(|point| point.time < time.end);
                    gather.add_points(points.get(start..end).unwrap_or(&[]));
                }
            }
        }
    }

    /// What of a period is answered from roll-ups, and what must be read. A pack that cannot be read where the readings
    /// were dropped counts as one damaged reading: nobody knows how many it stood for.
    pub(super) fn cover(
        &self,
        of: &Snapshot,
        level: Level,
        time: &Range<i64>,
        aggs: &[Agg],
        damage: &mut Damage,
    ) -> Cover {
        let wanted = Wanted::of(aggs);
        let (mut parts, mut touched) = (Vec::new(), Vec::new());
        for file in of.files.iter() {
            let month = file.id.month;
            if time.end <= month_start(month) || month_start(month + 1) <= time.start {
                continue;
            }
            let mut unread = 0;
            let rows = self.rows(file, (level, of.series.0), time, wanted, aggs, &mut unread);
            if file.bytes == 0 {
                damage.note(file.id, 0, unread);
            }
            if rows.is_empty() {
                let mut missing = Damage::default();
                let blocks = self.blocks(file, of.series, time, &mut missing);
                touched.extend(blocks.iter().map(|entry| (entry.summary.first, entry.summary.last)));
                if missing.readings() > 0 {
                    // It may be anywhere; where it is read, it is counted.
                    touched
                        .push((time.start.max(month_start(month)), time.end.min(month_start(month + 1)) - 1));
                }
            } else {
                parts.push(Part { month, alone: file.bytes == 0, rows });
            }
        }
        for point in of.memory.iter().flatten() {
            match touched.last_mut() {
                // Mostly they follow each other, within a cell.
                Some((first, last)) if (*first..=*last).contains(&point.time) => {}
                Some((first, last))
                    if point.time > *last && level.cell_around(*first) == level.cell_around(point.time) =>
                {
                    *last = point.time;
                }
                _ => touched.push((point.time, point.time)),
            }
        }
        cover(level, time, parts, &touched)
    }

    /// The rows that a part has of a series in a period, none where they do not answer what is asked. A pack that cannot
    /// be read is logged and counted in `unread`; the readings are read instead, where they are.
    fn rows(
        &self,
        file: &DataFile,
        (level, series): (Level, u32),
        time: &Range<i64>,
        wanted: Wanted,
        aggs: &[Agg],
        unread: &mut u64,
    ) -> Vec<Row> {
        let Some(rollup) = file.rollup.get() else { return Vec::new() };
        let pack = match rollup.read(&self.files, &self.packs, (level, series), wanted) {
            Ok(pack) => pack,
            Err(error) => {
                *unread += 1;
                self.shared.lock().damaged_reads += 1;
                tracing::error!(file = %rollup.path.display(), %error, "a roll-up cannot be read");
                None
            }
        };
        let Some((extra, rows)) = pack.as_ref().and_then(|pack| pack.rows(series)) else { return Vec::new() };
        let (first, last) = (level.cell(time.start), level.cell(time.end.saturating_sub(1)));
        let rows = rows.skip_while(|row| row.cell < first).take_while(|row| row.cell <= last);
        match (aggs.iter().all(|agg| extra.answers(*agg)), file.bytes) {
            (true, _) => rows.collect(),
            // There is nothing else; what they do not say is not known.
            (false, 0) => rows.map(|row| Row { x: f64::NAN, y: f64::NAN, ..row }).collect(),
            (false, _) => Vec::new(),
        }
    }

    /// The value of the last reading before `time`, as far as roll-ups of dropped readings tell.
    pub(super) fn rolled_before(&self, series: SeriesId, time: i64) -> Option<f64> {
        let files = self.shared.lock().files.clone();
        let last = |level: Level| {
            let before = |row: &Row| level.cell_start(row.cell + 1) <= time;
            let newest = |file: &Arc<DataFile>| {
                let (time, wanted) = (i64::MIN..time, Wanted::of(&[Agg::Last]));
                self.rows(file, (level, series.0), &time, wanted, &[], &mut 0).into_iter().rfind(before)
            };
            files.iter().filter(|file| file.bytes == 0).filter_map(newest).max_by_key(|row| row.cell)
        };
        [Level::Hour, Level::Day].into_iter().find_map(last).map(|row| row.last)
    }
}
