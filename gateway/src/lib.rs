//! The edge: takes readings in durably over MQTT and forwards them to ingest.
//!
//! ```text
//! config → app ─┬─ mqtt_server ─► intake (decode) ─► spool ─► uplink ─► ingest
//!               └─ status  ◄──────── figures ◄────────┘
//! ```

pub mod app;
mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
mod decode;
pub mod device;
pub mod explain;
#[cfg(feature = "faults")]
mod faults;
mod figures;
#[cfg(test)]
mod fuzz;
pub mod inspect;
pub mod intake;
pub mod logging;
pub mod modbus;
pub mod mqtt_client;
pub mod mqtt_server;
mod pins;
pub mod polled;
mod reload;
pub mod room;
mod spool;
mod status;
mod timekeeper;
mod tls;
mod trust;
mod uplink;
mod wiring;

pub use spool::SpoolError;
pub use tls::tls_warning;
pub use uplink::UplinkConfigError;
