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

/// A file written from front to back under a temporary name, that counts only once it is finished.
pub(crate) struct Sink<F: FileLayer> {
    files: F,
    file: F::File,
    path: PathBuf,
    /// What is not yet handed to the system; bytes are added here.
    pub(crate) buffer: Vec<u8>,
    written: u64,
    synced: u64,
}

impl<F: FileLayer> Sink<F> {
    /// Begins a file that will have the name `path`.
    pub(crate) fn create(files: &F, path: PathBuf) -> io::Result<Self> {
        let file = create_anew(files, &temporary(&path))?;
        Ok(Self { files: files.clone(), file, path, buffer: Vec::new(), written: 0, synced: 0 })
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Hands a full buffer to the system, and syncs now and then: one sync of a large file at its end would hold up the
    /// syncs of the journal.
    pub(crate) fn write_some(&mut self) -> io::Result<()> {
        const BUFFER: usize = 256 << 10;
        const SYNC: u64 = 8 << 20;
        if self.buffer.len() < BUFFER {
            return Ok(());
        }
        self.write_out()?;
        if self.written - self.synced >= SYNC {
            self.files.sync_data(&self.file)?;
            self.synced = self.written;
        }
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.files.write_at(&self.file, &self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Fsync and rename; its name and size. The caller syncs the folder before it relies on the name.
    pub(crate) fn finish(mut self) -> io::Result<(PathBuf, u64)> {
        self.write_out()?;
        self.files.sync_data(&self.file)?;
        self.files.rename(&temporary(&self.path), &self.path)?;
        Ok((self.path, self.written))
    }

    /// Ends without a file.
    pub(crate) fn abandon(self) {
        // What stays is removed by the next opening.
        let _ = self.files.remove(&temporary(&self.path));
    }
}
