//! Values with a unit as people write them (`"128 MiB"`, `"10m"`), ids, and the place of a table in the file.

use super::check::Place;
use pantau_proto::{DeviceName, GatewayId, TimeMs};
use serde::{Deserialize, Deserializer, de};
use std::time::Duration;
use toml::Spanned;

/// A number of bytes: `1048576`, `"1 MiB"`, `"64KiB"`, `"2 GiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

/// A length of time: `"500ms"`, `"10s"`, `"10m"`, `"1h"`, `"7d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    /// Whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Milliseconds, as times are counted.
    pub fn as_ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Splits `"10 MiB"` into 10 and `MiB`.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim()))
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(bytes) => return Ok(Self(bytes)),
            Written::Text(text) => text,
        };
        number_and_unit(&text)
            .and_then(|(number, unit)| {
                let shift = match unit {
                    "" | "B" => 0,
                    "KiB" => 10,
                    "MiB" => 20,
                    "GiB" => 30,
                    "TiB" => 40,
                    _ => return None,
                };
                number.checked_mul(1 << shift).map(Self)
            })
            .ok_or_else(|| de::Error::custom(format!("{text:?} is no size; write for example \"64 MiB\"")))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        number_and_unit(&text)
            .and_then(|(number, unit)| {
                let ms: u64 = match unit {
                    "ms" => 1,
                    "s" => 1_000,
                    "m" => 60_000,
                    "h" => 3_600_000,
                    "d" => 86_400_000,
                    _ => return None,
                };
                number.checked_mul(ms).map(|ms| Self(Duration::from_millis(ms)))
            })
            .ok_or_else(|| {
                de::Error::custom(format!("{text:?} is no length of time; write for example \"10m\""))
            })
    }
}

pub(super) fn gateway_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GatewayId, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| de::Error::custom(format!("gateway id {text:?}: {error}")))
}

pub(super) fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DeviceName, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| de::Error::custom(format!("device {text:?}: {error}")))
}

pub(super) fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeMs, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(|time| TimeMs(time.as_millisecond())).map_err(|_| {
        de::Error::custom(format!("{text:?} is no time; write for example \"2000-01-01T00:00:00Z\""))
    })
}

/// Byte offset of a table in text that is known to parse; 0 when it is not written there.
pub(super) fn start_of(text: &str, place: Place) -> usize {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Places {
        http: Option<Spanned<de::IgnoredAny>>,
        grpc: Option<Spanned<de::IgnoredAny>>,
        limits: Option<Spanned<de::IgnoredAny>>,
        gateway: Vec<Spanned<de::IgnoredAny>>,
        station: Vec<Spanned<de::IgnoredAny>>,
    }
    let places: Places = toml::from_str(text).unwrap_or_default();
    match place {
        Place::Http => places.http.as_ref(),
        Place::Grpc => places.grpc.as_ref(),
        Place::Limits => places.limits.as_ref(),
        Place::Gateway(i) => places.gateway.get(i),
        Place::Station(i) => places.station.get(i),
    }
    .map_or(0, |spanned| spanned.span().start)
}
