#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::*;

fn config() -> Config {
    Config {
        segment_bytes: 4096,
        max_bytes: 1 << 20,
        free_floor_bytes: 0,
        pending_bytes: 1 << 16,
        ..Config::default()
    }
}

fn read_all<F: FileLayer>(journal: &Journal<F>) -> Vec<Record> {
    let mut reader = journal.reader(Position(0));
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

#[test]
fn what_was_committed_is_read_back_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for round in 0..4u32 {
        let mut opened = open(StdFiles::new(), dir.path(), config()).unwrap();
        assert_eq!(read_all(&opened.journal), expected, "{:?}", opened.recovery);
        for i in 0..40u32 {
            let bytes = vec![i as u8; 200 + (i * 7) as usize];
            let ticket = opened.journal.append(i % 3, &bytes).unwrap();
            expected.push(Record { first: ticket.first, count: i % 3, bytes });
            opened.committer.commit_once().unwrap();
            ticket.wait().unwrap();
        }
        assert_eq!(read_all(&opened.journal), expected);
        if round % 2 == 0 {
            opened.committer.finish().unwrap();
        }
    }
}

#[test]
fn a_thread_commits_for_many_appenders() {
    let dir = tempfile::tempdir().unwrap();
    let opened =
        open(StdFiles::new(), dir.path(), Config { segment_bytes: 1 << 16, max_bytes: 1 << 22, ..config() })
            .unwrap();
    let (journal, committer) = (opened.journal, opened.committer);
    std::thread::scope(|s| {
        let run = s.spawn(|| committer.run());
        let workers: Vec<_> = (0..8)
            .map(|_| s.spawn(|| (0..50).for_each(|_| journal.append(1, &[7; 300]).unwrap().wait().unwrap())))
            .collect();
        workers.into_iter().for_each(|w| w.join().unwrap());
        journal.close();
        run.join().unwrap().unwrap();
    });
    assert_eq!(read_all(&journal).len(), 400);
    assert_eq!(journal.synced(), Position(400));
}
