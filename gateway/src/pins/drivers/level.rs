//! A switch: a float switch, a door's contact. It is told at each change and once a period.
//!
//! Always: a change that is over by the next look is told too, in two looks, because the kernel recorded its edges.

use std::time::Duration;

use super::Driver;
use crate::pins::backend::Edges;
use crate::pins::trouble::Trouble;
use crate::polled::Answer;

/// Edges that are taken from the kernel in one look.
const DRAIN: usize = 1_024;

pub(crate) struct Level {
    input: Box<dyn Edges>,
    /// Low counts as 1: a switch to ground that is closed.
    low_is_one: bool,
    /// Looks in a period.
    every: u32,
    /// Looks since the last one that told something.
    quiet: u32,
    told: Option<bool>,
}

impl Level {
    /// 1 or 0.
    pub(crate) fn new(input: Box<dyn Edges>, low_is_one: bool, every: u32) -> Self {
        Self { input, low_is_one, every, quiet: 0, told: None }
    }
}

impl Driver for Level {
    fn measure(&mut self) -> Result<Answer, Trouble> {
        let mut edges = false;
        for _ in 0..DRAIN {
            if self.input.next(Duration::ZERO)?.is_none() {
                break;
            }
            edges = true;
        }
        let now = self.input.is_high()? != self.low_is_one;
        // It changed and changed back: the next look tells that it is as before.
        let tell = if edges && self.told == Some(now) { !now } else { now };
        self.quiet += 1;
        let mut answer = Answer::default();
        if self.told != Some(tell) || self.quiet >= self.every {
            answer.push(0, f64::from(u8::from(tell)));
            (self.told, self.quiet) = (Some(tell), 0);
        }
        Ok(answer)
    }
}
