//! From bytes to readings: one file a payload format, chosen by topic filter.
//!
//! Always: decoding is pure (no clock, no state) and never panics; what cannot be read is named by a reason and a
//! sentence and goes on as a refused record. A payload that is readable but for some members gives its good
//! members as readings and one refusal for the others.

mod columns;
mod filter;
mod json;
mod number;
#[cfg(test)]
mod tests;
mod time;

pub(crate) use columns::{Columns, UNTIMED};
pub(crate) use filter::TopicFilter;
use pantau_proto::v1::Reason;

use crate::config::{DecodeRule, Format};

/// Readings of one payload at most.
pub(crate) const MAX_READINGS: usize = 1_000;

/// Why a payload, or a part of it, is no reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// The rules of the configuration, ready for use.
#[derive(Debug)]
pub(crate) struct Decoder {
    rules: Vec<(TopicFilter, Format)>,
}

impl Decoder {
    /// Rules whose filters do not parse are left out; the configuration's check refuses them before.
    pub(crate) fn new(rules: &[DecodeRule]) -> Self {
        let rules = rules
            .iter()
            .filter_map(|rule| Some((TopicFilter::parse(&rule.topics).ok()?, rule.format)))
            .collect();
        Self { rules }
    }

    /// Appends the readings of one payload to `out`. On `Err` readings may have been appended all the same: the
    /// good members of a payload with a bad one.
    pub(crate) fn decode(&self, topic: &str, payload: &[u8], out: &mut Columns) -> Result<(), Refusal> {
        let Some((rest, format)) =
            self.rules.iter().find_map(|(filter, format)| Some((filter.rest(topic)?, format)))
        else {
            return Err(Refusal::new(
                Reason::UnknownTopic,
                "no [[decode]] rule of the gateway matches this topic",
            ));
        };
        match (format, rest.contains('/')) {
            (Format::Pantau | Format::PantauJson, false) => json::decode(rest, payload, out),
            (Format::Pantau | Format::Number, true) => number::decode(rest, payload, out),
            (Format::PantauJson, true) => {
                Err(Refusal::new(Reason::BadName, "the topic has more levels than a device"))
            }
            (Format::Number, false) => {
                Err(Refusal::new(Reason::BadName, "the topic needs a device and a quantity"))
            }
        }
    }
}
