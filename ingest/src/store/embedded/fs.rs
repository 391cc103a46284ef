//! The two ways in which the engine writes files: all at once and atomically, or piece by piece. Exists so that the order
//! "contents, fsync, rename, fsync of the folder" is written once.

use std::io;
use std::path::{Path, PathBuf};

use pantau_journal::FileLayer;

/// Whole contents of a file.
pub(crate) fn read_all<F: FileLayer>(files: &F, path: &Path) -> io::Result<Vec<u8>> {
    let file = files.open(path)?;
    let len = usize::try_from(files.file_len(&file)?).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    let read = files.read_at(&file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Makes a file afresh, also when one of that name was left by a crash.
pub(crate) fn create_anew<F: FileLayer>(files: &F, path: &Path) -> io::Result<F::File> {
    match files.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            files.remove(path)?;
            files.create(path)
        }
        other => other,
    }
}

/// Replaces a file atomically: after a crash it has the old contents or the new ones.
pub(crate) fn replace<F: FileLayer>(files: &F, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let file = create_anew(files, &temporary)?;
    files.write_at(&file, bytes, 0)?;
    files.sync_data(&file)?;
    files.rename(&temporary, path)?;
    files.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// The name under which a file is written before it is whole.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}
