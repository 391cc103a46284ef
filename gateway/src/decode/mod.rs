//! From bytes to readings: one file a payload format, chosen by topic filter.
//!
//! ```text
//! topic ─► rule (TopicFilter, Format) ─► format's file: payload ─► Columns + Notes ─► what other messages said (State)
//!                                          tree (JSON), names + fields (vendors)        behind a Batch, kept by its commit
//! ```
//! Always: reading a payload is pure (no clock, no state) and never panics; what cannot be read is named by a reason and
//! a sentence and goes on as a refused record. A payload that is readable but for some members gives its good members
//! as readings and one refusal for the others. What has to be known of other messages (uplinks that come twice,
//! births, devices online and off) is looked at and noted by a [`Batch`], and kept only when the spool has taken its messages.

mod cbor;
mod chirpstack;
mod columns;
mod devices;
mod fields;
mod filter;
mod json;
mod mapped;
mod meaning;
mod names;
mod number;
mod outbox;
mod pantau_protobuf;
mod pattern;
mod protobuf;
mod recent;
mod rules;
mod senml;
mod senml_json;
mod sparkplug;
mod tasmota;
#[cfg(test)]
mod tests;
mod text;
mod things_stack;
mod time;
mod tree;
mod zigbee2mqtt;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use columns::{Columns, UNTIMED};
#[cfg(test)]
pub(crate) use devices::Device;
pub(crate) use devices::Online;
pub(crate) use fields::check_unit;
pub(crate) use filter::TopicFilter;
pub(crate) use mapped::Mapping;
pub(crate) use outbox::Outbox;
use pantau_proto::v1::Reason;
use pantau_proto::{DeviceName, TimeMs};
pub(crate) use time::{Civil, Zone, written};

use self::devices::Devices;
use self::recent::{Recent, Uplink};
use self::rules::{How, Rule};
use crate::config::DecodeRule;
use crate::intake::types::Rights;
pub(crate) use rules::check;

/// Readings of one payload at most.
pub(crate) const MAX_READINGS: usize = 1_000;

/// Bytes of a refusal's sentence at most.
const MAX_DETAIL: usize = 500;

/// Why a payload, or a part of it, is no reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

impl Refusal {
    /// What a payload says of itself may be long: the sentence is not.
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > MAX_DETAIL {
            detail.truncate(detail.floor_char_boundary(MAX_DETAIL));
            detail.push('…');
        }
        Self { reason, detail }
    }
}

/// The rules of the configuration, ready for use, and what their messages have said so far.
#[derive(Debug)]
pub(crate) struct Decoder {
    rules: Vec<Rule>,
    state: Mutex<State>,
    outbox: Arc<Outbox>,
}

/// What is known of messages before. Gone after a restart.
#[derive(Debug, Default)]
struct State {
    uplinks: Recent,
    devices: Devices,
    edges: sparkplug::Edges,
}

/// One message for the decoders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'m> {
    topic: &'m str,
    /// The topic from the level on that names the device.
    rest: &'m str,
    /// The level of the topic that names the device.
    device: &'m str,
    payload: &'m [u8],
    arrival: TimeMs,
}

/// What a decoder finds beside readings.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Where in the payload the readings' time was; empty: nowhere.
    pub(crate) time_from: &'static str,
    /// An uplink that may come twice.
    uplink: Option<Uplink>,
    /// A device said, or was said, to be online or not.
    online: Option<(DeviceName, bool)>,
    /// Fields that were passed over; None: nobody wants to know.
    pub(crate) ignored: Option<Vec<String>>,
}

impl Notes {
    /// A device is online or not. Its name is checked, because it is kept and shown.
    fn said(&mut self, device: &str, online: bool) -> Result<(), Refusal> {
        let name =
            DeviceName::new(device).map_err(|error| Refusal::new(Reason::BadName, error.to_string()))?;
        self.online = Some((name, online));
        Ok(())
    }

