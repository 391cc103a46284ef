//! Which series and devices there are. The committer owns it: the one place where all gateways meet. The store knows them;
//! here is only what it does not know yet.
//!
//! Always true: an id that leaves here is either durable ([`Registry::remember`]) or part of the commits that are
//! being made; when those fail, [`Registry::forget`] takes back everything that is not durable.

use crate::store::{Names, NewSeries, SeriesId};
use hashbrown::HashMap;
use pantau_proto::{GatewayId, SeriesName};
use std::sync::Arc;

/// Names that are kept for calling out readings.
const CALLED: usize = 8_192;

/// See the module.
pub(crate) struct Registry {
    /// What is durable.
    known: Box<dyn Names>,
    durable: u32,
    /// The id of the next new series.
    next: u32,
    /// Of the commits that are being made: series by name, and who owns their devices.
    ids: HashMap<Arc<str>, SeriesId>,
    owners: HashMap<String, GatewayId>,
    /// Names by the last digits of their id: while somebody watches, the same ones are wanted over and over.
    called: Vec<Option<(SeriesId, Arc<str>)>>,
}

impl Registry {
    /// For a store whose next new series is `next`.
    pub(crate) fn new(known: impl Names + 'static, next: SeriesId) -> Self {
        let (ids, owners) = (HashMap::new(), HashMap::new());
        Self { known: Box::new(known), durable: next.0, next: next.0, ids, owners, called: Vec::new() }
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
        match self.owner(name.device()) {
            Some(owner) if owner != *gateway => return Err(owner),
            Some(_) => {}
            None => {
                self.owners.insert(name.device().to_owned(), gateway.clone());
            }
        }
        let name = name.as_str();
        if let Some(id) = self.ids.get(name).copied().or_else(|| self.known.find(name)) {
            return Ok(id);
        }
        let (id, name) = (SeriesId(self.next), Arc::<str>::from(name));
        self.next = self.next.saturating_add(1);
        self.ids.insert(Arc::clone(&name), id);
        new_series.push(NewSeries { id, name, gateway: gateway.clone() });
        Ok(id)
    }

    /// The name of a series that is durable.
    pub(crate) fn called(&mut self, id: SeriesId) -> Option<Arc<str>> {
        if self.called.is_empty() {
            self.called.resize(CALLED, None);
        }
        let place = self.called.get_mut(id.index() % CALLED)?;
        match place {
            Some((other, name)) if *other == id => Some(Arc::clone(name)),
            _ => {
                let name = self.known.name(id)?;
                *place = Some((id, Arc::clone(&name)));
                Some(name)
            }
        }
    }

    /// The gateway that owns a device.
    pub(crate) fn owner(&self, device: &str) -> Option<GatewayId> {
        self.owners.get(device).cloned().or_else(|| self.known.owner(device))
    }

    /// The next `count` new series are durable now: the store knows them. Until it knows all, those that are here as well
    /// do no harm.
    pub(crate) fn remember(&mut self, count: usize) {
        self.durable = self.durable.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if self.durable >= self.next {
            (self.ids, self.owners) = (HashMap::new(), HashMap::new());
        }
    }

    /// What is not durable never happened.
    pub(crate) fn forget(&mut self) {
        (self.ids, self.owners) = (HashMap::new(), HashMap::new());
        self.next = self.durable;
    }
}
