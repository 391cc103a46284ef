//! Files of every released format stay readable. `format1/` was written by the first release and is
//! never written again; a new format gets a folder of its own.

use std::path::Path;

use pantau_journal::sim::SimFiles;
use pantau_journal::{FileLayer, OpenError, Record, open};

use crate::{bytes, dir, put, read_all, segment_paths, start, tiny};

fn example() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format1")
}

/// What `format1/` holds.
fn fill(files: &SimFiles) -> Vec<Record> {
    let mut opened = start(files);
    let mut all: Vec<_> =
        (0..14).map(|i| put(&mut opened, (i % 3) as u32, &bytes(i, 40 + 50 * i as usize))).collect();
    all.push(put(&mut opened, 0, b""));
    all
}

#[test]
fn format_1_is_readable() {
    let files = SimFiles::new();
    for entry in pantau_journal::StdFiles::new().list(&example()).unwrap() {
        files.set_contents(&dir().join(&entry.name), std::fs::read(example().join(&entry.name)).unwrap());
    }
    assert!(segment_paths(&files).len() >= 2);
    let opened = start(&files);
    assert_eq!(opened.recovery.damaged, []);
    assert_eq!(opened.recovery.torn_tail_bytes, 0);
    assert_eq!(read_all(&opened.journal), fill(&SimFiles::new()));
}

#[test]
fn a_newer_format_is_refused_by_name_and_not_touched() {
    let files = SimFiles::new();
    fill(&files);
    let path = segment_paths(&files)[0].clone();
    let mut contents = files.contents(&path).unwrap();
    contents[8] = 2;
    let salt = u32::from_le_bytes(contents[12..16].try_into().unwrap());
    let crc = crc32c::crc32c_append(salt, &contents[..60]);
    contents[60..64].copy_from_slice(&crc.to_le_bytes());
    let files = files.kill();
    files.set_contents(&path, contents.clone());
    match open(files.clone(), dir(), tiny()) {
        Err(OpenError::Newer { found: 2, known: 1, .. }) => {}
        other => panic!("{:?}", other.map(|o| o.recovery)),
    }
    assert_eq!(files.contents(&path), Some(contents));
}
