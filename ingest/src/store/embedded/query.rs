//! From pieces to answers, without files and locks: which pieces of a series overlap, when a block's summary may stand for
//! it, and what falls into which bucket. Exists so that the reading half's decisions are pure and can be tested against
//! brute force.
//!
//! Pieces are sorted and swept into clusters: pieces of different clusters do not overlap in time. In a cluster of one
//! block nothing can replace a reading of it, so its summary is exact; any other cluster is read and merged, newer pieces
//! winning.

use std::ops::Range;

use super::block::Summary;
use super::point::Point;
use super::rollup::Row;
use crate::store::types::{Agg, Buckets, Level, flags_of, usual_distance};

/// Distances that are looked at in points that are added at once.
const DISTANCES: usize = 64;

/// A part of a series; `P` says where it is. Pieces are handed in from old to new.
#[derive(Debug)]
pub(crate) struct Piece<P> {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) place: P,
}

/// Groups pieces into clusters in the order of time. Within a cluster pieces stay from old to new.
pub(crate) fn clusters<P>(pieces: Vec<Piece<P>>) -> Vec<Vec<Piece<P>>> {
    struct Cluster<P> {
        last: i64,
        pieces: Vec<(usize, Piece<P>)>,
    }
    let mut numbered: Vec<(usize, Piece<P>)> = pieces.into_iter().enumerate().collect();
    numbered.sort_by_key(|(_, piece)| piece.first);
    let mut clusters: Vec<Cluster<P>> = Vec::new();
    for (age, piece) in numbered {
        match clusters.last_mut() {
            Some(cluster) if piece.first <= cluster.last => {
                cluster.last = piece.last.max(cluster.last);
                cluster.pieces.push((age, piece));
            }
            _ => clusters.push(Cluster { last: piece.last, pieces: vec![(age, piece)] }),
        }
    }
    let by_age = |mut cluster: Cluster<P>| {
        cluster.pieces.sort_by_key(|(age, _)| *age);
        cluster.pieces.into_iter().map(|(_, piece)| piece).collect()
    };
    clusters.into_iter().map(by_age).collect()
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    first: f64,
    last: f64,
    increase: f64,
    /// Sums of the sines and cosines of degrees.
    vector: (f64, f64),
    p95: f64,
}

impl Bucket {
    const EMPTY: Self = Self {
        count: 0,
        sum: 0.0,
        min: f64::NAN,
        max: f64::NAN,
        first: f64::NAN,
        last: f64::NAN,
        increase: 0.0,
        vector: (0.0, 0.0),
        p95: f64::NAN,
    };
}

/// Buckets being filled, in the order of time.
#[derive(Debug)]
pub(crate) struct Gather {
    time: Range<i64>,
    step: i64,
    buckets: Vec<Bucket>,
    /// Aggregates are wanted that summaries cannot give.
    needs_readings: bool,
    /// The value before the next point.
    before: Option<f64>,
    /// The number and the values of the bucket that is being filled.
    open: (usize, Vec<f64>),
    late: u64,
    flagged: u64,
    /// The time of the last point.
    last: Option<i64>,
    /// Distances of neighbours, spread over what was added.
    distances: Vec<i64>,
    /// Rows were added.
    rollup: bool,
}

impl Gather {
    /// `None` when there would be more than `limit` buckets. `step` is at least 1.
    pub(crate) fn new(time: Range<i64>, step: i64, aggs: &[Agg], limit: usize) -> Option<Self> {
        let span = i128::from(time.end) - i128::from(time.start);
        let buckets = usize::try_from((span.max(0) + i128::from(step) - 1) / i128::from(step)).ok()?;
        (buckets <= limit).then(|| Self {
            time,
            step,
            buckets: vec![Bucket::EMPTY; buckets],
            needs_readings: aggs.iter().any(|agg| agg.needs_readings()),
            before: None,
            open: (0, Vec::new()),
            late: 0,
            flagged: 0,
            last: None,
            distances: Vec::new(),
            rollup: false,
        })
    }

    /// The value of the last reading before everything that is added.
    pub(crate) fn begin_after(&mut self, value: Option<f64>) {
        self.before = value;
    }

    fn number(&self, time: i64) -> usize {
        usize::try_from((i128::from(time) - i128::from(self.time.start)) / i128::from(self.step))
            .unwrap_or(usize::MAX)
    }

    /// Whether all of a block falls into one bucket and none of it is flagged, so that its summary is enough.
    pub(crate) fn takes_whole(&self, block: &Summary) -> bool {
        !(self.needs_readings || block.any_flags)
            && block.first >= self.time.start
            && block.last < self.time.end
            && self.number(block.first) == self.number(block.last)
    }

    /// Adds a block for which [`Self::takes_whole`] holds.
    pub(crate) fn add_summary(&mut self, block: &Summary) {
        let distances = (block.count as usize - 1).min(DISTANCES);
        let usual = (block.last - block.first) / i64::from(block.count - 1).max(1);
        self.distances.extend(std::iter::repeat_n(usual, distances));
        self.last = Some(block.last);
        let number = self.number(block.first);
        let part = Bucket {
            count: u64::from(block.count),
            sum: block.sum,
            min: block.min,
            max: block.max,
            first: block.first_value,
            last: block.last_value,
            ..Bucket::EMPTY
        };
        if let Some(bucket) = self.buckets.get_mut(number) {
            bucket.add(&part);
        }
    }

