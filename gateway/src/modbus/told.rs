//! What went wrong on a bus, in words with the mend.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use tokio_modbus::{ExceptionCode, ProtocolError};

use super::reads::Read;
use super::registers::{Register, Table};

/// Why a request has no answer that can be used.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The device, or a gateway before it, refuses it.
    Refused(ExceptionCode),
    /// No answer, or one that nobody can read.
    Broken(String),
}

/// A port or connection that cannot be opened.
pub(super) fn opening(what: &str, error: &Error) -> String {
    let mend = match error.kind() {
        ErrorKind::NotFound => {
            "is the adapter plugged in? /dev/serial/by-id lists what there is, under names that stay"
        }
        ErrorKind::PermissionDenied => "add the gateway's user to the group dialout",
        ErrorKind::ResourceBusy => "another program has it open: stop that one",
        ErrorKind::ConnectionRefused => "nobody listens there: look at the address and at the device's port",
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => "look at the network to the device",
        _ => "look at the device and its cable",
    };
    format!("cannot open {what}: {error}; {mend}")
}

/// A request that failed under way; `true` where the connection is at fault and not what came over it.
pub(super) fn failed(error: &tokio_modbus::Error) -> (String, bool) {
    match error {
        tokio_modbus::Error::Protocol(ProtocolError::HeaderMismatch { .. }) => (
            "the answer of another unit, or a late one, came instead: is the id there once, the timeout long enough, \
             the gateway the only master?"
                .into(),
            false,
        ),
        tokio_modbus::Error::Protocol(ProtocolError::FunctionCodeMismatch { .. }) => {
            ("the answer is one to another request: is the gateway the only master?".into(), false)
        }
        tokio_modbus::Error::Transport(error) if error.kind() == ErrorKind::InvalidData => {
            let mend = "look at baud, parity and stop bits, at the wires and the terminating resistors";
            (format!("what came is no Modbus frame ({error}): {mend}"), false)
        }
        // The end of a connection comes with whatever error the thread had last, so only these are believed.
        tokio_modbus::Error::Transport(error) => match error.kind() {
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable => (format!("the connection failed: {error}"), true),
            _ => ("the device closed the connection, or the adapter was unplugged".into(), true),
        },
    }
}

/// No answer in time.
pub(super) fn silent(unit: u8, within: Duration) -> String {
    format!("unit {unit} did not answer within {within:?}: look at its id, its wires and its power")
}

/// A device that refuses a request.
pub(super) fn refused(code: ExceptionCode, unit: u8, read: &Read, registers: &[Register]) -> String {
    let what = named(read, registers);
    let table = read.table.name();
    match code {
        ExceptionCode::IllegalFunction => format!(
            "{what}: the device knows no {table} registers (function {}): try another `read`, as its handbook says",
            match read.table {
                Table::Coils => 1,
                Table::Discrete => 2,
                Table::Holding => 3,
                Table::Input => 4,
            }
        ),
        ExceptionCode::IllegalDataAddress => format!(
            "{what}: the device has no such address: addresses count from 0, so what a handbook calls 40001 is holding 0 \
             and 30001 is input 0"
        ),
        ExceptionCode::IllegalDataValue => {
            format!("{what}: the device does not give {} at once: lower max_read", read.count)
        }
        ExceptionCode::Acknowledge | ExceptionCode::ServerDeviceBusy => {
            format!("{what}: the device is busy: ask more rarely")
        }
        ExceptionCode::ServerDeviceFailure | ExceptionCode::MemoryParityError => {
            format!("{what}: the device says that it failed ({code}): look at it")
        }
        ExceptionCode::GatewayPathUnavailable => {
            format!("{what}: the Modbus gateway has no way to unit {unit}: look at its table of units")
        }
        ExceptionCode::GatewayTargetDevice => format!(
            "{what}: the Modbus gateway has no answer of unit {unit}: look at its id, its wires and its power"
        ),
        ExceptionCode::Custom(code) => {
            format!("{what}: the device refuses with code {code}: its handbook says what that means")
        }
    }
}

fn named(read: &Read, registers: &[Register]) -> String {
    let name = |n: &usize| registers.get(*n).map_or("", |register| &register.name);
    let table = read.table.name();
    match &*read.registers {
        [only] => format!("{} ({table} {})", name(only), read.address),
        several => {
            let last = u32::from(read.address) + u32::from(read.count) - 1;
            let first = several.first().map_or("", name);
            format!("{first} and {} more ({table} {} to {last})", several.len() - 1, read.address)
        }
    }
}
