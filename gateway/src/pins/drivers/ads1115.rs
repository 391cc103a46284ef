//! Texas Instruments ADS1115: voltages of analogue sensors (datasheet SBAS444E, chapters 7.3 and 8.1).
//!
//! ```text
//! config: start, inputs, range, single shot, 128 a second ─► ready? ─► conversion, signed 16 bits of the range
//! ```

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::Driver;
use super::calibration::Calibration;
use crate::pins::trouble::Trouble;
use crate::polled::Answer;

const CONVERSION: u8 = 0;
const CONFIG: u8 = 1;
/// Written: start; read: nothing is under way.
const START: u16 = 1 << 15;
const SINGLE_SHOT: u16 = 1 << 8;
const PER_SECOND_128: u16 = 0b100 << 5;
const NO_COMPARATOR: u16 = 0b11;
/// Ranges in volts, in the order of their bits.
const RANGES: [f64; 6] = [6.144, 4.096, 2.048, 1.024, 0.512, 0.256];
/// Inputs, in the order of their bits.
const INPUTS: [&str; 8] = ["0-1", "0-3", "1-3", "2-3", "0", "1", "2", "3"];

/// What is measured, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Input {
    mux: u16,
    gain: u16,
}

impl Input {
    /// `input`: "0" to "3" against ground, or "0-1", "0-3", "1-3", "2-3"; `range` in volts.
    pub(crate) fn new(input: &str, range: f64) -> Option<Self> {
        let mux = INPUTS.iter().position(|name| *name == input)?;
        let gain = RANGES.iter().position(|volts| *volts == range)?;
        Some(Self { mux: u16::try_from(mux).ok()?, gain: u16::try_from(gain).ok()? })
    }

    fn config(self) -> u16 {
        START | self.mux << 12 | self.gain << 9 | SINGLE_SHOT | PER_SECOND_128 | NO_COMPARATOR
    }
}

pub(crate) struct Ads1115<B, D> {
    bus: B,
    address: u8,
    delay: D,
    input: Input,
    calibration: Calibration,
}

impl<B: I2c + Send, D: DelayNs + Send> Ads1115<B, D> {
    /// The voltage in V, or what the calibration makes of it. Nothing has to be begun: each measurement says all of it.
    pub(crate) fn new(bus: B, address: u8, delay: D, input: Input, calibration: Calibration) -> Self {
        Self { bus, address, delay, input, calibration }
    }

    fn read(&mut self, register: u8) -> Result<[u8; 2], Trouble> {
        let mut bytes = [0; 2];
        self.bus.write_read(self.address, &[register], &mut bytes).map_err(Trouble::i2c)?;
        Ok(bytes)
    }
}

impl<B: I2c + Send, D: DelayNs + Send> Driver for Ads1115<B, D> {
    fn measure(&mut self) -> Result<Answer, Trouble> {
        let wanted = self.input.config();
        let [high, low] = wanted.to_be_bytes();
        self.bus.write(self.address, &[CONFIG, high, low]).map_err(Trouble::i2c)?;
        // 7.8 ms, and a clock that may be 10 % slow.
        self.delay.delay_ms(9);
        for _ in 0..10 {
            let config = u16::from_be_bytes(self.read(CONFIG)?);
            if config & !START != wanted & !START {
                return Err(Trouble::wrong(format!(
                    "its settings read {config:#06x} after {wanted:#06x} was written: look whether something else uses it"
                )));
            }
            if config & START != 0 {
                let raw = i16::from_be_bytes(self.read(CONVERSION)?);
                return self.value(raw);
            }
            self.delay.delay_ms(1);
        }
        Err(Trouble::wrong("it does not end its conversion: look at its power"))
    }
}

impl<B, D> Ads1115<B, D> {
    fn value(&self, raw: i16) -> Result<Answer, Trouble> {
        let range = RANGES.get(usize::from(self.input.gain)).copied().unwrap_or(RANGES[0]);
        if raw == i16::MAX || raw == i16::MIN {
            return Err(Trouble::wrong(format!(
                "the voltage is beyond ±{range} V: set a greater `range`, or look at the sensor"
            )));
        }
        let volts = f64::from(raw) * range / 32_768.0;
        let value = self.calibration.value(volts).map_err(Trouble::Wrong)?;
        Ok(super::all([value]))
    }
}
