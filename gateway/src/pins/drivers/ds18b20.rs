//! Maxim DS18B20: temperature by the kernel's 1-Wire (datasheet 19-7487 Rev 6, chapters "Memory" and "CRC generation";
//! Documentation/w1/slaves/w1_therm.rst of the kernel).
//!
//! ```text
//! w1_slave:   72 01 4b 46 7f ff 0e 10 57 : crc=57 YES
//!             72 01 4b 46 7f ff 0e 10 57 t=23125
//! ```
//! The nine bytes are believed, not the text behind them: temperature in 1/16 °C, …, CRC.

use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use super::{Driver, all};
use crate::pins::trouble::Trouble;
use crate::polled::Answer;

/// What stands in it after its power came and before it has measured: 85 °C.
const POWER_ON: i16 = 0x0550;

pub(crate) struct Ds18b20 {
    folder: PathBuf,
}

impl Ds18b20 {
    /// Its folder, such as `/sys/bus/w1/devices/28-0316a4d1b2ff`. A temperature in °C.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl Driver for Ds18b20 {
    fn measure(&mut self) -> Result<Answer, Trouble> {
        let file = self.folder.join("w1_slave");
        let mut text = String::new();
        let read = std::fs::File::open(&file).and_then(|file| file.take(4_096).read_to_string(&mut text));
        read.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Trouble::wrong(
                "the kernel does not see it: look at its wires and the 4.7 kΩ resistor, and switch 1-Wire on \
                 (raspi-config, or dtoverlay=w1-gpio in config.txt); `ls /sys/bus/w1/devices` shows who is there",
            ),
            _ => Trouble::Bus(format!("{}: {error}", file.display())),
        })?;
        celsius(&text).map(|celsius| all([celsius]))
    }
}

/// The temperature that a `w1_slave` file tells.
pub(super) fn celsius(text: &str) -> Result<f64, Trouble> {
    let bytes: Option<Vec<u8>> =
        text.split_ascii_whitespace().take(9).map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    let unreadable = || Trouble::wrong("the kernel's answer is no w1_slave file");
    let bytes: [u8; 9] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(unreadable)?;
    let line = text.lines().next().unwrap_or_default();
    // A bus that is shorted to ground reads as zeros, whose CRC is right.
    if bytes == [0; 9] {
        return Err(Trouble::wrong("it reads as zeros: the data line is shorted to ground"));
    }
    if !line.ends_with("YES") || crc8(&bytes[..8]) != bytes[8] {
        return Err(Trouble::wrong(
            "its checksum is wrong: shorten the cable, or use a smaller pull-up resistor (2.2 kΩ)",
        ));
    }
    match i16::from_le_bytes([bytes[0], bytes[1]]) {
        POWER_ON => Err(Trouble::wrong(
            "it says 85 °C, which it does when it lost its power before it had measured: look at its power",
        )),
        raw => Ok(f64::from(raw) / 16.0),
    }
}

/// Polynomial x⁸ + x⁵ + x⁴ + 1, reflected.
pub(super) fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0x8c })
    })
}
