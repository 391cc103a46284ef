//! A rule of the configuration as the decoders want it, and what can be wrong with one.

use super::fields::{Fields, Target};
use super::{Mapping, TopicFilter, Zone};
use crate::config::{DecodeRule, Format, Simulated};

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) filter: TopicFilter,
    pub(super) how: How,
}

/// A format with what its rule says of it.
#[derive(Debug)]
pub(super) enum How {
    Pantau,
    PantauJson,
    Number,
    PantauProtobuf,
    Json(Box<Mapping>),
    SparkplugB(Fields),
    SenmlJson(Fields),
    SenmlCbor(Fields),
    Tasmota(Zone, Fields),
    Zigbee2Mqtt(Fields),
    ThingsStack(Simulated, Fields),
    Chirpstack(Fields),
}

/// What is wrong with a rule: the key within it, what, and the mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) key: String,
    pub(crate) what: String,
    pub(crate) mend: String,
}

impl Wrong {
    pub(super) fn new(key: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into(), mend: mend.into() }
    }
}

impl Rule {
    pub(super) fn new(rule: &DecodeRule) -> Result<Self, Wrong> {
        let filter = TopicFilter::parse(&rule.topics)
            .map_err(|what| Wrong::new("topics", what, "write an MQTT topic filter such as \"pantau/#\""))?;
        fits(rule)?;
        for (path, target) in &rule.fields {
            Target::parse(target).map_err(|what| {
                Wrong::new(
                    format!("fields.{path}"),
                    what,
                    "write \"quantity\", \"quantity/channel\", either with a unit after a blank, or \"-\" to leave the field out",
                )
            })?;
        }
        let zone = rule.zone.as_deref().map(Zone::parse).transpose().map_err(|what| {
            Wrong::new("zone", what, "write +07:00, UTC, WIB, WITA, WIT or Asia/Jakarta, Makassar, Jayapura")
        })?;
        let fields = || Fields::new(&rule.fields);
        let how = match rule.format {
            Format::Pantau => How::Pantau,
            Format::PantauJson => How::PantauJson,
            Format::Number => How::Number,
            Format::Json => How::Json(Box::new(Mapping::new(rule, zone)?)),
            Format::PantauProtobuf => How::PantauProtobuf,
            Format::SparkplugB => How::SparkplugB(fields()),
            Format::SenmlJson => How::SenmlJson(fields()),
            Format::SenmlCbor => How::SenmlCbor(fields()),
            Format::Tasmota => How::Tasmota(zone.unwrap_or(Zone::WIB), fields()),
            Format::Zigbee2mqtt => How::Zigbee2Mqtt(fields()),
            Format::TheThingsStack => How::ThingsStack(rule.simulated.unwrap_or_default(), fields()),
            Format::Chirpstack => How::Chirpstack(fields()),
        };
        Ok(Self { filter, how })
    }
}

/// A rule is no place for what its format does not ask.
fn fits(rule: &DecodeRule) -> Result<(), Wrong> {
    let format = rule.format;
    let own = matches!(
        format,
        Format::Pantau | Format::PantauJson | Format::PantauProtobuf | Format::Number | Format::Json
    );
    let unfit = [
        ("fields", !rule.fields.is_empty() && own, "the formats whose fields others name"),
        (
            "zone",
            rule.zone.is_some() && !matches!(format, Format::Json | Format::Tasmota),
            "json and tasmota",
        ),
        ("simulated", rule.simulated.is_some() && format != Format::TheThingsStack, "the_things_stack"),
        ("json", rule.json.is_some() && format != Format::Json, "json"),
    ];
    match unfit.into_iter().find(|(_, unfit, _)| *unfit) {
        Some((key, _, formats)) => Err(Wrong::new(
            key,
            format!("belongs to {formats}, not to format {:?}", format.name()),
            "take it away, or set another format",
        )),
        None => Ok(()),
    }
}

/// The first thing that is wrong with a rule.
pub(crate) fn check(rule: &DecodeRule) -> Result<(), Wrong> {
    Rule::new(rule).map(drop)
}
