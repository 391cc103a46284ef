//! The drivers: each turns the bytes or edges of one kind of sensor into values, over the traits of embedded-hal alone,
//! so that tests run them against simulated chips.
//!
//! Always: nothing is believed that a checksum or the datasheet contradicts; a driver that failed is thrown away and made
//! anew, and its beginning sets everything right that a power cut of the sensor undid; every wait has an end.

pub(crate) mod ads1115;
pub(crate) mod bme280;
pub(crate) mod calibration;
pub(crate) mod count;
pub(crate) mod counter;
pub(crate) mod ds18b20;
pub(crate) mod hc_sr04;
pub(crate) mod level;
pub(crate) mod mcp3008;
pub(crate) mod pms5003;
pub(crate) mod scd4x;
mod sensirion;
pub(crate) mod sht4x;
#[cfg(test)]
pub(crate) mod tests;

use crate::pins::trouble::Trouble;
use crate::polled::Answer;

/// A sensor that has been begun.
pub(crate) trait Driver: Send {
    /// Measures once. Values are numbered as the kind's quantities are.
    fn measure(&mut self) -> Result<Answer, Trouble>;
}

/// An answer with all values.
fn all<const N: usize>(values: [f64; N]) -> Answer {
    let mut answer = Answer::default();
    values.into_iter().enumerate().for_each(|(n, value)| answer.push(n, value));
    answer
}
