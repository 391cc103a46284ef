//! Readers beside the committer and beside releases.

use pantau_journal::sim::SimFiles;
use pantau_journal::{Position, ReadError, StdFiles, open};

use crate::{bytes, put, read_from, start, tiny};

#[test]
fn a_reader_starts_at_the_record_that_covers_or_follows() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let all: Vec<_> = (0..50).map(|i| put(&mut opened, (i % 4) as u32, &bytes(i, 300))).collect();
    for from in 0..=opened.journal.synced().0 {
        let want: Vec<_> = all.iter().filter(|r| r.end().0 > from || r.first.0 >= from).cloned().collect();
        assert_eq!(read_from(&opened.journal, from), want, "from {from}");
    }
}

#[test]
fn a_reader_sees_only_what_is_synced_and_goes_on_where_it_ended() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let mut reader = opened.journal.reader(Position(0));
    assert_eq!(reader.next().unwrap(), None);
    for i in 0..40 {
        let ticket = opened.journal.append(1, &bytes(i, 500)).unwrap();
        assert_eq!(reader.next().unwrap(), None, "not yet synced");
        opened.committer.commit_once().unwrap();
        assert_eq!(reader.next().unwrap().unwrap().first, ticket.first);
        assert_eq!(reader.next().unwrap(), None);
    }
}

#[test]
fn a_reader_whose_segments_were_released_is_told_once_and_goes_on() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    for i in 0..40 {
        put(&mut opened, 1, &bytes(i, 500));
    }
    let mut reader = opened.journal.reader(Position(0));
    reader.next().unwrap().unwrap();
    let kept = opened.journal.release(Position(25)).unwrap().kept;
    let mut last = Position(0);
    let mut told = 0;
    loop {
        match reader.next() {
            Ok(Some(record)) => {
                assert!(record.first >= last);
                last = record.end();
            }
            Ok(None) => break,
            Err(ReadError::Released { resume }) => {
                assert_eq!(resume, kept);
                last = resume;
                told += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((told, last), (1, Position(40)));
}

#[test]
fn readers_run_beside_appends_and_releases_and_miss_nothing_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(StdFiles::new(), dir.path(), tiny()).unwrap();
    let (journal, committer) = (opened.journal, opened.committer);
    const RECORDS: u64 = 2000;
    std::thread::scope(|s| {
        let run = s.spawn(|| committer.run());
        let writer = s.spawn(|| {
            for i in 0..RECORDS {
                loop {
                    match journal.append(1, &bytes(i, 100)) {
                        Ok(ticket) if i % 16 == 0 => break ticket.wait().unwrap(),
                        Ok(_) => break,
                        Err(_) => std::thread::yield_now(),
                    }
                }
            }
        });
        // The one who releases follows its own reading: nothing may be missing for it.
        let follower = s.spawn(|| {
            let mut reader = journal.reader(Position(0));
            let mut next = 0;
            while next < RECORDS {
                match reader.next().unwrap() {
                    Some(record) => {
                        assert_eq!((record.first.0, &record.bytes), (next, &bytes(next, 100)));
                        next += 1;
                        if next % 100 == 0 {
                            journal.release(Position(next)).unwrap();
                        }
                    }
                    None => std::thread::yield_now(),
                }
            }
        });
        // Another one jumps about: whatever it gets is right, and gaps are named.
        let jumper = s.spawn(|| {
            for start in 0..200 {
                let mut reader = journal.reader(Position(start * 10));
                let mut at = None;
                for _ in 0..50 {
                    match reader.next() {
                        Ok(Some(record)) => {
                            assert_eq!(record.bytes, bytes(record.first.0, 100));
                            assert!(at.is_none_or(|a| a == record.first.0), "{at:?} {}", record.first);
                            at = Some(record.end().0);
                        }
                        Ok(None) => std::thread::yield_now(),
                        Err(ReadError::Released { resume }) => {
                            assert!(at.is_none_or(|a| a < resume.0));
                            at = Some(resume.0);
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
        writer.join().unwrap();
        jumper.join().unwrap();
        follower.join().unwrap();
        journal.close();
        run.join().unwrap().unwrap();
    });
}

#[test]
fn a_failed_read_can_be_tried_again() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let all: Vec<_> = (0..20).map(|i| put(&mut opened, 1, &bytes(i, 500))).collect();
    let mut reader = opened.journal.reader(Position(0));
    let mut found = Vec::new();
    for turn in 0.. {
        files.fail_reads(turn % 2 == 0);
        match reader.next() {
            Ok(Some(record)) => found.push(record),
            Ok(None) => break,
            Err(ReadError::Io { .. }) => assert_eq!(turn % 2, 0),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(found, all);
}
