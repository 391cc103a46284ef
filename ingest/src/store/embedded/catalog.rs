//! Which number is which name. Apart from the rest of the state, so that listing a million names does not hold up the
//! writer, which comes here only for new series.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::store::types::{NewSeries, SeriesId};

/// Names and owners of the series.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    entries: Vec<Option<NewSeries>>,
    by_name: BTreeMap<Arc<str>, SeriesId>,
}

impl Catalog {
    pub(crate) fn insert(&mut self, series: NewSeries) {
        let at = series.id.index();
        if self.entries.len() <= at {
            self.entries.resize(at + 1, None);
        }
        self.by_name.insert(series.name.clone(), series.id);
        self.entries[at] = Some(series);
    }

    pub(crate) fn get(&self, series: SeriesId) -> Option<&NewSeries> {
        self.entries.get(series.index())?.as_ref()
    }

    pub(crate) fn find(&self, name: &str) -> Option<SeriesId> {
        self.by_name.get(name).copied()
    }

    /// In the order of names, after `after`, as long as they start with `prefix`.
    pub(crate) fn listed<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = &'a NewSeries> {
        use std::ops::Bound;
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.by_name
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(move |(name, _)| name.starts_with(prefix))
            .filter_map(|(_, id)| self.get(*id))
    }

    /// The names with numbers in `from..to`.
    pub(crate) fn slice(&self, from: u32, to: u32) -> Vec<NewSeries> {
        (from..to).filter_map(|id| self.get(SeriesId(id)).cloned()).collect()
    }
}
