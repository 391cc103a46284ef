//! Ids and points in time as people write them.

use pantau_proto::{DeviceName, GatewayId, TimeMs};
use pantau_settings::wrong;
use serde::{Deserialize, Deserializer};

pub(super) fn gateway_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GatewayId, D::Error> {
    let text = String::deserialize(deserializer)?;
    let mend = "use 1 to 64 letters, digits and . _ : - , starting with a letter or digit";
    text.parse().map_err(|error| wrong(format_args!("{text:?} is no gateway id: {error}"), mend))
}

pub(super) fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DeviceName, D::Error> {
    let text = String::deserialize(deserializer)?;
    let mend = "use the device's part of its topic, such as \"jkt-air-07\"";
    text.parse().map_err(|error| wrong(format_args!("{text:?} is no device: {error}"), mend))
}

pub(super) fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeMs, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time: Result<jiff::Timestamp, _> = text.parse();
    let mend = "write for example \"2000-01-01T00:00:00Z\"";
    time.map(|time| TimeMs(time.as_millisecond()))
        .map_err(|_| wrong(format_args!("{text:?} is no point in time"), mend))
}
