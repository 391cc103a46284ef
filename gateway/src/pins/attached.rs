//! A driver with its way to the hardware: opened at the first poll, and again after each failure, so that whatever was
//! unplugged, reset or renumbered comes back by itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::backend::uart::Uart;
use super::backend::{Backend, EdgeKind, Sleep, Wanted};
use super::drivers::Driver;
use super::drivers::ads1115::Ads1115;
use super::drivers::bme280::Bme280;
use super::drivers::count::Count;
use super::drivers::counter::Counter;
use super::drivers::ds18b20::Ds18b20;
use super::drivers::hc_sr04::HcSr04;
use super::drivers::level::Level;
use super::drivers::mcp3008::{self, Mcp3008};
use super::drivers::pms5003::{self, Pms5003};
use super::drivers::scd4x::Scd4x;
use super::drivers::sht4x::Sht4x;
use super::setup::{ECHO, Spec};
use super::trouble::Trouble;
use crate::polled::{Answer, Fault, Sensor};

pub(super) struct Attached {
    spec: Spec,
    backend: Arc<dyn Backend>,
    /// Where it keeps a count.
    count: PathBuf,
    clock: fn() -> Instant,
    driver: Option<Box<dyn Driver>>,
}

impl Attached {
    pub(super) fn new(spec: Spec, backend: Arc<dyn Backend>, count: PathBuf, clock: fn() -> Instant) -> Self {
        Self { spec, backend, count, clock, driver: None }
    }

    fn begin(&self) -> Result<Box<dyn Driver>, Fault> {
        let opening = |error: super::backend::Opening| Fault::new(error.to_string());
        let begun = |trouble| self.fault(trouble);
        let i2c = |bus: &str| self.backend.i2c(bus).map_err(opening);
        Ok(match &self.spec {
            Spec::Bme280 { bus, address } => {
                Box::new(Bme280::begin(i2c(bus)?, *address, Sleep).map_err(begun)?)
            }
            Spec::Sht4x { bus, address } => {
                Box::new(Sht4x::begin(i2c(bus)?, *address, Sleep).map_err(begun)?)
            }
            Spec::Scd4x { bus } => Box::new(Scd4x::begin(i2c(bus)?, Sleep).map_err(begun)?),
            Spec::Ads1115 { bus, address, input, calibration } => {
                Box::new(Ads1115::new(i2c(bus)?, *address, Sleep, *input, calibration.clone()))
            }
            Spec::Mcp3008 { chip, input, reference, calibration } => {
                let chip = self.backend.spi(chip, mcp3008::HERTZ).map_err(opening)?;
                Box::new(Mcp3008::new(chip, *input, *reference, calibration.clone()))
            }
            Spec::Pms5003 { port } => {
                Box::new(Pms5003::new(Uart::open(port, pms5003::BAUD).map_err(opening)?))
            }
            Spec::Ds18b20 { folder } => Box::new(Ds18b20::new(folder.clone())),
            Spec::HcSr04 { trigger, echo, celsius, height } => {
                let trigger = self.backend.output(*trigger).map_err(opening)?;
                let echo = self.backend.edges(*echo, ECHO).map_err(opening)?;
                Box::new(HcSr04::new(trigger, echo, Sleep, *celsius, *height))
            }
            Spec::Counter { pin, wanted, tell, per_pulse } => {
                let count = Count::open(self.count.clone()).map_err(Fault::new)?;
                let edges = self.backend.edges(*pin, *wanted).map_err(opening)?;
                Box::new(Counter::new(edges, count, *tell, *per_pulse, self.clock))
            }
            Spec::Level { pin, pull, debounce, low_is_one, every } => {
                let wanted = Wanted { pull: *pull, edge: EdgeKind::Both, debounce: *debounce };
                let edges = self.backend.edges(*pin, wanted).map_err(opening)?;
                Box::new(Level::new(edges, *low_is_one, *every))
            }
        })
    }

    fn fault(&self, trouble: Trouble) -> Fault {
        let place = self.spec.place();
        Fault::new(match trouble {
            Trouble::Silent | Trouble::Bus(_) => {
                let mend = self.spec.mend(trouble == Trouble::Silent);
                format!("{place}: {trouble}: {mend}")
            }
            Trouble::Wrong(what) => format!("{place}: {what}"),
        })
    }
}

impl Sensor for Attached {
    fn poll(&mut self) -> Result<Answer, Fault> {
        let mut driver = match self.driver.take() {
            Some(driver) => driver,
            None => self.begin()?,
        };
        let answer = driver.measure().map_err(|trouble| self.fault(trouble))?;
        self.driver = Some(driver);
        Ok(answer)
    }
}
