//! A running mean that follows a slow drift, and the distances of numbers to it: for noise on top of a drift they need fewer
//! bits than the numbers, which the drift spreads, and than the differences of neighbours, which have the noise twice.
//!
//! The mean `m` is kept with 8 binary digits behind the point; it starts at the first number. A number's distance is `number − round(m)`; then `m` goes
//! towards the number by the 2^shift-th part of what is between them, rounded down. All is done modulo 2^64, so that every
//! number comes back, also one that makes the mean meaningless.

/// Of 2 to 5, what is shortest for noise of a few steps on a drift of a thousandth of a step and more.
pub(super) const SHIFT: u8 = 3;
const FRACTION: u32 = 8;
const HALF: i64 = 1 << (FRACTION - 1);

pub(super) struct Mean {
    /// With [`FRACTION`] binary digits behind the point.
    mean: i64,
    shift: u8,
}

impl Mean {
    pub(super) fn new(first: i64, shift: u8) -> Self {
        Self { mean: first << FRACTION, shift: shift & 63 }
    }

    fn rounded(&self) -> i64 {
        self.mean.wrapping_add(HALF) >> FRACTION
    }

    fn follow(&mut self, number: i64) {
        self.mean = self.mean.wrapping_add((number << FRACTION).wrapping_sub(self.mean) >> self.shift);
    }

    /// The distance of the next number.
    pub(super) fn distance(&mut self, number: i64) -> i64 {
        let distance = number.wrapping_sub(self.rounded());
        self.follow(number);
        distance
    }

    /// The next number, from its distance.
    pub(super) fn number(&mut self, distance: i64) -> i64 {
        let number = self.rounded().wrapping_add(distance);
        self.follow(number);
        number
    }
}
