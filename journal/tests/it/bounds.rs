//! Rotation, release, and the three bounds: bytes, free space, pending.

use pantau_journal::sim::SimFiles;
use pantau_journal::{AppendError, Config, FullReason, OpenError, Position, open, shortage};

use crate::{bytes, dir, put, read_all, segment_paths, start, tiny};

fn fill(opened: &mut pantau_journal::Opened<SimFiles>) -> u64 {
    let mut taken = 0;
    loop {
        match opened.journal.append(1, &bytes(taken, 500)) {
            Ok(ticket) => {
                opened.committer.commit_once().unwrap();
                ticket.wait().unwrap();
                taken += 1;
            }
            Err(error) => {
                assert_eq!(error, AppendError::Full);
                return taken;
            }
        }
    }
}

#[test]
fn tiny_segments_rotate_and_give_back_what_they_did_not_use() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let all: Vec<_> = (0..60).map(|i| put(&mut opened, 1, &bytes(i, 700))).collect();
    assert_eq!(read_all(&opened.journal), all);
    let segments = opened.journal.segments();
    assert!(segments.len() > 10);
    assert!(segments.iter().rev().skip(1).all(|s| s.sealed_ms.is_some()));
    assert!(segments.windows(2).all(|w| w[0].end == w[1].first));
    for (info, path) in segments.iter().zip(segment_paths(&files)).rev().skip(1) {
        assert_eq!(files.contents(&path).unwrap().len() as u64, info.bytes);
    }
}

#[test]
fn the_byte_bound_holds_to_the_last_file_and_release_makes_room() {
    let files = SimFiles::new();
    let config = Config { max_bytes: 10 * 4096, ..tiny() };
    let mut opened = open(files.clone(), dir(), config.clone()).unwrap();
    let taken = fill(&mut opened);
    let on_disk = || files.paths().iter().map(|p| files.contents(p).unwrap().len() as u64).sum::<u64>();
    assert!(on_disk() <= config.max_bytes, "{}", on_disk());
    assert_eq!(opened.journal.stats().bytes, on_disk());
    assert!(taken >= 8 * 7, "{taken}");
    assert_eq!(opened.journal.stats().full, Some(FullReason::MaxBytes));
    assert_eq!(opened.journal.stats().full_count, 1);
    let kept = opened.journal.release(Position(taken / 2)).unwrap().kept;
    assert!(kept > Position(0) && kept <= Position(taken / 2));
    opened.committer.commit_once().unwrap();
    assert!(fill(&mut opened) > 0);
    assert!(on_disk() <= config.max_bytes);
}

#[test]
fn a_disk_without_room_says_how_much_is_missing() {
    let mib = 1 << 20;
    let config = Config { segment_bytes: mib, max_bytes: 100 * mib, free_floor_bytes: 3 * mib, ..tiny() };
    let files = SimFiles::new();
    files.set_capacity(5 * mib - 1);
    let lacking = shortage(&files, dir(), &config).unwrap();
    assert_eq!(
        lacking.to_string(),
        "4 MiB are free and 5 MiB needed, of which 3 MiB stay free: 1 MiB are missing"
    );
    // It is so: such a journal takes nothing at all, and with that much more it does.
    let mut opened = open(files.clone(), dir(), config.clone()).unwrap();
    assert_eq!(fill(&mut opened), 0);
    let lacking = opened.journal.shortage().unwrap();
    assert_eq!((lacking.free, lacking.needed), (4 * mib - 1, 4 * mib));
    assert_eq!(shortage(&files, dir(), &config).unwrap().free, 5 * mib - 1, "its own files are room");
    files.set_capacity(5 * mib);
    assert_eq!((shortage(&files, dir(), &config), opened.journal.shortage()), (None, None));
    opened.committer.commit_once().unwrap();
    assert!(fill(&mut opened) > 0);
    assert!(opened.journal.shortage().is_some());
}

#[test]
fn the_reserve_is_there_when_everything_else_is_full() {
    let files = SimFiles::new();
    let mut opened = open(files.clone(), dir(), Config { max_bytes: 6 * 4096, ..tiny() }).unwrap();
    let taken = fill(&mut opened);
    files.set_capacity(0);
    let mut reserved = 0;
    while let Ok(ticket) = opened.journal.append_reserved(1, &bytes(reserved, 500), 0) {
        opened.committer.commit_once().unwrap();
        ticket.wait().unwrap();
        reserved += 1;
        // What the reserve has left is not for everyone.
        assert_eq!(opened.journal.append(1, b"x").unwrap_err(), AppendError::Full);
    }
    assert!(reserved >= 6, "{reserved}");
    assert_eq!(read_all(&opened.journal).len() as u64, taken + reserved);
    files.set_capacity(u64::MAX);
    opened.journal.release(Position(taken)).unwrap();
    opened.committer.commit_once().unwrap();
    assert!(opened.journal.append(1, b"x").is_ok());
}

