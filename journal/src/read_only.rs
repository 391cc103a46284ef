//! Real files that can be read and nothing else: for a look at a folder that is another process's, or a medium that
//! cannot be written. Whatever would change anything fails.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::files::{FileEntry, FileLayer, StdFiles};

/// The real file system, for reading only.
#[derive(Clone, Debug, Default)]
pub struct ReadOnlyFiles(StdFiles);

impl ReadOnlyFiles {
    /// The real file system, for reading only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

fn refused<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "these files are opened for reading only"))
}

impl FileLayer for ReadOnlyFiles {
    type File = File;
    type Lock = Infallible;

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn create(&self, _: &Path) -> io::Result<File> {
        refused()
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn preallocate(&self, _: &File, _: u64) -> io::Result<()> {
        refused()
    }

    fn write_at(&self, _: &File, _: &[u8], _: u64) -> io::Result<()> {
        refused()
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(file, buffer, offset)
    }

    fn set_len(&self, _: &File, _: u64) -> io::Result<()> {
        refused()
    }

    fn file_len(&self, file: &File) -> io::Result<u64> {
        self.0.file_len(file)
    }

    fn modified_ms(&self, file: &File) -> io::Result<i64> {
        self.0.modified_ms(file)
    }

    fn sync_data(&self, _: &File) -> io::Result<()> {
        refused()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<FileEntry>> {
        self.0.list(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.0.free_bytes(path)
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Infallible>> {
        refused()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn entropy(&self) -> u64 {
        self.0.entropy()
    }
}
