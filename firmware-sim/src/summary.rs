//! What a fleet or a replay did.

use std::fmt;

use crate::fleet::FaultCounts;

/// Counts at the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Devices.
    pub devices: u64,
    /// Connections that they shared.
    pub connections: u64,
    /// Messages that were acknowledged.
    pub messages: u64,
    /// Readings in them.
    pub readings: u64,
    /// Messages that were made and not acknowledged.
    pub unacked: u64,
    /// Connections beyond the first ones.
    pub reconnects: u64,
    /// Faults that were made on demand.
    pub faults: FaultCounts,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { devices, connections, messages, readings, unacked, reconnects, faults } = self;
        write!(
            f,
            "{devices} devices on {connections} connections: {messages} messages with {readings} readings "
        )?;
        write!(f, "acknowledged, {unacked} not; {reconnects} reconnects")?;
        let FaultCounts { duplicates, out_of_order, skewed, reboots, garbage, silent } = faults;
        if *faults != FaultCounts::default() {
            write!(
                f,
                "\nfaults: {duplicates} duplicates, {out_of_order} out of order, {skewed} with a wrong clock, "
            )?;
            write!(f, "{reboots} reboots, {garbage} garbage, {silent} silent")?;
        }
        Ok(())
    }
}
