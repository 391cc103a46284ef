//! Which series and devices there are. The committer owns it: the one place where all gateways meet.
//!
//! Always true: an id that leaves here is either durable ([`Registry::remember`]) or part of the commits that are
//! being made; when those fail, [`Registry::forget`] takes back everything that is not durable.

use crate::store::{NewSeries, SeriesId, StoreReader};
use hashbrown::HashMap;
use pantau_proto::{GatewayId, SeriesName};
use std::sync::Arc;

/// Series by name, devices by owner.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    names: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, SeriesId>,
    owners: HashMap<String, GatewayId>,
    durable: usize,
    claimed: Vec<(usize, String)>,
}

impl Registry {
    /// Everything that the store knows.
    pub(crate) fn load(reader: &impl StoreReader) -> Self {
        let mut known = Vec::new();
        let mut after: Option<Arc<str>> = None;
        loop {
            let page = reader.series("", after.as_deref(), 10_000);
            known.extend(page.items.into_iter().map(|info| (info.id, info.name, info.gateway)));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        // In the order of ids, so that the gateway that was first keeps the device.
        known.sort_unstable_by_key(|(id, ..)| *id);
        let mut registry = Self::default();
        for (id, name, gateway) in known {
            let device = name.split('/').next().unwrap_or_default();
            if !registry.owners.contains_key(device) {
                registry.owners.insert(device.to_owned(), gateway);
            }
            registry.ids.insert(Arc::clone(&name), id);
            registry.names.push(name);
        }
        registry.durable = registry.names.len();
        registry
    }

    /// The id of a series as this gateway may report it; new ones are pushed to `new_series`.
    ///
    /// # Errors
    /// The gateway that owns the device, when it is another one.
    pub(crate) fn resolve(
        &mut self,
        name: &SeriesName,
        gateway: &GatewayId,
        new_series: &mut Vec<NewSeries>,
    ) -> Result<SeriesId, GatewayId> {
        let device = name.device();
        match self.owners.get(device) {
            Some(owner) if owner != gateway => return Err(owner.clone()),
            Some(_) => {}
            None => {
                self.owners.insert(device.to_owned(), gateway.clone());
                // Its first series is the next one.
                self.claimed.push((self.names.len(), device.to_owned()));
            }
        }
        if let Some(id) = self.ids.get(name.as_str()) {
            return Ok(*id);
        }
        let name: Arc<str> = Arc::from(name.as_str());
        let id = SeriesId(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        self.names.push(Arc::clone(&name));
        self.ids.insert(Arc::clone(&name), id);
        new_series.push(NewSeries { id, name, gateway: gateway.clone() });
        Ok(id)
    }

    /// The name of a series that was given an id here.
    pub(crate) fn name(&self, id: SeriesId) -> Option<&Arc<str>> {
        self.names.get(id.index())
    }

    /// The gateway that owns a device.
    pub(crate) fn owner(&self, device: &str) -> Option<&GatewayId> {
        self.owners.get(device)
    }

    /// The next `count` new series are durable now.
    pub(crate) fn remember(&mut self, count: usize) {
        self.durable += count;
        let durable = self.durable;
        self.claimed.retain(|(first, _)| *first >= durable);
    }

    /// What is not durable never happened.
    pub(crate) fn forget(&mut self) {
        for name in self.names.drain(self.durable..) {
            self.ids.remove(&name);
        }
        for (_, device) in self.claimed.drain(..) {
            self.owners.remove(&device);
        }
    }
}
