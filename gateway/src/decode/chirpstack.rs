//! ChirpStack v4, JSON: `application/<id>/device/<devEui>/event/up` and `…/event/status`; other events are passed over.
//!
//! - The device is `deviceInfo.devEui`, the time is `time` (the gateway's or network's).
//! - The values are in `object`, which needs a codec in the device profile. `status` gives the battery.
//! - The same uplink can come twice: `deduplicationId` and the device name it, and it is taken once (see [`super::recent`]
//!   for what holds after a restart). The id alone does not: it is that of the radio frame, which a status shares with the
//!   readings that came beside it, and a relay with the device behind it.

use pantau_proto::v1::Reason;

use super::fields::{Fields, Reader};
use super::time;
use super::tree::{At, Tree, Value};
use super::{Columns, Message, Notes, Refusal, UNTIMED};

fn wanted(depth: usize, key: &str) -> bool {
    match depth {
        1 => matches!(
            key,
            "deduplicationId"
                | "time"
                | "deviceInfo"
                | "object"
                | "data"
                | "batteryLevel"
                | "batteryLevelUnavailable"
                | "externalPowerSource"
        ),
        2 => !matches!(key, "tags" | "tenantName" | "applicationName" | "deviceProfileName"),
        _ => true,
    }
}

pub(super) fn decode(
    message: Message<'_>,
    fields: &Fields,
    out: &mut Columns,
    notes: &mut Notes,
) -> Result<(), Refusal> {
    let event = message.rest.rsplit('/').next().unwrap_or("");
    if !matches!(event, "up" | "status") {
        return Ok(());
    }
    let tree = Tree::read(message.payload, wanted)?;
    let root = tree.root();
    let Some(device) = root.get("deviceInfo").and_then(|info| info.get("devEui")).and_then(At::text) else {
        return Err(Refusal::new(
            Reason::BadName,
            "there is no deviceInfo.devEui in the payload: the format is ChirpStack v4's JSON",
        ));
    };
    let at = match root.get("time").map(At::value) {
        None | Some(Value::Null) => UNTIMED,
        Some(Value::Text(text)) => {
            notes.time_from = "time";
            time::rfc3339(text).map_err(|detail| Refusal::new(Reason::BadPayload, detail))?
        }
        Some(_) => return Err(Refusal::new(Reason::BadPayload, "the time is no text")),
    };
    if event == "up" {
        let frame = root.get("deduplicationId").and_then(At::text).and_then(id);
        notes.uplink = frame.zip(u64::from_str_radix(device, 16).ok());
    }
    let mut reader = Reader::new(device, at, fields, &[], out, notes);
    if event == "status" {
        reader.passed_over();
        let flag = |key| matches!(root.get(key).map(At::value), Some(Value::Bool(true)));
        let battery = root.get("batteryLevel").and_then(At::number);
        if let Some(battery) =
            battery.filter(|_| !flag("batteryLevelUnavailable") && !flag("externalPowerSource"))
        {
            reader.push("battery", "", "%", battery);
        }
        return reader.finish();
    }
    match root.get("object") {
        Some(values) if matches!(values.value(), Value::Map) => {
            reader.tree(values, &mut Vec::new());
            reader.finish()
        }
        _ if root.get("data").and_then(At::text).is_some_and(|data| !data.is_empty()) => Err(Refusal::new(
            Reason::BadPayload,
            "the uplink has no object: set a codec in the device profile of ChirpStack",
        )),
        _ => Ok(()),
    }
}

/// A UUID, with its hyphens or without.
fn id(text: &str) -> Option<u128> {
    let mut digits = 0;
    let mut id = 0_u128;
    for letter in text.chars().filter(|letter| *letter != '-') {
        id = id << 4 | u128::from(letter.to_digit(16)?);
        digits += 1;
        if digits > 32 {
            return None;
        }
    }
    (digits == 32).then_some(id)
}
