//! Which files are merged next. Pure.
//!
//! Files of a month lie in the order of age, and only neighbours may become one file, or an older reading could win over
//! a newer one. A merge takes the newest files of a month as long as each is no larger than a few times all newer ones
//! together: so files grow in steps, a reading is written again only a few times, and a large file is not written again
//! for a small one beside it.

use std::collections::{BTreeMap, HashSet};

use super::datafile::FileId;
use super::manifest::FileRef;

/// Files in one merge at most: one block of each is in memory at a time.
const MOST: usize = 64;

/// When a month's files are merged.
struct Rule {
    /// That many files at least.
    least: usize,
    /// The next older file is taken as well when it has at most so many times the bytes of all newer ones.
    times: u64,
}

/// Of the newest month, to which files are still added.
const GROWING: Rule = Rule { least: 4, times: 2 };
/// Of every month before, to which little is added: what is late.
const OVER: Rule = Rule { least: 2, times: 4 };
/// Everything.
const WHOLE: Rule = Rule { least: 2, times: u64::MAX };

/// The next files to merge, from old to new, neighbours of one month, at least two. `files` is in the order of age;
/// `apart` are those that stay as they are. `whole`: until each month is one file.
pub(crate) fn next(files: &[FileRef], apart: &HashSet<FileId>, whole: bool) -> Option<Vec<FileId>> {
    let mut months: BTreeMap<i64, Vec<FileRef>> = BTreeMap::new();
    for file in files {
        months.entry(file.id.month).or_default().push(*file);
    }
    let newest = months.keys().next_back().copied()?;
    months.iter().find_map(|(month, files)| {
        let rule = match (whole, *month == newest) {
            (true, _) => &WHOLE,
            (false, true) => &GROWING,
            (false, false) => &OVER,
        };
        files.split(|file| apart.contains(&file.id)).find_map(|run| choose(run, rule))
    })
}

fn choose(run: &[FileRef], rule: &Rule) -> Option<Vec<FileId>> {
    let mut newer = run.last()?.bytes;
    let mut start = run.len() - 1;
    while start > 0 && run[start - 1].bytes <= newer.saturating_mul(rule.times) {
        start -= 1;
        newer = newer.saturating_add(run[start].bytes);
    }
    let chosen = &run[start..];
    (chosen.len() >= rule.least).then(|| chosen.iter().take(MOST).map(|file| file.id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(sizes: &[(i64, u64)]) -> Vec<FileRef> {
        let file = |(seq, (month, bytes)): (u64, &(i64, u64))| FileRef {
            id: FileId { seq, generation: 0, month: *month },
            bytes: *bytes,
        };
        (0..).zip(sizes).map(file).collect()
    }

    fn chosen(sizes: &[(i64, u64)], whole: bool) -> Vec<u64> {
        let chosen = next(&files(sizes), &HashSet::new(), whole);
        chosen.unwrap_or_default().into_iter().map(|id| id.seq).collect()
    }

    #[test]
    fn a_growing_month_is_merged_in_steps_and_a_large_file_is_left_alone() {
        assert!(chosen(&[(1, 5), (1, 5), (1, 5)], false).is_empty());
        assert_eq!(chosen(&[(1, 5), (1, 5), (1, 5), (1, 5)], false), [0, 1, 2, 3]);
        assert_eq!(chosen(&[(1, 41), (1, 5), (1, 5), (1, 5), (1, 5)], false), [1, 2, 3, 4]);
        assert_eq!(chosen(&[(1, 40), (1, 5), (1, 5), (1, 5), (1, 5)], false), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_month_that_is_over_takes_in_what_is_late_once_that_is_not_little() {
        assert_eq!(chosen(&[(0, 100), (1, 5), (0, 25)], false), [0, 2]);
        assert!(chosen(&[(0, 101), (1, 5), (0, 25)], false).is_empty());
        assert_eq!(chosen(&[(0, 1_000), (1, 5), (0, 1)], true), [0, 2]);
    }

    #[test]
    fn what_is_kept_apart_parts_its_neighbours() {
        let files = files(&[(1, 5); 9]);
        let apart = HashSet::from([files[4].id]);
        let seqs = next(&files, &apart, false).map(|ids| ids.iter().map(|id| id.seq).collect::<Vec<_>>());
        assert_eq!(seqs, Some(vec![0, 1, 2, 3]));
    }

    #[test]
    fn a_reading_is_written_again_a_few_times_only() {
        let (mut all, mut written) = (Vec::new(), 0);
        for seq in 0..1_000 {
            all.push(FileRef { id: FileId { seq, generation: 0, month: 1 }, bytes: 10 });
            while let Some(run) = next(&all, &HashSet::new(), false) {
                let bytes = all.iter().filter(|file| run.contains(&file.id)).map(|file| file.bytes).sum();
                all.retain(|file| !run.contains(&file.id));
                let last = run[run.len() - 1];
                all.push(FileRef { id: FileId { generation: last.generation + 1, ..last }, bytes });
                all.sort_by_key(|file| file.id);
                written += bytes;
            }
        }
        assert!(written < 10 * 10_000, "{written}");
        assert!(all.len() < 16, "{}", all.len());
    }
}
