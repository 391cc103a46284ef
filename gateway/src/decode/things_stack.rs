//! The Things Stack v3: `v3/<application>@<tenant>/devices/<device>/up`; other events are passed over.
//!
//! - The device is `end_device_ids.device_id`.
//! - The time is the first gateway's (`uplink_message.rx_metadata[].time`), as long as it lies within an hour of the
//!   network's, else the network server's (`uplink_message.received_at`), else the application server's (`received_at`).
//! - The values are in `uplink_message.decoded_payload`, which needs a payload formatter. **Zero, false and empty fields
//!   are left out by The Things Stack**: a value of exactly 0 cannot be told from one that was not sent, so it is missing
//!   here. A formatter that must report zeros sends them with an offset or as text and a rule of `format = "json"`.
//! - `simulated` uplinks (made in the console) are refused, or taken and flagged, by the rule's `simulated`.

use pantau_proto::Flags;
use pantau_proto::v1::Reason;

use super::fields::{Fields, Reader};
use super::time;
use super::tree::{At, Tree, Value};
use super::{Columns, Message, Notes, Refusal, UNTIMED};
use crate::config::Simulated;

/// A gateway's clock further away from the network's is one that was never set.
const STRAY_MS: i64 = 3_600_000;

fn wanted(depth: usize, key: &str) -> bool {
    match depth {
        1 => matches!(key, "end_device_ids" | "uplink_message" | "received_at" | "simulated"),
        2 => matches!(
            key,
            "device_id" | "dev_eui" | "decoded_payload" | "rx_metadata" | "received_at" | "frm_payload"
        ),
        // The metadata of gateways is long; of it the time is wanted. A field of the payload is never so deep.
        4 => !matches!(
            key,
            "gateway_ids"
                | "uplink_token"
                | "location"
                | "channel_index"
                | "packet_broker"
                | "hops"
                | "gps_time"
        ),
        _ => true,
    }
}

pub(super) fn decode(
    message: Message<'_>,
    simulated: Simulated,
    fields: &Fields,
    out: &mut Columns,
    notes: &mut Notes,
) -> Result<(), Refusal> {
    if message.rest.rsplit('/').next() != Some("up") {
        return Ok(());
    }
    let tree = Tree::read(message.payload, wanted)?;
    let root = tree.root();
    let Some(uplink) = root.get("uplink_message") else {
        return Err(Refusal::new(Reason::BadPayload, "there is no uplink_message in the payload"));
    };
    let ids = root.get("end_device_ids");
    let id = |key| ids.and_then(|ids| ids.get(key)).and_then(At::text);
    let Some(device) = id("device_id").or_else(|| id("dev_eui")) else {
        return Err(Refusal::new(Reason::BadName, "there is no end_device_ids.device_id in the payload"));
    };
    let made_up = matches!(root.get("simulated").map(At::value), Some(Value::Bool(true)));
    if made_up && simulated == Simulated::Refuse {
        return Err(Refusal::new(
            Reason::BadPayload,
            "the uplink is simulated: to take such ones write simulated = \"flag\" in the rule",
        ));
    }
    let at = time_of(root, uplink, notes).map_err(|detail| Refusal::new(Reason::BadPayload, detail))?;
    let Some(values) = uplink.get("decoded_payload") else {
        if uplink.get("frm_payload").is_some() {
            return Err(Refusal::new(
                Reason::BadPayload,
                "the uplink has no decoded_payload: set a payload formatter in The Things Stack",
            ));
        }
        return Ok(());
    };
    if values.members().next().is_none() {
        return Err(Refusal::new(
            Reason::BadPayload,
            "decoded_payload is empty; The Things Stack leaves out what is zero or false, so its values cannot be known",
        ));
    }
    let mut reader = Reader::new(device, at, fields, &[], out, notes);
    if made_up {
        reader.flags = Flags::SIMULATED;
    }
    reader.tree(values, &mut Vec::new());
    reader.finish()
}

fn time_of(root: At<'_, '_>, uplink: At<'_, '_>, notes: &mut Notes) -> Result<i64, String> {
    let read = |at: At<'_, '_>| at.get("received_at").and_then(At::text).map(time::rfc3339).transpose();
    let (network, application) = (read(uplink)?, read(root)?);
    let gateways = uplink.get("rx_metadata");
    let gateway = gateways.and_then(|list| {
        let times = list.members().filter_map(|one| one.get("time")?.text());
        times.filter_map(|text| time::rfc3339(text).ok()).next()
    });
    let believed = gateway
        .filter(|time| network.or(application).is_none_or(|network| (time - network).abs() <= STRAY_MS));
    let (from, at) = match (believed, network, application) {
        (Some(time), _, _) => ("uplink_message.rx_metadata[].time", time),
        (None, Some(time), _) => ("uplink_message.received_at", time),
        (None, None, Some(time)) => ("received_at", time),
        (None, None, None) => return Ok(UNTIMED),
    };
    notes.time_from = from;
    Ok(at)
}
