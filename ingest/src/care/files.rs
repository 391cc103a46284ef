//! Copies of whole files, synced, with their checksums.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

const BUFFER: usize = 256 << 10;

/// Size and CRC-32C of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
}

/// Copies the first `most` bytes of `from` to the new file `to`, and syncs it. Sparse ends are not kept.
pub(crate) fn copy(from: &Path, to: &Path, most: u64) -> io::Result<Sum> {
    let source = File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).open(to)?;
    let sum = pass(source.take(most), |part| target.write_all(part))?;
    target.sync_all()?;
    Ok(sum)
}

/// Gives an immutable, synced file a second name where that is possible, and copies it elsewhere. Tells whether it is a link.
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> io::Result<(Sum, bool)> {
    match std::fs::hard_link(from, to) {
        Ok(()) => Ok((sum(to)?, true)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        // Another file system, or one that has no links, or a user who may not.
        Err(_) => Ok((copy(from, to, u64::MAX)?, false)),
    }
}

/// Size and checksum of a file.
pub(crate) fn sum(path: &Path) -> io::Result<Sum> {
    pass(File::open(path)?, |_| Ok(()))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    // A relative path of one part has an empty parent.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

fn pass(mut source: impl Read, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Sum> {
    let (mut sum, mut buffer) = (Sum::default(), vec![0; BUFFER]);
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(sum),
            Ok(read) => {
                let part = buffer.get(..read).unwrap_or_default();
                each(part)?;
                sum.crc = crc32c::crc32c_append(sum.crc, part);
                sum.bytes += part.len() as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