    fn ignored(&mut self, path: &[&str]) {
        if let Some(ignored) = self.ignored.as_mut().filter(|ignored| ignored.len() < 100) {
            ignored.push(fields::shown(path));
        }
    }
}

impl Decoder {
    /// Rules that do not parse are left out; the configuration's check refuses them before.
    pub(crate) fn new(rules: &[DecodeRule]) -> Self {
        let rules = rules.iter().filter_map(|rule| Rule::new(rule).ok()).collect();
        Self { rules, state: Mutex::default(), outbox: Arc::default() }
    }

    /// Begins to decode messages that are taken together or not at all, of somebody who may send everything.
    pub(crate) fn batch(&self) -> Batch<'_> {
        self.batch_of(None)
    }

    /// The same for a sender who may not, unless there are no rights.
    pub(crate) fn batch_of<'d>(&'d self, rights: Option<&'d Rights>) -> Batch<'d> {
        Batch {
            decoder: self,
            rights,
            notes: Notes::default(),
            uplinks: Vec::new(),
            online: Vec::new(),
            sparkplug: None,
            repeated: 0,
        }
    }

    /// Devices that said whether they are online.
    pub(crate) fn online(&self) -> Online {
        self.state().devices.online()
    }

    /// What decoders want to say to devices.
    pub(crate) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What the lock guards is consistent after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages that are decoded together. What they say of themselves beyond readings holds within the batch at once, and
/// for all others once it is committed: a message that found no room in the spool and comes again is no repeat.
#[derive(Debug)]
pub(crate) struct Batch<'d> {
    decoder: &'d Decoder,
    /// What the sender may say.
    rights: Option<&'d Rights>,
    pub(crate) notes: Notes,
    uplinks: Vec<Uplink>,
    online: Vec<(DeviceName, bool, TimeMs)>,
    sparkplug: Option<Box<sparkplug::Staged>>,
    repeated: u64,
}

