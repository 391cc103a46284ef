//! Integers as a pco column of the narrowest type that takes their range. pco writes what it learned of a column in the
//! column's own type: in eight bytes a number that is most of a column of a few hundred, and a tenth of one of thousands.
//!
//! ```text
//! 0 u8  bytes of a number: 1, 2, 4 or 8; the upper four bits are the shift of a running mean (trend.rs), 0: none
//! 1     with a running mean: the first number, where it starts, as the next
//!       the smallest number, in as few bytes as it needs (put_short of bytes.rs); not for 8
//! then  a pco column (chunk.rs) of number − smallest, unsigned; for 8 of the numbers as they are, i64
//! ```
//! With a running mean the numbers are the distances to it: what a sensor adds of noise to a slow drift is in the differences
//! of neighbours twice. Whether the numbers, these distances or the differences of neighbours are coded follows from an
//! estimate of the bits that each way would need; pco's own search costs as much as the rest and is wrong on short columns.

use pco::data_types::Number;
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

use super::super::bytes::{Cursor, Malformed, put_short};
use super::chunk::{get_pco, put_pco};
use super::trend::{Mean, SHIFT};

/// Above it pco takes longer for nothing at our block sizes.
const LEVEL: usize = 6;
/// A shorter column does not win back what a running mean costs.
const DRIFTS: usize = 64;

/// Bits that the distances to the middle need, all together, in sixteenths.
pub(super) fn bits_around_the_middle(numbers: &[i64]) -> u64 {
    let Some(&first) = numbers.first() else { return 0 };
    let sum: i128 = numbers.iter().map(|number| i128::from(number.wrapping_sub(first))).sum();
    let count = numbers.len() as i128;
    let middle = first.wrapping_add((2 * sum + count).div_euclid(2 * count) as i64);
    numbers.iter().map(|number| bits(number.wrapping_sub(middle))).sum()
}

/// Bits that the differences of neighbours need beyond the usual difference, all together, in sixteenths.
pub(super) fn bits_of_differences(numbers: &[i64], usual: i64) -> u64 {
    numbers.windows(2).map(|pair| bits(pair[1].wrapping_sub(pair[0]).wrapping_sub(usual))).sum()
}

/// About log2(2·|distance| + 1): whole bits would not tell noise of three steps from noise of four.
fn bits(distance: i64) -> u64 {
    let number = distance.unsigned_abs().saturating_mul(2) | 1;
    let zeros = number.leading_zeros();
    // The four digits behind the first.
    u64::from(63 - zeros) << 4 | (number << zeros) >> 59 & 15
}

/// Appends integers if that is shorter than 8 bytes each.
pub(super) fn put_any(out: &mut Vec<u8>, numbers: &[i64]) -> bool {
    let (level, differences) = (bits_around_the_middle(numbers), bits_of_differences(numbers, 0));
    if let [first, ..] = numbers
        && numbers.len() >= DRIFTS
    {
        let mut mean = Mean::new(*first, SHIFT);
        let distances: Vec<i64> = numbers.iter().map(|number| mean.distance(*number)).collect();
        if bits_around_the_middle(&distances) < level.min(differences) {
            return put(out, &distances, false, Some((SHIFT, *first)));
        }
    }
    put(out, numbers, differences < level, None)
}

/// Appends what is noise around one level, if that is shorter than 8 bytes each.
pub(super) fn put_level(out: &mut Vec<u8>, numbers: &[i64]) -> bool {
    put(out, numbers, false, None)
}

/// Appends what rises, if that is shorter than 8 bytes each.
pub(super) fn put_rising(out: &mut Vec<u8>, numbers: &[i64]) -> bool {
    put(out, numbers, true, None)
}

/// `mean`: shift and start of the running mean whose distances the numbers are.
fn put(out: &mut Vec<u8>, numbers: &[i64], differences: bool, mean: Option<(u8, i64)>) -> bool {
    let (Some(&least), Some(&most)) = (numbers.iter().min(), numbers.iter().max()) else { return false };
    let range = most.wrapping_sub(least).cast_unsigned();
    let start = out.len();
    let config = ChunkConfig::default()
        .with_compression_level(LEVEL)
        .with_mode_spec(ModeSpec::Classic)
        .with_enable_8_bit(true)
        .with_delta_spec(if differences { DeltaSpec::TryConsecutive(1) } else { DeltaSpec::NoOp });
    let mut put_as = |width: u8| {
        out.push(width | mean.map_or(0, |(shift, _)| shift << 4));
        if let Some((_, first)) = mean {
            put_short(out, first);
        }
        if width < 8 {
            put_short(out, least);
        }
    };
    let above = |number: &i64| number.wrapping_sub(least);
    let written = if range <= u64::from(u8::MAX) {
        put_as(1);
        put_pco(out, &numbers.iter().map(|number| above(number) as u8).collect::<Vec<_>>(), &config)
    } else if range <= u64::from(u16::MAX) {
        put_as(2);
        put_pco(out, &numbers.iter().map(|number| above(number) as u16).collect::<Vec<_>>(), &config)
    } else if range <= u64::from(u32::MAX) {
        put_as(4);
        put_pco(out, &numbers.iter().map(|number| above(number) as u32).collect::<Vec<_>>(), &config)
    } else {
        put_as(8);
        put_pco(out, numbers, &config)
    };
    let shorter = written && out.len() - start < size_of_val(numbers);
    if !shorter {
        out.truncate(start);
    }
    shorter
}

