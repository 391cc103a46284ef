//! A bare number, `23.4`, on `<prefix>/<device>/<quantity>[/<channel>]`. The time is the arrival.

use pantau_proto::v1::Reason;

use super::{Columns, Refusal};

/// `series` is the topic after the prefix: `device/quantity[/channel]`.
pub(super) fn decode(series: &str, payload: &[u8], out: &mut Columns) -> Result<(), Refusal> {
    let value = std::str::from_utf8(payload.trim_ascii())
        .ok()
        .filter(|text| text.len() <= 64)
        .and_then(|text| text.parse::<f64>().ok())
        .ok_or_else(|| Refusal::new(Reason::BadPayload, "the payload is no number"))?;
    out.push_series(series, value)
}
