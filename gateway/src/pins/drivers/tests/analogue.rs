use std::sync::{Arc, Mutex};

use embedded_hal::spi::{self, Operation, SpiDevice};

use super::super::calibration::Calibration;
use super::super::mcp3008::Mcp3008;
use super::{Driver, near, values};

/// An MCP3008, bit by bit: what it gets on MOSI and what it drives on MISO at each clock.
#[derive(Clone)]
struct Mcp3008Chip(Arc<Mutex<State>>);

struct State {
    volts: [f64; 8],
    reference: f64,
    plugged: bool,
}

#[derive(Debug)]
struct Never;

impl spi::Error for Never {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

impl spi::ErrorType for Mcp3008Chip {
    type Error = Never;
}

impl SpiDevice for Mcp3008Chip {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Never> {
        let state = self.0.lock().unwrap();
        // Bits since the start bit; its configuration; the result.
        let (mut clock, mut config, mut result) = (None::<u32>, 0_u16, 0_u16);
        for operation in operations {
            let Operation::Transfer(into, out) = operation else { panic!("another operation") };
            for (into, out) in into.iter_mut().zip(out.iter()) {
                *into = 0;
                for bit in (0..8).rev() {
                    let mosi = out >> bit & 1;
                    let miso = match clock {
                        // High impedance: a pull-up makes it 1.
                        None => {
                            clock = (mosi == 1).then_some(0);
                            1
                        }
                        Some(n) => {
                            clock = Some(n + 1);
                            match n {
                                0..=3 => {
                                    config = config << 1 | u16::from(mosi);
                                    1
                                }
                                4 => {
                                    let volts = state.volts[usize::from(config & 7)];
                                    assert_eq!(config & 8, 8, "against ground");
                                    result = (volts / state.reference * 1_024.0).clamp(0.0, 1_023.0) as u16;
                                    1
                                }
                                5 => 0,
                                6..=15 => (result >> (15 - n) & 1) as u8,
                                _ => 0,
                            }
                        }
                    };
                    *into = *into << 1 | if state.plugged { miso } else { 1 };
                }
            }
        }
        Ok(())
    }
}

#[test]
fn an_mcp3008_measures_each_input_and_is_missed_when_it_is_not_there() {
    let volts = [0.0, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4, 3.3];
    let chip = Mcp3008Chip(Arc::new(Mutex::new(State { volts, reference: 3.3, plugged: true })));
    let plain = || Calibration::Linear { scale: 1.0, offset: 0.0 };
    for (input, volts) in volts.into_iter().enumerate() {
        let mut sensor = Mcp3008::new(chip.clone(), u8::try_from(input).unwrap(), 3.3, plain());
        near(values(&sensor.measure().unwrap())[0], volts, 3.3 / 1_000.0);
    }
    let mut sensor = Mcp3008::new(chip.clone(), 3, 3.3, Calibration::Linear { scale: 10.0, offset: 1.0 });
    near(values(&sensor.measure().unwrap())[0], 13.0, 0.04);
    chip.0.lock().unwrap().plugged = false;
    assert!(sensor.measure().unwrap_err().to_string().contains("nobody answers"));
    chip.0.lock().unwrap().plugged = true;
    near(values(&sensor.measure().unwrap())[0], 13.0, 0.04);
}
