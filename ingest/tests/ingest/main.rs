//! Ingest as gateways and clients meet it: real sockets on loopback, the real store in a folder of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod crash;
mod degraded;
mod harness;
mod limits;
mod many;
mod remote;
mod retention;
mod uplink;
