//! The city: listeners, validation, time-series store, queries and the HTTP API.
//!
//! ```text
//! grpc ──► intake ──► committer ──► store ──► http
//!   └ validate          └──► quarantine, live ──┘
//! ```

pub mod app;
pub mod care;
pub mod cli;
pub mod clock;
pub mod committer;
pub mod config;
pub mod gateways;
mod grpc;
mod http;
pub mod intake;
pub mod live;
pub mod metrics;
pub mod quarantine;
pub mod room;
mod startup;
pub mod store;
pub mod validate;
