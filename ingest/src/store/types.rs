//! The plain data that goes into a store and comes out of it. Knows no file, journal or clock.

use std::ops::Range;
use std::sync::Arc;

use pantau_proto::{Epoch, Flags, GatewayId, RangeSet};

/// Number of a series, counted up from 0 without gaps. Never used again for another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u32);

impl SeriesId {
    /// The id as an index into dense arrays.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A series seen for the first time. Durable together with the first commit that carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSeries {
    /// Must be the store's next id.
    pub id: SeriesId,
    /// `device/quantity` or `device/quantity/channel`, at most 1,024 bytes.
    pub name: Arc<str>,
    /// The gateway that reported it first and owns the device.
    pub gateway: GatewayId,
}

/// Readings as columns of equal length, in the order in which they were taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// One a reading.
    pub series: Vec<SeriesId>,
    /// Milliseconds since the epoch, UTC.
    pub times: Vec<i64>,
    /// In the catalogue's unit.
    pub values: Vec<f64>,
    /// Bits of `pantau_proto::Flags`; empty when all are zero.
    pub flags: Vec<u16>,
}

impl Columns {
    /// Number of readings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no reading.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }
}

/// A payload or value that cannot become a reading. Takes one position. The store only carries it (journal and replay):
/// the quarantine index keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// The gateway's position.
    pub position: u64,
    /// Number of `pantau_proto::v1::Reason`.
    pub reason: i32,
    /// Where it came from (device, client id); at most 65,535 bytes.
    pub source: String,
    /// The topic; at most 65,535 bytes.
    pub topic: String,
    /// Why, in words.
    pub detail: String,
    /// The bytes as they came.
    pub payload: Vec<u8>,
    /// When it came, milliseconds since the epoch.
    pub time: i64,
}

/// Positions that a gateway had to give up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// First position.
    pub start: u64,
    /// One after the last position.
    pub end: u64,
    /// Time of the first reading lost, milliseconds; 0 when not known.
    pub first_time: i64,
    /// Time of the last reading lost, milliseconds; 0 when not known.
    pub last_time: i64,
    /// Readings lost.
    pub count: u64,
    /// Number of `pantau_proto::v1::LossReason`.
    pub reason: i32,
    /// Why, in words.
    pub detail: String,
}

/// What becomes durable in one piece: usually one batch of a gateway after validation; also control changes alone, such
/// as "epoch E of gateway G reported next = N".
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// Who sent it. Submissions over HTTP use a name of their own.
    pub gateway: GatewayId,
    /// The gateway's epoch; 0 where there are no positions.
    pub epoch: Epoch,
    /// When it came in, milliseconds since the epoch.
    pub received_ms: i64,
    /// The positions that are committed by this.
    pub ranges: Vec<Range<u64>>,
    /// What the gateway's Hello gave as its next position, when that is to be kept.
    pub reported_next: Option<u64>,
    /// Readings that were left out because their positions were committed before. Only counted.
    pub skipped: u64,
    /// Series that appear for the first time; may be used in `readings` of this and later commits.
    pub new_series: Vec<NewSeries>,
    /// The readings.
    pub readings: Columns,
    /// What went into quarantine.
    pub refused: Vec<Refused>,
    /// What the gateway reported as lost.
    pub losses: Vec<Loss>,
    /// Readings of this commit that another database keeps; `readings` is empty then.
    pub elsewhere: Elsewhere,
}

/// Counts of readings that a remote engine handed to its database. Only the counts are journaled here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Readings that the database has taken.
    pub readings: u64,
    /// Those of them with the flag `late`.
    pub late: u64,
}

impl Commit {
    /// A commit with nothing in it yet.
    #[must_use]
    pub fn new(gateway: GatewayId, epoch: Epoch, received_ms: i64) -> Self {
        Self {
            gateway,
            epoch,
            received_ms,
            ranges: Vec::new(),
            reported_next: None,
            skipped: 0,
            new_series: Vec::new(),
            readings: Columns::default(),
            refused: Vec::new(),
            losses: Vec::new(),
            elsewhere: Elsewhere::default(),
        }
    }
}

/// Counts since the store was made. Part of the journal and the manifest, so that a crash does not bend them.
///
/// `duplicates` and `replaced` are found when a memory table is flushed; until then the readings concerned are neither
/// stored nor duplicates nor replaced: see [`Counters::pending`]. A remote engine counts every reading that its database
/// took as stored: which of them were there before only the database knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Commits taken.
    pub commits: u64,
    /// Readings taken (without refused and lost ones).
    pub readings: u64,
    /// Identities in files.
    pub stored: u64,
    /// Readings whose identity and value were there before.
    pub duplicates: u64,
    /// Readings that took the place of another value.
    pub replaced: u64,
    /// Refused payloads taken into quarantine.
    pub refused: u64,
    /// Readings that gateways reported as lost.
    pub lost: u64,
    /// Readings with the flag `late`.
    pub late: u64,
    /// Readings left out because their positions were committed before.
    pub skipped: u64,
}

impl Counters {
    /// Everything accepted from gateways: `stored + duplicates + replaced + pending + refused + lost`.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        (self.readings + self.refused).saturating_add(self.lost)
    }

    /// Readings that are durable in the journal but not yet in files.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.readings.saturating_sub(self.stored + self.duplicates + self.replaced)
    }
}

