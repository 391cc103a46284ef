//! Bosch BME280: temperature, relative humidity and pressure (datasheet BST-BME280-DS001, version 1.23, chapters 4.2, 5.3
//! and 8.1).
//!
//! ```text
//! 0xd0 id   0x88–0xa1, 0xe1–0xe7 calibration   0xf2 ctrl_hum   0xf3 status   0xf4 ctrl_meas   0xf7–0xfe data
//! forced mode: ctrl_hum, ctrl_meas ─► measures once, then sleeps ─► data
//! ```
//! The control registers are written for each measurement, so that a sensor that lost its power for a moment measures as
//! before.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::{Driver, all};
use crate::pins::trouble::Trouble;
use crate::polled::Answer;

const ID: u8 = 0xd0;
const IS_BME280: u8 = 0x60;
const RESET: u8 = 0xe0;
const STATUS: u8 = 0xf3;
/// A measurement goes on, or the calibration is copied.
const BUSY: u8 = 0b1001;
/// Each value once, as the datasheet proposes for weather (chapter 3.5.1).
const ONCE: u8 = 1;
const FORCED: u8 = 1;

pub(crate) struct Bme280<B, D> {
    bus: B,
    address: u8,
    delay: D,
    calibration: Calibration,
}

impl<B: I2c + Send, D: DelayNs + Send> Bme280<B, D> {
    /// Air temperature in °C, relative humidity in %, air pressure in Pa.
    pub(crate) fn begin(mut bus: B, address: u8, delay: D) -> Result<Self, Trouble> {
        let mut id = [0];
        bus.write_read(address, &[ID], &mut id).map_err(Trouble::i2c)?;
        match id[0] {
            IS_BME280 => {}
            0x56..=0x58 => {
                return Err(Trouble::wrong(
                    "it is a BMP280, which knows no humidity: take a BME280, whose case is square",
                ));
            }
            other => {
                return Err(Trouble::wrong(format!(
                    "it says that its chip is {other:#04x}, a BME280 says 0x60"
                )));
            }
        }
        bus.write(address, &[RESET, 0xb6]).map_err(Trouble::i2c)?;
        let mut sensor = Self { bus, address, delay, calibration: Calibration::default() };
        // It starts within 2 ms.
        sensor.delay.delay_ms(3);
        sensor.idle()?;
        let (mut low, mut high) = ([0; 26], [0; 7]);
        sensor.read(0x88, &mut low)?;
        sensor.read(0xe1, &mut high)?;
        sensor.calibration = Calibration::of(&low, &high)?;
        Ok(sensor)
    }

    fn read(&mut self, register: u8, bytes: &mut [u8]) -> Result<(), Trouble> {
        self.bus.write_read(self.address, &[register], bytes).map_err(Trouble::i2c)
    }

    fn write(&mut self, register: u8, value: u8) -> Result<(), Trouble> {
        self.bus.write(self.address, &[register, value]).map_err(Trouble::i2c)
    }

    /// Waits for the end of what it does.
    fn idle(&mut self) -> Result<(), Trouble> {
        for _ in 0..20 {
            let mut status = [0];
            self.read(STATUS, &mut status)?;
            if status[0] & BUSY == 0 {
                return Ok(());
            }
            self.delay.delay_ms(2);
        }
        Err(Trouble::wrong("it does not end its measurement: look at its power, or take another one"))
    }
}

impl<B: I2c + Send, D: DelayNs + Send> Driver for Bme280<B, D> {
    fn measure(&mut self) -> Result<Answer, Trouble> {
        // Takes effect with the write of ctrl_meas.
        self.write(0xf2, ONCE)?;
        self.write(0xf4, ONCE << 5 | ONCE << 2 | FORCED)?;
        // 9.3 ms at most (chapter 9.1).
        self.delay.delay_ms(10);
        self.idle()?;
        let mut data = [0; 8];
        self.read(0xf7, &mut data)?;
        let twenty = |at: usize| {
            i32::from(data[at]) << 12 | i32::from(data[at + 1]) << 4 | i32::from(data[at + 2]) >> 4
        };
        let (pressure, temperature) = (twenty(0), twenty(3));
        let humidity = i32::from(u16::from_be_bytes([data[6], data[7]]));
        // What stands there before anything is measured (chapters 5.4.7 to 5.4.9).
        if pressure == 0x80000 || temperature == 0x80000 || humidity == 0x8000 {
            return Err(Trouble::wrong("it has measured nothing: look at its power"));
        }
        let (celsius, fine) = self.calibration.celsius(temperature);
        let pascal = self
            .calibration
            .pascal(pressure, fine)
            .ok_or_else(|| Trouble::wrong("its calibration is 0 where it must not be: take another one"))?;
        Ok(all([celsius, self.calibration.humidity(humidity, fine), pascal]))
    }
}

