//! Which files are merged next. Pure.
//!
//! The files of a month and class lie in the order of age, and only neighbours may become one file, or an older reading
//! could win over a newer one; files on both sides of a cut (classes.rs) are none. A merge takes the newest files of a month
//! and class as long as each is no larger than a few times all newer ones together: so files grow in steps, a reading is
//! written again only a few times, and a large file is not written again for a small one beside it.

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

/// The next files to merge, from old to new, neighbours of one month and class, at least two. `files` is in the order of
/// age; `apart` are those that stay as they are. `whole`: until each month of a class is one file.
pub(crate) fn next(
    files: &[FileRef],
    apart: &HashSet<FileId>,
    cuts: &[u64],
    whole: bool,
) -> Option<Vec<FileId>> {
    let mut months: BTreeMap<(i64, u16), Vec<FileRef>> = BTreeMap::new();
    for file in files {
        months.entry((file.id.month, file.id.class)).or_default().push(*file);
    }
    let newest = months.keys().next_back().map(|(month, _)| *month)?;
    months.iter().find_map(|((month, _), files)| {
        let rule = match (whole, *month == newest) {
            (true, _) => &WHOLE,
            (false, true) => &GROWING,
            (false, false) => &OVER,
        };
        let runs = files.split(|file| file.bytes == 0 || apart.contains(&file.id));
        let mut sides =
            runs.flat_map(|run| run.chunk_by(|older, newer| side(older, cuts) == side(newer, cuts)));
        sides.find_map(|run| choose(run, rule))
    })
}

/// How many cuts lie before a file.
fn side(file: &FileRef, cuts: &[u64]) -> usize {
    cuts.partition_point(|cut| *cut <= file.id.seq)
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
            id: FileId { seq, generation: 0, month: *month, class: 0 },
            bytes: *bytes,
            rollup_bytes: 0,
        };
        (0..).zip(sizes).map(file).collect()
    }

    fn chosen(sizes: &[(i64, u64)], whole: bool) -> Vec<u64> {
        let chosen = next(&files(sizes), &HashSet::new(), &[], whole);
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
        let seqs =
            next(&files, &apart, &[], false).map(|ids| ids.iter().map(|id| id.seq).collect::<Vec<_>>());
        assert_eq!(seqs, Some(vec![0, 1, 2, 3]));
    }

    #[test]
    fn neighbours_are_of_one_class_and_of_one_side_of_a_cut() {
        let mut files = files(&[(1, 5); 9]);
        files.iter_mut().step_by(2).for_each(|file| file.id.class = 3);
        let seqs = |files: &[FileRef], cuts: &[u64], whole| -> Vec<u64> {
            let chosen = next(files, &HashSet::new(), cuts, whole).unwrap_or_default();
            chosen.into_iter().map(|id| id.seq).collect()
        };
        assert_eq!(seqs(&files, &[], false), [1, 3, 5, 7]);
        assert_eq!(seqs(&files[2..], &[], false), [2, 4, 6, 8]);
        assert!(seqs(&files[2..], &[4], false).is_empty());
        assert_eq!(seqs(&files, &[4], true), [1, 3]);
        assert_eq!(seqs(&files[2..], &[0, 4, 4, 9], true), [5, 7]);
        files[5].bytes = 0;
        assert_eq!(seqs(&files[4..], &[], true), [4, 6, 8], "what has no readings is not merged");
    }

    #[test]
    fn a_reading_is_written_again_a_few_times_only() {
        let (mut all, mut written) = (Vec::new(), 0);
        for seq in 0..1_000 {
            let id = FileId { seq, generation: 0, month: 1, class: 0 };
            all.push(FileRef { id, bytes: 10, rollup_bytes: 0 });
            while let Some(run) = next(&all, &HashSet::new(), &[], false) {
                let bytes = all.iter().filter(|file| run.contains(&file.id)).map(|file| file.bytes).sum();
                all.retain(|file| !run.contains(&file.id));
                let last = run[run.len() - 1];
                let id = FileId { generation: last.generation + 1, ..last };
                all.push(FileRef { id, bytes, rollup_bytes: 0 });
                all.sort_by_key(|file| file.id);
                written += bytes;
            }
        }
        assert!(written < 10 * 10_000, "{written}");
        assert!(all.len() < 16, "{}", all.len());
    }
}
