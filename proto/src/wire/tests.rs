#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use proptest::prelude::*;

use super::{BodyBuilder, Limits, MAX_BODY_BYTES, WireError, decode_batch, encode_batch, times};
use crate::v1::{Batch, BatchBody, Loss, Refused};
use crate::{Flags, Reading, TimeMs};

const FIRST: u64 = 1_000;

/// A batch of readings (series, time, value, flags) with refused payloads at some positions.
fn body(readings: &[(u32, i64, f64, u16)], refused: &[u64], losses: &[(u64, u64)]) -> BatchBody {
    let mut body = BodyBuilder::new();
    body.series("wx-ewr/air_temperature", "[degF]");
    for &(series, time, value, flags) in readings {
        body.reading(series, Reading { time: TimeMs(time), value, flags: Flags(flags) });
    }
    for &position in refused {
        let payload = Bytes::from_static(b"\xff\0");
        body.refused(Refused { position, topic: "pantau/x".into(), payload, time: -1, ..Refused::default() });
    }
    for &(start, end) in losses {
        body.loss(Loss { start, end, count: end - start, ..Loss::default() });
    }
    body.finish()
}

fn small() -> (BatchBody, u32) {
    (body(&[(0, 1_700_000_000_000, 27.3, 0), (0, 1_700_000_001_000, -0.0, 64)], &[1_001], &[(3, 900)]), 3)
}

fn rebatched(change: impl FnOnce(&mut BatchBody, &mut Batch)) -> Result<BatchBody, WireError> {
    let (mut body, count) = small();
    let mut head = Batch { first: FIRST, count, ..Batch::default() };
    change(&mut body, &mut head);
    let mut batch = encode_batch(&body, head.first, head.count, 1).unwrap();
    if head.body_bytes != 0 {
        batch.body_bytes = head.body_bytes;
    }
    decode_batch(&batch, Limits::default())
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_again(
        readings in prop::collection::vec(
            (any::<u32>(), -(1_i64 << 60)..1_i64 << 60, any::<f64>(), prop_oneof![Just(0_u16), any::<u16>()]),
            0..200,
        ),
        holes in prop::collection::btree_set(0_u64..300, 0..20),
        losses in prop::collection::vec((0_u64..9, 9_u64..99), 0..3),
        level in 1..4_i32,
    ) {
        let holes: Vec<u64> = holes.into_iter().collect();
        let count = readings.len() + holes.len();
        let refused: Vec<u64> = holes.iter().filter(|hole| **hole < count as u64).map(|h| FIRST + h).collect();
        let count = (readings.len() + refused.len()) as u32;
        prop_assume!(refused.iter().all(|position| *position < FIRST + u64::from(count)));
        let sent = body(&readings, &refused, &losses);
        let batch = encode_batch(&sent, FIRST, count, level).unwrap();
        let got = decode_batch(&batch, Limits::default()).unwrap();
        let bits = |body: &BatchBody| body.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&got), bits(&sent));
        prop_assert_eq!(times(&got).collect::<Vec<_>>(), readings.iter().map(|r| r.1).collect::<Vec<_>>());
        prop_assert_eq!(&got.series, &sent.series);
        prop_assert_eq!(&got.flags, &sent.flags);
        prop_assert_eq!(&got.refused, &sent.refused);
        prop_assert_eq!(&got.losses, &sent.losses);
        prop_assert_eq!(&got.new_series, &sent.new_series);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), plain in any::<bool>()) {
        let body_bytes = bytes.len() as u32;
        let body = if plain { zstd::bulk::compress(&bytes, 1).unwrap() } else { bytes };
        let batch = Batch { first: FIRST, count: 3, body_bytes, body: body.into() };
        let _ = decode_batch(&batch, Limits::default());
    }

    #[test]
    fn a_flipped_byte_never_panics(at in any::<prop::sample::Index>(), bit in 0..8_u8, plain in any::<bool>()) {
        let (sent, count) = small();
        let mut batch = encode_batch(&sent, FIRST, count, 1).unwrap();
        let mut bytes = batch.body.to_vec();
        if plain {
            bytes = zstd::bulk::decompress(&bytes, 1 << 20).unwrap();
        }
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        batch.body = if plain { zstd::bulk::compress(&bytes, 1).unwrap() } else { bytes }.into();
        let _ = decode_batch(&batch, Limits::default());
    }
}

