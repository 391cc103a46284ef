use super::super::scd4x::{self, Scd4x};
use super::super::sensirion::crc8;
use super::super::sht4x::Sht4x;
use super::bus::{Chip, Wires};
use super::{Driver, near, values};
use crate::pins::trouble::Trouble;

fn push(into: &mut [u8], words: &[u16]) {
    for (triple, word) in into.chunks_mut(3).zip(words) {
        let bytes = word.to_be_bytes();
        triple.copy_from_slice(&[bytes[0], bytes[1], crc8(&bytes)]);
    }
}

#[test]
fn the_checksum_is_the_datasheets() {
    // SHT4x datasheet 4.4, and the examples of SCD4x datasheet 3.5.2: 500 ppm, 25 °C, 37 %.
    for (word, crc) in [(0xbeef_u16, 0x92), (0x01f4, 0x33), (0x6667, 0xa2), (0x5eb9, 0x3c)] {
        assert_eq!(crc8(&word.to_be_bytes()), crc);
    }
}

/// Ready 1 ms after a reset and 8.3 ms after a command; nothing is acknowledged before.
pub(crate) struct Sht4xChip {
    pub(crate) words: [u16; 2],
    busy_until: u64,
    measured: bool,
}

impl Sht4xChip {
    pub(crate) fn new(words: [u16; 2]) -> Self {
        Self { words, busy_until: 0, measured: false }
    }
}

impl Chip for Sht4xChip {
    fn write(&mut self, bytes: &[u8], now: u64) -> bool {
        if now < self.busy_until {
            return false;
        }
        let ms = match bytes {
            [0xfd] => 8.3,
            [0x94] => 1.0,
            _ => return false,
        };
        self.measured = bytes == [0xfd];
        self.busy_until = now + (ms * 1e6) as u64;
        true
    }

    fn read(&mut self, into: &mut [u8], now: u64) -> bool {
        if now < self.busy_until || !self.measured || into.len() != 6 {
            return false;
        }
        push(into, &self.words);
        self.measured = false;
        true
    }
}

#[test]
fn an_sht4x_measures_and_tells_a_disturbed_line_from_a_missing_sensor() {
    let wires = Wires::new(0x44, Sht4xChip::new([0x6667, 0x6b85]));
    let mut sensor = Sht4x::begin(wires.clone(), 0x44, wires.clone()).unwrap();
    let measured = values(&sensor.measure().unwrap());
    // 0x6667 is 25 °C; 0x6b85 / 65535 × 125 − 6 = 46.5 %.
    near(measured[0], 25.0, 0.01);
    near(measured[1], 46.5, 0.01);
    // Beyond 100 % by the sensor's tolerance.
    wires.state().chip.words[1] = 0xffff;
    assert_eq!(values(&sensor.measure().unwrap())[1], 100.0);
    for byte in 0..6 {
        wires.state().disturbed = Some(byte);
        assert!(matches!(sensor.measure(), Err(Trouble::Wrong(what)) if what.contains("checksum")));
    }
    wires.state().disturbed = None;
    for held in [0x00, 0xff] {
        wires.state().held = Some(held);
        assert!(matches!(sensor.measure(), Err(Trouble::Wrong(_))), "{held:#x}");
    }
    wires.state().held = None;
    wires.state().plugged = false;
    assert_eq!(sensor.measure(), Err(Trouble::Silent));
    assert!(Sht4x::begin(wires.clone(), 0x44, wires.clone()).is_err());
    wires.state().plugged = true;
    sensor = Sht4x::begin(wires.clone(), 0x44, wires).unwrap();
    near(values(&sensor.measure().unwrap())[0], 25.0, 0.01);
}

/// Measures every 5 s once it was started; takes nothing but questions and the stop while it does.
struct Scd4xChip {
    words: [u16; 3],
    started: Option<u64>,
    /// How many measurements were read.
    read: u64,
    busy_until: u64,
    asked: [u8; 2],
    /// It no longer measures, though it answers.
    stuck: bool,
}

