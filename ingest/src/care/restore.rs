//! A data folder from a backup: all of it, or nothing that ingest would start on.

use super::{
    CareError, QUARANTINE, STORES, Sum, UNFINISHED, backup::is_free, copy, marker::Marker, sum, sync_dir,
};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

const MEND: &str = "remove what is there of it, make room or choose another folder, and restore again";

/// Restores `backup` into the empty or missing folder `data_dir`.
pub(super) fn restore(backup: &Path, data_dir: &Path) -> Result<Marker, CareError> {
    let marker = Marker::read(backup)?;
    if !is_free(data_dir).map_err(failed("read", data_dir))? {
        return Err(CareError::NotEmpty(data_dir.to_owned()));
    }
    for (path, expected) in &marker.files {
        let file = backup.join(path);
        let found = sum(&file).map_err(|error| damaged(&file, error.to_string()))?;
        if found != *expected {
            return Err(damaged(&file, differs(found, *expected)));
        }
    }
    let gathered = data_dir.join(UNFINISHED);
    let mut folders = BTreeSet::from([gathered.clone()]);
    for (path, _) in &marker.files {
        folders.extend(
            gathered.join(path).ancestors().skip(1).map(PathBuf::from).take_while(|f| *f != gathered),
        );
    }
    for folder in &folders {
        std::fs::create_dir_all(folder).map_err(failed("make", folder))?;
    }
    for (path, expected) in &marker.files {
        let (from, to) = (backup.join(path), gathered.join(path));
        let copied = copy(&from, &to, u64::MAX).map_err(failed("copy to", &to))?;
        if copied != *expected {
            return Err(damaged(&from, differs(copied, *expected)));
        }
    }
    for folder in &folders {
        sync_dir(folder).map_err(failed("sync", folder))?;
    }
    put_in_place(&gathered, data_dir).map_err(failed("put the files into", data_dir))?;
    Ok(marker)
}

/// Each folder gets its name in one step, and the mark of an unfinished restore goes after that.
fn put_in_place(gathered: &Path, data_dir: &Path) -> io::Result<()> {
    for name in STORES.into_iter().chain([QUARANTINE]) {
        match std::fs::rename(gathered.join(name), data_dir.join(name)) {
            // Not every data folder has each.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
    }
    sync_dir(data_dir)?;
    std::fs::remove_dir(gathered)?;
    sync_dir(data_dir)?;
    sync_dir(data_dir.parent().unwrap_or(Path::new("/")))
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CareError {
    let path = path.to_owned();
    move |source| CareError::Io { what, path, source, mend: MEND }
}

fn damaged(file: &Path, detail: String) -> CareError {
    let mend = "restore another backup; or mend this one from another copy of it";
    CareError::Unusable { file: file.to_owned(), detail, mend }
}

fn differs(found: Sum, expected: Sum) -> String {
    if found.bytes == expected.bytes {
        "its checksum is not the one in BACKUP: it is damaged".to_owned()
    } else {
        format!("it has {} bytes instead of {}", found.bytes, expected.bytes)
    }
}
