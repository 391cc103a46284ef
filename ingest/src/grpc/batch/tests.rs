#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::store::embedded::Retention;
use pantau_proto::Epoch;

fn submit(dictionary: &mut Dictionary, first: u64, body: BatchBody) -> Result<Submission, Broken> {
    let source = Source { gateway: "gw".parse().unwrap(), epoch: Epoch(1), generation: 1 };
    let count = (body.series.len() + body.refused.len()) as u32;
    let retention = Retention::default();
    let window = Window::new(1_000_000, 0, &retention);
    dictionary.submission(source, (first, count), body, &window, 2, Ack::new().0)
}

fn series(name: &str) -> v1::Series {
    v1::Series { name: name.to_owned(), unit: String::new() }
}

#[test]
fn readings_take_the_positions_that_refused_payloads_leave() {
    let refused: Vec<Refused> =
        [10, 11, 14].map(|position| Refused { position, ..Refused::default() }).into();
    let positions: Vec<u64> = (0..4).map(|i| position_of(10, &refused, i)).collect();
    assert_eq!(positions, [12, 13, 15, 16]);
}

#[test]
fn the_dictionary_grows_over_batches_and_times_are_summed_up() {
    let mut dictionary = Dictionary::default();
    let body = BatchBody {
        new_series: vec![series("a/air_temperature")],
        series: vec![0, 0],
        time_deltas: vec![5_000, -1_000],
        values: vec![20.0, 21.0],
        ..Default::default()
    };
    assert_eq!(submit(&mut dictionary, 0, body).unwrap().times, [5_000, 4_000]);
    let body = BatchBody {
        new_series: vec![series("b/rainfall")],
        series: vec![1, 0, 1],
        time_deltas: vec![1, 1, 1],
        values: vec![0.2, f64::NAN, 0.4],
        refused: vec![v1::Refused { position: 7, ..Default::default() }],
        ..Default::default()
    };
    let submission = submit(&mut dictionary, 7, body).unwrap();
    assert_eq!((submission.series.as_slice(), submission.values.as_slice()), (&[1, 1][..], &[0.2, 0.4][..]));
    assert_eq!((submission.rejected[0].position, submission.refused[0].source.as_str()), (9, "gateway"));
}

#[test]
fn an_unknown_index_and_too_many_series_break_the_contract() {
    let mut dictionary = Dictionary::default();
    let body = |names: usize, index| BatchBody {
        new_series: (0..names).map(|i| series(&format!("a{i}/rainfall"))).collect(),
        series: vec![index],
        time_deltas: vec![1],
        values: vec![1.0],
        ..Default::default()
    };
    let many = submit(&mut dictionary, 0, body(3, 0)).unwrap_err();
    assert_eq!(many, Broken::TooManySeries { named: 3, limit: 2 });
    let unknown = submit(&mut dictionary, 0, body(1, 1)).unwrap_err();
    assert_eq!(unknown, Broken::NoSuchSeries { index: 1, len: 1 });
}
