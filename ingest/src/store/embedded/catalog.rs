//! Which number is which name. Apart from the rest of the state, so that listing a million names does not hold up the
//! writer, which comes here only for new series.
//!
//! A name costs its bytes and about 20 more: all names stand in one text, owners are kept once, and the order of names is
//! a list of numbers. New names wait in a map until they are an eighth of that list, then they are merged into it.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;

use pantau_proto::GatewayId;

use crate::store::types::{NewSeries, SeriesId};

/// So many names wait at least before they are merged into the order.
const LEAST: usize = 1_024;

/// Names and owners of the series.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    text: String,
    /// By number.
    names: Vec<Name>,
    gateways: Vec<GatewayId>,
    gateway_numbers: BTreeMap<GatewayId, u32>,
    /// Numbers in the order of names.
    sorted: Vec<u32>,
    /// Those that are not in `sorted` yet.
    fresh: BTreeMap<Arc<str>, u32>,
}

/// Where a name stands in the text. A number without a name has no length.
#[derive(Clone, Copy, Debug, Default)]
struct Name {
    start: u64,
    gateway: u32,
    len: u16,
}

impl Catalog {
    /// Of what the series log has.
    pub(crate) fn insert_known(&mut self, series: NewSeries) {
        if self.put(&series) {
            self.sorted.push(series.id.0);
        }
    }

    /// After the last [`Self::insert_known`].
    pub(crate) fn sort(&mut self) {
        let mut sorted = std::mem::take(&mut self.sorted);
        // Stable, so that of two numbers with the same name the later one is found, as it always was.
        sorted.sort_by(|one, other| self.name(*one).cmp(self.name(*other)));
        sorted.dedup_by(|later, earlier| {
            let same = self.name(*later) == self.name(*earlier);
            if same {
                *earlier = *later;
            }
            same
        });
        sorted.shrink_to_fit();
        self.sorted = sorted;
        self.text.shrink_to_fit();
        self.names.shrink_to_fit();
    }

    pub(crate) fn insert(&mut self, series: &NewSeries) {
        if self.put(series) {
            self.fresh.insert(series.name.clone(), series.id.0);
            if self.fresh.len() > LEAST.max(self.sorted.len() / 8) {
                self.merge();
            }
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
        let at = series.id.index();
        if self.names.len() <= at {
            self.names.resize(at + 1, Name::default());
        }
        let start = self.text.len() as u64;
        self.text.push_str(&series.name);
        if let Some(name) = self.names.get_mut(at) {
            *name = Name { start, gateway, len };
        }
        true
    }

    fn merge(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        let mut merged = Vec::with_capacity(self.sorted.len() + fresh.len());
        let mut old = self.sorted.iter().copied().peekable();
        for (name, id) in fresh {
            while let Some(before) = old.next_if(|before| self.name(*before) < &*name) {
                merged.push(before);
            }
            // The later one of the same name is found.
            let _ = old.next_if(|same| self.name(*same) == &*name);
            merged.push(id);
        }
        merged.extend(old);
        self.sorted = merged;
    }

    fn name(&self, id: u32) -> &str {
        let name = self.names.get(id as usize).copied().unwrap_or_default();
        let start = usize::try_from(name.start).unwrap_or(usize::MAX);
        self.text.get(start..start.saturating_add(usize::from(name.len))).unwrap_or_default()
    }

    /// The name of a series.
    pub(crate) fn name_of(&self, series: SeriesId) -> Option<&str> {
        Some(self.name(series.0)).filter(|name| !name.is_empty())
    }

    pub(crate) fn get(&self, series: SeriesId) -> Option<NewSeries> {
        let name = self.name_of(series)?.into();
        let gateway = self.gateways.get(self.names.get(series.index())?.gateway as usize)?.clone();
        Some(NewSeries { id: series, name, gateway })
    }

    pub(crate) fn find(&self, name: &str) -> Option<SeriesId> {
        if let Some(id) = self.fresh.get(name) {
            return Some(SeriesId(*id));
        }
        let at = self.sorted.binary_search_by(|id| self.name(*id).cmp(name)).ok()?;
        self.sorted.get(at).map(|id| SeriesId(*id))
    }

    /// In the order of names, after `after`, as long as they start with `prefix`.
    pub(crate) fn listed<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = NewSeries> + 'a {
        use std::ops::Bound;
        let (from, start) = match after {
            Some(after) if after >= prefix => {
                (Bound::Excluded(after), self.sorted.partition_point(|id| self.name(*id) <= after))
            }
            _ => (Bound::Included(prefix), self.sorted.partition_point(|id| self.name(*id) < prefix)),
        };
        let mut sorted = self.sorted.get(start..).unwrap_or(&[]).iter().copied().peekable();
        let mut fresh = self.fresh.range::<str, _>((from, Bound::Unbounded)).map(|(_, id)| *id).peekable();
        std::iter::from_fn(move || self.earlier(&mut sorted, &mut fresh))
            .take_while(move |id| self.name(*id).starts_with(prefix))
            .filter_map(|id| self.get(SeriesId(id)))
    }

    /// Takes the earlier name of two lists; of the same name the fresh one, once.
    fn earlier(
        &self,
        sorted: &mut Peekable<impl Iterator<Item = u32>>,
        fresh: &mut Peekable<impl Iterator<Item = u32>>,
    ) -> Option<u32> {
        let Some(new) = fresh.peek().copied() else { return sorted.next() };
        if let Some(old) = sorted.next_if(|old| self.name(*old) < self.name(new)) {
            return Some(old);
        }
        let _ = sorted.next_if(|old| self.name(*old) == self.name(new));
        fresh.next()
    }

    /// The names with numbers in `from..to`.
    pub(crate) fn slice(&self, from: u32, to: u32) -> Vec<NewSeries> {
        (from..to).filter_map(|id| self.get(SeriesId(id))).collect()
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
}
