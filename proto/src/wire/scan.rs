//! Counts the messages of a body before they are decoded. An empty message takes two bytes on the wire and
//! a hundred in memory: without this, 4 MiB could become hundreds. Columns are packed, so that a body has
//! few fields at its top level and the scan costs next to nothing.

use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::{Limits, WireError, too_many};

const NEW_SERIES: u32 = 1;
const REFUSED: u32 = 6;
const LOSSES: u32 = 7;

/// Whether the body has no more messages than the limits allow.
pub(super) fn check(mut body: &[u8], limits: &Limits) -> Result<(), WireError> {
    let [mut series, mut refused, mut losses] = [0_u64; 3];
    while !body.is_empty() {
        let (field, wire_type) = decode_key(&mut body)?;
        match field {
            NEW_SERIES => series += 1,
            REFUSED => refused += 1,
            LOSSES => losses += 1,
            _ => {}
        }
        skip(field, wire_type, &mut body)?;
    }
    for (what, count, max) in [
        ("new series", series, limits.new_series),
        ("refused payloads", refused, limits.positions),
        ("losses", losses, limits.losses),
    ] {
        if count > u64::from(max) {
            return Err(too_many(what, count, max));
        }
    }
    Ok(())
}

fn skip(field: u32, wire_type: WireType, body: &mut &[u8]) -> Result<(), DecodeError> {
    if wire_type != WireType::LengthDelimited {
        return skip_field(wire_type, field, body, DecodeContext::default());
    }
    let len = decode_varint(body)?;
    // A field that reaches beyond the end ends the scan; the decoder names the error.
    *body = usize::try_from(len).ok().and_then(|len| body.get(len..)).unwrap_or_default();
    Ok(())
}
