//! What births said: aliases and datatypes of each edge node, its sequence and whether it lives.
//!
//! Always: at most [`MAX_EDGES`] nodes with [`MAX_NAMES`] names of metrics and devices together, the one that was silent longest goes first;
//! what was forgotten (also by a restart) is asked for again by a rebirth request, at most every [`PAUSE_MS`] a node.

use std::sync::Arc;

use hashbrown::HashMap;
use pantau_proto::TimeMs;

const MAX_EDGES: usize = 256;
/// About 200 bytes each.
const MAX_NAMES: usize = 50_000;
/// Longest name that is kept, in bytes: of a metric, a group, a node, a device.
pub(super) const MAX_NAME: usize = 256;
pub(super) const PAUSE_MS: i64 = 10_000;

/// What a birth said of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Born {
    pub(super) name: Box<str>,
    pub(super) datatype: Option<u8>,
    pub(super) device: Box<str>,
    pub(super) unit: Box<str>,
}

/// One edge node. Copies share what births said.
#[derive(Debug, Clone, Default)]
pub(in crate::decode) struct Edge {
    /// A birth has come, and no death since.
    pub(super) alive: bool,
    pub(super) bd_seq: Option<u64>,
    /// Of the last message.
    pub(super) seq: Option<u8>,
    pub(super) aliases: Arc<HashMap<u64, Born>>,
    /// Devices that were born.
    pub(super) devices: Arc<Vec<Box<str>>>,
    /// When a rebirth was asked for.
    pub(super) asked: Option<TimeMs>,
    /// A rebirth is wanted, and the last request was not long enough ago.
    pub(super) owed: bool,
}

impl Edge {
    /// Whether to ask for a rebirth now, as it is `wanted` or still owed.
    pub(super) fn ask(&mut self, wanted: bool, now: TimeMs) -> bool {
        let wanted = wanted || self.owed;
        let due = self.asked.is_none_or(|asked| (now.0 - asked.0).abs() >= PAUSE_MS);
        self.owed = wanted && !due;
        if wanted && due {
            self.asked = Some(now);
        }
        wanted && due
    }

    /// Names that are kept for it.
    fn names(&self) -> usize {
        self.aliases.len() + self.devices.len()
    }
}

/// All edge nodes, by `group/node`.
#[derive(Debug, Default)]
pub(in crate::decode) struct Edges {
    known: HashMap<Box<str>, (Edge, u64)>,
    /// Counts changes: the order of use.
    clock: u64,
    names: usize,
}

impl Edges {
    pub(in crate::decode) fn get(&self, node: &str) -> Option<Edge> {
        self.known.get(node).map(|(edge, _)| edge.clone())
    }

    pub(in crate::decode) fn put(&mut self, node: Box<str>, edge: Edge) {
        self.clock += 1;
        self.names += edge.names();
        if let Some((old, _)) = self.known.insert(node, (edge, self.clock)) {
            self.names -= old.names();
        }
        while self.known.len() > MAX_EDGES || self.names > MAX_NAMES && self.known.len() > 1 {
            let oldest = self.known.iter().min_by_key(|(_, (_, used))| *used).map(|(node, _)| node.clone());
            let Some((edge, _)) = oldest.and_then(|node| self.known.remove(&node)) else { break };
            self.names -= edge.names();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_their_names_are_bounded_and_the_most_silent_goes_first() {
        let mut edges = Edges::default();
        let born = Born { name: "a".into(), datatype: None, device: "".into(), unit: "".into() };
        let edge = Edge {
            aliases: Arc::new((0..4_000).map(|n| (n, born.clone())).collect()),
            devices: Arc::new(vec!["d".into(); 1_000]),
            ..Edge::default()
        };
        for n in 0..12 {
            edges.put(format!("g/{n}").into(), edge.clone());
        }
        assert_eq!((edges.known.len(), edges.names), (10, 50_000));
        assert!(edges.get("g/1").is_none() && edges.get("g/2").is_some());
        for n in 0..300 {
            edges.put(format!("h/{n}").into(), Edge::default());
        }
        assert_eq!((edges.known.len(), edges.names), (MAX_EDGES, 0));
    }
}
