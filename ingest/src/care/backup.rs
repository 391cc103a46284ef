//! A consistent copy of the data folder, made beside a running ingest.
//!
//! What always holds: everything acknowledged before the call is in the copy. The store's files come first, its journal
//! after them (so that the journal goes on where the files end), the quarantine last: what the journal freed since then is in
//! it, and what it has beyond the journal is indexed again to no effect when the gateways send it again.

use super::{CareError, QUARANTINE, marker::Marker, stores, sum, sync_dir};
use crate::{quarantine, store::embedded};
use pantau_proto::TimeMs;
use std::{io, path::Path};

/// A backup that is complete.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) marker: Marker,
    /// Bytes that are a second name of a file of the store, not a copy.
    pub(super) linked: u64,
    /// What the store itself has lost, and the copy therefore lacks.
    pub(super) lacking: Vec<String>,
}

const MEND: &str = "remove what is there of the backup, make room or choose another folder, and try again";

/// Copies `data_dir` to the empty or missing folder `target`.
pub(super) async fn backup(data_dir: &Path, target: &Path, made: TimeMs) -> Result<Done, CareError> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| CareError::Io { what, path, source, mend: MEND }
    };
    if !is_free(target).map_err(failed("read", target))? {
        return Err(CareError::NotEmpty(target.to_owned()));
    }
    let (mut files, mut linked, mut lacking) = (Vec::new(), 0, Vec::new());
    for store in stores(data_dir) {
        let copied = embedded::copy_store(&data_dir.join(store), &target.join(store))?;
        files.extend(copied.files.into_iter().map(|(path, sum)| (format!("{store}/{path}"), sum)));
        lacking.extend(copied.lacking.into_iter().map(|what| format!("{store}/{what}")));
        linked += copied.linked;
    }
    let (database, copy) = (data_dir.join(QUARANTINE), target.join(QUARANTINE));
    if database.exists() {
        quarantine::copy(&database, &copy).await?;
        let synced = std::fs::File::open(&copy).and_then(|file| file.sync_all());
        synced.map_err(failed("sync", &copy))?;
        files.push((QUARANTINE.to_owned(), sum(&copy).map_err(failed("read", &copy))?));
    }
    let marker = Marker::new(made, files);
    let parent = target.parent().unwrap_or(Path::new("/"));
    let marked = sync_dir(target).and_then(|()| sync_dir(parent)).and_then(|()| marker.write(target));
    marked.map_err(failed("finish", target))?;
    Ok(Done { marker, linked, lacking })
}

/// Whether a folder is empty or not there yet.
pub(super) fn is_free(dir: &Path) -> io::Result<bool> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
