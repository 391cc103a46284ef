//! Reads the pages of a file's index. A damaged page costs nothing but time: the blocks that it had are found by walking
//! from the first of them on. What is not found then is damaged as well, and told.

use std::io;

use pantau_journal::FileLayer;

use super::columns::Entry;
use super::datafile::DataFile;
use super::index;
use super::walk;

/// Read at once when pages are read one after the other.
const WINDOW: u64 = 64 << 10;

/// The blocks of a page of the index.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    /// The page is damaged: its blocks were found by walking, all but so many.
    pub(crate) missing: Option<usize>,
}

/// Reads pages of a file.
#[derive(Default)]
pub(crate) struct Pages {
    next: usize,
    window: Vec<u8>,
    window_at: u64,
    /// Bytes that are read at once.
    ahead: u64,
}

impl Pages {
    /// The blocks of the next page.
    pub(crate) fn next<F: FileLayer>(
        &mut self,
        files: &F,
        file: &F::File,
        of: &DataFile,
    ) -> io::Result<Option<Page>> {
        let number = self.next;
        if number >= of.index.pages().len() {
            return Ok(None);
        }
        self.next += 1;
        self.ahead = WINDOW;
        self.page(files, file, of, number).map(Some)
    }

    /// The blocks of any page.
    pub(crate) fn page<F: FileLayer>(
        &mut self,
        files: &F,
        file: &F::File,
        of: &DataFile,
        number: usize,
    ) -> io::Result<Page> {
        if let Some(entries) = of.index.held_page(number) {
            return Ok(Page { entries: entries.to_vec(), missing: None });
        }
        let pages = of.index.pages();
        let Some(page) = pages.get(number) else { return Ok(Page { entries: Vec::new(), missing: None }) };
        if page.bytes > 0 {
            let bytes = self.bytes(files, file, of.bytes, page.offset, usize::from(page.bytes))?;
            if let Ok(entries) = index::decode_page(bytes, page.offset)
                && entries.len() == usize::from(page.blocks)
                && entries.first().is_some_and(|first| first.offset == page.blocks_at)
            {
                return Ok(Page { entries, missing: None });
            }
        }
        let behind = pages.get(number + 1).map(|next| next.blocks_at).filter(|at| *at > page.blocks_at);
        let (end, most) = (behind.unwrap_or(of.bytes), usize::from(page.blocks));
        let mut entries = walk::blocks(files, file, page.blocks_at, end, most)?;
        entries.sort_by_key(Entry::key);
        // Of one that a walk of the file made, only that file's opening knows what is missing.
        let missing = (page.bytes > 0).then(|| most - entries.len());
        Ok(Page { entries, missing })
    }

    fn bytes<F: FileLayer>(
        &mut self,
        files: &F,
        file: &F::File,
        end: u64,
        at: u64,
        len: usize,
    ) -> io::Result<&[u8]> {
        let from = |window_at: u64| usize::try_from(at.checked_sub(window_at)?).ok();
        let inside = from(self.window_at).filter(|from| from.saturating_add(len) <= self.window.len());
        let from = match inside {
            Some(from) => from,
            None => {
                let most = end.saturating_sub(at).min(self.ahead.max(len as u64));
                self.window.resize(usize::try_from(most).map_err(io::Error::other)?, 0);
                self.window_at = at;
                let read = files.read_at(file, &mut self.window, at)?;
                self.window.truncate(read);
                0
            }
        };
        // What the file lacks is found to be damaged.
        Ok(self.window.get(from..from + len).unwrap_or(&[]))
    }
}
