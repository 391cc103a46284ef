//! The promise that `append` hands out, kept when the record is synced.
//!
//! Records are numbered as they are appended; one number says how far the sync has come. A ticket
//! is its own number and a look at that one, so a commit of a thousand records costs one store and
//! the wakers of those who really wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use crate::error::CommitError;
use crate::position::Position;

/// A lock that a panicking thread held is taken over: what it guards is changed in single steps.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How far the sync has come, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    synced: AtomicU64,
    stopped: OnceLock<CommitError>,
    wakers: Mutex<Vec<(u64, Waker)>>,
}

impl Waiters {
    /// All records up to number `record` are durable.
    pub(crate) fn complete(&self, record: u64) {
        self.synced.store(record, Ordering::Release);
        let ready = {
            let mut wakers = lock(&self.wakers);
            let (ready, rest) = std::mem::take(&mut *wakers).into_iter().partition(|(r, _)| *r <= record);
            *wakers = rest;
            let ready: Vec<_> = ready;
            ready
        };
        ready.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Nothing more will become durable.
    pub(crate) fn stop(&self, error: CommitError) {
        let _ = self.stopped.set(error);
        let all = std::mem::take(&mut *lock(&self.wakers));
        all.into_iter().for_each(|(_, waker)| waker.wake());
    }

    fn state(&self, record: u64) -> Option<Result<(), CommitError>> {
        // First the stop, then the number: a record that was synced before the stop is Ok.
        let stopped = self.stopped.get();
        if self.synced.load(Ordering::Acquire) >= record {
            return Some(Ok(()));
        }
        stopped.map(|error| Err(error.clone()))
    }
}

/// Resolves when the record is on disk, or cannot come there. Dropping it changes nothing.
#[must_use = "the record is not durable before its ticket resolves"]
#[derive(Debug)]
pub struct Ticket {
    /// The first position of the record.
    pub first: Position,
    /// Sequence of the segment that the record goes to.
    pub segment: u64,
    record: u64,
    waiters: Arc<Waiters>,
    registered: Option<Waker>,
}

impl Ticket {
    pub(crate) fn new(first: u64, segment: u64, record: u64, waiters: Arc<Waiters>) -> Self {
        Self { first: Position(first), segment, record, waiters, registered: None }
    }

    /// Whether it has resolved; never blocks.
    #[must_use]
    pub fn peek(&self) -> Option<Result<(), CommitError>> {
        self.waiters.state(self.record)
    }

    /// Blocks this thread until it resolves. For threads outside an async runtime.
    ///
    /// # Errors
    /// As the future.
    pub fn wait(mut self) -> Result<(), CommitError> {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            match Pin::new(&mut self).poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(result) => return result,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl Future for Ticket {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.waiters.state(self.record) {
            return Poll::Ready(result);
        }
        if !self.registered.as_ref().is_some_and(|w| w.will_wake(context.waker())) {
            self.registered = Some(context.waker().clone());
            lock(&self.waiters.wakers).push((self.record, context.waker().clone()));
        }
        // The sync may have come in between: whoever stores first, one of the two sees the other.
        self.waiters.state(self.record).map_or(Poll::Pending, Poll::Ready)
    }
}
