//! Sensirion SHT40, SHT41, SHT45: temperature and relative humidity (datasheet SHT4x, version 6, chapters 4.3–4.6).
//!
//! ```text
//! 0xfd ─► 8.3 ms at most, reads are not acknowledged until then ─► T T crc RH RH crc
//! ```

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::{Driver, all, sensirion};
use crate::pins::trouble::Trouble;
use crate::polled::Answer;

/// Measures with high repeatability.
const MEASURE: u8 = 0xfd;
const MEASURE_MS: u32 = 10;
const RESET: u8 = 0x94;

pub(crate) struct Sht4x<B, D> {
    bus: B,
    address: u8,
    delay: D,
}

impl<B: I2c + Send, D: DelayNs + Send> Sht4x<B, D> {
    /// Air temperature in °C, relative humidity in %.
    pub(crate) fn begin(mut bus: B, address: u8, mut delay: D) -> Result<Self, Trouble> {
        bus.write(address, &[RESET]).map_err(Trouble::i2c)?;
        // Ready for commands 1 ms after a reset.
        delay.delay_ms(2);
        Ok(Self { bus, address, delay })
    }
}

impl<B: I2c + Send, D: DelayNs + Send> Driver for Sht4x<B, D> {
    fn measure(&mut self) -> Result<Answer, Trouble> {
        self.bus.write(self.address, &[MEASURE]).map_err(Trouble::i2c)?;
        self.delay.delay_ms(MEASURE_MS);
        let mut bytes = [0; 6];
        self.bus.read(self.address, &mut bytes).map_err(Trouble::i2c)?;
        let [temperature, humidity] = sensirion::words(&bytes)?;
        let humidity = -6.0 + 125.0 * f64::from(humidity) / 65_535.0;
        Ok(all([sensirion::celsius(temperature), humidity.clamp(0.0, 100.0)]))
    }
}
