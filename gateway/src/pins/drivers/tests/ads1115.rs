use super::super::ads1115::{Ads1115, Input};
use super::super::calibration::Calibration;
use super::bus::{Chip, Wires};
use super::{Driver, near, values};
use crate::pins::trouble::Trouble;

/// Two registers, a multiplexer and its gain; a conversion takes 1/128 s and up to 10 % more.
struct Ads1115Chip {
    volts: [f64; 4],
    config: u16,
    conversion: i16,
    at: u8,
    ready: Option<u64>,
    hangs: bool,
}

impl Ads1115Chip {
    fn convert(&mut self) {
        let [a, b, c, d] = self.volts;
        let volts = match self.config >> 12 & 7 {
            0 => a - b,
            1 => a - d,
            2 => b - d,
            3 => c - d,
            4 => a,
            5 => b,
            6 => c,
            _ => d,
        };
        let range = match self.config >> 9 & 7 {
            0 => 6.144,
            1 => 4.096,
            2 => 2.048,
            3 => 1.024,
            4 => 0.512,
            _ => 0.256,
        };
        self.conversion = (volts / range * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
    }

    fn settle(&mut self, now: u64) {
        if self.ready.is_some_and(|ready| now >= ready) && !self.hangs {
            self.convert();
            self.ready = None;
        }
    }
}

impl Chip for Ads1115Chip {
    fn write(&mut self, bytes: &[u8], now: u64) -> bool {
        self.settle(now);
        match bytes {
            [at @ 0..=3] => self.at = *at,
            [1, high, low] => {
                self.config = u16::from_be_bytes([*high, *low]);
                // Only the rate 128 is simulated.
                assert_eq!(self.config >> 5 & 7, 0b100);
                if self.config & 0x8100 == 0x8100 {
                    self.ready = Some(now + 8_500_000);
                }
            }
            _ => return false,
        }
        true
    }

    fn read(&mut self, into: &mut [u8], now: u64) -> bool {
        self.settle(now);
        let value = match self.at {
            0 => self.conversion.to_be_bytes(),
            _ => (self.config & 0x7fff | u16::from(self.ready.is_none()) << 15).to_be_bytes(),
        };
        into.copy_from_slice(&value);
        true
    }
}

fn chip(volts: [f64; 4]) -> Wires<Ads1115Chip> {
    Wires::new(0x48, Ads1115Chip { volts, config: 0x8583, conversion: 0, at: 0, ready: None, hangs: false })
}

fn sensor(
    wires: &Wires<Ads1115Chip>,
    input: &str,
    range: f64,
    calibration: Calibration,
) -> Ads1115<Wires<Ads1115Chip>, Wires<Ads1115Chip>> {
    Ads1115::new(wires.clone(), 0x48, wires.clone(), Input::new(input, range).unwrap(), calibration)
}

const PLAIN: Calibration = Calibration::Linear { scale: 1.0, offset: 0.0 };

#[test]
fn an_ads1115_measures_every_input_in_every_range() {
    let wires = chip([0.2, 0.11, 0.05, 0.02]);
    let inputs = [
        ("0", 0.2),
        ("1", 0.11),
        ("2", 0.05),
        ("3", 0.02),
        ("0-1", 0.09),
        ("0-3", 0.18),
        ("1-3", 0.09),
        ("2-3", 0.03),
    ];
    for range in [6.144, 4.096, 2.048, 1.024, 0.512, 0.256] {
        for (input, volts) in inputs {
            let measured = sensor(&wires, input, range, PLAIN).measure().unwrap();
            near(values(&measured)[0], volts, range / 32_768.0);
        }
    }
    assert!(Input::new("4", 4.096).is_none() && Input::new("0", 5.0).is_none());
}

#[test]
fn several_inputs_of_one_chip_do_not_disturb_each_other() {
    let wires = chip([1.5, -0.0, 3.0, 0.1]);
    let (mut one, mut two) = (sensor(&wires, "0", 4.096, PLAIN), sensor(&wires, "2", 6.144, PLAIN));
    for _ in 0..3 {
        near(values(&one.measure().unwrap())[0], 1.5, 0.001);
        near(values(&two.measure().unwrap())[0], 3.0, 0.001);
    }
}

#[test]
fn what_an_ads1115_cannot_know_is_no_value() {
    let wires = chip([5.0, 0.0, 0.0, 0.0]);
    let said = |input: &str| sensor(&wires, input, 4.096, PLAIN).measure().unwrap_err().to_string();
    assert!(said("0").contains("greater `range`"));
    wires.state().chip.hangs = true;
    assert!(said("1").contains("does not end"));
    wires.state().chip.hangs = false;
    wires.state().held = Some(0xff);
    assert!(said("1").contains("settings"));
    wires.state().held = None;
    wires.state().plugged = false;
    assert_eq!(sensor(&wires, "1", 4.096, PLAIN).measure(), Err(Trouble::Silent));
    wires.state().plugged = true;
    assert_eq!(values(&sensor(&wires, "1", 4.096, PLAIN).measure().unwrap()), [0.0]);
}

#[test]
fn a_voltage_becomes_what_it_stands_for_by_a_line_or_a_table() {
    // 4–20 mA over 150 Ω: 0.6 V is 0 m, 3 V is 5 m.
    let line = Calibration::Linear { scale: 5.0 / 2.4, offset: -1.25 };
    let wires = chip([1.8, 0.0, 0.0, 0.0]);
    near(values(&sensor(&wires, "0", 4.096, line).measure().unwrap())[0], 2.5, 0.001);
    let table = Calibration::table(&[[0.5, 0.0], [1.0, 10.0], [3.0, 20.0]]).unwrap();
    for (volts, value) in [(0.5, 0.0), (0.75, 5.0), (1.0, 10.0), (2.0, 15.0), (3.0, 20.0)] {
        near(table.value(volts).unwrap(), value, 1e-9);
    }
    for volts in [0.499, 3.001, f64::NAN] {
        assert!(table.value(volts).unwrap_err().contains("outside of the table"));
    }
    wires.state().chip.volts[0] = 0.01;
    assert!(matches!(sensor(&wires, "0", 4.096, table).measure(), Err(Trouble::Wrong(_))), "a broken wire");
    for (points, word) in [
        (vec![[1.0, 2.0]], "two points"),
        (vec![[1.0, 2.0], [1.0, 3.0]], "have to rise"),
        (vec![[1.0, 2.0], [f64::INFINITY, 3.0]], "no number"),
    ] {
        assert!(Calibration::table(&points).unwrap_err().contains(word));
    }
}
