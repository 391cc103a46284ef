//! Databases for the tests of the remote engines: the servers of Debian's packages, started, killed and started again
//! on a folder and a port of their own.
//!
//! A crate of its own, so that ingest's tests and the whole-system tests use the same ones. It knows HTTP and the
//! servers' command lines, and nothing of any part. What always holds: a server is killed with its guard, comes back on
//! the port that it had, and a server that does not answer fails its test with the place of its log.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the only way a test's server can fail is to fail its test, with the place and the reason"
)]

pub mod influxd;
pub mod ports;
mod server;
pub mod standin;
pub mod tls;
pub mod victoria;

pub use influxd::Influxd;
pub use server::post;
pub use standin::Standin;
pub use victoria::VictoriaMetrics;
