//! Tests of the listener: the pure parts without async, the protocol over real sockets with rmqtt-codec and
//! rumqttc as clients, and time by tokio's paused clock.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clients;
mod deliveries;
mod guards;
mod outbound;
mod registry;
mod repeats;
mod session;
pub(crate) mod support;
mod tcp;
mod timing;
mod tls;
mod topics;
mod wire;

pub(crate) use wire::packets;
