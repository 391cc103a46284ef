//! A consistent copy of the store's folder, made from outside while an ingest writes in it.
//!
//! ```text
//! MANIFEST ─► data files it names ─► series.log, the bytes it counts ─► journal ─► does the journal go on where the files end?
//!     ▲           └─ gone: a merge replaced it ─┐                                       │ yes: the manifest as it was read
//!     └──────────── again, what is copied stays ┴──────────────── no: it was freed ─────┘
//! ```
//! What always holds: everything synced before the call is in the copy, because each piece is read after it, and the
//! journal after the files. Files are immutable and their names are not used again, so that later rounds only add.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pantau_journal::{ReadOnlyFiles, StdFiles, inspect};

use super::manifest::Manifest;
use crate::care::{Sum, copy, link_or_copy, sum, sync_dir};

/// Rounds before it is given up. Each costs only what was written since the one before.
const ROUNDS: u32 = 20;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is nothing to copy.
    #[error(
        "{} has no manifest\n  mend: name the folder that `data_dir` names in ingest's configuration; if it is that, run verify", .0.display()
    )]
    NoStore(PathBuf),
    /// The manifest cannot be understood.
    #[error(
        "{}: {source}\n  mend: start ingest again, which makes the manifest anew from the data files", path.display()
    )]
    Manifest {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The manifest cannot be read.
    #[error(
        "cannot read {}: {source}\n  mend: run this as a user that may read the folder, such as the one that ingest runs as", path.display()
    )]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The journal was written by a newer release, or cannot be read.
    #[error("the store's journal: {0}")]
    Journal(#[from] pantau_journal::OpenError),
    /// The file system failed.
    #[error(
        "cannot copy {}: {source}\n  mend: remove what is there of the copy; then make room, or run this as the user that ingest runs as", path.display()
    )]
    Io {
        /// From or to where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Files come and go too fast.
    #[error("the files of {} are replaced faster than they can be copied\n  mend: try again later", .0.display())]
    Restless(PathBuf),
}

/// A copy that is complete and synced.
#[derive(Debug)]
pub(crate) struct Copied {
    /// Its files, by their paths in the folder.
    pub(crate) files: Vec<(String, Sum)>,
    /// Bytes that are second names, not copies.
    pub(crate) linked: u64,
    /// What the store itself has lost.
    pub(crate) lacking: Vec<String>,
}

/// Copies the store in `from` to `to`, which has no such files yet.
pub(crate) fn copy_store(from: &Path, to: &Path) -> Result<Copied, CopyError> {
    let mut copier = Copier::begin(from, to)?;
    for _ in 0..ROUNDS {
        copier.lacking.clear();
        let manifest = copier.manifest()?;
        let Some(data) = copier.data_files(&manifest)? else { continue };
        let names = copier.names(&manifest)?;
        let Some(journal) = copier.journal(&manifest)? else { continue };
        return copier.finish(&manifest, data.into_iter().chain(names).chain(journal).collect());
    }
    Err(CopyError::Restless(from.to_owned()))
}

/// A copy under way: the steps of a round, apart so that tests can put a flush or a merge between them.
pub(super) struct Copier<'a> {
    from: &'a Path,
    to: &'a Path,
    files: ReadOnlyFiles,
    /// What is copied: size, checksum, and whether it is a link.
    data: BTreeMap<String, (Sum, bool)>,
    lacking: Vec<String>,
}

impl<'a> Copier<'a> {
    pub(super) fn begin(from: &'a Path, to: &'a Path) -> Result<Self, CopyError> {
        let files = ReadOnlyFiles::new();
        let copier = Self { from, to, files, data: BTreeMap::new(), lacking: Vec::new() };
        // Before anything is made in the target.
        copier.manifest()?;
        for folder in ["data", "journal"] {
            let folder = to.join(folder);
            fs::create_dir_all(&folder).map_err(failed(&folder))?;
        }
        Ok(copier)
    }

    pub(super) fn manifest(&self) -> Result<Manifest, CopyError> {
        let path = || self.from.join("MANIFEST");
        match Manifest::load(&self.files, self.from) {
            Ok(Some(manifest)) => Ok(manifest),
            Ok(None) => Err(CopyError::NoStore(self.from.to_owned())),
            Err(source) if source.kind() == io::ErrorKind::InvalidData => {
                Err(CopyError::Manifest { path: path(), source })
            }
            Err(source) => Err(CopyError::Io { path: path(), source }),
        }
    }

