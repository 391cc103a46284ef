//! From the readings of a part to its roll-up.

use std::io;
use std::path::Path;
use std::sync::Arc;

use pantau_journal::FileLayer;

use super::super::datafile::{DataFile, FileId};
use super::super::pace::Pace;
use super::super::point::Point;
use super::super::run::{Blocks, Stop};
use super::Depth;
use super::file::{Rollup, Writer};
use super::pack::Extent;
use super::row::{Extra, Fold};
use crate::store::types::Level;

/// What a roll-up is made of and how.
pub(crate) struct Build<'a, F: FileLayer> {
    pub(crate) files: &'a F,
    /// The data folder.
    pub(crate) dir: &'a Path,
    /// Its readings.
    pub(crate) part: &'a Arc<DataFile>,
    /// What the roll-up belongs to: the part, or the one that takes its place.
    pub(crate) id: FileId,
    pub(crate) depth: Depth,
    /// What rows of a series say.
    pub(crate) extra: &'a dyn Fn(u32) -> Extra,
    /// Whether a block that cannot be read is left out, rather than ending it.
    pub(crate) lenient: bool,
}

/// How it ended.
pub(crate) enum Built {
    Done(Rollup),
    /// A block of the part cannot be read.
    Damaged,
    /// The store is being closed.
    Closed,
}

/// Writes the roll-up, which does not count yet. In memory are a block, a pack of each level and the rows of one series.
pub(crate) fn build<F: FileLayer>(of: &Build<'_, F>, pace: &mut Pace<'_, F>) -> io::Result<Built> {
    let mut writer = Writer::create(of.files, of.dir, of.id)?;
    match fill(of, pace, &mut writer) {
        Ok(None) => writer.finish().map(Built::Done),
        Ok(Some(ended)) => {
            writer.abandon();
            Ok(ended)
        }
        Err(error) => {
            writer.abandon();
            Err(error)
        }
    }
}

fn fill<F: FileLayer>(
    of: &Build<'_, F>,
    pace: &mut Pace<'_, F>,
    writer: &mut Writer<F>,
) -> io::Result<Option<Built>> {
    let handles = [of.part.handle(of.files)?];
    let mut blocks = match Blocks::new(of.files, std::slice::from_ref(of.part), &handles, of.lenient) {
        Ok(blocks) => blocks,
        Err(stop) => return stopped(stop),
    };
    let mut series: Option<Series> = None;
    loop {
        let entry = match blocks.next() {
            Ok(Some((_, entry))) => entry,
            Ok(None) => break,
            Err(stop) => return stopped(stop),
        };
        let number = entry.summary.series;
        let written = writer.bytes();
        let open = match &mut series {
            Some(open) if open.number == number => open,
            other => {
                if let Some(done) = other.take() {
                    done.write(of.depth, writer)?;
                }
                other.insert(Series::new(number, (of.extra)(number)))
            }
        };
        match of.part.read_block(of.files, &handles[0], &entry) {
            Ok(points) => open.add(&points),
            Err(error) if error.kind() == io::ErrorKind::InvalidData && of.lenient => {}
            Err(error) => return stopped(Stop::of(0, error)),
        }
        if pace.is_closed_after(u64::from(entry.len) + writer.bytes() - written) {
            return Ok(Some(Built::Closed));
        }
    }
    if let Some(done) = series {
        done.write(of.depth, writer)?;
    }
    Ok(None)
}

fn stopped(stop: Stop) -> io::Result<Option<Built>> {
    match stop {
        Stop::Damaged(_) => Ok(Some(Built::Damaged)),
        Stop::Io(error) => Err(error),
    }
}

/// What the readings of a series come to.
struct Series {
    number: u32,
    extra: Extra,
    folds: [(Level, Fold); 2],
    extent: Option<Extent>,
}

impl Series {
    fn new(number: u32, extra: Extra) -> Self {
        let folds = [Level::Hour, Level::Day].map(|level| (level, Fold::new(level)));
        Self { number, extra, folds, extent: None }
    }

    fn add(&mut self, points: &[Point]) {
        self.folds.iter_mut().for_each(|(_, fold)| fold.add(points, self.extra));
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let (first, count) = self.extent.map_or((first.time, 0), |extent| (extent.first, extent.count));
        self.extent = Some(Extent {
            series: self.number,
            count: count + points.len() as u64,
            first,
            last: last.time,
            last_flags: last.flags,
            last_value: last.value,
        });
    }

    fn write<F: FileLayer>(self, depth: Depth, writer: &mut Writer<F>) -> io::Result<()> {
        for (level, mut fold) in self.folds {
            fold.close();
            if depth.keeps(level, fold.readings(), fold.rows.len() as u64) {
                writer.add(level, self.number, self.extra, &fold.rows)?;
            }
        }
        match self.extent.filter(|_| depth == Depth::Full) {
            Some(extent) => writer.add_extent(extent),
            None => Ok(()),
        }
    }
}
