//! gpiocdev and linux-embedded-hal, for any Linux board.

use std::time::Duration;

use embedded_hal::{digital, i2c, spi};
use gpiocdev::Request;
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind as Recorded, Value};
use linux_embedded_hal::i2cdev::linux::LinuxI2CError;
use linux_embedded_hal::spidev::{SpiModeFlags, SpidevOptions};
use linux_embedded_hal::{I2CError, I2cdev, SPIError, SpidevDevice};

use super::{Backend, BusError, Edge, EdgeKind, Edges, I2cBus, Opening, Output, Pull, SpiChip, Wanted, What};
use crate::pins::trouble::Trouble;

/// Edges that the kernel keeps for a line; of those beyond it only the number is known.
const KEPT: u32 = 256;

/// The backend.
pub(crate) struct Linux {
    /// The device file of the chip with the pins.
    pub(crate) chip: String,
}

impl Backend for Linux {
    fn i2c(&self, path: &str) -> Result<I2cBus, Opening> {
        let bus = I2cdev::new(path).map_err(|error| Opening::new(What::I2c, path, of_i2c(&error)))?;
        Ok(I2cBus(Box::new(LinuxI2c(bus))))
    }

    fn spi(&self, path: &str, hertz: u32) -> Result<SpiChip, Opening> {
        let failed = |error: SPIError| Opening::new(What::Spi, path, BusError::io(error.inner()));
        let mut chip = SpidevDevice::open(path).map_err(failed)?;
        let options =
            SpidevOptions::new().bits_per_word(8).max_speed_hz(hertz).mode(SpiModeFlags::SPI_MODE_0).build();
        chip.0.configure(&options).map_err(|error| Opening::new(What::Spi, path, BusError::io(&error)))?;
        Ok(SpiChip(Box::new(LinuxSpi(chip))))
    }

    fn edges(&self, pin: u8, wanted: Wanted) -> Result<Box<dyn Edges>, Opening> {
        let mut request = Request::builder();
        request
            .on_chip(&self.chip)
            .with_consumer("pantau-gateway")
            .with_line(u32::from(pin))
            .as_input()
            .with_kernel_event_buffer_size(KEPT)
            .with_bias(match wanted.pull {
                Pull::Up => Bias::PullUp,
                Pull::Down => Bias::PullDown,
                Pull::None => Bias::Disabled,
            })
            .with_edge_detection(match wanted.edge {
                EdgeKind::Rising => EdgeDetection::RisingEdge,
                EdgeKind::Falling => EdgeDetection::FallingEdge,
                EdgeKind::Both => EdgeDetection::BothEdges,
            });
        if let Some(debounce) = wanted.debounce {
            request.with_debounce_period(debounce);
        }
        let request = request.request().map_err(|error| self.failed(pin, &error))?;
        Ok(Box::new(Line(request)))
    }

    fn output(&self, pin: u8) -> Result<Output, Opening> {
        let request = Request::builder()
            .on_chip(&self.chip)
            .with_consumer("pantau-gateway")
            .with_line(u32::from(pin))
            .as_output(Value::Inactive)
            .request()
            .map_err(|error| self.failed(pin, &error))?;
        Ok(Output(Box::new(LinuxOutput(request, u32::from(pin)))))
    }
}

impl Linux {
    fn failed(&self, pin: u8, error: &gpiocdev::Error) -> Opening {
        Opening::new(What::Gpio, format!("GPIO {pin} of {}", self.chip), of_gpio(error))
    }
}

fn of_i2c(error: &LinuxI2CError) -> BusError {
    let errno = match error {
        LinuxI2CError::Errno(errno) => Some(*errno),
        LinuxI2CError::Io(error) => error.raw_os_error(),
    };
    BusError::new(errno, error)
}

fn of_gpio(error: &gpiocdev::Error) -> BusError {
    let errno = match error {
        gpiocdev::Error::Os(errno) => Some(errno.0),
        gpiocdev::Error::Uapi(_, gpiocdev_uapi::Error::Os(errno)) => Some(errno.0),
        _ => None,
    };
    BusError::new(errno, error)
}

struct LinuxI2c(I2cdev);

impl i2c::ErrorType for LinuxI2c {
    type Error = BusError;
}

impl i2c::I2c for LinuxI2c {
    fn transaction(&mut self, address: u8, operations: &mut [i2c::Operation<'_>]) -> Result<(), BusError> {
        let done = i2c::I2c::<u8>::transaction(&mut self.0, address, operations);
        done.map_err(|error: I2CError| of_i2c(error.inner()))
    }
}

struct LinuxSpi(SpidevDevice);

impl spi::ErrorType for LinuxSpi {
    type Error = BusError;
}

impl spi::SpiDevice for LinuxSpi {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), BusError> {
        spi::SpiDevice::transaction(&mut self.0, operations).map_err(|error| BusError::io(error.inner()))
    }
}

struct Line(Request);

impl Edges for Line {
    fn is_high(&mut self) -> Result<bool, Trouble> {
        Ok(self.0.lone_value().map_err(trouble)? == Value::Active)
    }

    fn next(&mut self, within: Duration) -> Result<Option<Edge>, Trouble> {
        if !self.0.wait_edge_event(within).map_err(trouble)? {
            return Ok(None);
        }
        let event = self.0.read_edge_event().map_err(trouble)?;
        Ok(Some(Edge {
            at: Duration::from_nanos(event.timestamp_ns),
            rising: event.kind == Recorded::Rising,
            sequence: event.line_seqno,
        }))
    }
}

fn trouble(error: gpiocdev::Error) -> Trouble {
    Trouble::Bus(error.to_string())
}

struct LinuxOutput(Request, u32);

impl LinuxOutput {
    fn set(&self, value: Value) -> Result<(), BusError> {
        self.0.set_value(self.1, value).map_err(|error| of_gpio(&error))
    }
}

impl digital::ErrorType for LinuxOutput {
    type Error = BusError;
}

impl digital::OutputPin for LinuxOutput {
    fn set_low(&mut self) -> Result<(), BusError> {
        self.set(Value::Inactive)
    }

    fn set_high(&mut self) -> Result<(), BusError> {
        self.set(Value::Active)
    }
}
