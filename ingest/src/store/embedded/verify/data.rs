//! One data file: header, footer, directory, and every page of the index with every block that it names.

use std::io;

use pantau_journal::FileLayer;

use super::super::block::{self, Summary};
use super::super::columns::Entry;
use super::super::datafile::{DataFile, FRAME, FileId, malformed};
use super::super::index::{Index, Totals};
use super::super::months::month_of;
use super::super::pages::Pages;
use super::super::point::Point;
use super::super::walk::{self, Chunk, Walk};
use super::report::{COPY_BACK, time};
use super::{Finding, Look};

/// Checks the file `name` of the data folder; `expected` is the size that the manifest gives.
///
/// # Errors
/// `NotFound` when it is not there; others when it may not be opened.
pub(super) fn check<F: FileLayer>(
    look: &mut Look<'_, F>,
    name: &str,
    expected: Option<u64>,
) -> io::Result<()> {
    let file = look.files.open(&look.dir.join("data").join(name))?;
    let bytes = look.files.file_len(&file)?;
    look.checked.files += 1;
    look.checked.bytes += bytes;
    let mut check = Check { look, file, name: format!("data/{name}"), bytes };
    if let Some(expected) = expected.filter(|expected| *expected != bytes) {
        let what = format!("the file has {bytes} bytes instead of {expected}");
        check.tell(
            bytes.min(expected),
            what,
            "see the findings below; what they do not name is sound".to_owned(),
        );
    }
    // Without its header a file is of the version that is written.
    let header = FRAME.read_header(check.look.files, &check.file);
    let version = header.as_ref().map_or(FRAME.version, |(_, version)| *version);
    let index = DataFile::read_index(check.look.files, &check.file, version, bytes);
    check.header(name, header.map(|(id, _)| id), index.as_ref().ok());
    match index {
        Ok(index) => check.blocks(name, index),
        Err(error) => check.walk(&error),
    }
}

struct Check<'l, 'a, F: FileLayer> {
    look: &'l mut Look<'a, F>,
    file: F::File,
    name: String,
    bytes: u64,
}

impl<F: FileLayer> Check<'_, '_, F> {
    fn tell(&mut self, offset: u64, what: String, cost: String) {
        let (file, mend) = (self.name.clone(), COPY_BACK.to_owned());
        self.look.tell(Finding { file, offset: Some(offset), what, cost, mend });
    }

    /// Without its header a file is not taken for one of the store's.
    fn header(&mut self, name: &str, header: io::Result<FileId>, index: Option<&Index>) {
        let what = match header {
            Ok(id) if id.name() == name => return,
            Ok(_) => "the header names another file".to_owned(),
            Err(error) => error.to_string(),
        };
        let cost = match index.map(|index| index.totals) {
            Some(Totals { readings, first, last, .. }) => {
                format!("all {readings} readings of the file, {} to {}", time(first), time(last))
            }
            None => "all readings of the file".to_owned(),
        };
        self.tell(0, what, cost);
    }

    /// Every page, and every block that the pages name.
    fn blocks(&mut self, name: &str, index: Index) -> io::Result<()> {
        let (of, end) = (index.totals, FRAME.directory_at(self.look.files, &self.file, self.bytes));
        let (refs, findings) = (index.pages().to_vec(), self.look.checked.findings);
        let path = self.look.dir.join("data").join(name);
        let file = DataFile::of(self.bytes, path, index);
        let (mut pages, mut found, mut covered) = (Pages::default(), Totals::default(), DataFile::BLOCKS_AT);
        let mut before: Option<Summary> = None;
        for at in &refs {
            let Some(page) = pages.next(self.look.files, &self.file, &file)? else { break };
            if let Some(missing) = page.missing {
                let (blocks, from) = (at.blocks, time(at.first));
                let cost = match missing {
                    0 => format!("no reading: its {blocks} blocks are found without it"),
                    _ => format!(
                        "the readings in {missing} of its {blocks} blocks, from those of {} at {from} on; the others \
                         are found without it",
                        self.look.name(at.series)
                    ),
                };
                let offset = at.offset;
                self.tell(offset, "a page of the index cannot be used".to_owned(), cost);
            }
            covered += u64::from(at.bytes);
            for entry in &page.entries {
                self.named(entry, before.as_ref(), of);
                found.add(&entry.summary);
                covered += u64::from(entry.len);
                before = Some(entry.summary);
            }
        }
        if self.look.checked.findings == findings && (found != of || end.is_some_and(|end| end != covered)) {
            let cost = "no reading: the pages of the index name what is counted here".to_owned();
            self.tell(end.unwrap_or(0), "the directory does not say what the pages do".to_owned(), cost);
        }
        Ok(())
    }

