#![allow(clippy::unwrap_used, clippy::expect_used)]

mod checks;
mod kills;
mod lines;
mod support;
#[cfg(feature = "influxdb-tls")]
mod tls;
mod victoria;
mod writes;

pub(crate) use support::Database;
pub(crate) use victoria::Metrics;
