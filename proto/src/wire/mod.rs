//! Batches between their columns and the wire: protobuf inside one zstd frame.
//!
//! Always holds for a body that [`decode_batch`] returns: sizes were within the limits before memory was
//! taken for them; columns have equal lengths; readings and refused payloads together are `count`; refused
//! positions rise inside the batch; flags have 16 bits; times do not overflow. Whether a series index is in
//! the dictionary is the stream's to check.
//!
//! [`Encoder`] and [`Decoder`] hold a zstd context and buffers: keep one per stream or thread.

mod body;
mod scan;
#[cfg(test)]
mod tests;

use std::io;

use bytes::Bytes;
use prost::Message as _;

use crate::v1::{Batch, BatchBody};
pub use body::{BodyBuilder, times};

/// Most bytes of a body, uncompressed.
pub const MAX_BODY_BYTES: u32 = 4 << 20;
/// Most bytes of a message of the uplink: a body that does not compress, and its frame. To be set on both
/// ends' gRPC services.
pub const MAX_MESSAGE_BYTES: usize = (MAX_BODY_BYTES as usize) + (64 << 10);
/// Most ranges in a [`crate::v1::HelloReply`].
pub const MAX_RANGES: usize = 1024;

/// What a receiver takes. Everything is checked before memory is taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the body, uncompressed.
    pub body_bytes: u32,
    /// Most positions of a batch.
    pub positions: u32,
    /// Most new series in a batch.
    pub new_series: u32,
    /// Most losses in a batch.
    pub losses: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: MAX_BODY_BYTES, positions: 1 << 18, new_series: 1 << 16, losses: 1 << 10 }
    }
}

/// Why a batch is refused. All but [`WireError::Zstd`] and [`WireError::Protobuf`] say which rule is broken.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// More of something than the receiver takes.
    #[error("{count} {what}, at most {max} are taken")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: u64,
        /// How many there may be.
        max: u64,
    },
    /// The batch reaches beyond the last position.
    #[error("positions from {first}, {count} of them, overflow")]
    Positions {
        /// The batch's first.
        first: u64,
        /// The batch's count.
        count: u32,
    },
    /// The frame is not zstd, or longer than it says.
    #[error("not a zstd frame of {body_bytes} bytes: {source}")]
    Zstd {
        /// Its size as the batch has it.
        body_bytes: u32,
        /// What zstd says.
        source: io::Error,
    },
    /// The frame has another size than it says.
    #[error("the body has {found} bytes, the batch says {body_bytes}")]
    BodyBytes {
        /// Its size.
        found: usize,
        /// Its size as the batch has it.
        body_bytes: u32,
    },
    /// Not a protobuf message of this schema.
    #[error("not a batch body: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// A column is shorter or longer than the others.
    #[error("column {column} has {found} entries for {readings} readings")]
    Column {
        /// Its name.
        column: &'static str,
        /// Its length.
        found: usize,
        /// The length of the values.
        readings: usize,
    },
    /// Readings and refused payloads are not as many as the batch has positions.
    #[error("{readings} readings and {refused} refused payloads for {count} positions")]
    Count {
        /// Readings in the body.
        readings: usize,
        /// Refused payloads in the body.
        refused: usize,
        /// The batch's count.
        count: u32,
    },
    /// A refused payload's position is outside of the batch or does not rise.
    #[error("refused position {0} is outside of its batch or out of order")]
    RefusedPosition(u64),
    /// A loss has no positions.
    #[error("the loss [{start}, {end}) has no positions")]
    LossRange {
        /// Its start.
        start: u64,
        /// Its end.
        end: u64,
    },
    /// More than 16 bits.
    #[error("flags {0:#x} have more than 16 bits")]
    Flags(u32),
    /// The sum of the time deltas does not fit.
    #[error("time deltas overflow")]
    Time,
}

