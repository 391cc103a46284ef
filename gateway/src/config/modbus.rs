//! `[[modbus]]`: buses of devices that the gateway asks by Modbus.

mod register;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pantau_settings::{Fault, between, duration};
use serde::Deserialize;

use super::pins::Pins;
use crate::modbus::Parity;
use crate::pins::{Setup, Spec};
use crate::polled::LEAST_PERIOD;
pub use register::Register;

/// Buses of one gateway at most.
const MOST_BUSES: usize = 64;
/// Devices of one bus at most: as many as there are unit ids.
const MOST_DEVICES: usize = 247;
/// Registers of one device at most.
const MOST_REGISTERS: usize = 1_000;

/// A bus: a serial line or a TCP address.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modbus {
    /// What people call it.
    pub name: String,
    /// `host:port`.
    #[serde(default)]
    pub tcp: Option<String>,
    /// What is sent over TCP.
    #[serde(default)]
    pub framing: Framing,
    /// A serial port.
    #[serde(default)]
    pub serial: Option<PathBuf>,
    /// Bits a second.
    #[serde(default = "baud")]
    pub baud: u32,
    /// The parity bit.
    #[serde(default)]
    pub parity: Parity,
    /// One or two.
    #[serde(default = "stop_bits")]
    pub stop_bits: u8,
    /// What is asked on it.
    pub device: Vec<Device>,
}

/// What is sent over TCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Framing {
    /// Modbus TCP.
    #[default]
    Tcp,
    /// Serial frames as they are, for converters that do not understand them.
    Rtu,
}

/// A device on a bus.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// The device of its series, and what people call the sensor.
    pub name: String,
    /// The unit id.
    pub id: u8,
    /// Time between two polls.
    #[serde(default = "period", deserialize_with = "duration")]
    pub period: Duration,
    /// How long it may take until it answers a request.
    #[serde(default = "timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// How often it is asked again within a period.
    #[serde(default = "retries")]
    pub retries: u32,
    /// After so many failed polls it is faulty.
    #[serde(default = "faulty_after")]
    pub faulty_after: u32,
    /// Registers in between that are read with the others, at most.
    #[serde(default)]
    pub max_gap: u16,
    /// Registers of one request at most.
    #[serde(default = "max_read")]
    pub max_read: u16,
    /// What is read.
    pub registers: Vec<Register>,
}

const fn baud() -> u32 {
    9_600
}

const fn stop_bits() -> u8 {
    1
}

const fn period() -> Duration {
    Duration::from_secs(10)
}

const fn timeout() -> Duration {
    Duration::from_secs(1)
}

const fn retries() -> u32 {
    1
}

const fn faulty_after() -> u32 {
    3
}

const fn max_read() -> u16 {
    crate::modbus::reads::MOST_REGISTERS
}

