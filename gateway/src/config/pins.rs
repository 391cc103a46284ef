//! `[pins]` and `[[pins.sensor]]`: what is hung up at the pins of the board.

use std::path::PathBuf;
use std::time::Duration;

use pantau_settings::{Fault, between, duration};
use serde::{Deserialize, Deserializer};

mod kinds;
mod series;
mod uses;

pub(super) use self::uses::check;
use crate::pins::backend::{EdgeKind, Pull};
use crate::pins::{Choice, Setup, Spec};
use crate::polled::Plan;

/// The board.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pins {
    /// Whose way to the hardware is taken.
    pub backend: Choice,
    /// The chip of the pins, for the backend `linux`.
    pub gpiochip: String,
    /// The sensors.
    pub sensor: Vec<PinSensor>,
}

impl Default for Pins {
    fn default() -> Self {
        Self { backend: Choice::Auto, gpiochip: "/dev/gpiochip0".into(), sensor: Vec::new() }
    }
}

/// A sensor. Which keys belong to which kind is told by `keys`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml says what each key means, and a test keeps it whole")]
pub struct PinSensor {
    pub name: String,
    pub kind: PinKind,
    pub device: Option<String>,
    pub channel: Option<String>,
    #[serde(default = "minute", deserialize_with = "duration")]
    pub period: Duration,
    #[serde(default = "five_seconds", deserialize_with = "duration")]
    pub timeout: Duration,
    #[serde(default = "one")]
    pub retries: u32,
    #[serde(default = "three")]
    pub faulty_after: u32,
    pub bus: Option<String>,
    pub address: Option<u8>,
    pub input: Option<String>,
    pub range: Option<f64>,
    pub reference: Option<f64>,
    pub quantity: Option<String>,
    pub unit: Option<String>,
    pub scale: Option<f64>,
    pub offset: Option<f64>,
    pub table: Option<Vec<[f64; 2]>>,
    pub folder: Option<PathBuf>,
    pub pin: Option<u8>,
    pub trigger: Option<u8>,
    pub echo: Option<u8>,
    pub pull: Option<Pull>,
    pub edge: Option<EdgeKind>,
    #[serde(default, deserialize_with = "some_duration")]
    pub debounce: Option<Duration>,
    pub per_pulse: Option<f64>,
    pub low_is_one: Option<bool>,
    #[serde(default, deserialize_with = "some_duration")]
    pub look: Option<Duration>,
    pub temperature: Option<f64>,
    pub height: Option<f64>,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum PinKind {
    Bme280,
    Sht4x,
    Scd4x,
    Ads1115,
    Mcp3008,
    Pms5003,
    Ds18b20,
    #[serde(rename = "hc-sr04")]
    HcSr04,
    Counter,
    Level,
}

const fn minute() -> Duration {
    Duration::from_secs(60)
}

const fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

const fn one() -> u32 {
    1
}

const fn three() -> u32 {
    3
}

fn some_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration(from).map(Some)
}

/// A key whose value breaks a rule, with the rule and the mend.
pub(super) type Wrong = (&'static str, String, String);

fn wrong<T>(key: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Result<T, Wrong> {
    Err((key, what.into(), mend.into()))
}

impl PinSensor {
    /// What it is to the frame and to its driver.
    pub(crate) fn setup(&self) -> Result<Setup, Wrong> {
        self.keys_fit()?;
        let spec = self.spec()?;
        let mut plan = Plan {
            name: self.name.clone(),
            series: self.series()?,
            period: self.period,
            timeout: self.timeout,
            retries: self.retries,
            faulty_after: self.faulty_after,
        };
        if let Spec::Level { .. } = spec {
            plan.period = self.look();
        }
        Ok(Setup { plan, spec })
    }

    fn check(&self, key: &dyn Fn(&str) -> String) -> Result<Setup, Fault> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let first = self.name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if !first || self.name.len() > 64 || !self.name.chars().all(plain) {
            let what = format!("{:?} is no name", self.name);
            return Err(Fault::new(key("name"), what, "use 1 to 64 letters, digits and . _ -"));
        }
        let day = 86_400;
        between(&key("period"), self.period.as_secs_f64(), 0.1, f64::from(day))?;
        between(&key("timeout"), self.timeout.as_secs_f64(), 0.1, 60.0)?;
        between(&key("retries"), self.retries, 0, 10)?;
        between(&key("faulty_after"), self.faulty_after, 1, 1_000)?;
        self.setup().map_err(|(wrong, what, mend)| Fault::new(key(wrong), what, mend))
    }
}
