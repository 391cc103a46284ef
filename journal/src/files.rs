//! The only door to the file system, small enough that tests can break every call of it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Name without the folder.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Last change, in ms since the epoch, UTC.
    pub modified_ms: i64,
}

/// What a journal needs of a file system. Calls block. Nothing is durable before its sync: file
/// contents and sizes before `sync_data`, names before `sync_dir`.
pub trait FileLayer: Clone + Send + Sync + 'static {
    /// An open file, readable and writable by several threads. Reading goes on after `remove`.
    type File: Send + Sync + 'static;
    /// Held as long as the lock.
    type Lock: Send + 'static;

    /// Makes a folder and those above it, unless it is there.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a new file; fails when it is there.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens a file that is there.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// Takes the space for `bytes` and sets the size; what was not written reads as zeros.
    fn preallocate(&self, file: &Self::File, bytes: u64) -> io::Result<()>;
    /// Writes all of `buffer`.
    fn write_at(&self, file: &Self::File, buffer: &[u8], offset: u64) -> io::Result<()>;
    /// Reads at most the length of `buffer`; fewer bytes only at the end of the file.
    fn read_at(&self, file: &Self::File, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Cuts the file, or extends it by zeros.
    fn set_len(&self, file: &Self::File, bytes: u64) -> io::Result<()>;
    /// Size in bytes.
    fn file_len(&self, file: &Self::File) -> io::Result<u64>;
    /// Last change, in ms since the epoch, UTC.
    fn modified_ms(&self, file: &Self::File) -> io::Result<i64>;
    /// Makes contents and size durable. After an error the contents must be taken as unknown.
    fn sync_data(&self, file: &Self::File) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Renames, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a name.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The files of a folder, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<FileEntry>>;
    /// Bytes that this user may still take on the file system of `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Takes the lock file for this process, or `None` when another has it.
    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>>;
    /// A clock that never goes back, from any start.
    fn monotonic(&self) -> Duration;
    /// A number that others cannot guess.
    fn entropy(&self) -> u64;
}

/// A lock on a folder's lock file. Unlocked when it goes, not only closed: a child process that is just being started has
/// a copy of the descriptor, and would hold the lock until it runs its program.
#[derive(Debug)]
pub struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Where it fails, closing the file does the same.
        let _ = self.0.unlock();
    }
}

/// The real file system.
#[derive(Clone, Debug)]
pub struct StdFiles {
    start: Instant,
}

impl StdFiles {
    /// The real file system.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the monotonic clock belongs to the file layer, so that tests can replace both"
    )]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for StdFiles {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) fn modified_ms(meta: &std::fs::Metadata) -> i64 {
    let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    modified.and_then(|d| i64::try_from(d.as_millis()).ok()).unwrap_or(0)
}

impl FileLayer for StdFiles {
    type File = File;
    type Lock = FolderLock;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    fn preallocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        match fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => Ok(()),
            // Some file systems (FAT, NFS) cannot: zeros take the space as well.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                let zeros = vec![0; 1 << 16];
                let mut at = 0;
                while at < bytes {
                    let part = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(zeros.len());
                    file.write_all_at(&zeros[..part], at)?;
                    at += part as u64;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write_at(&self, file: &File, buffer: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(buffer, offset)
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn set_len(&self, file: &File, bytes: u64) -> io::Result<()> {
        file.set_len(bytes)
    }

    fn file_len(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn modified_ms(&self, file: &File) -> io::Result<i64> {
        Ok(modified_ms(&file.metadata()?))
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<FileEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let meta = match entry.metadata() {
                // Removed since its name was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                meta => meta?,
            };
            if let (true, Ok(name)) = (meta.is_file(), entry.file_name().into_string()) {
                entries.push(FileEntry { name, bytes: meta.len(), modified_ms: modified_ms(&meta) });
            }
        }
        Ok(entries)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<FolderLock>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FolderLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn entropy(&self) -> u64 {
        use std::hash::{BuildHasher, Hasher};
        // The standard library seeds this from the system; it is the one source that needs no dependency.
        std::hash::RandomState::new().build_hasher().finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_folder_is_free_as_soon_as_its_lock_goes_whoever_has_a_copy_of_the_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let (files, path) = (StdFiles::new(), folder.path().join("lock"));
        let lock = files.lock(&path).unwrap().unwrap();
        assert!(files.lock(&path).unwrap().is_none());
        let copy = lock.0.try_clone().unwrap();
        drop(lock);
        assert!(files.lock(&path).unwrap().is_some());
        drop(copy);
    }
}
