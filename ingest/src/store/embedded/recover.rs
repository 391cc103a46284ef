//! The steps of opening a store, each of which reports damage and goes on: manifest and names, data files, journal.

use std::io;
use std::path::Path;
use std::sync::Arc;

use pantau_journal::{FileLayer, Journal, Position, ReadError};

use super::adopt::adopt;
use super::catalog::Catalog;
use super::columns::Entry;
use super::datafile::DataFile;
use super::manifest::Manifest;
use super::names::NameLog;
use super::open::{Recovery, Replayed};
use super::pages::Pages;
use super::record;
use super::rollup::Rollup;
use super::state::State;
use crate::store::types::{NewSeries, SeriesId};

/// Manifest and names. A damaged manifest is set aside and made anew from what the folder holds.
pub(crate) fn load<F: FileLayer>(
    files: &F,
    dir: &Path,
    damage: &mut Vec<String>,
    catalog: &mut Catalog,
) -> io::Result<(Manifest, NameLog)> {
    let mut name = |series: NewSeries| catalog.insert_known(series);
    let found = match Manifest::load(files, dir) {
        // A new store. One whose manifest went missing must not be taken for new: its files would be left over.
        Ok(None) if !files.list(&dir.join("data"))?.iter().any(|file| is_part(&file.name)) => {
            let manifest = Manifest::default();
            manifest.store(files, dir)?;
            Ok(manifest)
        }
        Ok(None) => Err(io::Error::new(io::ErrorKind::InvalidData, "the manifest is missing")),
        Ok(Some(manifest)) => Ok(manifest),
        Err(error) => Err(error),
    };
    match found {
        Ok(manifest) => {
            let counted = Some((manifest.names_bytes, manifest.series));
            let (log, lost) = NameLog::open(files, dir, counted, &mut name)?;
            damage.extend(lost);
            Ok((manifest, log))
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            damage.push(format!(
                "MANIFEST: {error}; set aside as MANIFEST.damaged. Readings are kept; which positions are committed is \
                 known only from the journal, so gateways send again what they still have"
            ));
            match files.rename(&dir.join("MANIFEST"), &dir.join("MANIFEST.damaged")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let (log, lost) = NameLog::open(files, dir, None, &mut name)?;
            damage.extend(lost);
            let mut manifest = Manifest { names_bytes: log.bytes, series: log.series, ..Manifest::default() };
            adopt(files, dir, &mut manifest, damage)?;
            manifest.store(files, dir)?;
            Ok((manifest, log))
        }
        Err(error) => Err(error),
    }
}

/// Shows every block of a file's index, and tells what is damaged of it.
pub(crate) fn scan<F: FileLayer>(
    files: &F,
    file: &DataFile,
    see: &mut dyn FnMut(&Entry),
) -> io::Result<Option<String>> {
    if file.index.pages().is_empty() {
        return Ok(None);
    }
    let handle = file.handle(files)?;
    let (mut pages, mut damaged, mut missing) = (Pages::default(), 0, 0);
    while let Some(page) = pages.next(files, &handle, file)? {
        page.entries.iter().for_each(&mut *see);
        if let Some(blocks) = page.missing {
            damaged += 1;
            missing += blocks;
        }
    }
    Ok((damaged > 0).then(|| {
        format!(
            "{damaged} pages of its index are damaged; by walking, all of their blocks were found but {missing}"
        )
    }))
}

/// Opens the files of the manifest, from old to new, and removes what a crash left. `stored_last` gets the greatest time in
/// files of every series.
pub(crate) fn open_files<F: FileLayer>(
    files: &F,
    dir: &Path,
    manifest: &Manifest,
    state: &mut State,
    stored_last: &mut Vec<i64>,
    damage: &mut Vec<String>,
) -> io::Result<Vec<Arc<DataFile>>> {
    let data = dir.join("data");
    let mut opened = Vec::with_capacity(manifest.files.len());
    let mut kept = Vec::with_capacity(manifest.files.len());
    for wanted in &manifest.files {
        let name = wanted.id.name();
        let path = data.join(&name);
        let found = match wanted.bytes {
            0 => Ok((DataFile::dropped(wanted.id, path), None)),
            _ => DataFile::open(files, &path),
        };
        match found {
            Ok((mut file, mended)) => {
                damage.extend(mended.map(|mended| format!("data/{name}: {}", mended.detail)));
                if file.id != wanted.id {
                    damage.push(format!("data/{name}: the header names another file"));
                }
                let damaged = scan(files, &file, &mut |Entry { summary, .. }| {
                    let series = summary.series as usize;
                    state.grow(series + 1);
                    if stored_last.len() <= series {
                        stored_last.resize(state.slots.len(), i64::MIN);
                    }
                    if let (Some(slot), Some(last)) =
                        (state.slots.get_mut(series), stored_last.get_mut(series))
                    {
                        slot.note_block(summary);
                        *last = (*last).max(summary.last);
                    }
                })?;
                // What cannot be found of its blocks would go with it in a merge.
                file.walked |= damaged.is_some();
                damage.extend(damaged.map(|damaged| format!("data/{name}: {damaged}")));
                if wanted.rollup_bytes > 0 {
                    open_rollup(files, &data, &file, state, damage)?;
                }
                opened.push(Arc::new(file));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::NotFound) => {
                damage.push(format!("data/{name}: {error}"));
            }
            Err(error) => return Err(error),
        }
        if wanted.bytes > 0 {
            kept.push(name);
        }
        if wanted.rollup_bytes > 0 {
            kept.push(wanted.id.rollup_name());
        }
    }
    let left_over = |name: &String| name.ends_with(".tmp") || (is_part(name) && !kept.contains(name));
    let names = files.list(&data)?.into_iter().map(|listed| listed.name);
    let mut left_over: Vec<String> = names.filter(left_over).collect();
    // As when a part is removed in the running store, its readings go last.
    left_over.sort_by_key(|name| name.ends_with(".pts"));
    for name in left_over {
        files.remove(&data.join(name))?;
    }
    Ok(opened)
}

pub(crate) fn is_part(name: &str) -> bool {
    name.ends_with(".pts") || name.ends_with(".rol")
}

/// Opens the roll-up of a part. One that cannot be used is made anew from the readings; where those were dropped, it is all
/// that is known of their series.
fn open_rollup<F: FileLayer>(
    files: &F,
    data: &Path,
    part: &DataFile,
    state: &mut State,
    damage: &mut Vec<String>,
) -> io::Result<()> {
    let name = part.id.rollup_name();
    let rollup = match Rollup::open(files, &data.join(&name)) {
        // There are readings to make a whole one of.
        Ok((_, Some(mended))) if part.bytes > 0 => {
            damage.push(format!("data/{name}: {mended}; it is made anew"));
            return Ok(());
        }
        Ok((rollup, mended)) => {
            damage.extend(mended.map(|mended| format!("data/{name}: {mended}")));
            rollup
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::NotFound) => {
            let mend = if part.bytes > 0 { "; it is made anew" } else { "" };
            damage.push(format!("data/{name}: {error}{mend}"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if part.bytes == 0 {
        let lost = rollup.extents(files, &(0..=u32::MAX), &mut |extent| {
            state.grow(extent.series as usize + 1);
            if let Some(slot) = state.slots.get_mut(extent.series as usize) {
                slot.note_extent(&extent);
            }
        })?;
        damage.extend(lost.into_iter().map(|lost| format!("data/{name}: {lost}")));
    }
    let _ = part.rollup.set(rollup);
    Ok(())
}

/// Applies what the files do not cover, and shows everything to `on_replay`.
pub(crate) fn replay<F: FileLayer>(
    journal: &Journal<F>,
    kept: Position,
    state: &mut State,
    catalog: &mut Catalog,
    recovery: &mut Recovery,
    on_replay: &mut dyn FnMut(Replayed<'_>),
) -> io::Result<()> {
    let mut reader = journal.reader(kept);
    loop {
        let found = match reader.next() {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(ReadError::Io { source, .. }) => return Err(source),
            Err(error) => {
                recovery.damage.push(format!("journal: {error}"));
                continue;
            }
        };
        let position = found.first.0;
        let commit = match record::decode(found.bytes.as_ref()) {
            Ok(commit) => commit,
            Err(error) => {
                recovery.damage.push(format!("journal: the commit at {position} is left out: {error}"));
                continue;
            }
        };
        recovery.replayed_commits += 1;
        if position >= state.applied {
            for series in &commit.new_series {
                state.grow(series.id.index() + 1);
                if catalog.name_of(series.id).is_none() {
                    catalog.insert(series);
                }
            }
            // After damage a reading's series may have lost its name; its readings are kept under its number.
            let most = commit.readings.series.iter().max().copied().unwrap_or(SeriesId(0));
            if !commit.readings.is_empty() {
                state.grow(most.index() + 1);
            }
            state.apply(&commit, position + 1);
            recovery.replayed_readings += commit.readings.len() as u64;
        }
        on_replay(Replayed { position, commit: &commit });
    }
}
