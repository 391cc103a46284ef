use proptest::prelude::*;

use super::super::bme280::{Bme280, Calibration};
use super::bus::{Chip, Wires};
use super::{Driver, near, values};
use crate::pins::trouble::Trouble;

/// The factory's numbers, as they lie in the registers.
#[derive(Debug, Clone, Copy)]
struct Trim {
    t: (u16, [i16; 2]),
    p: (u16, [i16; 8]),
    h: (u8, i16, u8, i16, i16, i8),
}

/// T and P are those of the datasheet's worked example (BST-BMP280-DS001, chapter 3.12; the formulas are the same), H those
/// of a real sensor.
const TRIM: Trim = Trim {
    t: (27_504, [26_435, -1_000]),
    p: (36_477, [-10_685, 3_024, 2_855, 140, -7, 15_500, -14_600, 6_000]),
    h: (75, 361, 0, 317, 50, 30),
};
const EXAMPLE: Raw = Raw { temperature: 519_888, pressure: 415_148, humidity: 30_000 };

#[derive(Debug, Clone, Copy)]
struct Raw {
    temperature: i32,
    pressure: i32,
    humidity: i32,
}

/// The datasheet's integer formulas (BME280, chapter 4.2.3), in hundredths of a degree, 1/256 Pa and 1/1024 %.
fn integers(trim: &Trim, raw: Raw) -> Option<(f64, f64, f64)> {
    let (t1, [t2, t3]) = (i32::from(trim.t.0), trim.t.1.map(i32::from));
    let adc = raw.temperature;
    let var1 = (((adc >> 3) - (t1 << 1)) * t2) >> 11;
    let var2 = (((((adc >> 4) - t1) * ((adc >> 4) - t1)) >> 12) * t3) >> 14;
    let fine = var1 + var2;
    let celsius = f64::from((fine * 5 + 128) >> 8) / 100.0;

    let (p1, [p2, p3, p4, p5, p6, p7, p8, p9]) = (i64::from(trim.p.0), trim.p.1.map(i64::from));
    let var1 = i64::from(fine) - 128_000;
    let var2 = var1 * var1 * p6 + ((var1 * p5) << 17) + (p4 << 35);
    let var1 = ((var1 * var1 * p3) >> 8) + ((var1 * p2) << 12);
    let var1 = (((1_i64 << 47) + var1) * p1) >> 33;
    if var1 == 0 {
        return None;
    }
    let p = ((((1_048_576 - i64::from(raw.pressure)) << 31) - var2) * 3_125) / var1;
    let (a, b) = ((p9 * (p >> 13) * (p >> 13)) >> 25, (p8 * p) >> 19);
    let pascal = (((p + a + b) >> 8) + (p7 << 4)) as f64 / 256.0;

    let (h1, h2, h3, h4, h5, h6) = trim.h;
    let [h1, h2, h3, h4, h5, h6] = [i32::from(h1), h2.into(), h3.into(), h4.into(), h5.into(), h6.into()];
    let x = fine - 76_800;
    let left = ((raw.humidity << 14) - (h4 << 20) - h5 * x + 16_384) >> 15;
    let right = ((((((x * h6) >> 10) * (((x * h3) >> 11) + 32_768)) >> 10) + 2_097_152) * h2 + 8_192) >> 14;
    let x = left * right;
    let x = x - (((((x >> 15) * (x >> 15)) >> 7) * h1) >> 4);
    let humidity = f64::from(x.clamp(0, 419_430_400) >> 12) / 1_024.0;
    Some((celsius, pascal, humidity))
}

/// Registers, and a measurement that takes its 9.3 ms.
struct Bme280Chip {
    trim: Trim,
    raw: Raw,
    registers: [u8; 256],
    at: u8,
    measuring_until: Option<u64>,
    hangs: bool,
}

impl Bme280Chip {
    fn new() -> Self {
        let mut chip = Self {
            trim: TRIM,
            raw: EXAMPLE,
            registers: [0; 256],
            at: 0,
            measuring_until: None,
            hangs: false,
        };
        chip.power_on();
        chip
    }

    fn power_on(&mut self) {
        self.registers = [0; 256];
        self.registers[0xd0] = 0x60;
        self.registers[0xf7..=0xfe].copy_from_slice(&[0x80, 0, 0, 0x80, 0, 0, 0x80, 0]);
        self.measuring_until = None;
        let Trim { t, p, h } = self.trim;
        let mut low = vec![];
        low.extend(t.0.to_le_bytes());
        t.1.iter().for_each(|t| low.extend(t.to_le_bytes()));
        low.extend(p.0.to_le_bytes());
        p.1.iter().for_each(|p| low.extend(p.to_le_bytes()));
        low.extend([0, h.0]);
        self.registers[0x88..0x88 + 26].copy_from_slice(&low);
        let (h4, h5) = (h.3.to_le_bytes(), h.4);
        let h2 = h.1.to_le_bytes();
        let e4 = (h.3 >> 4) as u8;
        let e5 = (h4[0] & 0x0f) | ((h5 & 0x0f) as u8) << 4;
        let high = [h2[0], h2[1], h.2, e4, e5, (h5 >> 4) as u8, h.5 as u8];
        self.registers[0xe1..0xe8].copy_from_slice(&high);
    }

