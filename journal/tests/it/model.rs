//! Any sequence of operations and failures against a small model of what must survive.

use std::collections::VecDeque;

use pantau_journal::sim::{PowerCut, SimFiles};
use pantau_journal::{AppendError, Opened, Position, Record, Ticket};
use proptest::prelude::*;

use crate::{bytes, dir, read_all, start, tiny};

#[derive(Clone, Debug)]
enum Op {
    Append { count: u32, len: usize, reserved: bool },
    Commit,
    Close,
    Kill,
    Crash(PowerCut),
    Release(u8),
    FailWrite(u8),
    FailSync(u8),
    Capacity(u32),
    CapacityBack,
    ReadOn(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (0u32..4, 0usize..1500, prop::bool::weighted(0.1))
            .prop_map(|(count, len, reserved)| Op::Append { count, len, reserved }),
        8 => Just(Op::Commit),
        1 => Just(Op::Close),
        1 => Just(Op::Kill),
        1 => prop_oneof![
            Just(PowerCut::LoseAll),
            Just(PowerCut::KeepAll),
            any::<u64>().prop_map(PowerCut::Tear)
        ].prop_map(Op::Crash),
        1 => any::<u8>().prop_map(Op::Release),
        1 => (0u8..6).prop_map(Op::FailWrite),
        1 => (0u8..6).prop_map(Op::FailSync),
        1 => (0u32..40_000).prop_map(Op::Capacity),
        1 => Just(Op::CapacityBack),
        2 => any::<u8>().prop_map(Op::ReadOn),
    ]
}

/// What the journal owes.
struct Model {
    files: SimFiles,
    opened: Option<Opened<SimFiles>>,
    /// Appended since the start, with tickets that are not known to be Ok.
    open: VecDeque<(Record, Ticket)>,
    /// Acknowledged, in order.
    acked: Vec<Record>,
    /// Everything that was ever appended, by content.
    number: u64,
    /// Nothing that ends before or at it is owed.
    released: Option<u64>,
}

impl Model {
    fn new() -> Self {
        let files = SimFiles::new();
        let opened = Some(start(&files));
        Self { files, opened, open: VecDeque::new(), acked: Vec::new(), number: 0, released: None }
    }

    fn opened(&mut self) -> &mut Opened<SimFiles> {
        self.opened.as_mut().unwrap()
    }

    /// Moves what has resolved Ok to what is owed.
    fn collect(&mut self) {
        while let Some((_, ticket)) = self.open.front() {
            match ticket.peek() {
                Some(Ok(())) => {
                    let (record, _) = self.open.pop_front().unwrap();
                    self.acked.push(record);
                }
                Some(Err(_)) | None => break,
            }
        }
    }

