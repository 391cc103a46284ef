//! One gateway's present stream as the committer sees it: its generation and what its dictionary means here.

use super::registry::Registry;
use crate::{store::NewSeries, validate::Entry};
use pantau_proto::{GatewayId, SeriesName};

/// What a dictionary entry has become. 16 bytes: there is one of every series that the gateway's last stream named.
#[derive(Debug)]
enum Slot {
    Unused(Box<SeriesName>),
    Id(u32),
    /// Of another gateway; the name is for the words in the quarantine.
    Foreign(Box<SeriesName>),
    Bad,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Stream {
    generation: u64,
    /// An append of it failed: whatever else of it is under way would be stored without its dictionary.
    given_up: bool,
    slots: Vec<Slot>,
}

impl Stream {
    pub(crate) fn new(generation: u64) -> Self {
        Self { generation, given_up: false, slots: Vec::new() }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// From now on nothing of this stream is taken.
    pub(crate) fn give_up(&mut self) {
        *self = Self { given_up: true, ..Self::new(self.generation) };
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Appends to the dictionary.
    pub(crate) fn extend(&mut self, entries: Vec<Entry>) {
        self.slots.extend(entries.into_iter().map(|entry| match entry {
            Entry::Good(facts) => Slot::Unused(Box::new(facts.name)),
            Entry::Bad { .. } => Slot::Bad,
        }));
    }

    /// Gives every series that is used an id. False when some of them belong to another gateway.
    pub(crate) fn resolve(
        &mut self,
        used: &[u32],
        registry: &mut Registry,
        gateway: &GatewayId,
        new_series: &mut Vec<NewSeries>,
    ) -> bool {
        let mut all_own = true;
        for index in used {
            match self.slots.get_mut(*index as usize) {
                Some(Slot::Id(_)) => {}
                Some(slot) => {
                    *slot = match std::mem::replace(slot, Slot::Bad) {
                        Slot::Unused(name) => match registry.resolve(&name, gateway, new_series) {
                            Ok(id) => Slot::Id(id.0),
                            Err(_) => Slot::Foreign(name),
                        },
                        other => other,
                    };
                    all_own &= matches!(slot, Slot::Id(_));
                }
                None => all_own = false,
            }
        }
        all_own
    }

    /// The id of a series that was resolved and is the gateway's own.
    pub(crate) fn id(&self, index: u32) -> Option<u32> {
        match self.slots.get(index as usize) {
            Some(Slot::Id(id)) => Some(*id),
            _ => None,
        }
    }

    /// The name of a series that belongs to another gateway.
    pub(crate) fn foreign(&self, index: u32) -> Option<&SeriesName> {
        match self.slots.get(index as usize) {
            Some(Slot::Foreign(name)) => Some(name),
            _ => None,
        }
    }
}
