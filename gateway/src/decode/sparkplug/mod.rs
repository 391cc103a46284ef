//! Sparkplug B 3.0: `spBv1.0/<group>/<type>/<edge node>[/<device>]`.
//!
//! ```text
//!            NBIRTH: names, aliases, seq, bdSeq            data: alias ─► name, datatype
//! unknown ──────────────────────────────────────► alive ──────────────────────────────► readings
//!    │ data                                         │ seq gap, unknown alias
//!    └────────────► rebirth request ◄───────────────┘          NDEATH with the birth's bdSeq: offline, forgotten
//! ```
//! - The device of a reading is the topic's device, or the edge node for its own metrics. Quantities are found by the
//!   last part of a metric's name (`Inputs/Temperature`), what stands before it is the channel.
//! - The time is the metric's, else the payload's. `is_historical` becomes the flag `late`, a `Quality` other than 192
//!   `bad_quality`. The property `engUnit` is believed; one that is no unit of the quantity makes the metric unknown.
//! - What a message says in clear is taken, whatever is missing before it; an unknown alias is refused, and both it and
//!   a gap in seq ask for a rebirth. A death of another bdSeq is an older will and changes nothing.

mod edges;
mod payload;

use std::sync::Arc;

use hashbrown::HashMap;
use pantau_proto::v1::Reason;
use pantau_proto::{DeviceName, TimeMs};

use self::edges::{Born, MAX_NAME};
pub(super) use self::edges::{Edge, Edges};
use self::payload::{Metric, Payload, Raw};
use super::fields::{Fields, Reader};
use super::outbox::Request;
use super::time::Unit;
use super::{Columns, Message, Notes, Refusal, UNTIMED};

const NAMESPACE: &str = "spBv1.0";
const OTHER: &str = "a Sparkplug topic is spBv1.0/<group>/<type>/<edge node>[/<device>]";

/// What messages changed that are not yet in the spool.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) edges: HashMap<Box<str>, Edge>,
    pub(super) requests: Vec<Request>,
    pub(super) online: Vec<(DeviceName, bool)>,
}

impl Staged {
    /// What has no device's name has no readings either, and is not followed.
    fn said(&mut self, device: &str, online: bool) {
        self.online.extend(DeviceName::new(device).ok().map(|device| (device, online)));
    }
}

/// The parts of a topic.
#[derive(Clone, Copy)]
struct Topic<'t> {
    group: &'t str,
    kind: &'t str,
    node: &'t str,
    device: Option<&'t str>,
}

/// The edge node and the device that a message on a topic speaks for: it changes what is known of both.
pub(super) fn speaks_for(topic: &str) -> impl Iterator<Item = &str> {
    // A host's STATE is about no node.
    let levels = if topic.split('/').nth(1) == Some("STATE") { 0 } else { 2 };
    topic.split('/').skip(3).take(levels)
}