/// Turns bodies into batches. Holds a zstd context and its buffers.
pub struct Encoder {
    zstd: zstd::bulk::Compressor<'static>,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl Encoder {
    /// `level` is zstd's: 1 is fast, 3 its default.
    ///
    /// # Errors
    /// When zstd has no memory for a context.
    pub fn new(level: i32) -> io::Result<Self> {
        Ok(Self { zstd: zstd::bulk::Compressor::new(level)?, plain: Vec::new(), packed: Vec::new() })
    }

    /// The batch that carries `body` at the positions [first, first + count).
    ///
    /// # Errors
    /// [`WireError::TooMany`] when the body is larger than [`MAX_BODY_BYTES`]: cut it in two.
    pub fn encode(&mut self, body: &BatchBody, first: u64, count: u32) -> Result<Batch, WireError> {
        let len = body.encoded_len();
        let body_bytes = u32::try_from(len).ok().filter(|bytes| *bytes <= MAX_BODY_BYTES);
        let Some(body_bytes) = body_bytes else {
            return Err(too_many("bytes of body", len as u64, MAX_BODY_BYTES));
        };
        self.plain.clear();
        self.plain.reserve(len);
        body.encode_raw(&mut self.plain);
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(len));
        self.zstd
            .compress_to_buffer(&self.plain, &mut self.packed)
            .map_err(|source| WireError::Zstd { body_bytes, source })?;
        // An exact copy: a batch may wait in the window long, and the bound is generous.
        Ok(Batch { first, count, body_bytes, body: Bytes::copy_from_slice(&self.packed) })
    }
}

/// Turns batches into checked bodies. Holds a zstd context.
pub struct Decoder {
    zstd: zstd::bulk::Decompressor<'static>,
    limits: Limits,
}

impl Decoder {
    /// # Errors
    /// When zstd has no memory for a context.
    pub fn new(limits: Limits) -> io::Result<Self> {
        Ok(Self { zstd: zstd::bulk::Decompressor::new()?, limits })
    }

    /// The checked body of a batch. Refused payloads share one buffer with each other.
    ///
    /// # Errors
    /// The first rule that the batch breaks. Takes no more memory than the limits allow, whatever comes.
    pub fn decode(&mut self, batch: &Batch) -> Result<BatchBody, WireError> {
        let Limits { body_bytes: max, positions, .. } = self.limits;
        let &Batch { first, count, body_bytes, .. } = batch;
        if body_bytes > max {
            return Err(too_many("bytes of body", body_bytes.into(), max));
        }
        if count > positions {
            return Err(too_many("positions", count.into(), positions));
        }
        if first.checked_add(count.into()).is_none() {
            return Err(WireError::Positions { first, count });
        }
        // Takes body_bytes at most; a longer frame is an error of zstd's.
        let plain = self
            .zstd
            .decompress(&batch.body, body_bytes as usize)
            .map_err(|source| WireError::Zstd { body_bytes, source })?;
        if plain.len() != body_bytes as usize {
            return Err(WireError::BodyBytes { found: plain.len(), body_bytes });
        }
        scan::check(&plain, &self.limits)?;
        let body = BatchBody::decode(Bytes::from(plain))?;
        body::check(&body, first, count)?;
        Ok(body)
    }
}

/// [`Encoder::encode`] with a context for once.
///
/// # Errors
/// As [`Encoder::encode`] and [`Encoder::new`].
pub fn encode_batch(body: &BatchBody, first: u64, count: u32, level: i32) -> Result<Batch, WireError> {
    let mut encoder = Encoder::new(level).map_err(|source| WireError::Zstd { body_bytes: 0, source })?;
    encoder.encode(body, first, count)
}

/// [`Decoder::decode`] with a context for once.
///
/// # Errors
/// As [`Decoder::decode`] and [`Decoder::new`].
pub fn decode_batch(batch: &Batch, limits: Limits) -> Result<BatchBody, WireError> {
    let mut decoder =
        Decoder::new(limits).map_err(|source| WireError::Zstd { body_bytes: batch.body_bytes, source })?;
    decoder.decode(batch)
}

fn too_many(what: &'static str, count: u64, max: u32) -> WireError {
    WireError::TooMany { what, count, max: max.into() }
}
