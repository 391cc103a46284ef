//! Tests of the embedded engine: formats, engine against a plain model with crashes, damage, figures.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod aggregates;
mod compact;
mod copy;
mod damage;
mod engine;
mod example;
mod example_2;
mod formats;
mod model;
mod pages;
mod retain;
mod rollup;
mod stress;
mod support;
mod twice;
mod verify;
