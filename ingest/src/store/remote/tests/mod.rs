#![allow(clippy::unwrap_used, clippy::expect_used)]

mod checks;
mod influxd;
mod kills;
mod lines;
mod standin;
mod support;
mod writes;

pub(crate) use support::Database;
