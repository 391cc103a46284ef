//! What can go wrong with a device, on demand, seeded and counted.

use super::noise::{hash, signed, unit};

/// Chances are for each message, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, clap::Args)]
pub struct Faults {
    /// Chance that a message is sent twice
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = chance)]
    pub duplicate: f64,
    /// Chance that a message is sent after the one that follows it
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = chance)]
    pub out_of_order: f64,
    /// Each device's clock is wrong by at most this many seconds, for good
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub clock_skew: u32,
    /// Chance that the device reboots: its counter starts again, its connection is cut without a word
    /// (with all devices on it), five messages are missing
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = chance)]
    pub reboot: f64,
    /// Chance that a message's payload is garbage
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = chance)]
    pub garbage: f64,
    /// Chance that the device falls silent for 60 messages
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = chance)]
    pub silence: f64,
}

/// How often each fault came, in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FaultCounts {
    /// Sent twice.
    pub duplicates: u64,
    /// Sent after a later one.
    pub out_of_order: u64,
    /// Sent with a wrong time.
    pub skewed: u64,
    /// Reboots.
    pub reboots: u64,
    /// Sent as garbage instead.
    pub garbage: u64,
    /// Not sent in silence or while booting.
    pub silent: u64,
}

impl FaultCounts {
    /// Adds another device's counts.
    pub fn add(&mut self, other: &Self) {
        self.duplicates += other.duplicates;
        self.out_of_order += other.out_of_order;
        self.skewed += other.skewed;
        self.reboots += other.reboots;
        self.garbage += other.garbage;
        self.silent += other.silent;
    }
}

/// Messages that are missing after a reboot.
pub(super) const BOOT_MESSAGES: i64 = 5;
/// Messages that are missing in a silence.
pub(super) const SILENT_MESSAGES: i64 = 60;

/// Which fault a draw is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Duplicate = 1,
    OutOfOrder = 2,
    Reboot = 3,
    Garbage = 4,
    Silence = 5,
    Skew = 6,
}

impl Faults {
    /// Whether the fault befalls a device's message of this number.
    pub(super) fn strikes(&self, fault: Fault, seed: u64, device: u64, number: i64) -> bool {
        let chance = match fault {
            Fault::Duplicate => self.duplicate,
            Fault::OutOfOrder => self.out_of_order,
            Fault::Reboot => self.reboot,
            Fault::Garbage => self.garbage,
            Fault::Silence => self.silence,
            Fault::Skew => 0.0,
        };
        chance > 0.0 && unit(hash(&[seed, 0xfa17, device, fault as u64, number.cast_unsigned()])) < chance
    }

    /// What a device's clock is wrong by, in milliseconds.
    pub(super) fn skew_ms(&self, seed: u64, device: u64) -> i64 {
        let share = signed(hash(&[seed, 0xfa17, device, Fault::Skew as u64]));
        (share * f64::from(self.clock_skew) * 1_000.0) as i64
    }
}

/// What a device that lost its mind sends.
pub(super) fn garbage(seed: u64, device: u64, number: i64, payload: &[u8]) -> Vec<u8> {
    let draw = hash(&[seed, 0x6a8b, device, number.cast_unsigned()]);
    match draw % 4 {
        0 => payload[..payload.len() * 2 / 3].to_vec(),
        1 => draw.to_be_bytes().repeat(4),
        2 => br#"{"time":"yesterday","air_temperature":"warm"}"#.to_vec(),
        _ => Vec::new(),
    }
}

fn chance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(chance) if (0.0..=1.0).contains(&chance) => Ok(chance),
        _ => Err("a chance is a number from 0 to 1".into()),
    }
}
