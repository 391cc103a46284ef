//! The drivers against simulated chips, which speak the datasheets' bytes and obey their times.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ads1115;
mod analogue;
mod bme280;
pub(crate) mod bus;
mod edges;
mod one_wire;
mod particles;
pub(crate) mod sensirion;

use super::Driver;
use crate::polled::Answer;

/// The values of an answer, in the order of their series.
fn values(answer: &Answer) -> Vec<f64> {
    let known = answer.values.iter().enumerate().all(|(n, value)| value.series == n);
    assert!(known && answer.fault.is_none(), "{answer:?}");
    answer.values.iter().map(|value| value.value).collect()
}

fn near(value: f64, wanted: f64, within: f64) {
    assert!((value - wanted).abs() <= within, "{value} is not within {within} of {wanted}");
}
