//! Reads records from the spool and packs them into batches. Blocks on the disk: runs on a blocking thread.
//!
//! Always: a batch is contiguous in positions, at most [`MAX_POSITIONS`] and about [`MAX_BODY_BYTES`]; the
//! dictionary grows with the stream and dies with it; what cannot be read, or was given up before it could be, is
//! reported, never skipped in silence.

use hashbrown::HashMap;
use pantau_journal::{FileLayer, Position, ReadError, Reader};
use pantau_proto::v1::{Batch, BatchBody, Loss, Refused, Series};
use pantau_proto::wire::{Encoder, WireError};
use prost::Message as _;

use crate::spool::{Cursor, Item, Record, Spool};

/// Positions of a batch at most.
pub(crate) const MAX_POSITIONS: u32 = 10_000;
/// Bytes of a body before compression at most, about.
const MAX_BODY_BYTES: usize = 1 << 20;
/// Series of one stream at most; a stream that needs more ends and the next one begins with an empty dictionary.
const MAX_SERIES: usize = 100_000;
const ZSTD_LEVEL: i32 = 1;

/// What came of an attempt to pack a batch.
#[derive(Debug)]
pub(crate) enum Packed {
    /// To be sent.
    Batch(Batch),
    /// There is nothing to read from here to there: released, or lost and reported in `losses`.
    Gap { end: u64, losses: Vec<Loss> },
    /// Nothing to read there yet.
    Nothing,
}

