//! Which devices are online, as they or their networks said: a last will, an availability topic, a death.
//!
//! Always: at most [`MAX`] devices; what more there are is not followed and counted. A device that never said anything
//! of the kind is not here. After a restart it is empty until they say it again (retained wills come at once).

use hashbrown::HashMap;
use pantau_proto::{DeviceName, TimeMs};

const MAX: usize = 10_000;
/// So many that are off are named.
const NAMED: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Devices {
    known: HashMap<DeviceName, (bool, TimeMs)>,
    unfollowed: u64,
}

/// A device that is not online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) since: TimeMs,
}

/// All devices that said whether they are online.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Online {
    pub(crate) online: u64,
    pub(crate) offline: u64,
    /// Messages of devices beyond those that are followed.
    pub(crate) unfollowed: u64,
    /// The offline ones that were so last, newest first, not all of them.
    pub(crate) named: Vec<Device>,
}

impl Devices {
    /// `since` is kept while nothing changes.
    pub(super) fn set(&mut self, device: DeviceName, online: bool, at: TimeMs) {
        let room = self.known.len() < MAX;
        match self.known.get_mut(&device) {
            Some(known) if known.0 == online => {}
            Some(known) => *known = (online, at),
            None if room => drop(self.known.insert(device, (online, at))),
            None => self.unfollowed += 1,
        }
    }

    pub(super) fn online(&self) -> Online {
        let mut off: Vec<Device> = self
            .known
            .iter()
            .filter(|(_, (online, _))| !online)
            .map(|(name, (_, since))| Device { name: name.to_string(), since: *since })
            .collect();
        let offline = off.len() as u64;
        off.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.name.cmp(&b.name)));
        off.truncate(NAMED);
        Online { online: self.known.len() as u64 - offline, offline, unfollowed: self.unfollowed, named: off }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn name(text: &str) -> DeviceName {
        DeviceName::new(text).unwrap()
    }

    #[test]
    fn a_device_keeps_the_time_since_when_it_is_as_it_is() {
        let mut devices = Devices::default();
        devices.set(name("a"), true, TimeMs(1));
        devices.set(name("b"), false, TimeMs(2));
        devices.set(name("b"), false, TimeMs(3));
        devices.set(name("c"), false, TimeMs(4));
        let online = devices.online();
        assert_eq!((online.online, online.offline), (1, 2));
        let named: Vec<_> =
            online.named.iter().map(|device| (device.name.as_str(), device.since.0)).collect();
        assert_eq!(named, [("c", 4), ("b", 2)]);
    }

    #[test]
    fn more_devices_than_are_followed_are_counted_and_take_no_memory() {
        let mut devices = Devices::default();
        for n in 0..MAX + 5 {
            devices.set(name(&format!("d{n}")), n % 2 == 0, TimeMs(0));
        }
        let online = devices.online();
        assert_eq!((online.online + online.offline, online.unfollowed), (MAX as u64, 5));
        assert_eq!(online.named.len(), NAMED);
    }
}