    /// Adds points in the order of time, after everything added before.
    pub(crate) fn add_points(&mut self, points: &[Point]) {
        let start = points.partition_point(|point| point.time < self.time.start);
        let end = points.partition_point(|point| point.time < self.time.end);
        let mut rest = points.get(start..end).unwrap_or(&[]);
        self.look_at(rest);
        while let Some(first) = rest.first() {
            let number = self.number(first.time);
            let border = (i128::from(self.time.start) + (number as i128 + 1) * i128::from(self.step))
                .min(i128::from(i64::MAX));
            let (now, later) = rest.split_at(rest.partition_point(|point| i128::from(point.time) < border));
            rest = later;
            if let (Some(part), Some(bucket)) = (Summary::of(0, now), self.buckets.get_mut(number)) {
                let part = Bucket {
                    count: u64::from(part.count),
                    sum: part.sum,
                    min: part.min,
                    max: part.max,
                    first: part.first_value,
                    last: part.last_value,
                    ..Bucket::EMPTY
                };
                bucket.add(&part);
            }
            if self.needs_readings {
                self.add_each(number, now);
            }
        }
    }

    /// Adds a row, which begins at `start` and lies in one bucket, after everything added before.
    pub(crate) fn add_row(&mut self, start: i64, row: &Row) {
        self.close();
        self.late += row.late;
        self.flagged += row.flagged;
        let between = row.count.saturating_sub(1);
        if let Some(usual) = i64::try_from(between).ok().and_then(|between| row.span.checked_div(between)) {
            self.distances.extend(std::iter::repeat_n(usual, (between as usize).min(DISTANCES)));
        }
        // When the row's last reading was is not known.
        self.last = None;
        let number = self.number(start);
        let Some(bucket) = self.buckets.get_mut(number) else { return };
        let part = Bucket {
            count: row.count,
            sum: row.sum,
            min: row.min,
            max: row.max,
            first: row.first,
            last: row.last,
            ..Bucket::EMPTY
        };
        bucket.add(&part);
        // Of a counter: the rise to its first reading, and those from there on. Otherwise neither is asked for.
        bucket.increase += self.before.map_or(0.0, |before| (row.first - before).max(0.0)) + row.x;
        self.before = Some(row.last);
        bucket.vector.0 += row.x;
        bucket.vector.1 += row.y;
        self.rollup = true;
    }

    /// Flags and distances.
    fn look_at(&mut self, points: &[Point]) {
        for point in points.iter().filter(|point| point.flags != 0) {
            let (late, flagged) = flags_of(point.flags);
            self.late += u64::from(late);
            self.flagged += u64::from(flagged);
        }
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        self.distances.extend(self.last.map(|before| first.time - before));
        let apart = points.len().div_ceil(DISTANCES);
        self.distances.extend(points.windows(2).step_by(apart).map(|pair| pair[1].time - pair[0].time));
        self.last = Some(last.time);
    }

    /// What every single reading says.
    fn add_each(&mut self, number: usize, points: &[Point]) {
        if self.open.0 != number {
            self.close();
            self.open.0 = number;
        }
        let Some(bucket) = self.buckets.get_mut(number) else { return };
        for Point { value, .. } in points {
            bucket.increase += self.before.map_or(0.0, |before| (value - before).max(0.0));
            self.before = Some(*value);
            let (sine, cosine) = value.to_radians().sin_cos();
            bucket.vector.0 += sine;
            bucket.vector.1 += cosine;
            self.open.1.push(*value);
        }
    }

    /// No more readings come into the open bucket.
    fn close(&mut self) {
        let (number, values) = &mut self.open;
        if let Some(bucket) = self.buckets.get_mut(*number).filter(|_| !values.is_empty()) {
            let rank = (values.len() * 95).div_ceil(100) - 1;
            bucket.p95 = *values.select_nth_unstable_by(rank, f64::total_cmp).1;
        }
        values.clear();
    }

    /// The answer, one column per aggregate, as far as all could be read; `level` is that of the rows that were added.
    pub(crate) fn finish(mut self, aggs: &[Agg], level: Option<Level>) -> Buckets {
        self.close();
        let column = |agg: &Agg| self.buckets.iter().map(|bucket| bucket.value(*agg)).collect();
        Buckets {
            starts: (0..self.buckets.len() as i64)
                .map(|number| self.time.start + number * self.step)
                .collect(),
            counts: self.buckets.iter().map(|bucket| bucket.count).collect(),
            columns: aggs.iter().map(column).collect(),
            late: self.late,
            flagged: self.flagged,
            distance_ms: usual_distance(self.distances),
            damaged: 0,
            rollup: level.filter(|_| self.rollup),
        }
    }
}

impl Bucket {
    /// Adds a later part. `f64::min` and `max` pass over the NaN of an empty bucket.
    fn add(&mut self, part: &Self) {
        if self.count == 0 {
            self.first = part.first;
        }
        self.count += part.count;
        self.sum += part.sum;
        self.min = self.min.min(part.min);
        self.max = self.max.max(part.max);
        self.last = part.last;
    }

    fn value(&self, agg: Agg) -> f64 {
        match agg {
            Agg::Count => self.count as f64,
            _ if self.count == 0 => f64::NAN,
            Agg::Mean => self.sum / self.count as f64,
            Agg::Min => self.min,
            Agg::Max => self.max,
            Agg::Sum => self.sum,
            Agg::First => self.first,
            Agg::Last => self.last,
            Agg::Increase => self.increase,
            Agg::VectorMean => self.direction(),
            Agg::P95 => self.p95,
        }
    }

    fn direction(&self) -> f64 {
        let (sines, cosines) = self.vector;
        // Less than this is what rounding leaves of directions that cancel each other out.
        if sines.hypot(cosines) < 1e-9 * self.count as f64 {
            return f64::NAN;
        }
        let degrees = sines.atan2(cosines).to_degrees().rem_euclid(360.0);
        // What is a hair below 0 is rounded up to 360.
        if degrees < 360.0 { degrees } else { 0.0 }
    }
}
