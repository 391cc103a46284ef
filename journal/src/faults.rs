//! Real files whose writes stay in this process until they are synced, so that SIGKILL loses what
//! was not synced, as a power cut would. With `drop_syncs` a sync is a lie. Only with the feature
//! `faults`: whole-system tests start real binaries on it to prove that they notice.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::files::{FileEntry, FileLayer, FolderLock, StdFiles};
use crate::ticket::lock;

type Writes = Mutex<Vec<(u64, Vec<u8>)>>;

/// The file layer. Clones share the unsynced writes.
#[derive(Clone, Debug, Default)]
pub struct VolatileFiles {
    real: StdFiles,
    /// Unsynced writes by path, shared by all handles of a file.
    unsynced: Arc<Mutex<HashMap<PathBuf, Arc<Writes>>>>,
    drop_syncs: Arc<AtomicBool>,
}

/// An open file of `VolatileFiles`.
#[derive(Debug)]
pub struct VolatileFile {
    real: File,
    unsynced: Arc<Writes>,
}

impl VolatileFiles {
    /// Real files, honest syncs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Mutation: from now on syncs answer Ok and write nothing.
    pub fn drop_syncs(&self, on: bool) {
        self.drop_syncs.store(on, Ordering::SeqCst);
    }

    fn handle(&self, path: &Path, real: File) -> VolatileFile {
        let unsynced = Arc::clone(lock(&self.unsynced).entry(path.to_owned()).or_default());
        VolatileFile { real, unsynced }
    }
}

impl FileLayer for VolatileFiles {
    type File = VolatileFile;
    type Lock = FolderLock;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.real.create_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<VolatileFile> {
        let real = self.real.create(path)?;
        lock(&self.unsynced).remove(path);
        Ok(self.handle(path, real))
    }

    fn open(&self, path: &Path) -> io::Result<VolatileFile> {
        let real = self.real.open(path)?;
        Ok(self.handle(path, real))
    }

    fn preallocate(&self, file: &VolatileFile, bytes: u64) -> io::Result<()> {
        self.real.preallocate(&file.real, bytes)
    }

    fn write_at(&self, file: &VolatileFile, buffer: &[u8], offset: u64) -> io::Result<()> {
        lock(&file.unsynced).push((offset, buffer.to_vec()));
        Ok(())
    }

    fn read_at(&self, file: &VolatileFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let unsynced = lock(&file.unsynced);
        let mut done = self.real.read_at(&file.real, buffer, offset)?;
        buffer[done..].fill(0);
        for (at, bytes) in unsynced.iter() {
            let (start, end) = (offset.max(*at), (offset + buffer.len() as u64).min(at + bytes.len() as u64));
            if start < end {
                let place = |from: u64, to: u64| usize::try_from(to - from).unwrap_or(0);
                let (into, out) =
                    (place(offset, start)..place(offset, end), place(*at, start)..place(*at, end));
                done = done.max(into.end);
                buffer[into].copy_from_slice(&bytes[out]);
            }
        }
        Ok(done)
    }

    fn set_len(&self, file: &VolatileFile, bytes: u64) -> io::Result<()> {
        lock(&file.unsynced).retain(|(at, data)| at + data.len() as u64 <= bytes);
        self.real.set_len(&file.real, bytes)
    }

    fn file_len(&self, file: &VolatileFile) -> io::Result<u64> {
        let longest = lock(&file.unsynced).iter().map(|(at, b)| at + b.len() as u64).max().unwrap_or(0);
        Ok(self.real.file_len(&file.real)?.max(longest))
    }

    fn modified_ms(&self, file: &VolatileFile) -> io::Result<i64> {
        self.real.modified_ms(&file.real)
    }

    fn sync_data(&self, file: &VolatileFile) -> io::Result<()> {
        if self.drop_syncs.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut unsynced = lock(&file.unsynced);
        for (at, bytes) in unsynced.iter() {
            self.real.write_at(&file.real, bytes, *at)?;
        }
        unsynced.clear();
        self.real.sync_data(&file.real)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.real.sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename(from, to)?;
        let mut unsynced = lock(&self.unsynced);
        match unsynced.remove(from) {
            Some(writes) => unsynced.insert(to.to_owned(), writes),
            None => unsynced.remove(to),
        };
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.real.remove(path)?;
        lock(&self.unsynced).remove(path);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<FileEntry>> {
        self.real.list(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.real.free_bytes(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<FolderLock>> {
        self.real.lock(path)
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic()
    }

    fn entropy(&self) -> u64 {
        self.real.entropy()
    }
}
