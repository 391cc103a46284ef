//! The blocks of the files that are merged, in the order in which a merge wants them. Of each file one page of the index is in
//! memory, however many blocks it has.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use pantau_journal::FileLayer;

use super::columns::Entry;
use super::datafile::DataFile;
use super::pages::Pages;

/// A block: the number of its file in the run, and its place there.
pub(crate) type Block = (usize, Entry);

/// Why a merge cannot go on.
pub(crate) enum Stop {
    /// The file with this number in the run cannot be read in full.
    Damaged(usize),
    Io(io::Error),
}

impl Stop {
    pub(crate) fn of(number: usize, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData { Self::Damaged(number) } else { Self::Io(error) }
    }
}

/// The blocks of a run in the order of series, then time, then age. One page of each file is in memory.
pub(crate) struct Blocks<'a, F: FileLayer> {
    files: &'a F,
    run: &'a [Arc<DataFile>],
    handles: &'a [F::File],
    /// What cannot be found is left out.
    lenient: bool,
    sources: Vec<(Pages, VecDeque<Entry>)>,
    /// The next block of each file that has one.
    next: BTreeMap<(u32, i64, usize), Entry>,
}

impl<'a, F: FileLayer> Blocks<'a, F> {
    /// `lenient`: blocks that damage hides are left out; else they stop it.
    pub(crate) fn new(
        files: &'a F,
        run: &'a [Arc<DataFile>],
        handles: &'a [F::File],
        lenient: bool,
    ) -> Result<Self, Stop> {
        let sources = run.iter().map(|_| (Pages::default(), VecDeque::new())).collect();
        let mut blocks = Self { files, run, handles, lenient, sources, next: BTreeMap::new() };
        (0..run.len()).try_for_each(|number| blocks.look(number, None))?;
        Ok(blocks)
    }

    pub(crate) fn next(&mut self) -> Result<Option<Block>, Stop> {
        let Some(((series, first, number), entry)) = self.next.pop_first() else { return Ok(None) };
        self.look(number, Some((series, first)))?;
        Ok(Some((number, entry)))
    }

    /// Series and first time of what [`Self::next`] gives.
    pub(crate) fn peek(&self) -> Option<(u32, i64)> {
        self.next.keys().next().map(|(series, first, _)| (*series, *first))
    }

    /// Looks at the block of a file that comes after `before`.
    fn look(&mut self, number: usize, before: Option<(u32, i64)>) -> Result<(), Stop> {
        let (pages, entries) = &mut self.sources[number];
        loop {
            while entries.is_empty() {
                let page = pages.next(self.files, &self.handles[number], &self.run[number]);
                match page.map_err(|error| Stop::of(number, error))? {
                    None => return Ok(()),
                    Some(page) if page.missing.is_some() && !self.lenient => {
                        return Err(Stop::Damaged(number));
                    }
                    Some(page) => entries.extend(page.entries),
                }
            }
            match entries.pop_front() {
                Some(entry) if before < Some(entry.key()) => {
                    self.next.insert((entry.summary.series, entry.summary.first, number), entry);
                    return Ok(());
                }
                Some(_) if !self.lenient => return Err(Stop::Damaged(number)),
                _ => {}
            }
        }
    }
}
