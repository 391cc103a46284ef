//! Whole-system tests: the real binaries, killed, cut off, filled up and fed by strangers.
//!
//! Build what they start first: `make test` does, or see the message of the failing test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the only way a test can fail is to panic, with the place and the reason"
)]

mod api;
mod broker;
mod care;
mod configs;
mod demo;
mod disk;
mod foreign;
mod kills;
mod mutations;
mod network;
mod remote;
mod shutdown;
mod way;