    /// The files of a manifest; `None` when one of them was replaced meanwhile.
    pub(super) fn data_files(
        &mut self,
        manifest: &Manifest,
    ) -> Result<Option<Vec<(String, Sum)>>, CopyError> {
        let mut files = Vec::with_capacity(manifest.files.len());
        for (file, name) in
            manifest.files.iter().flat_map(|file| file.names().map(move |(name, _)| (file, name)))
        {
            let name = format!("data/{name}");
            if let Some((sum, _)) = self.data.get(&name) {
                files.push((name, *sum));
                continue;
            }
            match link_or_copy(&self.from.join(&name), &self.to.join(&name)) {
                Ok((sum, linked)) => {
                    self.data.insert(name.clone(), (sum, linked));
                    files.push((name, sum));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if !self.manifest()?.files.contains(file) {
                        return Ok(None);
                    }
                    self.lacking.push(name);
                }
                Err(source) => return Err(CopyError::Io { path: self.from.join(&name), source }),
            }
        }
        Ok(Some(files))
    }

    fn names(&mut self, manifest: &Manifest) -> Result<Option<(String, Sum)>, CopyError> {
        const NAME: &str = "series.log";
        let (from, to) = (self.from.join(NAME), self.to.join(NAME));
        remove(&to).map_err(failed(&to))?;
        if manifest.names_bytes == 0 {
            return Ok(None);
        }
        match copy(&from, &to, manifest.names_bytes) {
            Ok(sum) => {
                if sum.bytes < manifest.names_bytes {
                    self.lacking.push(format!("the end of {NAME}"));
                }
                Ok(Some((NAME.to_owned(), sum)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.lacking.push(NAME.to_owned());
                Ok(None)
            }
            Err(source) => Err(CopyError::Io { path: from, source }),
        }
    }

    /// The journal as it is now; `None` when it no longer begins where the files of `manifest` end.
    pub(super) fn journal(&mut self, manifest: &Manifest) -> Result<Option<Vec<(String, Sum)>>, CopyError> {
        let (from, to) = (self.from.join("journal"), self.to.join("journal"));
        for entry in fs::read_dir(&to).map_err(failed(&to))? {
            let path = entry.map_err(failed(&to))?.path();
            remove(&path).map_err(failed(&path))?;
        }
        let found = inspect(&self.files, &from, &mut |_, _| {})?;
        let mut copied = Vec::with_capacity(found.segments.len());
        for segment in &found.segments {
            let name = segment.path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            match copy(&segment.path, &to.join(&name), segment.bytes) {
                Ok(sum) => copied.push((format!("journal/{name}"), sum)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(source) => return Err(CopyError::Io { path: segment.path.clone(), source }),
            }
        }
        let begins = found.kept().map_or(0, |kept| kept.0);
        if begins > manifest.covered {
            if self.manifest()?.covered > manifest.covered {
                return Ok(None);
            }
            self.lacking.push(format!("the commits {} to {begins} of the journal", manifest.covered));
        }
        Ok(Some(copied))
    }

    /// Leaves what the manifest names, writes it, and makes all names durable.
    fn finish(self, manifest: &Manifest, mut files: Vec<(String, Sum)>) -> Result<Copied, CopyError> {
        let mut linked = 0;
        let kept: HashSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        for (name, (sum, is_link)) in &self.data {
            if kept.contains(name.as_str()) {
                linked += if *is_link { sum.bytes } else { 0 };
            } else {
                let path = self.to.join(name);
                remove(&path).map_err(failed(&path))?;
            }
        }
        for folder in ["data", "journal"] {
            let folder = self.to.join(folder);
            sync_dir(&folder).map_err(failed(&folder))?;
        }
        let path = self.to.join("MANIFEST");
        manifest.store(&StdFiles::new(), self.to).map_err(failed(&path))?;
        files.push(("MANIFEST".to_owned(), sum(&path).map_err(failed(&path))?));
        if let Some(parent) = self.to.parent() {
            sync_dir(parent).map_err(failed(parent))?;
        }
        Ok(Copied { files, linked, lacking: self.lacking })
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> CopyError {
    let path = path.to_owned();
    move |source| CopyError::Io { path, source }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