/// What the factory wrote into it (chapter 4.2.2), already as the floating-point formulas of chapter 8.1 want it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Calibration {
    pub(super) t: [f64; 3],
    pub(super) p: [f64; 9],
    pub(super) h: [f64; 6],
}

impl Calibration {
    /// `low` from 0x88 on, `high` from 0xe1 on.
    fn of(low: &[u8; 26], high: &[u8; 7]) -> Result<Self, Trouble> {
        let unsigned = |at: usize| f64::from(u16::from_le_bytes([low[2 * at], low[2 * at + 1]]));
        let signed = |at: usize| f64::from(i16::from_le_bytes([low[2 * at], low[2 * at + 1]]));
        // A bus that is held high or low reads as this.
        if low[..24].iter().all(|byte| *byte == low[0]) {
            return Err(Trouble::wrong(
                "its calibration is empty: look at the data line, or take another one",
            ));
        }
        let twelve = |msb: u8, low: u8| f64::from(i16::from(msb.cast_signed()) << 4 | i16::from(low));
        let mut p = [0.0; 9];
        p.iter_mut().enumerate().for_each(|(n, p)| *p = if n == 0 { unsigned(3) } else { signed(3 + n) });
        Ok(Self {
            t: [unsigned(0), signed(1), signed(2)],
            p,
            h: [
                f64::from(low[25]),
                f64::from(i16::from_le_bytes([high[0], high[1]])),
                f64::from(high[2]),
                twelve(high[3], high[4] & 0x0f),
                twelve(high[5], high[4] >> 4),
                f64::from(high[6].cast_signed()),
            ],
        })
    }

    /// °C, and the fine temperature that the other formulas want.
    pub(super) fn celsius(&self, raw: i32) -> (f64, f64) {
        let [t1, t2, t3] = self.t;
        let raw = f64::from(raw);
        let first = (raw / 16_384.0 - t1 / 1_024.0) * t2;
        let second = (raw / 131_072.0 - t1 / 8_192.0).powi(2) * t3;
        ((first + second) / 5_120.0, first + second)
    }

    /// Pa; none where the calibration would divide by 0.
    pub(super) fn pascal(&self, raw: i32, fine: f64) -> Option<f64> {
        let [p1, p2, p3, p4, p5, p6, p7, p8, p9] = self.p;
        let a = fine / 2.0 - 64_000.0;
        let b = a * a * p6 / 32_768.0 + a * p5 * 2.0;
        let b = b / 4.0 + p4 * 65_536.0;
        let c = (p3 * a * a / 524_288.0 + p2 * a) / 524_288.0;
        let c = (1.0 + c / 32_768.0) * p1;
        if c == 0.0 {
            return None;
        }
        let p = (1_048_576.0 - f64::from(raw) - b / 4_096.0) * 6_250.0 / c;
        Some(p + (p9 * p * p / 2_147_483_648.0 + p * p8 / 32_768.0 + p7) / 16.0)
    }

    /// %.
    pub(super) fn humidity(&self, raw: i32, fine: f64) -> f64 {
        let [h1, h2, h3, h4, h5, h6] = self.h;
        let a = fine - 76_800.0;
        let b = f64::from(raw) - (h4 * 64.0 + h5 / 16_384.0 * a);
        let c = h2 / 65_536.0 * (1.0 + h6 / 67_108_864.0 * a * (1.0 + h3 / 67_108_864.0 * a));
        let h = b * c;
        (h * (1.0 - h1 * h / 524_288.0)).clamp(0.0, 100.0)
    }
}
