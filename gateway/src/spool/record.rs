//! What the spool writes: one protobuf message a journal record (`pantau.spool.v1`, tags below).
//!
//! ```text
//! readings   names ("series\n" each), units (empty or "unit\n" each), time_deltas, values, flags (empty or one each)
//! refused    payloads that could not be read; `offset` is their place among the record's positions
//! sessions   source + ids/hashes (QoS 1), held (QoS 2); session: started, resumed, ended, released
//! uplink     acked ranges, a new epoch, losses
//! boots      boot_time of what came before the clock was trusted, the boot_offset that makes times of it; went_back
//! shed       how many messages at QoS 0 were given up
//! snapshot   everything that must outlive the segments before it
//! ```
//! Readings take the record's positions in order, skipping the offsets of `refused`. A record of shed messages takes
//! one position and holds nothing else; any other without readings and refused payloads takes none. Tags are never
//! used again; unknown ones are skipped.

use pantau_proto::v1::{Loss, Range};

use super::stamps::ARRIVAL;

/// One record.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Record {
    #[prost(string, tag = "1")]
    pub(crate) names: String,
    #[prost(string, tag = "2")]
    pub(crate) units: String,
    /// Milliseconds; the difference to the reading before, the first one's to 0.
    #[prost(sint64, repeated, tag = "3")]
    pub(crate) time_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "4")]
    pub(crate) values: Vec<f64>,
    #[prost(uint32, repeated, tag = "5")]
    pub(crate) flags: Vec<u32>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) refused: Vec<RefusedPayload>,
    /// When it came in, ms since the epoch.
    #[prost(sint64, tag = "7")]
    pub(crate) arrival: i64,
    /// The highest arrival stamp that was given in this record, or 0.
    #[prost(sint64, tag = "8")]
    pub(crate) highest_stamp: i64,
    /// The client; only where refused payloads, ids or held ids need it.
    #[prost(string, tag = "9")]
    pub(crate) source: String,
    /// Packet ids of QoS 1 deliveries, in order.
    #[prost(uint32, repeated, tag = "10")]
    pub(crate) ids: Vec<u32>,
    /// One an id: the delivery's hash.
    #[prost(fixed64, repeated, tag = "11")]
    pub(crate) hashes: Vec<u64>,
    /// Packet ids of QoS 2 deliveries.
    #[prost(uint32, repeated, tag = "12")]
    pub(crate) held: Vec<u32>,
    #[prost(message, optional, tag = "13")]
    pub(crate) session: Option<SessionChange>,
    #[prost(message, optional, tag = "14")]
    pub(crate) acked: Option<Acked>,
    /// A new epoch begins: what is acked is settled, the rest goes on under it.
    #[prost(fixed64, optional, tag = "15")]
    pub(crate) epoch: Option<u64>,
    #[prost(message, repeated, tag = "16")]
    pub(crate) losses: Vec<Loss>,
    #[prost(message, optional, tag = "17")]
    pub(crate) snapshot: Option<Snapshot>,
    #[prost(message, optional, tag = "18")]
    pub(crate) shed: Option<Shed>,
    /// The clock was not trusted when it came in: readings with an arrival stamp have milliseconds since the boot as
    /// their time, and so is `highest_stamp`. `arrival` is what the wall clock said.
    #[prost(message, optional, tag = "19")]
    pub(crate) boot_time: Option<BootTime>,
    /// What makes times of them.
    #[prost(message, optional, tag = "20")]
    pub(crate) boot_offset: Option<BootOffset>,
    /// The wall clock went back by more than stamps can wait for, to this time: stamps begin anew there.
    #[prost(sint64, optional, tag = "21")]
    pub(crate) went_back: Option<i64>,
}

/// When something came in, by a clock that no one sets.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct BootTime {
    /// Which run of the machine.
    #[prost(fixed64, tag = "1")]
    pub(crate) boot: u64,
    /// Milliseconds.
    #[prost(sint64, tag = "2")]
    pub(crate) since_boot: i64,
}

/// The wall clock at the beginning of a boot, as far as it is known. Never changed.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct BootOffset {
    #[prost(fixed64, tag = "1")]
    pub(crate) boot: u64,
    /// Milliseconds since the epoch.
    #[prost(sint64, tag = "2")]
    pub(crate) offset: i64,
    /// By a clock that was never trusted.
    #[prost(bool, tag = "3")]
    pub(crate) uncertain: bool,
    /// One after the last position that needs it; only in snapshots.
    #[prost(uint64, tag = "4")]
    pub(crate) end: u64,
}

/// The boot without an offset, in a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Undecided {
    #[prost(fixed64, tag = "1")]
    pub(crate) boot: u64,
    /// When its first record came in, milliseconds since the boot.
    #[prost(sint64, tag = "2")]
    pub(crate) since: i64,
    /// Its highest stamp, milliseconds since the boot.
    #[prost(sint64, tag = "3")]
    pub(crate) highest: i64,
    /// By the wall clock when its last record came in, milliseconds since the epoch.
    #[prost(sint64, tag = "4")]
    pub(crate) offset: i64,
}

