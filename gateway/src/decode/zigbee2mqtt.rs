//! Zigbee2MQTT: `zigbee2mqtt/<friendly name>` and its `/availability`.
//!
//! ```json
//! {"temperature":27.41,"humidity":71.2,"pressure":1008,"battery":87,"voltage":2985,"linkquality":116,"last_seen":"2026-11-24T14:00:00+07:00"}
//! ```
//! - The time is `last_seen` in any of its three forms (ISO_8601, ISO_8601_local, epoch); it is off by default in
//!   Zigbee2MQTT, and then the arrival counts. Each message holds all that is known of a device: a value may be repeated
//!   with the time of another one's change.
//! - `voltage` is the battery's, in mV, where there is a `battery`, and the mains' in V elsewhere.
//! - A friendly name with other characters than a device's name has is refused: two of them could become one.

use pantau_proto::v1::Reason;

use super::fields::{Fields, Own, Reader};
use super::time::{self, Unit};
use super::tree::{At, Tree, Value};
use super::{Columns, Message, Notes, Refusal, UNTIMED};

const MAINS: Own = &[
    ("state", "switch", "{state}"),
    ("co", "carbon_monoxide", "ppm"),
    ("distance", "distance", "m"),
    ("targetdistance", "distance", "m"),
    ("windspeed", "wind_speed", "m/s"),
    ("voltage", "voltage", "V"),
];

const BATTERY: Own = &[
    ("state", "switch", "{state}"),
    ("co", "carbon_monoxide", "ppm"),
    ("distance", "distance", "m"),
    ("targetdistance", "distance", "m"),
    ("windspeed", "wind_speed", "m/s"),
    ("voltage", "battery_voltage", "mV"),
];

pub(super) fn decode(
    message: Message<'_>,
    fields: &Fields,
    out: &mut Columns,
    notes: &mut Notes,
) -> Result<(), Refusal> {
    if message.rest == "bridge" || message.rest.starts_with("bridge/") {
        return Ok(());
    }
    let (name, kind) = match message.rest.rsplit_once('/') {
        None => (message.rest, ""),
        Some((name, kind @ ("availability" | "set" | "get" | "action"))) => (name, kind),
        Some(_) => (message.rest, ""),
    };
    if name.contains('/') {
        return Err(Refusal::new(
            Reason::BadName,
            "the friendly name has a slash: rename the device in Zigbee2MQTT with letters, digits and - . _ :",
        ));
    }
    match kind {
        "" => {}
        "availability" => {
            return notes.said(name, available(message.payload)?);
        }
        _ => return Ok(()),
    }
    let tree = Tree::read(message.payload, |_, key| !matches!(key, "update" | "device" | "color"))?;
    let root = tree.root();
    if !matches!(root.value(), Value::Map) {
        return Err(Refusal::new(
            Reason::BadPayload,
            "the payload is no JSON object: set `output: json` in Zigbee2MQTT's `advanced`",
        ));
    }
    let at = time_of(root, notes).map_err(|detail| Refusal::new(Reason::BadPayload, detail))?;
    let own = if root.get("battery").is_some() { BATTERY } else { MAINS };
    let mut reader = Reader::new(name, at, fields, own, out, notes);
    for member in root.members().filter(|member| member.key() != "last_seen") {
        reader.value(member, &mut vec![member.key()]);
    }
    reader.finish()
}

/// `online`, or `{"state":"online"}`.
fn available(payload: &[u8]) -> Result<bool, Refusal> {
    let tree = match payload.trim_ascii() {
        b"online" => return Ok(true),
        b"offline" => return Ok(false),
        payload => Tree::read(payload, |_, key| key == "state")?,
    };
    match tree.root().get("state").and_then(At::text) {
        Some("online") => Ok(true),
        Some("offline") => Ok(false),
        _ => Err(Refusal::new(Reason::BadPayload, "the state is neither online nor offline")),
    }
}

fn time_of(root: At<'_, '_>, notes: &mut Notes) -> Result<i64, String> {
    let read = match root.get("last_seen").map(At::value) {
        None | Some(Value::Null) => return Ok(UNTIMED),
        Some(Value::Text(text)) => match text.parse::<i64>() {
            Ok(number) => Unit::Milliseconds.whole(number)?,
            Err(_) => time::rfc3339(text)?,
        },
        Some(Value::Whole(number)) => Unit::Milliseconds.whole(*number)?,
        Some(_) => return Err("last_seen is neither text nor whole milliseconds".into()),
    };
    notes.time_from = "last_seen";
    Ok(read)
}
