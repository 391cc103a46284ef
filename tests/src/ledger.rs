//! What was sent, what was acked, and whether that is what was stored.
//!
//! Every reading of a run has a value that is unique in its series, so that a stored reading can be led
//! back to the one publish that it came from. What always holds for a run without findings:
//! - every acked reading is stored;
//! - nothing is stored that was not sent, and a timed reading has the time it was sent with;
//! - nothing is stored more often than the design names: once, and for an untimed reading whose device had
//!   to begin a new session, once more for each session it was sent in.

use std::collections::{BTreeMap, HashMap};

/// A reading that a device sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub series: String,
    /// Device time, milliseconds since the epoch; `None` leaves it to the gateway.
    pub time: Option<i64>,
    pub value: f64,
    pub acked: bool,
    /// How often it was published anew (redeliveries within a session do not count).
    pub publishes: u32,
}

/// A payload that cannot be read, which the city is to see in its quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garbage {
    pub topic: String,
    pub payload: String,
    pub acked: bool,
    pub publishes: u32,
}

/// The account of one or many devices.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub sent: Vec<Sent>,
    pub garbage: Vec<Garbage>,
    /// Breaches of the protocol that a device saw.
    pub breaches: Vec<String>,
    /// Connections that devices made.
    pub connections: u64,
    /// Publishes sent again with the DUP flag.
    pub redelivered: u64,
}

/// What the store holds: series → (time, value) in any order.
pub type Stored = BTreeMap<String, Vec<(i64, f64)>>;

/// A way in which the promise was broken.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Acked, and not stored.
    Lost(Sent),
    /// Stored, and never sent (or with another time).
    Foreign { series: String, time: i64, value: f64 },
    /// Stored more often than sent.
    Repeated { sent: Sent, stored: u32 },
    /// An acked payload that could not be read is not in the quarantine.
    GarbageLost(Garbage),
    /// It is there more often than it was sent.
    GarbageRepeated { garbage: Garbage, stored: u32 },
    /// A payload in the quarantine that nobody sent.
    GarbageForeign(String),
    /// The gateway broke the protocol.
    Breach(String),
}

impl Ledger {
    /// Takes another device's account in.
    pub fn merge(&mut self, other: Self) {
        self.sent.extend(other.sent);
        self.garbage.extend(other.garbage);
        self.breaches.extend(other.breaches);
        self.connections += other.connections;
        self.redelivered += other.redelivered;
    }

    /// Readings whose publish was acked.
    #[must_use]
    pub fn acked(&self) -> usize {
        self.sent.iter().filter(|sent| sent.acked).count()
    }

    /// Names of all series sent to, in order.
    #[must_use]
    pub fn series(&self) -> Vec<String> {
        let mut names: Vec<String> = self.sent.iter().map(|sent| sent.series.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Compares with what is stored and with the payloads in the quarantine.
    #[must_use]
    pub fn check(&self, stored: &Stored, quarantine: &[String]) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.breaches.iter().cloned().map(Finding::Breach).collect();
        let key = |series: &str, value: f64| (series.to_owned(), value.to_bits());
        let index: HashMap<_, _> =
            self.sent.iter().enumerate().map(|(at, sent)| (key(&sent.series, sent.value), at)).collect();
        assert_eq!(index.len(), self.sent.len(), "values are unique in their series");
        let mut counts = vec![0_u32; self.sent.len()];
        for (series, points) in stored {
            for &(time, value) in points {
                let at = index.get(&key(series, value)).copied();
                match at.filter(|&at| self.sent[at].time.is_none_or(|sent| sent == time)) {
                    Some(at) => counts[at] += 1,
                    None => findings.push(Finding::Foreign { series: series.clone(), time, value }),
                }
            }
        }
        for (sent, &count) in self.sent.iter().zip(&counts) {
            if sent.acked && count == 0 {
                findings.push(Finding::Lost(sent.clone()));
            }
            let most = if sent.time.is_some() { 1 } else { sent.publishes };
            if count > most {
                findings.push(Finding::Repeated { sent: sent.clone(), stored: count });
            }
        }
        self.check_garbage(quarantine, &mut findings);
        findings
    }

    fn check_garbage(&self, quarantine: &[String], findings: &mut Vec<Finding>) {
        let mut counts: HashMap<&str, u32> =
            self.garbage.iter().map(|garbage| (garbage.payload.as_str(), 0)).collect();
        for payload in quarantine {
            match counts.get_mut(payload.as_str()) {
                Some(count) => *count += 1,
                None => findings.push(Finding::GarbageForeign(payload.clone())),
            }
        }
        for garbage in &self.garbage {
            let stored = counts[garbage.payload.as_str()];
            if garbage.acked && stored == 0 {
                findings.push(Finding::GarbageLost(garbage.clone()));
            }
            if stored > garbage.publishes {
                findings.push(Finding::GarbageRepeated { garbage: garbage.clone(), stored });
            }
        }
    }

    /// Panics with a digest of the findings, if there are any.
    #[track_caller]
    pub fn assert_kept(&self, stored: &Stored, quarantine: &[String]) {
        let findings = self.check(stored, quarantine);
        assert!(findings.is_empty(), "{}", digest(&findings));
    }
}

/// How many findings of each kind, and the first few of them.
#[must_use]
pub fn digest(findings: &[Finding]) -> String {
    let kind = |finding: &Finding| match finding {
        Finding::Lost(_) => "acked but lost",
        Finding::Foreign { .. } => "stored but never sent",
        Finding::Repeated { .. } => "stored too often",
        Finding::GarbageLost(_) => "acked garbage not in the quarantine",
        Finding::GarbageRepeated { .. } => "garbage too often in the quarantine",
        Finding::GarbageForeign(_) => "in the quarantine but never sent",
        Finding::Breach(_) => "breach of the protocol",
    };
    let mut kinds: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        kinds.entry(kind(finding)).or_default().push(finding);
    }
    let line = |(kind, found): (&&str, &Vec<&Finding>)| {
        let first: Vec<String> = found.iter().take(5).map(|finding| format!("\n    {finding:?}")).collect();
        format!("{} {kind}:{}", found.len(), first.concat())
    };
    kinds.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
