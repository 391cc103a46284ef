//! Which number is which name. Apart from the rest of the state, so that listing a million names does not hold up the
//! writer, which changes this only for new series; whoever reads holds it for some thousand names at most.
//!
//! A name costs its bytes and about 30 more, and its device 8: all names stand in one text, owners are kept once, and what
//! finds and lists them are numbers. A new name costs the same time whatever there is: see order.rs and lookup.rs.

use std::collections::BTreeMap;
use std::ops::Range;

use pantau_proto::GatewayId;

use super::lookup::Lookup;
use super::order::Order;
use crate::store::types::{NewSeries, SeriesId};

/// Names and owners of the series.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    texts: Texts,
    gateways: Vec<GatewayId>,
    gateway_numbers: BTreeMap<GatewayId, u32>,
    /// By name; of two numbers with the same name the later one.
    found: Lookup,
    /// The first series of each device.
    devices: Lookup,
    /// Numbers in the order of names.
    order: Order,
    /// Those of the series log until [`Catalog::sort`].
    known: Vec<u32>,
}

/// The names' bytes.
#[derive(Debug, Default)]
struct Texts {
    text: String,
    /// By number.
    names: Vec<Name>,
}

/// Where a name stands in the text. A number without a name has no length.
#[derive(Clone, Copy, Debug, Default)]
struct Name {
    start: u64,
    gateway: u32,
    len: u16,
}

impl Texts {
    fn name(&self, number: u32) -> &str {
        let name = self.names.get(number as usize).copied().unwrap_or_default();
        let start = usize::try_from(name.start).unwrap_or(usize::MAX);
        self.text.get(start..start.saturating_add(usize::from(name.len))).unwrap_or_default()
    }

    fn device(&self, number: u32) -> &str {
        let name = self.name(number);
        name.split_once('/').map_or(name, |(device, _)| device)
    }
}

impl Catalog {
    /// Of what the series log has.
    pub(crate) fn insert_known(&mut self, series: NewSeries) {
        if self.put(&series) {
            self.known.push(series.id.0);
        }
    }

    /// After the last [`Self::insert_known`].
    pub(crate) fn sort(&mut self) {
        let (texts, mut known) = (&self.texts, std::mem::take(&mut self.known));
        // Stable, so that of two numbers with the same name the later one is listed, as it is found.
        known.sort_by(|one, other| texts.name(*one).cmp(texts.name(*other)));
        known.dedup_by(|later, earlier| {
            let same = texts.name(*later) == texts.name(*earlier);
            if same {
                *earlier = *later;
            }
            same
        });
        self.order = Order::of_sorted(&known);
        self.texts.text.shrink_to_fit();
        self.texts.names.shrink_to_fit();
    }

    /// After [`Self::sort`].
    pub(crate) fn insert(&mut self, series: &NewSeries) {
        if self.put(series) {
            let (texts, name) = (&self.texts, &*series.name);
            let (before, same) = (|other| texts.name(other) < name, |other| texts.name(other) == name);
            self.order.insert(series.id.0, before, same);
        }
    }

    fn put(&mut self, series: &NewSeries) -> bool {
        // Names from outside have 1,024 bytes at most; one that is longer came from a log that was not ours.
        let Some(len) = u16::try_from(series.name.len()).ok().filter(|len| *len > 0) else { return false };
        let gateway = match self.gateway_numbers.get(&series.gateway) {
            Some(number) => *number,
            None => {
                let number = self.gateways.len() as u32;
                self.gateways.push(series.gateway.clone());
                self.gateway_numbers.insert(series.gateway.clone(), number);
                number
            }
        };
        let (number, at) = (series.id.0, series.id.index());
        let Texts { text, names } = &mut self.texts;
        if names.len() <= at {
            names.resize(at + 1, Name::default());
        }
        let start = text.len() as u64;
        text.push_str(&series.name);
        if let Some(name) = names.get_mut(at) {
            *name = Name { start, gateway, len };
        }
        let texts = &self.texts;
        self.found.put(number, |other| texts.name(other), |_| true);
        self.devices.put(number, |other| texts.device(other), |first| number < first);
        true
    }

    /// The name of a series.
    pub(crate) fn name_of(&self, series: SeriesId) -> Option<&str> {
        Some(self.texts.name(series.0)).filter(|name| !name.is_empty())
    }

