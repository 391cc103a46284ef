//! Sensors on the pins of the board: I²C, SPI, UART, 1-Wire and GPIO.
//!
//! ```text
//! polled (a thread a bus) ─► attached.rs ─► drivers/ ── embedded-hal ──► backend/ (rppal | gpiocdev, linux-embedded-hal)
//! ```
//! Always: a driver knows the traits of embedded-hal and its datasheet, no board and no configuration; what it cannot
//! believe is a fault with its mend; sensors of one bus are asked one after another, and a bus that hangs holds up its own
//! alone. All of GPIO is one bus, because rppal keeps one list of edges for all pins.

mod attached;
pub(crate) mod backend;
pub(crate) mod drivers;
mod setup;
#[cfg(test)]
mod tests;
mod trouble;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use self::attached::Attached;
use self::backend::{Backend, Linux, Raspberry, is_raspberry};
pub(crate) use self::setup::{Choice, Setup, Spec};
use crate::polled::{Plan, Sensor};

/// A bus with its sensors, the plans in their order.
pub(crate) struct PinBus {
    pub(crate) name: String,
    pub(crate) plans: Vec<Plan>,
    pub(crate) sensors: Vec<(String, Box<dyn Sensor>)>,
}

/// The way to the hardware that the configuration chose; `chip` is the device file of the pins.
pub(crate) fn backend(choice: Choice, chip: &str) -> Arc<dyn Backend> {
    let raspberry = match choice {
        Choice::Auto => is_raspberry(),
        Choice::Rppal => true,
        Choice::Linux => false,
    };
    if raspberry { Arc::new(Raspberry) } else { Arc::new(Linux { chip: chip.to_owned() }) }
}

/// Sorts the sensors to their buses. Nothing is opened yet: a sensor that is not there is faulty, and comes when it comes.
/// Counts are kept in the folder `counts`.
pub(crate) fn buses(
    setups: Vec<Setup>,
    backend: &Arc<dyn Backend>,
    counts: &Path,
    clock: fn() -> Instant,
) -> Vec<PinBus> {
    let mut buses: Vec<PinBus> = Vec::new();
    for Setup { plan, spec } in setups {
        let name = spec.bus();
        let count = counts.join(format!("{}.count", plan.name));
        let sensor = Box::new(Attached::new(spec, Arc::clone(backend), count, clock));
        let at = buses.iter().position(|bus| bus.name == name).unwrap_or_else(|| {
            buses.push(PinBus { name, plans: Vec::new(), sensors: Vec::new() });
            buses.len() - 1
        });
        buses[at].sensors.push((plan.name.clone(), sensor));
        buses[at].plans.push(plan);
    }
    buses
}