impl Modbus {
    /// Host and port of `tcp`.
    #[must_use]
    pub fn address(&self) -> Option<(String, u16)> {
        let tcp = self.tcp.as_deref()?;
        let (host, port) = match tcp.rsplit_once(':') {
            // The colons of an IPv6 address stand in brackets.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (tcp, 502),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let fits = !host.is_empty() && !host.contains(['/', '@', ' ']) && port > 0;
        fits.then(|| (host.to_owned(), port))
    }

    fn check(&self, key: &dyn Fn(&str) -> String) -> Result<(), Fault> {
        let fault = |name: &str, what: String, mend: &str| Err(Fault::new(key(name), what, mend));
        super::check::plain_name(&self.name, &key("name"))?;
        match (&self.tcp, &self.serial) {
            (Some(tcp), None) if self.address().is_none() => {
                return fault(
                    "tcp",
                    format!("{tcp:?} is no address"),
                    "write host:port, such as \"10.0.0.7:502\"",
                );
            }
            (Some(_), None) => {}
            (None, Some(_)) if self.framing == Framing::Rtu => {
                let what = "a serial line has serial frames anyway".to_owned();
                return fault("framing", what, "take it away, or write tcp instead of serial");
            }
            (None, Some(path)) if path.is_absolute() => {}
            (None, Some(path)) => {
                let what = format!("{} is no path of a port", path.display());
                return fault("serial", what, "write it from the root, such as \"/dev/ttyUSB0\"");
            }
            _ => {
                let what = format!("bus {:?} needs exactly one of tcp and serial", self.name);
                return fault("name", what, "write tcp = \"host:502\" or serial = \"/dev/…\"");
            }
        }
        between(&key("baud"), self.baud, 300, 4_000_000)?;
        between(&key("stop_bits"), self.stop_bits, 1, 2)?;
        if self.device.is_empty() || self.device.len() > MOST_DEVICES {
            let what = format!("bus {:?} has {} devices", self.name, self.device.len());
            return fault("device", what, "write 1 to 247 [[modbus.device]] tables behind it");
        }
        for (n, device) in self.device.iter().enumerate() {
            device.check(self.serial.is_some(), &|name| key(&format!("device[{n}].{name}")))?;
        }
        Ok(())
    }
}

impl Device {
    fn check(&self, serial: bool, key: &dyn Fn(&str) -> String) -> Result<(), Fault> {
        super::check::plain_name(&self.name, &key("name"))?;
        if serial {
            between(&key("id"), self.id, 1, 247)?;
        }
        let shown = |span: Duration| format!("{span:?}");
        if self.period < LEAST_PERIOD || self.period > Duration::from_secs(86_400) {
            let what = format!("{} is not between {} and a day", shown(self.period), shown(LEAST_PERIOD));
            return Err(Fault::new(key("period"), what, "use a value in between"));
        }
        if self.timeout < Duration::from_millis(10) || self.timeout > self.period {
            let what = format!("{} is not between 10 ms and the period", shown(self.timeout));
            return Err(Fault::new(key("timeout"), what, "use a value in between, or a longer period"));
        }
        between(&key("retries"), self.retries, 0, 10)?;
        between(&key("faulty_after"), self.faulty_after, 1, 1_000)?;
        between(&key("max_gap"), self.max_gap, 0, 100)?;
        between(&key("max_read"), self.max_read, 4, max_read())?;
        if self.registers.is_empty() || self.registers.len() > MOST_REGISTERS {
            let what = format!("device {:?} has {} registers", self.name, self.registers.len());
            return Err(Fault::new(key("registers"), what, "list 1 to 1,000 of them"));
        }
        for (n, register) in self.registers.iter().enumerate() {
            register.check(&self.name, &|name| key(&format!("registers[{n}].{name}")))?;
        }
        Ok(())
    }
}

/// The rules of all buses together, and with the sensors at the pins.
pub(super) fn check(buses: &[Modbus], pins: &Pins) -> Result<(), Fault> {
    if buses.len() > MOST_BUSES {
        let what = format!("there are {} buses", buses.len());
        return Err(Fault::new("modbus", what, "use 64 at most"));
    }
    let at_pins: Vec<Setup> = pins.sensor.iter().filter_map(|sensor| sensor.setup().ok()).collect();
    let mut names: HashSet<&str> = at_pins.iter().map(|setup| setup.plan.name.as_str()).collect();
    let series = at_pins.iter().flat_map(|setup| &setup.plan.series);
    let mut series: HashSet<String> = series.map(|series| series.name.clone()).collect();
    let mut ports: HashMap<&Path, &str> = HashMap::new();
    for setup in &at_pins {
        if let Spec::Pms5003 { port } = &setup.spec {
            ports.insert(Path::new(port), &setup.plan.name);
        }
    }
    let mut addresses: HashMap<(String, u16), &str> = HashMap::new();
    for (n, bus) in buses.iter().enumerate() {
        bus.check(&|key| format!("modbus[{n}].{key}"))?;
        let other = match (&bus.serial, bus.address()) {
            (Some(path), _) => ports.insert(path, &bus.name),
            (None, address) => address.and_then(|address| addresses.insert(address, &bus.name)),
        };
        if let Some(other) = other {
            let what = format!("{:?} is the same line as {other:?}", bus.name);
            let mend = "put all devices of a line behind one [[modbus]]: it asks them one after the other";
            return Err(Fault::new(format!("modbus[{n}].name"), what, mend));
        }
        for (m, device) in bus.device.iter().enumerate() {
            let key = format!("modbus[{n}].device[{m}]");
            if !names.insert(&device.name) {
                let what = format!("device {:?} is there twice", device.name);
                return Err(Fault::new(format!("{key}.name"), what, "give each its own name"));
            }
            for (k, register) in device.registers.iter().enumerate() {
                let name = format!("{}/{}", device.name, register.quantity);
                if !series.insert(name.clone()) {
                    let what = format!("the series {name:?} is there twice");
                    let mend = "write quantity/channel where a device has several";
                    return Err(Fault::new(format!("{key}.registers[{k}].quantity"), what, mend));
                }
            }
        }
    }
    Ok(())
}
