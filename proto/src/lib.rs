//! The contract between gateway and ingest: the protobuf schema with its generated client and server,
//! readings, ids, quantities and units.
//!
//! Knows no tokio, clock, file or configuration. Everything here is a value or a pure function, so that
//! both ends and the simulator agree by construction.

mod enums;
pub mod ids;
mod quantity;
mod range_set;
mod reading;
pub mod units;
pub mod wire;

pub use ids::{DeviceName, Epoch, GatewayId, NameError, SeriesName};
pub use quantity::{Kind, Quantity, quantities, quantity};
pub use range_set::{RangeError, RangeSet};
pub use reading::{Flags, Reading, TimeMs};

/// Version of the uplink's contract, sent in [`v1::Hello::protocol`].
pub const PROTOCOL: u32 = 1;

/// Generated from `proto/pantau/v1/uplink.proto`: messages, [`v1::ingest_client`] and
/// [`v1::ingest_server`]; and from `device.proto`: what a device may send, [`v1::DeviceReadings`].
pub mod v1 {
    #![allow(
        clippy::all,
        clippy::pedantic,
        clippy::expect_used,
        clippy::unwrap_used,
        missing_docs,
        unreachable_pub,
        reason = "generated"
    )]
    include!(concat!(env!("OUT_DIR"), "/pantau.v1.rs"));
}
