//! A disk in memory that fails as disks do, for this crate's tests and those of others.
//!
//! Every file has what a reader sees (the page cache) and what is durable. Between the two lie the
//! writes that no sync has covered: `crash` loses all of them or tears them sector by sector, `kill`
//! keeps the page cache. A failed sync behaves as on Linux: the data stays visible, is no longer
//! dirty, and no later sync brings it to the disk. Names become durable by `sync_dir` only.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

mod disk;

use crate::files::{FileEntry, FileLayer};
use crate::ticket::lock;
use disk::{Change, Disk, NameChange};

/// What a power cut leaves of the writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// Nothing.
    LoseAll,
    /// Everything.
    KeepAll,
    /// Any sectors of 512 bytes, chosen by this seed.
    Tear(u64),
}

/// A handle on the disk in memory. Clones share it; `crash` and `kill` make all older handles fail.
#[derive(Clone)]
pub struct SimFiles {
    disk: Arc<Mutex<Disk>>,
    generation: u64,
    start: Instant,
}

/// An open file of `SimFiles`.
#[derive(Debug)]
pub struct SimFile {
    inode: u64,
    generation: u64,
}

/// Gives the lock back when dropped.
pub struct SimLock {
    files: SimFiles,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut disk = lock(&self.files.disk);
        if disk.generation == self.files.generation {
            disk.locks.remove(&self.path);
        }
    }
}

impl Default for SimFiles {
    fn default() -> Self {
        Self::new()
    }
}

impl SimFiles {
    /// An empty disk without a bound.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the monotonic clock belongs to the file layer")]
    pub fn new() -> Self {
        Self { disk: Arc::new(Mutex::new(Disk::new())), generation: 0, start: Instant::now() }
    }

    /// The machine loses power and starts again: answers the disk after it.
    #[must_use]
    pub fn crash(&self, cut: PowerCut) -> Self {
        lock(&self.disk).crash(cut);
        self.next()
    }

    /// The process is killed: the page cache stays. Answers the handle of the next process.
    #[must_use]
    pub fn kill(&self) -> Self {
        lock(&self.disk).kill();
        self.next()
    }

    fn next(&self) -> Self {
        let generation = lock(&self.disk).generation;
        Self { disk: Arc::clone(&self.disk), generation, start: self.start }
    }

    /// A disk of its own with the same contents, everything durable, no faults.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        for path in self.paths() {
            copy.set_contents(&path, self.contents(&path).unwrap_or_default());
        }
        copy
    }

    /// From now on at most so many bytes in files; beyond it `ENOSPC`.
    pub fn set_capacity(&self, bytes: u64) {
        lock(&self.disk).capacity = bytes;
    }

    /// After `after` more writes one fails with `EIO`, half written.
    pub fn fail_write(&self, after: u64) {
        lock(&self.disk).fail_write = Some(after);
    }

    /// After `after` more syncs (of files and folders) one fails with `EIO`.
    pub fn fail_sync(&self, after: u64) {
        lock(&self.disk).fail_sync = Some(after);
    }

    /// Reads fail with `EIO` while set.
    pub fn fail_reads(&self, on: bool) {
        lock(&self.disk).fail_reads = on;
    }

    /// Mutation: syncs answer Ok and do nothing while set.
    pub fn drop_syncs(&self, on: bool) {
        lock(&self.disk).drop_syncs = on;
    }

    /// Syncs that reached the disk.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        lock(&self.disk).syncs
    }

    /// All files, sorted by path.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        lock(&self.disk).names.keys().cloned().collect()
    }

    /// What a reader sees in a file.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let disk = lock(&self.disk);
        disk.names.get(path).and_then(|inode| disk.inodes.get(inode)).map(|i| i.current.clone())
    }

    /// Makes or replaces a file, durably.
    pub fn set_contents(&self, path: &Path, bytes: Vec<u8>) {
        lock(&self.disk).set_contents(path, bytes);
    }

    /// Flips bits of one byte, on the disk and in the page cache.
    pub fn flip(&self, path: &Path, offset: usize, mask: u8) {
        if let Some(mut bytes) = self.contents(path) {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= mask;
            }
            self.set_contents(path, bytes);
        }
    }

    fn live(&self) -> io::Result<std::sync::MutexGuard<'_, Disk>> {
        let disk = lock(&self.disk);
        if disk.generation == self.generation {
            Ok(disk)
        } else {
            Err(io::Error::other("the process that had this disk is gone"))
        }
    }

    fn live_file(&self, file: &SimFile) -> io::Result<std::sync::MutexGuard<'_, Disk>> {
        let disk = self.live()?;
        if file.generation == disk.generation {
            Ok(disk)
        } else {
            Err(io::Error::other("the process that opened this file is gone"))
        }
    }
}

impl FileLayer for SimFiles {
    type File = SimFile;
    type Lock = SimLock;

    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        self.live().map(drop)
    }

    fn create(&self, path: &Path) -> io::Result<SimFile> {
        let mut disk = self.live()?;
        if disk.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = disk.new_inode();
        disk.change_name(NameChange::Link(path.to_owned(), inode));
        Ok(SimFile { inode, generation: self.generation })
    }

    fn open(&self, path: &Path) -> io::Result<SimFile> {
        let disk = self.live()?;
        let inode = *disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(SimFile { inode, generation: self.generation })
    }

    fn preallocate(&self, file: &SimFile, bytes: u64) -> io::Result<()> {
        self.live_file(file)?.resize(file.inode, bytes, true)
    }

    fn write_at(&self, file: &SimFile, buffer: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = self.live_file(file)?;
        let fails = Disk::due(&mut disk.fail_write);
        let part = if fails { &buffer[..buffer.len() / 2] } else { buffer };
        disk.change(file.inode, Change::Write(offset, part.to_vec()))?;
        if fails { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }

    fn read_at(&self, file: &SimFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let disk = self.live_file(file)?;
        if disk.fail_reads {
            return Err(io::Error::from_raw_os_error(5));
        }
        let current = disk.inodes.get(&file.inode).map_or(&[][..], |i| &i.current);
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(current.len());
        let part = buffer.len().min(current.len() - start);
        buffer[..part].copy_from_slice(&current[start..start + part]);
        Ok(part)
    }

    fn set_len(&self, file: &SimFile, bytes: u64) -> io::Result<()> {
        self.live_file(file)?.resize(file.inode, bytes, false)
    }

    fn file_len(&self, file: &SimFile) -> io::Result<u64> {
        Ok(self.live_file(file)?.inodes.get(&file.inode).map_or(0, |i| i.current.len() as u64))
    }

    fn modified_ms(&self, file: &SimFile) -> io::Result<i64> {
        Ok(self.live_file(file)?.inodes.get(&file.inode).map_or(0, |i| i.modified_ms))
    }

    fn sync_data(&self, file: &SimFile) -> io::Result<()> {
        self.live_file(file)?.sync(file.inode)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.live()?.sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.live()?;
        if !disk.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        disk.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.live()?;
        if !disk.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        disk.change_name(NameChange::Unlink(path.to_owned()));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<FileEntry>> {
        Ok(self.live()?.list(path))
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        let disk = self.live()?;
        Ok(disk.capacity.saturating_sub(disk.used()))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<SimLock>> {
        let taken = self.live()?.locks.insert(path.to_owned());
        Ok(taken.then(|| SimLock { files: self.clone(), path: path.to_owned() }))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn entropy(&self) -> u64 {
        lock(&self.disk).random()
    }
}
