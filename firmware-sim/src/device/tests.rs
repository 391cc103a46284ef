#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::Message;
use super::outbox::Outbox;

fn message(serial: u32) -> Message {
    Message { topic: serial.to_string(), payload: vec![], readings: 2 }
}

#[derive(Clone, Debug)]
enum Step {
    Push,
    Hand,
    Write,
    Ack(prop::sample::Index),
    StrayAck(u16),
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Push),
        4 => Just(Step::Hand),
        4 => Just(Step::Write),
        4 => any::<prop::sample::Index>().prop_map(Step::Ack),
        1 => (500_u16..600).prop_map(Step::StrayAck),
        1 => Just(Step::Reconnect),
    ]
}

proptest! {
    #[test]
    fn nothing_is_forgotten_and_a_reconnect_sends_again_in_order(
        steps in prop::collection::vec(step(), 0..300),
        capacity in 1_usize..12,
    ) {
        let mut outbox = Outbox::new(capacity);
        let mut pushed = 0_u32;
        // The model: what is not acked in the order of push, and where each stands.
        let mut open: Vec<u32> = vec![];
        let mut handed: Vec<u32> = vec![];
        let mut flying: BTreeMap<u16, u32> = BTreeMap::new();
        let mut sent_on_this_connection: Vec<u32> = vec![];
        let mut next_id = 0_u16;
        let mut acked = 0;
        for step in steps {
            match step {
                Step::Push => {
                    if outbox.push(message(pushed)).is_ok() {
                        open.push(pushed);
                        pushed += 1;
                    } else {
                        // Full: the box never holds more, holes included.
                        prop_assert!(!outbox.has_room());
                    }
                }
                Step::Hand => {
                    if let Some(next) = outbox.peek().map(|message| message.topic.parse().unwrap()) {
                        let wanted = open.iter().find(|serial| !sent_on_this_connection.contains(serial));
                        prop_assert_eq!(Some(&next), wanted);
                        outbox.handed();
                        handed.push(next);
                        sent_on_this_connection.push(next);
                    } else {
                        prop_assert!(open.iter().all(|serial| sent_on_this_connection.contains(serial)));
                    }
                }
                Step::Write => {
                    if !handed.is_empty() {
                        next_id = next_id % 400 + 1;
                        outbox.written(next_id);
                        flying.insert(next_id, handed.remove(0));
                    }
                }
                Step::Ack(which) => {
                    if !flying.is_empty() {
                        let id = *flying.keys().nth(which.index(flying.len())).unwrap();
                        let serial = flying.remove(&id).unwrap();
                        open.retain(|other| *other != serial);
                        outbox.acked(id);
                        acked += 1;
                    }
                }
                Step::StrayAck(id) => outbox.acked(id),
                Step::Reconnect => {
                    outbox.reconnected();
                    handed.clear();
                    flying.clear();
                    sent_on_this_connection.clear();
                }
            }
            prop_assert_eq!(outbox.len(), open.len());
            prop_assert_eq!(outbox.is_empty(), open.is_empty());
            prop_assert_eq!(outbox.acked_counts().messages, acked);
            prop_assert_eq!(outbox.acked_counts().readings, 2 * acked);
        }
    }
}

#[test]
fn a_full_box_gives_the_message_back() {
    let mut outbox = Outbox::new(1);
    assert_eq!(outbox.push(message(1)), Ok(()));
    assert_eq!(outbox.push(message(2)), Err(message(2)));
}
