//! Randomness without state: hashes, and smooth noise between hashes.

/// A well-mixed hash of some numbers (the finaliser of SplitMix64).
pub(crate) fn hash(parts: &[u64]) -> u64 {
    parts.iter().fold(0x243f_6a88_85a3_08d3, |state, part| {
        let mut z = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// In [0, 1).
pub(crate) fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// In [-1, 1).
pub(crate) fn signed(hash: u64) -> f64 {
    2.0 * unit(hash) - 1.0
}

/// Smooth in time, between -1 and 1, with a new support point every `period_ms`.
pub(crate) fn smooth(parts: [u64; 3], time_ms: i64, period_ms: i64) -> f64 {
    let (point, rest) = (time_ms.div_euclid(period_ms), time_ms.rem_euclid(period_ms));
    let [a, b, c] = parts;
    let at = |point: i64| signed(hash(&[a, b, c, point.cast_unsigned()]));
    let share = ease(rest as f64 / period_ms as f64);
    at(point) * (1.0 - share) + at(point + 1) * share
}

/// From 0 to 1 with level ends, held outside: `3x² - 2x³`.
pub(crate) fn ease(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}