/// A payload that could not be read.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct RefusedPayload {
    #[prost(uint32, tag = "1")]
    pub(crate) offset: u32,
    #[prost(string, tag = "2")]
    pub(crate) topic: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) payload: Vec<u8>,
    #[prost(enumeration = "pantau_proto::v1::Reason", tag = "4")]
    pub(crate) reason: i32,
    #[prost(string, tag = "5")]
    pub(crate) detail: String,
}

/// Messages at QoS 0 that were given up because the spool was full.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Shed {
    #[prost(uint64, tag = "1")]
    pub(crate) messages: u64,
    /// When the first of their connections ended, ms since the epoch.
    #[prost(sint64, tag = "2")]
    pub(crate) first_time: i64,
    /// When the last one did.
    #[prost(sint64, tag = "3")]
    pub(crate) last_time: i64,
}

/// What happened to a persistent session.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct SessionChange {
    #[prost(string, tag = "1")]
    pub(crate) client: String,
    #[prost(oneof = "Change", tags = "2, 3, 4, 5")]
    pub(crate) change: Option<Change>,
}

/// The kinds of [`SessionChange`].
#[derive(Clone, Copy, PartialEq, Eq, prost::Oneof)]
pub(crate) enum Change {
    /// With this expiry, seconds.
    #[prost(uint32, tag = "2")]
    Started(u32),
    /// With this expiry, seconds.
    #[prost(uint32, tag = "3")]
    Resumed(u32),
    #[prost(bool, tag = "4")]
    Ended(bool),
    /// This packet id.
    #[prost(uint32, tag = "5")]
    Released(u32),
}

/// Positions that ingest has.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Acked {
    #[prost(message, repeated, tag = "1")]
    pub(crate) ranges: Vec<Range>,
    /// These are all there are; else they are added.
    #[prost(bool, tag = "2")]
    pub(crate) replace: bool,
}

/// The state that the records before it gave (tags 1 and 2 were used once).
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Snapshot {
    #[prost(fixed64, tag = "3")]
    pub(crate) epoch: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) acked: Vec<Range>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) settled: Vec<Range>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) losses: Vec<Loss>,
    #[prost(sint64, tag = "7")]
    pub(crate) stamp_floor: i64,
    #[prost(message, repeated, tag = "8")]
    pub(crate) sessions: Vec<SavedSession>,
    #[prost(sint64, tag = "9")]
    pub(crate) latest_arrival: i64,
    #[prost(message, repeated, tag = "10")]
    pub(crate) boot_offsets: Vec<BootOffset>,
    #[prost(message, optional, tag = "11")]
    pub(crate) undecided: Option<Undecided>,
    #[prost(message, repeated, tag = "12")]
    pub(crate) held: Vec<Range>,
    /// Stamps up to here may be those of other readings, before the clock went back.
    #[prost(sint64, tag = "13")]
    pub(crate) behind: i64,
}

/// A persistent session in a snapshot.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct SavedSession {
    #[prost(string, tag = "1")]
    pub(crate) client: String,
    #[prost(uint32, tag = "2")]
    pub(crate) expiry_s: u32,
    #[prost(uint32, repeated, tag = "3")]
    pub(crate) ids: Vec<u32>,
    #[prost(fixed64, repeated, tag = "4")]
    pub(crate) hashes: Vec<u64>,
    #[prost(uint32, repeated, tag = "5")]
    pub(crate) held: Vec<u32>,
    /// When its last delivery came in, ms since the epoch.
    #[prost(sint64, tag = "6")]
    pub(crate) heard: i64,
    /// One an id: how many milliseconds before `heard` it came in.
    #[prost(uint32, repeated, tag = "7")]
    pub(crate) ages: Vec<u32>,
}

impl Record {
    /// How many positions it takes.
    pub(crate) fn positions(&self) -> u32 {
        if self.shed.is_some() {
            return 1;
        }
        u32::try_from(self.values.len() + self.refused.len()).unwrap_or(u32::MAX)
    }

    /// The positions, beginning at `first`, whose time is that of their arrival: readings with such a stamp, and
    /// refused payloads.
    pub(crate) fn untimed(&self, first: u64) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        let (mut reading, mut refused) = (0, 0);
        for place in 0..self.positions() {
            let is_refused = self.refused.get(refused).is_some_and(|payload| payload.offset <= place)
                || reading >= self.values.len();
            let untimed = if is_refused {
                refused += 1;
                true
            } else {
                reading += 1;
                self.flags.get(reading - 1).is_some_and(|flags| flags & ARRIVAL != 0)
            };
            let at = first + u64::from(place);
            match ranges.last_mut() {
                Some(last) if untimed && last.1 == at => last.1 = at + 1,
                _ if untimed => ranges.push((at, at + 1)),
                _ => {}
            }
        }
        ranges
    }
}