pub(super) fn decode(
    message: Message<'_>,
    fields: &Fields,
    known: impl FnOnce(&str) -> Option<Edge>,
    staged: &mut Staged,
    out: &mut Columns,
    notes: &mut Notes,
) -> Result<(), Refusal> {
    let other = || Refusal::new(Reason::BadName, OTHER);
    let mut parts = message.topic.split('/');
    let head = (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next());
    let topic = match head {
        (Some(NAMESPACE), Some("STATE"), ..) => return Ok(()),
        (Some(NAMESPACE), Some(group), Some(kind), Some(node), device, None) => {
            Topic { group, kind, node, device }
        }
        _ => return Err(other()),
    };
    if matches!(topic.kind, "NCMD" | "DCMD") {
        return Ok(());
    }
    let of_device = matches!(topic.kind, "DBIRTH" | "DDATA" | "DDEATH");
    if of_device != topic.device.is_some()
        || !of_device && !matches!(topic.kind, "NBIRTH" | "NDATA" | "NDEATH")
    {
        return Err(other());
    }
    if [topic.group, topic.node, topic.device.unwrap_or("")].iter().any(|name| name.len() > MAX_NAME) {
        let what = format!("a group, edge node or device has a name of more than {MAX_NAME} bytes");
        return Err(Refusal::new(Reason::BadName, what));
    }
    let payload = payload::read(message.payload)?;
    let key = format!("{}/{}", topic.group, topic.node);
    let mut edge = match staged.edges.remove(key.as_str()) {
        Some(edge) => edge,
        None => known(&key).unwrap_or_default(),
    };
    let step = step(topic, &payload, &mut edge, staged);
    let mut rebirth = step.rebirth;
    let read = match topic.kind {
        "NDEATH" | "DDEATH" => Ok(()),
        _ => metrics(topic, &payload, &edge, fields, out, notes, &mut rebirth),
    };
    if edge.ask(rebirth, message.arrival) {
        staged.requests.push(request(topic, message.arrival));
    }
    staged.edges.insert(key.into(), edge);
    match (step.refusal, read) {
        (Some(refusal), Ok(())) => Err(refusal),
        (_, read) => read,
    }
}

#[derive(Default)]
struct Step {
    rebirth: bool,
    refusal: Option<Refusal>,
}

/// What a message changes of its edge node.
fn step(topic: Topic<'_>, payload: &Payload<'_>, edge: &mut Edge, staged: &mut Staged) -> Step {
    let mut step = Step::default();
    let bd_seq = || {
        let metric = payload.metrics.iter().find(|metric| metric.name == "bdSeq")?;
        if let Raw::Bits(bits) = metric.raw { Some(bits) } else { None }
    };
    let seq = payload.seq.and_then(|seq| u8::try_from(seq).ok());
    match topic.kind {
        "NDEATH" => {
            // An older will, delivered late, is no death of the session that lives.
            if edge.alive && bd_seq() != edge.bd_seq {
                return step;
            }
            staged.said(topic.node, false);
            edge.devices.iter().for_each(|device| staged.said(device, false));
            *edge = Edge { asked: edge.asked, ..Edge::default() };
            return step;
        }
        "NBIRTH" => {
            // A node whose sequence is always wrong is not to be asked for one birth after the other.
            *edge = Edge { alive: true, bd_seq: bd_seq(), seq, asked: edge.asked, ..Edge::default() };
            staged.said(topic.node, true);
            step.refusal = names("", payload, edge);
            return step;
        }
        _ => {}
    }
    let expected = edge.seq.map(|last| last.wrapping_add(1));
    step.rebirth = !edge.alive || seq.is_none() || seq != expected;
    edge.seq = seq;
    let device = topic.device.unwrap_or("");
    match topic.kind {
        "DBIRTH" => {
            staged.said(device, true);
            if !edge.devices.iter().any(|known| **known == *device)
                && edge.devices.len() < payload::MAX_METRICS
            {
                Arc::make_mut(&mut edge.devices).push(device.into());
            }
            step.refusal = names(device, payload, edge);
        }
        "DDEATH" => staged.said(device, false),
        _ => {}
    }
    step
}

/// Keeps what a birth says of its metrics' aliases.
fn names(device: &str, payload: &Payload<'_>, edge: &mut Edge) -> Option<Refusal> {
    let with_alias = || payload.metrics.iter().filter_map(|metric| Some((metric.alias?, metric)));
    with_alias().next()?;
    let aliases = Arc::make_mut(&mut edge.aliases);
    aliases.retain(|_, born| *born.device != *device);
    let mut refusal = None;
    for (alias, metric) in with_alias() {
        if metric.name.len() > MAX_NAME
            || metric.unit.len() > MAX_NAME
            || aliases.len() >= payload::MAX_METRICS
        {
            refusal = Some(Refusal::new(
                Reason::TooLarge,
                format!(
                    "a name of more than {MAX_NAME} bytes, or more than {} aliases of one edge node: what comes by them will be refused",
                    payload::MAX_METRICS
                ),
            ));
            continue;
        }
        let born = Born {
            name: metric.name.into(),
            datatype: metric.datatype,
            device: device.into(),
            unit: metric.unit.into(),
        };
        aliases.insert(alias, born);
    }
    refusal
}