#[test]
fn every_truncation_is_refused_or_a_shorter_body_and_never_panics() {
    let (sent, count) = small();
    let whole = encode_batch(&sent, FIRST, count, 1).unwrap();
    let plain = zstd::bulk::decompress(&whole.body, 1 << 20).unwrap();
    for len in 0..whole.body.len() {
        assert!(
            decode_batch(&Batch { body: whole.body.slice(..len), ..whole.clone() }, Limits::default())
                .is_err()
        );
    }
    for len in 0..plain.len() {
        let body = zstd::bulk::compress(&plain[..len], 1).unwrap().into();
        let cut = Batch { body_bytes: len as u32, body, ..whole.clone() };
        // Between two fields a cut is a whole message: only losses, which come last, can be missing.
        if let Ok(body) = decode_batch(&cut, Limits::default()) {
            assert_eq!(body, BatchBody { losses: vec![], ..sent.clone() }, "cut at {len}");
        }
    }
}

#[test]
fn an_empty_body_goes_the_whole_way() {
    let batch = encode_batch(&BatchBody::default(), 7, 0, 1).unwrap();
    assert_eq!(decode_batch(&batch, Limits::default()).unwrap(), BatchBody::default());
}

#[test]
fn a_body_larger_than_the_limit_is_refused_before_it_is_unpacked() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 1).unwrap();
    let batch = |body_bytes| Batch { first: 0, count: 1, body_bytes, body: bomb.clone().into() };
    let refused = decode_batch(&batch(64 << 20), Limits::default());
    assert!(matches!(refused, Err(WireError::TooMany { what: "bytes of body", .. })));
    // One that lies about its size is stopped at the size it gave.
    assert!(matches!(decode_batch(&batch(1_000), Limits::default()), Err(WireError::Zstd { .. })));
    let large = BatchBody { values: vec![0.0; MAX_BODY_BYTES as usize / 8], ..BatchBody::default() };
    assert!(matches!(encode_batch(&large, 0, 1, 1), Err(WireError::TooMany { .. })));
}

#[test]
fn more_messages_than_the_limit_are_refused_before_they_are_decoded() {
    for (field, what) in [(1_u8, "new series"), (6, "refused payloads"), (7, "losses")] {
        let plain = [field << 3 | 2, 0].repeat((MAX_BODY_BYTES / 2) as usize);
        let body = zstd::bulk::compress(&plain, 1).unwrap().into();
        let batch = Batch { first: 0, count: 1, body_bytes: plain.len() as u32, body };
        let error = decode_batch(&batch, Limits::default()).unwrap_err();
        assert!(matches!(error, WireError::TooMany { what: found, .. } if found == what), "{error}");
    }
}

#[test]
fn each_broken_rule_has_its_error() {
    assert!(rebatched(|_, _| {}).is_ok());
    assert!(matches!(
        rebatched(|body, _| body.series.truncate(1)),
        Err(WireError::Column { column: "series", .. })
    ));
    assert!(matches!(
        rebatched(|body, _| body.time_deltas.push(1)),
        Err(WireError::Column { column: "time_deltas", .. })
    ));
    assert!(matches!(
        rebatched(|body, _| body.flags.truncate(1)),
        Err(WireError::Column { column: "flags", .. })
    ));
    assert!(matches!(rebatched(|body, _| body.flags[0] = 1 << 16), Err(WireError::Flags(65_536))));
    assert!(matches!(rebatched(|_, batch| batch.count = 4), Err(WireError::Count { .. })));
    assert!(matches!(
        rebatched(|_, batch| batch.count = u32::MAX),
        Err(WireError::TooMany { what: "positions", .. })
    ));
    assert!(matches!(rebatched(|_, batch| batch.first = u64::MAX - 1), Err(WireError::Positions { .. })));
    assert!(matches!(
        rebatched(|body, _| body.refused[0].position = 1_003),
        Err(WireError::RefusedPosition(1_003))
    ));
    assert!(matches!(
        rebatched(|body, _| body.refused[0].position = 999),
        Err(WireError::RefusedPosition(999))
    ));
    let doubled = rebatched(|body, batch| {
        body.refused.push(body.refused[0].clone());
        batch.count += 1;
    });
    assert!(matches!(doubled, Err(WireError::RefusedPosition(1_001))));
    for end in [2, 3] {
        let rebatched = rebatched(|body, _| body.losses[0].end = end);
        assert!(matches!(rebatched, Err(WireError::LossRange { start: 3, end: found }) if found == end));
    }
    assert!(matches!(rebatched(|body, _| body.time_deltas[1] = i64::MAX), Err(WireError::Time)));
    assert!(matches!(rebatched(|_, batch| batch.body_bytes = 4_000), Err(WireError::BodyBytes { .. })));
}
