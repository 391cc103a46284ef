//! One merge: the readings of a run of files, series by series, into one new file.

use std::io;
use std::sync::Arc;

use pantau_journal::FileLayer;

use super::block::{MAX_POINTS, Scratch};
use super::compact::Compactor;
use super::datafile::{DataFile, FileId};
use super::filewriter::FileWriter;
use super::pace::Pace;
use super::point::{Point, Tally, settle};
use super::run::{Block, Blocks, Stop};

/// A block with so many points is taken over as it is.
const FULL: u32 = (MAX_POINTS / 4 * 3) as u32;

/// Why a merge ended.
pub(super) enum Ended {
    Done(Arc<DataFile>),
    /// This file has a block that cannot be read.
    Damaged(FileId),
    /// The store is being closed.
    Closed,
}

impl<F: FileLayer> Compactor<F> {
    /// Writes the readings of a run into a new file, which does not count yet.
    pub(super) fn merge(&self, run: &[Arc<DataFile>]) -> io::Result<Ended> {
        let Some(newest) = run.last() else { return Ok(Ended::Closed) };
        let generation = run.iter().map(|file| file.id.generation).max().unwrap_or(0) + 1;
        let id = FileId { generation, ..newest.id };
        let handles = run.iter().map(|file| file.handle(&self.files)).collect::<io::Result<Vec<_>>>()?;
        let writer = FileWriter::create(&self.files, &self.dir.join("data"), id)?;
        let mut merge = Merge {
            files: &self.files,
            run,
            handles: &handles,
            writer,
            scratch: Scratch::default(),
            out: Vec::new(),
            pending: Vec::new(),
        };
        let mut pace = Pace::begin(&self.shared, &self.files, self.restless);
        let mut blocks = match Blocks::new(&self.files, run, &handles, false) {
            Ok(blocks) => blocks,
            Err(stop) => return merge.stopped(stop),
        };
        loop {
            let added = match blocks.next() {
                Ok(Some(block)) => merge.block(block, blocks.peek()),
                Ok(None) => break,
                Err(stop) => Err(stop),
            };
            let moved = match added {
                Ok(moved) => moved,
                Err(stop) => return merge.stopped(stop),
            };
            if pace.is_closed_after(moved) {
                merge.writer.abandon();
                return Ok(Ended::Closed);
            }
        }
        merge.writer.finish().map(|file| Ended::Done(Arc::new(file)))
    }
}

struct Merge<'a, F: FileLayer> {
    files: &'a F,
    run: &'a [Arc<DataFile>],
    handles: &'a [F::File],
    writer: FileWriter<F>,
    scratch: Scratch,
    /// Points for the next block.
    out: Vec<Point>,
    /// Points, with the number of their file, at or after the time where the next block begins.
    pending: Vec<(usize, Point)>,
}

impl<F: FileLayer> Merge<'_, F> {
    /// Adds a block: the bytes read and written. `next` are series and first time of the block after it.
    fn block(&mut self, (number, entry): Block, next: Option<(u32, i64)>) -> Result<u64, Stop> {
        let written = self.writer.bytes();
        let series = entry.summary.series;
        let next = next.filter(|(other, _)| *other == series).map(|(_, first)| first);
        let (file, handle) = (&self.run[number], &self.handles[number]);
        let alone = self.pending.is_empty()
            && self.out.is_empty()
            && next.is_none_or(|next| entry.summary.last < next);
        if alone && entry.summary.count >= FULL {
            let block = file.read_raw(self.files, handle, &entry).map_err(|error| Stop::of(number, error))?;
            self.writer.add_raw(entry.summary, &block).map_err(Stop::Io)?;
        } else {
            let points =
                file.read_block(self.files, handle, &entry).map_err(|error| Stop::of(number, error))?;
            self.pending.extend(points.into_iter().map(|point| (number, point)));
            self.settle(next);
            self.put(series, if next.is_some() { MAX_POINTS } else { 1 }).map_err(Stop::Io)?;
        }
        Ok(u64::from(entry.len) + self.writer.bytes() - written)
    }

    fn stopped(self, stop: Stop) -> io::Result<Ended> {
        self.writer.abandon();
        match stop {
            Stop::Damaged(number) => Ok(Ended::Damaged(self.run[number].id)),
            Stop::Io(error) => Err(error),
        }
    }

    /// What lies before `next` is settled: no other block can say anything of it.
    fn settle(&mut self, next: Option<i64>) {
        self.pending.sort_by_key(|(number, point)| (point.time, *number));
        let end = self.pending.partition_point(|(_, point)| next.is_none_or(|next| point.time < next));
        let mut points: Vec<Point> = self.pending.drain(..end).map(|(_, point)| point).collect();
        settle(&mut points, &mut Tally::default());
        self.out.append(&mut points);
    }

    /// Writes full blocks while there are `least` points or more.
    fn put(&mut self, series: u32, least: usize) -> io::Result<()> {
        let mut from = 0;
        while self.out.len() - from >= least {
            let end = self.out.len().min(from + MAX_POINTS);
            self.writer.add(series, &self.out[from..end], &mut self.scratch)?;
            from = end;
        }
        self.out.drain(..from);
        Ok(())
    }
}