#[test]
fn the_reserve_is_still_one_after_a_restart_and_some_of_it_can_be_left_to_others() {
    let files = SimFiles::new();
    let config = Config { max_bytes: 6 * 4096, ..tiny() };
    let mut opened = open(files.clone(), dir(), config.clone()).unwrap();
    fill(&mut opened);
    let mut put = |leave: u64| {
        let ticket = opened.journal.append_reserved(0, &[7; 500], leave)?;
        opened.committer.commit_once().unwrap();
        let last = opened.journal.segments().last().unwrap().sequence;
        assert_eq!(ticket.segment, last);
        Ok::<_, AppendError>(ticket)
    };
    assert_eq!((0..9).map_while(|_| put(2_000).ok()).count(), 3);
    assert!(put(1_000).is_ok());
    opened.committer.finish().unwrap();
    let mut opened = open(files.clone(), dir(), config).unwrap();
    assert_eq!(opened.journal.append(1, b"x").unwrap_err(), AppendError::Full);
    drop(opened.journal.append_reserved(0, b"x", 0).unwrap());
    opened.committer.commit_once().unwrap();
    let segments = opened.journal.segments();
    let (last, before) = (&segments[segments.len() - 1], &segments[segments.len() - 2]);
    assert_eq!(opened.journal.release_before(before.sequence).unwrap().segments, segments.len() as u64 - 2);
    assert_eq!(opened.journal.release_before(u64::MAX).unwrap().segments, 1);
    assert_eq!(opened.journal.segments(), std::slice::from_ref(last));
    opened.committer.commit_once().unwrap();
    assert!(opened.journal.append(1, b"x").is_ok());
}

#[test]
fn the_free_space_floor_is_kept_and_noticed_when_it_lifts() {
    let files = SimFiles::new();
    files.set_capacity(40 * 4096);
    let mut opened = open(files.clone(), dir(), Config { free_floor_bytes: 20 * 4096, ..tiny() }).unwrap();
    fill(&mut opened);
    let stats = opened.journal.stats();
    assert_eq!(stats.full, Some(FullReason::FreeSpace));
    assert!(stats.free_bytes.unwrap() >= 20 * 4096);
    files.set_capacity(60 * 4096);
    // Nobody tells the journal: the refused append makes the committer look.
    assert_eq!(opened.journal.append(1, &[0; 3000]).unwrap_err(), AppendError::Full);
    opened.committer.commit_once().unwrap();
    assert!(fill(&mut opened) > 0);
}

#[test]
fn a_full_disk_starts_reads_and_says_full() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let all: Vec<_> = (0..20).map(|i| put(&mut opened, 1, &bytes(i, 700))).collect();
    drop(opened);
    let files = files.kill();
    files.set_capacity(0);
    let mut opened = start(&files);
    assert_eq!(read_all(&opened.journal), all);
    assert_eq!(opened.journal.append(1, b"x").unwrap_err(), AppendError::Full);
    assert_eq!(opened.journal.append_reserved(1, b"x", 0).unwrap_err(), AppendError::Full);
    files.set_capacity(u64::MAX);
    opened.committer.commit_once().unwrap();
    put(&mut opened, 1, b"x");
}

#[test]
fn what_is_pending_is_bounded() {
    let files = SimFiles::new();
    let mut opened = open(files, dir(), Config { pending_bytes: 1000, ..tiny() }).unwrap();
    // One record may be larger than the bound, or nothing could ever pass.
    drop(opened.journal.append(1, &[1; 2000]).unwrap());
    assert_eq!(opened.journal.append(1, &[1; 10]).unwrap_err(), AppendError::Full);
    assert_eq!(opened.journal.stats().full, Some(FullReason::Pending));
    opened.committer.commit_once().unwrap();
    assert!(opened.journal.append(1, &[1; 10]).is_ok());
}

#[test]
fn a_record_of_the_largest_size_fits_and_a_larger_one_never_does() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let largest = tiny().largest_record();
    put(&mut opened, 1, b"before");
    let record = put(&mut opened, 1, &bytes(1, largest));
    assert_eq!(opened.journal.append(1, &vec![0; largest + 1]).unwrap_err(), AppendError::TooLarge);
    put(&mut opened, 1, b"after");
    assert_eq!(read_all(&opened.journal)[1], record);
    drop(opened);
    assert_eq!(read_all(&start(&files.kill()).journal).len(), 3);
}

#[test]
fn release_never_takes_the_active_segment_and_positions_go_on_after_it() {
    let files = SimFiles::new();
    let mut opened = start(&files);
    let last = (0..40).map(|i| put(&mut opened, 2, &bytes(i, 700))).last().unwrap();
    let released = opened.journal.release(Position(u64::MAX)).unwrap();
    assert_eq!(opened.journal.segments().len(), 1);
    assert_eq!(released.kept, opened.journal.segments()[0].first);
    drop(opened);
    let opened = start(&files.kill());
    assert_eq!(opened.recovery.next, last.end());
    assert_eq!(opened.recovery.kept, released.kept);
}

#[test]
fn killed_again_and_again_it_does_not_grow() {
    let mut files = SimFiles::new();
    let mut all = Vec::new();
    for i in 0..100 {
        let mut opened = start(&files);
        all.push(put(&mut opened, 1, &bytes(i, 60)));
        drop(opened);
        files = files.kill();
    }
    let opened = start(&files);
    assert_eq!(read_all(&opened.journal), all);
    assert!(opened.journal.stats().bytes < 100 * 400 + 8 * 4096, "{:?}", opened.journal.stats());
}

#[test]
fn a_senseless_configuration_is_named() {
    for (config, field) in [
        (Config { segment_bytes: 1000, ..tiny() }, "segment_bytes"),
        (Config { max_bytes: 4096, ..tiny() }, "max_bytes"),
        (Config { pending_bytes: 0, ..tiny() }, "pending_bytes and commit_bytes"),
    ] {
        match open(SimFiles::new(), dir(), config) {
            Err(OpenError::Config { field: named, .. }) => assert_eq!(named, field),
            _ => panic!("{field} was taken"),
        }
    }
}

#[test]
fn a_folder_in_use_is_refused() {
    let files = SimFiles::new();
    let opened = start(&files);
    assert!(matches!(open(files.clone(), dir(), tiny()), Err(OpenError::Locked { .. })));
    drop(opened.committer);
    assert!(open(files, dir(), tiny()).is_ok());
}