impl Scd4xChip {
    fn measured(&self, now: u64) -> u64 {
        match self.started {
            Some(started) if !self.stuck => (now - started) / 5_000_000_000,
            _ => 0,
        }
    }
}

impl Chip for Scd4xChip {
    fn write(&mut self, bytes: &[u8], now: u64) -> bool {
        if now < self.busy_until {
            return false;
        }
        match (bytes, self.started) {
            ([0x21, 0xb1], None) => (self.started, self.read) = (Some(now), 0),
            ([0x3f, 0x86], _) => {
                self.started = None;
                self.busy_until = now + 500_000_000;
            }
            ([0xe4, 0xb8], _) => {}
            // Without a new measurement it does not acknowledge (chapter 3.5.2).
            ([0xec, 0x05], _) if self.measured(now) > self.read => {}
            _ => return false,
        }
        self.asked = [bytes[0], bytes[1]];
        true
    }

    fn read(&mut self, into: &mut [u8], now: u64) -> bool {
        if now < self.busy_until {
            return false;
        }
        match self.asked {
            // Bits 10 to 0 tell; those above are not to be looked at.
            [0xe4, 0xb8] => push(into, &[if self.measured(now) > self.read { 0x8006 } else { 0x8000 }]),
            [0xec, 0x05] => {
                push(into, &self.words);
                self.read = self.measured(now);
            }
            _ => return false,
        }
        true
    }
}

fn scd4x() -> Wires<Scd4xChip> {
    let chip = Scd4xChip {
        words: [500, 0x6667, 0x5eb9],
        started: None,
        read: 0,
        busy_until: 0,
        asked: [0; 2],
        stuck: false,
    };
    Wires::new(scd4x::ADDRESS, chip)
}

#[test]
fn an_scd4x_gives_each_measurement_once_and_goes_on_after_a_restart_of_the_gateway() {
    let wires = scd4x();
    for _restart in 0..2 {
        let mut sensor = Scd4x::begin(wires.clone(), wires.clone()).unwrap();
        let early = sensor.measure().unwrap();
        assert!(early.values.is_empty() && early.absent == 3);
        for _ in 0..3 {
            wires.pass_ms(5_100);
            let measured = values(&sensor.measure().unwrap());
            assert_eq!(measured[0], 500.0);
            near(measured[1], 25.0, 0.01);
            near(measured[2], 37.0, 0.01);
            assert!(sensor.measure().unwrap().values.is_empty(), "nothing is told twice");
        }
    }
}

#[test]
fn an_scd4x_that_no_longer_measures_or_lost_its_power_is_faulty_and_begins_anew() {
    let wires = scd4x();
    let mut sensor = Scd4x::begin(wires.clone(), wires.clone()).unwrap();
    let stuck = |wires: &Wires<Scd4xChip>, sensor: &mut Scd4x<_, _>| {
        let fails = (0..5).map(|_| {
            wires.pass_ms(5_100);
            sensor.measure().is_err()
        });
        fails.collect::<Vec<_>>()
    };
    wires.state().chip.stuck = true;
    assert_eq!(stuck(&wires, &mut sensor), [false, false, false, true, true]);
    wires.state().chip.stuck = false;
    // Its power was gone for a moment: it answers, but was never started.
    wires.state().chip.started = None;
    let mut sensor = Scd4x::begin(wires.clone(), wires.clone()).unwrap();
    wires.pass_ms(5_100);
    assert_eq!(values(&sensor.measure().unwrap())[0], 500.0);
    wires.state().chip.started = None;
    assert!(stuck(&wires, &mut sensor)[4]);
    wires.state().chip.words[0] = 0;
    let mut sensor = Scd4x::begin(wires.clone(), wires.clone()).unwrap();
    wires.pass_ms(5_100);
    assert!(matches!(sensor.measure(), Err(Trouble::Wrong(_))), "0 ppm is no air");
}
