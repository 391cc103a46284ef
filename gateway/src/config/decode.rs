//! `[[decode]]`: which payloads come on which topics, and what has to be said about them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Which payloads come on which topics.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecodeRule {
    /// An MQTT topic filter, in which one level may be `{device}`.
    pub topics: String,
    /// What its payloads are.
    pub format: Format,
    /// The zone of times that say none.
    #[serde(default)]
    pub zone: Option<String>,
    /// What a format does with uplinks that were never sent by radio.
    #[serde(default)]
    pub simulated: Option<Simulated>,
    /// Fields of the payload, by path, and what they are: `quantity[/channel][ unit]`, or `-`.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// The mapping of format `json`.
    #[serde(default)]
    pub json: Option<JsonRule>,
}

impl DecodeRule {
    /// A rule that says no more than these.
    #[must_use]
    pub fn new(topics: impl Into<String>, format: Format) -> Self {
        let (topics, fields) = (topics.into(), BTreeMap::new());
        Self { topics, format, zone: None, simulated: None, fields, json: None }
    }
}

/// A payload format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON on `<prefix>/<device>`, a bare number on `<prefix>/<device>/<quantity>[/<channel>]`.
    Pantau,
    /// Only the JSON.
    PantauJson,
    /// Only the bare number.
    Number,
    /// `pantau.v1.DeviceReadings`, a protobuf message of `proto/`.
    PantauProtobuf,
    /// JSON of any shape, by [`JsonRule`].
    Json,
    /// SenML as JSON (RFC 8428).
    SenmlJson,
    /// SenML as CBOR (RFC 8428).
    SenmlCbor,
    /// Sparkplug B 3.0.
    SparkplugB,
    /// Tasmota's SENSOR, STATE and LWT.
    Tasmota,
    /// Zigbee2MQTT's devices and their availability.
    Zigbee2mqtt,
    /// Uplinks of The Things Stack v3.
    TheThingsStack,
    /// Uplinks and status of ChirpStack v4, as JSON.
    Chirpstack,
}

impl Format {
    /// All formats with their names in the configuration.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::Pantau, "pantau"),
        (Self::PantauJson, "pantau_json"),
        (Self::Number, "number"),
        (Self::PantauProtobuf, "pantau_protobuf"),
        (Self::Json, "json"),
        (Self::SparkplugB, "sparkplug_b"),
        (Self::SenmlJson, "senml_json"),
        (Self::SenmlCbor, "senml_cbor"),
        (Self::Tasmota, "tasmota"),
        (Self::Zigbee2mqtt, "zigbee2mqtt"),
        (Self::TheThingsStack, "the_things_stack"),
        (Self::Chirpstack, "chirpstack"),
    ];

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(format, _)| *format == self).map_or("", |(_, name)| name)
    }

    /// The topic filter that its devices use unless told otherwise; none where there is no such.
    #[must_use]
    pub fn usual_topics(self) -> Option<&'static str> {
        match self {
            Self::Pantau | Self::PantauJson | Self::Number => Some("pantau/#"),
            Self::Json | Self::SenmlJson | Self::SenmlCbor => None,
            Self::PantauProtobuf => Some("pantau-pb/#"),
            Self::SparkplugB => Some("spBv1.0/#"),
            Self::Tasmota => Some("tele/#"),
            Self::Zigbee2mqtt => Some("zigbee2mqtt/#"),
            Self::TheThingsStack => Some("v3/+/devices/{device}/#"),
            Self::Chirpstack => Some("application/+/device/{device}/event/+"),
        }
    }
}

/// What to do with a simulated uplink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Simulated {
    /// Refuse it.
    #[default]
    Refuse,
    /// Take its readings, flagged.
    Flag,
}

/// Where in JSON of any shape the readings are. Paths are JSON pointers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonRule {
    /// Where the device's name is; without it, it comes from the topic.
    #[serde(default)]
    pub device: Option<String>,
    /// A list whose elements are read one by one; the paths of readings then begin in an element.
    #[serde(default)]
    pub each: Option<String>,
    /// Where the time is; without it the arrival counts.
    #[serde(default)]
    pub time: Option<String>,
    /// `rfc3339` (the default), `unix_s`, `unix_ms`, `unix_us`, `unix_ns`, or a pattern such as `%d/%m/%Y %H:%M:%S`.
    #[serde(default)]
    pub time_format: Option<String>,
    /// The values.
    pub reading: Vec<JsonReading>,
}

/// One value of a payload. Quantity, channel and unit that begin with a slash are paths, too.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonReading {
    /// Where it is.
    pub value: String,
    /// What it is.
    pub quantity: String,
    /// Which of several.
    #[serde(default)]
    pub channel: Option<String>,
    /// In which unit; the catalogue's where there is none.
    #[serde(default)]
    pub unit: Option<String>,
}
