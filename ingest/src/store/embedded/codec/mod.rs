//! A column of numbers as bytes: pco where it helps, plain little-endian where it does not (a handful of points).
//!
//! Integers are kept in the narrowest type that takes their range (narrow.rs); what reads them as i64 alone is for files
//! that were written before.
//!
//! - **Values** that are decimals (`v == round(v·10^k) / 10^k`, bit for bit, for one `k ≤ 9` over the whole column) are kept
//!   as the i64 `round(v·10^k)`, which takes a third less space and half the time than f64. Negative zero, NaN, infinities
//!   and everything that would not come back bit for bit stay f64.
//! - Numbers that are noise on a slow drift are kept as their distances to a running mean (trend.rs).
//! - **Times** that jitter around a grid are kept as `i64 first, i64 step` and the pco column of `time − first − i·step`: a
//!   difference of two jitters takes a bit more than a jitter.

mod chunk;
mod narrow;
mod trend;

use pco::ChunkConfig;

use super::bytes::{self, Cursor, Malformed};
use chunk::{get_pco, put_pco};
use narrow::{bits_around_the_middle, bits_of_differences};

/// Encodings of an integer column.
const INT_PCO: u8 = 0;
const INT_PLAIN: u8 = 1;
const INT_GRID: u8 = 2;
/// One number for all.
const INT_SAME: u8 = 3;
const INT_NARROW: u8 = 4;
const INT_GRID_NARROW: u8 = 5;
/// Encodings of a value column: 0..=9 is pco of i64 scaled by that power of ten, 32..=41 the same narrowed.
const MAX_SCALE: u8 = 9;
const NARROW: u8 = 32;
const NARROW_MAX: u8 = NARROW + MAX_SCALE;
const VALUE_PCO: u8 = 16;
const VALUE_PLAIN: u8 = 17;

const POWERS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// Decimals are looked for below 2^51, where adding and taking away this number rounds to an integer (the function of
/// the standard library is a call on baseline x86-64).
const EXACT: f64 = 2_251_799_813_685_248.0;
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Appends numbers as pco finds best, if that is shorter than they are.
fn put_shorter<T: pco::data_types::Number>(out: &mut Vec<u8>, numbers: &[T]) -> bool {
    let start = out.len();
    let shorter = put_pco(out, numbers, &ChunkConfig::default()) && out.len() - start < size_of_val(numbers);
    if !shorter {
        out.truncate(start);
    }
    shorter
}

/// Appends integers and returns how they were encoded.
pub(crate) fn put_ints(out: &mut Vec<u8>, numbers: &[i64]) -> u8 {
    if let [first, rest @ ..] = numbers
        && rest.len() > 1
        && rest.iter().all(|number| number == first)
    {
        bytes::put_i64s(out, [*first].into_iter());
        return INT_SAME;
    }
    if numbers.len() > 2 && narrow::put_any(out, numbers) {
        return INT_NARROW;
    }
    bytes::put_i64s(out, numbers.iter().copied());
    INT_PLAIN
}

/// Appends rising times and returns how they were encoded. `scratch` is only there to be used again.
pub(crate) fn put_times(out: &mut Vec<u8>, times: &[i64], scratch: &mut Vec<i64>) -> u8 {
    if let Some((first, step)) = grid(times, scratch) {
        let start = out.len();
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&step.to_le_bytes());
        if narrow::put_level(out, scratch) {
            return INT_GRID_NARROW;
        }
        out.truncate(start);
    }
    if times.len() > 2 && narrow::put_rising(out, times) {
        return INT_NARROW;
    }
    bytes::put_i64s(out, times.iter().copied());
    INT_PLAIN
}

/// The grid that times jitter around, when that is closer than their differences are to each other; `residuals` holds the
/// distances then.
fn grid(times: &[i64], residuals: &mut Vec<i64>) -> Option<(i64, i64)> {
    // 16 bytes for the grid must come in again.
    if times.len() < 64 {
        return None;
    }
    let (first, last) = (*times.first()?, *times.last()?);
    let mean = last.checked_sub(first)? / (times.len() as i64 - 1);
    // A step is a whole number of seconds more often than not, and the mean does not hit it exactly.
    let round = (mean + 500) / 1_000 * 1_000;
    for step in [round, mean] {
        residuals.clear();
        let mut base = first;
        for time in times {
            residuals.push(time.wrapping_sub(base));
            base = base.wrapping_add(step);
        }
        // Gaps shift all that follows, and exact times have no differences to speak of: both are no grid.
        if bits_around_the_middle(residuals) < bits_of_differences(times, step) {
            return Some((first, step));
        }
    }
    None
}

