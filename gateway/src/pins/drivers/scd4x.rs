//! Sensirion SCD40, SCD41: carbon dioxide, temperature and relative humidity (datasheet SCD4x, version 1.4,
//! chapters 3.5 and 3.8).
//!
//! ```text
//! stop (500 ms) ─► start periodic ─► every 5 s: data ready? ─► read: CO2 crc T crc RH crc
//! ```
//! It measures by itself every 5 s. Its own baseline correction stays on: it wants fresh air once a week.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::{Driver, all, sensirion};
use crate::pins::trouble::Trouble;
use crate::polled::Answer;

/// Its only address.
pub(crate) const ADDRESS: u8 = 0x62;
const START: [u8; 2] = [0x21, 0xb1];
const STOP: [u8; 2] = [0x3f, 0x86];
const READY: [u8; 2] = [0xe4, 0xb8];
const READ: [u8; 2] = [0xec, 0x05];
/// Polls, at least 5 s apart, that may find nothing new: one for the first measurement, one for its clock that is slower.
const UNREADY: u32 = 3;

pub(crate) struct Scd4x<B, D> {
    bus: B,
    delay: D,
    unready: u32,
}

impl<B: I2c + Send, D: DelayNs + Send> Scd4x<B, D> {
    /// Carbon dioxide in ppm, air temperature in °C, relative humidity in %.
    pub(crate) fn begin(bus: B, delay: D) -> Result<Self, Trouble> {
        let mut sensor = Self { bus, delay, unready: 0 };
        // While it measures (the gateway was restarted) it takes no start.
        sensor.command(STOP, 500)?;
        sensor.command(START, 1)?;
        Ok(sensor)
    }

    fn command(&mut self, command: [u8; 2], ms: u32) -> Result<(), Trouble> {
        self.bus.write(ADDRESS, &command).map_err(Trouble::i2c)?;
        self.delay.delay_ms(ms);
        Ok(())
    }

    fn ask<const N: usize>(&mut self, command: [u8; 2], bytes: &mut [u8]) -> Result<[u16; N], Trouble> {
        self.command(command, 1)?;
        self.bus.read(ADDRESS, bytes).map_err(Trouble::i2c)?;
        sensirion::words(bytes)
    }
}

impl<B: I2c + Send, D: DelayNs + Send> Driver for Scd4x<B, D> {
    fn measure(&mut self) -> Result<Answer, Trouble> {
        let [ready] = self.ask(READY, &mut [0; 3])?;
        if ready & 0x07ff == 0 {
            self.unready += 1;
            if self.unready > UNREADY {
                return Err(Trouble::wrong(
                    "it has measured nothing new for three polls: look at its power, which has to give 205 mA at times",
                ));
            }
            return Ok(Answer { absent: 3, ..Answer::default() });
        }
        self.unready = 0;
        let [co2, temperature, humidity] = self.ask(READ, &mut [0; 9])?;
        if co2 == 0 {
            return Err(Trouble::wrong("it says 0 ppm, which it does while it is disturbed"));
        }
        Ok(all([f64::from(co2), sensirion::celsius(temperature), 100.0 * f64::from(humidity) / 65_535.0]))
    }
}
