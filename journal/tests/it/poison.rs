//! A failed write or sync ends this journal; the next start finds what was acknowledged.

use pantau_journal::sim::{PowerCut, SimFiles};
use pantau_journal::{AppendError, CommitError, Position};

use crate::{bytes, put, read_all, start};

#[test]
fn a_failed_sync_fails_every_outstanding_and_later_record() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let kept = put(&mut opened, 1, b"kept");
    files.fail_sync(0);
    let first = opened.journal.append(1, b"lost").unwrap();
    let second = opened.journal.append(1, b"lost too").unwrap();
    assert!(opened.committer.commit_once().is_err());
    assert!(matches!(first.wait(), Err(CommitError::Io { operation: "sync", .. })));
    assert!(second.wait().is_err());
    assert_eq!(opened.journal.append(1, b"x").unwrap_err(), AppendError::Poisoned);
    assert!(opened.journal.stats().poisoned);
    assert!(opened.committer.commit_once().is_err(), "no second try on this file");
    assert_eq!(read_all(&opened.journal), [kept], "only synced records are read");
    assert_eq!(opened.journal.synced(), Position(1));
}

/// The trap: after a failed sync the page cache shows the record, and no later sync of that file
/// brings it to the disk. Recovery sees it, must keep it or not, and what it keeps must be durable.
#[test]
fn what_recovery_keeps_after_a_failed_sync_is_really_on_the_disk() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let kept = put(&mut opened, 1, b"kept");
    files.fail_sync(0);
    let ticket = opened.journal.append(1, b"only in the page cache").unwrap();
    let _ = opened.committer.commit_once();
    assert!(ticket.wait().is_err());
    drop(opened);
    let files = files.kill();
    let mut opened = start(&files);
    let seen = read_all(&opened.journal);
    assert_eq!(seen.len(), 2, "the page cache shows it, and it may be kept");
    assert_eq!(opened.recovery.copied_records, 1);
    let more = put(&mut opened, 1, b"acknowledged after");
    drop(opened);
    let opened = start(&files.crash(PowerCut::LoseAll));
    assert_eq!(read_all(&opened.journal), [kept, seen[1].clone(), more]);
}

#[test]
fn a_failed_write_or_folder_sync_poisons_in_every_phase_of_a_rotation() {
    for write in [false, true] {
        for after in 0..6 {
            let files = SimFiles::new();
            let mut opened = start(&files);
            let mut acked: Vec<_> = (0..6).map(|i| put(&mut opened, 1, &bytes(i, 600))).collect();
            if write {
                files.fail_write(after)
            } else {
                files.fail_sync(after)
            }
            let mut failed = false;
            for i in 6..14 {
                match opened.journal.append(1, &bytes(i, 600)) {
                    Ok(ticket) => {
                        let first = ticket.first;
                        failed |= opened.committer.commit_once().is_err();
                        if ticket.wait().is_ok() {
                            assert!(!failed);
                            acked.push(pantau_journal::Record { first, count: 1, bytes: bytes(i, 600) });
                        }
                    }
                    Err(error) => assert_eq!(error, AppendError::Poisoned),
                }
            }
            drop(opened);
            for cut in [PowerCut::LoseAll, PowerCut::KeepAll, PowerCut::Tear(after)] {
                let opened = start(&files.copy());
                assert!(read_all(&opened.journal).starts_with(&acked), "{write} {after} {cut:?}");
            }
            let opened = start(&files.crash(PowerCut::Tear(after)));
            assert!(read_all(&opened.journal).starts_with(&acked), "{write} {after}");
        }
    }
}

#[tokio::test]
async fn those_who_wait_for_progress_learn_of_the_end() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    put(&mut opened, 3, b"x");
    assert_eq!(opened.journal.synced_beyond(Position(2)).await.unwrap(), Position(3));
    files.fail_sync(0);
    let journal = opened.journal.clone();
    let waiting = tokio::spawn(async move { journal.synced_beyond(Position(3)).await });
    tokio::task::yield_now().await;
    drop(opened.journal.append(1, b"y").unwrap());
    assert!(opened.committer.commit_once().is_err());
    assert!(waiting.await.unwrap().is_err());
}
