//! Reads every byte of a store that counts, and tells what is damaged, what that costs and what mends it.
//!
//! What always holds: nothing is written and no lock taken, so that it works beside a running ingest and on a medium that
//! cannot be written. What another process replaces or frees meanwhile is no damage: the manifest is read again. One block
//! or record is in memory at a time, beside one file's index.
//!
//! What does not count, and is not looked at: `*.tmp` and files that the manifest does not name (a crash left them, the next
//! start removes them), what was set aside as `*.damaged`, the journal's `*.spare`, and what stands behind the end of
//! `series.log` and of the journal's last commit.

mod data;
mod journal;
mod names;
mod report;
mod rollup;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pantau_journal::FileLayer;

pub(crate) use report::{Checked, Finding};

use super::manifest::{FileRef, Manifest};
use super::recover::is_part;

/// So often files may vanish under the check because others took their place.
const ROUNDS: u32 = 32;

/// Why a store cannot be checked. Damage is no reason.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is none.
    #[error(
        "{} holds no store: neither a manifest nor data files\n  mend: name the folder that `data_dir` names in ingest's configuration", .0.display()
    )]
    NoStore(PathBuf),
    /// It was written by a newer release.
    #[error("the store's journal: {0}")]
    Journal(#[from] pantau_journal::OpenError),
    /// It may not be read.
    #[error("{}: {source}\n  mend: run this as a user that may read the folder, such as the one that ingest runs as", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Files come and go too fast.
    #[error("the files of {} are replaced faster than they can be read\n  mend: try again later", .0.display())]
    Restless(PathBuf),
}

/// A check under way.
struct Look<'a, F: FileLayer> {
    files: &'a F,
    dir: &'a Path,
    told: &'a mut dyn FnMut(Finding),
    checked: Checked,
    /// Read when the first finding needs a name.
    names: Option<HashMap<u32, Arc<str>>>,
}

/// Checks the store in `dir`, telling each finding as it is found. Names of files are relative to `dir`.
///
/// # Errors
/// When there is no store, or it cannot be read at all. Never because of damage.
pub(crate) fn verify<F: FileLayer>(
    files: &F,
    dir: &Path,
    told: &mut dyn FnMut(Finding),
) -> Result<Checked, VerifyError> {
    let mut look = Look { files, dir, told, checked: Checked::default(), names: None };
    let manifest = look.manifest()?;
    names::check(&mut look, manifest.as_ref())?;
    look.data_files(manifest.as_ref())?;
    journal::check(&mut look, manifest.as_ref())?;
    Ok(look.checked)
}

impl<F: FileLayer> Look<'_, F> {
    fn tell(&mut self, finding: Finding) {
        self.checked.findings += 1;
        (self.told)(finding);
    }

    fn io(&self, name: &str, source: io::Error) -> VerifyError {
        VerifyError::Io { path: self.dir.join(name), source }
    }

    /// The manifest, unless it is damaged or missing; that is told.
    fn manifest(&mut self) -> Result<Option<Manifest>, VerifyError> {
        const NAME: &str = "MANIFEST";
        let what = match Manifest::load(self.files, self.dir) {
            Ok(Some(manifest)) => {
                let file = self.files.open(&self.dir.join(NAME)).and_then(|file| self.files.file_len(&file));
                self.checked.files += 1;
                self.checked.bytes += file.unwrap_or(0);
                return Ok(Some(manifest));
            }
            Ok(None) if self.listed()?.is_empty() => return Err(VerifyError::NoStore(self.dir.to_owned())),
            Ok(None) => "it is missing beside data files".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(self.io(NAME, error));
            }
            Err(error) => error.to_string(),
        };
        self.tell(Finding {
            file: NAME.to_owned(),
            offset: Some(0),
            what,
            cost: "no reading, but which positions are committed and the counters: gateways send again what they still \
                   have, and what is stored already is then counted as duplicates"
                .to_owned(),
            mend: "restore a backup; or start ingest: it makes the manifest anew from the data files".to_owned(),
        });
        Ok(None)
    }

    /// Data files in the folder.
    fn listed(&self) -> Result<Vec<String>, VerifyError> {
        match self.files.list(&self.dir.join("data")) {
            Ok(listed) => Ok(listed.into_iter().map(|file| file.name).filter(|name| is_part(name)).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.io("data", error)),
        }
    }

    /// The data files that count, until none of them vanished because another took its place.
    fn data_files(&mut self, manifest: Option<&Manifest>) -> Result<(), VerifyError> {
        let mut wanted = match manifest {
            Some(manifest) => named(manifest),
            None => self.listed()?.into_iter().map(|name| (name, None)).collect(),
        };
        // What each file came to. Of one whose place another takes meanwhile nothing counts: its readings are in that one.
        let mut done: HashMap<String, Checked> = HashMap::new();
        for _ in 0..ROUNDS {
            let mut vanished = Vec::new();
            for (name, bytes) in &wanted {
                if done.contains_key(name) {
                    continue;
                }
                let before = std::mem::take(&mut self.checked);
                let checked = if name.ends_with(".rol") {
                    rollup::check(self, name, *bytes)
                } else {
                    data::check(self, name, *bytes)
                };
                let of_file = std::mem::replace(&mut self.checked, before);
                self.checked.findings += of_file.findings;
                match checked {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        vanished.push((name.clone(), *bytes));
                    }
                    Err(error) => return Err(self.io(&format!("data/{name}"), error)),
                }
                done.insert(name.clone(), Checked { findings: 0, ..of_file });
            }
            if vanished.is_empty() {
                wanted
                    .iter()
                    .filter_map(|(name, _)| done.get(name))
                    .for_each(|of_file| self.checked += *of_file);
                return Ok(());
            }
            let now = Manifest::load(self.files, self.dir).ok().flatten();
            wanted = now.as_ref().map_or(wanted, named);
            for (name, bytes) in vanished {
                if now.is_none() || wanted.iter().any(|(still, _)| *still == name) {
                    self.tell_missing(&name, bytes);
                }
            }
        }
        Err(VerifyError::Restless(self.dir.join("data")))
    }

    fn tell_missing(&mut self, name: &str, bytes: Option<u64>) {
        let bytes = bytes.map_or_else(String::new, |bytes| format!(" ({bytes} bytes)"));
        self.tell(Finding {
            file: format!("data/{name}"),
            offset: None,
            what: "the file is missing".to_owned(),
            cost: format!("all readings in it{bytes}"),
            mend: report::COPY_BACK.to_owned(),
        });
    }

    /// What people call a series.
    fn name(&mut self, series: u32) -> String {
        let (files, dir) = (self.files, self.dir);
        let names = self.names.get_or_insert_with(|| names::read(files, dir));
        names.get(&series).map_or_else(|| format!("series number {series}"), |name| name.to_string())
    }
}

/// Names and sizes of the files that a manifest names.
fn named(manifest: &Manifest) -> Vec<(String, Option<u64>)> {
    manifest.files.iter().flat_map(FileRef::names).map(|(name, bytes)| (name, Some(bytes))).collect()
}
