//! The memory table: what is durable in the journal and not yet in a file. Per series a run of points whose times rise
//! strictly, and aside of it the late ones in the order of arrival. What always holds:
//!
//! - A late point's time is at most the run's last time when it came. So of two points with equal times the one in the
//!   run is the older, and among late ones the earlier in the vector: "newest wins" needs no stamps.
//! - `bytes` follows what the vectors have really allocated, so that the bound is a bound on memory.

use std::ops::Range;

use super::point::{Point, Tally, settle};

/// Time and value; flags are kept apart, for almost all are zero.
pub(crate) type Pair = (i64, f64);

/// The points of one series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Column {
    pub(crate) series: u32,
    /// The run's last time, here so that no reading has to fetch the run's end, which lies on a page of its own.
    last: Option<i64>,
    run: Vec<Pair>,
    extra: Option<Box<Extra>>,
}

#[derive(Clone, Debug, Default)]
struct Extra {
    /// Flags of the run's points; shorter than the run when the rest are zero.
    run_flags: Vec<u16>,
    late: Vec<Point>,
}

impl Column {
    fn new(series: u32) -> Self {
        Self { series, ..Self::default() }
    }

    /// Returns by how much the memory in use grew.
    #[inline]
    fn push(&mut self, point: Point) -> usize {
        if self.last.is_none_or(|last| point.time > last) {
            self.last = Some(point.time);
            let grown = if self.run.len() == self.run.capacity() { self.grow() } else { 0 };
            self.run.push((point.time, point.value));
            if point.flags != 0 || self.extra.is_some() { grown + self.flag_last(point.flags) } else { grown }
        } else {
            self.push_late(point)
        }
    }

    #[cold]
    fn grow(&mut self) -> usize {
        let old = self.run.capacity();
        self.run.reserve_exact((old / 2).max(8));
        (self.run.capacity() - old) * size_of::<Pair>()
    }

    fn flag_last(&mut self, flags: u16) -> usize {
        let extra = self.extra.get_or_insert_default();
        if flags == 0 {
            return 0;
        }
        let old = extra.run_flags.capacity();
        extra.run_flags.resize(self.run.len() - 1, 0);
        extra.run_flags.push(flags);
        (extra.run_flags.capacity() - old) * size_of::<u16>()
    }

    #[cold]
    fn push_late(&mut self, point: Point) -> usize {
        let extra = self.extra.get_or_insert_default();
        let old = extra.late.capacity();
        extra.late.push(point);
        (extra.late.capacity() - old) * size_of::<Point>()
    }

    /// First time, number of points, and the newest one.
    pub(crate) fn extent(&self) -> Option<(i64, u64, Point)> {
        let last = self.last?;
        let late = self.extra.as_ref().map_or(&[][..], |extra| &extra.late);
        let first =
            late.iter().map(|point| point.time).chain(self.run.first().map(|&(time, _)| time)).min()?;
        let mut newest = self.copy(&(last..last.saturating_add(1)));
        settle(&mut newest, &mut Tally::default());
        Some((first, (self.run.len() + late.len()) as u64, newest.pop()?))
    }

    /// The points with a time in `time`, older before newer where times are equal, not sorted: for [`settle`]. Cheap
    /// enough to be called under the lock.
    pub(crate) fn copy(&self, time: &Range<i64>) -> Vec<Point> {
        let start = self.run.partition_point(|&(at, _)| at < time.start);
        let end = start + self.run[start..].partition_point(|&(at, _)| at < time.end);
        let mut points: Vec<Point> =
            self.run[start..end].iter().map(|&(time, value)| Point { time, value, flags: 0 }).collect();
        if let Some(extra) = &self.extra {
            if let Some(flags) = extra.run_flags.get(start..) {
                points.iter_mut().zip(flags).for_each(|(point, flags)| point.flags = *flags);
            }
            points.extend(extra.late.iter().filter(|point| time.contains(&point.time)));
        }
        points
    }

    /// All points in the order of time, each time once, counting what met.
    pub(crate) fn settled(&self, tally: &mut Tally, points: &mut Vec<Point>) {
        points.clear();
        points.extend(self.run.iter().map(|&(time, value)| Point { time, value, flags: 0 }));
        if let Some(extra) = &self.extra {
            points.iter_mut().zip(&extra.run_flags).for_each(|(point, flags)| point.flags = *flags);
            if !extra.late.is_empty() {
                points.extend_from_slice(&extra.late);
                settle(points, tally);
            }
        }
    }
}

/// A table of columns. Which series has which column is known outside (see `state.rs`), next to what every reading
/// touches anyway.
#[derive(Debug, Default)]
pub(crate) struct Table {
    columns: Vec<Column>,
    readings: u64,
    bytes: usize,
}

/// No column.
pub(crate) const NO_COLUMN: u32 = u32::MAX;

impl Table {
    /// Adds a point to the column with that number, making it when it is [`NO_COLUMN`].
    #[inline]
    pub(crate) fn push(&mut self, column: &mut u32, series: u32, point: Point) {
        if *column == NO_COLUMN {
            *column = self.add_column(series);
        }
        self.bytes += self.columns[*column as usize].push(point);
        self.readings += 1;
    }

    #[cold]
    fn add_column(&mut self, series: u32) -> u32 {
        self.bytes += size_of::<Column>() + size_of::<Column>() / 2;
        self.columns.push(Column::new(series));
        (self.columns.len() - 1) as u32
    }

    pub(crate) fn column(&self, column: u32) -> Option<&Column> {
        self.columns.get(column as usize)
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(crate) fn readings(&self) -> u64 {
        self.readings
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Points in the order of the series' numbers, for a table that no longer changes.
    pub(crate) fn sort(&mut self) {
        self.columns.sort_unstable_by_key(|column| column.series);
    }

    /// The column of a series in a sorted table.
    pub(crate) fn find(&self, series: u32) -> Option<&Column> {
        let at = self.columns.binary_search_by_key(&series, |column| column.series).ok()?;
        self.columns.get(at)
    }
}
