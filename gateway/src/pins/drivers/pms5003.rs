//! Plantower PMS5003 (and PMS7003, PMSA003): particulate matter by UART at 9,600 baud (manual V2.3, appendix I).
//!
//! ```text
//! 42 4d  00 1c  13 words, the high byte first  sum of all bytes before it       about once a second, unasked
//! ```
//! Of the words, the fourth to the sixth are µg/m³ under atmospheric conditions: PM1.0, PM2.5, PM10.

use super::{Driver, all};
use crate::pins::backend::uart::Port;
use crate::pins::trouble::Trouble;
use crate::polled::Answer;

pub(crate) const BAUD: u32 = 9_600;
const FRAME: usize = 32;
const START: [u8; 2] = [0x42, 0x4d];
/// Reads of 100 ms each: a sensor whose values hardly change sends every 2.3 s only.
const READS: usize = 30;

pub(crate) struct Pms5003<P> {
    port: P,
}

impl<P: Port> Pms5003<P> {
    /// PM2.5 and PM10 in µg/m³.
    pub(crate) fn new(port: P) -> Self {
        Self { port }
    }
}

impl<P: Port> Driver for Pms5003<P> {
    fn measure(&mut self) -> Result<Answer, Trouble> {
        let failed = |error: std::io::Error| Trouble::Bus(error.to_string());
        // What waits in the port is as old as the last poll.
        self.port.forget().map_err(failed)?;
        let (mut frames, mut bytes, mut came) = (Frames::default(), [0; 64], 0);
        for _ in 0..READS {
            let read = self.port.read(&mut bytes).map_err(failed)?;
            came += read;
            let found = bytes[..read].iter().filter_map(|byte| frames.push(*byte)).last();
            if let Some([pm2_5, pm10]) = found {
                return Ok(all([f64::from(pm2_5), f64::from(pm10)]));
            }
        }
        Err(Trouble::wrong(match came {
            0 => "it sends nothing: look at its power (5 V), at SET (high) and at TX to RX".to_owned(),
            _ => format!(
                "of {came} bytes that it sent none are a frame whose sum is right: look at the baud rate and the ground"
            ),
        }))
    }
}

/// Finds frames in a stream, whatever lies between them.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    /// Takes a byte. The values of a frame that it completes, PM2.5 and PM10.
    pub(super) fn push(&mut self, byte: u8) -> Option<[u16; 2]> {
        self.bytes.push(byte);
        while !self.bytes.is_empty() {
            if !self.may_be_a_frame() {
                // The next frame may have begun within this one.
                self.bytes.remove(0);
                continue;
            }
            if self.bytes.len() < FRAME {
                return None;
            }
            let word = |at: usize| u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]);
            let values = [word(12), word(14)];
            self.bytes.clear();
            return Some(values);
        }
        None
    }

    /// Everything that is there so far is as a frame's beginning is.
    fn may_be_a_frame(&self) -> bool {
        let head = [START[0], START[1], 0, 28];
        let bytes = &self.bytes;
        let begins = bytes.iter().zip(head).all(|(byte, wanted)| *byte == wanted);
        begins && (bytes.len() < FRAME || sum(&bytes[..FRAME - 2]) == [bytes[FRAME - 2], bytes[FRAME - 1]])
    }
}

pub(super) fn sum(bytes: &[u8]) -> [u8; 2] {
    bytes.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte))).to_be_bytes()
}
