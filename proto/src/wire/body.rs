//! The columns of a batch: how they are filled, checked and read.

use super::WireError;
use crate::v1::{BatchBody, Loss, Refused, Series};
use crate::{Flags, Reading};

/// The absolute times of a body's readings, in milliseconds. A body that was not checked by a decoder may
/// wrap around.
pub fn times(body: &BatchBody) -> impl ExactSizeIterator<Item = i64> + '_ {
    let mut time = 0_i64;
    body.time_deltas.iter().map(move |delta| {
        time = time.wrapping_add(*delta);
        time
    })
}

/// Fills the columns of a body, reading by reading.
#[derive(Clone, Debug, Default)]
pub struct BodyBuilder {
    body: BatchBody,
    last: i64,
}

impl BodyBuilder {
    /// An empty body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an entry to the stream's dictionary. `unit` empty: the catalogue's.
    pub fn series(&mut self, name: impl Into<String>, unit: impl Into<String>) {
        self.body.new_series.push(Series { name: name.into(), unit: unit.into() });
    }

    /// Appends a reading of the dictionary's series at index `series`.
    pub fn reading(&mut self, series: u32, reading: Reading) {
        let Reading { time, value, flags: Flags(flags) } = reading;
        // Most batches have no flag at all: the column begins with the first one.
        if flags != 0 || !self.body.flags.is_empty() {
            self.body.flags.resize(self.body.values.len(), 0);
            self.body.flags.push(flags.into());
        }
        self.body.series.push(series);
        self.body.time_deltas.push(time.0.wrapping_sub(self.last));
        self.body.values.push(value);
        self.last = time.0;
    }

    /// Appends a refused payload. Positions must rise.
    pub fn refused(&mut self, refused: Refused) {
        self.body.refused.push(refused);
    }

    /// Appends a loss.
    pub fn loss(&mut self, loss: Loss) {
        self.body.losses.push(loss);
    }

    /// How many positions of the batch are taken so far: readings and refused payloads.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.body.values.len() + self.body.refused.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions() == 0 && self.body.losses.is_empty() && self.body.new_series.is_empty()
    }

    /// The body.
    #[must_use]
    pub fn finish(self) -> BatchBody {
        self.body
    }
}

/// The rules that the schema cannot express.
pub(super) fn check(body: &BatchBody, first: u64, count: u32) -> Result<(), WireError> {
    let readings = body.values.len();
    for (column, found) in [("series", body.series.len()), ("time_deltas", body.time_deltas.len())] {
        if found != readings {
            return Err(WireError::Column { column, found, readings });
        }
    }
    if !body.flags.is_empty() && body.flags.len() != readings {
        return Err(WireError::Column { column: "flags", found: body.flags.len(), readings });
    }
    if let Some(flags) = body.flags.iter().find(|flags| **flags > u32::from(u16::MAX)) {
        return Err(WireError::Flags(*flags));
    }
    let refused = body.refused.len();
    if (readings + refused) as u64 != u64::from(count) {
        return Err(WireError::Count { readings, refused, count });
    }
    let mut lowest = first;
    for position in body.refused.iter().map(|refused| refused.position) {
        // first + count was checked not to overflow, so position + 1 cannot either.
        if position < lowest || position >= first + u64::from(count) {
            return Err(WireError::RefusedPosition(position));
        }
        lowest = position + 1;
    }
    if let Some(&Loss { start, end, .. }) = body.losses.iter().find(|loss| loss.start >= loss.end) {
        return Err(WireError::LossRange { start, end });
    }
    let sum = body.time_deltas.iter().try_fold(0_i64, |time, delta| time.checked_add(*delta));
    sum.map(|_| ()).ok_or(WireError::Time)
}
