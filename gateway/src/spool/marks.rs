//! How old the oldest reading is that ingest does not have: a thin list of (position, arrival). Pure.
//!
//! Always: positions and their marks rise; at most [`MAX_MARKS`]; an answer is at most one mark too old.

use std::collections::VecDeque;

use pantau_proto::TimeMs;

const MAX_MARKS: usize = 2_048;
const STEP_MS: i64 = 50;

/// When positions came in.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    marks: VecDeque<(u64, TimeMs)>,
}

impl Marks {
    /// The reading at `position` came in at `arrival`.
    pub(crate) fn add(&mut self, position: u64, arrival: TimeMs) {
        if let Some((_, last)) = self.marks.back()
            && arrival.0.saturating_sub(last.0).abs() < STEP_MS
        {
            return;
        }
        if self.marks.len() >= MAX_MARKS {
            let mut n = 0;
            self.marks.retain(|_| {
                n += 1;
                n % 2 == 1
            });
        }
        self.marks.push_back((position, arrival));
    }

    /// When about the reading at `position` came in; what is before it is forgotten.
    pub(crate) fn arrival_of(&mut self, position: u64) -> Option<TimeMs> {
        while self.marks.get(1).is_some_and(|mark| mark.0 <= position) {
            self.marks.pop_front();
        }
        self.marks.front().map(|mark| mark.1)
    }
}
