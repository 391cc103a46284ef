//! One data file: header, footer, index, and every block, one after the other.

use std::io;

use pantau_journal::FileLayer;

use super::super::block::{self, MAX_POINTS, Summary};
use super::super::datafile::DataFile;
use super::super::index::Index;
use super::super::months::month_of;
use super::super::point::Point;
use super::report::{COPY_BACK, time};
use super::{Finding, Look};

/// More than a block can have: its columns have 16-bit lengths, its flags two bytes a reading.
const MOST_BLOCK: usize = 22 + 2 * 65_536 + 2 * MAX_POINTS + 64;

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
    let index = DataFile::read_blocks(check.look.files, &check.file, bytes);
    check.header(name, index.as_ref().ok());
    match index {
        Ok(index) => check.blocks(&index),
        Err(error) => check.walk(&error),
    }
    Ok(())
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
    fn header(&mut self, name: &str, index: Option<&Index>) {
        let what = match DataFile::read_header(self.look.files, &self.file) {
            Ok(id) if id.name() == name => return,
            Ok(_) => "the header names another file".to_owned(),
            Err(error) => error.to_string(),
        };
        let cost = match index.map(Index::entries) {
            Some(entries) => {
                let readings: u64 = entries.iter().map(|entry| u64::from(entry.summary.count)).sum();
                format!(
                    "all {readings} readings of the file, {}",
                    period(entries.iter().map(|entry| &entry.summary))
                )
            }
            None => "all readings of the file".to_owned(),
        };
        self.tell(0, what, cost);
    }

    /// Every block that the index names; that they cover the file without gaps is what reading the index checked.
    fn blocks(&mut self, index: &Index) {
        let month = index.entries().first().map(|entry| month_of(entry.summary.first));
        let mut before: Option<&Summary> = None;
        for entry in index.entries() {
            let summary = &entry.summary;
            let what = match self.block(entry.offset, u64::from(entry.len)) {
                Ok((series, points)) => {
                    let found = Summary::of(series, &points);
                    if !found.is_some_and(|found| same(&found, summary)) {
                        Some("the block is not the one that the index describes")
                    } else if before.is_some_and(|b| b.series == summary.series && b.last >= summary.first) {
                        Some("the block overlaps the one before it")
                    } else if month != Some(month_of(summary.last)) || month != Some(month_of(summary.first))
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
            before = Some(summary);
            if let Some(what) = what {
                let (count, series) = (summary.count, self.look.name(summary.series));
                let cost = format!("{count} readings of {series}, {}", period([summary]));
                self.tell(entry.offset, what, cost);
            }
        }
    }

    /// The blocks of a file whose index is damaged, as opening walks them.
    fn walk(&mut self, error: &io::Error) {
        let (mut at, mut sound, mut readings, mut lost) = (DataFile::BLOCKS_AT, 0_u64, 0_u64, 0);
        let end = DataFile::index_at(self.look.files, &self.file, self.bytes);
        let blocks_end = end.unwrap_or(self.bytes);
        while at < blocks_end {
            let Some(len) = self.claimed(at).filter(|len| *len <= blocks_end - at) else { break };
            match self.block(at, len) {
                Ok((_, points)) => {
                    sound += 1;
                    readings += points.len() as u64;
                }
                Err(error) if end.is_some() => {
                    self.tell(
                        at,
                        error.to_string(),
                        "the readings of one block, how many is not known".to_owned(),
                    );
                }
                Err(_) => lost += len,
            }
            at += len;
        }
        lost += blocks_end - at.min(blocks_end);
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
    }

    /// The size that the block at `at` says it has.
    fn claimed(&self, at: u64) -> Option<u64> {
        let mut head = [0; 8];
        let read = self.look.files.read_at(&self.file, &mut head, at).ok()?;
        block::claimed_len(head.get(..read)?).map(|len| len as u64)
    }

    fn block(&self, at: u64, len: u64) -> io::Result<(u32, Vec<Point>)> {
        let damaged = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
        let len = usize::try_from(len).ok().filter(|len| *len <= MOST_BLOCK);
        let mut bytes = vec![0; len.ok_or_else(|| damaged("a block's size is impossible"))?];
        if self.look.files.read_at(&self.file, &mut bytes, at)? != bytes.len() {
            return Err(damaged("the file ends before the block's end"));
        }
        block::decode(&bytes).map_err(super::super::datafile::malformed)
    }
}

fn period<'s>(summaries: impl IntoIterator<Item = &'s Summary>) -> String {
    let ends = summaries.into_iter().fold(None, |ends: Option<(i64, i64)>, summary| {
        let (first, last) = ends.unwrap_or((i64::MAX, i64::MIN));
        Some((first.min(summary.first), last.max(summary.last)))
    });
    ends.map_or_else(String::new, |(first, last)| format!("{} to {}", time(first), time(last)))
}

/// Whether two summaries say the same; NaN is NaN, whatever its bits.
fn same(left: &Summary, right: &Summary) -> bool {
    let numbers = |s: &Summary| [s.min, s.max, s.sum, s.first_value, s.last_value];
    let equal = |(a, b): (f64, f64)| a == b || (a.is_nan() && b.is_nan());
    let rest = |s: &Summary| (s.series, s.count, s.first, s.last, s.last_flags, s.any_flags);
    rest(left) == rest(right) && numbers(left).into_iter().zip(numbers(right)).all(equal)
}