/// The counterpart of [`put_ints`] and [`put_times`].
pub(crate) fn get_ints(encoding: u8, bytes: &[u8], count: usize) -> Result<Vec<i64>, Malformed> {
    match encoding {
        INT_PCO => get_pco(bytes, count),
        INT_PLAIN if bytes.len() == count * 8 => {
            Ok(bytes::get_i64s(&mut Cursor::new(bytes), count)?.collect())
        }
        INT_SAME if bytes.len() == 8 => Ok(vec![Cursor::new(bytes).i64()?; count]),
        INT_NARROW => narrow::get(bytes, count, |number| number),
        INT_GRID | INT_GRID_NARROW => {
            let mut cursor = Cursor::new(bytes);
            let (first, step) = (cursor.i64()?, cursor.i64()?);
            let mut numbers = match encoding {
                INT_GRID => get_pco(cursor.rest(), count)?,
                _ => narrow::get(cursor.rest(), count, |number| number)?,
            };
            let mut base = first;
            for number in &mut numbers {
                *number = number.wrapping_add(base);
                base = base.wrapping_add(step);
            }
            Ok(numbers)
        }
        _ => Err(Malformed("an integer column of unknown encoding")),
    }
}

/// Appends values and returns how they were encoded. `scratch` is only there to be used again.
pub(crate) fn put_values(out: &mut Vec<u8>, values: &[f64], scratch: &mut Vec<i64>) -> u8 {
    if values.len() > 2 {
        if let Some(scale) = decimal_scale(values, scratch)
            && narrow::put_any(out, scratch)
        {
            return NARROW + scale;
        }
        if put_shorter(out, values) {
            return VALUE_PCO;
        }
    }
    bytes::put_f64s(out, values.iter().copied());
    VALUE_PLAIN
}

/// The counterpart of [`put_values`].
pub(crate) fn get_values(encoding: u8, bytes: &[u8], count: usize) -> Result<Vec<f64>, Malformed> {
    match encoding {
        scale @ 0..=MAX_SCALE => {
            let power = POWERS[usize::from(scale)];
            Ok(get_pco::<i64>(bytes, count)?.into_iter().map(|scaled| scaled as f64 / power).collect())
        }
        NARROW..=NARROW_MAX => {
            let power = POWERS[usize::from(encoding - NARROW)];
            narrow::get(bytes, count, |scaled| scaled as f64 / power)
        }
        VALUE_PCO => get_pco(bytes, count),
        VALUE_PLAIN if bytes.len() == count * 8 => {
            Ok(bytes::get_f64s(&mut Cursor::new(bytes), count)?.collect())
        }
        _ => Err(Malformed("a value column of unknown encoding")),
    }
}

/// Appends flags.
pub(crate) fn put_flags(out: &mut Vec<u8>, flags: &[u16]) -> u8 {
    if flags.len() > 8 && put_shorter(out, flags) {
        return INT_PCO;
    }
    bytes::put_u16s(out, flags.iter().copied());
    INT_PLAIN
}

/// The counterpart of [`put_flags`].
pub(crate) fn get_flags(encoding: u8, bytes: &[u8], count: usize) -> Result<Vec<u16>, Malformed> {
    match encoding {
        INT_PCO => get_pco(bytes, count),
        INT_PLAIN if bytes.len() == count * 2 => {
            Ok(bytes::get_u16s(&mut Cursor::new(bytes), count)?.collect())
        }
        _ => Err(Malformed("a flag column of unknown encoding")),
    }
}

/// A power of ten that makes every value an integer that comes back bit for bit; `scaled` holds them then.
fn decimal_scale(values: &[f64], scaled: &mut Vec<i64>) -> Option<u8> {
    let mut scale = 0;
    // One that fits the first few mostly fits all.
    for &value in values.iter().take(16) {
        while exact(value, POWERS[usize::from(scale)]).is_none() {
            scale = Some(scale + 1).filter(|scale| *scale <= MAX_SCALE)?;
        }
    }
    while !scale_all(values, POWERS[usize::from(scale)], scaled) {
        scale = Some(scale + 1).filter(|scale| *scale <= MAX_SCALE)?;
    }
    Some(scale)
}

fn scale_all(values: &[f64], power: f64, scaled: &mut Vec<i64>) -> bool {
    scaled.clear();
    scaled.reserve(values.len());
    for &value in values {
        match exact(value, power) {
            Some(integer) => scaled.push(integer),
            None => return false,
        }
    }
    true
}

#[inline]
fn exact(value: f64, power: f64) -> Option<i64> {
    let scaled = (value * power + ROUND) - ROUND;
    if scaled.abs() < EXACT && (scaled / power).to_bits() == value.to_bits() {
        Some(scaled as i64)
    } else {
        None
    }
}
