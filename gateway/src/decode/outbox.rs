//! What decoders want to say to devices: requests for a rebirth. One task takes them out and hands each to every source
//! that can publish; the one whose connection the device has is the one that it hears.
//!
//! Always: at most [`MAX`] wait, one a topic; more are dropped, and an alias that is still unknown asks again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

const MAX: usize = 256;

/// A message that goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<VecDeque<Request>>,
    more: Notify,
}

impl Outbox {
    pub(super) fn put(&self, request: Request) {
        let mut waiting = self.locked();
        if waiting.len() < MAX && !waiting.iter().any(|other| other.topic == request.topic) {
            waiting.push_back(request);
            self.more.notify_one();
        }
    }

    /// The next one, once there is one.
    pub(crate) async fn next(&self) -> Request {
        loop {
            if let Some(request) = self.locked().pop_front() {
                return request;
            }
            self.more.notified().await;
        }
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<Request>> {
        // The queue is consistent after every statement.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn one_request_a_topic_waits_and_no_more_than_so_many() {
        let outbox = Outbox::default();
        for n in 0..MAX + 10 {
            for _ in 0..2 {
                outbox.put(Request { topic: format!("t/{n}"), payload: vec![1] });
            }
        }
        assert_eq!(outbox.locked().len(), MAX);
        assert_eq!(outbox.next().await.topic, "t/0");
        outbox.put(Request { topic: "t/0".into(), payload: vec![2] });
        assert_eq!(outbox.next().await.topic, "t/1");
    }
}
