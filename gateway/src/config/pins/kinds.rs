//! What each kind of sensor has to be told: its keys, their bounds, and the driver's setup that comes of them.

use std::time::Duration;

use pantau_proto::{Kind as Behaves, quantity};

use super::{PinKind, PinSensor, Wrong, wrong};
use crate::pins::Spec;
use crate::pins::backend::Wanted;
use crate::pins::drivers::ads1115::Input;
use crate::pins::drivers::calibration::Calibration;
use crate::pins::drivers::counter::Tell;

impl PinSensor {
    /// The keys that its kind has beside those of all kinds.
    fn keys(&self) -> &'static [&'static str] {
        match self.kind {
            PinKind::Bme280 | PinKind::Sht4x => &["bus", "address"],
            PinKind::Scd4x => &["bus"],
            PinKind::Ads1115 => {
                &["bus", "address", "input", "range", "quantity", "unit", "scale", "offset", "table"]
            }
            PinKind::Mcp3008 => {
                &["bus", "input", "reference", "quantity", "unit", "scale", "offset", "table"]
            }
            PinKind::Pms5003 => &["bus"],
            PinKind::Ds18b20 => &["folder", "quantity"],
            PinKind::HcSr04 => &["trigger", "echo", "temperature", "height"],
            PinKind::Counter => &["pin", "pull", "edge", "debounce", "quantity", "unit", "per_pulse"],
            PinKind::Level => &["pin", "pull", "debounce", "low_is_one", "look", "quantity"],
        }
    }

    pub(super) fn keys_fit(&self) -> Result<(), Wrong> {
        let given = [
            ("bus", self.bus.is_some()),
            ("address", self.address.is_some()),
            ("input", self.input.is_some()),
            ("range", self.range.is_some()),
            ("reference", self.reference.is_some()),
            ("quantity", self.quantity.is_some()),
            ("unit", self.unit.is_some()),
            ("scale", self.scale.is_some()),
            ("offset", self.offset.is_some()),
            ("table", self.table.is_some()),
            ("folder", self.folder.is_some()),
            ("pin", self.pin.is_some()),
            ("trigger", self.trigger.is_some()),
            ("echo", self.echo.is_some()),
            ("pull", self.pull.is_some()),
            ("edge", self.edge.is_some()),
            ("debounce", self.debounce.is_some()),
            ("per_pulse", self.per_pulse.is_some()),
            ("low_is_one", self.low_is_one.is_some()),
            ("look", self.look.is_some()),
            ("temperature", self.temperature.is_some()),
            ("height", self.height.is_some()),
        ];
        let keys = self.keys();
        match given.into_iter().find(|(key, given)| *given && !keys.contains(key)) {
            Some((key, _)) => wrong(
                key,
                format!("a sensor of this kind has no {key}"),
                format!("take it out; it has {}", keys.join(", ")),
            ),
            None => Ok(()),
        }
    }

    fn bus(&self, default: &str) -> String {
        self.bus.clone().unwrap_or_else(|| default.to_owned())
    }

    fn address(&self, allowed: std::ops::RangeInclusive<u8>) -> Result<u8, Wrong> {
        let address = self.address.unwrap_or(*allowed.start());
        if allowed.contains(&address) {
            return Ok(address);
        }
        let (first, last) = (allowed.start(), allowed.end());
        wrong(
            "address",
            format!("{address:#04x} is none that it can have"),
            format!("use {first:#04x} to {last:#04x}"),
        )
    }

    fn pin(&self, key: &'static str, pin: Option<u8>) -> Result<u8, Wrong> {
        match pin {
            Some(pin) if pin <= 53 => Ok(pin),
            Some(pin) => wrong(
                key,
                format!("there is no GPIO {pin}"),
                "use the BCM number, 0 to 27 on the header; `pinout` prints them",
            ),
            None => wrong(
                key,
                format!("lacks {key}"),
                format!("add `{key} = NUMBER`, the BCM number of its GPIO"),
            ),
        }
    }

    fn calibration(&self) -> Result<Calibration, Wrong> {
        match &self.table {
            Some(_) if self.scale.is_some() || self.offset.is_some() => {
                wrong("table", "scale or offset is given too", "keep the table, or scale and offset")
            }
            Some(points) => Calibration::table(points)
                .or_else(|what| wrong("table", what, "write [[volts, value], [volts, value], …]")),
            None => match (self.scale.unwrap_or(1.0), self.offset.unwrap_or(0.0)) {
                (scale, offset) if scale.is_finite() && scale != 0.0 && offset.is_finite() => {
                    Ok(Calibration::Linear { scale, offset })
                }
                _ => wrong("scale", "is no number, or 0", "write the value of a volt"),
            },
        }
    }

    pub(super) fn look(&self) -> Duration {
        self.look.unwrap_or(Duration::from_millis(500))
    }

    pub(super) fn spec(&self) -> Result<Spec, Wrong> {
        let i2c = || self.bus("/dev/i2c-1");
        Ok(match self.kind {
            PinKind::Bme280 => Spec::Bme280 { bus: i2c(), address: self.address(0x76..=0x77)? },
            PinKind::Sht4x => Spec::Sht4x { bus: i2c(), address: self.address(0x44..=0x46)? },
            PinKind::Scd4x => {
                if self.period < Duration::from_secs(5) {
                    return wrong("period", "it measures every 5 s only", "use \"5s\" or more");
                }
                Spec::Scd4x { bus: i2c() }
            }
            PinKind::Ads1115 => {
                let (name, range) = (self.input.as_deref().unwrap_or("0"), self.range.unwrap_or(4.096));
                let Some(input) = Input::new(name, range) else {
                    return wrong(
                        if Input::new(name, 4.096).is_none() { "input" } else { "range" },
                        format!("it has no input {name:?} with a range of {range} V"),
                        "input: \"0\" to \"3\", \"0-1\", \"0-3\", \"1-3\" or \"2-3\"; range: 6.144, 4.096, 2.048, 1.024, 0.512 or 0.256",
                    );
                };
                let address = self.address(0x48..=0x4b)?;
                Spec::Ads1115 { bus: i2c(), address, input, calibration: self.calibration()? }
            }
            PinKind::Mcp3008 => {
                let input = self.input.as_deref().unwrap_or("0");
                let Some(input) = input.parse().ok().filter(|input| *input <= 7) else {
                    return wrong("input", format!("it has no input {input:?}"), "use \"0\" to \"7\"");
                };
                let reference = self.reference.unwrap_or(3.3);
                if !(2.7..=5.5).contains(&reference) {
                    return wrong(
                        "reference",
                        format!("{reference} V cannot be its reference"),
                        "use 2.7 to 5.5",
                    );
                }
                let calibration = self.calibration()?;
                Spec::Mcp3008 { chip: self.bus("/dev/spidev0.0"), input, reference, calibration }
            }
            PinKind::Pms5003 => Spec::Pms5003 { port: self.bus("/dev/serial0") },
            PinKind::Ds18b20 => match &self.folder {
                Some(folder) if folder.file_name().is_some() => Spec::Ds18b20 { folder: folder.clone() },
                _ => {
                    return wrong(
                        "folder",
                        "lacks the sensor's folder",
                        "add `folder = \"/sys/bus/w1/devices/28-…\"`; `ls /sys/bus/w1/devices` shows them",
                    );
                }
            },
            PinKind::HcSr04 => {
                let celsius = self.temperature.unwrap_or(28.0);
                if !(-40.0..=80.0).contains(&celsius) {
                    return wrong(
                        "temperature",
                        format!("{celsius} °C is no air"),
                        "use the usual one, such as 28",
                    );
                }
                if self.height.is_some_and(|height| !height.is_finite()) {
                    return wrong("height", "is no number", "write metres above the level's zero");
                }
                let (trigger, echo) = (self.pin("trigger", self.trigger)?, self.pin("echo", self.echo)?);
                Spec::HcSr04 { trigger, echo, celsius, height: self.height }
            }
            PinKind::Counter => self.counter()?,
            PinKind::Level => {
                let look = self.look();
                if look < crate::polled::LEAST_PERIOD || look > self.period {
                    return wrong(
                        "look",
                        format!("{look:?} is not between 100 ms and the period"),
                        "use \"500ms\"",
                    );
                }
                let every = self.period.as_nanos().div_ceil(look.as_nanos());
                Spec::Level {
                    pin: self.pin("pin", self.pin)?,
                    pull: self.pull.unwrap_or_default(),
                    debounce: self.debounce(20)?,
                    low_is_one: self.low_is_one.unwrap_or(true),
                    every: u32::try_from(every).unwrap_or(u32::MAX),
                }
            }
        })
    }

    fn counter(&self) -> Result<Spec, Wrong> {
        let name = self.quantity.as_deref().unwrap_or("pulses");
        let tell = match quantity(name).map(|quantity| quantity.kind) {
            Some(Behaves::Counter) => Tell::Total,
            Some(Behaves::Amount) => Tell::Amount,
            _ => Tell::Rate,
        };
        let per_pulse = match self.per_pulse {
            None if name == "pulses" => 1.0,
            Some(per_pulse) if per_pulse.is_finite() && per_pulse > 0.0 => per_pulse,
            _ => {
                return wrong(
                    "per_pulse",
                    "it is not said what a pulse stands for",
                    "add it: 0.2 for a bucket of 0.2 mm; for quantities a second, the value at one pulse a second",
                );
            }
        };
        let edge = self.edge.unwrap_or_default();
        let wanted = Wanted { pull: self.pull.unwrap_or_default(), edge, debounce: self.debounce(1)? };
        Ok(Spec::Counter { pin: self.pin("pin", self.pin)?, wanted, tell, per_pulse })
    }

    /// 0 is none.
    fn debounce(&self, default_ms: u64) -> Result<Option<Duration>, Wrong> {
        let debounce = self.debounce.unwrap_or(Duration::from_millis(default_ms));
        if debounce > Duration::from_secs(1) {
            return wrong("debounce", format!("{debounce:?} would hide what happens"), "use \"1s\" or less");
        }
        Ok(Some(debounce).filter(|debounce| !debounce.is_zero()))
    }
}