    fn append(&mut self, count: u32, len: usize, reserved: bool) {
        self.number += 1;
        let payload = bytes(self.number, len.max(9));
        let payload = [&self.number.to_le_bytes()[..], &payload].concat();
        let journal = &self.opened().journal;
        let done = if reserved {
            journal.append_reserved(count, &payload, 0)
        } else {
            journal.append(count, &payload)
        };
        match done {
            Ok(ticket) => {
                let first = ticket.first;
                self.open.push_back((Record { first, count, bytes: payload }, ticket));
            }
            Err(AppendError::Full | AppendError::Poisoned) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// The process ends in some way and comes again on the same disk.
    fn reopen(&mut self, end: Option<PowerCut>) {
        self.collect();
        let appended: Vec<Record> = self.open.drain(..).map(|(record, _)| record).collect();
        drop(self.opened.take());
        self.files = match end {
            Some(cut) => self.files.crash(cut),
            None => self.files.kill(),
        };
        let opened = start(&self.files);
        let found = read_all(&opened.journal);
        self.check(&found, &appended, &opened);
        // What came through unacknowledged is as good as acknowledged now.
        self.acked = found;
        self.opened = Some(opened);
    }

    fn check(&self, found: &[Record], appended: &[Record], opened: &Opened<SimFiles>) {
        assert!(opened.recovery.damaged.is_empty(), "{:?}", opened.recovery);
        // In order and without a gap: what is owed, then some of what was appended behind it.
        let released = self.released;
        let owed_end = self.acked.len();
        let all: Vec<&Record> = self.acked.iter().chain(appended).collect();
        let begin = found.first().map_or(owed_end, |first| {
            all.iter().position(|r| *r == first).expect("something that was never appended")
        });
        let end = begin + found.len();
        assert!(end >= owed_end && end <= all.len(), "owed {owed_end}, found {begin}..{end}");
        assert!(found.iter().zip(&all[begin..end]).all(|(have, want)| have == *want));
        let gone = &self.acked[..begin.min(owed_end)];
        assert!(gone.iter().all(|r| released.is_some_and(|at| r.end().0 <= at)), "{gone:?}");
        let next = self.acked.last().map_or(0, |r| r.end().0);
        assert!(opened.recovery.next.0 >= next.max(released.unwrap_or(0)), "a position is used again");
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Append { count, len, reserved } => self.append(*count, *len, *reserved),
            Op::Commit => {
                let _ = self.opened().committer.commit_once();
                self.collect();
            }
            Op::Close => {
                let opened = self.opened.take().unwrap();
                let _ = opened.committer.finish();
                self.opened = None;
                self.reopen(None);
            }
            Op::Kill => self.reopen(None),
            Op::Crash(cut) => self.reopen(Some(*cut)),
            Op::Release(part) => {
                let next = self.opened().journal.synced().0;
                let below = next * u64::from(*part) / 255;
                if let Ok(released) = self.opened().journal.release(Position(below)) {
                    assert!(released.kept.0 <= below.max(released.kept.0));
                    if released.segments > 0 {
                        self.released = self.released.max(Some(released.kept.0));
                        assert!(released.kept.0 <= below);
                    }
                } else {
                    // Some may be gone: the journal says from where on it keeps.
                    self.released = self.released.max(Some(below));
                }
                self.collect();
            }
            Op::FailWrite(after) => self.files.fail_write(u64::from(*after)),
            Op::FailSync(after) => self.files.fail_sync(u64::from(*after)),
            Op::Capacity(bytes) => self.files.set_capacity(u64::from(*bytes)),
            Op::CapacityBack => self.files.set_capacity(u64::MAX),
            Op::ReadOn(part) => {
                self.collect();
                let from = self.opened().journal.synced().0 * u64::from(*part) / 255;
                // Right at the release point records without positions may be there or not.
                let from = self.released.map_or(from, |at| from.max(at + 1));
                let found = crate::read_from(&self.opened().journal, from);
                let owed = self.acked.iter().filter(|r| r.end().0 > from || r.first.0 >= from);
                let owed: Vec<_> = owed.cloned().collect();
                assert_eq!(found, owed);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_acknowledged_record_survives_whatever_happens(ops in prop::collection::vec(op(), 1..120)) {
        let mut model = Model::new();
        for op in &ops {
            model.step(op);
        }
        model.files.set_capacity(u64::MAX);
        model.reopen(Some(PowerCut::LoseAll));
    }
}

/// Runs random work with syncs that lie and a power cut; true when something acknowledged is gone unnoticed or not.
fn loses_with_lying_syncs(seed: u64) -> bool {
    let files = SimFiles::new();
    let mut opened = start(&files);
    files.drop_syncs(true);
    let mut acked = 0;
    for i in 0..(20 + seed % 40) {
        let ticket = opened.journal.append(1, &bytes(i, 200)).unwrap();
        opened.committer.commit_once().unwrap();
        acked += u64::from(ticket.wait().is_ok());
    }
    drop(opened);
    let files = files.crash(PowerCut::Tear(seed));
    let opened = pantau_journal::open(files, dir(), tiny()).unwrap();
    (read_all(&opened.journal).len() as u64) < acked
}

#[test]
fn the_oracle_notices_a_disk_whose_syncs_lie() {
    let noticed = (0..20).filter(|seed| loses_with_lying_syncs(*seed)).count();
    assert!(noticed >= 19, "only {noticed} of 20");
}
