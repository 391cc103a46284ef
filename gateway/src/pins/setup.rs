//! What is hung up where, as the configuration says it. Checked already.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::backend::{EdgeKind, Pull, Wanted};
use super::drivers::ads1115::Input;
use super::drivers::calibration::Calibration;
use super::drivers::counter::Tell;
use super::drivers::{mcp3008, pms5003, scd4x};
use crate::polled::Plan;

/// Whose way to the hardware is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// rppal on a Raspberry Pi that it knows, else `Linux`.
    #[default]
    Auto,
    /// rppal.
    Rppal,
    /// gpiocdev and linux-embedded-hal.
    Linux,
}

/// A sensor.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) plan: Plan,
    pub(crate) spec: Spec,
}

/// Its kind and its place.
#[derive(Debug, Clone)]
pub(crate) enum Spec {
    Bme280 { bus: String, address: u8 },
    Sht4x { bus: String, address: u8 },
    Scd4x { bus: String },
    Ads1115 { bus: String, address: u8, input: Input, calibration: Calibration },
    Mcp3008 { chip: String, input: u8, reference: f64, calibration: Calibration },
    Pms5003 { port: String },
    Ds18b20 { folder: PathBuf },
    HcSr04 { trigger: u8, echo: u8, celsius: f64, height: Option<f64> },
    Counter { pin: u8, wanted: Wanted, tell: Tell, per_pulse: f64 },
    Level { pin: u8, pull: Pull, debounce: Option<Duration>, low_is_one: bool, every: u32 },
}

impl Spec {
    /// The bus that it is on.
    pub(crate) fn bus(&self) -> String {
        match self {
            Self::Bme280 { bus, .. }
            | Self::Sht4x { bus, .. }
            | Self::Scd4x { bus }
            | Self::Ads1115 { bus, .. } => bus.clone(),
            Self::Mcp3008 { chip, .. } => chip.clone(),
            Self::Pms5003 { port } => port.clone(),
            Self::Ds18b20 { folder } => folder.parent().unwrap_or(folder).display().to_string(),
            Self::HcSr04 { .. } | Self::Counter { .. } | Self::Level { .. } => "GPIO".into(),
        }
    }

    /// What people call it, with its place.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Bme280 { bus, address } => format!("BME280 at {address:#04x} on {bus}"),
            Self::Sht4x { bus, address } => format!("SHT4x at {address:#04x} on {bus}"),
            Self::Scd4x { bus } => format!("SCD4x at {:#04x} on {bus}", scd4x::ADDRESS),
            Self::Ads1115 { bus, address, .. } => format!("ADS1115 at {address:#04x} on {bus}"),
            Self::Mcp3008 { chip, .. } => format!("MCP3008 on {chip} at {} kHz", mcp3008::HERTZ / 1_000),
            Self::Pms5003 { port } => format!("PMS5003 on {port} at {} baud", pms5003::BAUD),
            Self::Ds18b20 { folder } => format!("DS18B20 at {}", folder.display()),
            Self::HcSr04 { trigger, echo, .. } => {
                format!("HC-SR04 with trigger at GPIO {trigger}, echo at GPIO {echo}")
            }
            Self::Counter { pin, .. } => format!("counter at GPIO {pin}"),
            Self::Level { pin, .. } => format!("switch at GPIO {pin}"),
        }
    }

    /// What to do when nobody answers or the bus fails.
    pub(super) fn mend(&self, silent: bool) -> String {
        let number = |bus: &str| bus.rsplit('-').next().unwrap_or_default().to_owned();
        let addresses = match self {
            Self::Bme280 { .. } => "0x76, or 0x77 with SDO high",
            Self::Sht4x { .. } => "0x44, 0x45 or 0x46 by its type",
            Self::Ads1115 { .. } => "0x48 to 0x4b by where ADDR is tied",
            _ => "its only one",
        };
        match self {
            Self::Bme280 { bus, .. }
            | Self::Sht4x { bus, .. }
            | Self::Scd4x { bus }
            | Self::Ads1115 { bus, .. } => {
                if silent {
                    let bus = number(bus);
                    format!(
                        "look at its wires, its power and its address ({addresses}); `i2cdetect -y {bus}` shows who answers"
                    )
                } else {
                    "look whether SDA or SCL is held low: take the sensors off one after another, and its pull-ups".into()
                }
            }
            _ => "look at its wires and the kernel's log (dmesg)".into(),
        }
    }
}

/// An echo is watched at both edges, without a debounce that would move them.
pub(super) const ECHO: Wanted = Wanted { pull: Pull::Down, edge: EdgeKind::Both, debounce: None };
