//! Changes that know what payloads are made of: numbers, texts, braces, lengths.

use rand::Rng as _;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;

/// What stands in payloads, and what is at the edge of what can be.
const WORDS: &[&[u8]] = &[
    b"null",
    b"true",
    b"false",
    b"{}",
    b"[]",
    b"\"\"",
    b"{\"value\":1,\"unit\":\"Cel\"}",
    b"[1,2,3]",
    b"1e308",
    b"-1e308",
    b"1e999",
    b"-0.0",
    b"9007199254740993",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"1e-400",
    b"0.1",
    b"1795503600",
    b"1795503600000",
    b"1795503600000000",
    b"1795503600000000000",
    b"268435456",
    b"NaN",
    b"Infinity",
    b"\"2026-11-24T14:00:00\"",
    b"\"2026-02-30T24:60:61Z\"",
    b"\"9999-12-31T23:59:59.999999999Z\"",
    b"\"0000-01-01T00:00:00+23:59\"",
    b"\"temperature\"",
    b"\"pm10\"",
    b"\"no2_ppb\"",
    b"\"humidity_2\"",
    b"\"value\"",
    b"\"unit\"",
    b"\"Cel\"",
    b"\"%RH\"",
    b"\"Id\"",
    b"\"ENERGY\"",
    b"\"BME280\"",
    b"\"bn\"",
    b"\"bver\"",
    b"\"vs\"",
    b"\"what_\"",
    b"\"\\u0000\"",
    b"\"\\ud83d\\ude00\"",
    b"\"\\ud800\"",
    b"\"a\\n/b\"",
    b"Temperature",
    b"ON",
    b"OFF",
    b"Online",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x00",
    b"\x9f",
    b"\xbf",
    b"\xff",
    b"\x7f",
    b"\xc4\x82",
    b"\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00",
    b"\xf9\x7e\x00",
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x0a",
    b"\x12\x00",
    b"\x12\x02\x10\x01",
    b"\x08\x00",
    b"\x30\x02\x00\x01",
    b"\x82\x05\x00\x02\x00\x00\x01",
];

/// Makes one change. `other` is a payload of the same kind.
pub(super) fn mutated(bytes: &mut Vec<u8>, other: &[u8], random: &mut SmallRng) {
    let at = random.random_range(0..=bytes.len());
    match random.random_range(0..12) {
        0 if !bytes.is_empty() => {
            let at = at.min(bytes.len() - 1);
            bytes[at] ^= 1 << random.random_range(0..8);
        }
        1 if !bytes.is_empty() => {
            let at = at.min(bytes.len() - 1);
            bytes[at] = random.random();
        }
        2 => bytes.insert(at, random.random()),
        3 => {
            let end = (at + random.random_range(0..32)).min(bytes.len());
            bytes.drain(at..end);
        }
        4 => bytes.truncate(at),
        5 => replace(bytes, at..at, WORDS.choose(random).copied().unwrap_or_default()),
        6 => {
            let piece = token(other, random.random_range(0..=other.len()));
            replace(bytes, at..at, &other[piece]);
        }
        // The front of this one and the back of the other.
        7 => {
            let from = random.random_range(0..=other.len());
            bytes.truncate(at);
            bytes.extend(&other[from..]);
        }
        // A piece again, once or very often.
        8 => {
            let range = token(bytes, at);
            let piece = bytes[range.clone()].to_vec();
            let times = if random.random_ratio(1, 40) { 2_000 } else { random.random_range(1..4) };
            let times = times.min(8_192 / piece.len().max(1));
            replace(bytes, range.end..range.end, &piece.repeat(times));
        }
        9 => {
            let range = token(bytes, at);
            let word = WORDS.choose(random).copied().unwrap_or_default();
            replace(bytes, range, word);
        }
        10 => {
            let range = token(bytes, at);
            let piece = token(other, random.random_range(0..=other.len()));
            replace(bytes, range, &other[piece]);
        }
        // Wrapped, to any depth.
        _ => {
            let range = token(bytes, at);
            let depth = 1 << random.random_range(0..6);
            let (open, close) =
                if random.random() { (&b"{\"a\":"[..], &b"}"[..]) } else { (&b"["[..], &b"]"[..]) };
            let wrapped = [&open.repeat(depth), &bytes[range.clone()], &close.repeat(depth)].concat();
            replace(bytes, range, &wrapped);
        }
    }
}

fn replace(bytes: &mut Vec<u8>, range: std::ops::Range<usize>, by: &[u8]) {
    bytes.splice(range, by.iter().copied());
}

/// The piece around `at` that belongs together: a number, a text with its quotes, a map or list, else some bytes.
fn token(bytes: &[u8], at: usize) -> std::ops::Range<usize> {
    let Some(byte) = bytes.get(at) else { return at..at };
    match byte {
        b'{' | b'[' => {
            let mut depth = 0_usize;
            for (n, byte) in bytes.iter().enumerate().skip(at) {
                match byte {
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if depth == 0 {
                    return at..n + 1;
                }
            }
            at..bytes.len()
        }
        b'"' => {
            let end =
                bytes[at + 1..].iter().position(|byte| *byte == b'"').map_or(bytes.len(), |end| at + end + 2);
            at..end
        }
        byte if byte.is_ascii_alphanumeric() || b"+-._".contains(byte) => {
            let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
            let start = bytes[..at].iter().rposition(|byte| !inside(byte)).map_or(0, |start| start + 1);
            let end = bytes[at..].iter().position(|byte| !inside(byte)).map_or(bytes.len(), |end| at + end);
            start..end
        }
        _ => at..(at + 4).min(bytes.len()),
    }
}
