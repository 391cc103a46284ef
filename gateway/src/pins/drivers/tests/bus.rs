//! An I²C bus with one chip. Time passes by the drivers' waits alone.

use std::sync::{Arc, Mutex, MutexGuard};

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::{self, ErrorKind, I2c, NoAcknowledgeSource, Operation};

/// A chip behind its address. What it does not acknowledge is false.
pub(crate) trait Chip: Send {
    fn write(&mut self, bytes: &[u8], now_ns: u64) -> bool;
    fn read(&mut self, into: &mut [u8], now_ns: u64) -> bool;
}

/// The bus and its chip, which the test holds as well.
pub(crate) struct Wires<C>(Arc<Mutex<State<C>>>);

pub(crate) struct State<C> {
    pub(crate) chip: C,
    pub(crate) now_ns: u64,
    pub(crate) address: u8,
    /// Nobody answers while it is not.
    pub(crate) plugged: bool,
    /// SDA is held: all that is read is this.
    pub(crate) held: Option<u8>,
    /// The nth byte of each read is disturbed.
    pub(crate) disturbed: Option<usize>,
}

impl<C> Clone for Wires<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Chip> Wires<C> {
    pub(crate) fn new(address: u8, chip: C) -> Self {
        Self(Arc::new(Mutex::new(State {
            chip,
            now_ns: 0,
            address,
            plugged: true,
            held: None,
            disturbed: None,
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State<C>> {
        self.0.lock().unwrap()
    }

    pub(crate) fn pass_ms(&self, ms: u64) {
        self.state().now_ns += ms * 1_000_000;
    }
}

impl<C: Chip> DelayNs for Wires<C> {
    fn delay_ns(&mut self, ns: u32) {
        self.state().now_ns += u64::from(ns);
    }
}

#[derive(Debug)]
pub(crate) struct Nack;

impl i2c::Error for Nack {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown)
    }
}

impl<C: Chip> i2c::ErrorType for Wires<C> {
    type Error = Nack;
}

impl<C: Chip> I2c for Wires<C> {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Nack> {
        let mut state = self.state();
        let State { chip, now_ns, address: own, plugged, held, disturbed } = &mut *state;
        for operation in operations {
            // 100 kHz, nine bits a byte.
            let acknowledged = *plugged && address == *own;
            let done = acknowledged
                && match operation {
                    Operation::Write(bytes) => {
                        *now_ns += 90_000 * (1 + bytes.len() as u64);
                        chip.write(bytes, *now_ns)
                    }
                    Operation::Read(into) => {
                        let read = chip.read(into, *now_ns);
                        *now_ns += 90_000 * (1 + into.len() as u64);
                        if let Some(byte) = disturbed.and_then(|n| into.get_mut(n)) {
                            *byte ^= 0x10;
                        }
                        held.iter().for_each(|held| into.fill(*held));
                        read
                    }
                };
            if !done {
                return Err(Nack);
            }
        }
        Ok(())
    }
}
