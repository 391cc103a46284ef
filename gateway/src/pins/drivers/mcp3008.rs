//! Microchip MCP3008 (and MCP3004): voltages of analogue sensors by SPI (datasheet DS21295D, chapters 5.0 and 6.1).
//!
//! ```text
//! out: 0000_0001  sddd_0000  ────_────     s: against ground, ddd: input
//! in:  ────_────  ────_─0bb  bbbb_bbbb     0: the null bit; ten bits of the reference
//! ```

use embedded_hal::spi::{Operation, SpiDevice};

use super::Driver;
use super::calibration::Calibration;
use crate::pins::trouble::Trouble;
use crate::polled::Answer;

/// As fast as it may be at 2.7 V.
pub(crate) const HERTZ: u32 = 1_000_000;

pub(crate) struct Mcp3008<S> {
    chip: S,
    input: u8,
    reference: f64,
    calibration: Calibration,
}

impl<S: SpiDevice + Send> Mcp3008<S> {
    /// The voltage in V, or what the calibration makes of it; `input` 0 to 7, `reference` in V.
    pub(crate) fn new(chip: S, input: u8, reference: f64, calibration: Calibration) -> Self {
        Self { chip, input: input & 7, reference, calibration }
    }
}

impl<S: SpiDevice + Send> Driver for Mcp3008<S> {
    fn measure(&mut self) -> Result<Answer, Trouble> {
        let mut into = [0; 3];
        let out = [1, 0x80 | self.input << 4, 0];
        self.chip.transaction(&mut [Operation::Transfer(&mut into, &out)]).map_err(Trouble::spi)?;
        // A line that nobody drives floats high; the chip itself pulls it low here.
        if into[1] & 0b100 != 0 {
            return Err(Trouble::wrong("nobody answers: look at its wires (MISO, CS) and its power"));
        }
        let raw = u16::from(into[1] & 0b11) << 8 | u16::from(into[2]);
        let value = self.calibration.value(f64::from(raw) * self.reference / 1_024.0);
        Ok(super::all([value.map_err(Trouble::Wrong)?]))
    }
}