/// What is known of one epoch of a gateway.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpochState {
    /// Committed positions.
    pub ranges: RangeSet,
    /// The greatest `next` that the gateway reported.
    pub reported_next: Option<u64>,
    /// When the last commit for it came in, milliseconds since the epoch.
    pub last_received_ms: i64,
}

/// A gateway with its epochs, in the order of the epoch's number.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayState {
    /// Who.
    pub gateway: GatewayId,
    /// Epochs ever seen.
    pub epochs: Vec<(Epoch, EpochState)>,
}

/// What to make of the readings in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agg {
    /// Sum divided by count.
    Mean,
    /// Smallest value.
    Min,
    /// Greatest value.
    Max,
    /// Sum of the values.
    Sum,
    /// Number of readings; 0 in an empty bucket.
    Count,
    /// The value with the smallest time.
    First,
    /// The value with the greatest time.
    Last,
    /// Of a counter: the sum of its rises, each from the reading before, which may lie before the bucket and before the
    /// period asked for. What falls (a counter that began anew) counts as no rise. 0 where there is nothing before.
    Increase,
    /// Of directions in degrees: the direction of the mean of their unit vectors, 0 to below 360; NaN where they cancel
    /// each other out.
    VectorMean,
    /// The 95th percentile by nearest rank: the smallest value that at least 95 % of the readings do not exceed.
    P95,
}

/// WIB, the time of Central Java, is UTC+7 all year; milliseconds.
pub(crate) const WIB_MS: i64 = 7 * 3_600_000;

/// What readings are rolled up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Full hours.
    Hour,
    /// Days of WIB.
    Day,
}

impl Agg {
    /// Whether it needs every reading: the summary of a block says nothing of it.
    pub(crate) fn needs_readings(self) -> bool {
        matches!(self, Self::Increase | Self::VectorMean | Self::P95)
    }
}

/// The newest reading of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatestPoint {
    /// Of which series.
    pub series: SeriesId,
    /// Milliseconds since the epoch.
    pub time: i64,
    /// In the catalogue's unit.
    pub value: f64,
    /// Bits of `pantau_proto::Flags`.
    pub flags: u16,
    /// When ingest took it, milliseconds since the epoch; equals `time` when it was read back from a file.
    pub received_ms: i64,
    /// Usual distance between two readings in milliseconds, a moving estimate; `None` with fewer than two readings.
    pub interval_ms: Option<u32>,
}

/// A series as listed.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesInfo {
    /// Its number.
    pub id: SeriesId,
    /// Its name.
    pub name: Arc<str>,
    /// The gateway that reported it first.
    pub gateway: GatewayId,
    /// Smallest time; `None` without readings.
    pub first: Option<i64>,
    /// Greatest time; `None` without readings.
    pub last: Option<i64>,
    /// Readings taken; replaced ones may be counted twice. `None` where a database keeps them: how many it has only a
    /// look through all of them would tell.
    pub points: Option<u64>,
}

/// One page of the list of series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesPage {
    /// In the order of their names.
    pub items: Vec<SeriesInfo>,
    /// The name to hand in as `after` for the next page; `None` at the end.
    pub next: Option<Arc<str>>,
}

/// Readings of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// Strictly rising, milliseconds since the epoch.
    pub times: Vec<i64>,
    /// One a time.
    pub values: Vec<f64>,
    /// One a time, or empty when all are zero.
    pub flags: Vec<u16>,
    /// Readings in blocks that exist but cannot be read (damaged): they are missing from the answer.
    pub damaged: u64,
}

/// Aggregates of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// Start of every bucket asked for, also of empty ones; milliseconds since the epoch.
    pub starts: Vec<i64>,
    /// Readings in each bucket.
    pub counts: Vec<u64>,
    /// Flagged readings in each bucket are not told apart here; one column per [`Agg`] asked for, in that order, NaN
    /// where a bucket is empty (0 for [`Agg::Count`]).
    pub columns: Vec<Vec<f64>>,
    /// Readings in blocks that exist but cannot be read (damaged): they are missing from the answer.
    pub damaged: u64,
    /// Readings flagged late.
    pub late: u64,
    /// Readings with a flag that doubts them: see [`flags_of`].
    pub flagged: u64,
    /// The usual distance of neighbouring readings, milliseconds; `None` where there are too few to tell.
    pub distance_ms: Option<i64>,
    /// Where some of it was taken from roll-ups instead of readings: from which.
    pub rollup: Option<Level>,
}

/// Whether flags say late, and whether any of them doubts the value: any but late, calibrated and arrival time.
#[must_use]
pub fn flags_of(flags: u16) -> (bool, bool) {
    let harmless = Flags::LATE | Flags::CALIBRATED | Flags::ARRIVAL_TIME;
    (Flags(flags).contains(Flags::LATE), flags & !harmless.0 != 0)
}

/// The lower one of two in the middle, at least 1, as the usual one of distances: a gap is no distance that a series
/// promises. `None` of fewer than two.
#[must_use]
pub fn usual_distance(mut distances: Vec<i64>) -> Option<i64> {
    if distances.len() < 2 {
        return None;
    }
    let middle = (distances.len() - 1) / 2;
    Some((*distances.select_nth_unstable(middle).1).max(1))
}
