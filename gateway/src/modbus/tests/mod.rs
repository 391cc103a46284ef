#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

pub(crate) mod plant;
mod registers;
mod rtu;
mod tcp;

use std::time::Duration;

use super::registers::{Kind, Order, Register, Scale, Table};
use super::{Device, Line, Modbus, Parity, Way};
use crate::mqtt_server::tests::support::clock;
use crate::polled::{Answer, Bus as _, Fault};

const TIMEOUT: Duration = Duration::from_millis(150);

fn register(name: &str, table: Table, address: u16, kind: Kind) -> Register {
    let (scale, none) = (Scale::new(1.0, 0.0), vec![]);
    Register { name: name.into(), table, address, kind, order: Order::Abcd, scale, none }
}

fn device(id: u8, registers: Vec<Register>) -> Device {
    Device { id, timeout: TIMEOUT, registers, max_gap: 0, max_read: 125 }
}

/// A device with one holding register, at 0.
fn simple(id: u8) -> Device {
    device(id, vec![register("power", Table::Holding, 0, Kind::U16)])
}

fn tcp_bus(port: u16, devices: Vec<Device>) -> Modbus {
    Modbus::new(Way::Tcp { host: "127.0.0.1".into(), port, rtu: false }, devices, clock())
}

/// The values by series, or why there are none.
fn told(answer: Result<Answer, Fault>) -> Result<Vec<(usize, f64)>, String> {
    let answer = answer.map_err(|fault| fault.to_string())?;
    assert_eq!(answer.fault, None);
    Ok(answer.values.iter().map(|value| (value.series, value.value)).collect())
}

/// The CRC of a serial frame (MODBUS over Serial Line 1.02, appendix B), bit by bit.
fn with_crc(mut frame: Vec<u8>) -> Vec<u8> {
    let crc = frame.iter().fold(0xffff_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    });
    frame.extend(crc.to_le_bytes());
    frame
}

/// A serial answer of a unit with one holding register.
fn frame(unit: u8, word: u16) -> Vec<u8> {
    let [high, low] = word.to_be_bytes();
    with_crc(vec![unit, 3, 2, high, low])
}
