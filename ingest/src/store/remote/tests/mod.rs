#![allow(clippy::unwrap_used, clippy::expect_used)]

mod checks;
mod influxd;
mod kills;
mod lines;
mod standin;
mod support;
mod victoria;
mod writes;

pub(crate) use support::Database;
pub(crate) use victoria::VictoriaMetrics;
