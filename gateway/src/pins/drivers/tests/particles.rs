use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::super::pms5003::{Frames, Pms5003, sum};
use super::{Driver, values};
use crate::pins::backend::uart::Port;

/// A frame of the manual's appendix I.
fn frame(pm2_5: u16, pm10: u16) -> Vec<u8> {
    let words = [28, 7, 9, 12, 8, pm2_5, pm10, 1_200, 350, 60, 9, 2, 1, 0x9700];
    let mut bytes = vec![0x42, 0x4d];
    words.iter().for_each(|word: &u16| bytes.extend(word.to_be_bytes()));
    let sum = sum(&bytes);
    bytes.extend(sum);
    assert_eq!(bytes.len(), 32);
    bytes
}

/// What is sent within each 100 ms; nothing once it is used up.
#[derive(Clone, Default)]
struct Line(Arc<Mutex<VecDeque<Vec<u8>>>>);

impl Port for Line {
    fn forget(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut line = self.0.lock().unwrap();
        let Some(mut bytes) = line.pop_front() else { return Ok(0) };
        if bytes.len() > into.len() {
            line.push_front(bytes.split_off(into.len()));
        }
        into[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

#[test]
fn a_pms5003_is_read_though_its_frame_comes_in_pieces_behind_the_rest_of_another() {
    let line = Line::default();
    let mut sensor = Pms5003::new(line.clone());
    let whole = frame(35, 60);
    let mut sent = VecDeque::from([frame(1, 2)[20..].to_vec(), vec![]]);
    sent.extend(whole.chunks(5).map(<[u8]>::to_vec));
    *line.0.lock().unwrap() = sent;
    assert_eq!(values(&sensor.measure().unwrap()), [35.0, 60.0]);
    assert!(sensor.measure().unwrap_err().to_string().contains("sends nothing"));
    let mut wrong = frame(1, 2);
    wrong[13] ^= 1;
    line.0.lock().unwrap().push_back(wrong);
    let said = sensor.measure().unwrap_err().to_string();
    assert!(said.contains("of 32 bytes"), "{said}");
    line.0.lock().unwrap().push_back(frame(0, 1_000));
    assert_eq!(values(&sensor.measure().unwrap()), [0.0, 1_000.0]);
}

proptest! {
    /// Whatever comes before it, the second of two whole frames is always found, and nothing is taken that was not sent.
    #[test]
    fn frames_are_found_again_after_any_garbage(
        garbage in proptest::collection::vec(prop_oneof![Just(0x42_u8), Just(0x4d), Just(0), Just(28), any::<u8>()], 0..80),
        pm2_5 in 0_u16..2_000,
        pm10 in 0_u16..2_000,
    ) {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        let sent = [garbage, frame(pm2_5, pm10), frame(pm2_5, pm10)].concat();
        found.extend(sent.iter().filter_map(|byte| frames.push(*byte)));
        prop_assert_eq!(found.last(), Some(&[pm2_5, pm10]));
        prop_assert!(found.len() <= 2);
    }
}