    /// A block that a page names.
    fn named(&mut self, entry: &Entry, before: Option<&Summary>, of: Totals) {
        let summary = &entry.summary;
        let what = match self.block(entry) {
            Ok((series, points)) => {
                let found = Summary::of(series, &points);
                if !found.is_some_and(|found| same(&found, summary)) {
                    Some("the block is not the one that the index describes")
                } else if before.is_some_and(|b| b.series == summary.series && b.last >= summary.first) {
                    Some("the block overlaps the one before it")
                } else if month_of(of.first) != month_of(summary.last)
                    || month_of(of.first) != month_of(summary.first)
                {
                    Some("the block is of another month than the file")
                } else {
                    self.look.checked.readings += points.len() as u64;
                    None
                }
                .map(str::to_owned)
            }
            Err(error) => Some(error.to_string()),
        };
        self.look.checked.blocks += 1;
        if let Some(what) = what {
            let (count, series) = (summary.count, self.look.name(summary.series));
            let cost =
                format!("{count} readings of {series}, {} to {}", time(summary.first), time(summary.last));
            self.tell(entry.offset, what, cost);
        }
    }

    /// The blocks of a file whose index or directory is damaged, as opening walks them.
    fn walk(&mut self, error: &io::Error) -> io::Result<()> {
        let end = FRAME.directory_at(self.look.files, &self.file, self.bytes);
        let blocks_end = end.unwrap_or(self.bytes);
        let files = self.look.files;
        let (mut sound, mut readings, mut lost) = (0_u64, 0_u64, 0);
        let mut damaged = Vec::new();
        let mut walk = Walk::new(files, &self.file, DataFile::BLOCKS_AT, blocks_end);
        while let Some(chunk) = walk.next()? {
            match chunk {
                Chunk::Block { found: Ok(summary), .. } => {
                    sound += 1;
                    readings += u64::from(summary.count);
                }
                Chunk::Block { at, found: Err(error), .. } if end.is_some() => {
                    damaged.push((at, error, "the readings of one block, how many is not known"));
                }
                Chunk::Page { at, found: Err(error), .. } => {
                    damaged.push((at, error, "no reading: the blocks of that page are found without it"));
                }
                Chunk::Block { len, .. } => lost += len,
                Chunk::Page { .. } => {}
            }
        }
        lost += blocks_end - walk.at().min(blocks_end);
        let at = walk.at();
        for (at, error, cost) in damaged {
            self.tell(at, error.to_string(), cost.to_owned());
        }
        self.look.checked.blocks += sound;
        self.look.checked.readings += readings;
        let cost = match (end, lost) {
            (Some(_), 0) => {
                format!("no reading: {sound} blocks with {readings} readings are found without it")
            }
            (Some(_), _) => format!(
                "the readings in {lost} bytes that are no blocks; {sound} blocks with {readings} readings are found"
            ),
            (None, _) => format!(
                "what of its last {lost} bytes is not the index; {sound} blocks with {readings} readings are found without it"
            ),
        };
        self.tell(end.unwrap_or(at), format!("the index cannot be used: {error}"), cost);
        Ok(())
    }

    fn block(&self, entry: &Entry) -> io::Result<(u32, Vec<Point>)> {
        let bytes = walk::read_exactly(self.look.files, &self.file, entry.offset, entry.len as usize)?;
        block::decode(&bytes).map_err(malformed)
    }
}

/// Whether two summaries say the same; NaN is NaN, whatever its bits.
fn same(left: &Summary, right: &Summary) -> bool {
    let numbers = |s: &Summary| [s.min, s.max, s.sum, s.first_value, s.last_value];
    let equal = |(a, b): (f64, f64)| a == b || (a.is_nan() && b.is_nan());
    let rest = |s: &Summary| (s.series, s.count, s.first, s.last, s.last_flags, s.any_flags);
    rest(left) == rest(right) && numbers(left).into_iter().zip(numbers(right)).all(equal)
}
