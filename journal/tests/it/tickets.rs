//! When tickets resolve, and how the commit loop gathers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use pantau_journal::sim::SimFiles;
use pantau_journal::{AppendError, CommitError, Config, Position, open};

use crate::{dir, put, read_all, start, tiny};

fn poll(ticket: &mut pantau_journal::Ticket) -> Poll<Result<(), CommitError>> {
    Pin::new(ticket).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_ticket_never_resolves_before_the_sync() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let mut ticket = opened.journal.append(1, b"x").unwrap();
    assert!(poll(&mut ticket).is_pending());
    let before = files.syncs();
    opened.committer.commit_once().unwrap();
    assert!(files.syncs() > before);
    assert!(matches!(poll(&mut ticket), Poll::Ready(Ok(()))));
}

#[test]
fn records_that_wait_together_share_one_sync() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    put(&mut opened, 1, b"first");
    let tickets: Vec<_> = (0..20).map(|i| opened.journal.append(1, &[i; 100]).unwrap()).collect();
    let before = files.syncs();
    assert!(opened.committer.commit_once().unwrap());
    assert_eq!(files.syncs() - before, 1);
    tickets.into_iter().for_each(|t| t.wait().unwrap());
    assert!(!opened.committer.commit_once().unwrap());
}

#[test]
fn a_dropped_ticket_changes_nothing() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let mut dropped = opened.journal.append(1, b"a").unwrap();
    let _ = poll(&mut dropped);
    drop(dropped);
    put(&mut opened, 1, b"b");
    assert_eq!(read_all(&opened.journal).len(), 2);
}

/// Runs the commit loop beside `work`.
fn beside(config: Config, work: impl FnOnce(&pantau_journal::Journal<SimFiles>)) -> SimFiles {
    let files = SimFiles::new();
    let opened = open(files.clone(), dir(), config).unwrap();
    let (journal, committer) = (opened.journal, opened.committer);
    std::thread::scope(|s| {
        let run = s.spawn(|| committer.run());
        work(&journal);
        journal.close();
        run.join().unwrap().unwrap();
    });
    files
}

#[test]
fn the_first_record_waits_for_the_delay_unless_someone_is_in_a_hurry() {
    let delay = Duration::from_millis(300);
    beside(Config { commit_delay: delay, ..tiny() }, |journal| {
        let start = Instant::now();
        journal.append(1, b"x").unwrap().wait().unwrap();
        assert!(start.elapsed() >= delay);
        let start = Instant::now();
        let ticket = journal.append(1, b"alarm").unwrap();
        journal.sync_soon();
        ticket.wait().unwrap();
        assert!(start.elapsed() < delay);
    });
}

#[test]
fn enough_bytes_commit_before_the_delay() {
    let config = Config { commit_delay: Duration::from_secs(60), commit_bytes: 1000, ..tiny() };
    beside(config, |journal| {
        let early = journal.append(1, &[1; 400]).unwrap();
        let ticket = journal.append(1, &[1; 700]).unwrap();
        ticket.wait().unwrap();
        early.wait().unwrap();
    });
}

#[test]
fn close_drains_and_then_refuses() {
    let config = Config { commit_delay: Duration::from_secs(60), ..tiny() };
    let mut tickets = Vec::new();
    let files = beside(config, |journal| {
        for i in 0..5 {
            tickets.push(journal.append(1, &[i; 50]).unwrap());
        }
        journal.close();
        assert_eq!(journal.append(1, b"late").unwrap_err(), AppendError::Closed);
    });
    tickets.into_iter().for_each(|t| t.wait().unwrap());
    let opened = start(&files.kill());
    assert!(opened.recovery.clean);
    assert_eq!(opened.recovery.copied_records, 0);
    assert_eq!(read_all(&opened.journal).len(), 5);
}

#[test]
fn a_committer_that_ends_early_lets_nobody_wait_for_ever() {
    let files = SimFiles::new();
    let opened = start(&files);
    let ticket = opened.journal.append(1, b"x").unwrap();
    drop(opened.committer);
    assert!(matches!(ticket.wait(), Err(CommitError::Stopped)));
    assert_eq!(opened.journal.append(1, b"y").unwrap_err(), AppendError::Closed);
    assert!(opened.journal.release(Position(1)).is_err());
}

#[tokio::test]
async fn a_ticket_is_a_future_for_any_executor() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let tickets: Vec<_> = (0..10).map(|i| tokio::spawn(opened.journal.append(1, &[i]).unwrap())).collect();
    tokio::task::yield_now().await;
    opened.committer.commit_once().unwrap();
    for ticket in tickets {
        ticket.await.unwrap().unwrap();
    }
}

/// The mutation that whole-system tests must notice does what it says.
#[cfg(feature = "faults")]
#[test]
fn the_mutation_acks_before_the_sync() {
    let opened = start(&SimFiles::new());
    opened.journal.ack_before_sync(true);
    opened.journal.append(1, b"x").unwrap().wait().unwrap();
    assert_eq!(opened.journal.synced(), Position(0));
}

/// What `VolatileFiles` has not synced is seen by this process and by no later one.
#[cfg(feature = "faults")]
#[test]
fn volatile_files_forget_what_a_lying_sync_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let files = pantau_journal::faults::VolatileFiles::new();
    let mut opened = open(files.clone(), folder.path(), tiny()).unwrap();
    for on in [false, true] {
        files.drop_syncs(on);
        let ticket = opened.journal.append(1, b"x").unwrap();
        opened.committer.commit_once().unwrap();
        ticket.wait().unwrap();
    }
    assert_eq!(read_all(&opened.journal).len(), 2);
    drop(opened);
    let opened = open(pantau_journal::faults::VolatileFiles::new(), folder.path(), tiny()).unwrap();
    assert_eq!(read_all(&opened.journal).len(), 1);
}
