//! Spools of former versions can be read.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use pantau_journal::StdFiles;
use pantau_proto::Flags;

use super::*;

/// Written by the version before boots and their offsets: two untimed readings of 2026-11-25T01:12:40Z, two with a time,
/// and a payload that could not be read; one client has a persistent session. Its last zeros are cut off.
const EXAMPLE_1: &[u8] = include_bytes!("example_1.journal");

#[test]
fn a_spool_from_before_boots_were_told_apart_is_read_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("000000000001-d4d05e9b.journal");
    std::fs::write(&file, EXAMPLE_1).unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_len(1 << 20).unwrap();
    let bounds = Bounds { segment_bytes: 1 << 20, max_bytes: 8 << 20, ..bounds() };
    let opened = open(StdFiles::new(), folder.path(), bounds, 1, Arc::new(Counters::default())).unwrap();
    assert_eq!(opened.spool.epoch(), Epoch(0xe6bd_b212_d089_115f));
    assert_eq!((opened.sessions.len(), opened.sessions[0].client.as_str()), (1, "probe"));
    assert!(opened.spool.held().is_empty());
    let mut reader = opened.spool.journal().reader(Position(0));
    let mut found = Vec::new();
    while let Some(raw) = reader.next().unwrap() {
        let record = Record::decode(raw.bytes.as_slice()).unwrap();
        let mut cursor = Cursor::new(raw.first.0, record).resolved(|boot| opened.spool.boot_offset(boot));
        let arrival = cursor.arrival();
        while let Some(item) = cursor.next() {
            found.push(match item {
                Item::Reading(name, _, reading) if reading.flags == Flags::ARRIVAL_TIME => {
                    assert_eq!(reading.time.0, arrival);
                    assert_eq!(arrival / 10_000, 179_556_916);
                    format!("{name} {}", reading.value)
                }
                Item::Reading(name, _, reading) => format!("{name} {} at {}", reading.value, reading.time.0),
                Item::Refused(refused) => String::from_utf8(refused.payload.clone()).unwrap(),
            });
        }
    }
    assert_eq!(
        found,
        [
            "dev/pm10 12.5",
            "dev/pm10 13.5 at 1795158000000",
            "dev/air_temperature 27.25 at 1795158000000",
            "nonsense",
            "dev/pm10 14.5",
        ]
    );
}
