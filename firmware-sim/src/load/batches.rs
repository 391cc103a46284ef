//! Batches of realistic readings, encoded before the run: eight kinds of values as real sensors send them,
//! half of the series on the exact second, half with up to 49 ms of jitter, all series in turn.

use pantau_proto::v1::{Batch, BatchBody, Series};
use pantau_proto::wire::{Encoder, WireError};

use crate::fleet::{hash, signed, unit};

/// Milliseconds between two readings of a series.
const STEP_MS: i64 = 10_000;

/// Quantity, first value, largest step, both in whole units of 1/scale, chance of a change, scale.
const KINDS: [(&str, i64, i64, f64, f64); 8] = [
    ("air_temperature", 283, 1, 0.3, 10.0),
    ("relative_humidity", 76, 1, 0.1, 1.0),
    ("pm2_5", 31, 2, 0.5, 1.0),
    ("pm10", 552, 9, 0.8, 10.0),
    ("water_level", 1_600, 4, 0.7, 1_000.0),
    ("rainfall_total", 800, 2, 0.02, 10.0),
    ("battery_voltage", 1_262, 1, 0.3, 100.0),
    ("sound_level", 561, 20, 0.9, 10.0),
];

/// Encodes one batch after the other.
pub(crate) struct Batches {
    encoder: Encoder,
    /// Of each series, in whole units.
    values: Vec<i64>,
    /// Time of the step that is next.
    time: i64,
    /// Series that is next in its step.
    series: usize,
    step: u64,
    position: u64,
    dictionary_sent: bool,
}

impl Batches {
    /// `steps` readings of each of `series` series, the last of them just before `now_ms`.
    pub(crate) fn new(series: u32, steps: u64, now_ms: i64) -> Result<Self, WireError> {
        let encoder = Encoder::new(1).map_err(|source| WireError::Zstd { body_bytes: 0, source })?;
        let first = |index: u32| {
            let (_, first, step, ..) = KINDS[index as usize % KINDS.len()];
            first + (signed(hash(&[u64::from(index)])) * 10.0 * step as f64) as i64
        };
        let span = i64::try_from(steps).unwrap_or(i64::MAX).saturating_mul(STEP_MS);
        let time = now_ms.saturating_sub(span) / STEP_MS * STEP_MS;
        let values = (0..series).map(first).collect();
        Ok(Self { encoder, values, time, series: 0, step: 0, position: 0, dictionary_sent: false })
    }

    /// The dictionary of all series; goes with the first batch.
    fn dictionary(&self) -> Vec<Series> {
        let name = |index: usize| {
            let device = index / KINDS.len();
            Series { name: format!("grpc-{device:04}/{}", KINDS[index % KINDS.len()].0), unit: String::new() }
        };
        (0..self.values.len()).map(name).collect()
    }

    /// The next `count` readings.
    pub(crate) fn next(&mut self, count: u32) -> Result<Batch, WireError> {
        let mut body = BatchBody::default();
        if !self.dictionary_sent {
            self.dictionary_sent = true;
            body.new_series = self.dictionary();
        }
        let mut last = 0;
        for _ in 0..count {
            let index = self.series;
            let (_, _, step, chance, scale) = KINDS[index % KINDS.len()];
            let draw = hash(&[index as u64, self.step]);
            let value = &mut self.values[index];
            if unit(draw) < chance {
                let change = (signed(hash(&[draw])) * (step as f64 + 0.999)) as i64;
                // A counter only rises, the others turn back at zero.
                *value += if index % KINDS.len() == 5 { change.abs() } else { change };
                *value = value.abs();
            }
            let jitter = if index.is_multiple_of(2) { 0 } else { (hash(&[draw, 1]) % 50).cast_signed() };
            let time = self.time + jitter;
            body.series.push(index as u32);
            body.time_deltas.push(time - last);
            body.values.push(*value as f64 / scale);
            last = time;
            self.series += 1;
            if self.series == self.values.len() {
                self.series = 0;
                self.step += 1;
                self.time += STEP_MS;
            }
        }
        let batch = self.encoder.encode(&body, self.position, count)?;
        self.position += u64::from(count);
        Ok(batch)
    }
}
