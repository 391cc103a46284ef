//! One [`Commit`] as one journal record: the unit of atomicity. Columns are plain little-endian arrays, because the
//! record is written once, usually never read again, and the writer's time is what counts (18–20 bytes a reading).
//!
//! ```text
//! u16 version = 1 or 2   text gateway            u64 epoch        i64 received_ms
//! u64 reported_next + 1 (0 = not given)          u64 skipped
//! u32 n, n × (u64 start, u64 end)                committed ranges
//! u32 n, n × (u32 id, text name, text gateway)   new series
//! u32 n, n × u32 series, n × i64 time, n × f64 value
//! u8 any flags (0|1), if 1: n × u16 flags
//! u32 n, n × (u64 position, i32 reason, i64 time, text source, text topic, text detail, blob payload)
//! u32 n, n × (u64 start, u64 end, i64 first_time, i64 last_time, u64 count, i32 reason, text detail)
//! version 2 only: u64 readings kept elsewhere, u64 of them late
//! ```
//! Version 2 is written only for commits whose readings a remote database keeps, so that the embedded engine's journal
//! stays readable by what wrote version 1. `text` is a u16 length and UTF-8, `blob` a u32 length and bytes. The journal adds length and CRC-32C.

use pantau_proto::{Epoch, GatewayId};

use super::bytes::{self, Cursor, Malformed};
use crate::store::types::{Columns, Commit, Elsewhere, Loss, NewSeries, Refused, SeriesId};

const VERSION: u16 = 1;
const WITH_ELSEWHERE: u16 = 2;

/// Appends the record of `commit` to `out`.
pub(crate) fn encode(commit: &Commit, out: &mut Vec<u8>) {
    out.reserve(256 + commit.readings.len() * 22);
    let elsewhere = commit.elsewhere != Elsewhere::default();
    let version = if elsewhere { WITH_ELSEWHERE } else { VERSION };
    out.extend_from_slice(&version.to_le_bytes());
    bytes::put_text(out, commit.gateway.as_str());
    out.extend_from_slice(&commit.epoch.0.to_le_bytes());
    out.extend_from_slice(&commit.received_ms.to_le_bytes());
    out.extend_from_slice(&commit.reported_next.map_or(0, |next| next.saturating_add(1)).to_le_bytes());
    out.extend_from_slice(&commit.skipped.to_le_bytes());
    bytes::put_len(out, commit.ranges.len());
    for range in &commit.ranges {
        out.extend_from_slice(&range.start.to_le_bytes());
        out.extend_from_slice(&range.end.to_le_bytes());
    }
    bytes::put_len(out, commit.new_series.len());
    for series in &commit.new_series {
        put_series(out, series);
    }
    put_columns(out, &commit.readings);
    bytes::put_len(out, commit.refused.len());
    for refused in &commit.refused {
        out.extend_from_slice(&refused.position.to_le_bytes());
        out.extend_from_slice(&refused.reason.to_le_bytes());
        out.extend_from_slice(&refused.time.to_le_bytes());
        bytes::put_text(out, &refused.source);
        bytes::put_text(out, &refused.topic);
        bytes::put_text(out, &refused.detail);
        bytes::put_blob(out, &refused.payload);
    }
    bytes::put_len(out, commit.losses.len());
    for loss in &commit.losses {
        out.extend_from_slice(&loss.start.to_le_bytes());
        out.extend_from_slice(&loss.end.to_le_bytes());
        out.extend_from_slice(&loss.first_time.to_le_bytes());
        out.extend_from_slice(&loss.last_time.to_le_bytes());
        out.extend_from_slice(&loss.count.to_le_bytes());
        out.extend_from_slice(&loss.reason.to_le_bytes());
        bytes::put_text(out, &loss.detail);
    }
    if elsewhere {
        bytes::put_u64s(out, [commit.elsewhere.readings, commit.elsewhere.late]);
    }
}

