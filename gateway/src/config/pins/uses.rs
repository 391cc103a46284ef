//! What two sensors cannot share: names, series, pins, addresses.

use std::collections::HashMap;

use pantau_settings::Fault;

use super::Pins;
use crate::pins::{Setup, Spec};

/// Checks every sensor, and all together.
pub(in crate::config) fn check(pins: &Pins) -> Result<(), Fault> {
    let mut uses = Uses::default();
    for (n, sensor) in pins.sensor.iter().enumerate() {
        let key = |key: &str| format!("pins.sensor[{n}].{key}");
        let Setup { plan, spec } = sensor.check(&key)?;
        let name = &plan.name;
        uses.take(name, format!("the name {name:?}"), &key("name"))?;
        for series in &plan.series {
            uses.take(
                name,
                format!("the series {}", series.name),
                &key(if sensor.channel.is_some() { "channel" } else { "name" }),
            )?;
        }
        match &spec {
            Spec::Bme280 { bus, address } | Spec::Sht4x { bus, address } => {
                uses.i2c(name, bus, *address, "", &key("address"))?;
            }
            Spec::Scd4x { bus } => {
                uses.i2c(name, bus, crate::pins::drivers::scd4x::ADDRESS, "", &key("bus"))?
            }
            Spec::Ads1115 { bus, address, .. } => {
                uses.i2c(name, bus, *address, " (ADS1115)", &key("address"))?;
                let input = sensor.input.as_deref().unwrap_or("0");
                uses.take(name, format!("input {input} of {address:#04x} on {bus}"), &key("input"))?;
            }
            Spec::Mcp3008 { chip, input, .. } => {
                uses.take(name, format!("input {input} of {chip}"), &key("input"))?;
                uses.wires(name, chip, &key("bus"))?;
            }
            Spec::Pms5003 { port } => {
                uses.take(name, format!("the port {port}"), &key("bus"))?;
                uses.wires(name, port, &key("bus"))?;
            }
            Spec::Ds18b20 { folder } => uses.take(name, folder.display().to_string(), &key("folder"))?,
            Spec::HcSr04 { trigger, echo, .. } => {
                uses.pin(name, *trigger, &key("trigger"))?;
                uses.pin(name, *echo, &key("echo"))?;
            }
            Spec::Counter { pin, .. } | Spec::Level { pin, .. } => uses.pin(name, *pin, &key("pin"))?,
        }
    }
    Ok(())
}

/// Who has what.
#[derive(Default)]
struct Uses {
    /// By name: what must be one sensor's alone.
    own: HashMap<String, String>,
    /// By pin: who has it, and what for. A bus may be several sensors'.
    pins: HashMap<u8, (String, String)>,
    /// By bus and address: who has it, and its kind where several sensors may be inputs of one chip.
    chips: HashMap<(String, u8), (String, String)>,
}

impl Uses {
    fn take(&mut self, name: &str, what: String, key: &str) -> Result<(), Fault> {
        match self.own.insert(what.clone(), name.to_owned()) {
            Some(other) => Err(Fault::new(
                key,
                format!("{what} is taken twice, by {other:?} and by {name:?}"),
                "give one of them another",
            )),
            None => Ok(()),
        }
    }

    fn i2c(&mut self, name: &str, bus: &str, address: u8, kind: &str, key: &str) -> Result<(), Fault> {
        let chip = (name.to_owned(), kind.to_owned());
        if let Some((other, had)) = self.chips.insert((bus.to_owned(), address), chip)
            && (had != kind || kind.is_empty())
        {
            return Err(Fault::new(
                key,
                format!("{address:#04x} on {bus} is taken twice, by {other:?} and by {name:?}"),
                "give one of them another address, or another bus",
            ));
        }
        self.wires(name, bus, key)
    }

    fn pin(&mut self, name: &str, pin: u8, key: &str) -> Result<(), Fault> {
        self.wire(name, pin, "", key)
    }

    /// The pins of a bus on a Raspberry Pi's header.
    fn wires(&mut self, name: &str, bus: &str, key: &str) -> Result<(), Fault> {
        let (bus, pins): (&str, &[u8]) = match bus {
            "/dev/i2c-1" => (bus, &[2, 3]),
            "/dev/spidev0.0" => ("SPI 0", &[8, 9, 10, 11]),
            "/dev/spidev0.1" => ("SPI 0", &[7, 9, 10, 11]),
            "/dev/serial0" | "/dev/ttyS0" | "/dev/ttyAMA0" => (bus, &[14, 15]),
            _ => return Ok(()),
        };
        pins.iter().try_for_each(|pin| self.wire(name, *pin, bus, key))
    }

    fn wire(&mut self, name: &str, pin: u8, bus: &str, key: &str) -> Result<(), Fault> {
        let Some((other, had)) = self.pins.insert(pin, (name.to_owned(), bus.to_owned())) else {
            return Ok(());
        };
        if had == bus && !bus.is_empty() {
            return Ok(());
        }
        let of = |name: &str, bus: &str| match bus {
            "" => format!("{name:?}"),
            bus => format!("{name:?} as a wire of {bus}"),
        };
        let (one, two) = (of(&other, &had), of(name, bus));
        let mend = "connect one of them to another pin";
        Err(Fault::new(key, format!("GPIO {pin} is taken twice, by {one} and by {two}"), mend))
    }
}
