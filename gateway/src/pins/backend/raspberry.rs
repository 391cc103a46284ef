//! rppal, for a Raspberry Pi.
//!
//! Its I²C sends a stop between a write and a read of one transaction, which embedded-hal forbids; so that pair goes by
//! its own call, which does not. Its interrupts are the kernel's recorded edges; the ones that start threads are not used.

use std::io;
use std::time::Duration;

use embedded_hal::{digital, i2c, spi};
use rppal::gpio::{self, Gpio, InputPin, OutputPin, Trigger};
use rppal::i2c::I2c;
use rppal::spi::{Bus, Mode, Segment, SlaveSelect, Spi};
use rustix::io::Errno;

use super::{Backend, BusError, Edge, EdgeKind, Edges, I2cBus, Opening, Output, Pull, SpiChip, Wanted, What};
use crate::pins::trouble::Trouble;

/// The backend.
pub(crate) struct Raspberry;

impl Backend for Raspberry {
    fn i2c(&self, path: &str) -> Result<I2cBus, Opening> {
        let failed = |error| Opening::new(What::I2c, path, error);
        let number = path.strip_prefix("/dev/i2c-").and_then(|number| number.parse().ok());
        let bus = number.ok_or_else(|| failed(unknown("rppal knows buses as /dev/i2c-N alone")))?;
        I2c::with_bus(bus).map(|bus| I2cBus(Box::new(RppalI2c(bus)))).map_err(|error| failed(of_i2c(error)))
    }

    fn spi(&self, path: &str, hertz: u32) -> Result<SpiChip, Opening> {
        let failed = |error| Opening::new(What::Spi, path, error);
        let (bus, select) =
            numbers(path).ok_or_else(|| failed(unknown("rppal knows chips as /dev/spidevBUS.CHIP alone")))?;
        let spi = Spi::new(bus, select, hertz, Mode::Mode0).map_err(|error| failed(of_spi(error)))?;
        Ok(SpiChip(Box::new(RppalSpi(spi))))
    }

    fn edges(&self, pin: u8, wanted: Wanted) -> Result<Box<dyn Edges>, Opening> {
        let failed = |error| Opening::new(What::Gpio, format!("GPIO {pin}"), of_gpio(error));
        let free = Gpio::new().and_then(|gpio| gpio.get(pin)).map_err(failed)?;
        let mut input = match wanted.pull {
            Pull::Up => free.into_input_pullup(),
            Pull::Down => free.into_input_pulldown(),
            Pull::None => free.into_input(),
        };
        let trigger = match wanted.edge {
            EdgeKind::Rising => Trigger::RisingEdge,
            EdgeKind::Falling => Trigger::FallingEdge,
            EdgeKind::Both => Trigger::Both,
        };
        input.set_interrupt(trigger, wanted.debounce).map_err(failed)?;
        Ok(Box::new(Input(input)))
    }

    fn output(&self, pin: u8) -> Result<Output, Opening> {
        let failed = |error| Opening::new(What::Gpio, format!("GPIO {pin}"), of_gpio(error));
        let free = Gpio::new().and_then(|gpio| gpio.get(pin)).map_err(failed)?;
        Ok(Output(Box::new(RppalOutput(free.into_output_low()))))
    }
}

/// What rppal does not know, the other backend may.
fn unknown(text: &str) -> BusError {
    BusError::new(Some(Errno::OPNOTSUPP.raw_os_error()), text)
}

/// `/dev/spidevBUS.CHIP`.
fn numbers(path: &str) -> Option<(Bus, SlaveSelect)> {
    let (bus, select) = path.strip_prefix("/dev/spidev")?.split_once('.')?;
    let bus = match bus {
        "0" => Bus::Spi0,
        "1" => Bus::Spi1,
        "2" => Bus::Spi2,
        "3" => Bus::Spi3,
        "4" => Bus::Spi4,
        "5" => Bus::Spi5,
        "6" => Bus::Spi6,
        _ => return None,
    };
    let select = match select {
        "0" => SlaveSelect::Ss0,
        "1" => SlaveSelect::Ss1,
        "2" => SlaveSelect::Ss2,
        _ => return None,
    };
    Some((bus, select))
}

