//! The pages of files' indexes that were read last, decoded: neighbouring series are on the same page, and what is asked
//! once is mostly asked again. Bounded; the page that was not used for the longest goes first.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use pantau_journal::FileLayer;

use super::columns::Entry;
use super::datafile::{DataFile, FileId};
use super::index;
use super::pages::{Page, Pages};

/// Of the readers' cache.
const MOST_BYTES: usize = 6 << 20;

/// See the module. No lock is held while a page is read.
#[derive(Debug)]
pub(crate) struct PageCache {
    most_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    pages: HashMap<(FileId, usize), (Arc<Page>, u64)>,
    bytes: usize,
    clock: u64,
}

/// The blocks of a series in a file.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) entries: Vec<Entry>,
    /// Damaged pages: where in the file, and how many of their blocks, of any series, were not found.
    pub(crate) missing: Vec<(u64, usize)>,
}

impl Default for PageCache {
    fn default() -> Self {
        Self::new(MOST_BYTES)
    }
}

impl PageCache {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { most_bytes, kept: Mutex::default() }
    }

    /// The blocks of a series in `file` that touch the inclusive period `first..=last`, in the order of time. `handle` is
    /// the open file; it is opened when it is needed.
    pub(crate) fn overlapping<F: FileLayer>(
        &self,
        files: &F,
        file: &DataFile,
        handle: &mut Option<F::File>,
        series: u32,
        (first, last): (i64, i64),
    ) -> io::Result<Found> {
        let mut found = Found::default();
        for number in file.index.touching(series, first, last) {
            let page = self.page(files, file, handle, number)?;
            found.entries.extend_from_slice(
                page.entries.get(index::overlapping(&page.entries, series, first, last)).unwrap_or(&[]),
            );
            if let (Some(missing), Some(at)) = (page.missing, file.index.pages().get(number)) {
                found.missing.push((at.offset, missing));
            }
        }
        Ok(found)
    }

    fn page<F: FileLayer>(
        &self,
        files: &F,
        file: &DataFile,
        handle: &mut Option<F::File>,
        number: usize,
    ) -> io::Result<Arc<Page>> {
        let key = (file.id, number);
        if let Some(page) = self.lock().get(key) {
            return Ok(page);
        }
        let handle = match handle {
            Some(handle) => handle,
            none => none.insert(file.handle(files)?),
        };
        let page = Arc::new(Pages::default().page(files, handle, file, number)?);
        if let Some(missing) = page.missing {
            let file = file.path.display();
            tracing::error!(%file, page = number, missing, "a page of an index is damaged; its blocks were looked for");
        }
        self.lock().put(key, &page, self.most_bytes);
        Ok(page)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn get(&mut self, key: (FileId, usize)) -> Option<Arc<Page>> {
        self.clock += 1;
        let (page, used) = self.pages.get_mut(&key)?;
        *used = self.clock;
        Some(page.clone())
    }

    fn put(&mut self, key: (FileId, usize), page: &Arc<Page>, most_bytes: usize) {
        let new = size(page);
        self.remove(key);
        while self.bytes + new > most_bytes {
            let oldest = self.pages.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key);
            let Some(oldest) = oldest else { return };
            self.remove(oldest);
        }
        self.clock += 1;
        self.pages.insert(key, (page.clone(), self.clock));
        self.bytes += new;
    }

    fn remove(&mut self, key: (FileId, usize)) {
        self.bytes -= self.pages.remove(&key).map_or(0, |(page, _)| size(&page));
    }
}

fn size(page: &Page) -> usize {
    page.entries.capacity() * std::mem::size_of::<Entry>() + 128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_goes_first_and_the_bound_holds() {
        let page = || Arc::new(Page { entries: Vec::with_capacity(10), missing: None });
        let key = |number| (FileId { seq: 1, generation: 0, month: 0, class: 0 }, number);
        let mut kept = Kept::default();
        let most = 3 * size(&page());
        (0..3).for_each(|number| kept.put(key(number), &page(), most));
        assert!(kept.get(key(0)).is_some());
        kept.put(key(3), &page(), most);
        kept.put(key(3), &page(), most);
        assert!(kept.get(key(1)).is_none() && kept.get(key(0)).is_some() && kept.get(key(2)).is_some());
        assert_eq!(kept.bytes, most);
        kept.put(key(4), &page(), 1);
        assert_eq!((kept.bytes, kept.pages.len()), (0, 0));
    }
}
