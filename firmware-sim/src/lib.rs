//! Field devices in software: a replay of a real year of weather, a fleet of simulated devices with faults on
//! demand, and a load generator.
//!
//! ```text
//! weather → replay ─┐
//!                   ├► device: Source → outbox → line (rumqttc) ─► gateway
//! fleet ────────────┘
//! load ──────────────► raw sockets ─► gateway, any broker, or ingest
//! ```
//! Always holds: what a device measures is a pure function of its seed and the time, or a row of real data; a
//! reading counts as sent only at its PUBACK; only [`app`] starts tasks, only `clock` reads clocks.

pub mod app;
pub mod cli;
mod clock;
mod device;
pub mod fleet;
pub mod load;
pub mod options;
mod replay;
mod summary;
mod text;
pub mod weather;

pub use summary::Summary;
