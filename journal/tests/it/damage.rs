//! The log cut at every byte, and every byte flipped once.

use pantau_journal::sim::SimFiles;
use pantau_journal::{Position, ReadError, Record, Recovery, open};

use crate::{bytes, dir, put, read_all, segment_paths, start, tiny};

/// A log of several segments, its last commit unproven.
fn log(records: u64, len: usize, close: bool) -> (SimFiles, Vec<Record>) {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let mut all = Vec::new();
    for i in 0..records {
        // Some commits hold several records.
        if i % 4 == 3 {
            let tickets: Vec<_> = (0..3u64)
                .map(|k| {
                    let payload = bytes(i * 10 + k, len);
                    (opened.journal.append(k as u32, &payload).unwrap(), k as u32, payload)
                })
                .collect();
            opened.committer.commit_once().unwrap();
            for (ticket, count, payload) in tickets {
                all.push(Record { first: ticket.first, count, bytes: payload });
                ticket.wait().unwrap();
            }
        } else {
            all.push(put(&mut opened, (i % 3) as u32, &bytes(i * 10, len)));
        }
    }
    if close {
        opened.committer.finish().unwrap();
    }
    (files.kill(), all)
}

/// Every record found was appended and they are in order; every one missing is accounted for by the report.
fn judge(found: &[Record], all: &[Record], recovery: &Recovery, what: &str) {
    let mut expected = all.iter();
    let mut missing = Vec::new();
    for have in found {
        loop {
            let want = expected.next().unwrap_or_else(|| panic!("{what}: {have:?} was never appended"));
            if want == have {
                break;
            }
            missing.push(want);
        }
    }
    for record in missing {
        let named =
            recovery.damaged.iter().any(|d| d.range.start <= record.first && record.end() <= d.range.end);
        assert!(named, "{what}: {record:?} is missing, {recovery:?}");
    }
    let rest: Vec<_> = expected.collect();
    for record in &rest {
        let named =
            recovery.damaged.iter().any(|d| d.range.start <= record.first && record.end() <= d.range.end);
        assert!(named || recovery.torn_tail_bytes > 0, "{what}: {record:?} is missing, {recovery:?}");
    }
}

#[test]
fn a_log_cut_at_any_byte_keeps_every_commit_before_the_cut() {
    let (files, all) = log(12, 150, false);
    let last = segment_paths(&files).pop().unwrap();
    let whole = files.contents(&last).unwrap();
    let used = (whole.iter().rposition(|b| *b != 0).unwrap() + 1).next_multiple_of(8);
    for zeros in [false, true] {
        let mut least = 0;
        for cut in 0..=used {
            let files = files.copy();
            let mut torn = whole[..cut].to_vec();
            if zeros {
                torn.resize(whole.len(), 0);
            }
            files.set_contents(&last, torn);
            let mut opened = start(&files);
            let found = read_all(&opened.journal);
            judge(
                &found,
                &all,
                &Recovery { torn_tail_bytes: 1, ..opened.recovery.clone() },
                &format!("cut {cut}"),
            );
            assert!(found.len() >= least, "cut {cut}: {} after {least}", found.len());
            least = found.len();
            // And it goes on.
            let more = put(&mut opened, 1, b"after");
            assert_eq!(read_all(&opened.journal).last(), Some(&more));
        }
        assert_eq!(least, all.len());
    }
}

#[test]
fn a_flipped_byte_is_torn_tail_or_named_damage_and_never_a_wrong_record() {
    for close in [false, true] {
        let (files, all) = log(60, 90, close);
        let paths = segment_paths(&files);
        assert!(paths.len() >= 3);
        for path in &paths {
            let is_last = Some(path) == paths.last();
            let len = files.contents(path).unwrap().len();
            for at in 0..len {
                let files = files.copy();
                files.flip(path, at, 1 << (at % 8));
                let what = format!("byte {at} of {}", path.display());
                let mut opened = start(&files);
                let found = read_all(&opened.journal);
                judge(&found, &all, &opened.recovery, &what);
                if !is_last || close {
                    assert!(found.len() == all.len() || !opened.recovery.damaged.is_empty(), "{what}");
                }
                let more = put(&mut opened, 1, b"after");
                assert_eq!(read_all(&opened.journal).last(), Some(&more), "{what}");
                // The next start finds nothing more to report.
                opened.committer.finish().unwrap();
                let again = start(&files.kill());
                assert_eq!(again.recovery.damaged, [], "{what}");
                assert_eq!(again.recovery.next.0, more.end().0, "{what}");
                assert_eq!(read_all(&again.journal).len(), found.len() + 1, "{what}");
            }
        }
    }
}

#[test]
fn a_damaged_middle_is_set_aside_and_only_what_was_hit_is_lost() {
    let (files, all) = log(60, 90, false);
    let path = segment_paths(&files)[1].clone();
    files.flip(&path, 2000, 0xff);
    let opened = start(&files);
    let [damage] = &opened.recovery.damaged[..] else { panic!("{:?}", opened.recovery) };
    assert_eq!(damage.file.extension().unwrap(), "damaged");
    assert!(files.contents(&damage.file).is_some());
    assert!(!opened.recovery.clean);
    let found = read_all(&opened.journal);
    assert!(found.len() < all.len() && found.len() >= all.len() - 3);
}

#[test]
fn a_missing_segment_is_named_and_the_rest_is_kept() {
    let (files, all) = log(60, 90, false);
    let paths = segment_paths(&files);
    let left = SimFiles::new();
    for path in paths.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, p)| p) {
        left.set_contents(path, files.contents(path).unwrap());
    }
    let opened = start(&left);
    assert_eq!(opened.recovery.damaged.len(), 1);
    let mut reader = opened.journal.reader(Position(0));
    let mut found = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(record)) => found.push(record),
            Ok(None) => break,
            Err(ReadError::Released { resume }) => assert_eq!(resume, opened.recovery.damaged[0].range.end),
            Err(error) => panic!("{error}"),
        }
    }
    judge(&found, &all, &opened.recovery, "missing segment");
}

#[test]
fn damage_that_comes_after_the_start_is_named_by_the_reader_and_passed() {
    let (files, all) = log(60, 90, false);
    let opened = start(&files);
    let path = segment_paths(&files)[0].clone();
    files.flip(&path, 1000, 0x10);
    let mut reader = opened.journal.reader(Position(0));
    let (mut found, mut errors) = (0, 0);
    loop {
        match reader.next() {
            Ok(Some(_)) => found += 1,
            Ok(None) => break,
            Err(ReadError::Damaged { start, end, .. }) => {
                assert!(start <= end);
                errors += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(errors, 1);
    assert!(found < all.len() && found >= all.len() - 3);
}

#[test]
fn damage_without_space_for_a_copy_still_starts_and_readers_pass_it() {
    let (files, all) = log(60, 90, false);
    let path = segment_paths(&files)[0].clone();
    files.flip(&path, 1000, 0x10);
    files.set_capacity(0);
    let opened = open(files.clone(), dir(), tiny()).unwrap();
    assert_eq!(opened.recovery.damaged.len(), 1);
    let mut reader = opened.journal.reader(Position(0));
    let mut found = 0;
    loop {
        match reader.next() {
            Ok(Some(_)) => found += 1,
            Ok(None) => break,
            Err(ReadError::Damaged { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(found < all.len() && found >= all.len() - 3);
    assert!(opened.journal.append(1, b"x").is_err());
}
