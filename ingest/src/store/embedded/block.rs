//! A block: up to [`MAX_POINTS`] readings of one series in the order of time, each time once. It stands for itself: with
//! its CRC it can be read without the file's index, so that a damaged index or a damaged neighbour costs nothing.
//!
//! ```text
//!  0 u32 CRC-32C of everything after this field up to the block's end
//!  4 u32 bytes of the whole block
//!  8 u32 series
//! 12 u16 count, 1..=4096
//! 14 u8  encoding of the times   (codec/: 1 plain i64, 4 pco of a narrow type, 5 grid and that; 0 and 2, no longer
//!                                 written: pco of i64, grid and pco of i64)
//! 15 u8  encoding of the values  (codec/: 32..=41 pco of round(v·10^k), narrow, 16 pco of f64, 17 plain f64; 0..=9, no
//!                                 longer written: pco of round(v·10^k) as i64)
//! 16 u8  encoding of the flags   (0 pco of u16, 1 plain u16, 255 none: all zero)
//! 17 u8  0
//! 18 u16 bytes of the times
//! 20 u16 bytes of the values
//! 22 times, values, flags (to the end)
//! ```
//! The summary of a block ([`Summary`]) is in the file's index, so that a query reads it without touching the block.

use super::bytes::{Cursor, Malformed};
use super::codec;
use super::point::Point;

/// Points in a block at most.
pub(crate) const MAX_POINTS: usize = 4_096;
const HEADER: usize = 22;
const NO_FLAGS: u8 = 255;

/// What a block holds, without decoding it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) series: u32,
    pub(crate) count: u32,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) sum: f64,
    pub(crate) first_value: f64,
    pub(crate) last_value: f64,
    /// Flags of the newest reading.
    pub(crate) last_flags: u16,
    /// Any flag set anywhere in the block.
    pub(crate) any_flags: bool,
}

impl Summary {
    /// Of at least one point in the order of time.
    pub(crate) fn of(series: u32, points: &[Point]) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        let mut summary = Self {
            series,
            count: u32::try_from(points.len()).ok()?,
            first: first.time,
            last: last.time,
            min: first.value,
            max: first.value,
            sum: 0.0,
            first_value: first.value,
            last_value: last.value,
            last_flags: last.flags,
            any_flags: false,
        };
        for point in points {
            summary.min = summary.min.min(point.value);
            summary.max = summary.max.max(point.value);
            summary.sum += point.value;
            summary.any_flags |= point.flags != 0;
        }
        Some(summary)
    }
}

/// Buffers that are used again from block to block.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    times: Vec<i64>,
    values: Vec<f64>,
    scaled: Vec<i64>,
    flags: Vec<u16>,
}

/// Appends a block of 1 to [`MAX_POINTS`] points (in the order of time, each time once) and returns its size in bytes.
pub(crate) fn encode(series: u32, points: &[Point], scratch: &mut Scratch, out: &mut Vec<u8>) -> usize {
    debug_assert!(!points.is_empty() && points.len() <= MAX_POINTS, "a block's size");
    let start = out.len();
    out.resize(start + HEADER, 0);
    scratch.times.clear();
    scratch.times.extend(points.iter().map(|point| point.time));
    scratch.values.clear();
    scratch.values.extend(points.iter().map(|point| point.value));
    let times = codec::put_times(out, &scratch.times, &mut scratch.scaled);
    let times_end = out.len();
    let values = codec::put_values(out, &scratch.values, &mut scratch.scaled);
    let values_end = out.len();
    let flags = if points.iter().any(|point| point.flags != 0) {
        scratch.flags.clear();
        scratch.flags.extend(points.iter().map(|point| point.flags));
        codec::put_flags(out, &scratch.flags)
    } else {
        NO_FLAGS
    };
    let len = out.len() - start;
    let header = &mut out[start..start + HEADER];
    header[4..8].copy_from_slice(&(len as u32).to_le_bytes());
    header[8..12].copy_from_slice(&series.to_le_bytes());
    header[12..14].copy_from_slice(&(points.len() as u16).to_le_bytes());
    header[14..17].copy_from_slice(&[times, values, flags]);
    header[18..20].copy_from_slice(&((times_end - start - HEADER) as u16).to_le_bytes());
    header[20..22].copy_from_slice(&((values_end - times_end) as u16).to_le_bytes());
    let crc = crc32c::crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    len
}

/// The size that the block at the start of `bytes` says it has, not yet checked by its CRC.
pub(crate) fn claimed_len(bytes: &[u8]) -> Option<usize> {
    let len = u32::from_le_bytes(*bytes.get(4..8)?.first_chunk()?) as usize;
    (len > HEADER).then_some(len)
}

/// Whether the checksum of a whole block is right.
pub(crate) fn is_sound(bytes: &[u8]) -> bool {
    bytes.split_first_chunk::<4>().is_some_and(|(crc, rest)| u32::from_le_bytes(*crc) == crc32c::crc32c(rest))
}

/// Decodes a block, checking everything that can be checked: CRC, sizes, and that times rise strictly.
pub(crate) fn decode(bytes: &[u8]) -> Result<(u32, Vec<Point>), Malformed> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u32()? != crc32c::crc32c(cursor.rest()) {
        return Err(Malformed("a block's checksum is wrong"));
    }
    if cursor.u32()? as usize != bytes.len() {
        return Err(Malformed("a block's size is wrong"));
    }
    let series = cursor.u32()?;
    let count = usize::from(cursor.u16()?);
    let (times, values, flags) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    cursor.u8()?;
    let (times_len, values_len) = (usize::from(cursor.u16()?), usize::from(cursor.u16()?));
    if count == 0 || count > MAX_POINTS {
        return Err(Malformed("a block's count is wrong"));
    }
    let times = codec::get_ints(times, cursor.take(times_len)?, count)?;
    let values = codec::get_values(values, cursor.take(values_len)?, count)?;
    if times.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Malformed("a block's times do not rise"));
    }
    let mut points: Vec<Point> =
        times.into_iter().zip(values).map(|(time, value)| Point { time, value, flags: 0 }).collect();
    if flags != NO_FLAGS {
        let flags = codec::get_flags(flags, cursor.rest(), count)?;
        points.iter_mut().zip(flags).for_each(|(point, flags)| point.flags = flags);
    } else if !cursor.rest().is_empty() {
        return Err(Malformed("bytes after a block's values"));
    }
    Ok((series, points))
}
