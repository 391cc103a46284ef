//! One gateway's present stream as the committer sees it: its generation and what its dictionary means here.

use super::registry::Registry;
use crate::{store::NewSeries, validate::Entry};
use pantau_proto::{GatewayId, SeriesName};

/// What a dictionary entry has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Unused,
    Id(u32),
    Foreign,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Stream {
    generation: u64,
    /// An append of it failed: whatever else of it is under way would be stored without its dictionary.
    given_up: bool,
    slots: Vec<Slot>,
    names: Vec<Option<SeriesName>>,
}

impl Stream {
    pub(crate) fn new(generation: u64) -> Self {
        Self { generation, given_up: false, slots: Vec::new(), names: Vec::new() }
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
        for entry in entries {
            self.slots.push(Slot::Unused);
            self.names.push(match entry {
                Entry::Good(facts) => Some(facts.name),
                Entry::Bad { .. } => None,
            });
        }
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
            let index = *index as usize;
            match self.slots.get(index) {
                Some(Slot::Id(_)) => {}
                Some(Slot::Unused) => {
                    let name = self.names.get_mut(index).and_then(Option::take);
                    let id = name.as_ref().and_then(|name| registry.resolve(name, gateway, new_series).ok());
                    self.slots[index] = id.map_or(Slot::Foreign, |id| Slot::Id(id.0));
                    if id.is_none() {
                        // Kept for the words in the quarantine.
                        self.names[index] = name;
                        all_own = false;
                    }
                }
                Some(Slot::Foreign) | None => all_own = false,
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
        self.names.get(index as usize).and_then(Option::as_ref)
    }
}