/// The counterpart: each number as `each` makes it.
pub(super) fn get<T>(bytes: &[u8], count: usize, each: impl Fn(i64) -> T) -> Result<Vec<T>, Malformed> {
    let mut cursor = Cursor::new(bytes);
    let head = cursor.u8()?;
    let (width, shift) = (head & 15, head >> 4);
    if shift == 0 {
        return numbers(cursor, width, count, each);
    }
    let mut mean = Mean::new(cursor.short()?, shift);
    numbers(cursor, width, count, |distance| each(mean.number(distance)))
}

fn numbers<T>(
    mut cursor: Cursor<'_>,
    width: u8,
    count: usize,
    each: impl FnMut(i64) -> T,
) -> Result<Vec<T>, Malformed> {
    fn all<N: Number + Into<i64>, T>(
        bytes: &[u8],
        count: usize,
        least: i64,
        mut each: impl FnMut(i64) -> T,
    ) -> Result<Vec<T>, Malformed> {
        let numbers = get_pco::<N>(bytes, count)?;
        Ok(numbers.into_iter().map(|number| each(least.wrapping_add(number.into()))).collect())
    }
    let least = if width < 8 { cursor.short()? } else { 0 };
    match width {
        1 => all::<u8, T>(cursor.rest(), count, least, each),
        2 => all::<u16, T>(cursor.rest(), count, least, each),
        4 => all::<u32, T>(cursor.rest(), count, least, each),
        8 => all::<i64, T>(cursor.rest(), count, least, each),
        _ => Err(Malformed("a column of numbers of an impossible width")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_comes_back() {
        let ends = [i64::from(u8::MAX), i64::from(u16::MAX), i64::from(u32::MAX), i64::MAX];
        for (most, width) in ends.into_iter().zip([1, 2, 4, 8]) {
            for least in [0, -5, i64::MIN] {
                for put in [put_any, put_level, put_rising] {
                    let numbers: Vec<i64> =
                        (0..100).map(|at| least.wrapping_add(if at % 9 == 0 { most } else { at })).collect();
                    let mut out = Vec::new();
                    assert!(put(&mut out, &numbers));
                    assert_eq!(out[0], width);
                    assert_eq!(get(&out, numbers.len(), |number| number).unwrap(), numbers);
                }
            }
        }
    }

    #[test]
    fn every_length_comes_back() {
        let mut chance = 1_u64;
        let mut noise = || {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (chance >> 33) as i64 % 40
        };
        let numbers: Vec<i64> = (0..4_100).map(|at| at / 3 + noise()).collect();
        for len in (3..1_100).chain(4_080..4_100) {
            let mut out = Vec::new();
            if put_any(&mut out, &numbers[..len]) {
                assert_eq!(get(&out, len, |number| number).unwrap(), numbers[..len]);
            }
        }
    }

    #[test]
    fn noise_on_a_drift_is_kept_by_its_distances_to_a_running_mean_and_comes_back() {
        let mut chance = 1_u64;
        let mut noise = || {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (chance >> 33) as i64 % 5
        };
        let noise: Vec<i64> = (0..4_000).map(|_| noise()).collect();
        let drift: Vec<i64> = noise.iter().zip(0..).map(|(noise, at)| noise + at / 40).collect();
        let (mut by_mean, mut by_differences) = (Vec::new(), Vec::new());
        assert!(put_any(&mut by_mean, &drift) && put_rising(&mut by_differences, &drift));
        assert_eq!(by_mean[0], 1 | SHIFT << 4);
        assert!(by_mean.len() * 10 < by_differences.len() * 9, "{} {}", by_mean.len(), by_differences.len());
        // What has no drift, and what has no noise, is better off without.
        for plain in [noise, (0..4_000).map(|at| at / 40).collect()] {
            let mut out = Vec::new();
            assert!(put_any(&mut out, &plain));
            assert_eq!(out[0] >> 4, 0);
        }
        // Whatever leads the mean astray, and whichever bytes it is read from.
        for shift in 1..16 {
            let odd = [i64::MAX, i64::MIN, 0, -1, i64::MAX, 1 << 60, -(1 << 60), 7];
            let (mut there, mut back) = (Mean::new(odd[0], shift), Mean::new(odd[0], shift));
            assert!(odd.iter().all(|number| back.number(there.distance(*number)) == *number));
        }
    }

    #[test]
    fn what_would_not_be_shorter_is_left_alone() {
        let mut out = vec![7];
        assert!(!put_any(&mut out, &[1, i64::MAX, i64::MIN]));
        assert_eq!(out, [7]);
    }
}