fn metrics(
    topic: Topic<'_>,
    payload: &Payload<'_>,
    edge: &Edge,
    fields: &Fields,
    out: &mut Columns,
    notes: &mut Notes,
    rebirth: &mut bool,
) -> Result<(), Refusal> {
    let device = topic.device.unwrap_or(topic.node);
    let mut timed = "";
    let mut reader = Reader::new(device, UNTIMED, fields, &[], out, notes);
    for metric in &payload.metrics {
        let known = metric.alias.and_then(|alias| edge.aliases.get(&alias));
        let name = match known {
            _ if !metric.name.is_empty() => metric.name,
            Some(born) => &born.name,
            None => {
                *rebirth = true;
                let alias = metric.alias.map_or("none".to_owned(), |alias| alias.to_string());
                reader.refuse(Refusal::new(
                    Reason::BadPayload,
                    format!("alias {alias} is not known, as its birth was not seen: a rebirth is asked for"),
                ));
                continue;
            }
        };
        let (at, from) = match (metric.timestamp, payload.timestamp) {
            (0, 0) => (None, ""),
            (0, at) => (Some(at), "the payload's timestamp"),
            (at, _) => (Some(at), "the metric's timestamp"),
        };
        reader.time = match at.map(|at| Unit::Milliseconds.whole(i64::try_from(at).unwrap_or(i64::MAX))) {
            None => UNTIMED,
            Some(Ok(at)) => at,
            Some(Err(what)) => {
                let name: String = name.chars().take(64).collect();
                reader.refuse(Refusal::new(Reason::BadPayload, format!("{name}: {what}")));
                continue;
            }
        };
        timed = if from.is_empty() { timed } else { from };
        one(metric, name, known, &mut reader);
    }
    let done = reader.finish();
    notes.time_from = timed;
    done
}

fn one(metric: &Metric<'_>, name: &str, born: Option<&Born>, reader: &mut Reader<'_>) {
    let control = ["Node Control/", "Device Control/", "Node Info/", "Properties/"];
    if metric.null || name == "bdSeq" || control.iter().any(|start| name.starts_with(start)) {
        return reader.passed_over();
    }
    let mut path = [""; 4];
    let mut length = 0;
    for (part, place) in name.split('/').zip(&mut path) {
        *place = part;
        length += 1;
    }
    let path = if name.split('/').count() > 4 { &[name][..] } else { &path[..length] };
    reader.flags = metric.flags;
    let datatype = metric.datatype.or(born.and_then(|born| born.datatype));
    let unit = if metric.unit.is_empty() { born.map_or("", |born| &born.unit) } else { metric.unit };
    match (metric.raw, metric.raw.number(datatype)) {
        (Raw::Bool(on), _) => reader.switch(path, on),
        (_, Some(number)) => reader.number(path, number, unit),
        _ => reader.passed_over(),
    }
}

/// An NCMD that asks the edge node to say its births again. Commands carry no seq.
fn request(topic: Topic<'_>, now: TimeMs) -> Request {
    const NAME: &[u8] = b"Node Control/Rebirth";
    let mut metric = vec![0x0a, 20];
    metric.extend(NAME);
    // datatype = Boolean, boolean_value = true
    metric.extend([0x20, 11, 0x70, 1]);
    let mut payload = vec![0x08];
    let mut left = u64::try_from(now.0).unwrap_or(0);
    while left >= 0x80 {
        payload.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    payload.push((left & 0x7f) as u8);
    payload.extend([0x12, 26]);
    payload.extend(metric);
    Request { topic: format!("{NAMESPACE}/{}/NCMD/{}", topic.group, topic.node), payload }
}