    pub(crate) fn get(&self, series: SeriesId) -> Option<NewSeries> {
        let name = self.name_of(series)?.into();
        Some(NewSeries { id: series, name, gateway: self.gateway(series)?.clone() })
    }

    fn gateway(&self, series: SeriesId) -> Option<&GatewayId> {
        self.gateways.get(self.texts.names.get(series.index())?.gateway as usize)
    }

    pub(crate) fn find(&self, name: &str) -> Option<SeriesId> {
        // What has no name would be found as the empty one.
        let name = Some(name).filter(|name| !name.is_empty())?;
        self.found.find(name, |number| self.texts.name(number)).map(SeriesId)
    }

    /// The gateway of a device: who was the first to report one of its series.
    pub(crate) fn owner(&self, device: &str) -> Option<&GatewayId> {
        self.gateway(SeriesId(self.devices.find(device, |number| self.texts.device(number))?))
    }

    /// In the order of names, after `after`, as long as they start with `prefix`.
    pub(crate) fn listed<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = NewSeries> + 'a {
        let name = |number| self.texts.name(number);
        let before = move |number| match after {
            Some(after) if after >= prefix => name(number) <= after,
            _ => name(number) < prefix,
        };
        let numbers = self.order.after(before);
        numbers
            .take_while(move |number| name(*number).starts_with(prefix))
            .filter_map(|number| self.get(SeriesId(number)))
    }

    /// The names with these numbers.
    pub(crate) fn slice(&self, numbers: Range<u32>) -> Vec<NewSeries> {
        numbers.filter_map(|id| self.get(SeriesId(id))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_and_lists_as_a_map_does() {
        let gateway = |n: u32| GatewayId::new(format!("gw-{}", n % 3)).unwrap();
        let series = |id: u32| NewSeries {
            id: SeriesId(id),
            name: format!("d{}/temperature", id.wrapping_mul(2_654_435_761) % 100_003).into(),
            gateway: gateway(id),
        };
        let (mut catalog, mut model) = (Catalog::default(), BTreeMap::new());
        for id in (0..3_000).filter(|id| id % 7 != 3) {
            catalog.insert_known(series(id));
            model.insert(series(id).name, series(id));
        }
        catalog.sort();
        for id in 3_000..9_000 {
            catalog.insert(&series(id));
            model.insert(series(id).name, series(id));
            if id % 977 == 0 || id == 8_999 {
                for (prefix, after) in
                    [("", None), ("d5", None), ("d5", Some("d55/temperature")), ("d", Some("a")), ("e", None)]
                {
                    let from = |name: &str| after.is_none_or(|after| name > after);
                    let expected =
                        model.values().filter(|s| s.name.starts_with(prefix) && from(&s.name)).cloned();
                    assert!(catalog.listed(prefix, after).eq(expected), "{id} {prefix} {after:?}");
                }
            }
        }
        for series in model.values() {
            assert_eq!(catalog.find(&series.name), Some(series.id));
            assert_eq!(catalog.get(series.id).as_ref(), Some(series));
        }
        assert_eq!((catalog.get(SeriesId(3)), catalog.get(SeriesId(10_000))), (None, None));
        assert_eq!((catalog.find("d"), catalog.find("")), (None, None));
    }

    #[test]
    fn a_device_is_of_the_gateway_with_its_first_series_and_a_name_is_of_its_last_number() {
        let series = |id: u32, name: &str, gateway: &str| NewSeries {
            id: SeriesId(id),
            name: name.into(),
            gateway: GatewayId::new(gateway).unwrap(),
        };
        let owner = |catalog: &Catalog, device| catalog.owner(device).map(|owner| owner.as_str().to_owned());
        let mut catalog = Catalog::default();
        catalog.insert_known(series(2, "a/humidity", "late"));
        catalog.insert_known(series(1, "a/temperature", "early"));
        catalog.insert_known(series(0, "ab/temperature", "other"));
        catalog.sort();
        catalog.insert(&series(3, "a/temperature", "late"));
        assert_eq!(owner(&catalog, "a").as_deref(), Some("early"));
        assert_eq!((owner(&catalog, "ab").as_deref(), owner(&catalog, "b")), (Some("other"), None));
        assert_eq!(catalog.find("a/temperature"), Some(SeriesId(3)));
        let listed: Vec<u32> = catalog.listed("", None).map(|series| series.id.0).collect();
        assert_eq!(listed, [2, 3, 0]);
    }
}
