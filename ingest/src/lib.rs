//! The city: listeners, validation, time-series store, queries and the HTTP API.

pub mod store;
