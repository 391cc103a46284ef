//! Tests of the listener: the pure parts without async, the protocol over real sockets with rmqtt-codec and
//! rumqttc as clients, and time by tokio's paused clock.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod deliveries;
mod registry;
mod session;
mod support;
mod topics;
mod wire;
