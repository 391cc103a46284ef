//! A look from outside sees what opening would see, changes nothing, and takes nothing that is being written for damage.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pantau_journal::sim::SimFiles;
use pantau_journal::{
    Config, FileLayer, Inspection, Opened, Position, ReadOnlyFiles, StdFiles, inspect, open,
};

use crate::{bytes, dir, put, read_all, segment_paths, start, tiny};

type Records = BTreeMap<u64, Vec<u8>>;

fn look<F: FileLayer>(files: &F, dir: &Path) -> (Inspection, Records) {
    let mut records = Records::new();
    let found = inspect(files, dir, &mut |position, payload| {
        records.insert(position.0, payload.to_vec());
    });
    (found.unwrap(), records)
}

/// A journal of several segments that goes on, with its records.
fn running() -> (SimFiles, Opened<SimFiles>, Records) {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let put = |i| (i, put(&mut opened, 1, &bytes(i, 90)).bytes);
    let records = (0..60).map(put).collect();
    (files, opened, records)
}

#[test]
fn a_running_journal_is_read_without_its_lock_and_left_as_it_is() {
    let (files, mut opened, all) = running();
    let before: Vec<_> = files.paths().iter().map(|path| (path.clone(), files.contents(path))).collect();
    let (found, records) = look(&files, dir());
    assert_eq!((records, found.records, found.unreadable.len()), (all, 60, 0));
    assert_eq!((found.kept(), found.next(), found.torn_tail_bytes), (Some(Position(0)), Position(60), 0));
    let after: Vec<_> = files.paths().iter().map(|path| (path.clone(), files.contents(path))).collect();
    assert!(before == after, "nothing changed");
    put(&mut opened, 1, b"it goes on");
}

#[test]
fn a_copy_of_the_bytes_that_count_is_the_same_journal() {
    let (files, opened, all) = running();
    for released in [0, 30] {
        opened.journal.release(Position(released)).unwrap();
        let (found, _) = look(&files, dir());
        let copy = SimFiles::new();
        for segment in &found.segments {
            let mut contents = files.contents(&segment.path).unwrap();
            contents.truncate(segment.bytes as usize);
            copy.set_contents(&segment.path, contents);
        }
        let again = start(&copy);
        assert_eq!((again.recovery.damaged.len(), again.recovery.torn_tail_bytes), (0, 0));
        assert_eq!(again.recovery.kept, found.kept().unwrap());
        let read: Records = read_all(&again.journal).into_iter().map(|r| (r.first.0, r.bytes)).collect();
        assert_eq!(read, all.range(found.kept().unwrap().0..).map(|(at, b)| (*at, b.clone())).collect());
    }
}

#[test]
fn it_finds_what_opening_finds_for_every_flipped_byte() {
    let (files, opened, _) = running();
    for closed in [false, true] {
        let files = files.copy();
        if closed {
            start(&files).committer.finish().unwrap();
        }
        let files = files.copy();
        for path in segment_paths(&files) {
            for at in 0..files.contents(&path).unwrap().len() {
                let files = files.copy();
                files.flip(&path, at, 1 << (at % 8));
                let what = format!("byte {at} of {}", path.display());
                let (found, records) = look(&files, dir());
                let opened = start(&files);
                let ranges: Vec<_> = found.unreadable.iter().map(|lost| lost.range.clone()).collect();
                let expected: Vec<_> = opened.recovery.damaged.iter().map(|d| d.range.clone()).collect();
                assert_eq!(ranges, expected, "{what}");
                assert_eq!(found.torn_tail_bytes, opened.recovery.torn_tail_bytes, "{what}");
                assert_eq!(found.next(), opened.recovery.next, "{what}");
                assert!(found.unreadable.iter().all(|lost| lost.file == path), "{what}");
                for record in read_all(&opened.journal) {
                    assert_eq!(records.get(&record.first.0), Some(&record.bytes), "{what}");
                }
            }
        }
    }
    drop(opened);
}

#[test]
fn a_missing_segment_is_named_and_no_folder_is_an_empty_journal() {
    let (files, _opened, _) = running();
    let missing = segment_paths(&files)[1].clone();
    let (before, _) = look(&files, dir());
    files.remove(&missing).unwrap();
    let (found, _) = look(&files, dir());
    let lost = &before.segments[1];
    assert_eq!(found.unreadable.len(), 1);
    assert_eq!(found.unreadable[0].range, lost.first..lost.end);
    assert_eq!(look(&ReadOnlyFiles::new(), Path::new("/nowhere/at all")).0, Inspection::default());
}

#[test]
fn beside_a_writer_that_rotates_and_releases_nothing_is_damaged_and_nothing_synced_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { segment_bytes: 64 << 10, max_bytes: 8 << 20, free_floor_bytes: 0, ..tiny() };
    let Opened { journal, mut committer, .. } = open(StdFiles::new(), folder.path(), config).unwrap();
    let (stop, released) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 0;
            while !stop.load(Ordering::SeqCst) {
                // Frames that take more than one read and more than one page.
                for _ in 0..1 + next % 7 {
                    drop(journal.append(1, &bytes(next, 1 + (next as usize * 977) % 9_000)).unwrap());
                    next += 1;
                }
                committer.commit_once().unwrap();
                if next % 64 < 4 {
                    released.store(next.saturating_sub(100), Ordering::SeqCst);
                    journal.release(Position(next.saturating_sub(100))).unwrap();
                }
            }
        });
        let _stop = Stop(&stop);
        while journal.synced() < Position(2_000) {
            let synced = journal.synced();
            let (found, records) = look(&ReadOnlyFiles::new(), folder.path());
            assert_eq!(found.unreadable, []);
            assert!(found.next() >= synced, "{} of {synced}", found.next());
            let gone = released.load(Ordering::SeqCst).max(found.kept().map_or(0, |kept| kept.0));
            assert!((gone..synced.0).all(|position| records.contains_key(&position)));
            for (position, payload) in &records {
                assert_eq!(*payload, bytes(*position, payload.len()));
            }
        }
    });
}

/// Ends the writer, also when an assertion fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
