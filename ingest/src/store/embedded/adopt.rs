//! A manifest that was lost is made anew from the files of the folder.

use std::io;
use std::path::{Path, PathBuf};

use pantau_journal::FileLayer;

use super::datafile::DataFile;
use super::manifest::{FileRef, Manifest};
use super::recover::scan;
use super::rollup::Rollup;

/// Takes every readable file of the folder into a manifest; the others are set aside, and told.
pub(crate) fn adopt<F: FileLayer>(
    files: &F,
    dir: &Path,
    manifest: &mut Manifest,
    damage: &mut Vec<String>,
) -> io::Result<()> {
    for (name, path) in listed(files, dir, "pts")? {
        match DataFile::open(files, &path) {
            Ok((file, _)) if file.id.name() == name => {
                put(manifest, FileRef::from(&file));
                scan(files, &file, &mut |entry| {
                    count(manifest, entry.summary.series, u64::from(entry.summary.count));
                })?;
            }
            Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
            _ => damage.push(set_aside(files, &name, &path, "damaged")?),
        }
    }
    adopt_rollups(files, dir, manifest, damage)?;
    manifest.files.sort_by_key(|file| file.id);
    Ok(())
}

/// Takes in the roll-ups of parts whose readings were dropped. All others are made anew, or were left alone by a crash amid
/// the removal of a part that was merged: the readings of those are in another one.
fn adopt_rollups<F: FileLayer>(
    files: &F,
    dir: &Path,
    manifest: &mut Manifest,
    damage: &mut Vec<String>,
) -> io::Result<()> {
    for (name, path) in listed(files, dir, "rol")? {
        match Rollup::open(files, &path) {
            Ok((rollup, mended)) if rollup.id.rollup_name() == name => {
                let id = rollup.id;
                // A part that takes another's place keeps its number: of the two, the readings say more.
                let same = |file: &FileRef| {
                    (file.id.seq, file.id.month, file.id.class) == (id.seq, id.month, id.class)
                };
                // Of one that is damaged it is not sure that it says nothing of dropped readings.
                let stray = !rollup.is_full() && mended.is_none();
                if stray || manifest.files.iter().any(same) {
                    files.remove(&path)?;
                    continue;
                }
                if !rollup.is_full() {
                    damage.push(set_aside(files, &name, &path, "rol.damaged")?);
                    continue;
                }
                put(manifest, FileRef { id, bytes: 0, rollup_bytes: rollup.bytes });
                let lost = rollup.extents(files, &(0..=u32::MAX), &mut |extent| {
                    count(manifest, extent.series, extent.count);
                })?;
                damage.extend(lost.into_iter().map(|lost| format!("data/{name}: {lost}")));
            }
            Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
            _ => damage.push(set_aside(files, &name, &path, "rol.damaged")?),
        }
    }
    Ok(())
}

/// The files of the data folder with an extension, by name and path.
fn listed<F: FileLayer>(files: &F, dir: &Path, extension: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let data = dir.join("data");
    let names = files.list(&data)?.into_iter().map(|file| file.name);
    let named = names.map(|name| (data.join(&name), name)).map(|(path, name)| (name, path));
    Ok(named.filter(|(_, path)| path.extension().is_some_and(|found| found == extension)).collect())
}

fn put(manifest: &mut Manifest, part: FileRef) {
    manifest.classes.adopt(part.id.class);
    manifest.next_file = manifest.next_file.max(part.id.seq + 1);
    manifest.files.push(part);
}

fn count(manifest: &mut Manifest, series: u32, readings: u64) {
    manifest.counters.readings += readings;
    manifest.counters.stored += readings;
    manifest.series = manifest.series.max(series.saturating_add(1));
}

/// Gives a file that cannot be read another extension, so that it is neither used nor removed; what to say of it.
fn set_aside<F: FileLayer>(files: &F, name: &str, path: &Path, extension: &str) -> io::Result<String> {
    files.rename(path, &path.with_extension(extension))?;
    Ok(format!("data/{name}: cannot be read; set aside as .damaged"))
}
