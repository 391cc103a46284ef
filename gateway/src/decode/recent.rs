//! Uplinks that came lately, by the network's id of their frame and their device, so that one that comes twice is taken
//! once.
//!
//! Always: at most [`MAX`] ids, the oldest goes first. After a restart none is known: an uplink that then comes again
//! carries its network's time, by which the store knows it, so it is still stored once (and counted as a duplicate).

use std::collections::VecDeque;

use hashbrown::HashSet;

const MAX: usize = 4_096;

/// A frame's id and the device's EUI.
pub(super) type Uplink = (u128, u64);

#[derive(Debug, Default)]
pub(super) struct Recent {
    order: VecDeque<Uplink>,
    known: HashSet<Uplink>,
}

impl Recent {
    pub(super) fn contains(&self, id: Uplink) -> bool {
        self.known.contains(&id)
    }

    pub(super) fn add(&mut self, id: Uplink) {
        if !self.known.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_ids_are_kept_and_the_oldest_goes_first() {
        let mut recent = Recent::default();
        for id in 0..=MAX as u128 {
            recent.add((id, 7));
            recent.add((id, 7));
        }
        assert!(!recent.contains((0, 7)) && recent.contains((1, 7)) && recent.contains((MAX as u128, 7)));
        assert_eq!((recent.order.len(), recent.known.len()), (MAX, MAX));
    }
}