fn of_i2c(error: rppal::i2c::Error) -> BusError {
    match error {
        rppal::i2c::Error::Io(error) => BusError::io(&error),
        other => unknown(&other.to_string()),
    }
}

fn of_spi(error: rppal::spi::Error) -> BusError {
    match error {
        rppal::spi::Error::Io(error) => BusError::io(&error),
        other => unknown(&other.to_string()),
    }
}

fn of_gpio(error: gpio::Error) -> BusError {
    let as_errno = |errno: Errno, text: String| BusError::new(Some(errno.raw_os_error()), text);
    match error {
        gpio::Error::Io(error) => BusError::io(&error),
        gpio::Error::PermissionDenied(_) => as_errno(Errno::ACCESS, error.to_string()),
        gpio::Error::PinUsed(_) => as_errno(Errno::BUSY, error.to_string()),
        gpio::Error::PinNotAvailable(_) => as_errno(Errno::INVAL, error.to_string()),
        other => unknown(&other.to_string()),
    }
}

struct RppalI2c(I2c);

impl i2c::ErrorType for RppalI2c {
    type Error = BusError;
}

impl i2c::I2c for RppalI2c {
    fn transaction(&mut self, address: u8, operations: &mut [i2c::Operation<'_>]) -> Result<(), BusError> {
        self.0.set_slave_address(u16::from(address)).map_err(of_i2c)?;
        if let [i2c::Operation::Write(out), i2c::Operation::Read(into)] = operations {
            return self.0.write_read(out, into).map_err(of_i2c);
        }
        for operation in operations {
            let (done, wanted) = match operation {
                i2c::Operation::Read(into) => (self.0.read(into), into.len()),
                i2c::Operation::Write(out) => (self.0.write(out), out.len()),
            };
            if done.map_err(of_i2c)? != wanted {
                return Err(BusError::io(&io::Error::from_raw_os_error(Errno::IO.raw_os_error())));
            }
        }
        Ok(())
    }
}

struct RppalSpi(Spi);

impl spi::ErrorType for RppalSpi {
    type Error = BusError;
}

impl spi::SpiDevice for RppalSpi {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), BusError> {
        // The chip stays selected over all segments.
        let copies: Vec<Vec<u8>> = operations
            .iter()
            .map(|operation| match operation {
                spi::Operation::TransferInPlace(bytes) => bytes.to_vec(),
                _ => Vec::new(),
            })
            .collect();
        let mut segments = Vec::with_capacity(operations.len());
        for (operation, copy) in operations.iter_mut().zip(&copies) {
            segments.push(match operation {
                spi::Operation::Read(into) => Segment::with_read(into),
                spi::Operation::Write(out) => Segment::with_write(out),
                spi::Operation::Transfer(into, out) => Segment::new(into, out),
                spi::Operation::TransferInPlace(into) => Segment::new(into, copy),
                spi::Operation::DelayNs(_) => return Err(unknown("rppal knows no pause between segments")),
            });
        }
        self.0.transfer_segments(&segments).map_err(of_spi)
    }
}

struct Input(InputPin);

impl Edges for Input {
    fn is_high(&mut self) -> Result<bool, Trouble> {
        Ok(self.0.is_high())
    }

    fn next(&mut self, within: Duration) -> Result<Option<Edge>, Trouble> {
        let event = self.0.poll_interrupt(false, Some(within));
        let event = event.map_err(|error| Trouble::Bus(error.to_string()))?;
        Ok(event.map(|event| Edge {
            at: event.timestamp,
            rising: event.trigger == Trigger::RisingEdge,
            sequence: event.seqno,
        }))
    }
}

/// rppal keeps a pin's list of edges, and with it their numbers, beyond the pin.
impl Drop for Input {
    fn drop(&mut self) {
        drop(self.0.clear_interrupt());
    }
}

struct RppalOutput(OutputPin);

impl digital::ErrorType for RppalOutput {
    type Error = BusError;
}

impl digital::OutputPin for RppalOutput {
    fn set_low(&mut self) -> Result<(), BusError> {
        self.0.set_low();
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), BusError> {
        self.0.set_high();
        Ok(())
    }
}
