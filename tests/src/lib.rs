//! The harness of the whole-system tests, crash tests and benchmarks.
//!
//! It starts the real binaries, on free ports and folders of their own, and treats them as strangers:
//! it knows their command line, their config, MQTT, HTTP and metrics, and nothing of their code.
//! What always holds: every process is ended with its guard, every wait has a deadline (and only hangs
//! have: nothing here asserts how long something took), and what a failing test needs is printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the only way a harness can fail is to fail its test, with the place and the reason"
)]

pub mod broker;
pub mod clock;
pub mod device;
pub mod http;
pub mod ledger;
pub mod metrics;
pub mod mqtt;
pub mod parts;
pub mod process;
pub mod proxy;
pub mod system;

pub use pantau_databases::ports;
