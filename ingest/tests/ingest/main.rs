//! Ingest as gateways and clients meet it: real sockets on loopback, the real store in a folder of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod crash;
mod degraded;
mod harness;
#[path = "../../src/store/remote/tests/influxd.rs"]
#[allow(dead_code, reason = "the unit tests use more of it")]
mod influxd;
mod limits;
mod remote;
mod retention;
#[path = "../../src/store/remote/tests/standin.rs"]
#[allow(dead_code, reason = "the unit tests use more of it")]
mod standin;
mod uplink;
