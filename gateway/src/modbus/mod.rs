//! Devices that speak Modbus, on a serial line (RTU) or by TCP: meters, PLCs, weather stations, inverters.
//!
//! ```text
//! polled::Poller ─► Modbus ─► Unit: reads.rs (requests) ─► link.rs ─► tokio-modbus ─► serial.rs or TCP
//!                               └── registers.rs ◄── words ◄──────────┘
//! ```
//! Always holds:
//! - One request is under way on a bus. A unit that does not answer ends its poll at the first timeout, so it costs the
//!   others no more than that.
//! - Nothing is ever written to a device.
//! - What the bus says is bounded by the protocol's frames and checked before it is read: as many registers as were asked.
//! - A register that the device refuses is named with the mend, and does not take its neighbours' values with it: a
//!   request for several that is refused is made anew for each, then and later.

mod link;
pub mod reads;
pub mod registers;
mod serial;
#[cfg(test)]
mod tests;
mod told;

use std::time::Duration;

use tokio_modbus::ExceptionCode;

pub use link::Way;
pub use serial::{Line, Parity};

use self::link::{Link, Reply};
use self::reads::{Read, reads};
use self::registers::Register;
use self::told::Trouble;
use crate::mqtt_server::Clock;
use crate::polled::{Answer, Bus, Fault};

/// A device on a bus.
#[derive(Debug, Clone)]
pub struct Device {
    /// The unit id.
    pub id: u8,
    /// How long it may take until it answers a request.
    pub timeout: Duration,
    /// What is read, in the order of the plan's series.
    pub registers: Vec<Register>,
    /// Registers that nobody wants, between two that are read with one request, at most.
    pub max_gap: u16,
    /// Registers of one request at most.
    pub max_read: u16,
}

/// A bus of Modbus devices, in the order of their plans.
pub struct Modbus {
    link: Link,
    units: Vec<Unit>,
}

struct Unit {
    device: Device,
    reads: Vec<Read>,
}

impl Modbus {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(way: Way, devices: Vec<Device>, clock: Clock) -> Self {
        let unit = |device: Device| {
            let reads = reads(&device.registers, device.max_gap, device.max_read);
            Unit { device, reads }
        };
        Self { link: Link::new(way, clock), units: devices.into_iter().map(unit).collect() }
    }
}

impl Bus for Modbus {
    async fn poll(&mut self, sensor: usize) -> Result<Answer, Fault> {
        let Some(unit) = self.units.get_mut(sensor) else {
            return Err(Fault::new("there is no such device on this bus"));
        };
        unit.read(&mut self.link).await
    }

    fn give_up(&mut self, _: usize, after: Duration) -> Fault {
        self.link.close();
        Fault::new(format!("not all registers came within {after:?}: ask more rarely, or fewer"))
    }
}

impl Unit {
    async fn read(&mut self, link: &mut Link) -> Result<Answer, Fault> {
        let Device { id, timeout, .. } = self.device;
        let (mut answer, mut wrong) = (Answer::default(), Vec::new());
        let mut n = 0;
        while let Some(read) = self.reads.get(n) {
            match link.ask(id, read, timeout).await {
                Ok(reply) => take(&self.device.registers, read, &reply, &mut answer),
                Err(Trouble::Refused(code)) if read.registers.len() > 1 && of_address(code) => {
                    let alone = |n: &usize| Some(Read::of(self.device.registers.get(*n)?, *n));
                    let alone: Vec<Read> = read.registers.iter().filter_map(alone).collect();
                    self.reads.splice(n..=n, alone);
                    continue;
                }
                Err(Trouble::Refused(code)) => {
                    wrong.push(told::refused(code, id, read, &self.device.registers));
                }
                Err(Trouble::Broken(why)) => {
                    wrong.push(why);
                    break;
                }
            }
            n += 1;
        }
        let more = wrong.len().saturating_sub(1);
        let fault = wrong.into_iter().next().map(|first| match more {
            0 => first,
            more => format!("{first} (and {more} more)"),
        });
        match fault {
            Some(why) if answer.values.is_empty() && answer.absent == 0 => Err(Fault::Sensor(why)),
            fault => Ok(Answer { fault, ..answer }),
        }
    }
}

/// Whether a request is refused for what it asks for, so that a part of it may be had.
fn of_address(code: ExceptionCode) -> bool {
    matches!(code, ExceptionCode::IllegalDataAddress | ExceptionCode::IllegalDataValue)
}

/// Takes the values of an answer.
fn take(registers: &[Register], read: &Read, reply: &Reply, answer: &mut Answer) {
    for n in &read.registers {
        let Some(register) = registers.get(*n) else { continue };
        let from = usize::from(register.address.saturating_sub(read.address));
        let value = match reply {
            Reply::Words(words) => words.get(from..).and_then(|words| register.value(words)),
            Reply::Bits(bits) => bits.get(from).and_then(|set| register.bit(*set)),
        };
        match value {
            Some(value) => answer.push(*n, value),
            None => answer.absent += 1,
        }
    }
}