    fn settle(&mut self, now: u64) {
        let Some(until) = self.measuring_until else { return };
        if now < until || self.hangs {
            self.registers[0xf3] = 0b1000;
            return;
        }
        self.measuring_until = None;
        self.registers[0xf3] = 0;
        let [p, t] = [self.raw.pressure, self.raw.temperature].map(|raw| (raw << 4).to_be_bytes());
        let measures_humidity = self.registers[0xf2] & 7 != 0;
        let h = if measures_humidity { self.raw.humidity as u16 } else { 0x8000 }.to_be_bytes();
        self.registers[0xf7..=0xfe].copy_from_slice(&[p[1], p[2], p[3], t[1], t[2], t[3], h[0], h[1]]);
        // Asleep again.
        self.registers[0xf4] &= !3;
    }
}

impl Chip for Bme280Chip {
    fn write(&mut self, bytes: &[u8], now: u64) -> bool {
        self.settle(now);
        self.at = bytes[0];
        match bytes {
            [_] => {}
            [0xe0, 0xb6] => self.power_on(),
            [register @ (0xf2 | 0xf4 | 0xf5), value] => {
                self.registers[usize::from(*register)] = *value;
                if *register == 0xf4 && value & 3 == 1 {
                    self.measuring_until = Some(now + 9_300_000);
                }
            }
            _ => return false,
        }
        true
    }

    fn read(&mut self, into: &mut [u8], now: u64) -> bool {
        self.settle(now);
        for byte in into {
            *byte = self.registers[usize::from(self.at)];
            self.at = self.at.wrapping_add(1);
        }
        true
    }
}

#[test]
fn a_bme280_gives_the_datasheets_example() {
    let wires = Wires::new(0x76, Bme280Chip::new());
    let mut sensor = Bme280::begin(wires.clone(), 0x76, wires.clone()).unwrap();
    for _ in 0..3 {
        let measured = values(&sensor.measure().unwrap());
        near(measured[0], 25.08, 0.005);
        near(measured[2], 100_653.27, 0.01);
        let (_, _, humidity) = integers(&TRIM, EXAMPLE).unwrap();
        near(measured[1], humidity, 0.02);
        assert!((20.0..80.0).contains(&measured[1]), "{measured:?}");
    }
}

#[test]
fn a_bme280_that_lost_its_power_measures_as_before() {
    let wires = Wires::new(0x76, Bme280Chip::new());
    let mut sensor = Bme280::begin(wires.clone(), 0x76, wires.clone()).unwrap();
    let before = values(&sensor.measure().unwrap());
    wires.state().chip.power_on();
    assert_eq!(values(&sensor.measure().unwrap()), before);
    wires.state().plugged = false;
    assert_eq!(sensor.measure(), Err(Trouble::Silent));
    wires.state().plugged = true;
    assert_eq!(values(&sensor.measure().unwrap()), before);
}

#[test]
fn what_is_no_bme280_or_hangs_is_told_apart() {
    let wires = Wires::new(0x77, Bme280Chip::new());
    let begin = || Bme280::begin(wires.clone(), 0x77, wires.clone());
    let said = |trouble: Option<Trouble>| trouble.unwrap().to_string();
    wires.state().chip.registers[0xd0] = 0x58;
    assert!(said(begin().err()).contains("BMP280"));
    for held in [0x00, 0xff] {
        wires.state().held = Some(held);
        assert!(said(begin().err()).contains("0x60"));
        wires.state().held = None;
    }
    wires.state().chip.power_on();
    let mut sensor = begin().unwrap();
    wires.state().chip.hangs = true;
    assert!(said(sensor.measure().err()).contains("does not end"));
    wires.state().chip.hangs = false;
    wires.state().chip.raw.temperature = 0x80000;
    assert!(said(sensor.measure().err()).contains("measured nothing"));
    wires.state().chip.trim.p.0 = 0;
    wires.state().chip.raw = EXAMPLE;
    wires.state().chip.power_on();
    assert!(said(begin().unwrap().measure().err()).contains("calibration"));
}

proptest! {
    /// Two formulas of the datasheet, written independently, agree on every sensor and every weather.
    #[test]
    fn floating_point_agrees_with_the_integers(
        temperature in 380_000_i32..620_000,
        pressure in 250_000_i32..550_000,
        humidity in 15_000_i32..50_000,
        t1 in 26_500_u16..28_800,
        h1 in 60_u8..90,
        h5 in -100_i16..100,
    ) {
        let trim = Trim { t: (t1, TRIM.t.1), h: (h1, 361, 0, 317, h5, 30), ..TRIM };
        let raw = Raw { temperature, pressure, humidity };
        let (celsius, pascal, percent) = integers(&trim, raw).unwrap();
        let calibration = Calibration {
            t: [f64::from(trim.t.0), f64::from(trim.t.1[0]), f64::from(trim.t.1[1])],
            p: std::array::from_fn(|n| if n == 0 { f64::from(trim.p.0) } else { f64::from(trim.p.1[n - 1]) }),
            h: [f64::from(h1), 361.0, 0.0, 317.0, f64::from(h5), 30.0],
        };
        let (float, fine) = calibration.celsius(temperature);
        prop_assert!((float - celsius).abs() < 0.02, "{float} {celsius}");
        let float = calibration.pascal(pressure, fine).unwrap();
        prop_assert!((float - pascal).abs() < 1.0, "{float} {pascal}");
        let float = calibration.humidity(humidity, fine);
        prop_assert!((float - percent).abs() < 0.05, "{float} {percent}");
    }
}