/// Reads a record back. Damage that the journal's CRC cannot see (a version from the future) is an error, never a panic.
pub(crate) fn decode(record: &[u8]) -> Result<Commit, Malformed> {
    let mut cursor = Cursor::new(record);
    let version = cursor.u16()?;
    if version != VERSION && version != WITH_ELSEWHERE {
        return Err(Malformed("a journal record of another version"));
    }
    let gateway = parse_gateway(cursor.text()?)?;
    let mut commit = Commit::new(gateway, Epoch(cursor.u64()?), cursor.i64()?);
    commit.reported_next = cursor.u64()?.checked_sub(1);
    commit.skipped = cursor.u64()?;
    for _ in 0..cursor.count(16)? {
        commit.ranges.push(cursor.u64()?..cursor.u64()?);
    }
    for _ in 0..cursor.count(8)? {
        commit.new_series.push(get_series(&mut cursor)?);
    }
    commit.readings = get_columns(&mut cursor)?;
    for _ in 0..cursor.count(30)? {
        commit.refused.push(Refused {
            position: cursor.u64()?,
            reason: cursor.i32()?,
            time: cursor.i64()?,
            source: cursor.text()?.to_owned(),
            topic: cursor.text()?.to_owned(),
            detail: cursor.text()?.to_owned(),
            payload: cursor.blob()?.to_vec(),
        });
    }
    for _ in 0..cursor.count(46)? {
        commit.losses.push(Loss {
            start: cursor.u64()?,
            end: cursor.u64()?,
            first_time: cursor.i64()?,
            last_time: cursor.i64()?,
            count: cursor.u64()?,
            reason: cursor.i32()?,
            detail: cursor.text()?.to_owned(),
        });
    }
    if version == WITH_ELSEWHERE {
        commit.elsewhere = Elsewhere { readings: cursor.u64()?, late: cursor.u64()? };
    }
    if cursor.is_empty() { Ok(commit) } else { Err(Malformed("bytes after the end of a record")) }
}

fn put_columns(out: &mut Vec<u8>, readings: &Columns) {
    bytes::put_len(out, readings.len());
    bytes::put_u32s(out, readings.series.iter().map(|series| series.0));
    bytes::put_i64s(out, readings.times.iter().copied());
    bytes::put_f64s(out, readings.values.iter().copied());
    out.push(u8::from(!readings.flags.is_empty()));
    bytes::put_u16s(out, readings.flags.iter().copied());
}

fn get_columns(cursor: &mut Cursor<'_>) -> Result<Columns, Malformed> {
    let count = cursor.count(20)?;
    Ok(Columns {
        series: bytes::get_u32s(cursor, count)?.map(SeriesId).collect(),
        times: bytes::get_i64s(cursor, count)?.collect(),
        values: bytes::get_f64s(cursor, count)?.collect(),
        flags: match cursor.u8()? {
            0 => Vec::new(),
            _ => bytes::get_u16s(cursor, count)?.collect(),
        },
    })
}

/// A series as in a record and in the series log.
pub(crate) fn put_series(out: &mut Vec<u8>, series: &NewSeries) {
    out.extend_from_slice(&series.id.0.to_le_bytes());
    bytes::put_text(out, &series.name);
    bytes::put_text(out, series.gateway.as_str());
}

/// The counterpart of [`put_series`].
pub(crate) fn get_series(cursor: &mut Cursor<'_>) -> Result<NewSeries, Malformed> {
    Ok(NewSeries {
        id: SeriesId(cursor.u32()?),
        name: cursor.text()?.into(),
        gateway: parse_gateway(cursor.text()?)?,
    })
}

/// A gateway's name, checked again: what is on disk may be damaged.
pub(crate) fn parse_gateway(text: &str) -> Result<GatewayId, Malformed> {
    GatewayId::new(text).map_err(|_| Malformed("a gateway's name breaks its rules"))
}