/// Why the stream must end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    #[error("the spool cannot be read: {0}")]
    Read(ReadError),
    #[error("zstd has no memory: {0}")]
    Zstd(#[from] std::io::Error),
    #[error("a batch cannot be packed: {0}")]
    Wire(#[from] WireError),
    /// No fault: the dictionary is full.
    #[error("the stream has named {MAX_SERIES} series; a new one begins")]
    DictionaryFull,
}

/// One stream's reader, dictionary and zstd context.
pub(crate) struct Feed<F: FileLayer> {
    spool: Spool<F>,
    reader: Option<Reader<F>>,
    /// The record that is being read.
    cursor: Option<Cursor>,
    dictionary: HashMap<Box<str>, u32>,
    encoder: Encoder,
    key: String,
    /// The gap that ended a batch: its end and its losses, to be told next.
    gap: Option<(u64, Vec<Loss>)>,
}

impl<F: FileLayer> Feed<F> {
    pub(crate) fn new(spool: Spool<F>) -> Result<Self, FeedError> {
        let encoder = Encoder::new(ZSTD_LEVEL)?;
        let (dictionary, key) = (HashMap::new(), String::new());
        Ok(Self { spool, reader: None, cursor: None, dictionary, encoder, key, gap: None })
    }

    /// A batch that carries only losses.
    pub(crate) fn losses(&mut self, losses: Vec<Loss>) -> Result<Batch, FeedError> {
        let first = losses.first().map_or(0, |loss| loss.start);
        Ok(self.encoder.encode(&BatchBody { losses, ..BatchBody::default() }, first, 0)?)
    }

    /// Packs a batch from the beginning of [start, end).
    pub(crate) fn pack(&mut self, start: u64, end: u64) -> Result<Packed, FeedError> {
        if let Some((gap_end, losses)) = self.gap.take() {
            return Ok(Packed::Gap { end: gap_end.min(end), losses });
        }
        self.seek(start);
        let mut body = Body::default();
        let mut at = start;
        while at < end && body.positions() < MAX_POSITIONS && body.bytes < MAX_BODY_BYTES {
            match self.record(at)? {
                Found::Here => {}
                Found::Nothing => break,
                Found::Gap { end: gap_end, losses } if at > start => {
                    self.gap = Some((gap_end, losses));
                    break;
                }
                Found::Gap { end: gap_end, losses } => {
                    return Ok(Packed::Gap { end: gap_end.min(end), losses });
                }
            }
            at = self.take(at, end, &mut body)?;
        }
        if at == start {
            return Ok(Packed::Nothing);
        }
        let positions = body.positions();
        Ok(Packed::Batch(self.encoder.encode(&body.columns, start, positions)?))
    }

    /// Makes the reader stand at or before `start`, without reading more than a segment in vain.
    fn seek(&mut self, start: u64) {
        let here =
            self.cursor.as_ref().is_some_and(|cursor| (cursor.position()..=cursor.end()).contains(&start));
        if self.reader.is_none() || !here {
            self.reader = Some(self.spool.journal().reader(Position(start)));
            self.cursor = None;
        }
    }

    /// Makes the cursor stand in the record that covers `at`.
    fn record(&mut self, at: u64) -> Result<Found, FeedError> {
        loop {
            if let Some(cursor) = &mut self.cursor {
                while cursor.position() < at && cursor.next().is_some() {}
                if cursor.position() > at {
                    return Ok(Found::Gap { end: cursor.position(), losses: Vec::new() });
                }
                if cursor.position() < cursor.end() {
                    return Ok(Found::Here);
                }
            }
            let Some(reader) = &mut self.reader else { return Ok(Found::Nothing) };
            match reader.next() {
                Ok(None) => return Ok(Found::Nothing),
                Ok(Some(raw)) if raw.count == 0 || raw.end().0 <= at => {}
                Ok(Some(raw)) => match Record::decode(raw.bytes.as_slice()) {
                    Ok(record) if record.positions() == raw.count => {
                        let shed = record.shed;
                        let cursor = Cursor::new(raw.first.0, record);
                        self.cursor = Some(cursor.resolved(|boot| self.spool.boot_offset(boot)));
                        if let Some(shed) = shed {
                            let losses = vec![shed.loss(raw.first.0)];
                            return Ok(Found::Gap { end: raw.end().0, losses });
                        }
                    }
                    _ => {
                        let losses =
                            self.spool.lost(raw.first, raw.end(), "a record cannot be decoded".into());
                        return Ok(Found::Gap { end: raw.end().0, losses });
                    }
                },
                Err(ReadError::Released { resume }) => {
                    return Ok(Found::Gap { end: resume.0.max(at), losses: Vec::new() });
                }
                Err(ReadError::Damaged { path, offset, start, end }) => {
                    let losses = self.spool.lost(start, end, format!("{} at byte {offset}", path.display()));
                    return Ok(Found::Gap { end: end.0.max(at), losses });
                }
                Err(error @ ReadError::Io { .. }) => return Err(FeedError::Read(error)),
            }
        }
    }

    /// Moves positions from the cursor's record into the body; returns where it stopped.
    fn take(&mut self, mut at: u64, end: u64, body: &mut Body) -> Result<u64, FeedError> {
        let Some(cursor) = &mut self.cursor else { return Ok(at) };
        let (source, arrival) = (cursor.source().to_owned(), cursor.arrival());
        while at < end && body.positions() < MAX_POSITIONS && body.bytes < MAX_BODY_BYTES {
            match cursor.next() {
                None => break,
                Some(Item::Reading(name, unit, reading)) => {
                    let series = lookup(&mut self.dictionary, &mut self.key, name, unit, body)?;
                    body.reading(series, reading);
                }
                Some(Item::Refused(refused)) => {
                    body.bytes += refused.payload.len() + refused.topic.len() + refused.detail.len() + 64;
                    body.columns.refused.push(Refused {
                        position: at,
                        source: source.clone(),
                        topic: refused.topic.clone(),
                        payload: refused.payload.clone().into(),
                        reason: refused.reason,
                        detail: refused.detail.clone(),
                        time: arrival,
                    });
                }
            }
            at += 1;
        }
        Ok(at)
    }
}

enum Found {
    Here,
    Nothing,
    Gap { end: u64, losses: Vec<Loss> },
}

/// A body and its size so far.
#[derive(Default)]
struct Body {
    columns: BatchBody,
    bytes: usize,
    last: i64,
}

impl Body {
    fn positions(&self) -> u32 {
        u32::try_from(self.columns.values.len() + self.columns.refused.len()).unwrap_or(u32::MAX)
    }

    fn reading(&mut self, series: u32, reading: pantau_proto::Reading) {
        let columns = &mut self.columns;
        // Most batches have no flag at all: the column begins with the first one.
        if reading.flags.0 != 0 || !columns.flags.is_empty() {
            columns.flags.resize(columns.values.len(), 0);
            columns.flags.push(reading.flags.0.into());
        }
        columns.series.push(series);
        columns.time_deltas.push(reading.time.0.wrapping_sub(self.last));
        columns.values.push(reading.value);
        self.last = reading.time.0;
        self.bytes += 16;
    }
}

/// The index of a series, which is announced if it is new to the stream.
fn lookup(
    dictionary: &mut HashMap<Box<str>, u32>,
    key: &mut String,
    name: &str,
    unit: &str,
    body: &mut Body,
) -> Result<u32, FeedError> {
    let full: &str = if unit.is_empty() {
        name
    } else {
        key.clear();
        key.extend([name, "\n", unit]);
        key
    };
    if let Some(index) = dictionary.get(full) {
        return Ok(*index);
    }
    if dictionary.len() >= MAX_SERIES {
        return Err(FeedError::DictionaryFull);
    }
    let index = u32::try_from(dictionary.len()).map_err(|_| FeedError::DictionaryFull)?;
    dictionary.insert(full.into(), index);
    body.columns.new_series.push(Series { name: name.to_owned(), unit: unit.to_owned() });
    body.bytes += name.len() + unit.len() + 8;
    Ok(index)
}
