//! The way to the hardware: one trait, and behind it rppal (a Raspberry Pi) or gpiocdev with linux-embedded-hal (any
//! Linux board).
//!
//! Always: what is handed out is a trait of embedded-hal 1.0, or an [`Edges`]; an error carries the system's number, so
//! that the complaint can name the mend (open.rs).

mod linux;
mod open;
mod raspberry;
pub(crate) mod uart;

use std::fmt;
use std::time::Duration;

use embedded_hal::i2c::{self, I2c, NoAcknowledgeSource, Operation};
use embedded_hal::{digital, spi};

pub(crate) use self::linux::Linux;
pub(crate) use self::open::{Opening, What};
pub(crate) use self::raspberry::Raspberry;
use crate::pins::trouble::Trouble;

/// Whose way to the hardware is taken.
pub(crate) trait Backend: Send + Sync {
    /// An I²C bus, by its device file.
    fn i2c(&self, path: &str) -> Result<I2cBus, Opening>;
    /// A chip on an SPI bus, by its device file, in mode 0.
    fn spi(&self, path: &str, hertz: u32) -> Result<SpiChip, Opening>;
    /// An input whose edges the kernel records from now on.
    fn edges(&self, pin: u8, wanted: Wanted) -> Result<Box<dyn Edges>, Opening>;
    /// An output, low.
    fn output(&self, pin: u8) -> Result<Output, Opening>;
}

/// The backend for this machine when the configuration leaves it open.
pub(crate) fn is_raspberry() -> bool {
    rppal::system::DeviceInfo::new().is_ok()
}

/// How an input is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// A resistor of the board.
    pub(crate) pull: Pull,
    /// Which edges are recorded.
    pub(crate) edge: EdgeKind,
    /// Edges that are followed by another one within this are none.
    pub(crate) debounce: Option<Duration>,
}

/// A resistor of the board at an input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// To 3.3 V: for a switch to ground.
    #[default]
    Up,
    /// To ground.
    Down,
    /// None: there is one outside.
    None,
}

/// Which edges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeKind {
    /// From low to high.
    Rising,
    /// From high to low: a switch to ground that closes.
    #[default]
    Falling,
    /// Both.
    Both,
}

/// An edge, as the kernel recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    /// On the monotonic clock.
    pub(crate) at: Duration,
    pub(crate) rising: bool,
    /// Counts the recorded edges of the line from 1 on, also those that the kernel had no room to keep; it wraps.
    pub(crate) sequence: u32,
}

/// An input whose edges are recorded.
pub(crate) trait Edges: Send {
    /// How it stands now.
    fn is_high(&mut self) -> Result<bool, Trouble>;
    /// The oldest edge that was not asked for yet; waits for one up to so long.
    fn next(&mut self, within: Duration) -> Result<Option<Edge>, Trouble>;
}

/// What the system said.
pub(crate) struct BusError {
    /// Its number, where there is one.
    pub(crate) errno: Option<i32>,
    text: String,
}

impl BusError {
    pub(crate) fn new(errno: Option<i32>, text: impl fmt::Display) -> Self {
        Self { errno, text: text.to_string() }
    }

    pub(crate) fn io(error: &std::io::Error) -> Self {
        Self::new(error.raw_os_error(), error)
    }
}

/// As drivers print it.
impl fmt::Debug for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl i2c::Error for BusError {
    fn kind(&self) -> i2c::ErrorKind {
        use rustix::io::Errno;
        // Documentation/i2c/fault-codes.rst of the kernel; the Pi's driver says EREMOTEIO for an address without answer.
        match self.errno.map(Errno::from_raw_os_error) {
            Some(Errno::NXIO | Errno::REMOTEIO | Errno::NODEV) => {
                i2c::ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown)
            }
            Some(Errno::AGAIN) => i2c::ErrorKind::ArbitrationLoss,
            Some(Errno::IO | Errno::TIMEDOUT | Errno::BUSY) => i2c::ErrorKind::Bus,
            _ => i2c::ErrorKind::Other,
        }
    }
}

impl spi::Error for BusError {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

impl digital::Error for BusError {
    fn kind(&self) -> digital::ErrorKind {
        digital::ErrorKind::Other
    }
}

/// An I²C bus of either backend.
pub(crate) struct I2cBus(pub(crate) Box<dyn I2c<Error = BusError> + Send>);

impl i2c::ErrorType for I2cBus {
    type Error = BusError;
}

impl I2c for I2cBus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        self.0.transaction(address, operations)
    }
}

/// A chip on an SPI bus of either backend.
pub(crate) struct SpiChip(pub(crate) Box<dyn spi::SpiDevice<Error = BusError> + Send>);

impl spi::ErrorType for SpiChip {
    type Error = BusError;
}

impl spi::SpiDevice for SpiChip {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), BusError> {
        self.0.transaction(operations)
    }
}

/// An output of either backend.
pub(crate) struct Output(pub(crate) Box<dyn digital::OutputPin<Error = BusError> + Send>);

impl digital::ErrorType for Output {
    type Error = BusError;
}

impl digital::OutputPin for Output {
    fn set_low(&mut self) -> Result<(), BusError> {
        self.0.set_low()
    }

    fn set_high(&mut self) -> Result<(), BusError> {
        self.0.set_high()
    }
}

/// Waits by sleeping.
pub(crate) struct Sleep;

impl embedded_hal::delay::DelayNs for Sleep {
    fn delay_ns(&mut self, ns: u32) {
        std::thread::sleep(Duration::from_nanos(u64::from(ns)));
    }
}