impl Batch<'_> {
    /// Appends the readings of one payload to `out`. On `Err` readings may have been appended all the same: the
    /// good members of a payload with a bad one.
    pub(crate) fn decode(
        &mut self,
        topic: &str,
        payload: &[u8],
        arrival: TimeMs,
        out: &mut Columns,
    ) -> Result<(), Refusal> {
        if let Some(rights) = self.rights.filter(|rights| !rights.topic(topic)) {
            return Err(Refusal::new(Reason::NotAllowed, rights.topic_refused(topic)));
        }
        let rules = self.decoder.rules.iter();
        let Some((matched, rule)) = rules.filter_map(|rule| Some((rule.filter.matched(topic)?, rule))).next()
        else {
            return Err(Refusal::new(
                Reason::UnknownTopic,
                "no [[decode]] rule of the gateway matches this topic",
            ));
        };
        let start = out.mark();
        let message = Message { topic, rest: matched.rest, device: matched.device, payload, arrival };
        // What one message says of itself is not the next one's.
        (self.notes.uplink, self.notes.online) = (None, None);
        let decoded = self.allowed_before(message, rule).and_then(|()| self.one(message, rule, out));
        if let Some(refusal) = self.not_allowed(start, out) {
            // Nothing of it counts: a message that speaks for others is wrong as a whole.
            out.back_to(start);
            return Err(refusal);
        }
        if out.since(start) > MAX_READINGS {
            out.back_to(start);
            return Err(Refusal::new(
                Reason::TooLarge,
                format!("more than {MAX_READINGS} readings in one payload"),
            ));
        }
        if let Some(id) = self.notes.uplink.take() {
            if self.uplinks.contains(&id) || self.decoder.state().uplinks.contains(id) {
                out.back_to(start);
                self.repeated += 1;
                return Ok(());
            }
            self.uplinks.push(id);
        }
        let said = self.sparkplug.iter_mut().flat_map(|staged| staged.online.drain(..));
        let said = self.notes.online.take().into_iter().chain(said);
        self.online.extend(said.map(|(device, online)| (device, online, arrival)));
        decoded
    }

    /// Whether what a message changes while it is read may be changed by its sender. Only Sparkplug's do: the books of an
    /// edge node are kept by the topic.
    fn allowed_before(&self, message: Message<'_>, rule: &Rule) -> Result<(), Refusal> {
        let (Some(rights), How::SparkplugB(_)) = (self.rights, &rule.how) else { return Ok(()) };
        let refused = sparkplug::speaks_for(message.topic).find(|name| !rights.device(name));
        refused.map_or(Ok(()), |name| Err(Refusal::new(Reason::NotAllowed, rights.device_refused(name))))
    }

    /// The refusal of a message that was read and speaks for a device that its sender may not speak for.
    fn not_allowed(&mut self, start: columns::Mark, out: &Columns) -> Option<Refusal> {
        let rights = self.rights?;
        let online = self.notes.online.as_ref().map(|(device, _)| device.as_str());
        let device = out.devices_since(start).chain(online).find(|device| !rights.device(device))?;
        let refusal = Refusal::new(Reason::NotAllowed, rights.device_refused(device));
        (self.notes.uplink, self.notes.online) = (None, None);
        Some(refusal)
    }

    fn one(&mut self, message: Message<'_>, rule: &Rule, out: &mut Columns) -> Result<(), Refusal> {
        let Message { rest, payload, .. } = message;
        let notes = &mut self.notes;
        match &rule.how {
            How::Pantau if rest.contains('/') => number::decode(rest, payload, out),
            How::Pantau => json::decode(rest, payload, out),
            How::PantauJson if rest.contains('/') => {
                Err(Refusal::new(Reason::BadName, "the topic has more levels than a device"))
            }
            How::PantauJson => json::decode(rest, payload, out),
            How::Number if rest.contains('/') => number::decode(rest, payload, out),
            How::Number => Err(Refusal::new(Reason::BadName, "the topic needs a device and a quantity")),
            How::PantauProtobuf => pantau_protobuf::decode(message, out, notes),
            How::SparkplugB(fields) => {
                let staged = self.sparkplug.get_or_insert_default();
                let known = |node: &str| self.decoder.state().edges.get(node);
                sparkplug::decode(message, fields, known, staged, out, notes)
            }
            How::Json(mapping) => mapped::decode(message, mapping, out, notes),
            How::SenmlJson(fields) => senml::json(message, fields, out, notes),
            How::SenmlCbor(fields) => senml::cbor(message, fields, out, notes),
            How::Tasmota(zone, fields) => tasmota::decode(message, *zone, fields, out, notes),
            How::Zigbee2Mqtt(fields) => zigbee2mqtt::decode(message, fields, out, notes),
            How::ThingsStack(simulated, fields) => {
                things_stack::decode(message, *simulated, fields, out, notes)
            }
            How::Chirpstack(fields) => chirpstack::decode(message, fields, out, notes),
        }
    }

    /// What the last message that said so said about a device.
    pub(crate) fn said_online(&self) -> Option<(String, bool)> {
        self.online.last().map(|(device, online, _)| (device.to_string(), *online))
    }

    /// The spool has taken the messages. Returns how many of them were repeats.
    pub(crate) fn commit(self) -> u64 {
        if !self.uplinks.is_empty() || !self.online.is_empty() {
            let mut state = self.decoder.state();
            self.uplinks.into_iter().for_each(|id| state.uplinks.add(id));
            for (device, online, at) in self.online {
                state.devices.set(device, online, at);
            }
        }
        if let Some(staged) = self.sparkplug {
            let mut state = self.decoder.state();
            staged.edges.into_iter().for_each(|(node, edge)| state.edges.put(node, edge));
            staged.requests.into_iter().for_each(|request| self.decoder.outbox.put(request));
        }
        self.repeated
    }

    /// Topics of the messages that a commit would send.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.sparkplug.iter().flat_map(|staged| &staged.requests);
        requests.map(|request| request.topic.clone()).collect()
    }
}
